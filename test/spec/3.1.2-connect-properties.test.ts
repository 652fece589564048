/** MQTT 5.0 §3.1.2.11: what a client says in the properties of its CONNECT. */
import { describe, expect, it } from "vitest";
import type { Properties } from "../../src/core/codec/properties.ts";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, properties, rawConnect } from "../support/raw-packets.ts";

describe("Maximum Packet Size", () => {
  // A PUBLISH at QoS 0 to `a` has five bytes before its payload and two of fixed header.
  it.each([
    [0, 6],
    [1, 8],
    [2, 8],
  ] as const)("[MQTT5-3.1.2-24] is kept to the byte by messages at QoS %i", (qos, overhead) => {
    const { reader, writer } = reading({ maximumPacketSize: 60 }, qos);
    for (const size of [60 - overhead, 61 - overhead, 1000, 1]) {
      const packetId = writer.publish("a", Buffer.alloc(size), { qos });
      if (qos === 2) writer.pubrel(packetId);
    }
    expect(reader.takeBytes().map((bytes) => bytes.length)).toEqual([60, 1 + overhead]);
  });

  it("[MQTT5-3.1.2-24] is kept by messages that are sent on as they came", () => {
    const { reader, writer } = reading({ maximumPacketSize: 60 }, 0);
    writer.send(
      Buffer.concat([
        Buffer.from("3006000161006f6b", "hex"),
        Buffer.concat([Buffer.from("303b00016100", "hex"), Buffer.alloc(55, "x")]),
        Buffer.from("3006000161006f6b", "hex"),
      ]),
    );
    expect(reader.takePayloads()).toEqual(["ok", "ok"]);
  });

  it("[MQTT5-3.1.2-24] is kept with all that the broker adds to a message", () => {
    // Identifier 2 bytes, expiry 5, alias 3: 16 bytes with one of payload, or it stays away.
    const world = new BrokerWorld();
    const sizes = [17, 16].map((maximumPacketSize) => {
      const reader = world.client({ properties: { maximumPacketSize, topicAliasMaximum: 1 } });
      reader.subscribe("a", 0, { subscriptionIdentifiers: [1] });
      return reader;
    });
    world.client().publish("a", "x", { properties: { messageExpiryInterval: 9 } });
    expect(sizes.map((reader) => reader.takeBytes().map((bytes) => bytes.length))).toEqual([
      [17],
      [],
    ]);
  });

  it("[MQTT5-3.1.2-24] is kept by retained messages and by those that waited", () => {
    const world = new BrokerWorld();
    const writer = world.client();
    writer.publish("r/long", Buffer.alloc(60), { retain: true });
    writer.publish("r/short", "", { retain: true, qos: 1 });
    writer.publish("r/ok", "ok", { retain: true });
    const session = { clientId: "reader", cleanStart: false };
    const kept = { sessionExpiryInterval: 100 };
    const before = world.client({ ...session, properties: kept });
    before.subscribe("a", 1);
    before.drop();
    for (const size of [60, 1]) writer.publish("a", Buffer.alloc(size), { qos: 1 });
    const reader = world.client({ ...session, properties: { ...kept, maximumPacketSize: 30 } });
    reader.subscribe("r/#");
    expect(reader.takePublishes().map(({ topic }) => topic)).toEqual(["a", "r/ok"]);
  });

  it("[MQTT5-3.1.2-24] is kept by CONNACK: a client that takes less is not let in", () => {
    const world = new BrokerWorld();
    const size = (maximumPacketSize: number) => {
      const peer = world.peer();
      peer.send(peer.connectPacket({ properties: { maximumPacketSize } }));
      return [peer.takeBytes().map((bytes) => bytes.length), peer.closed];
    };
    expect([16, 15, 1].map(size)).toEqual([
      [[16], false],
      [[], true],
      [[], true],
    ]);
    expect(world.logged(/oversize/)).toHaveLength(2);
  });

  it("[MQTT5-3.1.2-24] is kept by CONNACK: the session of that identifier is left alone", () => {
    const world = new BrokerWorld();
    const client = world.client({ clientId: "c" });
    const peer = world.peer();
    peer.connect({ clientId: "c", properties: { maximumPacketSize: 15 } });
    expect([peer.closed, client.closed]).toEqual([true, false]);
  });

  it("[MQTT5-3.1.2-24] is kept by a refusal", () => {
    const world = new BrokerWorld({ listener: { allowAnonymous: false } });
    const answers = [5, 4].map((maximumPacketSize) => {
      const peer = world.peer();
      peer.send(peer.connectPacket({ properties: { maximumPacketSize } }));
      return [peer.takeHex(), peer.closed];
    });
    expect(answers).toEqual([
      [["2003008700"], true],
      [[], true],
    ]);
  });

  it("[MQTT5-3.1.2-24] is kept by SUBACK and UNSUBACK: too many codes end the connection", () => {
    const world = new BrokerWorld();
    const filters = Array.from({ length: 12 }, (_, i) => `${i}`);
    for (const ask of ["subscribe", "unsubscribe"] as const) {
      const client = world.client({ properties: { maximumPacketSize: 16 } });
      // Five bytes and one a filter.
      if (ask === "subscribe") client.subscribe(filters.slice(1));
      else client.unsubscribe(...filters.slice(1));
      expect(client.closed).toBe(false);
      client.send(
        ask === "subscribe"
          ? {
              type: "subscribe",
              packetId: 9,
              properties: {},
              subscriptions: filters.map((filter) => {
                return {
                  filter,
                  qos: 0,
                  noLocal: false,
                  retainAsPublished: false,
                  retainHandling: 0,
                };
              }),
            }
          : { type: "unsubscribe", packetId: 9, filters, properties: {} },
      );
      expect([client.takeHex(), client.closed]).toEqual([["e00195"], true]);
    }
  });

  it("[MQTT5-3.1.2-25] takes no more room than a message that was delivered", () => {
    const { world, reader, writer } = reading({ maximumPacketSize: 60, receiveMaximum: 1 }, 2);
    for (const qos of [1, 2] as const) {
      const packetId = writer.publish("a", Buffer.alloc(100), { qos });
      if (qos === 2) writer.pubrel(packetId);
    }
    // Both are over: the window of one message has room for the next.
    writer.publish("a", "fits", { qos: 1 });
    const sent = reader.takeOne("publish");
    expect(sent.payload.toString()).toBe("fits");
    expect(world.broker.kept.bytes).toBe(4);
    reader.puback(sent.packetId);
    expect(world.broker.kept.bytes).toBe(0);
  });

  it("[MQTT5-3.1.2-25] keeps a message from nobody else", () => {
    const { world, reader, writer } = reading({ maximumPacketSize: 30 }, 1);
    const other = world.client();
    other.subscribe("a", 1);
    writer.publish("a", Buffer.alloc(100), { qos: 1 });
    expect([reader.takePublishes().length, other.takePublishes().length]).toEqual([0, 1]);
    expect(writer.takeHex()).toEqual(["40020001"]);
  });

  it("may be anything from 1", () => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ properties: properties("27 00000000") }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008200"], true]);
  });
});

describe("Topic Alias Maximum", () => {
  it("[MQTT5-3.1.2-26] bounds the aliases that the broker sends", () => {
    const { reader, writer } = reading({ topicAliasMaximum: 2 }, 0, "#");
    for (const topic of ["a", "b", "c", "a", "b", "c"]) writer.publish(topic);
    expect(aliasesOf(reader.takePublishes())).toEqual([
      ["a", 1],
      ["b", 2],
      ["c", undefined],
      ["", 1],
      ["", 2],
      ["c", undefined],
    ]);
  });

  it("[MQTT5-3.1.2-26] bounds them together with the broker's own maximum", () => {
    const world = new BrokerWorld({ listener: { maxTopicAliasBroker: 1 } });
    const reader = world.client({ properties: { topicAliasMaximum: 65_535 } });
    reader.subscribe("#");
    const writer = world.client();
    for (const topic of ["a", "b"]) writer.publish(topic);
    expect(aliasesOf(reader.takePublishes())).toEqual([
      ["a", 1],
      ["b", undefined],
    ]);
  });

  it.each<[string, Properties]>([
    ["missing", {}],
    ["0", { topicAliasMaximum: 0 }],
  ])("[MQTT5-3.1.2-27] %s: the broker sends no aliases", (_, given) => {
    const { reader, writer } = reading(given, 1, "#");
    for (const qos of [0, 1, 0, 1] as const) writer.publish("a", "", { qos });
    expect(aliasesOf(reader.takePublishes())).toEqual(Array(4).fill(["a", undefined]));
  });
});

describe("Request Response Information", () => {
  it.each([{}, { requestResponseInformation: 0 }, { requestResponseInformation: 1 }] as const)(
    "[MQTT5-3.1.2-28] brings none, asked for or not: %j",
    (given) => {
      const client = new BrokerWorld().client({ properties: given });
      expect(client.connack?.properties.responseInformation).toBeUndefined();
    },
  );
});

describe("Request Problem Information", () => {
  it("[MQTT5-3.1.2-29] 0: acknowledgements carry no reason string and no user property", () => {
    const world = new BrokerWorld();
    const client = world.client({ properties: { requestProblemInformation: 0 } });
    client.send("82 07 0001 00 0001 61 00");
    client.send("a2 06 0002 00 0001 62");
    client.publish("$SYS/denied", "", { qos: 1, packetId: 3 });
    client.publish("$SYS/denied", "", { qos: 2, packetId: 4 });
    client.pubrel(5);
    client.pubrec(6);
    expect(client.takeHex()).toEqual([
      "900400010000",
      "b00400020011",
      "4003000387",
      "5003000487",
      "70020005",
      "62020006",
    ]);
  });
});

describe("the properties of CONNECT", () => {
  it.each([
    ["payload format indicator", "01 01"],
    ["server keep alive", "13 0005"],
    ["Will delay interval outside a Will", "18 00000005"],
    ["assigned client identifier", "12 0001 7a"],
    ["topic alias", "23 0001"],
    ["reason string", "1f 0001 7a"],
    ["an unknown one", "7f 00"],
    ["an expiry interval cut short", "11 000000"],
  ])("may not be others: %s is malformed", (_, list) => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ properties: properties(list) }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
  });

  it.each([
    ["session expiry interval", "11 00000001"],
    ["receive maximum", "21 0001"],
    ["maximum packet size", "27 0000ffff"],
    ["topic alias maximum", "22 0001"],
    ["request response information", "19 01"],
    ["request problem information", "17 01"],
    ["authentication method", "15 0001 58"],
  ])("may not stand twice: a second %s is a protocol error", (_, one) => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ properties: properties(one, one) }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008200"], true]);
  });

  it.each([
    ["receive maximum 0", "21 0000"],
    ["request response information 2", "19 02"],
    ["request problem information 2", "17 02"],
    ["authentication data without a method", "16 0001 64"],
  ])("may not have other values: %s is a protocol error", (_, list) => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ properties: properties(list) }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008200"], true]);
  });

  it("may be user properties as often as the client likes", () => {
    const peer = new BrokerWorld().peer();
    const pair = Buffer.concat([Buffer.from([0x26]), field("k"), field("v")]);
    peer.send(rawConnect({ properties: properties(pair, pair, pair) }));
    expect(peer.takeOne("connack").reasonCode).toBe(0);
  });
});

/** A client that has connected with `given` and subscribed, and one that publishes. */
function reading(given: Properties, qos: 0 | 1 | 2, filter = "a") {
  const world = new BrokerWorld();
  const reader = world.client({ properties: given });
  reader.subscribe(filter, qos);
  return { world, reader, writer: world.client() };
}

function aliasesOf(packets: readonly { topic: string; properties: Properties }[]) {
  return packets.map(({ topic, properties }) => [topic, properties.topicAlias]);
}
