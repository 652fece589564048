/** How long a client takes to answer, from one message at a time. */
import { describe, expect, it } from "vitest";
import { AnswerTime } from "../../../../src/broker/durable/answer-time.ts";

const QUICK_MS = 20;

/** One that has answered after each of `delays`, at the time 1,000. */
function answered(...delays: number[]): AnswerTime {
  const time = new AnswerTime();
  for (const ms of delays) {
    const queued = {};
    time.onAdded(queued, 1_000 - ms);
    time.onSettled(queued, 1_000);
  }
  return time;
}

describe("the time a client takes to answer", () => {
  it.each([
    [[], true],
    [[19], true],
    [[60], true],
    [[60, 60], false],
    [[60, 60, 1], true],
    [[60, 60, 60, 60, 60, 60, 60, 60], false],
    [[60, 60, 60, 60, 60, 60, 60, 60, 1, 1, 1, 1], true],
  ])("after %j is quick: %s", (delays, isQuick) => {
    expect(answered(...delays).isWithin(QUICK_MS, 1_000)).toBe(isQuick);
  });

  it("forgives an absence after a few quick answers", () => {
    const time = answered(3_600_000, 1, 1, 1);
    expect(time.isWithin(QUICK_MS, 1_000)).toBe(true);
  });

  it("is late while the message that is timed has no answer", () => {
    const time = new AnswerTime();
    const first = {};
    time.onAdded(first, 0);
    expect(time.isWithin(QUICK_MS, QUICK_MS - 1)).toBe(true);
    expect(time.isWithin(QUICK_MS, QUICK_MS)).toBe(false);
  });

  it("times one message until it is answered, whatever goes by meanwhile", () => {
    const time = new AnswerTime();
    const [first, second] = [{}, {}];
    time.onAdded(first, 0);
    time.onAdded(second, 15);
    time.onSettled(second, 16);
    expect(time.isWithin(QUICK_MS, QUICK_MS)).toBe(false);
    time.onSettled(first, QUICK_MS);
    expect(time.isWithin(QUICK_MS, QUICK_MS)).toBe(true);
  });
});
