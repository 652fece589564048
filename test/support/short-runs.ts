/**
 * Many programs that end at once, run by a few shells: to start a process from a test costs several
 * times what the process itself costs.
 *
 *     const [help] = await shortRuns([{ command: mosquittoPub, words: ["--help"] }]);
 *
 * None gets any input.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./programs.ts";

export interface ShortRun {
  readonly command: string;
  readonly words: readonly string[];
  /** Set beside the environment of all. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ShortOutcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param env The environment of all, beside PATH. Nothing else of the test's own is in it.
 * @returns What became of each, in their order.
 */
export async function shortRuns(
  runs: readonly ShortRun[],
  env: Readonly<Record<string, string>> = {},
): Promise<ShortOutcome[]> {
  const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  try {
    const shells = availableParallelism();
    const all = runs.map((run, at) => ({ at, line: lineFor(run, at) }));
    const parts = Array.from({ length: shells }, (_, i) =>
      all.filter(({ at }) => at % shells === i),
    );
    await Promise.all(parts.map((part, i) => runPart(folder, `${i}`, part, env)));
    return runs.map((_run, at) => readOutcome(folder, at));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runPart(
  folder: string,
  name: string,
  lines: readonly { readonly line: string }[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const script = join(folder, `${name}.sh`);
  writeFileSync(script, lines.map(({ line }) => line).join(""));
  const shell = start(
    "env",
    [
      "-i",
      ...Object.entries({ PATH: process.env.PATH, ...env }).map(
        ([key, value]) => `${key}=${value}`,
      ),
      ...["sh", script],
    ],
    { cwd: folder },
  );
  const { status } = await shell.untilExit({ deadlineMs: 110_000 });
  if (status !== 0) throw new Error(`sh ended with ${status}: ${shell.stderr}`);
}

function lineFor({ command, words, env = {} }: ShortRun, at: number): string {
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`);
  const run = [...assignments, ...[command, ...words].map(quoted)].join(" ");
  return `${run} </dev/null >${at}.out 2>${at}.err; echo $? >${at}.status\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function readOutcome(folder: string, at: number): ShortOutcome {
  const [status, stdout, stderr] = ["status", "out", "err"].map((kind) =>
    readFileSync(join(folder, `${at}.${kind}`), "utf8"),
  );
  return { status: Number(status), stdout: stdout!, stderr: stderr! };
}
