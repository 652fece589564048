/**
 * Names the tests that passed at the second try only, where there is one (CI=true): such a test, or
 * what it is about, depends on what no machine promises, and wants to be mended.
 *
 * As a reporter of vitest it prints them when all tests have ended.
 */
import type { Reporter } from "vitest/node";

/** What of vitest's own is looked at. */
export interface TriedModule {
  readonly relativeModuleId: string;
  readonly children: { allTests(): Iterable<TriedTest> };
}

export interface TriedTest {
  readonly fullName: string;
  diagnostic(): { readonly flaky: boolean } | undefined;
  result(): { readonly errors?: readonly { readonly message: string }[] | undefined };
}

export class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TriedModule[]): void {
    const lines = secondTries(modules);
    if (lines.length === 0) return;
    console.log(`\nPassed at the second try only (${lines.length}):\n${lines.join("\n")}`);
  }
}

/** Of what was wrong, for whoever looks for the cause. */
const CHARACTERS_MAX = 2_000;

/** An entry for each: where it stands, its title, and what was wrong the first time. */
export function secondTries(modules: readonly TriedModule[]): string[] {
  return modules.flatMap(({ relativeModuleId, children }) =>
    [...children.allTests()].flatMap((test) => {
      if (test.diagnostic()?.flaky !== true) return [];
      const wrong = (test.result().errors?.[0]?.message ?? "").slice(0, CHARACTERS_MAX);
      return `  ${relativeModuleId} > ${test.fullName}: ${wrong.replaceAll("\n", "\n    ")}`;
    }),
  );
}
