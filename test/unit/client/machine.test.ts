/** The client's machine: connections, what the server may say, keep alive, and the end. */
import { describe, expect, it } from "vitest";
import { readPacket, writePacket } from "../../../src/core/codec/general.ts";
import type { ConnectPacket, Version } from "../../../src/core/codec/packets.ts";
import { ClientPair, connectedPair, type PairOptions } from "../../support/client-pair.ts";
import { hex } from "../../support/hex.ts";
import { bodyStart } from "../../support/packets.ts";

const VERSIONS: readonly Version[] = [3, 4, 5];
const CONNACK: Readonly<Record<Version, Buffer>> = {
  3: hex`20 02 00 00`,
  4: hex`20 02 00 00`,
  5: hex`20 03 00 00 00`,
};

describe.each(VERSIONS)("connecting with version %i", (version) => {
  it("opens with CONNECT and is connected at CONNACK", () => {
    const pair = new ClientPair({ version }).open();
    expect(pair.sent()).toEqual(["CONNECT c clean"]);
    expect(pair.machine.state).toBe("connecting");
    pair.receive(CONNACK[version]);
    expect(pair.machine.state).toBe("connected");
    expect(pair.ready).toMatchObject([{ sessionPresent: false, clientId: "c", keepAlive: 60 }]);
  });

  it("says in CONNECT what the options ask", () => {
    const properties = version === 5 ? { userProperties: [["a", "b"]] as const } : {};
    const packet = connectOf({
      version,
      clientId: "me",
      cleanStart: false,
      keepAlive: 7,
      username: "u",
      password: "p",
      properties,
      will: { topic: "w", payload: "gone", qos: 2, retain: true, properties },
    });
    expect(packet).toEqual({
      type: "connect",
      version,
      bridge: false,
      cleanStart: false,
      keepAlive: 7,
      clientId: "me",
      username: "u",
      password: Buffer.from("p"),
      will: { topic: "w", payload: Buffer.from("gone"), qos: 2, retain: true, properties },
      properties,
    });
  });

  it("gives up when no CONNACK comes in time", () => {
    const pair = new ClientPair({ version, connectTimeoutMs: 500 }).open();
    expect(pair.machine.deadline).toBe(pair.now + 500);
    pair.tick();
    expect(pair.ended).toMatchObject([{ code: "connectTimeout" }]);
    expect(pair.link.state).toBe("destroyed");
  });

  it("tells a connection that never came about from one that ended early", () => {
    const pair = new ClientPair({ version });
    pair.machine.onDialing(pair.now);
    pair.machine.onClosed(new Error("nobody there"));
    pair.open().cut();
    expect(pair.ended).toMatchObject([{ code: "unreachable" }, { code: "connectionLost" }]);
    expect(pair.ended[0]?.message).toContain("nobody there");
  });

  it("closes on a packet ahead of CONNACK, without a word", () => {
    const pair = new ClientPair({ version }).open();
    pair.sent();
    pair.receive(hex`d0 00`);
    expect(pair.sent()).toEqual([]);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
    expect(pair.link.state).toBe("destroyed");
  });

  it("does not gather a long packet ahead of CONNACK", () => {
    const pair = new ClientPair({ version }).open();
    pair.receive(hex`30 ff ff ff 7f 00`);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
  });

  it("behaves the same wherever the server's bytes are cut", () => {
    const answers = Buffer.concat([
      CONNACK[version],
      version === 5 ? hex`32 08 0001 61 0007 00 68 69` : hex`32 07 0001 61 0007 68 69`,
      version === 5 ? hex`90 04 0001 00 01` : hex`90 03 0001 01`,
      hex`40 02 0002`,
      hex`d0 00`,
    ]);
    for (let cut = 0; cut <= answers.length; cut++) {
      const pair = new ClientPair({ version }).open();
      pair.subscribe(["a"], 1);
      pair.publish("x", "one", 1);
      pair.receive(answers.subarray(0, cut), answers.subarray(cut));
      expect(pair.ended, `cut at ${cut}`).toEqual([]);
      expect(pair.messages, `cut at ${cut}`).toMatchObject([{ topic: "a", packetId: 7 }]);
      expect(pair.messages[0]?.payload.toString()).toBe("hi");
      expect(pair.answered, `cut at ${cut}`).toEqual(["a: 1"]);
      expect(pair.settled, `cut at ${cut}`).toEqual(["one: 0"]);
    }
  });

  it("says DISCONNECT, nothing after it, and lets the link end", () => {
    const pair = connectedPair({ version });
    pair.machine.disconnect(0, {});
    pair.publish("a", "late", 1);
    expect(pair.sent()).toEqual(["DISCONNECT"]);
    expect(pair.link.state).toBe("ended");
    pair.receive(hex`d0 00`);
    pair.cut();
    expect(pair.machine.state).toBe("disconnected");
    expect(pair.ended).toEqual([]);
  });

  it("leaves without a word before the server has accepted", () => {
    const pair = new ClientPair({ version }).open();
    pair.sent();
    pair.machine.disconnect(0, {});
    expect(pair.link.state).toBe("destroyed");
    expect(pair.link.take()).toEqual(Buffer.alloc(0));
    expect(pair.machine.state).toBe("disconnected");
  });
});

describe("a refusing CONNACK", () => {
  it.each([1, 2, 3, 4, 5])("ends the attempt with return code %i before 5.0", (code) => {
    const pair = new ClientPair({ version: 4 }).open();
    pair.receive(hex`20 02 00 ${code}`);
    expect(pair.ended).toMatchObject([{ code: "connectRefused", reasonCode: code }]);
    expect(pair.link.state).toBe("destroyed");
  });

  it("ends the attempt with the reason string of 5.0", () => {
    const pair = new ClientPair().open();
    const properties = { reasonString: "not you" };
    pair.receivePacket({ type: "connack", sessionPresent: false, reasonCode: 0x87, properties });
    expect(pair.ended).toMatchObject([{ code: "connectRefused", reasonCode: 0x87, properties }]);
    expect(pair.ended[0]?.message).toBe("connection refused: Not authorized (not you)");
  });
});

describe("the session", () => {
  it("is asked for again only where it outlives the connection", () => {
    const firstAndSecond = (options: PairOptions) => {
      const pair = new ClientPair(options).open();
      const first = pair.sent();
      pair.receive(CONNACK[pair.version]);
      pair.cut();
      return [...first, ...pair.open().sent()];
    };
    expect(firstAndSecond({ sessionExpiryInterval: 9 })).toEqual(["CONNECT c clean", "CONNECT c"]);
    expect(firstAndSecond({})).toEqual(["CONNECT c clean", "CONNECT c clean"]);
    expect(firstAndSecond({ version: 4 })).toEqual(["CONNECT c clean", "CONNECT c clean"]);
    expect(firstAndSecond({ version: 4, cleanStart: false })).toEqual(["CONNECT c", "CONNECT c"]);
    expect(firstAndSecond({ version: 3, cleanStart: false })).toEqual(["CONNECT c", "CONNECT c"]);
  });

  it("starts clean until an attempt has been accepted", () => {
    const pair = new ClientPair({ sessionExpiryInterval: 9 }).open();
    pair.cut();
    expect(pair.open().sent()).toEqual(["CONNECT c clean"]);
  });

  it("lasts as long as the server says", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 }, { sessionExpiryInterval: 0 });
    pair.cut();
    expect(pair.open().sent()).toEqual(["CONNECT c clean"]);
  });

  it("[MQTT5-3.2.2-4] [MQTT-3.2.2-2] is refused where it was not asked for", () => {
    for (const version of [4, 5] as const) {
      const pair = new ClientPair({ version }).open();
      pair.accept({}, true);
      expect(pair.ended).toMatchObject([{ code: "serverError", cause: { rule: "MQTT5-3.2.2-4" } }]);
    }
  });

  it("[MQTT5-3.1.3-7] keeps the identifier that the server has assigned", () => {
    const pair = new ClientPair({ clientId: "" }).connect({ assignedClientIdentifier: "s-1" });
    expect(pair.ready).toMatchObject([{ clientId: "s-1" }]);
    pair.cut();
    expect(pair.open().sent()).toEqual(["CONNECT s-1 clean"]);
  });

  it("[MQTT5-3.2.2-16] does not go on without an identifier", () => {
    const pair = new ClientPair({ clientId: "" }).connect();
    expect(pair.ended).toMatchObject([{ code: "serverError", cause: { rule: "MQTT5-3.2.2-16" } }]);
  });
});

describe("what a server must not send", () => {
  const lastWords = (bytes: Buffer, options: PairOptions = {}) => {
    const pair = connectedPair(options);
    pair.receive(bytes);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
    const words = pair.link.take();
    expect(pair.link.state).toBe(options.version === 4 ? "destroyed" : "ended");
    return words;
  };

  it.each([
    ["a second CONNACK", hex`20 03 00 00 00`, 0x82],
    ["CONNECT", hex`10 0d 0004 4d515454 05 02 003c 00 0000`, 0x82],
    ["SUBSCRIBE", hex`82 07 0001 00 0001 61 00`, 0x82],
    ["UNSUBSCRIBE", hex`a2 06 0001 00 0001 61`, 0x82],
    ["PINGREQ", hex`c0 00`, 0x82],
    ["a reserved type", hex`00 00`, 0x82],
    ["AUTH without a method", hex`f0 00`, 0x82],
    ["PINGRESP with a body", hex`d0 01 00`, 0x81],
    ["PINGRESP with flags", hex`d1 00`, 0x81],
    ["a remaining length without end", hex`30 80 80 80 80 01`, 0x81],
    ["a PUBLISH with both QoS bits", hex`36 06 0001 61 0001 00`, 0x81],
    ["a topic with a wildcard", hex`30 04 0001 2b 00`, 0x90],
    ["a topic that is no UTF-8", hex`30 04 0001 ff 00`, 0x81],
    ["an empty topic without an alias", hex`30 03 0000 00`, 0x82],
    ["a topic alias beyond our maximum", hex`30 07 0001 61 03 23 0001`, 0x94],
    ["SUBACK for nobody", hex`90 04 0009 00 00`, 0x82],
    ["UNSUBACK for nobody", hex`b0 04 0009 00 00`, 0x82],
    ["a PUBREL with wrong flags", hex`60 02 0001`, 0x81],
  ])("ends the connection and is told so: %s", (_, bytes, reasonCode) => {
    expect(lastWords(bytes)).toEqual(hex`e0 01 ${reasonCode}`);
  });

  it("ends the connection without a word before 5.0", () => {
    expect(lastWords(hex`c0 00`, { version: 4 })).toEqual(Buffer.alloc(0));
    expect(lastWords(hex`e0 00`, { version: 4 })).toEqual(Buffer.alloc(0));
    expect(lastWords(hex`f0 00`, { version: 4 })).toEqual(Buffer.alloc(0));
  });

  it("looks at nothing that follows", () => {
    const pair = connectedPair();
    pair.receive(hex`c0 00  30 04 0001 61 00`);
    pair.receive(hex`30 04 0001 61 00`);
    expect(pair.messages).toEqual([]);
    expect(pair.ended).toHaveLength(1);
  });

  it("[MQTT5-3.1.2-24] is a packet beyond our Maximum Packet Size, whole or begun", () => {
    const properties = { maximumPacketSize: 20 };
    expect(lastWords(hex`30 13 0001 61 00 ${Buffer.alloc(15)}`, { properties })).toEqual(
      hex`e0 01 95`,
    );
    expect(lastWords(hex`30 13 0001`, { properties })).toEqual(hex`e0 01 95`);
    const pair = connectedPair({ properties });
    pair.receive(hex`30 12 0001 61 00 ${Buffer.alloc(14)}`);
    expect(pair.messages).toHaveLength(1);
  });
});

describe("a packet that its connection cut off", () => {
  it("is not continued on the next", () => {
    const pair = connectedPair({ version: 4 });
    pair.receive(hex`30 04 0001 61`);
    pair.cut();
    pair.connect();
    pair.receive(hex`30 03 0001 62`);
    expect(pair.messages.map(({ topic }) => topic)).toEqual(["b"]);
  });
});

describe("DISCONNECT of the server", () => {
  it("surfaces its reason code, words and properties", () => {
    const pair = connectedPair();
    const properties = { reasonString: "moved house", serverReference: "other" };
    pair.receivePacket({ type: "disconnect", reasonCode: 0x9d, properties });
    expect(pair.ended).toMatchObject([
      { code: "disconnectedByServer", reasonCode: 0x9d, properties },
    ]);
    expect(pair.ended[0]?.message).toBe(
      "the server ended the connection: Server moved (moved house)",
    );
    expect(pair.link.state).toBe("destroyed");
  });
});

describe("keep alive", () => {
  it("[MQTT5-3.1.2-20] pings after a silence of its own", () => {
    const pair = connectedPair({ keepAlive: 10 });
    pair.now += 4000;
    pair.publish("a", "x");
    expect(pair.sent()).toEqual(["PUBLISH q0 a=x"]);
    pair.receive(hex`30 04 0001 61 00`);
    pair.tick();
    expect(pair.now).toBe(1000 + 4000 + 10_000);
    expect(pair.sent()).toEqual(["PINGREQ"]);
  });

  it("pings too when only the server has been silent", () => {
    const pair = connectedPair({ keepAlive: 10 });
    pair.now += 9000;
    pair.publish("a", "x");
    pair.sent();
    pair.tick();
    expect(pair.now).toBe(11_000);
    expect(pair.sent()).toEqual(["PINGREQ"]);
  });

  it("gives up a server that does not answer", () => {
    const pair = connectedPair({ keepAlive: 10, pingTimeoutMs: 300 });
    pair.tick();
    pair.tick();
    expect(pair.now).toBe(11_300);
    expect(pair.ended).toMatchObject([{ code: "keepAliveTimeout" }]);
    expect(pair.link.state).toBe("destroyed");
  });

  it("takes any bytes for a sign of life", () => {
    const pair = connectedPair({ keepAlive: 10, pingTimeoutMs: 300 });
    pair.tick();
    pair.receive(hex`30 04`);
    pair.tick();
    expect(pair.ended).toEqual([]);
  });

  it("does not blame the server for a silence that is our own doing", () => {
    const pair = connectedPair({ keepAlive: 10, pingTimeoutMs: 300 });
    pair.machine.onPaused(true, pair.now);
    for (let pings = 0; pings < 5; pings++) {
      pair.tick();
      expect(pair.sent()).toEqual(["PINGREQ"]);
    }
    pair.machine.onPaused(false, pair.now);
    pair.tick();
    pair.tick();
    expect(pair.ended).toMatchObject([{ code: "keepAliveTimeout" }]);
  });

  it("is off at 0", () => {
    expect(connectedPair({ keepAlive: 0 }).machine.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("[MQTT5-3.2.2-21] [MQTT5-3.1.2-21] follows the server's value", () => {
    const pair = connectedPair({ keepAlive: 10 }, { serverKeepAlive: 3 });
    expect(pair.ready).toMatchObject([{ keepAlive: 3 }]);
    expect(pair.machine.deadline).toBe(pair.now + 3000);
    expect(connectedPair({}, { serverKeepAlive: 0 }).machine.deadline).toBe(Infinity);
  });
});

describe("authentication", () => {
  const properties = { authenticationMethod: "M", authenticationData: Buffer.from("a") };
  const challenge = (reasonCode: number, method = "M") =>
    writePacket(
      {
        type: "auth",
        reasonCode,
        properties: { authenticationMethod: method, authenticationData: Buffer.from("?") },
      },
      5,
    );

  it("[MQTT5-4.12.0-3] answers AUTH with AUTH until CONNACK", () => {
    const pair = new ClientPair({ properties }).open();
    pair.sent();
    pair.receive(challenge(0x18));
    expect(pair.challenges).toEqual([{ method: "M", data: Buffer.from("?") }]);
    pair.machine.authenticate(Buffer.from("b"));
    expect(pair.sent()).toEqual(["AUTH 0x18 b"]);
    pair.accept({ authenticationMethod: "M" });
    expect(pair.machine.state).toBe("connected");
  });

  it.each([
    ["AUTH with another method", challenge(0x18, "N")],
    ["AUTH with success ahead of CONNACK", challenge(0x00)],
    ["AUTH to re-authenticate", challenge(0x19)],
    ["CONNACK without the method", hex`20 03 00 00 00`],
  ])("[MQTT5-4.12.0-2] [MQTT5-4.12.0-5] is over with %s", (_, bytes) => {
    const pair = new ClientPair({ properties }).open();
    pair.receive(bytes);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
  });

  it("[MQTT5-4.12.0-6] takes no method that it has not named", () => {
    const pair = new ClientPair().connect({ authenticationMethod: "M" });
    expect(pair.ended).toMatchObject([{ cause: { rule: "MQTT5-4.12.0-6" } }]);
  });

  it("[MQTT5-4.12.1-1] is repeated on a live connection, once at a time", () => {
    const pair = connectedPair({ properties }, { authenticationMethod: "M" });
    expect(pair.machine.reauthenticate(Buffer.from("c"))).toBe(true);
    expect(pair.machine.reauthenticate(Buffer.from("d"))).toBe(false);
    expect(pair.sent()).toEqual(["AUTH 0x19 c"]);
    pair.receive(challenge(0x18));
    pair.machine.authenticate(Buffer.from("e"));
    expect(pair.sent()).toEqual(["AUTH 0x18 e"]);
    pair.receive(challenge(0x00));
    expect(pair.reauthentications).toBe(1);
  });

  it("is not repeated where there was none", () => {
    expect(connectedPair().machine.reauthenticate(undefined)).toBe(false);
  });

  it("is not to be begun by the server", () => {
    const pair = connectedPair({ properties }, { authenticationMethod: "M" });
    pair.receive(challenge(0x18));
    expect(pair.link.take()).toEqual(hex`e0 01 82`);
  });
});

describe("a trace", () => {
  it("tells of every packet both ways", () => {
    const seen: string[] = [];
    const pair = new ClientPair({
      trace: ({ direction, type, packetId }) => seen.push(`${direction} ${type} ${packetId}`),
    });
    pair.connect();
    pair.subscribe(["a"]);
    pair.publish("a", "x", 2);
    pair.receive(hex`90 04 0001 00 00  50 02 0002  70 02 0002  34 07 0001 61 0009 00 68`);
    pair.receive(hex`62 02 0009`);
    pair.tick();
    pair.receive(hex`d0 00`);
    pair.machine.disconnect(0, {});
    expect(seen).toEqual([
      "sent CONNECT 0",
      "received CONNACK 0",
      "sent SUBSCRIBE 1",
      "sent PUBLISH 2",
      "received SUBACK 1",
      "received PUBREC 2",
      "sent PUBREL 2",
      "received PUBCOMP 2",
      "received PUBLISH 9",
      "sent PUBREC 9",
      "received PUBREL 9",
      "sent PUBCOMP 9",
      "sent PINGREQ 0",
      "received PINGRESP 0",
      "sent DISCONNECT 0",
    ]);
  });
});

/** The CONNECT that a client with these options sends. */
function connectOf(options: PairOptions): ConnectPacket {
  const bytes = new ClientPair(options).open().sentBytes();
  const packet = readPacket(bytes, bytes[0]!, bodyStart(bytes), bytes.length, 5);
  if (packet.type !== "connect") throw new Error("the first packet is no CONNECT");
  return packet;
}
