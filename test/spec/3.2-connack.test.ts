/** MQTT 5.0 §3.2: CONNACK, byte by byte as mosquitto writes it (h.1), and what its limits mean. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, type WorldOptions } from "../support/broker-world.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";

describe("CONNACK", () => {
  it.each<[string, WorldOptions, string]>([
    ["the defaults", {}, "200e00000b22000a27001e8480210014"],
    [
      "max_packet_size 5000",
      { settings: { maxPacketSize: 5000 } },
      "200e00000b22000a2700001388210014",
    ],
    [
      "max_inflight_messages 0",
      { settings: { maxInflightMessages: 0 } },
      "200b00000822000a27001e8480",
    ],
    [
      "max_inflight_messages 65535",
      { settings: { maxInflightMessages: 65_535 } },
      "200b00000822000a27001e8480",
    ],
    ["max_topic_alias 0", { listener: { maxTopicAlias: 0 } }, "200b00000827001e8480210014"],
    [
      "retain_available false",
      { settings: { retainAvailable: false } },
      "201000000d22000a250027001e8480210014",
    ],
    [
      "max_keepalive 30",
      { settings: { maxKeepalive: 30 } },
      "201100000e13001e22000a27001e8480210014",
    ],
    [
      "everything at once",
      {
        settings: {
          maxKeepalive: 30,
          maxInflightMessages: 7,
          retainAvailable: false,
          maxPacketSize: 5000,
        },
        listener: { maxQos: 1, maxTopicAlias: 3 },
      },
      "2015000012" + "13001e" + "220003" + "2500" + "2700001388" + "210007" + "2401",
    ],
  ])("has mosquitto's bytes: %s", (_, options, bytes) => {
    const peer = new BrokerWorld(options).peer();
    peer.send(rawConnect());
    expect(peer.takeHex()).toEqual([bytes]);
  });

  it("has mosquitto's bytes: with an identifier made up", () => {
    const peer = new BrokerWorld({ settings: { maxKeepalive: 30 } }).peer();
    peer.send(rawConnect({ payload: [field("")] }));
    const [bytes] = peer.takeBytes();
    const id = bytes!.subarray(14, 14 + 41);
    expect(bytes!.toString("hex")).toBe(
      packet(
        0x20,
        "0000",
        packet(0, "13001e 22000a 12", field(id), "27001e8480 210014").subarray(1),
      ).toString("hex"),
    );
  });

  it("[MQTT5-3.2.0-1] is the first packet, though messages wait for the client", () => {
    for (const durability of ["immediate", "held"] as const) {
      const world = new BrokerWorld({ durability });
      const session = { cleanStart: false, properties: { sessionExpiryInterval: 100 } };
      const first = world.peer({ clientId: "c" });
      first.send(first.connectPacket(session));
      world.settle();
      first.subscribe("a", 1);
      first.drop();
      const writer = world.client();
      writer.publish("a", "waits", { qos: 1 });
      world.settle();
      const peer = world.peer({ clientId: "c" });
      world.turn(() => {
        peer.send(peer.connectPacket(session));
        peer.ping();
        writer.publish("a", "live", { qos: 1 });
        writer.publish("a", "live at 0");
      });
      world.settle();
      const types = peer.take().map(({ type }) => type);
      expect(types[0], durability).toBe("connack");
      expect(types.filter((type) => type === "publish").length).toBeGreaterThanOrEqual(2);
    }
  });

  it("[MQTT5-3.2.0-2] is sent once", () => {
    const client = new BrokerWorld().client();
    client.subscribe("a");
    client.publish("a", "", { qos: 1 });
    client.send(client.connectPacket());
    client.drop();
    expect(client.take().filter(({ type }) => type === "connack")).toEqual([]);
  });

  it("[MQTT5-3.2.2-1] has no flag but Session Present", () => {
    const world = new BrokerWorld();
    const flags = [true, false, false].map((cleanStart) => {
      const peer = world.peer({ clientId: "c" });
      const properties = { sessionExpiryInterval: 100 };
      peer.send(peer.connectPacket({ cleanStart, properties }));
      return peer.takeBytes()[0]![2];
    });
    expect(flags).toEqual([0, 1, 1]);
  });

  it("[MQTT5-3.2.2-2] says that there is no session after Clean Start 1", () => {
    const { world, session } = withSession();
    expect(world.client({ ...session, cleanStart: true }).connack).toMatchObject({
      sessionPresent: false,
      reasonCode: 0,
    });
  });

  it("[MQTT5-3.2.2-3] says after Clean Start 0 whether there is a session", () => {
    const { world, session } = withSession();
    const present = (clientId: string) =>
      world.client({ ...session, clientId }).connack?.sessionPresent;
    expect([present("c"), present("d"), present("d")]).toEqual([true, false, true]);
  });

  it("[MQTT5-3.2.2-6] says that there is no session when it refuses", () => {
    const { world, session } = withSession();
    const peer = world.peer({ listener: { allowAnonymous: false } });
    peer.connect(session);
    expect(peer.connack).toMatchObject({ sessionPresent: false, reasonCode: 0x87 });
  });

  it.each<[string, WorldOptions, Buffer, number]>([
    ["a malformed packet", {}, rawConnect({ flags: 3 }), 0x81],
    ["a protocol error", {}, rawConnect({ properties: "03 210000" }), 0x82],
    ["an unknown version", {}, rawConnect({ level: 6 }), 0x84],
    ["rights", { listener: { allowAnonymous: false } }, rawConnect(), 0x87],
    ["too many clients", { settings: { globalMaxClients: 0 } }, rawConnect(), 0x89],
    ["an authentication method", {}, rawConnect({ properties: "04 15000158" }), 0x8c],
  ])("[MQTT5-3.2.2-7] [MQTT5-3.2.2-8] closes the connection over %s", (_, options, bytes, code) => {
    const peer = new BrokerWorld(options).peer();
    peer.send(bytes);
    expect([peer.takeHex(), peer.closed]).toEqual([[`200300${code.toString(16)}00`], true]);
  });

  it("[MQTT5-3.2.2-19] [MQTT5-3.2.2-20] never has a reason string or user properties", () => {
    const asked = { requestProblemInformation: 1, userProperties: [["k", "v"]] } as const;
    for (const options of [{}, { listener: { allowAnonymous: false } }]) {
      const { connack } = new BrokerWorld(options).client({ properties: asked });
      expect(connack?.properties).not.toHaveProperty("reasonString");
      expect(connack?.properties).not.toHaveProperty("userProperties");
    }
  });
});

describe("a limit that CONNACK named", () => {
  it.each([
    [1, 2],
    [0, 1],
    [0, 2],
  ] as const)("[MQTT5-3.2.2-9] [MQTT5-3.2.2-11] is Maximum QoS %i: %i ends it", (maxQos, qos) => {
    const world = new BrokerWorld({ listener: { maxQos } });
    const client = world.client();
    expect(client.connack?.properties.maximumQos).toBe(maxQos);
    client.publish("a", "", { qos });
    expect([client.takeHex(), client.closed]).toEqual([["e0019b"], true]);
  });

  it("[MQTT5-3.2.2-11] is Maximum QoS: what keeps to it is taken", () => {
    const client = new BrokerWorld({ listener: { maxQos: 1 } }).client();
    client.publish("a", "", { qos: 1 });
    client.publish("a", "");
    expect([client.takeHex(), client.closed]).toEqual([["4003000110"], false]);
  });

  it("[MQTT5-3.2.2-10] is Maximum QoS: subscriptions of any are accepted, and lowered", () => {
    const client = new BrokerWorld({ listener: { maxQos: 1 } }).client();
    expect(client.subscribe(["a", { filter: "b", qos: 1 }, { filter: "c", qos: 2 }])).toMatchObject(
      {
        reasonCodes: [0, 1, 1],
      },
    );
  });

  it("[MQTT5-3.2.2-14] is Retain Available 0: a retained message ends the connection", () => {
    for (const qos of [0, 1, 2] as const) {
      const world = new BrokerWorld({ settings: { retainAvailable: false } });
      const client = world.client();
      expect(client.connack?.properties.retainAvailable).toBe(0);
      client.publish("a", "", { qos, retain: true });
      expect([client.takeHex(), client.closed]).toEqual([["e0019a"], true]);
    }
  });

  it("[MQTT5-3.2.2-15] is Maximum Packet Size: more ends the connection, when it is announced", () => {
    const world = new BrokerWorld({ settings: { maxPacketSize: 100 } });
    const reader = world.client();
    reader.subscribe("a");
    const client = world.client();
    expect(client.connack?.properties.maximumPacketSize).toBe(100);
    client.publish("a", Buffer.alloc(94));
    expect(client.closed).toBe(false);
    client.publish("a", Buffer.alloc(95));
    expect([client.takeHex(), client.closed]).toEqual([["e00195"], true]);
    const announcing = world.client();
    announcing.send("30 63");
    expect([announcing.takeHex(), announcing.closed]).toEqual([["e00195"], true]);
    expect(reader.takePublishes()).toHaveLength(1);
  });

  it("[MQTT5-3.2.2-15] is Maximum Packet Size, for a message amid others on its topic", () => {
    const world = new BrokerWorld({ settings: { maxPacketSize: 100 } });
    const reader = world.client();
    reader.subscribe("a");
    const client = world.client();
    const of = (size: number) => packet(0x30, field("a"), "00", Buffer.alloc(size));
    client.send(Buffer.concat([of(1), of(94), of(95), of(1)]));
    expect([client.takeHex(), client.closed]).toEqual([["e00195"], true]);
    expect(reader.takePublishes()).toHaveLength(2);
  });

  it.each([
    [10, 11],
    [3, 4],
    [3, 65_535],
  ])("[MQTT5-3.2.2-17] is Topic Alias Maximum %i: %i ends the connection", (max, topicAlias) => {
    const client = new BrokerWorld({ listener: { maxTopicAlias: max } }).client();
    expect(client.connack?.properties.topicAliasMaximum).toBe(max);
    client.publish("a", "", { properties: { topicAlias } });
    expect([client.takeHex(), client.closed]).toEqual([["e00194"], true]);
  });

  it("[MQTT5-3.2.2-18] is Topic Alias Maximum, left out for 0: any ends the connection", () => {
    const client = new BrokerWorld({ listener: { maxTopicAlias: 0 } }).client();
    expect(client.connack?.properties.topicAliasMaximum).toBeUndefined();
    client.publish("a", "", { properties: { topicAlias: 1 } });
    expect([client.takeHex(), client.closed]).toEqual([["e00194"], true]);
  });
});

/** A session of `c` that its client has left. */
function withSession() {
  const world = new BrokerWorld();
  const session = {
    clientId: "c",
    cleanStart: false,
    properties: { sessionExpiryInterval: 100 },
  };
  world.client(session).drop();
  return { world, session };
}
