import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isValidString, isValidUtf8, readString } from "../../../../src/core/codec/utf8.ts";
import { hex } from "../../../support/hex.ts";
import { mqttString } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

const GOOD: readonly [what: string, text: string][] = [
  ["nothing", ""],
  ["printable ASCII", " a/b~"],
  ["the first two-byte character that is none of control", "\u00a0"],
  ["the last of two bytes", "\u07ff"],
  ["the first of three", "\u0800"],
  ["the last before the surrogates", "\ud7ff"],
  ["the first after them", "\ue000"],
  ["neighbours of the non-characters", "\ufdcf\ufdf0\ufffd"],
  ["the first of four bytes", "\u{10000}"],
  ["the last that is none of non-characters", "\u{10fffd}"],
  ["a byte order mark, kept", "\ufeffa\ufeff"],
];

const ILL_FORMED = ["MQTT5-1.5.4-1", "MQTT-1.5.3-1"] as const;
const NULL = ["MQTT5-1.5.4-2", "MQTT-1.5.3-2"] as const;
const DISALLOWED = ["§1.5.4", "§1.5.3"] as const;

const BAD: readonly [what: string, bytes: Buffer, rules: readonly [string, string]][] = [
  ["a continuation byte alone", hex`80`, ILL_FORMED],
  ["an overlong slash in two bytes", hex`c0 af`, ILL_FORMED],
  ["a lead that is always overlong", hex`c1 bf`, ILL_FORMED],
  ["an overlong null", hex`c0 80`, ILL_FORMED],
  ["an overlong form of three bytes", hex`e0 9f bf`, ILL_FORMED],
  ["an overlong form of four bytes", hex`f0 8f bf bf`, ILL_FORMED],
  ["the first surrogate", hex`ed a0 80`, ILL_FORMED],
  ["the last surrogate", hex`ed bf bf`, ILL_FORMED],
  ["a pair of surrogates", hex`ed a0 bd ed b8 80`, ILL_FORMED],
  ["a code point beyond the last", hex`f4 90 80 80`, ILL_FORMED],
  ["a lead of five bytes", hex`f8 88 80 80 80`, ILL_FORMED],
  ["0xff", hex`ff`, ILL_FORMED],
  ["two bytes cut to one", hex`c3`, ILL_FORMED],
  ["three bytes cut to two", hex`e2 82`, ILL_FORMED],
  ["four bytes cut to three", hex`f0 9f 98`, ILL_FORMED],
  ["a lead before ASCII", hex`c3 41`, ILL_FORMED],
  ["U+0000", hex`00`, NULL],
  ["U+0001", hex`01`, DISALLOWED],
  ["a tab", hex`09`, DISALLOWED],
  ["a line feed", hex`0a`, DISALLOWED],
  ["U+001F", hex`1f`, DISALLOWED],
  ["U+007F", hex`7f`, DISALLOWED],
  ["U+0080", hex`c2 80`, DISALLOWED],
  ["U+009F", hex`c2 9f`, DISALLOWED],
  ["U+FDD0", hex`ef b7 90`, DISALLOWED],
  ["U+FDEF", hex`ef b7 af`, DISALLOWED],
  ["U+FFFE", hex`ef bf be`, DISALLOWED],
  ["U+FFFF", hex`ef bf bf`, DISALLOWED],
  ["U+1FFFE", hex`f0 9f bf be`, DISALLOWED],
  ["U+10FFFF", hex`f4 8f bf bf`, DISALLOWED],
];

describe("reading a string", () => {
  it.each(GOOD)("takes %s", (_what, text) => {
    const bytes = Buffer.from(`<${text}>`);
    const end = bytes.length - 1;
    expect(isValidUtf8(bytes, 1, end)).toBe(true);
    expect(readString(bytes, 1, end, 5)).toBe(text);
    expect(isValidString(text)).toBe(true);
  });

  it.each(BAD)("refuses %s, wherever it stands", (_what, bad, [v5, before]) => {
    for (const around of ["", "a", "longer/é/"]) {
      const bytes = Buffer.concat([Buffer.from(around), bad, Buffer.from(around)]);
      expect(isValidUtf8(bytes, 0, bytes.length)).toBe(false);
      expect(refusal(() => readString(bytes, 0, bytes.length, 5))).toBe(`malformedPacket ${v5}`);
      expect(refusal(() => readString(bytes, 0, bytes.length, 4))).toBe(
        `malformedPacket ${before}`,
      );
    }
  });

  it("looks at nothing outside its bounds", () => {
    const bytes = hex`ff 61 c3 a9 ff`;
    expect(readString(bytes, 1, 4, 5)).toBe("aé");
    expect(isValidUtf8(bytes, 1, 3)).toBe(false);
  });

  it("refuses a character cut at any of its bytes", () => {
    for (const text of ["é", "€", "😀"]) {
      const bytes = Buffer.from(text);
      for (let cut = 1; cut < bytes.length; cut++) expect(isValidUtf8(bytes, 0, cut)).toBe(false);
    }
  });

  it("gives back every string it takes", () => {
    fc.assert(
      fc.property(mqttString, (text) => {
        const bytes = Buffer.from(text);
        expect(readString(bytes, 0, bytes.length, 5)).toBe(text);
      }),
      { seed: 1 },
    );
  });

  it("agrees with the platform about which bytes are well-formed", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const likely = fc.constantFrom(
      ...[0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef],
      ...[0xf0, 0xf1, 0xf4, 0xf5, 0xff],
    );
    fc.assert(
      fc.property(fc.array(likely, { maxLength: 6 }), (array) => {
        const bytes = Buffer.from(array);
        let text: string | undefined;
        try {
          text = decoder.decode(bytes);
        } catch {
          // Not well-formed: that is the answer.
        }
        expect(isValidUtf8(bytes, 0, bytes.length)).toBe(text !== undefined && isValidString(text));
      }),
      { seed: 2, numRuns: 5000 },
    );
  });
});

describe("checking a string before it is sent", () => {
  it.each([
    ["U+0000", "a\0b"],
    ["a tab", "a\tb"],
    ["U+007F", "\u007f"],
    ["U+0080", "\u0080"],
    ["a high surrogate at the end", "a\ud800"],
    ["a low surrogate alone", "\udc00a"],
    ["surrogates the wrong way round", "\udc00\ud800"],
    ["U+FDD0", "\ufdd0"],
    ["U+FFFF", "\uffff"],
    ["U+1FFFF", "\u{1ffff}"],
  ])("refuses %s", (_what, text) => expect(isValidString(text)).toBe(false));

  it("takes 65,535 bytes and no more, whatever their characters", () => {
    expect(isValidString("a".repeat(65_535))).toBe(true);
    expect(isValidString("a".repeat(65_536))).toBe(false);
    expect(isValidString("€".repeat(21_845))).toBe(true);
    expect(isValidString("€".repeat(21_846))).toBe(false);
  });
});
