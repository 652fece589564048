import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyWord, flag, repeated, valued } from "../../../src/options/option.ts";
import { UsageError } from "../../../src/options/usage-error.ts";
import {
  BROKER_MANNERS,
  CLIENT_MANNERS,
  fallbacks,
  parseWords,
} from "../../../src/options/words.ts";

const doc = { group: "Any", brief: "Do it", text: "Does it." };
const TABLE = {
  loud: flag({ ...doc, long: "loud", short: "l", implies: { level: "9" } }),
  level: valued({
    ...doc,
    long: "level",
    missing: "Error: no level.",
    parse: anyWord,
    fallback: "0",
  }),
  many: repeated({ ...doc, short: "m", missing: "Error: no word.", parse: anyWord }),
  still: flag({
    ...doc,
    short: "s",
    excludes: { keys: ["loud", "still"], message: "Error: not both." },
  }),
  help: flag({ ...doc, long: "help", stops: true }),
};

const parse = (...words: string[]) => parseWords(TABLE, words, CLIENT_MANNERS);

describe("parseWords", () => {
  it("gives every row its fallback when there are no words", () => {
    const none = { loud: false, level: "0", many: [], still: false, help: false };
    expect(parse()).toEqual({ values: none, stopped: false });
    expect(fallbacks(TABLE)).toEqual(none);
  });

  it("knows options by both names", () => {
    expect(parse("-l").values.loud).toBe(true);
    expect(parse("--loud").values.loud).toBe(true);
  });

  it("takes the next word as the value whatever it begins with", () => {
    expect(parse("--level", "--loud").values).toMatchObject({ level: "--loud", loud: false });
    expect(parse("-m", "-m", "-m", "--").values.many).toEqual(["-m", "--"]);
  });

  it("lets the last value count, and repeated ones add up", () => {
    expect(parse("--level", "1", "--level", "2").values.level).toBe("2");
    expect(parse("-m", "a", "-m", "a", "-m", "").values.many).toEqual(["a", "a", ""]);
  });

  it("lets an option set another, which a later word may change", () => {
    expect(parse("--level", "1", "-l").values.level).toBe("9");
    expect(parse("-l", "--level", "1").values.level).toBe("1");
  });

  it("refuses what it does not know, by the word as it stands", () => {
    for (const word of ["", "-", "--", "x", "-lm", "--level=1", "-l1", "--LOUD", "__proto__"]) {
      expect(() => parse("-l", word)).toThrow(
        new UsageError("unknown-option", `Error: Unknown option '${word}'.`, "hint"),
      );
    }
  });

  it("says what is missing when the line ends before the value", () => {
    expect(() => parse("-l", "--level")).toThrow("Error: no level.");
  });

  it("reports the first mistake in reading order", () => {
    expect(() => parse("-x", "-l", "-s")).toThrow("Unknown option '-x'");
    expect(() => parse("-l", "-s", "-x")).toThrow("Error: not both.");
  });

  it("refuses options that exclude each other, themselves included", () => {
    expect(() => parse("-l", "-s")).toThrow("Error: not both.");
    expect(() => parse("-s", "-s")).toThrow("Error: not both.");
    // The rule stands with the later option: it says what may not have come before.
    expect(parse("-s", "-l").values.loud).toBe(true);
  });

  it("looks at nothing after an option that ends the walk", () => {
    expect(parse("-l", "--help", "-x")).toMatchObject({ stopped: true, values: { loud: true } });
  });

  it("tells of each option as it is met, with its value so far", () => {
    const met: unknown[] = [];
    parseWords(TABLE, ["-m", "a", "-l", "-m", "b"], BROKER_MANNERS, {
      onOption: (key, value) => met.push([key, value]),
    });
    expect(met).toEqual([
      ["many", ["a"]],
      ["loud", true],
      ["many", ["a", "b"]],
    ]);
  });

  it("throws nothing but UsageError, whatever the words", () => {
    const word = fc.oneof(fc.string(), fc.constantFrom("-l", "--level", "-m", "-s", "--help"));
    fc.assert(
      fc.property(fc.array(word), (words) => {
        try {
          parse(...words);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});

describe("UsageError", () => {
  it("points to --help in the distance that mosquitto keeps", () => {
    const text = (aftermath: "hint" | "far-hint" | "usage" | "nothing") =>
      new UsageError("bad-value", "Error: no.", aftermath).textFor("ts-pub");
    expect(text("hint")).toBe("Error: no.\n\nUse 'ts-pub --help' to see usage.\n");
    expect(text("far-hint")).toBe("Error: no.\n\n\nUse 'ts-pub --help' to see usage.\n");
    expect(text("usage")).toBe("Error: no.\n");
    expect(text("nothing")).toBe("Error: no.\n");
  });
});
