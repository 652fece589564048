/** MQTT 5.0 §3.1.4: what the broker does with a CONNECT: refuses it, takes over, lets in. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, judging, type WorldOptions } from "../support/broker-world.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";

describe("a CONNECT that breaks the format", () => {
  it.each([
    ["is empty", packet(0x10)],
    ["ends in the protocol name", packet(0x10, "0004 4d51")],
    ["ends behind the protocol name", packet(0x10, field("MQTT"))],
  ])("[MQTT5-3.1.4-1] is not answered where its version is not known: it %s", (_, bytes) => {
    const peer = new BrokerWorld().peer();
    peer.send(bytes);
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
  });

  it("[MQTT5-3.1.4-1] closes the connection wherever it is cut", () => {
    const whole = rawConnect({
      flags: 0xc6,
      properties: packet(0, "11 00000001").subarray(1),
      payload: [field("c"), "00", field("w"), field("gone"), field("u"), field("p")],
    });
    const body = whole.subarray(2);
    for (let size = 7; size < body.length; size++) {
      const peer = new BrokerWorld().peer();
      peer.send(packet(0x10, body.subarray(0, size)));
      expect([peer.takeHex(), peer.closed], `${size} bytes`).toEqual([["2003008100"], true]);
    }
  });

  it.each([
    ["connect_bytes_max", { connectBytesMax: 100 }],
    ["max_packet_size, as with mosquitto", { maxPacketSize: 100 }],
  ])("[MQTT5-3.1.4-2] closes the connection when it is larger than %s", (_, settings) => {
    const world = new BrokerWorld({ settings });
    const clientId = "c".repeat(100 - 15);
    expect(world.client({ clientId }).connack?.reasonCode).toBe(0);
    const large = world.peer();
    large.send(rawConnect({ payload: [field(`${clientId}c`)] }));
    expect([large.takeHex(), large.closed]).toEqual([[], true]);
    const announced = world.peer();
    announced.send("10 64 00");
    expect([announced.takeHex(), announced.closed]).toEqual([[], true]);
  });
});

describe("a client that is not welcome", () => {
  it.each<[string, WorldOptions, number]>([
    ["anonymous where nobody may be", { listener: { allowAnonymous: false } }, 0x87],
    ["of an identifier that is not let in", { settings: { clientidPrefixes: "x" } }, 0x87],
    ["one too many", { settings: { globalMaxClients: 0 } }, 0x89],
    ["of a version not served", { listener: { acceptProtocolVersions: [4] } }, 0x84],
    [
      "of another password",
      { parts: { authenticator: judging(() => false) } },
      // mosquitto says 0x87, and 5 before 5.0, for a wrong password too (h.7).
      0x87,
    ],
  ])("[MQTT5-3.1.4-2] is told why, and closed: %s", (_, options, code) => {
    const peer = new BrokerWorld(options).peer();
    peer.connect({ username: "u", password: "p" });
    expect(peer.connack).toEqual({
      type: "connack",
      sessionPresent: false,
      reasonCode: code,
      properties: {},
    });
    expect(peer.closed).toBe(true);
  });

  it("[MQTT5-3.1.4-2] is refused with 0x8C when it names an authentication method", () => {
    const peer = new BrokerWorld().peer();
    peer.connect({ properties: { authenticationMethod: "SCRAM-SHA-1" } });
    expect([peer.connack?.reasonCode, peer.closed]).toEqual([0x8c, true]);
  });

  it("[MQTT5-3.1.4-2] is closed when it is accepted where there are as many as there may be", () => {
    const world = new BrokerWorld({ settings: { globalMaxConnections: 1 } });
    const first = world.client();
    const second = world.peer();
    expect([second.takeHex(), second.closed]).toEqual([[], true]);
    first.disconnect();
    expect(world.client().connack?.reasonCode).toBe(0);
  });

  it("[MQTT5-3.1.4-2] is let in above the most there may be, if it has a session already", () => {
    const world = new BrokerWorld({ settings: { globalMaxClients: 1 } });
    const properties = { sessionExpiryInterval: 100 };
    world.client({ clientId: "c", properties }).drop();
    expect(world.client({ clientId: "d" }).connack?.reasonCode).toBe(0x89);
    expect(world.client({ clientId: "c", cleanStart: false }).connack?.sessionPresent).toBe(true);
  });

  it("[MQTT5-3.1.4-6] is not read any further", () => {
    const world = new BrokerWorld({ listener: { allowAnonymous: false } });
    for (const inOnePiece of [true, false]) {
      const peer = world.peer();
      const later = Buffer.from("3105000161006d", "hex");
      const connect = rawConnect();
      peer.send(inOnePiece ? Buffer.concat([connect, later]) : connect);
      if (!inOnePiece) peer.send(later);
      expect(peer.takeHex()).toEqual(["2003008700"]);
    }
    expect([world.broker.retained.count, world.broker.counters.publishReceived]).toEqual([0, 0]);
  });

  it("leaves the session and the connection of its identifier alone", () => {
    const world = new BrokerWorld();
    const client = world.client({ clientId: "c" });
    const peer = world.peer({ listener: { allowAnonymous: false } });
    peer.connect({ clientId: "c", cleanStart: true });
    expect([peer.connack?.reasonCode, client.closed]).toEqual([0x87, false]);
  });
});

describe("a client identifier that is connected already", () => {
  it.each([true, false])(
    "[MQTT5-3.1.4-3] takes over: the old connection is told 0x8E and closed (clean start %s)",
    (cleanStart) => {
      const world = new BrokerWorld();
      const old = world.client({ clientId: "c" });
      const client = world.client({ clientId: "c", cleanStart });
      expect([old.takeHex(), old.closed]).toEqual([["e0018e"], true]);
      expect([client.connack?.reasonCode, client.closed]).toEqual([0, false]);
      expect(world.broker.connectionCount).toBe(1);
      expect(world.logged(/taken over/)).toEqual([
        "Client c [127.0.0.1:50001] disconnected: session taken over.",
      ]);
    },
  );

  it("[MQTT5-3.1.4-3] takes over with what the old connection had not acknowledged", () => {
    const world = new BrokerWorld();
    const session = {
      clientId: "c",
      cleanStart: false,
      properties: { sessionExpiryInterval: 100 },
    };
    const old = world.client(session);
    old.subscribe("a", 2);
    const writer = world.client();
    for (const [i, payload] of ["one", "two", "three"].entries()) {
      const packetId = writer.publish("a", payload, { qos: 2, packetId: i + 1 });
      writer.pubrel(packetId);
    }
    old.pubrec(2);
    const client = world.client(session);
    expect(client.connack?.sessionPresent).toBe(true);
    const sent = client.take().map((packet) => {
      return packet.type === "publish" ? [packet.packetId, packet.dup] : [packet.type];
    });
    expect(sent).toEqual([["pubrel"], [1, true], [3, true]]);
  });

  it("[MQTT5-3.1.4-3] takes over whatever version the two of them speak", () => {
    const world = new BrokerWorld();
    const old = world.client({ clientId: "c" });
    const client = world.client({ clientId: "c", version: 4 });
    expect(old.takeHex()).toEqual(["e0018e"]);
    const again = world.client({ clientId: "c" });
    // Before 5.0 there is nothing that the broker could say.
    expect([client.takeHex(), client.closed]).toEqual([[], true]);
    expect(again.connack?.reasonCode).toBe(0);
  });

  it("takes over in one turn with messages for it", () => {
    const world = new BrokerWorld();
    const session = {
      clientId: "c",
      cleanStart: false,
      properties: { sessionExpiryInterval: 100 },
    };
    const old = world.client(session);
    old.subscribe("a", 1);
    const writer = world.client();
    const client = world.peer();
    world.turn(() => {
      writer.publish("a", "1", { qos: 1 });
      client.send(client.connectPacket(session));
      writer.publish("a", "2", { qos: 1 });
    });
    expect(old.takePayloads()).toEqual(["1"]);
    expect(client.takePayloads()).toEqual(["1", "2"]);
  });
});

describe("a client that is welcome", () => {
  it("[MQTT5-3.1.4-5] is answered with CONNACK 0x00", () => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect());
    const connack = peer.takeOne("connack");
    expect([connack.reasonCode, peer.closed]).toEqual([0, false]);
  });

  it("may send on before it has been answered", () => {
    const world = new BrokerWorld({ durability: "held" });
    const reader = world.client();
    reader.subscribe("a");
    const peer = world.peer();
    const properties = { sessionExpiryInterval: 100 };
    peer.send(peer.connectPacket({ properties }));
    peer.publish("a", "early");
    expect([peer.received(), reader.received()]).toEqual([[], []]);
    world.settle();
    expect(peer.takeOne("connack").reasonCode).toBe(0);
    expect(reader.takePayloads()).toEqual(["early"]);
  });
});
