/** The words after `ts-broker db`. */
import { describe, expect, it } from "vitest";
import { parseDb } from "../../../src/options/db.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

describe("parseDb", () => {
  it.each([
    [["dump", "f"], { ask: "dump", path: "f", format: "text" }],
    [["dump", "--stats", "f"], { ask: "dump", path: "f", format: "stats" }],
    [["dump", "f", "--client-stats"], { ask: "dump", path: "f", format: "clientStats" }],
    [["--json", "dump", "f"], { ask: "dump", path: "f", format: "json" }],
    [["dump", "--json", "--json", "f"], { ask: "dump", path: "f", format: "json" }],
    [["check", "f"], { ask: "check", path: "f" }],
    [["check", ""], { ask: "check", path: "" }],
    [["-h"], { ask: "help" }],
    [["dump", "--help"], { ask: "help" }],
    [["nonsense", "--help", "--nonsense"], { ask: "help" }],
  ] as const)("understands %j", (words, request) => {
    expect(parseDb(words)).toEqual(request);
  });

  it.each([
    [[], "Error: db needs a word: dump or check."],
    [["--json"], "Error: db needs a word: dump or check."],
    [["drop", "f"], "Error: Unknown db command 'drop', use dump or check."],
    [["toString", "f"], "Error: Unknown db command 'toString', use dump or check."],
    [["dump"], "Error: db dump needs a file."],
    [["check"], "Error: db check needs a file."],
    [["dump", "a", "b"], "Error: db dump takes one file, 'b' is too much."],
    [["dump", "--nonsense", "f"], "Error: Unknown option '--nonsense'."],
    [["dump", "-", "f"], "Error: Unknown option '-'."],
    [["dump", "--stats", "--json", "f"], "Error: --stats and --json exclude each other."],
    [["check", "--json", "f"], "Error: db check does not take --json."],
  ])("refuses %j in one sentence", (words, sentence) => {
    const error = refusal(words);
    expect(error.message).toBe(sentence);
    expect(error.textFor("ts-broker")).toBe(`${sentence}\n`);
  });
});

function refusal(words: readonly string[]): UsageError {
  try {
    parseDb(words);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("was taken");
}
