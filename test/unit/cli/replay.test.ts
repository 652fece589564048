import { describe, expect, it } from "vitest";
import { parseTime, Replay } from "../../../src/cli/replay.ts";

describe("a replay", () => {
  it("keeps the distances, from whenever the first message is sent", () => {
    const replay = new Replay(1);
    expect(replay.delayMs(5000, 100)).toBe(0);
    expect(replay.delayMs(5250, 100)).toBe(250);
    expect(replay.delayMs(6000, 900)).toBe(200);
  });

  it("is as many times faster as told, or slower", () => {
    const fast = new Replay(10);
    fast.delayMs(0, 0);
    expect(fast.delayMs(1000, 0)).toBe(100);
    const slow = new Replay(0.5);
    slow.delayMs(0, 0);
    expect(slow.delayMs(1000, 0)).toBe(2000);
  });

  it("does not wait for what is late, out of order or without a time", () => {
    const replay = new Replay(1);
    expect(replay.delayMs(undefined, 0)).toBe(0);
    expect(replay.delayMs(1000, 7)).toBe(0);
    expect(replay.delayMs(500, 7)).toBe(0);
    expect(replay.delayMs(undefined, 7)).toBe(0);
    expect(replay.delayMs(1100, 500)).toBe(0);
    expect(replay.delayMs(1600, 500)).toBe(107);
  });
});

describe("a time", () => {
  it.each([
    ["2026-11-22T17:43:54.006026+0000", 1_795_369_434_006.026],
    ["2026-11-22T18:43:54+0100", 1_795_369_434_000],
    ["2026-11-22T12:13:54-05:30", 1_795_369_434_000],
    ["2026-11-22T17:43:54,5Z", 1_795_369_434_500],
    ["1969-12-31T23:59:59Z", -1000],
    ["2016-12-31T23:59:60Z", 1_483_228_800_000],
  ])("is read from %s", (text, ms) => {
    expect(parseTime(text)).toBeCloseTo(ms, 2);
  });

  it.each([
    "",
    "now",
    "2026-11-22",
    "2026-11-22T17:43:54",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T23:60:00Z",
    "2026-11-22T23:59:61Z",
    " 2026-11-22T17:43:54Z",
    "2026-11-22T17:43:54Zulu",
  ])("is not read from %j", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});
