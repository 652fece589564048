import { describe, expect, it } from "vitest";
import { parseFormat, readFormat } from "../../../src/options/format.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

describe("readFormat", () => {
  it("parts text, moments and fields", () => {
    expect(readFormat("a\\t@Y%-05.2:x\\\\%%")).toEqual([
      { kind: "text", text: "a\t" },
      { kind: "moment", letter: "Y" },
      {
        kind: "field",
        letter: "x",
        layout: { isLeft: true, pad: "0", width: 5, precision: 2, separator: ":" },
      },
      { kind: "text", text: "\\" },
      {
        kind: "field",
        letter: "%",
        layout: { isLeft: false, pad: " ", width: 0, separator: " " },
      },
    ]);
    expect(readFormat("")).toEqual([]);
    expect(readFormat("@😀b")).toEqual([
      { kind: "moment", letter: "😀" },
      { kind: "text", text: "b" },
    ]);
  });

  it("takes every beginning of a good format, or says that it is incomplete", () => {
    const whole = "%-012.3,x @H:@M \\a\\0 %t=%p";
    for (let cut = 0; cut <= whole.length; cut++) {
      try {
        expect(parseFormat(whole.slice(0, cut))).toBe(whole.slice(0, cut));
      } catch (error) {
        expect((error as Error).message).toMatch(/^Error: Incomplete (format|escape) specifier\.$/);
      }
    }
  });
});

describe("formats that cannot be", () => {
  it.each([
    ["%", "Incomplete format specifier."],
    ["abc%-05.3", "Incomplete format specifier."],
    ["%.5:", "Incomplete format specifier."],
    ["@", "Incomplete format specifier."],
    ["\\", "Incomplete escape specifier."],
    ["\\q", "Invalid escape specifier 'q'."],
    ["%z", "Invalid format specifier 'z'."],
    ["% l", "Invalid format specifier ' '."],
    ["%😀", "Invalid format specifier '😀'."],
    ["\\😀", "Invalid escape specifier '😀'."],
    ["%100001p", "Format width or precision 100001 is over 100000."],
    ["%.100001x", "Format width or precision 100001 is over 100000."],
    ["%é", "Invalid format specifier 'é'."],
    ["%::x", "Invalid format specifier ':'."],
  ])("refuses %j: %s", (format, sentence) => {
    expect(() => readFormat(format)).toThrow(new UsageError("bad-value", `Error: ${sentence}`));
  });
});
