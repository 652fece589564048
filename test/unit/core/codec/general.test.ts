import { describe, expect, it } from "vitest";
import {
  connectVersion,
  readPacket,
  UnsupportedVersionError,
  writePacket,
} from "../../../../src/core/codec/general.ts";
import type { ConnectPacket, GeneralPacket, Version } from "../../../../src/core/codec/packets.ts";
import { hex } from "../../../support/hex.ts";
import { bodyStart } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

const VERSIONS: readonly Version[] = [3, 4, 5];

/** 3.1.1's name, level 4, clean session, one minute, as a client of `id` "c" begins. */
const V4 = hex`0004 4d515454 04`;
const V5 = hex`0004 4d515454 05`;
const V3 = hex`0006 4d5149736470 03`;
const ID = hex`0001 63`;

const CONNECT: ConnectPacket = {
  type: "connect",
  version: 4,
  bridge: false,
  cleanStart: true,
  keepAlive: 60,
  clientId: "c",
  properties: {},
};

describe("packets as they stand on the wire", () => {
  const will = { topic: "w", payload: hex`00ff`, qos: 1, retain: true, properties: {} } as const;
  const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  const a = { filter: "a", qos: 1, ...plain } as const;
  const request = { noLocal: true, retainAsPublished: true, retainHandling: 2 } as const;
  it.each<[what: string, version: Version, bytes: Buffer, packet: GeneralPacket]>([
    ["CONNECT of 3.1", 3, hex`10 0f ${V3} 02 003c ${ID}`, { ...CONNECT, version: 3 }],
    ["CONNECT of 3.1.1", 4, hex`10 0d ${V4} 02 003c ${ID}`, CONNECT],
    ["CONNECT of 5.0", 5, hex`10 0e ${V5} 02 003c 00 ${ID}`, { ...CONNECT, version: 5 }],
    [
      "CONNECT of a bridge",
      4,
      hex`10 0d 0004 4d515454 84 00 0000 ${ID}`,
      { ...CONNECT, bridge: true, cleanStart: false, keepAlive: 0 },
    ],
    [
      "CONNECT with everything",
      5,
      hex`10 26 ${V5} ee 003c 05 11 0000000a ${ID}  05 18 00000005 0001 77 0002 00ff
        0001 75 0001 70`,
      {
        ...CONNECT,
        version: 5,
        will: { ...will, properties: { willDelayInterval: 5 } },
        username: "u",
        password: Buffer.from("p"),
        properties: { sessionExpiryInterval: 10 },
      },
    ],
    [
      "CONNECT with a password alone",
      5,
      hex`10 11 ${V5} 42 003c 00 ${ID} 0001 70`,
      { ...CONNECT, version: 5, password: Buffer.from("p") },
    ],
    [
      "CONNECT with empty strings",
      4,
      hex`10 10 ${V4} c2 003c 0000 0000 0000`,
      { ...CONNECT, clientId: "", username: "", password: hex`` },
    ],
    ["CONNACK", 4, hex`20 02 00 00`, connack(false, 0)],
    ["CONNACK with a session", 4, hex`20 02 01 00`, connack(true, 0)],
    ["CONNACK that refuses", 3, hex`20 02 00 05`, connack(false, 5)],
    ["CONNACK of 5.0 that refuses", 5, hex`20 03 00 8c 00`, connack(false, 0x8c)],
    [
      "CONNACK as mosquitto sends it",
      5,
      hex`20 09 00 00 06 22 000a 21 0014`,
      { ...connack(false, 0), properties: { topicAliasMaximum: 10, receiveMaximum: 20 } },
    ],
    [
      "SUBSCRIBE",
      4,
      hex`82 06 0001 0001 61 01`,
      { type: "subscribe", packetId: 1, subscriptions: [a], properties: {} },
    ],
    [
      "SUBSCRIBE with options",
      5,
      hex`82 0d ffff 02 0b 07 0001 61 01 0001 62 2e`,
      {
        type: "subscribe",
        packetId: 65_535,
        subscriptions: [a, { filter: "b", qos: 2, ...request }],
        properties: { subscriptionIdentifiers: [7] },
      },
    ],
    ["SUBACK", 4, hex`90 05 0001 00 02 80`, suback([0, 2, 0x80])],
    ["SUBACK of 5.0", 5, hex`90 05 0001 00 01 87`, suback([1, 0x87])],
    [
      "UNSUBSCRIBE",
      4,
      hex`a2 08 0001 0001 61 0001 62`,
      { type: "unsubscribe", packetId: 1, filters: ["a", "b"], properties: {} },
    ],
    ["UNSUBACK", 4, hex`b0 02 0001`, unsuback([])],
    ["UNSUBACK of 5.0", 5, hex`b0 05 0001 00 00 11`, unsuback([0, 0x11])],
    ["DISCONNECT", 3, hex`e0 00`, disconnect(0)],
    ["DISCONNECT of 5.0", 5, hex`e0 00`, disconnect(0)],
    ["DISCONNECT with a reason", 5, hex`e0 01 81`, disconnect(0x81)],
    [
      "DISCONNECT with properties",
      5,
      hex`e0 07 00 05 11 00000000`,
      { ...disconnect(0), properties: { sessionExpiryInterval: 0 } },
    ],
    ["AUTH that says nothing", 5, hex`f0 00`, { type: "auth", reasonCode: 0, properties: {} }],
    [
      "AUTH",
      5,
      hex`f0 09 18 07 15 0001 6d 16 0000`,
      {
        type: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: "m", authenticationData: hex`` },
      },
    ],
  ])("%s (version %i)", (_what, version, bytes, packet) => {
    expect(read(bytes, version)).toEqual(packet);
    expect(writePacket(packet, version).toString("hex")).toBe(bytes.toString("hex"));
  });

  it("are read from the middle of a chunk, and do not hold on to it", () => {
    const packet: ConnectPacket = { ...CONNECT, will, username: "u", password: hex`aa` };
    const bytes = writePacket(packet, 4);
    const chunk = Buffer.concat([hex`ffff`, bytes, hex`ffff`]);
    const back = readPacket(chunk, chunk[2]!, 4, 2 + bytes.length, 4);
    chunk.fill(0);
    expect(back).toEqual(packet);
  });

  it("have a remaining length of as many bytes as they need", () => {
    for (const [size, header] of [
      [125, 2],
      [126, 3],
      [16_381, 3],
      [16_382, 4],
      [2_097_150, 5],
    ] as const) {
      const codes = Array.from({ length: size }, () => 0);
      const bytes = writePacket(suback(codes), 4);
      expect(bytes.length).toBe(header + 2 + size);
      expect(read(bytes, 4)).toEqual(suback(codes));
    }
  });
});

describe("packets before 5.0", () => {
  it("are written without what only 5.0 has", () => {
    const properties = { reasonString: "why" };
    expect(writePacket({ ...disconnect(0x8e), properties }, 4)).toEqual(hex`e0 00`);
    expect(writePacket({ ...unsuback([0x11]), properties }, 4)).toEqual(hex`b0 02 0001`);
    expect(writePacket({ ...suback([1]), properties }, 4)).toEqual(hex`90 03 0001 01`);
    expect(writePacket({ ...connack(true, 0), properties }, 3)).toEqual(hex`20 02 00 00`);
    const options = { noLocal: true, retainAsPublished: true, retainHandling: 1 } as const;
    const subscriptions = [{ filter: "a", qos: 1, ...options }] as const;
    expect(
      writePacket({ type: "subscribe", packetId: 1, subscriptions, properties: {} }, 4),
    ).toEqual(hex`82 06 0001 0001 61 01`);
  });
});

describe("CONNECT and its version", () => {
  it.each([
    ["MQTT at 3", hex`0004 4d515454 03`, "MQTT", 3],
    ["MQTT at 6 with nothing after it", hex`0004 4d515454 06`, "MQTT", 6],
    ["MQTT at 0", hex`0004 4d515454 00 02`, "MQTT", 0],
    ["a bridge with MQTT at 3", hex`0004 4d515454 83 02`, "MQTT", 3],
    ["MQIsdp at 4", hex`0006 4d5149736470 04 02`, "MQIsdp", 4],
    ["MQIsdp at 5", hex`0006 4d5149736470 05 02`, "MQIsdp", 5],
  ])("[MQTT-3.1.2-2] names the level that nobody has: %s", (_what, body, protocolName, level) => {
    let thrown: unknown;
    try {
      readPacket(body, 0x10, 0, body.length, 4);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(UnsupportedVersionError);
    expect(thrown).toMatchObject({ protocolName, level, code: 0x84 });
    expect(connectVersion(body, 0, body.length)).toBeUndefined();
  });

  it.each([
    ["mqtt", hex`0004 6d717474 04 02 0000 0000`],
    ["nothing", hex`0000 04 02 0000 0000`],
    ["MQTTX", hex`0005 4d51545458 04 02 0000 0000`],
  ])("[MQTT5-3.1.2-1] refuses the protocol name %s", (_what, body) => {
    expect(refusal(() => readPacket(body, 0x10, 0, body.length, 4))).toBe(
      "protocolError MQTT5-3.1.2-1",
    );
    expect(connectVersion(body, 0, body.length)).toBeUndefined();
  });

  it("can be had from a CONNECT that is broken further on", () => {
    expect(connectVersion(hex`ff ${V5} 03`, 1, 9)).toBe(5);
    expect(connectVersion(V4, 0, V4.length)).toBe(4);
    expect(connectVersion(hex`0004 4d515454 84`, 0, 7)).toBe(4);
    expect(connectVersion(V3, 0, V3.length)).toBe(3);
    for (let cut = 0; cut < V3.length; cut++) expect(connectVersion(V3, 0, cut)).toBeUndefined();
  });

  it("is its own, whatever the connection speaks", () => {
    const bytes = hex`10 0e ${V5} 02 003c 00 ${ID}`;
    for (const version of VERSIONS) expect(read(bytes, version)).toMatchObject({ version: 5 });
    expect(writePacket({ ...CONNECT, version: 5 }, 3)).toEqual(bytes);
  });
});

describe("what MQTT 3.1 lets pass, as mosquitto does", () => {
  it.each([
    ["the reserved flag", hex`10 0f ${V3} 03 003c ${ID}`],
    ["Will QoS without a Will", hex`10 0f ${V3} 0a 003c ${ID}`],
    ["Will Retain without a Will", hex`10 0f ${V3} 22 003c ${ID}`],
    ["a user name that is missing", hex`10 0f ${V3} 82 003c ${ID}`],
    ["user name and password missing", hex`10 0f ${V3} c2 003c ${ID}`],
    ["flags in the first byte", hex`11 0f ${V3} 02 003c ${ID}`],
  ])("in a CONNECT: %s", (_what, bytes) => {
    expect(read(bytes, 3)).toEqual({ ...CONNECT, version: 3 });
  });

  it("in a CONNECT: a password that is missing", () => {
    expect(read(hex`10 12 ${V3} c2 003c ${ID} 0001 75`, 3)).toEqual({
      ...CONNECT,
      version: 3,
      username: "u",
    });
  });

  it("elsewhere: flags in the first byte", () => {
    expect(read(hex`8a 06 0001 0001 61 01`, 3).type).toBe("subscribe");
    expect(read(hex`a0 05 0001 0001 61`, 3).type).toBe("unsubscribe");
    expect(read(hex`e1 00`, 3).type).toBe("disconnect");
  });
});

describe("a CONNACK in another version's format", () => {
  it("tells a client of 5.0 that the server has only 3.1.1", () => {
    expect(read(hex`20 02 00 01`, 5)).toEqual(connack(false, 0x84));
  });
});

const M = "malformedPacket";
const P = "protocolError";

/** Refused in 3.1.1 and in 5.0: each with its own body, for 5.0 has properties in it. */
const REFUSED: readonly [what: string, v4: Buffer, rule4: string, v5: Buffer, rule5: string][] = [
  [
    "CONNECT with flags in the first byte",
    hex`12 0d ${V4} 02 003c ${ID}`,
    `${M} MQTT-2.2.2-2`,
    hex`12 0e ${V5} 02 003c 00 ${ID}`,
    `${M} MQTT5-2.1.3-1`,
  ],
  [
    "CONNECT with the reserved flag",
    hex`10 0d ${V4} 03 003c ${ID}`,
    `${M} MQTT-3.1.2-3`,
    hex`10 0e ${V5} 03 003c 00 ${ID}`,
    `${M} MQTT5-3.1.2-3`,
  ],
  [
    "Will QoS without a Will",
    hex`10 0d ${V4} 0a 003c ${ID}`,
    `${M} MQTT-3.1.2-13`,
    hex`10 0e ${V5} 12 003c 00 ${ID}`,
    `${M} MQTT5-3.1.2-11`,
  ],
  [
    "Will Retain without a Will",
    hex`10 0d ${V4} 22 003c ${ID}`,
    `${M} MQTT-3.1.2-15`,
    hex`10 0e ${V5} 22 003c 00 ${ID}`,
    `${M} MQTT5-3.1.2-13`,
  ],
  [
    "Will QoS 3",
    hex`10 12 ${V4} 1e 003c ${ID} 0001 77 0000`,
    `${M} MQTT-3.1.2-14`,
    hex`10 14 ${V5} 1e 003c 00 ${ID} 00 0001 77 0000`,
    `${M} MQTT5-3.1.2-12`,
  ],
  [
    "a Will with an empty topic",
    hex`10 11 ${V4} 06 003c ${ID} 0000 0000`,
    `${M} MQTT-4.7.3-1`,
    hex`10 13 ${V5} 06 003c 00 ${ID} 00 0000 0000`,
    `${M} MQTT5-4.7.3-1`,
  ],
  [
    "a Will without a payload",
    hex`10 10 ${V4} 06 003c ${ID} 0001 77`,
    `${M} §1.5.4`,
    hex`10 12 ${V5} 06 003c 00 ${ID} 00 0001 77`,
    `${M} §1.5.4`,
  ],
  [
    "a user name that is missing",
    hex`10 0d ${V4} 82 003c ${ID}`,
    `${M} MQTT-3.1.2-19`,
    hex`10 0e ${V5} 82 003c 00 ${ID}`,
    `${M} MQTT5-3.1.2-17`,
  ],
  [
    "a password that is missing",
    hex`10 10 ${V4} c2 003c ${ID} 0001 75`,
    `${M} MQTT-3.1.2-21`,
    hex`10 0e ${V5} 42 003c 00 ${ID}`,
    `${M} MQTT5-3.1.2-19`,
  ],
  [
    "bytes after the last field of CONNECT",
    hex`10 0e ${V4} 02 003c ${ID} 7a`,
    `${M} MQTT-3.1.3-1`,
    hex`10 0f ${V5} 02 003c 00 ${ID} 7a`,
    `${M} MQTT5-3.1.3-1`,
  ],
  [
    "CONNECT without a client identifier",
    hex`10 0a ${V4} 02 003c`,
    `${M} MQTT-3.1.3-3`,
    hex`10 0b ${V5} 02 003c 00`,
    `${M} MQTT5-3.1.3-3`,
  ],
  [
    "a client identifier that is no UTF-8",
    hex`10 0d ${V4} 02 003c 0001 ff`,
    `${M} MQTT-1.5.3-1`,
    hex`10 0e ${V5} 02 003c 00 0001 ff`,
    `${M} MQTT5-1.5.4-1`,
  ],
  [
    "CONNACK with flags",
    hex`21 02 0000`,
    `${M} MQTT-2.2.2-2`,
    hex`21 03 000000`,
    `${M} MQTT5-2.1.3-1`,
  ],
  [
    "CONNACK with reserved bits",
    hex`20 02 0200`,
    `${M} §3.2.2.1`,
    hex`20 03 800000`,
    `${M} MQTT5-3.2.2-1`,
  ],
  [
    "CONNACK with a foreign code",
    hex`20 02 0006`,
    `${P} MQTT-3.2.2-6`,
    hex`20 03 000500`,
    `${P} MQTT5-3.2.2-8`,
  ],
  [
    "CONNACK that refuses a session",
    hex`20 02 0105`,
    `${P} MQTT-3.2.2-4`,
    hex`20 03 018700`,
    `${P} MQTT5-3.2.2-6`,
  ],
  ["CONNACK with more", hex`20 03 000000`, `${M} §3.2.3`, hex`20 04 00000000`, `${M} §3.2.3`],
  [
    "SUBSCRIBE with other flags",
    hex`80 06 0001 000161 00`,
    `${M} MQTT-3.8.1-1`,
    hex`8a 07 0001 00 000161 00`,
    `${M} MQTT5-3.8.1-1`,
  ],
  [
    "SUBSCRIBE with identifier 0",
    hex`82 06 0000 000161 00`,
    `${M} MQTT-2.3.1-1`,
    hex`82 07 0000 00 000161 00`,
    `${M} MQTT5-2.2.1-3`,
  ],
  [
    "SUBSCRIBE without a filter",
    hex`82 02 0001`,
    `${M} MQTT-3.8.3-3`,
    hex`82 03 0001 00`,
    `${M} MQTT5-3.8.3-2`,
  ],
  [
    "SUBSCRIBE with an empty filter",
    hex`82 05 0001 0000 00`,
    `${M} MQTT-4.7.3-1`,
    hex`82 06 0001 00 0000 00`,
    `${M} MQTT5-4.7.3-1`,
  ],
  [
    "SUBSCRIBE with a filter that is no UTF-8",
    hex`82 06 0001 0001ff 00`,
    `${M} MQTT-1.5.3-1`,
    hex`82 07 0001 00 0001ff 00`,
    `${M} MQTT5-1.5.4-1`,
  ],
  [
    "SUBSCRIBE with reserved options",
    hex`82 06 0001 000161 04`,
    `${M} MQTT-3.8.3-4`,
    hex`82 07 0001 00 000161 40`,
    `${M} MQTT5-3.8.3-5`,
  ],
  [
    "SUBSCRIBE at QoS 3",
    hex`82 06 0001 000161 03`,
    `${M} MQTT-3.8.3-4`,
    hex`82 07 0001 00 000161 03`,
    `${M} §3.8.3.1`,
  ],
  [
    "SUBSCRIBE with bit 7",
    hex`82 06 0001 000161 80`,
    `${M} MQTT-3.8.3-4`,
    hex`82 07 0001 00 000161 80`,
    `${M} MQTT5-3.8.3-5`,
  ],
  [
    "SUBSCRIBE without options",
    hex`82 05 0001 000161`,
    `${M} §4.13`,
    hex`82 06 0001 00 000161`,
    `${M} §4.13`,
  ],
  [
    "SUBACK with flags",
    hex`92 03 0001 00`,
    `${M} MQTT-2.2.2-2`,
    hex`92 04 0001 00 00`,
    `${M} MQTT5-2.1.3-1`,
  ],
  [
    "SUBACK with identifier 0",
    hex`90 03 0000 00`,
    `${M} MQTT-2.3.1-7`,
    hex`90 04 0000 00 00`,
    `${M} MQTT5-2.2.1-6`,
  ],
  [
    "SUBACK without a code",
    hex`90 02 0001`,
    `${M} MQTT-3.8.4-5`,
    hex`90 03 0001 00`,
    `${M} MQTT5-3.8.4-6`,
  ],
  [
    "SUBACK with a foreign code",
    hex`90 03 0001 87`,
    `${P} MQTT-3.9.3-2`,
    hex`90 04 0001 00 03`,
    `${P} MQTT5-3.9.3-2`,
  ],
  [
    "UNSUBSCRIBE with other flags",
    hex`a0 05 0001 000161`,
    `${M} MQTT-3.10.1-1`,
    hex`a3 06 0001 00 000161`,
    `${M} MQTT5-3.10.1-1`,
  ],
  [
    "UNSUBSCRIBE with identifier 0",
    hex`a2 05 0000 000161`,
    `${M} MQTT-2.3.1-1`,
    hex`a2 06 0000 00 000161`,
    `${M} MQTT5-2.2.1-3`,
  ],
  [
    "UNSUBSCRIBE without a filter",
    hex`a2 02 0001`,
    `${M} MQTT-3.10.3-2`,
    hex`a2 03 0001 00`,
    `${M} MQTT5-3.10.3-2`,
  ],
  [
    "UNSUBSCRIBE with an empty filter",
    hex`a2 04 0001 0000`,
    `${M} MQTT-4.7.3-1`,
    hex`a2 05 0001 00 0000`,
    `${M} MQTT5-4.7.3-1`,
  ],
  [
    "UNSUBSCRIBE with a byte more",
    hex`a2 06 0001 000161 7a`,
    `${M} §1.5.4`,
    hex`a2 07 0001 00 000161 7a`,
    `${M} §1.5.4`,
  ],
  [
    "UNSUBACK with flags",
    hex`b2 02 0001`,
    `${M} MQTT-2.2.2-2`,
    hex`b2 04 0001 00 00`,
    `${M} MQTT5-2.1.3-1`,
  ],
  [
    "UNSUBACK with identifier 0",
    hex`b0 02 0000`,
    `${M} MQTT-2.3.1-7`,
    hex`b0 04 0000 00 00`,
    `${M} MQTT5-2.2.1-6`,
  ],
  ["DISCONNECT with flags", hex`e1 00`, `${M} MQTT-3.14.1-1`, hex`e2 00`, `${M} MQTT5-3.14.1-1`],
  ["DISCONNECT with more", hex`e0 01 00`, `${M} §3.14.2`, hex`e0 03 000000`, `${M} §3.14.3`],
  ["a reserved packet type", hex`00 00`, `${P} §2.1.2`, hex`00 00`, `${P} §2.1.2`],
  ["AUTH where it is not", hex`f0 00`, `${P} §2.2.1`, hex`f1 00`, `${M} MQTT5-3.15.1-1`],
];

/** What only one version can get wrong. */
const REFUSED_ONLY: readonly [what: string, Version, Buffer, string][] = [
  ["a password without user name", 4, hex`10 10 ${V4} 42 003c ${ID} 0001 70`, `${P} MQTT-3.1.2-22`],
  [
    "a password without user name in 3.1",
    3,
    hex`10 12 ${V3} 42 003c ${ID} 0001 70`,
    `${P} MQTT-3.1.2-22`,
  ],
  ["half a user name in 3.1", 3, hex`10 10 ${V3} 82 003c ${ID} 00`, `${M} §1.5.4`],
  ["a byte too many in 3.1", 3, hex`10 10 ${V3} 02 003c ${ID} 7a`, `${M} MQTT-3.1.3-1`],
  ["SUBSCRIBE without a filter in 3.1", 3, hex`82 02 0001`, `${M} MQTT-3.8.3-3`],
  ["UNSUBACK with codes", 4, hex`b0 03 0001 00`, `${M} §3.11.3`],
  ["UNSUBACK without a code", 5, hex`b0 03 0001 00`, `${M} MQTT5-3.11.3-1`],
  ["UNSUBACK with a foreign code", 5, hex`b0 04 0001 00 01`, `${P} MQTT5-3.11.3-2`],
  ["Retain Handling 3", 5, hex`82 07 0001 00 000161 30`, `${M} §3.8.3.1`],
  ["two subscription identifiers", 5, hex`82 0b 0001 04 0b01 0b02 000161 00`, `${P} §3.8.2.1.2`],
  ["authentication data alone", 5, hex`10 11 ${V5} 02 003c 03 16 0000 ${ID}`, `${P} §3.1.2.11.10`],
  ["CONNECT with a foreign property", 5, hex`10 10 ${V5} 02 003c 02 0101 ${ID}`, `${M} §2.2.2.2`],
  [
    "a Will with a foreign property",
    5,
    hex`10 19 ${V5} 06 003c 00 ${ID} 05 11 00000000 000177 0000`,
    `${M} §2.2.2.2`,
  ],
  ["CONNACK of 5.0 without properties", 5, hex`20 02 0000`, `${M} §1.5.5`],
  ["DISCONNECT with a foreign code", 5, hex`e0 01 01`, `${P} MQTT5-3.14.2-1`],
  ["AUTH with a foreign code", 5, hex`f0 06 01 04 15 000161`, `${P} MQTT5-3.15.2-1`],
  ["AUTH with a code alone", 5, hex`f0 01 18`, `${M} §1.5.5`],
  ["AUTH without its method", 5, hex`f0 02 18 00`, `${P} MQTT5-4.12.0-5`],
  ["AUTH with more", 5, hex`f0 07 18 04 15 000161 00`, `${M} §3.15.3`],
  ["a PUBLISH, which is read elsewhere", 5, hex`30 04 0001 61 00`, `${P} §2.1.2`],
];

describe("what is refused, why, and by which rule", () => {
  it.each(REFUSED)("%s", (_what, v4, rule4, v5, rule5) => {
    expect(refusal(() => read(v4, 4))).toBe(rule4);
    expect(refusal(() => read(v5, 5))).toBe(rule5);
  });

  it.each(REFUSED_ONLY)("%s (version %i)", (_what, version, bytes, expected) => {
    expect(refusal(() => read(bytes, version))).toBe(expected);
  });

  it("knows every code that the standard gives a packet, and no other", () => {
    const taken = (packet: (code: number) => Buffer) =>
      Array.from({ length: 256 }, (_, code) => code).filter(
        (code) => refusal(() => read(packet(code), 5)) === "nothing was refused",
      );
    expect(taken((code) => hex`20 03 00 ${code} 00`)).toHaveLength(22);
    expect(taken((code) => hex`90 04 0001 00 ${code}`)).toHaveLength(12);
    expect(taken((code) => hex`b0 04 0001 00 ${code}`)).toHaveLength(7);
    expect(taken((code) => hex`e0 01 ${code}`)).toHaveLength(30);
    expect(taken((code) => hex`f0 06 ${code} 04 15 000161`)).toEqual([0x00, 0x18, 0x19]);
  });
});

describe("our own mistakes when writing", () => {
  it.each<[what: string, packet: GeneralPacket, Version]>([
    ["an identifier of 0", { ...suback([0]), packetId: 0 }, 4],
    ["an identifier above 65,535", { ...suback([0]), packetId: 65_536 }, 4],
    ["a keep alive above 65,535", { ...CONNECT, keepAlive: 65_536 }, 4],
    ["a client identifier that is too long", { ...CONNECT, clientId: "a".repeat(65_536) }, 4],
    [
      "a password that is too long",
      { ...CONNECT, username: "u", password: Buffer.alloc(65_536) },
      4,
    ],
    ["a password without user name before 5.0", { ...CONNECT, password: hex`70` }, 4],
    ["no filter", { type: "unsubscribe", packetId: 1, filters: [], properties: {} }, 4],
    ["no code", suback([]), 4],
    ["a code of 5.0 in 3.1.1", suback([0x87]), 4],
    ["a reason of 5.0 in 3.1.1", connack(false, 0x87), 4],
    ["a refusal with a session", connack(true, 5), 4],
    ["AUTH before 5.0", { type: "auth", reasonCode: 0, properties: {} }, 4],
    ["AUTH without its method", { type: "auth", reasonCode: 0x18, properties: {} }, 5],
  ])("%s is an assertion, not a packet", (_what, packet, version) => {
    expect(() => writePacket(packet, version)).toThrow(
      expect.objectContaining({ name: "AssertionError" }),
    );
  });
});

function read(bytes: Buffer, version: Version): GeneralPacket {
  const start = bodyStart(bytes);
  return readPacket(bytes, bytes[0]!, start, bytes.length, version);
}

function connack(sessionPresent: boolean, reasonCode: number) {
  return { type: "connack", sessionPresent, reasonCode, properties: {} } as const;
}

function suback(reasonCodes: number[]) {
  return { type: "suback", packetId: 1, reasonCodes, properties: {} } as const;
}

function unsuback(reasonCodes: number[]) {
  return { type: "unsuback", packetId: 1, reasonCodes, properties: {} } as const;
}

function disconnect(reasonCode: number) {
  return { type: "disconnect", reasonCode, properties: {} } as const;
}
