import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/core/base/prng.ts";

const MANY = 20_000;

describe("Prng", () => {
  it("gives the same numbers for the same seed, and others for another", () => {
    expect(fractions(7, 100)).toEqual(fractions(7, 100));
    expect(fractions(7, 100)).not.toEqual(fractions(8, 100));
  });

  it("has the same numbers tomorrow, so that a seed in a report replays", () => {
    const prng = new Prng(1);
    const first = Array.from({ length: 4 }, () => prng.between(0, 0xffff_ffff));
    expect(first).toEqual([2693262067, 11749833, 2265367787, 4213581821]);
  });

  it("takes any seed, by its lowest 32 bits", () => {
    expect(fractions(-1, 10)).toEqual(fractions(0xffff_ffff, 10));
    expect(new Set(fractions(0, 100)).size).toBe(100);
  });

  it("gives fractions in [0, 1), spread evenly", () => {
    const tenths = new Array<number>(10).fill(0);
    for (const fraction of fractions(3, MANY)) {
      expect(fraction >= 0 && fraction < 1).toBe(true);
      tenths[Math.floor(fraction * 10)]!++;
    }
    for (const count of tenths) expect(Math.abs(count - MANY / 10)).toBeLessThan(MANY / 100);
  });

  it("reaches both ends of a range, and nothing beyond", () => {
    const prng = new Prng(5);
    const seen = new Set(Array.from({ length: 1000 }, () => prng.between(-2, 3)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3]);
    expect(prng.between(4, 4)).toBe(4);
  });

  it("picks every item, and chances come true as often as they say", () => {
    const prng = new Prng(6);
    expect(new Set(Array.from({ length: 200 }, () => prng.pick(["a", "b", "c"]))).size).toBe(3);
    const hits = Array.from({ length: MANY }, () => prng.chance(0.25)).filter(Boolean).length;
    expect(Math.abs(hits - MANY / 4)).toBeLessThan(MANY / 50);
    expect([prng.chance(0), prng.chance(1)]).toEqual([false, true]);
  });
});

function fractions(seed: number, count: number): number[] {
  const prng = new Prng(seed);
  return Array.from({ length: count }, () => prng.fraction());
}
