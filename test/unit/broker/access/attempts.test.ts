/** Whoever names wrong passwords again and again has to wait. */
import { describe, expect, it } from "vitest";
import { Attempts } from "../../../../src/broker/access/attempts.ts";

const LIMITS = {
  freeFailures: 2,
  delayMs: 100,
  delayMsMax: 400,
  forgetMs: 1_000,
  sourcesMax: 3,
};

function failing(address: string, times: number, now = 0): Attempts {
  const attempts = new Attempts(LIMITS);
  for (let i = 0; i < times; i++) attempts.onFailure(address, now);
  return attempts;
}

describe("attempts to log in", () => {
  it.each([
    [0, 0],
    [1, 0],
    [2, 100],
    [3, 200],
    [4, 400],
    [9, 400],
  ])("wait behind %i failures for %i ms", (failures, ms) => {
    expect(failing("a", failures).takeTurn("a", 0)).toBe(ms);
  });

  it("wait one after the other, over however many connections they come", () => {
    const attempts = failing("a", 2);
    expect([1, 2, 3].map(() => attempts.takeTurn("a", 0))).toEqual([100, 200, 300]);
    expect(attempts.takeTurn("a", 250)).toBe(150);
  });

  it("from other addresses do not wait", () => {
    expect(failing("a", 9).takeTurn("b", 0)).toBe(0);
  });

  it("are free again after a right password, or a time without a wrong one", () => {
    const attempts = failing("a", 9);
    attempts.onSuccess("a");
    expect(attempts.takeTurn("a", 0)).toBe(0);
    expect(failing("a", 9).takeTurn("a", 999)).toBe(400);
    expect(failing("a", 9).takeTurn("a", 1_000)).toBe(0);
  });

  it("are remembered for so many addresses only", () => {
    const attempts = failing("a", 9);
    for (const address of ["b", "c"]) attempts.onFailure(address, 1);
    expect(attempts.takeTurn("a", 1)).toBe(400);
    attempts.onFailure("d", 1);
    expect(attempts.takeTurn("a", 1)).toBe(0);
  });
});
