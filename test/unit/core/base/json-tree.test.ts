/** JSON as a tree, by cJSON's rules. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Json, JsonObject, readJson, textOf } from "../../../../src/core/base/json-tree.ts";

/** As JSON.parse would have it. */
function plain(json: Json | undefined): unknown {
  if (json instanceof JsonObject) return ["a", "b"].map((name) => plain(json.get(name)));
  return Array.isArray(json) ? json.map(plain) : json;
}

describe("JSON as a tree", () => {
  it.each([
    ["null", null],
    [" true", true],
    ["false", false],
    ["-1.5e2", -150],
    ['"a\\u00e9\\n"', "a\xc3\xa9\n"],
    ['[1, "x", [], {}]', [1, "x", [], [undefined, undefined]]],
    ['{"a": 1, "b": [2]}', [1, [2]]],
  ])("reads %s", (text, value) => {
    expect(plain(readJson(text))).toEqual(value);
  });

  it("finds names whatever their case, and the first of several", () => {
    expect(plain(readJson('{"A": 1, "a": 2, "b": 3, "B": 4}'))).toEqual([1, 3]);
  });

  it("ends strings at their first NUL", () => {
    expect(plain(readJson('{"a\\u0000x": "y\\u0000z"}'))).toEqual(["y", undefined]);
  });

  it("does not look at what follows", () => {
    expect(plain(readJson("[1] [2"))).toEqual([1]);
  });

  it.each(["", "x", "{", '{"a"}', '{"a":}', "[1,]", '"a', "[1 2]", "{5: 1}", '"\\x"', "\0[]"])(
    "takes %j for none",
    (text) => expect(readJson(text)).toBeUndefined(),
  );

  it("goes as deep as cJSON, and no deeper", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(readJson(nested(1000))).toBeDefined();
    expect(readJson(nested(1001))).toBeUndefined();
    expect(readJson("[".repeat(500_000))).toBeUndefined();
  });

  it("agrees with JSON.parse about what JSON.stringify makes", () => {
    const strict = (json: Json | undefined): unknown => {
      if (typeof json === "string") return textOf(json);
      return Array.isArray(json) ? json.map(strict) : json;
    };
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, false, 0, -7, 1.25),
        fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
        fc.array(tie("any"), { maxLength: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (made) => {
        const bytes = Buffer.from(JSON.stringify(made)).toString("latin1");
        expect(strict(readJson(bytes))).toEqual(made);
      }),
    );
  });

  it("throws nothing, whatever it is given", () => {
    const odd = fc.string({ unit: fc.constantFrom(...'{}[]:,"\\u0e-.tnf \0é') });
    fc.assert(fc.property(odd, (text) => void readJson(text)));
  });
});
