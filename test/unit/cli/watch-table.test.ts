import { describe, expect, it } from "vitest";
import { ageText, Rate, rateText, WatchTable } from "../../../src/cli/watch-table.ts";
import { message } from "./messages.ts";

const PLAIN = { heading: same, topic: same, metadata: same };

describe("the watch table", () => {
  it("has a line for each topic, by name, with rate, age and last value", () => {
    const { table, screen } = shown({ columns: 60, rows: 6 });
    table.add(message({ topic: "b", payload: Buffer.from("one") }), 0);
    table.add(message({ topic: "b", payload: Buffer.from("two") }), 500);
    table.add(message({ topic: "a/long", payload: Buffer.from("x\ny"), retain: true }), 3000);
    expect(screen(5000)).toEqual([
      "TOPIC         RATE/S    AGE VALUE                           ",
      "a/long           0.4     2s [retained] x␊y",
      "b                0.2     4s two",
      "",
      "",
      "2 topics · 0.5 messages/s",
    ]);
  });

  it("writes only the lines that have changed", () => {
    const { table } = shown({ columns: 60, rows: 10 });
    for (const topic of ["a", "b", "c"]) table.add(message({ topic }), 0);
    table.frame(100);
    expect(table.frame(200)).toBe("");
    table.add(message({ topic: "b", payload: Buffer.from("new") }), 200);
    const frame = table.frame(200);
    expect(frame).toContain("\x1b[3;1H\x1b[2Kb ");
    expect(frame).not.toContain("\x1b[2;1H");
    expect(frame).not.toContain("\x1b[4;1H");
  });

  it("writes every line when it is told to, and leaves the cursor where it does no harm", () => {
    const { table } = shown({ columns: 60, rows: 4 });
    table.add(message({ topic: "a" }), 0);
    const first = table.frame(0);
    expect(table.frame(0)).toBe("");
    expect(table.frame(0, true)).toBe(first.slice("\x1b[2J".length));
    expect(first.endsWith("\x1b[H")).toBe(true);
  });

  it("ends a value that is too long with an ellipsis in the last column", () => {
    const { table, screen } = shown({ columns: 40, rows: 4 });
    table.add(message({ topic: "a", payload: Buffer.alloc(50, "y") }), 0);
    const [, line] = screen(0);
    expect(line).toMatch(/y…$/);
    expect(line).toHaveLength(40);
  });

  it("keeps a short value behind a long one short", () => {
    const { table, screen } = shown({ columns: 60, rows: 4 });
    for (const payload of ["x".repeat(3000), "", "short"]) {
      table.add(message({ topic: "a", payload: Buffer.from(payload) }), 0);
    }
    expect(screen(0)[1]).toMatch(/ now short$/);
  });

  it("takes new topics into their places", () => {
    const { table, screen } = shown({ columns: 60, rows: 8 });
    table.add(message({ topic: "m" }), 0);
    screen(0);
    for (const topic of ["z", "a", "n"]) table.add(message({ topic }), 0);
    expect(
      screen(0)
        .slice(1, 5)
        .map((line) => line[0]),
    ).toEqual(["a", "m", "n", "z"]);
  });

  it("counts the topics that the window has no line for", () => {
    const { table, screen } = shown({ columns: 60, rows: 5 });
    for (let i = 0; i < 20; i++) table.add(message({ topic: `t/${i + 10}` }), 0);
    const lines = screen(0);
    expect(lines).toHaveLength(5);
    expect(lines[1]).toMatch(/^t\/10 /);
    expect(lines[4]).toBe("20 topics · 17 of them not shown · 22.1 messages/s");
  });

  it("counts the topics that it does not keep", () => {
    const table = new WatchTable(PLAIN, { topicsMax: 2 });
    for (let i = 0; i < 3; i++) table.add(message({ topic: `t${i}` }), 0);
    expect(table.frame(0)).toContain("3 topics · 1 of them not shown");
    for (let i = 0; i < 9; i++) table.add(message({ topic: `t${i}` }), 0);
    expect(table.frame(0)).toContain("4+ topics · 2+ of them not shown");
  });

  it.each([
    [80, 24],
    [20, 3],
    [12, 2],
    [5, 1],
    [1, 1],
    [300, 60],
  ])("fits a window of %i by %i", (columns, rows) => {
    const { table, screen } = shown({ columns, rows });
    const payload = Buffer.from("日本 ".repeat(200));
    for (let i = 0; i < 30; i++) table.add(message({ topic: `日本/${"x".repeat(i)}`, payload }), 0);
    const lines = screen(99_000_000);
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(columnsOf(line)).toBeLessThanOrEqual(columns);
  });

  it("says when there is no connection, and what went wrong", () => {
    const { table, screen } = shown({ columns: 60, rows: 4 });
    table.connected(false);
    table.say("Oh dear.");
    expect(screen(0)[3]).toBe("no connection · 0 topics · 0 messages/s · Oh dear.");
    table.connected(true);
    expect(screen(0)[3]).toBe("0 topics · 0 messages/s · Oh dear.");
  });

  it("is drawn anew for a window of another size", () => {
    const { table, screen } = shown({ columns: 60, rows: 6 });
    for (const topic of ["a", "b", "c", "d"]) table.add(message({ topic }), 0);
    screen(0);
    table.resize({ columns: 40, rows: 4 });
    const frame = table.frame(0);
    expect(frame.startsWith("\x1b[2J")).toBe(true);
    expect(frame).toContain("4 topics · 2 of them not shown");
  });

  it("shows no character of a topic or payload that would move the cursor", () => {
    const { table } = shown({ columns: 60, rows: 6 });
    table.add(message({ topic: "a\x1b[2J", payload: Buffer.from("\x1b]0;x\x07") }), 0);
    table.say("no\nway");
    const frame = table.frame(0);
    expect(frame).toContain("a␛[2J");
    expect(frame).toContain("no␊way");
    expect(frame.replace(/\x1b\[(\d+;1H|2K|2J|H)/g, "")).not.toMatch(/[\x00-\x1f]/);
  });

  it("does not hold on to payloads", () => {
    const table = new WatchTable(PLAIN);
    const payload = Buffer.alloc(1_000_000, "a");
    table.add(message({ payload }), 0);
    payload.fill("b");
    expect(table.frame(0)).toMatch(/ a+…/);
  });
});

describe("a rate", () => {
  it("comes to what is sent, whatever that is", () => {
    for (const perSecond of [0.5, 10, 10_000]) {
      const rate = new Rate();
      for (let i = 0; i < perSecond * 30; i++) rate.add((i * 1000) / perSecond);
      expect(rate.perSecond(30_000) / perSecond).toBeCloseTo(1, 0);
    }
  });

  it("is about right from the first second on", () => {
    const rate = new Rate();
    for (let i = 0; i < 100; i++) rate.add(i * 10);
    expect(rate.perSecond(1000)).toBeCloseTo(100, -1);
  });

  it("goes down when nothing comes, and does not mind a clock that stands", () => {
    const rate = new Rate();
    expect(rate.perSecond(5)).toBe(0);
    for (let i = 0; i < 10; i++) rate.add(1000);
    expect(rate.perSecond(900)).toBeGreaterThan(5);
    expect(rateText(rate.perSecond(60_000))).toBe("0");
  });

  it("has seven characters at most, an age five", () => {
    expect([0, 0.04, 0.5, 99.94, 99.96, 10_000].map(rateText)).toEqual([
      "0",
      "0",
      "0.5",
      "99.9",
      "100",
      "10000",
    ]);
    const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
    const ages = [-5, 999, 1000, 99_999, 100_000, 99 * minute, 100 * minute, 4 * day + hour];
    expect(ages.map(ageText)).toEqual(["now", "now", "1s", "99s", "1m", "99m", "1h", "97h"]);
    expect(ageText(1000 * day)).toBe("1000d");
  });
});

function same(text: string): string {
  return text;
}

/** A table in a window of this size, and what that shows after a frame. */
function shown(size: { columns: number; rows: number }) {
  const table = new WatchTable(PLAIN);
  table.resize(size);
  let lines: string[] = [];
  const screen = (nowMs: number): string[] => {
    const frame = table.frame(nowMs);
    if (frame.startsWith("\x1b[2J")) lines = [];
    for (const [, row, line] of frame.matchAll(/\x1b\[(\d+);1H\x1b\[2K([^\x1b]*)/g)) {
      lines[Number(row) - 1] = line!;
    }
    return lines;
  };
  return { table, screen };
}

function columnsOf(line: string): number {
  return [...line].reduce((sum, char) => sum + (/[日本]/.test(char) ? 2 : 1), 0);
}
