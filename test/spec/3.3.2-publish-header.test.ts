/** MQTT 5.0 §3.3.2: topic name and properties of a PUBLISH, and what subscribers get of them. */
import { describe, expect, it } from "vitest";
import type { Properties } from "../../src/core/codec/properties.ts";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, type Part, packet, properties } from "../support/raw-packets.ts";

describe("the topic name", () => {
  it.each([
    ["is no UTF-8", "0002 61ff"],
    ["holds U+0000", "0003 610062"],
    ["reaches beyond the packet", "00ff 61"],
    ["is not there", ""],
    ["is half its length", "00"],
  ])("[MQTT5-3.3.2-1] ends the connection when it %s", (_, topic) => {
    const { writer } = pair();
    writer.send(packet(0x30, topic, topic.length > 4 ? "00" : ""));
    expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
  });

  it("[MQTT5-3.3.2-1] comes first in what is sent", () => {
    const { reader, writer } = pair("topic/ü");
    writer.publish("topic/ü", "m", { qos: 1 });
    expect(reader.takeHex()).toEqual([
      packet(0x32, field("topic/ü"), "0001", "00", Buffer.from("m")).toString("hex"),
    ]);
  });

  // mosquitto has 0x81 for these and for no topic at all (h.12).
  it.each(["+", "#", "a/+", "a/#", "a#", "+a", "a+b", "a/b#c/d"])(
    "[MQTT5-3.3.2-2] ends the connection when it holds a wildcard: %s",
    (topic) => {
      for (const qos of [0, 1, 2] as const) {
        const { reader, writer } = pair("#");
        writer.publish(topic, "x", { qos });
        expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
        expect(reader.received()).toEqual([]);
      }
    },
  );

  it("ends the connection when there is none, and no alias either", () => {
    for (const qos of [0, 1] as const) {
      const { writer } = pair();
      writer.publish("", "x", { qos });
      expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
    }
  });

  it("ends the connection with more than 200 slashes, as mosquitto does (h.17)", () => {
    const { reader, writer } = pair("#");
    writer.publish("/".repeat(200));
    expect(reader.takePublishes()).toHaveLength(1);
    writer.publish("/".repeat(201));
    expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
  });

  it("[MQTT5-3.3.2-3] that is sent matches the subscriber's filter", () => {
    const world = new BrokerWorld();
    const filters = ["a/b", "a/+", "a/#", "+/b", "#", "/a/b", "+", "a", "a/b/c", "b/+", "A/b"];
    const readers = filters.map((filter) => {
      const reader = world.client();
      reader.subscribe(filter);
      return reader;
    });
    world.client().publish("a/b");
    const got = filters.filter((_, i) => readers[i]!.received().length > 0);
    expect(got).toEqual(["a/b", "a/+", "a/#", "+/b", "#"]);
    for (const reader of readers) {
      for (const { topic } of reader.takePublishes()) expect(topic).toBe("a/b");
    }
  });

  it("[MQTT5-3.3.2-3] that is sent matches it under a mount point, too", () => {
    const world = new BrokerWorld();
    const inside = world.client({ listener: { mountPoint: "site/" } });
    inside.subscribe("a/+");
    const outside = world.client();
    outside.subscribe("site/#");
    outside.publish("site/a/b", "in");
    inside.publish("a/c", "out");
    expect(inside.takePublishes().map(({ topic }) => topic)).toEqual(["a/b", "a/c"]);
    expect(outside.takePublishes().map(({ topic }) => topic)).toEqual(["site/a/b", "site/a/c"]);
  });
});

describe("a property of a message", () => {
  it("[MQTT5-3.3.2-4] is handed on unchanged: payload format indicator", () => {
    for (const payloadFormatIndicator of [0, 1] as const) {
      expectHandedOn({ payloadFormatIndicator });
    }
  });

  it("[MQTT5-3.3.2-15] is handed on unchanged: response topic", () => {
    expectHandedOn({ responseTopic: "answer/here" });
  });

  it("[MQTT5-3.3.2-16] is handed on unchanged: correlation data, empty or not", () => {
    for (const hex of ["", "00ff00"]) expectHandedOn({ correlationData: Buffer.from(hex, "hex") });
  });

  it("[MQTT5-3.3.2-17] is handed on unchanged: each user property, an empty one too", () => {
    expectHandedOn({ userProperties: [["", ""]] });
    expectHandedOn({ userProperties: Array(100).fill(["name", "value"]) });
  });

  it("[MQTT5-3.3.2-18] is handed on unchanged: order of user properties", () => {
    expectHandedOn({
      userProperties: [
        ["z", "1"],
        ["a", "2"],
        ["z", "1"],
        ["", "3"],
        ["a", "2"],
      ],
    });
  });

  it("[MQTT5-3.3.2-20] is handed on unchanged: content type", () => {
    for (const contentType of ["", "text/plain; ü"]) expectHandedOn({ contentType });
  });

  it("is handed on in mosquitto's order: identifier, the publisher's own, alias, expiry", () => {
    const world = new BrokerWorld();
    const reader = world.client({ properties: { topicAliasMaximum: 5 } });
    reader.subscribe("a", 0, { subscriptionIdentifiers: [300] });
    const writer = world.client();
    const own = "26 0001 6b 0001 76 09 0002 636f 08 0002 7265 03 0002 6374 01 01";
    writer.send(packet(0x30, field("a"), properties("02 00000009 23 0002", own)));
    expect(reader.takeHex()).toEqual([
      packet(0x30, field("a"), properties("0b ac02", own, "23 0001 02 00000009")).toString("hex"),
    ]);
  });

  it("is not sent to clients before 5.0", () => {
    const world = new BrokerWorld();
    const reader = world.client({ version: 4 });
    reader.subscribe("a");
    world.client().publish("a", "m", { properties: { contentType: "t", topicAlias: 1 } });
    expect(reader.takeHex()).toEqual(["3004000161" + "6d"]);
  });

  it.each(["ff", "00"])("[MQTT5-3.3.2-13] is no string: a response topic of %s", (text) => {
    expectRefused(`08 0001 ${text}`, 0x81);
  });

  it.each(["ff", "00"])("[MQTT5-3.3.2-19] is no string: a content type of %s", (text) => {
    expectRefused(`03 0001 ${text}`, 0x81);
  });

  it.each(["+", "#", "a/+", "a/#", "a+b"])(
    "[MQTT5-3.3.2-14] is a response topic with a wildcard: %s ends the connection",
    (topic) => {
      expectRefused(Buffer.concat([Buffer.from([0x08]), field(topic)]), 0x82);
    },
  );

  it("[MQTT5-3.3.2-8] is topic alias 0, which ends the connection", () => {
    expectRefused("23 0000", 0x82);
  });

  it("[MQTT5-3.3.4-6] is a subscription identifier, which ends a publisher's connection", () => {
    expectRefused("0b 05", 0x82);
  });

  it.each([
    ["a payload format indicator of 2", "01 02", 0x82],
    ["two payload format indicators", "01 01 01 01", 0x82],
    ["two expiry intervals", "02 00000001 02 00000001", 0x82],
    ["two topic aliases", "23 0001 23 0001", 0x82],
    ["two content types", "03 0001 63 03 0001 63", 0x82],
    ["two response topics", "08 0001 63 08 0001 63", 0x82],
    ["two of correlation data", "09 0001 63 09 0001 63", 0x82],
    ["a session expiry interval", "11 00000001", 0x81],
    ["a Will delay interval", "18 00000001", 0x81],
    ["a reason string", "1f 0001 78", 0x81],
    ["an unknown one", "7f", 0x81],
    ["an expiry interval cut short", "02 0000", 0x81],
  ])("ends the connection where it cannot be: %s", (_, list, code) => {
    expectRefused(list, code);
  });

  it("[MQTT5-3.3.2-13] is a response topic only as UTF-8, which is handed on", () => {
    const { reader, writer } = pair();
    writer.publish("a", "", { properties: { responseTopic: "ü/\u{1f600}" } });
    expect(reader.takeOne("publish").properties.responseTopic).toBe("ü/\u{1f600}");
  });
});

describe("Message Expiry Interval", () => {
  const SESSION = {
    clientId: "away",
    cleanStart: false,
    properties: { sessionExpiryInterval: 1000 },
  };

  it("[MQTT5-3.3.2-5] deletes copies that wait for longer, queued ones and retained ones", () => {
    const world = new BrokerWorld();
    const away = world.client(SESSION);
    away.subscribe("a", 1);
    away.drop();
    const writer = world.client();
    const expiring = { qos: 1, retain: true, properties: { messageExpiryInterval: 10 } } as const;
    writer.publish("a", "expires", expiring);
    writer.publish("a/b", "expires", expiring);
    writer.publish("a", "stays", { qos: 1 });
    world.pass(10_000);
    expect(world.client(SESSION).takePayloads()).toEqual(["stays"]);
    const late = world.client();
    late.subscribe("#");
    expect(late.received()).toEqual([]);
    expect([world.broker.kept.count, world.broker.retained.count]).toEqual([1, 0]);
  });

  it("[MQTT5-3.3.2-5] deletes copies that wait for room in the window", () => {
    const world = new BrokerWorld();
    const reader = world.client({ properties: { receiveMaximum: 1 } });
    reader.subscribe("a", 1);
    const writer = world.client();
    const properties = { messageExpiryInterval: 10 };
    for (const payload of ["sent", "expires"]) writer.publish("a", payload, { qos: 1, properties });
    writer.publish("a", "stays", { qos: 1 });
    expect(reader.takePayloads()).toEqual(["sent"]);
    world.pass(10_000);
    reader.puback(1);
    expect(reader.takePayloads()).toEqual(["stays"]);
  });

  it("[MQTT5-3.3.2-6] is sent less the time that the message waited", () => {
    const world = new BrokerWorld();
    const away = world.client(SESSION);
    away.subscribe("a", 1);
    away.drop();
    const writer = world.client();
    const properties = { messageExpiryInterval: 10 };
    writer.publish("a", "m", { qos: 1, retain: true, properties });
    world.pass(4_000);
    expect(world.client(SESSION).takeOne("publish").properties).toEqual({
      messageExpiryInterval: 6,
    });
    world.pass(3_000);
    const late = world.client();
    late.subscribe("a");
    expect(late.takeOne("publish").properties).toEqual({ messageExpiryInterval: 3 });
  });

  it("[MQTT5-3.3.2-6] is sent as it came where the message did not wait", () => {
    const { reader, writer } = pair();
    writer.publish("a", "m", { properties: { messageExpiryInterval: 0xffff_ffff } });
    expect(reader.takeOne("publish").properties).toEqual({ messageExpiryInterval: 0xffff_ffff });
  });

  // mosquitto takes 0 for none at all; by the standard such a message expires at once.
  it("of 0 is none", () => {
    const { world, writer } = pair();
    writer.publish("a", "m", { retain: true, properties: { messageExpiryInterval: 0 } });
    world.pass(86_400_000);
    const late = world.client();
    late.subscribe("a");
    expect(late.takeOne("publish").properties).toEqual({});
  });
});

describe("a topic alias", () => {
  it("[MQTT5-3.3.2-12] is taken up to the maximum in CONNACK, and stands for its topic", () => {
    const { reader, writer } = pair("#");
    for (let topicAlias = 1; topicAlias <= 10; topicAlias++) {
      writer.publish(`t/${topicAlias}`, "", { properties: { topicAlias } });
    }
    for (let topicAlias = 10; topicAlias >= 1; topicAlias--) {
      writer.publish("", "", { properties: { topicAlias } });
    }
    const topics = Array.from({ length: 10 }, (_, i) => `t/${i + 1}`);
    expect(reader.takePublishes().map(({ topic }) => topic)).toEqual([
      ...topics,
      ...topics.toReversed(),
    ]);
    expect(writer.closed).toBe(false);
  });

  it("[MQTT5-3.3.2-12] may be given to another topic, and serves every QoS", () => {
    const { reader, writer } = pair("#");
    const properties = { topicAlias: 1 };
    writer.publish("a", "1", { properties });
    writer.publish("", "2", { properties, qos: 1 });
    writer.publish("b", "3", { properties, qos: 1 });
    writer.publish("", "4", { properties, qos: 2, packetId: 9 });
    writer.pubrel(9);
    expect(reader.takePublishes().map(({ topic }) => topic)).toEqual(["a", "a", "b", "b"]);
  });

  it("[MQTT5-3.3.2-9] above the maximum ends the connection with 0x94", () => {
    for (const topic of ["a", ""]) {
      const { writer } = pair();
      writer.publish(topic, "", { properties: { topicAlias: 11 } });
      expect([writer.takeHex(), writer.closed]).toEqual([["e00194"], true]);
    }
  });

  it("that was never given ends the connection with 0x82", () => {
    const { writer } = pair();
    writer.publish("", "", { properties: { topicAlias: 5 } });
    expect([writer.takeHex(), writer.closed]).toEqual([["e00182"], true]);
  });

  it("of a topic that may not be published to is remembered all the same", () => {
    const { writer } = pair();
    const properties = { topicAlias: 1 };
    writer.publish("$SYS/x", "", { qos: 1, packetId: 7, properties });
    writer.publish("", "", { qos: 1, packetId: 8, properties });
    expect(writer.takeHex()).toEqual(["4003000787", "4003000887"]);
  });

  it("[MQTT5-3.3.2-7] from the client ends with its connection, though its session goes on", () => {
    const world = new BrokerWorld();
    const session = {
      clientId: "c",
      cleanStart: false,
      properties: { sessionExpiryInterval: 100 },
    };
    const first = world.client(session);
    first.publish("a", "", { properties: { topicAlias: 1 } });
    first.drop();
    const again = world.client(session);
    expect(again.connack?.sessionPresent).toBe(true);
    again.publish("", "", { properties: { topicAlias: 1 } });
    expect([again.takeHex(), again.closed]).toEqual([["e00182"], true]);
  });

  it("[MQTT5-3.3.2-7] from the broker ends with the connection: the topic is named anew", () => {
    const world = new BrokerWorld();
    const session = {
      clientId: "c",
      cleanStart: false,
      properties: { sessionExpiryInterval: 100, topicAliasMaximum: 5 },
    };
    const first = world.client(session);
    first.subscribe("a", 1);
    const writer = world.client();
    for (let i = 0; i < 2; i++) writer.publish("a", "", { qos: 1 });
    expect(first.takePublishes().map(({ topic }) => topic)).toEqual(["a", ""]);
    first.drop();
    writer.publish("a", "", { qos: 1 });
    const again = world.client(session).takePublishes();
    expect(again.map(({ topic, properties, dup }) => [topic, properties.topicAlias, dup])).toEqual([
      ["a", 1, true],
      ["", 1, true],
      ["", 1, false],
    ]);
  });

  it("[MQTT5-3.3.2-8] [MQTT5-3.3.2-11] from the broker lies between 1 and the client's", () => {
    const world = new BrokerWorld({ listener: { maxTopicAliasBroker: 65_535 } });
    const reader = world.client({ properties: { topicAliasMaximum: 3 } });
    reader.subscribe("#");
    const writer = world.client();
    for (let i = 0; i < 20; i++) writer.publish(`t/${i % 5}`);
    const aliases = reader.takePublishes().map(({ topic, properties }) => {
      // A topic left out has an alias; one without an alias is named.
      expect(topic === "" && properties.topicAlias === undefined).toBe(false);
      return properties.topicAlias;
    });
    expect(new Set(aliases)).toEqual(new Set([1, 2, 3, undefined]));
  });
});

/** Subscribers get `given` and nothing else, at each QoS, live and as a retained message. */
function expectHandedOn(given: Properties): void {
  for (const qos of [0, 1, 2] as const) {
    const { world, reader, writer } = pair();
    const packetId = writer.publish("a", "m", { qos, retain: true, properties: given });
    if (qos === 2) writer.pubrel(packetId);
    expect(reader.takeOne("publish").properties).toEqual(given);
    const late = world.client();
    late.subscribe("a", 2);
    expect(late.takeOne("publish").properties).toEqual(given);
  }
}

/** A PUBLISH with this property list ends the connection, and goes to nobody. */
function expectRefused(list: Part, code: number): void {
  for (const packetId of ["", "0007"]) {
    const { reader, writer } = pair();
    writer.send(packet(packetId === "" ? 0x30 : 0x32, field("a"), packetId, properties(list)));
    expect(writer.takeOne("disconnect").reasonCode).toBe(code);
    expect([writer.closed, reader.received()]).toEqual([true, []]);
  }
}

/** A client that has subscribed, and one that publishes. */
function pair(filter = "a") {
  const world = new BrokerWorld();
  const reader = world.client();
  reader.subscribe(filter, 2);
  return { world, reader, writer: world.client() };
}
