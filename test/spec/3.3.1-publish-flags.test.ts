/** MQTT 5.0 §3.3.1: DUP, QoS and RETAIN of a PUBLISH, and what retaining means. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import type { ScriptedClient } from "../support/scripted-client.ts";

const SESSION = {
  clientId: "reader",
  cleanStart: false,
  properties: { sessionExpiryInterval: 100 },
};

describe("DUP", () => {
  it("[MQTT5-3.3.1-1] is set when a message is sent again, and only then", () => {
    const world = new BrokerWorld();
    const first = world.client(SESSION);
    first.subscribe("a", 2);
    const writer = world.client();
    writer.publish("a", "one", { qos: 1 });
    writer.publish("a", "two", { qos: 2, packetId: 9 });
    writer.pubrel(9);
    expect(first.takePublishes().map(({ dup }) => dup)).toEqual([false, false]);
    first.drop();
    writer.publish("a", "three", { qos: 1 });
    const again = world.client(SESSION).takePublishes();
    expect(again.map(({ payload, dup }) => [payload.toString(), dup])).toEqual([
      ["one", true],
      ["two", true],
      ["three", false],
    ]);
  });

  it("[MQTT5-3.3.1-2] is never set at QoS 0, whatever QoS the message came at", () => {
    const { reader, writer } = pair(0);
    writer.publish("a", "", { qos: 1, dup: true });
    writer.publish("a", "", { qos: 2, dup: true, packetId: 9 });
    writer.pubrel(9);
    expect(reader.takePublishes().map(({ qos, dup }) => [qos, dup])).toEqual([
      [0, false],
      [0, false],
    ]);
  });

  it("[MQTT5-3.3.1-2] at QoS 0 ends the connection, as malformed with mosquitto (h.12)", () => {
    const { reader, writer } = pair(0);
    writer.send("38 05 0001 61 00 78");
    expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
    expect(reader.received()).toEqual([]);
  });

  it("[MQTT5-3.3.1-2] at QoS 0 ends it too amid others on its topic", () => {
    const { reader, writer } = pair(0);
    writer.send("30 05 0001 61 00 78  38 05 0001 61 00 79  30 05 0001 61 00 7a");
    expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT5-3.3.1-3] of the publisher is not handed on", () => {
    const { reader, writer } = pair(2);
    writer.publish("a", "one", { qos: 1, dup: true });
    writer.publish("a", "two", { qos: 2, dup: true, packetId: 9 });
    writer.pubrel(9);
    expect(reader.takePublishes().map(({ dup }) => dup)).toEqual([false, false]);
  });
});

describe("QoS", () => {
  it("[MQTT5-3.3.1-4] 3 ends the connection as malformed", () => {
    for (const head of ["36", "37", "3e", "3f"]) {
      const { writer } = pair(2);
      writer.send(`${head} 07 0001 61 0007 00 78`);
      expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
    }
  });

  it("[MQTT5-3.3.1-4] 3 is never sent", () => {
    const { reader, writer } = pair(2);
    for (const qos of [0, 1] as const) writer.publish("a", "", { qos });
    writer.publish("a", "", { qos: 2, packetId: 9 });
    writer.pubrel(9);
    expect(reader.takePublishes().map(({ qos }) => qos)).toEqual([0, 1, 2]);
  });
});

describe("RETAIN", () => {
  it("[MQTT5-3.3.1-5] 1 makes the message its topic's retained one, in the place of another", () => {
    const { world, writer } = pair(0);
    for (const payload of ["old", "new"]) writer.publish("a", payload, { retain: true });
    writer.publish("b", "other", { retain: true });
    expect(retained(world, "a")).toEqual(["new"]);
    expect(retained(world, "#")).toEqual(["new", "other"]);
  });

  it("[MQTT5-3.3.1-5] 1 makes it so at every QoS, and with or without subscribers", () => {
    const { world, writer } = pair(0, "0");
    writer.publish("0", "at 0", { retain: true });
    writer.publish("1", "at 1", { retain: true, qos: 1 });
    writer.publish("2", "at 2", { retain: true, qos: 2, packetId: 9 });
    writer.pubrel(9);
    const late = world.client();
    late.subscribe("#", 2);
    expect(late.takePublishes().map(({ payload, qos }) => [payload.toString(), qos])).toEqual([
      ["at 0", 0],
      ["at 1", 1],
      ["at 2", 2],
    ]);
  });

  it("[MQTT5-3.3.1-5] 1 keeps the message behind its publisher's leaving", () => {
    const { world, writer } = pair(0);
    writer.publish("a", "kept", { retain: true });
    writer.drop();
    world.pass(86_400_000);
    expect(retained(world, "a")).toEqual(["kept"]);
  });

  it("[MQTT5-3.3.1-5] 1 keeps the message with its properties", () => {
    const { world, writer } = pair(0);
    const properties = { contentType: "t", userProperties: [["k", "v"]] } as const;
    writer.publish("a", "", { retain: true, properties });
    writer.publish("a", "kept", { retain: true, properties });
    const late = world.client();
    late.subscribe("a");
    expect(late.takeOne("publish").properties).toEqual(properties);
  });

  it("[MQTT5-3.3.1-6] 1 without a payload removes the topic's retained message alone", () => {
    const { world, reader, writer } = pair(0);
    for (const topic of ["a", "a/b"]) writer.publish(topic, topic, { retain: true });
    reader.take();
    writer.publish("a", "", { retain: true });
    // It goes to subscribers like any other.
    expect(reader.takeOne("publish").payload).toHaveLength(0);
    expect(retained(world, "#")).toEqual(["a/b"]);
  });

  it("[MQTT5-3.3.1-7] 1 without a payload is itself not retained", () => {
    const { world, writer } = pair(0);
    writer.publish("a", "", { retain: true });
    writer.publish("a", "", { retain: true, qos: 1, properties: { contentType: "t" } });
    expect([retained(world, "#"), world.broker.retained.count]).toEqual([[], 0]);
  });

  it("[MQTT5-3.3.1-8] 0 neither retains the message nor touches the one there is", () => {
    const { world, writer } = pair(0);
    writer.publish("a", "first");
    expect(retained(world, "a")).toEqual([]);
    writer.publish("a", "kept", { retain: true });
    writer.publish("a", "third");
    writer.publish("a", "");
    expect(retained(world, "a")).toEqual(["kept"]);
  });

  it("[MQTT5-3.3.1-9] is sent at each SUBSCRIBE with Retain Handling 0", () => {
    const { world } = withRetained();
    const late = world.client();
    for (let i = 0; i < 2; i++) {
      late.subscribe({ filter: "r/#", retainHandling: 0 });
      expect(late.takePayloads()).toEqual(["one", "two"]);
    }
  });

  it("[MQTT5-3.3.1-10] is sent with Retain Handling 1 where the subscription is new", () => {
    const { world } = withRetained();
    const late = world.client(SESSION);
    const subscribe = (client: ScriptedClient) => {
      client.subscribe({ filter: "r/#", retainHandling: 1 });
      return client.takePayloads();
    };
    expect(subscribe(late)).toEqual(["one", "two"]);
    expect(subscribe(late)).toEqual([]);
    late.subscribe({ filter: "r/#", retainHandling: 1, noLocal: true });
    expect(late.takePayloads()).toEqual([]);
    late.drop();
    const again = world.client(SESSION);
    expect(subscribe(again)).toEqual([]);
    again.unsubscribe("r/#");
    expect(subscribe(again)).toEqual(["one", "two"]);
  });

  it("[MQTT5-3.3.1-10] is sent with Retain Handling 1 for another filter on the same topics", () => {
    const { world } = withRetained();
    const late = world.client();
    late.subscribe({ filter: "r/#", retainHandling: 2 });
    late.subscribe({ filter: "r/+", retainHandling: 1 });
    expect(late.takePayloads()).toEqual(["one", "two"]);
  });

  it("[MQTT5-3.3.1-11] is not sent with Retain Handling 2", () => {
    const { world, writer } = withRetained();
    const late = world.client();
    for (let i = 0; i < 2; i++) late.subscribe({ filter: "r/#", retainHandling: 2 });
    expect(late.received()).toEqual([]);
    writer.publish("r/1", "live", { retain: true });
    expect(late.takePayloads()).toEqual(["live"]);
  });

  it("is set in what a SUBSCRIBE brings, with or without Retain As Published", () => {
    const { world } = withRetained();
    const late = world.client();
    late.subscribe([
      { filter: "r/1", retainAsPublished: false },
      { filter: "r/2", retainAsPublished: true },
    ]);
    expect(late.takePublishes().map(({ retain }) => retain)).toEqual([true, true]);
  });

  it("[MQTT5-3.3.1-12] is clear in what is forwarded with Retain As Published 0", () => {
    const { reader, writer } = pair(1);
    for (const qos of [0, 1] as const) writer.publish("a", "x", { retain: true, qos });
    expect(reader.takePublishes().map(({ retain }) => retain)).toEqual([false, false]);
  });

  it("[MQTT5-3.3.1-13] is as published in what is forwarded with Retain As Published 1", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe({ filter: "a", qos: 1, retainAsPublished: true });
    const writer = world.client();
    for (const retain of [true, false]) {
      for (const qos of [0, 1] as const) writer.publish("a", "x", { retain, qos });
    }
    expect(reader.takePublishes().map(({ retain }) => retain)).toEqual([true, true, false, false]);
  });
});

/** A client that has subscribed, and one that publishes. */
function pair(qos: 0 | 1 | 2, filter = "a") {
  const world = new BrokerWorld();
  const reader = world.client();
  reader.subscribe(filter, qos);
  return { world, reader, writer: world.client() };
}

/** A world with the retained messages `one` and `two`. */
function withRetained() {
  const world = new BrokerWorld();
  const writer = world.client();
  writer.publish("r/1", "one", { retain: true });
  writer.publish("r/2", "two", { retain: true });
  return { world, writer };
}

/** What a client that comes now gets for `filter`. */
function retained(world: BrokerWorld, filter: string): string[] {
  const late = world.client();
  late.subscribe(filter);
  return late.takePayloads();
}
