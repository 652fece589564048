/** MQTT 5.0 §4.5 and §4.6: whose sessions get a message, and in which order. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

const LASTS = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
const NUMBERS = Array.from({ length: 50 }, (_, i) => String(i));

describe("A message that was accepted", () => {
  it("[MQTT5-4.5.0-1] reaches every session with a matching subscription, present or not", () => {
    const world = new BrokerWorld();
    const filters = ["a/b", "a/+", "a/#", "#", "+/b", "$share/g/a/b"];
    const readers = filters.map((filter, i) => {
      const reader = world.client({ ...LASTS, clientId: `r${i}` });
      reader.subscribe(filter, 1);
      return reader;
    });
    const stranger = world.client();
    stranger.subscribe(["a", "a/b/c", "b/#"], 1);
    readers[1]!.drop();
    readers[4]!.disconnect();
    world.client().publish("a/b", "x", { qos: 1 });
    for (const i of [1, 4]) readers[i] = world.client({ ...LASTS, clientId: `r${i}` });
    expect(readers.map((reader) => reader.takePayloads())).toEqual(filters.map(() => ["x"]));
    expect(stranger.takePayloads()).toEqual([]);
  });

  it("[MQTT5-4.5.0-1] does not reach a session that subscribed later, unless retained", () => {
    const world = new BrokerWorld();
    const writer = world.client();
    writer.publish("t", "before", { qos: 1 });
    const reader = world.client();
    reader.subscribe("t", 1);
    expect(reader.takePayloads()).toEqual([]);
  });
});

describe("The order", () => {
  it.each([0, 1] as const)(
    "[MQTT5-4.6.0-5] [MQTT5-4.6.0-6] of one publisher's messages is kept at QoS %i",
    (qos) => {
      const world = new BrokerWorld({ settings: { maxInflightMessages: 3 } });
      const reader = world.client();
      reader.acknowledges = true;
      reader.subscribe("#", qos);
      const writer = world.client();
      for (const number of NUMBERS) writer.publish("t", number, { qos });
      expect(reader.takePayloads()).toEqual(NUMBERS);
    },
  );

  it("[MQTT5-4.6.0-5] of one publisher's messages is kept in one chunk and in many", () => {
    const world = new BrokerWorld();
    const readers = [world.client(), world.client({ version: 4 }), world.client()];
    readers[0]!.subscribe("t");
    readers[1]!.subscribe("t");
    readers[2]!.subscribe("t", 0, { subscriptionIdentifiers: [3] });
    const writer = world.client();
    world.turn(() => {
      for (const number of NUMBERS) writer.publish("t", number);
    });
    for (const reader of readers) expect(reader.takePayloads()).toEqual(NUMBERS);
  });

  it("[MQTT5-4.6.0-5] is kept over a reconnect and a full window", () => {
    const world = new BrokerWorld();
    const me = { ...LASTS, clientId: "reader" };
    let reader = world.client({ ...me, properties: { ...me.properties, receiveMaximum: 3 } });
    reader.subscribe("t", 1);
    const writer = world.client();
    const seen: string[] = [];
    for (const number of NUMBERS) {
      writer.publish("t", number, { qos: 1 });
      if (Number(number) % 7 !== 6) continue;
      const [first] = reader.takePublishes();
      if (first !== undefined) {
        reader.puback(first.packetId);
        seen.push(first.payload.toString());
      }
      reader.drop();
      reader = world.client({ ...me, properties: { ...me.properties, receiveMaximum: 3 } });
    }
    const rest = () => {
      const packets = reader.takePublishes();
      for (const { packetId } of packets) reader.puback(packetId);
      return packets.map(({ payload }) => payload.toString());
    };
    for (let batch = rest(); batch.length > 0; batch = rest()) seen.push(...batch);
    expect([...new Set(seen)]).toEqual(NUMBERS);
  });

  it("[MQTT5-4.6.0-5] is kept at QoS 0 behind what was queued while the client was away", () => {
    const world = new BrokerWorld({ settings: { queueQos0Messages: true } });
    const me = { ...LASTS, clientId: "reader" };
    const reader = world.client(me);
    reader.subscribe("t", 1);
    reader.drop();
    const writer = world.client();
    for (const payload of ["held", "held"]) writer.publish("t", payload, { qos: 1 });
    writer.publish("t", "1");
    const again = world.client({ ...me, properties: { ...me.properties, receiveMaximum: 1 } });
    writer.publish("t", "held too", { qos: 1 });
    writer.publish("t", "2");
    again.puback(1);
    writer.publish("t", "3");
    again.puback(2);
    writer.publish("t", "4");
    const order = again.takePublishes().filter(({ qos }) => qos === 0);
    expect(order.map(({ payload }) => payload.toString())).toEqual(["1", "2", "3", "4"]);
  });

  it("[MQTT5-4.6.0-2] [MQTT5-4.6.0-3] of PUBACKs and PUBRECs is that of the messages", () => {
    const world = new BrokerWorld({ durability: "held" });
    const reader = world.peer({ clientId: "r" });
    reader.connect(LASTS);
    world.settle();
    reader.subscribe("kept", 1);
    world.settle();
    const writer = world.client();
    // Some must be recorded and some not, and some are refused.
    const sent = ["kept", "nobody", "kept", "$SYS/x", "nobody", "kept"];
    sent.forEach((topic, i) => {
      writer.publish(topic, "x", { qos: i % 2 === 0 ? 1 : 2, packetId: 20 + i });
    });
    world.settle();
    const ids = writer.take().map((packet) => "packetId" in packet && packet.packetId);
    expect(ids).toEqual([20, 21, 22, 23, 24, 25]);
  });

  it("[MQTT5-4.6.0-4] of PUBRELs is that of the PUBRECs", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("t", 2);
    const writer = world.client();
    for (const packetId of [1, 2, 3]) {
      writer.publish("t", "x", { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    reader.takePublishes();
    for (const packetId of [2, 3, 1]) reader.pubrec(packetId);
    expect(reader.takeHex()).toEqual(["62020002", "62020003", "62020001"]);
  });

  it("[MQTT5-4.6.0-1] of what is repeated is that of the first time", () => {
    const world = new BrokerWorld({ parts: { packetIdMax: 3 } });
    const me = { ...LASTS, clientId: "reader" };
    const reader = world.client(me);
    reader.subscribe("t", 1);
    const writer = world.client();
    for (const number of ["1", "2", "3", "4", "5"]) writer.publish("t", number, { qos: 1 });
    // The identifiers wrap: 1 and 2 are newer than 3.
    reader.puback(1);
    reader.puback(2);
    reader.drop();
    const again = world.client(me);
    expect(again.takePublishes()).toMatchObject([
      { packetId: 3 },
      { packetId: 1 },
      { packetId: 2 },
    ]);
  });
});
