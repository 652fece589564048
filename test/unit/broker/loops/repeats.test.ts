import { describe, expect, it } from "vitest";
import { Repeats } from "../../../../src/broker/loops/repeats.ts";

describe("Repeats", () => {
  it("counts how often a number has come", () => {
    const repeats = new Repeats(64, 10_000);
    expect([0, 100, 200].map((now) => repeats.note(5, now))).toEqual([1, 2, 3]);
    expect(repeats.note(6, 200)).toBe(1);
    expect(repeats.note(5, 300)).toBe(4);
    expect(repeats.spanMs).toBe(300);
    expect(repeats.gapMs).toBe(100);
  });

  it("begins with one again after a number has stayed away for the window", () => {
    const repeats = new Repeats(64, 1_000);
    repeats.note(5, 0);
    expect(repeats.note(5, 1_000)).toBe(2);
    expect(repeats.note(5, 2_001)).toBe(1);
  });

  it("never counts more of a beat than fit the window, however long it goes on", () => {
    const repeats = new Repeats(64, 10_000);
    let most = 0;
    for (let now = 0; now < 1_000_000; now += 700) most = Math.max(most, repeats.note(5, now));
    expect(most).toBeLessThanOrEqual(16);
    expect(most).toBeGreaterThan(10);
    expect(repeats.note(5, 1_000_300)).toBeGreaterThan(2);
  });

  it("begins anew when a beat is interrupted, but not as something new", () => {
    const repeats = new Repeats(64, 10_000);
    for (let now = 0; now <= 1_000; now += 100) repeats.note(5, now);
    expect(repeats.note(5, 1_210)).toBe(3);
    expect(repeats.spanMs).toBe(0);
    expect(repeats.gapMs).toBe(0);
    expect(repeats.note(5, 1_310)).toBe(4);
  });

  it("goes on where a beat is a little late", () => {
    const repeats = new Repeats(64, 10_000);
    for (let now = 0; now <= 1_000; now += 100) repeats.note(5, now);
    expect(repeats.note(5, 1_200)).toBe(12);
  });

  it("remembers so many, and forgets those first that came least", () => {
    const repeats = new Repeats(4, 10_000);
    for (let i = 0; i < 5; i++) repeats.note(1, i);
    for (const number of [2, 3, 4]) repeats.note(number, 10);
    repeats.note(3, 11);
    // Full: 2 and 4 came once, and 2 longest ago.
    repeats.note(5, 12);
    expect(repeats.note(1, 13)).toBe(6);
    expect(repeats.note(3, 13)).toBe(3);
    expect(repeats.note(4, 13)).toBe(2);
    expect(repeats.note(2, 14)).toBe(1);
  });

  it("takes the place of what is over before that of what is not", () => {
    const repeats = new Repeats(4, 1_000);
    for (let i = 0; i < 9; i++) repeats.note(1, i);
    for (const number of [2, 3, 4]) repeats.note(number, 2_000);
    repeats.note(5, 2_001);
    expect([2, 3, 4].map((number) => repeats.note(number, 2_002))).toEqual([2, 2, 2]);
    expect(repeats.note(1, 2_003)).toBe(1);
  });
});
