/**
 * How many of the standards' statements have a test: those whose numbers open a test's title.
 *
 *     it("[MQTT5-3.1.2-21] [MQTT5-3.2.2-21] follows the server's keep alive", …)
 *     it("~[MQTT5-3.8.3-3] keeps back messages by client identifier, as mosquitto", …)
 *
 * `~` marks a test of a deliberate deviation, which counts as well: what is done there is known and
 * shown. Only what a peer can test from outside counts, in both directions.
 *
 * As a global set-up of vitest it prints the share when all tests have ended.
 */
import { STATEMENTS, type Statement } from "../spec/statements.ts";
import { UNTESTED } from "../spec/untested.ts";
import { type Source, sourcesIn, titlesOf } from "./sources.ts";

/** A run of tags at the start of a title. */
const OPENING = /^(~?\[MQTT5?-[\d.]+-\d+\]\s*)+/;

/** The statements whose tests count: a peer on the wire can tell whether they are kept. */
export function testable(): readonly Statement[] {
  return STATEMENTS.filter(({ fromOutside }) => fromOutside === "yes");
}

/** The numbers at the start of one test's title. */
export function numbersIn(title: string): string[] {
  return OPENING.exec(title)?.[0].match(/MQTT5?-[\d.]+-\d+/g) ?? [];
}

/** Every number that has a test somewhere under test/. */
export function tested(): ReadonlySet<string> {
  const hasNumbers = ({ text }: Source) => /\[MQTT5?-/.test(text);
  return new Set(sourcesIn("test").filter(hasNumbers).flatMap(titlesOf).flatMap(numbersIn));
}

/** The numbers in test/spec/untested.ts, with the reason of each. */
export function excused(): ReadonlyMap<string, string> {
  const numbers = ({ statements }: (typeof UNTESTED)[number]) => statements.trim().split(/\s+/);
  return new Map(
    UNTESTED.flatMap((group) => numbers(group).map((number) => [number, group.reason])),
  );
}

/** Called by vitest after the last test. */
export function teardown(): void {
  const have = tested();
  const share = (label: string, prefix: string) => {
    const all = testable().filter(({ number }) => number.startsWith(prefix));
    const percent = (count: number) => `${((100 * count) / all.length).toFixed(1)} %`;
    const count = all.filter(({ number }) => have.has(number)).length;
    return `${label} ${count} of ${all.length} (${percent(count)})`;
  };
  const parts = [share("both", "MQTT"), share("MQTT 5.0", "MQTT5-"), share("MQTT 3.1.1", "MQTT-")];
  console.log(`Statements testable from outside that have a test: ${parts.join(", ")}`);
}
