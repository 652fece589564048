import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { compileStrftime, zoneOffset } from "../../../../src/core/base/strftime.ts";

const LETTERS = [..."aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYz%"];

describe("strftime", () => {
  it("says what is known of a Sunday afternoon", () => {
    const date = new Date(2026, 10, 22, 17, 46, 26);
    const say = (letter: string) => compileStrftime(letter)(date);
    expect(say("c")).toBe("Sun Nov 22 17:46:26 2026");
    expect(say("r")).toBe("05:46:26 PM");
    expect(say("j")).toBe("326");
    expect([say("U"), say("V"), say("W")]).toEqual(["47", "47", "46"]);
    expect([say("u"), say("w")]).toEqual(["7", "0"]);
    expect([say("C"), say("g"), say("G")]).toEqual(["20", "26", "2026"]);
  });

  it("keeps what is no conversion, as glibc does", () => {
    const say = (letter: string) => compileStrftime(letter)(new Date(0));
    expect([say("q"), say("E"), say("!"), say("+")]).toEqual(["%q", "%E", "%!", "%+"]);
    expect([say("0"), say("1"), say("5")]).toEqual(["%0", "%1", "   %5"]);
    expect(say("constructor")).toBe("%constructor");
  });

  it("puts the turn of a year into the week its Thursday is in", () => {
    const week = (year: number, month: number, day: number) => {
      const date = new Date(year, month - 1, day);
      return `${compileStrftime("G")(date)}-${compileStrftime("V")(date)}`;
    };
    expect(week(2027, 1, 1)).toBe("2026-53");
    expect(week(2024, 12, 30)).toBe("2025-01");
    expect(week(2023, 1, 1)).toBe("2022-52");
  });

  it("writes the distance from UTC with its sign", () => {
    const at = (minutes: number) => zoneOffset({ getTimezoneOffset: () => minutes } as Date);
    expect([at(0), at(-60), at(210), at(-345)]).toEqual(["+0000", "+0100", "-0330", "+0545"]);
  });

  it.runIf(process.platform === "linux")(
    "agrees with date(1) on every letter, all over the calendar",
    () => {
      const moments = Array.from({ length: 60 }, (_, i) => 1_000_000_000 + i * 13_131_313);
      const ours = moments.map((seconds) => {
        const date = new Date(seconds * 1000);
        return LETTERS.map((letter) => compileStrftime(letter)(date)).join("|");
      });
      // Letters may stand for a new line: each moment begins with what no letter makes.
      const format = `\x01${LETTERS.map((letter) => `%${letter}`).join("|")}`;
      const theirs = execFileSync("date", ["-f", "-", `+${format}`], {
        input: moments.map((seconds) => `@${seconds}\n`).join(""),
        env: { ...process.env, LC_ALL: "C" },
        encoding: "utf8",
      });
      expect(ours.map((text) => `\x01${text}\n`).join("")).toBe(theirs);
    },
  );
});
