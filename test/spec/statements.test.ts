/** Every statement that a peer can test has a test, or a reason why not. */
import { describe, expect, it } from "vitest";
import { excused, numbersIn, testable, tested } from "../support/statement-share.ts";
import { STATEMENTS } from "./statements.ts";
import { NOT_YET } from "./untested.ts";

describe("the statements", () => {
  it("are all there, each once", () => {
    const numbers = STATEMENTS.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.filter((number) => number.startsWith("MQTT5-"))).toHaveLength(251);
    expect(numbers.filter((number) => number.startsWith("MQTT-"))).toHaveLength(141);
  });

  it("have a test or stand in untested.ts", () => {
    const [have, reasons] = [tested(), excused()];
    const forgotten = testable().filter(({ number }) => !have.has(number) && !reasons.has(number));
    expect(forgotten.map(({ number, meaning }) => `${number} ${meaning}`)).toEqual([]);
  });

  it("do not stand in untested.ts if they have a test", () => {
    const have = tested();
    const stale = [...excused()].filter(([number, why]) => have.has(number) && why !== NOT_YET);
    expect(stale).toEqual([]);
  });

  it("stand in untested.ts only if a peer could test them", () => {
    const numbers = new Set<string>(testable().map(({ number }) => number));
    expect([...excused().keys()].filter((number) => !numbers.has(number))).toEqual([]);
  });
});

describe("numbersIn", () => {
  it("reads the tags that open a title, and no others", () => {
    expect(numbersIn("[MQTT5-3.1.2-21] ~[MQTT-3.1.2-24] follows")).toEqual([
      "MQTT5-3.1.2-21",
      "MQTT-3.1.2-24",
    ]);
    expect(numbersIn("keeps to [MQTT5-3.1.2-21]")).toEqual([]);
  });
});
