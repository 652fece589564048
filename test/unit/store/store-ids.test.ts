import { describe, expect, it } from "vitest";
import { forRanges, StoreIds } from "../../../src/store/store-ids.ts";

describe("StoreIds", () => {
  it("tell the time as mosquitto's do", () => {
    // 31 bits of seconds since the one they count from, then 23 bits of a second's parts.
    const ids = new StoreIds(0);
    expect(ids.next(1_637_168_273_000 + 5_500)).toBe(5.5 * 2 ** 23);
  });

  it("grow, whatever the clock does and however many there are", () => {
    const ids = new StoreIds(1_327_052_017_809_769);
    const first = ids.next(0);
    expect(first).toBe(1_327_052_017_809_770);
    expect(ids.next(0)).toBe(first + 1);
  });

  it("begin anew where another node's stand", () => {
    expect(new StoreIds(2n ** 60n).next(1_637_168_274_000)).toBe(2 ** 23);
  });
});

describe("forRanges", () => {
  it("joins what stands side by side, in any order and more than once", () => {
    const ranges: [number, number][] = [];
    forRanges([7, 3, 1, 2, 9, 8, 3, 5], (first, last) => void ranges.push([first, last]));
    expect(ranges).toEqual([
      [1, 3],
      [5, 5],
      [7, 9],
    ]);
    forRanges([], () => expect.fail("there is none"));
  });
});
