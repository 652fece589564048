/** MQTT 5.0 §3.14: DISCONNECT, from both sides; §4.13: what ends a connection, and how. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { hex } from "../support/hex.ts";

const LASTS = { cleanStart: false, clientId: "c", properties: { sessionExpiryInterval: 60 } };

describe("DISCONNECT from the broker", () => {
  it("[MQTT5-3.14.0-1] never comes ahead of a successful CONNACK", () => {
    const world = new BrokerWorld({ durability: "held" });
    const silent = world.peer();
    const wrong = world.peer();
    wrong.send("30 04 0001 61 00");
    const waits = world.peer();
    waits.send(waits.connectPacket(LASTS));
    // Taken over while its CONNACK waits for the store.
    const other = world.peer();
    other.send(other.connectPacket(LASTS));
    expect([waits.takeHex(), waits.closed]).toEqual([[], true]);
    world.pass(60_000);
    expect([silent.takeHex(), silent.closed]).toEqual([[], true]);
    expect([wrong.takeHex(), wrong.closed]).toEqual([[], true]);
    const stopped = world.peer();
    world.turn(() => world.broker.shutdown());
    expect([stopped.takeHex(), stopped.closed]).toEqual([[], true]);
  });

  it.each([
    ["a malformed packet", 0x81, "36 07 0001 61 0001 00 78"],
    ["a protocol error", 0x82, "d0 00"],
    ["a topic alias above the maximum", 0x94, "30 07 0001 61 03 23 ffff"],
    ["a packet that is too large", 0x95, "30 81 89 7a 0001 61"],
  ])(
    "[MQTT5-3.14.2-1] [MQTT5-4.13.1-1] for %s has code %i, and ends the connection",
    (_what, code, packet) => {
      const world = new BrokerWorld();
      const peer = world.client();
      peer.send(packet);
      expect([peer.takeHex(), peer.closed]).toEqual([[`e001${code.toString(16)}`], true]);
      const old = world.client({ version: 4 });
      old.send(packet === "30 07 0001 61 03 23 ffff" ? "36 06 0001 61 0001 78" : packet);
      expect([old.takeHex(), old.closed]).toEqual([[], true]);
    },
  );

  it("[MQTT5-3.14.2-1] has a listed code for keep alive, takeover and shutdown", () => {
    const world = new BrokerWorld();
    const slow = world.client({ keepAlive: 1 });
    world.pass(1500);
    const taken = world.client({ clientId: "same" });
    world.client({ clientId: "same" });
    const stopped = world.client();
    world.turn(() => world.broker.shutdown());
    const seen = [slow, taken, stopped].map((client) => client.takeHex());
    expect(seen).toEqual([["e0018d"], ["e0018e"], ["e0018b"]]);
  });

  it("[MQTT5-3.14.2-1] has a listed code for QoS and RETAIN that are not offered", () => {
    const world = new BrokerWorld({
      settings: { retainAvailable: false },
      listener: { maxQos: 1 },
    });
    const first = world.client();
    first.publish("t", "x", { qos: 2 });
    const second = world.client();
    second.publish("t", "x", { retain: true });
    expect([first.takeHex(), second.takeHex()]).toEqual([["e0019b"], ["e0019a"]]);
  });

  it("[MQTT5-3.14.2-2] [MQTT5-3.14.2-3] [MQTT5-3.14.2-4] has no property of any kind", () => {
    const world = new BrokerWorld();
    const peer = world.client({
      properties: { sessionExpiryInterval: 60, maximumPacketSize: 16 },
    });
    peer.send("d0 00");
    expect(peer.takeHex()).toEqual(["e00182"]);
  });

  it("[MQTT5-3.14.4-1] [MQTT5-3.14.4-2] [MQTT5-4.13.2-1] is the last, and then it closes", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.subscribe("t", 1);
    peer.send(Buffer.concat([hex`d0 00`, hex`c0 00`, hex`32 07 0001 74 0001 00 78`]));
    world.client().publish("t", "later", { qos: 1 });
    expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
  });

  it("does not come before MQTT 5.0, where the connection just closes", () => {
    const world = new BrokerWorld();
    for (const version of [3, 4] as const) {
      const peer = world.client({ version, clientId: "same", keepAlive: 1 });
      world.pass(1500);
      expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
    }
  });
});

describe("DISCONNECT from a client", () => {
  it.each([0xe1, 0xe2, 0xe8])(
    "[MQTT5-3.14.1-1] with reserved bits set is answered with DISCONNECT 0x81 (%i)",
    (head) => {
      const peer = new BrokerWorld().client();
      peer.send(Buffer.from([head, 0]));
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    },
  );

  it("[MQTT5-3.14.2-1] with a code that is not one of its own is a protocol error", () => {
    for (const code of [0x01, 0x10, 0x85, 0xff]) {
      const peer = new BrokerWorld().client();
      peer.send(hex`e0 02 ${code} 00`);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
    }
  });

  it("[MQTT5-3.14.4-1] is the last that is read", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("t");
    const writer = world.client();
    writer.send(Buffer.concat([hex`30 05 0001 74 00 31`, hex`e0 00`, hex`30 05 0001 74 00 32`]));
    writer.publish("t", "3");
    expect(reader.takePayloads()).toEqual(["1"]);
    expect([writer.takeHex(), writer.closed]).toEqual([[], true]);
  });

  it("[MQTT5-3.14.4-3] with code 0x00 cancels the Will, with another it does not", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("w/#");
    for (const code of [0x00, 0x04, 0x80, 0x93]) {
      const peer = world.client({ will: { topic: `w/${code}`, payload: "gone" } });
      peer.disconnect(code);
      expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
    }
    const topics = reader.takePublishes().map(({ topic }) => topic);
    expect(topics).toEqual(["w/4", "w/128", "w/147"]);
  });

  it("[MQTT5-3.14.4-3] without a code cancels the Will, in every version", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("w");
    for (const version of [3, 4, 5] as const) {
      world.client({ version, will: { topic: "w" } }).send("e0 00");
    }
    expect(reader.takePublishes()).toEqual([]);
  });

  it("may shorten and lengthen its session's expiry", () => {
    const world = new BrokerWorld();
    const expiries = [
      [10, 9_000, true],
      [10, 10_001, false],
      [100, 99_000, true],
      [0, 0, false],
      [0xffff_ffff, 1e12, true],
    ] as const;
    for (const [seconds, wait, present] of expiries) {
      world
        .client({ ...LASTS, cleanStart: true })
        .disconnect(0, { sessionExpiryInterval: seconds });
      world.pass(wait);
      expect(world.client(LASTS).connack?.sessionPresent, `${seconds} s`).toBe(present);
    }
  });

  it("may not give an expiry to a session that had none in its CONNECT", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("w");
    const peer = world.client({ clientId: "c", will: { topic: "w" } });
    peer.disconnect(0, { sessionExpiryInterval: 10 });
    expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
    expect(world.broker.sessions.get("c")).toBeUndefined();
    expect(reader.takePublishes()).toHaveLength(1);
  });
});

describe("An error", () => {
  it.each([
    ["a type of 0", "00 00"],
    ["CONNACK", "20 03 00 00 00"],
    ["SUBACK", "90 04 0001 00 00"],
    ["UNSUBACK", "b0 04 0001 00 00"],
    ["PINGRESP", "d0 00"],
  ])("[MQTT5-4.13.1-1] such as %s, which no client sends, ends the connection", (_what, packet) => {
    for (const version of [3, 4, 5] as const) {
      const peer = new BrokerWorld().client({ version });
      peer.send(packet);
      expect([peer.takeHex(), peer.closed]).toEqual([version === 5 ? ["e00182"] : [], true]);
    }
  });

  it("[MQTT5-4.13.1-1] ends one connection, and the others notice nothing", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("t", 1);
    const writer = world.client();
    writer.send(Buffer.concat([hex`32 07 0001 74 0001 00 31`, hex`32 07 0001 74 0000 00 32`]));
    expect(writer.takeHex().at(-1)).toBe("e00182");
    expect(reader.takePayloads()).toEqual(["1"]);
    world.client().publish("t", "3");
    expect(reader.takePayloads()).toEqual(["3"]);
  });

  it("[MQTT5-4.13.1-1] sends the Will", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("w");
    world.client({ will: { topic: "w", payload: "gone" } }).send("00 00");
    expect(reader.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-4.13.2-1] before CONNACK is told there, and closes", () => {
    const world = new BrokerWorld();
    const peer = world.peer();
    // A reserved connect flag; then a property twice.
    peer.send("10 0e 0004 4d515454 05 03 0000 00 0001 63");
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
    const other = world.peer();
    other.send("10 18 0004 4d515454 05 02 0000 0a 1100000001 1100000001 0001 63");
    expect([other.takeHex(), other.closed]).toEqual([["2003008200"], true]);
  });
});
