import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFormat } from "../../../src/cli/format.ts";
import { NdjsonError, ndjsonLine, parseNdjson } from "../../../src/cli/ndjson.ts";
import type { Properties } from "../../../src/core/codec/properties.ts";
import { seed } from "../../support/seeds.ts";
import { message, SUNDAY } from "./messages.ts";

const NOW = "2026-11-22T17:43:54.006026+0000";

describe("a message as a line", () => {
  it("has the shape of -F %j where that loses nothing", () => {
    const properties = {
      contentType: 'a "b"',
      userProperties: [
        ["k", "v"],
        ["k", "w"],
      ] as const,
      subscriptionIdentifiers: [1],
      correlationData: Buffer.from("abc"),
      messageExpiryInterval: 9,
      payloadFormatIndicator: 1 as const,
      responseTopic: "x",
    };
    const plain = message({ qos: 1, retain: true, packetId: 7, properties });
    const time = /"tst":"([^"]*)"/.exec(compileFormat("%j")(plain, SUNDAY, () => {}))![1]!;
    expect(ndjsonLine(plain, time)).toBe(compileFormat("%j")(plain, SUNDAY, () => {}));
    const empty = message({ payload: Buffer.alloc(0) });
    expect(ndjsonLine(empty, time)).toBe(compileFormat("%j")(empty, SUNDAY, () => {}));
  });

  it("has bytes that are no UTF-8 in base64, under keys of their own", () => {
    const properties = { correlationData: Buffer.from("ff00", "hex") };
    const line = ndjsonLine(message({ payload: Buffer.from("c3", "hex"), properties }), NOW);
    expect(line).toContain('"properties":{"correlation-data-base64":"/wA="},');
    expect(line).toContain(',"payload-base64":"ww=="}');
    expect(line).not.toContain('"payload":');
  });

  it("has a payload in base64 that might be too long a string", () => {
    const payload = Buffer.alloc(67_108_865, 1);
    expect(ndjsonLine(message({ payload }), NOW).length).toBeLessThan(100_000_000);
  });

  it("keeps NUL, newlines and a byte order mark", () => {
    const payload = Buffer.from("\ufeffa\0b\r\nc\u2028");
    const line = ndjsonLine(message({ payload }), NOW);
    expect(line).not.toContain("\n");
    expect(parseNdjson(Buffer.from(line))?.payload).toEqual(payload);
  });

  it("says all subscription identifiers, and no topic alias", () => {
    const properties = { subscriptionIdentifiers: [1, 2], topicAlias: 3 };
    const line = ndjsonLine(message({ properties }), NOW);
    expect(line).toContain('"properties":{"subscription-identifier":[1,2]}');
    expect(parseNdjson(Buffer.from(line))?.properties).toEqual({});
  });

  it("comes back as it was, whatever it holds", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter((it) => !it.includes("\0"));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((it) => Buffer.from(it)),
      fc.string({ unit: "binary" }).map((it) => Buffer.from(it)),
    );
    const properties = fc.record(
      {
        payloadFormatIndicator: fc.constantFrom(0 as const, 1 as const),
        messageExpiryInterval: fc.nat(),
        contentType: text,
        responseTopic: text,
        correlationData: bytes,
        userProperties: fc.array(fc.tuple(fc.oneof(text, fc.constant("__proto__")), text)),
      },
      { requiredKeys: [] },
    );
    const received = fc.record({
      topic: text,
      payload: bytes,
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      retain: fc.boolean(),
      properties,
    });
    const property = fc.property(received, (fields) => {
      const line = ndjsonLine(message({ ...fields, packetId: 5 }), NOW);
      expect(line).not.toContain("\n");
      expect(parseNdjson(Buffer.from(line))).toEqual({ ...fields, tst: NOW });
    });
    fc.assert(property, { seed: seed() });
  });
});

describe("a line as a message", () => {
  const read = (text: string | Buffer) => parseNdjson(Buffer.from(text));
  const whyNot = (text: string | Buffer) => {
    try {
      read(text);
    } catch (error) {
      if (error instanceof NdjsonError) return error.message;
      throw error;
    }
    return undefined;
  };

  it("may be as short as a payload", () => {
    expect(read('{"payload":"x"}')).toEqual({ payload: Buffer.from("x"), properties: {} });
    expect(read(' {"payload":null,"qos":null}\r')).toMatchObject({ payload: Buffer.alloc(0) });
  });

  it("is none where there is only white space", () => {
    expect(read("")).toBeUndefined();
    expect(read(" \r")).toBeUndefined();
  });

  it("may hold a payload that is JSON itself, and a retain flag that is a number", () => {
    expect(read('{"payload":{"t": [1, null]},"retain":1}')).toMatchObject({
      payload: Buffer.from('{"t":[1,null]}'),
      retain: true,
    });
    expect(read('{"payload":21.5,"retain":0}')).toMatchObject({ payload: Buffer.from("21.5") });
  });

  it("may hold user properties as mosquitto_sub 2.0 prints them, none of them lost", () => {
    const object = '{ "k":"v", "k":"w","\\u0041":"\\"","1":""}';
    const line = `{"payload":null,"properties":{"user-properties":${object}}}`;
    const userProperties = [
      ["k", "v"],
      ["k", "w"],
      ["A", '"'],
      ["1", ""],
    ];
    expect(read(line)?.properties).toEqual({ userProperties } as unknown as Properties);
    const none = '{"payload":null,"properties":{"user-properties":{}}}';
    expect(read(none)?.properties).toEqual({ userProperties: [] });
  });

  it.each([
    ["12345678901234567890", "12345678901234567890"],
    ["1.0", "1.0"],
    ["-1e400", "-1e400"],
    [' [ 1 , "a \\" ] , b" ,{ "payload" : 7 }]', '[1,"a \\" ] , b",{"payload":7}]'],
    ['"\\u0041\\\\"', "A\\"],
    ["true ", "true"],
    ['{"a":"\\\\"}', '{"a":"\\\\"}'],
    [
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
    ],
  ])("may hold a payload that is JSON, which stays as it stands: %.40s", (json, payload) => {
    const line = `{"qos":0, "payload" :${json}, "topic":"t"}`;
    expect(read(line)?.payload.toString()).toBe(payload);
    expect(read(`{"payload":1,"payload":${json}}`)?.payload.toString()).toBe(payload);
  });

  it("has the payload that any reader of JSON would find", () => {
    const property = fc.property(
      fc.json(),
      fc.dictionary(fc.string(), fc.jsonValue()),
      (json, rest) => {
        const members = { ...rest, payload: JSON.parse(json) as unknown };
        const line = JSON.stringify(
          { properties: null, x: members, payload: members.payload },
          null,
          " ",
        );
        const { payload } = read(line.replaceAll("\n", " "))!;
        const value = members.payload;
        if (typeof value === "string" || value === null) return;
        expect(JSON.parse(payload.toString())).toEqual(value);
      },
    );
    fc.assert(property, { seed: seed() });
  });

  it("may hold several names in one object of user properties", () => {
    const line = '{"payload":null,"properties":{"user-properties":[{"a":"1","b":"2"},{"a":"3"}]}}';
    const userProperties = [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
    ];
    expect(read(line)?.properties).toEqual({ userProperties } as unknown as Properties);
  });

  it.each([
    ["{", "it is not JSON"],
    ["[]", "it is no JSON object"],
    ["null", "it is no JSON object"],
    [Buffer.from("7b22ff227d", "hex"), "it is not UTF-8"],
    ["{}", "it has no payload"],
    ['{"payload":"a","payload-base64":"YQ=="}', "it has payload and payload-base64"],
    ['{"payload-base64":"a!"}', "payload-base64 is no base64"],
    ['{"payload-base64":7}', "payload-base64 is no string"],
    ['{"payload":"\\ud800"}', "payload is no Unicode text"],
    ['{"payload":"","topic":1}', "topic is no string"],
    ['{"payload":"","qos":3}', "qos is not 0, 1 or 2"],
    ['{"payload":"","retain":"yes"}', "retain is not true or false"],
    ['{"payload":"","tst":5}', "tst is no string"],
    ['{"payload":"","properties":[]}', "properties is no JSON object"],
    ['{"payload":"","properties":{"content":"x"}}', 'there is no property "content"'],
    ['{"payload":"","properties":{"toString":"x"}}', 'there is no property "toString"'],
    ['{"payload":"","properties":{"content-type":1}}', "content-type is no string"],
    ['{"payload":"","properties":{"message-expiry-interval":"1"}}', /^message-expiry-.* number$/],
    ['{"payload":"","properties":{"payload-format-indicator":2}}', /^payload-format-.* 0 or 1$/],
    ['{"payload":"","properties":{"user-properties":7}}', "user-properties is no list"],
    ['{"payload":"","properties":{"user-properties":{"a":{},"a":"1"}}}', /^user-pr.* no string$/],
    ['{"payload":"","properties":{"user-properties":{"a":[1]}}}', "user-properties is no string"],
    ['{"payload":"","properties":{"user-properties":[1]}}', /^user-properties is no list of obj/],
    ['{"payload":"","properties":{"user-properties":[{"a":1}]}}', "user-properties is no string"],
  ])("%s is none, and says why", (text, why) => {
    expect(whyNot(text)).toMatch(why);
  });

  it("cut anywhere is none", () => {
    const line = Buffer.from(ndjsonLine(message({ properties: { contentType: "ü" } }), NOW));
    for (let end = 1; end < line.length; end++) {
      expect(whyNot(line.subarray(0, end)), `cut at ${end}`).toBeDefined();
    }
  });

  it("never fails with anything but a phrase", () => {
    const part = fc.oneof(fc.json(), fc.string({ unit: "binary" }));
    const property = fc.property(part, (text) => {
      whyNot(text);
      whyNot(`{"payload":${text}}`);
      whyNot(`{"payload":"","properties":${text}}`);
    });
    fc.assert(property, { seed: seed() });
  });
});
