import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CARRIER,
  type Carrier,
  NO_PROPERTIES,
  PROPERTY_TABLE,
  type Properties,
  propertiesEnd,
  propertiesSize,
  propertyListSize,
  readProperties,
  readPropertyList,
  writeProperties,
} from "../../../../src/core/codec/properties.ts";
import { hex } from "../../../support/hex.ts";
import { propertiesOf } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

const CARRIERS = Object.keys(CARRIER) as Carrier[];

/** One value of each property, as it stands on the wire. */
const EXAMPLES: Readonly<Record<number, { value: unknown; bytes: Buffer }>> = {
  1: { value: 1, bytes: hex`01 01` },
  2: { value: 0x01020304, bytes: hex`02 01020304` },
  3: { value: "a", bytes: hex`03 0001 61` },
  8: { value: "r/t", bytes: hex`08 0003 722f74` },
  9: { value: hex`00ff`, bytes: hex`09 0002 00ff` },
  11: { value: [300], bytes: hex`0b ac02` },
  17: { value: 0xffff_ffff, bytes: hex`11 ffffffff` },
  18: { value: "id", bytes: hex`12 0002 6964` },
  19: { value: 60, bytes: hex`13 003c` },
  21: { value: "m", bytes: hex`15 0001 6d` },
  22: { value: hex``, bytes: hex`16 0000` },
  23: { value: 0, bytes: hex`17 00` },
  24: { value: 5, bytes: hex`18 00000005` },
  25: { value: 1, bytes: hex`19 01` },
  26: { value: "", bytes: hex`1a 0000` },
  28: { value: "é", bytes: hex`1c 0002 c3a9` },
  31: { value: "why", bytes: hex`1f 0003 776879` },
  33: { value: 20, bytes: hex`21 0014` },
  34: { value: 10, bytes: hex`22 000a` },
  35: { value: 1, bytes: hex`23 0001` },
  36: { value: 1, bytes: hex`24 01` },
  37: { value: 0, bytes: hex`25 00` },
  38: { value: [["n", "v"]], bytes: hex`26 0001 6e 0001 76` },
  39: { value: 2_000_000, bytes: hex`27 001e8480` },
  40: { value: 0, bytes: hex`28 00` },
  41: { value: 1, bytes: hex`29 01` },
  42: { value: 1, bytes: hex`2a 01` },
};

/** The standard's table 2-4, carriers by the letters of the list below it. */
const LETTERS: Readonly<Record<string, Carrier>> = {
  C: "connect",
  W: "will",
  c: "connack",
  P: "publish",
  1: "puback",
  2: "pubrec",
  3: "pubrel",
  4: "pubcomp",
  S: "subscribe",
  s: "suback",
  U: "unsubscribe",
  u: "unsuback",
  D: "disconnect",
  A: "auth",
};
const TABLE_2_4 = `
  01 PW · 02 PW · 03 PW · 08 PW · 09 PW · 0b PS · 11 CcD · 12 c · 13 c · 15 CcA · 16 CcA · 17 C ·
  18 W · 19 C · 1a c · 1c cD · 1f c1234suDA · 21 Cc · 22 Cc · 23 P · 24 c · 25 c ·
  26 CWcP1234SsUuDA · 27 Cc
  28 c · 29 c · 2a c`;

describe("the property table", () => {
  it("lets each property stand where the standard's table 2-4 does, and nowhere else", () => {
    const expected = [...TABLE_2_4.matchAll(/([0-9a-f]{2}) (\w+)/g)].map(([, id, letters]) => {
      return [Number.parseInt(id!, 16), [...letters!].map((letter) => LETTERS[letter]).sort()];
    });
    expect(expected).toHaveLength(27);
    expect(PROPERTY_TABLE.map((row) => [row.id, [...row.carriers].sort()])).toEqual(expected);
  });

  it("spells names as mosquitto does on its command lines", () => {
    const words = PROPERTY_TABLE.map((row) => row.word);
    expect(words).toContain("payload-format-indicator");
    expect(words).toContain("subscription-identifier");
    expect(words).toContain("user-property");
    expect(words).toContain("maximum-qos");
    expect(new Set(words).size).toBe(27);
  });
});

describe.each(PROPERTY_TABLE)("$word", (row) => {
  const { value, bytes } = EXAMPLES[row.id]!;
  const list = Buffer.concat([Buffer.from([bytes.length]), bytes]);

  it("is read and written in every packet that may carry it", () => {
    for (const carrier of row.carriers) {
      const properties = { [row.name]: value };
      expect(readProperties(list, 0, list.length, carrier)).toEqual({
        properties,
        next: list.length,
      });
      expect(write(properties)).toEqual(list);
    }
  });

  it("is malformed in every other packet", () => {
    for (const carrier of CARRIERS.filter((name) => !row.carriers.includes(name))) {
      expect(read(list, carrier), carrier).toBe("malformedPacket §2.2.2.2");
    }
  });

  it("stands once, but where it may repeat", () => {
    const twice = Buffer.concat([Buffer.from([bytes.length * 2]), bytes, bytes]);
    for (const carrier of row.carriers) {
      const isRefused = !row.repeats.includes(carrier);
      expect(read(twice, carrier), carrier).toBe(
        isRefused ? `protocolError ${row.section}` : "nothing was refused",
      );
    }
  });

  it("is malformed cut at any byte", () => {
    for (let cut = 1; cut < bytes.length; cut++) {
      const short = Buffer.concat([Buffer.from([cut]), bytes.subarray(0, cut)]);
      expect(read(short, row.carriers[0]!), `cut at ${cut}`).toMatch(/^malformedPacket §/);
    }
  });
});

describe("readProperties", () => {
  it("gives the shared empty object for an empty list", () => {
    const { properties, next } = readProperties(hex`ff 00 ff`, 1, 3, "publish");
    expect(properties).toBe(NO_PROPERTIES);
    expect(next).toBe(2);
  });

  it("keeps the order of the wire, and that of user properties [MQTT5-3.1.3-10]", () => {
    const bytes = hex`15  26 0001 62 0001 31  02 00000009  26 0001 61 0001 32  01 00`;
    const { properties } = readProperties(bytes, 0, bytes.length, "will");
    expect(Object.entries(properties)).toEqual([
      [
        "userProperties",
        [
          ["b", "1"],
          ["a", "2"],
        ],
      ],
      ["messageExpiryInterval", 9],
      ["payloadFormatIndicator", 0],
    ]);
  });

  it("gathers the subscription identifiers of a PUBLISH", () => {
    const whole = hex`05  0b 01  0b 8001`;
    expect(readProperties(whole, 0, whole.length, "publish").properties).toEqual({
      subscriptionIdentifiers: [1, 128],
    });
  });

  it("copies binary values out of the chunk", () => {
    const bytes = hex`05 09 0002 aabb`;
    const { properties } = readProperties(bytes, 0, bytes.length, "publish");
    bytes.fill(0);
    expect(properties.correlationData).toEqual(hex`aabb`);
  });

  it.each<[string, Buffer, Carrier, string]>([
    ["no length at all", hex``, "publish", "malformedPacket §1.5.5"],
    ["a length beyond the packet", hex`01`, "publish", "malformedPacket §2.2.2.1"],
    ["a length that is cut off", hex`80`, "publish", "malformedPacket §1.5.5"],
    ["a length of five bytes", hex`80 80 80 80 01`, "publish", "malformedPacket §1.5.5"],
    ["a longer form of length 0", hex`80 00`, "publish", "malformedPacket MQTT5-1.5.5-1"],
    [
      "a longer form of an identifier",
      hex`03 81 00 01`,
      "publish",
      "malformedPacket MQTT5-1.5.5-1",
    ],
    ["identifier 0", hex`01 00`, "connect", "malformedPacket §2.2.2.2"],
    ["an identifier nobody has", hex`01 2b`, "connect", "malformedPacket §2.2.2.2"],
    ["an identifier of two bytes", hex`02 80 01`, "connect", "malformedPacket §2.2.2.2"],
    ["an identifier of four bytes", hex`04 ff ff ff 7f`, "connect", "malformedPacket §2.2.2.2"],
    ["a flag of 2", hex`02 17 02`, "connect", "protocolError §3.1.2.11.7"],
    ["a payload format of 2", hex`02 01 02`, "publish", "protocolError §3.3.2.3.2"],
    ["a Maximum QoS of 2", hex`02 24 02`, "connack", "protocolError §3.2.2.3.4"],
    ["a Receive Maximum of 0", hex`03 21 0000`, "connect", "protocolError §3.1.2.11.3"],
    ["a Maximum Packet Size of 0", hex`05 27 00000000`, "connect", "protocolError §3.1.2.11.4"],
    ["topic alias 0", hex`03 23 0000`, "publish", "protocolError MQTT5-3.3.2-8"],
    ["subscription identifier 0", hex`02 0b 00`, "subscribe", "protocolError §3.8.2.1.2"],
    [
      "a subscription identifier in a longer form",
      hex`03 0b 81 00`,
      "subscribe",
      "malformedPacket MQTT5-1.5.5-1",
    ],
    ["a string beyond the list", hex`04 1f 0002 61 62`, "suback", "malformedPacket §1.5.4"],
    ["a string with U+0000", hex`04 1f 0001 00`, "suback", "malformedPacket MQTT5-1.5.4-2"],
    ["a name of no UTF-8", hex`06 26 0001 ff 0000`, "auth", "malformedPacket MQTT5-1.5.4-1"],
    ["a value of no UTF-8", hex`06 26 0000 0001 ff`, "auth", "malformedPacket MQTT5-1.5.4-1"],
    ["a name without a value", hex`04 26 0001 61`, "auth", "malformedPacket §1.5.4"],
  ])("refuses %s", (_what, bytes, carrier, expected) => {
    expect(read(bytes, carrier)).toBe(expected);
  });
});

describe("writing properties", () => {
  it("follows the order of the keys", () => {
    const answer: Properties = { topicAliasMaximum: 10, receiveMaximum: 20 };
    expect(write(answer)).toEqual(hex`06 22 000a 21 0014`);
    expect(write({ receiveMaximum: 20, topicAliasMaximum: 10 })).toEqual(hex`06 21 0014 22 000a`);
  });

  it("writes length 0 for none, and skips what is undefined", () => {
    expect(write({})).toEqual(hex`00`);
    expect(write({ reasonString: undefined } as unknown as Properties)).toEqual(hex`00`);
  });

  it("refuses our own numbers out of bounds", () => {
    expect(() => write({ receiveMaximum: 0 })).toThrow(/at least 1/);
    expect(() => write({ receiveMaximum: 65_536 })).toThrow(/fits its type/);
    expect(() => write({ subscriptionIdentifiers: [0] })).toThrow(/at least 1/);
    expect(() => write({ reasonString: "a".repeat(65_536) })).toThrow(/two length bytes/);
    expect(() => write({ nonsense: 1 } as unknown as Properties)).toThrow(/has a row/);
  });

  it.each(CARRIERS)("round trips all that %s may carry, whole and cut", (carrier) => {
    fc.assert(
      fc.property(propertiesOf(carrier), (properties) => {
        const bytes = write(properties);
        const { properties: back, next } = readProperties(bytes, 0, bytes.length, carrier);
        expect(Object.entries(back)).toEqual(Object.entries(properties));
        expect(next).toBe(bytes.length);
        expect(propertiesEnd(bytes, 0, bytes.length)).toBe(bytes.length);
        const listStart = bytes.length - propertyListSize(properties);
        expect(readPropertyList(bytes, listStart, bytes.length, carrier)).toEqual(properties);
        for (let cut = 0; cut < bytes.length; cut++) {
          expect(read(bytes.subarray(0, cut), carrier)).toMatch(/^malformedPacket §/);
        }
      }),
      { seed: 4, numRuns: 50 },
    );
  });
});

function write(properties: Properties): Buffer {
  const out = Buffer.alloc(propertiesSize(properties));
  expect(writeProperties(out, 0, properties)).toBe(out.length);
  return out;
}

/** What `readProperties` says against the whole of `bytes`. */
function read(bytes: Buffer, carrier: Carrier): string {
  return refusal(() => readProperties(bytes, 0, bytes.length, carrier));
}
