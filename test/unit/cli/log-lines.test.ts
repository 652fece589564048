import { describe, expect, it } from "vitest";
import { colours, NO_COLOURS } from "../../../src/cli/colours.ts";
import { logDress } from "../../../src/cli/log-lines.ts";

const plain = logDress(NO_COLOURS);
const NOW = new Date(2026, 0, 2, 3, 4, 5);

describe("a log line on a terminal", () => {
  it("has the kind of line in a column of its own", () => {
    const line = (type: Parameters<typeof plain.line>[0]) => plain.line(type, "12:00:00", "text");
    expect(line("information")).toBe("12:00:00 info    text");
    expect(line("warning")).toBe("12:00:00 warning text");
    expect(line("unsubscribe")).toBe("12:00:00 unsub   text");
    expect(plain.line("error", "", "text")).toBe("error   text");
  });

  it("begins with the time of day, or as the configuration says", () => {
    const stamp = (timestamp: boolean, timestampFormat?: string) =>
      plain.stampFor({ timestamp, timestampFormat })(NOW);
    expect(stamp(true)).toBe("03:04:05");
    expect(stamp(true, "%Y-%m-%d: %H")).toBe("2026-01-02: 03");
    expect(stamp(false)).toBe("");
  });

  it("cannot paint on the screen, whatever clients call themselves", () => {
    expect(plain.line("notice", "x\x1b", "as \x1b[2Ja\nb")).toBe("x␛ notice  as ␛[2Ja␊b");
    expect(plain.line("debug", "", "\ta (QoS 1)")).toBe("debug     a (QoS 1)");
  });

  it("has a colour for what is wrong, and less of it for what is seldom read", () => {
    const dress = logDress(colours());
    expect(dress.line("error", "", "x")).toBe("\x1b[31merror  \x1b[39m \x1b[31mx\x1b[39m");
    expect(dress.line("warning", "", "x")).toContain("\x1b[33m");
    expect(dress.line("notice", "t", "x")).toBe("\x1b[2mt\x1b[22m \x1b[36mnotice \x1b[39m x");
    expect(dress.line("debug", "", "x")).toBe("\x1b[2mdebug   x\x1b[22m");
  });
});
