import { describe, expect, it } from "vitest";
import { wallClock } from "../../../src/cli/wall-clock.ts";

describe("wallClock", () => {
  it("goes forward, and agrees with the time of day", () => {
    const now = wallClock();
    let before = 0n;
    for (let i = 0; i < 1000; i++) {
      const earliest = Date.now();
      const { seconds, nanoseconds } = now();
      const latest = Date.now();
      const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
      expect(time > before).toBe(true);
      before = time;
      // As far apart as the clock lets them be before it sets itself anew.
      const ms = Number(time / 1_000_000n);
      expect(ms).toBeGreaterThanOrEqual(earliest - 3);
      expect(ms).toBeLessThanOrEqual(latest + 3);
    }
  });
});
