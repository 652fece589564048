/** Properties as the database has them, and as a packet has them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Properties,
  propertiesSize,
  writeProperties,
} from "../../../src/core/codec/properties.ts";
import { isValidString } from "../../../src/core/codec/utf8.ts";
import { readVarint } from "../../../src/core/codec/varint.ts";
import { ProtocolError } from "../../../src/core/errors.ts";
import {
  type Keeper,
  PropertiesJsonError,
  propertiesJson,
  propertyBytes,
} from "../../../src/store/properties-json.ts";
import { hex } from "../../support/hex.ts";

/** As in the database that mosquitto's plugin left, `test/data/mosquitto.sqlite3`. */
const SEEN_JSON =
  '[{"identifier":"content-type","value":"text/plain"},' +
  '{"identifier":"user-property","name":"k","value":"v"},' +
  '{"identifier":"correlation-data","value":"616263"},' +
  '{"identifier":"payload-format-indicator","value":1},' +
  '{"identifier":"response-topic","value":"r/t"}]';
const SEEN_BYTES = hex`
  03 000a 746578742f706c61696e  26 0001 6b 0001 76  09 0003 616263  01 01  08 0003 722f74`;

describe("propertiesJson", () => {
  it("writes what mosquitto's plugin writes", () => {
    expect(propertiesJson(SEEN_BYTES)).toBe(SEEN_JSON);
  });

  it("has null for none", () => {
    expect(propertiesJson(Buffer.alloc(0))).toBeNull();
    expect(propertiesJson(SEEN_BYTES, 3, 3)).toBeNull();
  });

  it("reads a part of the bytes only", () => {
    const bytes = Buffer.concat([hex`ff ff`, hex`01 00`, hex`ff`]);
    expect(propertiesJson(bytes, 2, 4)).toBe(
      '[{"identifier":"payload-format-indicator","value":0}]',
    );
  });

  it("keeps the order, with user properties apart from each other", () => {
    const bytes = hex`26 0001 61 0001 31  01 01  26 0001 61 0001 32`;
    const words = JSON.parse(propertiesJson(bytes)!).map((item: { value: unknown }) => item.value);
    expect(words).toEqual(["1", 1, "2"]);
    expect(propertyBytes(propertiesJson(bytes))).toEqual(bytes);
  });

  it("escapes as cJSON does", () => {
    const text = Buffer.from('a"b\\c/é😀');
    const bytes = Buffer.concat([hex`03 00`, Buffer.from([text.length]), text]);
    expect(propertiesJson(bytes)).toContain('"value":"a\\"b\\\\c/é😀"');
  });

  it("writes numbers of every width", () => {
    expect(propertiesJson(hex`02 ffffffff 23 0102 0b ff7f`)).toBe(
      '[{"identifier":"message-expiry-interval","value":4294967295},' +
        '{"identifier":"topic-alias","value":258},' +
        '{"identifier":"subscription-identifier","value":16383}]',
    );
  });

  it("refuses bytes that end inside a property, wherever", () => {
    const ends = [0, 13, 20, 26, 28, 34];
    for (let cut = 0; cut <= SEEN_BYTES.length; cut++) {
      const part = SEEN_BYTES.subarray(0, cut);
      if (ends.includes(cut)) expect(propertyBytes(propertiesJson(part))).toEqual(part);
      else expect(() => propertiesJson(part), `cut at ${cut}`).toThrow(ProtocolError);
    }
  });

  it("makes nothing but JSON, or a ProtocolError, of anything", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          const json = propertiesJson(Buffer.from(bytes));
          if (json !== null) JSON.parse(json);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });
});

describe("propertyBytes", () => {
  it("reads what mosquitto's plugin writes", () => {
    expect(read(SEEN_JSON)).toEqual({ bytes: SEEN_BYTES, notes: [] });
  });

  it.each([null, "", "[]"])("has no bytes for %j", (json) => {
    expect(read(json)).toEqual({ bytes: Buffer.alloc(0), notes: [] });
  });

  it("takes lower-case hexadecimal and white space", () => {
    const json = ' [ {"value":"0aff", "identifier":"correlation-data"} ]\n';
    expect(read(json)).toEqual({ bytes: hex`09 0002 0aff`, notes: [] });
  });

  it.each([
    ['[{"identifier":"colour","value":1}]', 'The property "colour" is not known.'],
    ['[{"value":1}]', "The property without a name is not known."],
    ['[{"identifier":7}]', "The property 7 is not known."],
    ...[
      ["payload-format-indicator", "2"],
      ["payload-format-indicator", '"1"'],
      ["payload-format-indicator", "0.5"],
      ["content-type", "1"],
      ["content-type", '"\\u0000"'],
      ["content-type", '"\\ud800"'],
      ["correlation-data", '"abc"'],
      ["correlation-data", '"xy"'],
      ["correlation-data", `"${"00".repeat(65_536)}"`],
      ["user-property", '"v"'],
      ["response-topic", "null"],
    ].map(([word, value]) => [
      `[{"identifier":"${word}","value":${value}}]`,
      `The property ${word} cannot be as it is stored.`,
    ]),
  ])("leaves out %s with a note", (json, note) => {
    expect(read(json!)).toEqual({ bytes: Buffer.alloc(0), notes: [note] });
    const good = '{"identifier":"message-expiry-interval","value":1}';
    expect(read(json!.replace(/\]$/, `,${good}]`), "will").bytes).toEqual(hex`02 00000001`);
  });

  it("takes a property that may stand once at its first place only", () => {
    const item = '{"identifier":"payload-format-indicator","value":1}';
    expect(read(`[${item},${item}]`)).toEqual({
      bytes: hex`01 01`,
      notes: ["The property payload-format-indicator cannot be as it is stored."],
    });
  });

  it("leaves out what has a column of its own, without a word", () => {
    const json = propertiesJson(hex`02 00000005 23 0001 0b 01 18 00000009 01 00`);
    expect(read(json)).toEqual({ bytes: hex`01 00`, notes: [] });
    expect(read(json, "will")).toEqual({ bytes: hex`02 00000005 01 00`, notes: [] });
  });

  it.each([
    ["", false],
    ["[", true],
    ["nonsense", true],
    ["{}", true],
    ["null", true],
    ["[1]", true],
    ["[null]", true],
  ])("of %j makes an error: %s", (json, isError) => {
    if (isError) expect(() => propertyBytes(json)).toThrow(PropertiesJsonError);
    else expect(propertyBytes(json)).toHaveLength(0);
  });

  it("refuses JSON cut off anywhere", () => {
    for (let cut = 1; cut < SEEN_JSON.length; cut++) {
      expect(() => propertyBytes(SEEN_JSON.slice(0, cut))).toThrow(PropertiesJsonError);
    }
  });

  it("gives back the bytes that the JSON was made from", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 20 }).filter(isValidString);
    const properties: fc.Arbitrary<Properties> = fc.record(
      {
        payloadFormatIndicator: fc.constantFrom(0 as const, 1 as const),
        contentType: text,
        responseTopic: text,
        correlationData: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
        userProperties: fc.array(fc.tuple(text, text), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(properties, (made) => {
        const whole = Buffer.alloc(propertiesSize(made));
        writeProperties(whole, 0, made);
        const bytes = whole.subarray(readVarint(whole, 0, whole.length) & 7);
        expect(read(propertiesJson(bytes))).toEqual({ bytes, notes: [] });
      }),
    );
  });
});

function read(json: string | null, keeper?: Keeper) {
  const notes: string[] = [];
  const bytes = propertyBytes(json, (note) => notes.push(note), keeper);
  return { bytes: Buffer.from(bytes), notes };
}
