/** MQTT 5.0 §4.9: Receive Maximum, both ways. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

describe("A client's Receive Maximum", () => {
  it.each([1, 2, 7])(
    "[MQTT5-4.9.0-1] [MQTT5-4.9.0-2] [MQTT5-3.3.4-9] is how many messages are open at once: %i",
    (receiveMaximum) => {
      const { reader, writer } = pair(receiveMaximum);
      for (let i = 0; i < 10; i++) writer.publish("t", String(i), { qos: 1 });
      expect(reader.takePublishes()).toHaveLength(receiveMaximum);
      reader.puback(1);
      expect(reader.takePayloads()).toEqual([String(receiveMaximum)]);
    },
  );

  it("[MQTT5-4.9.0-2] holds QoS 2 open until PUBCOMP, or a PUBREC that refuses", () => {
    const { reader, writer } = pair(1);
    for (const packetId of [1, 2, 3]) {
      writer.publish("t", String(packetId), { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    expect(reader.takePayloads()).toEqual(["1"]);
    reader.pubrec(1);
    expect(reader.takeHex()).toEqual(["62020001"]);
    reader.pubcomp(1);
    expect(reader.takePayloads()).toEqual(["2"]);
    reader.pubrec(2, 0x97);
    expect(reader.takePayloads()).toEqual(["3"]);
  });

  it("[MQTT5-4.9.0-3] [MQTT5-3.3.4-10] holds back nothing but PUBLISH at QoS 1 and 2", () => {
    const { world, reader, writer } = pair(1);
    writer.publish("t", "open", { qos: 1 });
    writer.publish("t", "waits", { qos: 1 });
    reader.take();
    writer.publish("t", "QoS 0");
    reader.ping();
    reader.subscribe("u");
    reader.unsubscribe("u");
    reader.publish("nobody", "x", { qos: 1, packetId: 50 });
    reader.publish("nobody", "x", { qos: 2, packetId: 51 });
    reader.pubrel(51);
    const seen = reader.take().map(({ type }) => type);
    expect(seen).toEqual(["publish", "pingresp", "puback", "pubrec", "pubcomp"]);
    expect(world.broker.counters.publishDropped).toBe(0);
  });

  it("[MQTT5-4.9.0-1] [MQTT5-3.3.4-9] counts anew on each connection, repeats too", () => {
    const world = new BrokerWorld();
    const me = { cleanStart: false, clientId: "r" };
    const reader = world.client({ ...me, properties: { sessionExpiryInterval: 60 } });
    reader.subscribe("t", 1);
    const writer = world.client();
    for (let i = 0; i < 6; i++) writer.publish("t", String(i), { qos: 1 });
    reader.drop();
    const again = world.client({
      ...me,
      properties: { sessionExpiryInterval: 60, receiveMaximum: 2 },
    });
    expect(again.takePayloads()).toEqual(["0", "1"]);
    again.puback(2);
    expect(again.takePayloads()).toEqual(["2"]);
    again.puback(1);
    again.puback(3);
    expect(again.takePayloads()).toEqual(["3", "4"]);
  });

  it("replaces max_inflight_messages, above it as well as below, as mosquitto does", () => {
    for (const [receiveMaximum, open] of [
      [2, 2],
      [9, 9],
      [undefined, 5],
    ]) {
      const world = new BrokerWorld({ settings: { maxInflightMessages: 5 } });
      const reader = world.client({ properties: receiveMaximum ? { receiveMaximum } : {} });
      reader.subscribe("t", 1);
      const writer = world.client();
      for (let i = 0; i < 10; i++) writer.publish("t", "x", { qos: 1 });
      expect(reader.takePublishes()).toHaveLength(open!);
    }
  });

  it("does not bound clients before 5.0, but max_inflight_messages does", () => {
    const world = new BrokerWorld({ settings: { maxInflightMessages: 3 } });
    const reader = world.client({ version: 4 });
    reader.subscribe("t", 1);
    const writer = world.client();
    for (let i = 0; i < 10; i++) writer.publish("t", "x", { qos: 1 });
    expect(reader.takePublishes()).toHaveLength(3);
  });

  it("of 0 is refused", () => {
    const peer = new BrokerWorld().peer();
    peer.send("10 11 0004 4d515454 05 02 0000 03 210000 0001 63");
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008200"], true]);
  });
});

describe("Our Receive Maximum", () => {
  it("[MQTT5-4.9.0-1] is max_inflight_messages, left out where that is 0", () => {
    const told = (maxInflightMessages: number) =>
      new BrokerWorld({ settings: { maxInflightMessages } }).client().connack?.properties
        .receiveMaximum;
    expect([told(20), told(1), told(0), told(65_535)]).toEqual([20, 1, undefined, undefined]);
  });

  it("[MQTT5-4.9.0-2] is not exceeded by messages that were acknowledged in between", () => {
    const world = new BrokerWorld({ settings: { maxInflightMessages: 2 } });
    const writer = world.client();
    for (let i = 1; i <= 9; i++) writer.publish("t", "x", { qos: 1, packetId: i });
    for (let i = 1; i <= 9; i++) {
      writer.publish("t", "x", { qos: 2, packetId: i });
      writer.pubrel(i);
    }
    expect(
      writer.take().filter((packet) => "reasonCode" in packet && packet.reasonCode > 0x10),
    ).toEqual([]);
  });

  it("exceeded refuses the message with 0x97, goes on with the rest, and the log says so", () => {
    const world = new BrokerWorld({ settings: { maxInflightMessages: 2 } });
    const reader = world.client();
    reader.subscribe("t", 2);
    const writer = world.client();
    for (const packetId of [1, 2, 3]) writer.publish("t", String(packetId), { qos: 2, packetId });
    writer.publish("t", "QoS 0");
    writer.pubrel(1);
    writer.publish("t", "4", { qos: 2, packetId: 4 });
    expect(writer.takeHex()).toEqual([
      "50020001",
      "50020002",
      "5003000397",
      "70020001",
      "50020004",
    ]);
    expect(reader.takePayloads()).toEqual(["QoS 0", "1"]);
    expect(world.logged(/exceeded its receive maximum of 2/)).toHaveLength(1);
  });
});

/** A reader of `t` at QoS 2 with this Receive Maximum, and a writer. */
function pair(receiveMaximum: number) {
  const world = new BrokerWorld();
  const reader = world.client({ properties: { receiveMaximum } });
  reader.subscribe("t", 2);
  return { world, reader, writer: world.client() };
}
