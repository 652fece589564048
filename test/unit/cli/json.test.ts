/** %j and %J; beside mosquitto_sub's own output in test/interop/sub.test.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFormat } from "../../../src/cli/format.ts";
import { messageJson, reprintJson } from "../../../src/cli/json.ts";
import { seed } from "../../support/seeds.ts";
import { message, SUNDAY } from "./messages.ts";

describe("a message as JSON", () => {
  it("has mosquitto's keys in mosquitto's order", () => {
    const text = messageJson(
      message({ qos: 1, retain: true, packetId: 7 }),
      "now",
      "string",
      false,
    );
    expect(text).toBe(
      '{"tst":"now","topic":"a/b","qos":1,"retain":true,"payloadlen":5,"mid":7,"payload":"hello"}',
    );
  });

  it("has no mid at QoS 0 and no properties where there are none", () => {
    expect(messageJson(message(), "now", "string", false)).toBe(
      '{"tst":"now","topic":"a/b","qos":0,"retain":false,"payloadlen":5,"payload":"hello"}',
    );
  });

  it("has the properties in the order they came, and user properties in one array", () => {
    const properties = {
      contentType: 'a "b"',
      userProperties: [
        ["k", "v"],
        ["k", "w"],
      ] as const,
      subscriptionIdentifiers: [1, 2],
      correlationData: Buffer.from("c\xff", "latin1"),
      messageExpiryInterval: 9,
    };
    const text = messageJson(message({ properties }), "now", "string", false);
    expect(text).toContain(
      '"properties":{"content-type":"a \\"b\\"","user-properties":[{"k":"v"},{"k":"w"}],' +
        '"subscription-identifier":1,"subscription-identifier":2,"correlation-data":"c\xff",' +
        '"message-expiry-interval":9},',
    );
  });

  it("says null for an empty payload, as text and as JSON", () => {
    const empty = message({ payload: Buffer.alloc(0) });
    expect(messageJson(empty, "now", "string", false)).toContain('"payload":null}');
    expect(messageJson(empty, "now", "json", false)).toContain('"payload":null}');
  });

  it("stamps microseconds and the zone", () => {
    const text = compileFormat("%j")(message(), SUNDAY, () => {});
    expect(text).toMatch(/"tst":"2026-11-2\dT\d\d:\d\d:54\.006026[+-]\d{4}"/);
  });

  it("complains about a payload that is no JSON, and prints nothing for it", () => {
    const complaints: string[] = [];
    const format = compileFormat("[%J]");
    expect(format(message(), SUNDAY, (sentence) => complaints.push(sentence))).toBe("[]");
    expect(complaints).toEqual(["Error: Message payload is not valid JSON on topic a/b."]);
  });

  it("indents with tabs as cJSON does", () => {
    const properties = { userProperties: [["k", "v"]] as const };
    const payload = Buffer.from('{"a":{"b":[1,{"c":[]},{}]}}');
    const text = messageJson(message({ payload, properties }), "now", "json", true);
    expect(text?.split("\n")).toEqual([
      "{",
      '\t"tst":\t"now",',
      '\t"topic":\t"a/b",',
      '\t"qos":\t0,',
      '\t"retain":\tfalse,',
      '\t"payloadlen":\t27,',
      '\t"properties":\t{',
      '\t\t"user-properties":\t[{',
      '\t\t\t\t"k":\t"v"',
      "\t\t\t}]",
      "\t},",
      '\t"payload":\t{',
      '\t\t"a":\t{',
      '\t\t\t"b":\t[1, {',
      '\t\t\t\t\t"c":\t[]',
      "\t\t\t\t}, {",
      "\t\t\t\t}]",
      "\t\t}",
      "\t}",
      "}",
    ]);
  });
});

describe("JSON printed anew", () => {
  it.each([
    ['{"a":1,"a":2,"1":3}', '{"a":1,"a":2,"1":3}'],
    [" [1 ,\t2\n] ", "[1,2]"],
    ["\xef\xbb\xbf1", "1"],
    ['"\\u0041\\/\\u00e9\\ud83d\\ude00"', '"A/Ã©ð\x9f\x98\x80"'],
    ['"a\\u0000b"', '"a"'],
    ['"\\uZZZZ"', '""'],
    ['"a\x01\\n\x7f"', '"a\\u0001\\n\x7f"'],
    ["01", "1"],
    ["1.", "1"],
    ["-.5", "-0.5"],
    ["1E+2", "100"],
    ["-0", "-0"],
    ["1e15", "1e+15"],
    ["123456789012", "123456789012"],
    ["0.30000000000000004", "0.3"],
    ["12345678901234567890", "1.2345678901234567e+19"],
    ["1e400", "null"],
    ["1e-7", "1e-07"],
    ["1e-400", "0"],
  ])("makes %j to %j", (text, printed) => {
    expect(reprintJson(text, 0, false)).toBe(printed);
  });

  it.each([
    "",
    "+1",
    "-",
    "1 x",
    "1e",
    "1-2",
    ".5",
    "tru",
    "truex",
    "[1,]",
    "[1",
    "{a:1}",
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{"a":1,}',
    '"abc',
    '"a\\',
    '"\\x"',
    '"\\ud83d"',
    '"\\udc00"',
    '"\\u00',
    '"a\0b"',
    "1\0",
    "[1\0,2]",
  ])("takes %j for no JSON", (text) => {
    expect(reprintJson(text, 0, false)).toBeUndefined();
  });

  it("reads a thousand brackets deep and no deeper", () => {
    const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(reprintJson(deep(1000), 0, false)).toBe(deep(1000));
    expect(reprintJson(deep(1001), 0, false)).toBeUndefined();
  });

  it("means what it meant before", () => {
    const value = fc.jsonValue({ noUnicodeString: true });
    const whole = fc.assert.bind(fc);
    whole(
      fc.property(value, (value) => {
        const text = JSON.stringify(value);
        // Not NUL, at which strings end, nor more digits than cJSON prints.
        fc.pre(!text.includes("\\u0000") && !/\d{15}|[eE]/.test(text));
        const printed = reprintJson(Buffer.from(text).toString("latin1"), 0, false);
        expect(JSON.parse(Buffer.from(printed!, "latin1").toString())).toEqual(JSON.parse(text));
      }),
      { seed: seed() },
    );
  });

  it("throws at nothing, wherever the text is cut", () => {
    const text = '{"a":[1.5e3,"\\ud83d\\ude00",null,true],"b":{"c":"\\n"}}';
    for (let cut = 0; cut < text.length; cut++) {
      expect(reprintJson(text.slice(0, cut), 0, false), `cut at ${cut}`).toBeUndefined();
    }
  });
});
