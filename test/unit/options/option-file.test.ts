import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readOptionFile } from "../../../src/options/option-file.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

const read = (text: string) => readOptionFile(Buffer.from(text));

describe("readOptionFile", () => {
  it("has a line's words: the option, and the rest behind one space", () => {
    expect(read("-h broker\n-r\n--will-topic a b\n")).toEqual([
      ["-h", "broker"],
      ["-r"],
      ["--will-topic", "a b"],
    ]);
  });

  it.each([
    ["", []],
    ["\n\n", []],
    ["   \n\r\n", []],
    ["# -h x\n#\n", []],
    [" # no comment", [["#", "no comment"]]],
    ["  -m b", [["-m", "b"]]],
    ["-m  b", [["-m", " b"]]],
    ["-m b ", [["-m", "b "]]],
    ["-m    ", [["-m", "   "]]],
    ["-m ", [["-m"]]],
    ["-m b\r\n", [["-m", "b"]]],
    ["-m b\r\r\n", [["-m", "b"]]],
    ["-m\tb", [["-m\tb"]]],
    ['-m "b c"', [["-m", '"b c"']]],
    [
      "-m a\0b\n-q 1",
      [
        ["-m", "a"],
        ["-q", "1"],
      ],
    ],
    [`-m ${"x".repeat(2000)}`, [["-m", "x".repeat(2000)]]],
  ])("reads %j as mosquitto's programs do, but for the length", (text, lines) => {
    expect(read(text)).toEqual(lines);
  });

  it("refuses what is no UTF-8, of which there are no words", () => {
    const bytes = Buffer.from("-r\n-m \xff\n", "latin1");
    expect(() => readOptionFile(bytes)).toThrow("Error: Malformed UTF-8 in -m argument.");
  });

  it("throws nothing but UsageError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          for (const words of readOptionFile(Buffer.from(bytes))) {
            expect(words.length).toBeGreaterThan(0);
            expect(words.length).toBeLessThan(3);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});
