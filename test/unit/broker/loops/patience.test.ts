import { describe, expect, it } from "vitest";
import { Patience } from "../../../../src/broker/loops/patience.ts";

/** Milliseconds from `now` until it is over, for what comes at leisure. */
function pauseOf(patience: Patience, now: number): number {
  let low = 0;
  let high = 10_000_000;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (patience.isOver(1_000_000, now + middle)) high = middle;
    else low = middle;
  }
  return high;
}

describe("Patience", () => {
  it("is over at first", () => {
    expect(new Patience().isOver(100, 0)).toBe(true);
  });

  it("grows each time that what comes is honest, to an hour", () => {
    const patience = new Patience();
    const pauses = Array.from({ length: 7 }, () => {
      patience.onHonest(100, 5);
      return pauseOf(patience, 5) / 1000;
    });
    expect(pauses).toEqual([10, 40, 160, 640, 2_560, 3_600, 3_600]);
    expect(patience.honestCount).toBe(7);
  });

  it("is over for what comes far more quickly than anything honest, after a while", () => {
    const patience = new Patience();
    for (let i = 0; i < 4; i++) patience.onHonest(100, 0);
    expect(patience.isOver(26, 20_000)).toBe(false);
    expect(patience.isOver(24, 20_000)).toBe(true);
    expect(patience.isOver(24, 9_999)).toBe(false);
  });

  it("is short where nothing could be said, and shorter by chance", () => {
    const patience = new Patience();
    patience.onNothing(0, 0);
    expect(pauseOf(patience, 0)).toBe(2_000);
    patience.onNothing(0, 0);
    expect(pauseOf(patience, 0)).toBe(4_000);
    patience.onNothing(0.5, 0);
    expect(pauseOf(patience, 0)).toBe(6_000);
  });

  it("is over at once where a loop was found: there may be more", () => {
    const patience = new Patience();
    patience.onHonest(100, 0);
    patience.onLoop(1);
    expect(patience.isOver(100, 1)).toBe(true);
    expect(patience.honestCount).toBe(0);
    patience.onConfirmed(1);
    expect(pauseOf(patience, 1)).toBe(10_000);
  });

  it("waits up to six beats by chance, anew after a silence", () => {
    const patience = new Patience();
    const half = () => 0.5;
    expect(patience.hasWaited(10, half, 0)).toBe(false);
    expect(patience.hasWaited(10, () => 0, 20)).toBe(false);
    expect(patience.hasWaited(10, () => 1, 30)).toBe(true);
    expect(patience.hasWaited(10, half, 161)).toBe(false);
    expect(patience.hasWaited(10, half, 191)).toBe(true);
  });
});
