/**
 * §3.2, §3.14, §4.12 and §4.13 of MQTT 5.0 and §3.2, §3.14 and §4.8 of 3.1.1, the client's side:
 * what it makes of CONNACK, AUTH and DISCONNECT, how it leaves, and what it does not put up with.
 */
import { describe, expect, it } from "vitest";
import type { Version } from "../../src/core/codec/packets.ts";
import { ClientPair, connectedPair } from "../support/client-pair.ts";
import { hex } from "../support/hex.ts";
import { field, packet } from "../support/raw-packets.ts";
import { publishBytes } from "../support/scripted-client.ts";

describe("CONNACK", () => {
  it.each([4, 5] as const)(
    "[MQTT5-3.2.2-4] closes when it tells of a session that was not asked for: version %i",
    (version) => {
      const pair = new ClientPair({ version, cleanStart: true }).connect({}, true);
      expect(pair.ready).toEqual([]);
      expect(pair.ended).toMatchObject([{ code: "serverError" }]);
      expect(pair.link.state).toBe("destroyed");
    },
  );

  it.each([4, 5] as const)(
    "[MQTT5-3.2.2-5] drops its half of the session where the server has none: version %i",
    (version) => {
      const pair = new ClientPair(kept(version)).connect({}, false);
      pair.publish("a", "one", 2);
      pair.receive(publishBytes(version, "b", Buffer.from("two"), { qos: 2, packetId: 9 }));
      pair.sent();
      pair.cut();
      pair.connect({}, false);
      // A new message, without DUP; and identifier 9 means a new one too.
      expect(pair.sent()).toEqual(["PUBLISH 2 q2 a=one"]);
      pair.receive(publishBytes(version, "b", Buffer.from("two"), { qos: 2, packetId: 9 }));
      expect(pair.messages).toHaveLength(2);
    },
  );

  it.each([
    [4, hex`20 02 00 05`, 5],
    [5, hex`20 03 00 87 00`, 0x87],
  ] as const)(
    "[MQTT5-4.13.2-1] closes when it is refused: version %i",
    (version, connack, code) => {
      const pair = new ClientPair({ version }).open();
      pair.sent();
      pair.receive(connack);
      expect(pair.ended).toMatchObject([{ code: "connectRefused", reasonCode: code }]);
      expect([pair.sent(), pair.link.state]).toEqual([[], "destroyed"]);
    },
  );

  it.each([
    ["reserved flags", 4, hex`20 02 02 00`],
    ["a session with a refusal", 4, hex`20 02 01 05`],
    ["a return code that is none", 4, hex`20 02 00 06`],
    ["a byte too many", 4, hex`20 03 00 00 00`],
    ["reserved flags", 5, hex`20 03 02 00 00`],
    ["a session with a refusal", 5, hex`20 03 01 87 00`],
    ["a reason code of another packet", 5, hex`20 03 00 8e 00`],
    ["a property of another packet", 5, hex`20 05 00 00 02 01 01`],
  ] as const)(
    "[MQTT-4.8.0-1] [MQTT5-4.13.1-1] closes on %s: version %i",
    (_what, version, bytes) => {
      const pair = new ClientPair(kept(version)).open();
      pair.receive(bytes);
      expect(pair.ended).toMatchObject([{ code: "serverError" }]);
      expect(pair.link.state).toBe("destroyed");
    },
  );

  it.each([4, 5] as const)(
    "[MQTT5-3.2.0-1] [MQTT-3.2.0-1] is what must come first: version %i",
    (version) => {
      const pair = new ClientPair({ version }).open();
      pair.receive(publishBytes(version, "a", Buffer.from("x")));
      expect([pair.messages, pair.ended]).toMatchObject([[], [{ code: "serverError" }]]);
    },
  );
});

describe.each([4, 5] as const)("leaving in version %i", (version) => {
  it("[MQTT-3.14.4-1] [MQTT5-3.14.4-2] closes after its DISCONNECT", () => {
    const pair = connectedPair({ version });
    pair.machine.disconnect(0, {});
    expect([pair.link.take(), pair.link.state]).toEqual([hex`e0 00`, "ended"]);
  });

  it("[MQTT-3.14.4-2] [MQTT5-3.14.4-1] sends nothing after its DISCONNECT", () => {
    const pair = connectedPair({ version });
    pair.publish("a", "before", 0);
    pair.machine.disconnect(0, {});
    // The link of this pair throws when it is written to after its end.
    pair.publish("a", "after", 0);
    pair.publish("a", "after", 1);
    pair.subscribe(["a"]);
    pair.receive(publishBytes(version, "a", Buffer.from("x"), { qos: 1, packetId: 5 }));
    pair.now += 3_600_000;
    pair.machine.onTick(pair.now);
    expect(pair.sent()).toEqual(["PUBLISH q0 a=before", "DISCONNECT"]);
  });
});

describe("DISCONNECT of MQTT 5.0", () => {
  it("[MQTT5-3.14.1-1] with reserved bits set is answered with 0x81", () => {
    const pair = connectedPair();
    pair.receive(hex`e1 00`);
    expect([pair.sent(), pair.link.state]).toEqual([["DISCONNECT 0x81"], "ended"]);
  });

  it("[MQTT5-3.14.2-1] with a reason code of another packet is a violation", () => {
    const pair = connectedPair();
    pair.receive(hex`e0 01 10`);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
  });

  it.each([0x00, 0x81, 0x8b, 0x8e])(
    "[MQTT5-4.13.2-1] [MQTT5-3.14.4-1] ends the connection, with no word back: 0x%x",
    (code) => {
      const pair = connectedPair();
      pair.receive(packet(0xe0, Buffer.from([code])), hex`d0 00`);
      expect(pair.ended).toMatchObject([{ code: "disconnectedByServer", reasonCode: code }]);
      expect([pair.sent(), pair.link.state]).toEqual([[], "destroyed"]);
    },
  );

  it("[MQTT5-3.14.2-3] [MQTT5-3.14.2-4] leaves out the words that the server has no room for", () => {
    const properties = {
      sessionExpiryInterval: 7,
      reasonString: "x".repeat(100),
      userProperties: [["a", "b".repeat(100)]] as [string, string][],
    };
    const pair = new ClientPair({ sessionExpiryInterval: 60 }).connect({ maximumPacketSize: 20 });
    pair.sent();
    pair.machine.disconnect(0x04, properties);
    expect(pair.link.take()).toEqual(hex`e0 07 04 05 11 00000007`);
  });
});

describe("AUTH of MQTT 5.0", () => {
  const METHOD = { properties: { authenticationMethod: "M" } };

  it("[MQTT5-3.1.2-30] after CONNECT with a method, nothing else goes out before CONNACK", () => {
    const pair = new ClientPair(METHOD).open();
    pair.publish("a", "x", 1);
    pair.subscribe(["a"]);
    expect(pair.sent()).toEqual(["CONNECT c clean"]);
    pair.receive(challenge("18", "one"));
    expect(pair.sent()).toEqual([]);
    pair.machine.authenticate(Buffer.from("two"));
    expect(pair.sent()).toEqual(["AUTH 0x18 two"]);
    pair.accept({ authenticationMethod: "M" });
    expect(pair.sent()).toEqual(["SUBSCRIBE 1 a", "PUBLISH 2 q1 a=x"]);
  });

  it("[MQTT5-4.12.0-3] [MQTT5-4.12.0-5] [MQTT5-3.15.1-1] answers with code 0x18 and the method", () => {
    const pair = new ClientPair(METHOD).open();
    pair.sent();
    pair.receive(challenge("18", "one"));
    expect(pair.challenges).toEqual([{ method: "M", data: Buffer.from("one") }]);
    pair.machine.authenticate(Buffer.from("two"));
    expect(pair.sentBytes()).toEqual(challenge("18", "two"));
  });

  it("[MQTT5-3.15.2-1] [MQTT5-3.15.2-2] [MQTT5-3.15.2-3] has no words and no property but method and data", () => {
    const pair = new ClientPair(METHOD).connect({
      authenticationMethod: "M",
      maximumPacketSize: 30,
    });
    pair.sent();
    expect(pair.machine.reauthenticate(Buffer.from("again"))).toBe(true);
    expect(pair.sentBytes()).toEqual(challenge("19", "again"));
  });

  it.each([
    ["code 0x01", hex`f0 02 01 00`],
    ["another method", packet(0xf0, "18 04 15", field("N"))],
    ["no method", hex`f0 02 18 00`],
    ["flags", packet(0xf1, "18 04 15", field("M"))],
  ])("[MQTT5-3.15.2-1] [MQTT5-3.15.1-1] [MQTT5-4.12.0-5] takes no AUTH with %s", (_what, bytes) => {
    const pair = new ClientPair(METHOD).open();
    pair.receive(bytes);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
  });

  it("[MQTT5-4.12.0-5] takes no CONNACK that names another method, or none", () => {
    for (const properties of [{}, { authenticationMethod: "N" }]) {
      const pair = new ClientPair(METHOD).connect(properties);
      expect([pair.ready, pair.ended]).toMatchObject([[], [{ code: "serverError" }]]);
    }
  });

  it("[MQTT5-4.12.0-7] never sends it without a method in CONNECT", () => {
    const pair = connectedPair();
    expect(pair.machine.reauthenticate(Buffer.from("x"))).toBe(false);
    pair.receive(challenge("18", "one"));
    expect(pair.challenges).toEqual([]);
    expect(pair.sent()).toEqual(["DISCONNECT 0x82"]);
  });

  it("[MQTT5-4.12.1-1] re-authenticates with the method of CONNECT", () => {
    const pair = new ClientPair(METHOD).connect({ authenticationMethod: "M" });
    pair.sent();
    pair.machine.reauthenticate(Buffer.from("one"));
    pair.receive(challenge("18", "more"));
    pair.machine.authenticate(Buffer.from("two"));
    expect(pair.sentBytes()).toEqual(
      Buffer.concat([challenge("19", "one"), challenge("18", "two")]),
    );
    pair.receive(challenge("00", ""));
    expect([pair.reauthentications, pair.machine.state]).toEqual([1, "connected"]);
  });

  it("[MQTT5-4.12.1-2] a re-authentication that fails ends the connection", () => {
    const pair = new ClientPair(METHOD).connect({ authenticationMethod: "M" });
    pair.machine.reauthenticate(undefined);
    pair.receive(hex`e0 01 87`);
    expect(pair.ended).toMatchObject([{ code: "disconnectedByServer", reasonCode: 0x87 }]);
  });

  function challenge(code: string, data: string): Buffer {
    const list = Buffer.concat([Buffer.from([0x15]), field("M"), Buffer.from([0x16]), field(data)]);
    return packet(0xf0, code, Buffer.from([list.length]), list);
  }
});

describe.each([4, 5] as const)("a server that breaks the protocol, in version %i", (version) => {
  const list = version === 5 ? "00" : "";

  it.each([
    ["PUBLISH at QoS 0 with DUP", packet(0x38, field("a"), list)],
    ["PUBACK", packet(0x41, "0001")],
    ["PUBREC", packet(0x58, "0001")],
    ["PUBREL with 0000", packet(0x60, "0001")],
    ["PUBREL with 1010", packet(0x6a, "0001")],
    ["PUBCOMP", packet(0x72, "0001")],
    ["SUBACK", packet(0x92, "0001", list, "00")],
    ["UNSUBACK", packet(0xb2, "0001", list, list)],
    ["PINGRESP", packet(0xd1)],
  ])("[MQTT-2.2.2-2] [MQTT5-2.1.3-1] is left for wrong flags in %s", (_type, bytes) => {
    expectLeft(version, bytes);
  });

  it("[MQTT-3.6.1-1] [MQTT5-3.6.1-1] is left for PUBREL with flags 0000", () => {
    const held = publishBytes(version, "a", Buffer.from("x"), { qos: 2, packetId: 1 });
    expectLeft(version, packet(0x60, "0001"), held);
  });

  it("[MQTT-3.3.1-2] [MQTT5-3.3.1-2] is left for DUP at QoS 0", () => {
    expectLeft(version, packet(0x38, field("a"), list));
  });

  it("[MQTT-3.3.1-4] [MQTT5-3.3.1-4] is left for QoS 3", () => {
    for (const head of [0x36, 0x37, 0x3e])
      expectLeft(version, packet(head, field("a"), "0001", list));
  });

  it("[MQTT-2.3.1-1] [MQTT5-2.2.1-4] is left for packet identifier 0", () => {
    for (const head of [0x32, 0x34]) expectLeft(version, packet(head, field("a"), "0000", list));
    for (const head of [0x40, 0x50, 0x62, 0x70]) expectLeft(version, packet(head, "0000"));
    expectLeft(version, packet(0x90, "0000", list, "00"));
  });

  it.each(["a/#", "+", "#", "a+", ""])(
    "[MQTT-3.3.2-2] [MQTT5-3.3.2-2] is left for the topic name %j",
    (topic) => expectLeft(version, packet(0x30, field(topic), list)),
  );

  it.each([
    ["U+0000", "0003 610062"],
    ["a byte that never occurs", "0002 61ff"],
    ["a surrogate", "0003 eda080"],
    ["an overlong form", "0002 c0af"],
  ])(
    "[MQTT-1.5.3-1] [MQTT-1.5.3-2] [MQTT5-1.5.4-1] [MQTT5-1.5.4-2] is left for a topic name with %s",
    (_what, topic) => expectLeft(version, packet(0x30, topic, list)),
  );

  it("[MQTT-1.5.3-3] [MQTT5-1.5.4-3] is heard with byte order marks kept", () => {
    const pair = connectedPair({ version });
    pair.receive(packet(0x30, "0004 efbbbf 61", list, "78"));
    expect(pair.messages.map(({ topic }) => topic)).toEqual(["\ufeffa"]);
  });

  it.each([
    ["a topic name longer than its packet", packet(0x30, "0009 61")],
    ["half a length", packet(0x30, "00")],
    ["no room for an identifier", packet(0x32, field("a"), "00")],
  ])("[MQTT-3.3.2-1] [MQTT5-3.3.2-1] is left for a PUBLISH with %s", (_what, bytes) => {
    expectLeft(version, bytes);
  });

  it.each([
    ["a second CONNACK", packet(0x20, "0000", list)],
    ["CONNECT", packet(0x10, field("MQTT"), Buffer.from([version, 2, 0, 0]), list, field("c"))],
    ["SUBSCRIBE", packet(0x82, "0001", list, field("a"), "00")],
    ["UNSUBSCRIBE", packet(0xa2, "0001", list, field("a"))],
    ["PINGREQ", packet(0xc0)],
    ["packet type 0", packet(0x00)],
    ["PINGRESP with a body", packet(0xd0, "00")],
    ["PUBACK cut short", packet(0x40, "00")],
    ["a remaining length of five bytes", hex`30 ff ff ff ff 01`],
    ["a SUBACK nobody asked for", packet(0x90, "0063", list, "00")],
    ["an UNSUBACK nobody asked for", packet(0xb0, "0063", list, list)],
  ])("[MQTT-4.8.0-1] [MQTT5-4.13.1-1] is left for %s", (_what, bytes) => {
    expectLeft(version, bytes);
  });
});

/** The connection ends at `bytes`: in 5.0 with a DISCONNECT that says why, else without a word. */
function expectLeft(version: Version, bytes: Buffer, ...before: Buffer[]): void {
  const pair = connectedPair({ version });
  pair.receive(...before);
  pair.sent();
  const { link } = pair;
  const heard = pair.messages.length;
  pair.receive(bytes);
  expect(pair.ended).toMatchObject([{ code: "serverError" }]);
  expect(pair.messages.length).toBe(heard);
  expect(link.state).toBe(version === 5 ? "ended" : "destroyed");
  const words = pair.sent();
  if (version === 5) expect(words).toEqual([expect.stringMatching(/^DISCONNECT 0x[89]/)]);
  else expect(words).toEqual([]);
}

/** Options of a client that goes on with its session. */
function kept(version: Version) {
  return version === 5
    ? { version, cleanStart: false, sessionExpiryInterval: 3600 }
    : { version, cleanStart: false };
}
