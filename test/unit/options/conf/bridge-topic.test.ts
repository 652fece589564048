import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readBridgeTopic } from "../../../../src/options/conf/bridge-topic.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

function read(text: string, isMalformed = false) {
  return readBridgeTopic({ name: "topic", text, word: "", again: false, isMalformed });
}

/** What the words make, in one line. */
function shortOf(text: string): string {
  const { pattern, direction, qos, localPrefix, remotePrefix } = read(text);
  return `${pattern} ${direction} ${qos} ${localPrefix} ${remotePrefix}`;
}

describe("a topic of a bridge", () => {
  it("is of five words, all but the first with a default", () => {
    expect(read("a/#")).toEqual({
      pattern: "a/#",
      direction: "out",
      qos: 0,
      localPrefix: "",
      remotePrefix: "",
    });
    expect(read("+/a both 2 L/ R/")).toEqual({
      pattern: "+/a",
      direction: "both",
      qos: 2,
      localPrefix: "L/",
      remotePrefix: "R/",
    });
  });

  it.each([
    ["a in", "a in 0  "],
    ["a IN 1", "a in 1  "],
    ["a  Both   2  L  R", "a both 2 L R"],
    ["a out 1 L/", "a out 1 L/ "],
    ['a out 1 "" R/', "a out 1  R/"],
    ['a out 1 L/ ""', "a out 1 L/ "],
    ['"" both 1 l r', " both 1 l r"],
    ['"a b/#" in 1', "a b/# in 1  "],
    ['"a b" out 0 "l l/" "r r/"', "a b out 0 l l/ r r/"],
    ['a"b out', 'a"b out 0  '],
    ["a out 1 L/ R/ and more", "a out 1 L/ R/"],
    ["# out 1", "# out 1  "],
    ["#", "# out 0  "],
    ["$SYS/# in 0 here/", "$SYS/# in 0 here/ "],
    ["clients/total in 0 test/ $SYS/broker/", "clients/total in 0 test/ $SYS/broker/"],
    ["$share/g/a in 1", "$share/g/a in 1  "],
  ])("is read: %s", (text, short) => expect(shortOf(text)).toBe(short));

  it.each([
    ["a out #", "a out 0  "],
    ["a out # 1", "a out 0  "],
    ["a out 1 # L/ R/", "a out 1  "],
    ["a out 1 L/ #R/", "a out 1 L/ "],
    ["a out 1 L/ R/ # note", "a out 1 L/ R/"],
  ])("ends at a comment behind its direction: %s", (text, short) => {
    expect(shortOf(text)).toBe(short);
  });

  it.each([
    ["", "Error: Empty topic value in configuration."],
    ["a x", "Error: Invalid bridge topic direction 'x'."],
    ["a #note", "Error: Invalid bridge topic direction '#note'."],
    ["a out 3", "Error: Invalid bridge QoS level '3'."],
    ["a out -1", "Error: Invalid bridge QoS level '-1'."],
    ["a out one", "Error: Invalid bridge QoS level 'one'."],
    ["a out 01", "Error: Invalid bridge QoS level '01'."],
    ["a out 1 +/ R/", "Error: Invalid bridge topic local prefix '+/'."],
    ["a out 1 L/#", "Error: Invalid bridge topic local prefix 'L/#'."],
    ["a out 1 L/ R#", "Error: Invalid bridge topic remote prefix 'R#'."],
    ['""', "Error: Invalid bridge remapping."],
    ['"" out 0 l', "Error: Invalid bridge remapping."],
    ['"" out 0 l ""', "Error: Invalid bridge remapping."],
    ['"" out 0 "" r', "Error: Invalid bridge remapping."],
    ['"" out 0 "" ""', "Error: Invalid bridge remapping."],
    ["a+ in", "Error: Invalid bridge topic 'a+'."],
    ["a/#/b out", "Error: Invalid bridge topic 'a/#/b'."],
    ["$share/g in", "Error: Invalid bridge topic '$share/g'."],
    ["# out 0 L R/", "Error: Invalid bridge topic local prefix and pattern combination 'L#'."],
    ["# out 0 L/ R", "Error: Invalid bridge topic remote prefix and pattern combination 'R#'."],
    ['"a b', "Error: The quotation mark of bridge topic '\"a b' is not closed."],
    ['a out 0 "b', "Error: The quotation mark of bridge topic '\"b' is not closed."],
    ['"a"b', "Error: A blank must follow the closing quotation mark of bridge topic '\"a\"b'."],
    ["a\u0001b", "Error: Malformed UTF-8 in configuration."],
    ["a\tout", "Error: Malformed UTF-8 in configuration."],
  ])("is refused: %s", (text, sentence) => {
    expect(() => read(text)).toThrow(new UsageError("bad-configuration", sentence, "nothing"));
  });

  it("is refused when it is no UTF-8, or too long with its prefix", () => {
    expect(() => read("\ufffd", true)).toThrow("Error: Malformed UTF-8 in configuration.");
    const long = "x".repeat(65_000);
    expect(shortOf(`${long} out`)).toContain(long);
    expect(() => read(`${long} out 0 ${"y".repeat(530)}/ z/`)).toThrow("Error: Malformed UTF-8");
    expect(() => read("/".repeat(201))).toThrow("Error: Invalid bridge topic '/");
  });

  it("is a usable one or refused, whatever the words are", () => {
    const word = fc.constantFrom("a", "#", "+", "/", '"', '""', " ", "out", "in", "1", "L/", "$x");
    fc.assert(
      fc.property(fc.array(word), (words) => {
        try {
          const { pattern, localPrefix, remotePrefix } = read(words.join("").trim());
          expect(localPrefix + pattern).not.toBe("");
          expect(remotePrefix + pattern).not.toBe("");
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});
