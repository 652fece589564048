/** MQTT 5.0 §3.8 and §3.9: SUBSCRIBE and SUBACK. */
import { describe, expect, it } from "vitest";
import type { Version } from "../../src/core/codec/packets.ts";
import { BrokerWorld } from "../support/broker-world.ts";
import { hex } from "../support/hex.ts";

describe("SUBSCRIBE", () => {
  it.each([0x80, 0x81, 0x83, 0x86, 0x8a])(
    "[MQTT5-3.8.1-1] with other flags than 0010 ends the connection (%i)",
    (head) => {
      const peer = new BrokerWorld().client();
      peer.send(hex`${head} 07 0001 00 0001 61 00`);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    },
  );

  it("[MQTT5-3.8.3-1] with a filter that is not UTF-8 ends the connection", () => {
    const peer = new BrokerWorld().client();
    peer.send("82 07 0001 00 0001 ff 00");
    expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
  });

  it("[MQTT5-3.8.3-2] without a filter, or without its options, ends the connection", () => {
    for (const packet of ["82 03 0001 00", "82 06 0001 00 0001 61"]) {
      const peer = new BrokerWorld().client();
      peer.send(packet);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    }
  });

  it.each([0x40, 0x80, 0xc1, 0x03, 0x30])(
    "[MQTT5-3.8.3-5] with reserved option bits set ends the connection (%i)",
    (options) => {
      const peer = new BrokerWorld().client();
      peer.send(hex`82 07 0001 00 0001 61 ${options}`);
      const [answer] = peer.takeHex();
      expect([answer, peer.closed]).toEqual(["e00181", true]);
    },
  );

  it("with a bad filter ends the connection, and none of its filters takes effect", () => {
    const world = new BrokerWorld();
    const peer = world.client({ properties: { sessionExpiryInterval: 60 }, clientId: "c" });
    peer.subscribe(["good", "a/#/b"]);
    expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    expect(world.broker.sessions.get("c")?.subscriptions.size).toBe(0);
    const old = world.client({ version: 4 });
    old.subscribe("a+");
    expect([old.takeHex(), old.closed]).toEqual([[], true]);
  });

  it("with a Subscription Identifier of 0 ends the connection", () => {
    const peer = new BrokerWorld().client();
    peer.send("82 09 0001 02 0b00 0001 61 00");
    expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
  });

  it("[MQTT5-3.8.3-3] with No Local keeps a client's own messages from it, and no others", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    const other = world.client();
    peer.subscribe({ filter: "t", qos: 1, noLocal: true });
    for (const qos of [0, 1] as const) {
      peer.publish("t", "own", { qos });
      other.publish("t", `other ${qos}`, { qos });
    }
    expect(peer.takePayloads()).toEqual(["other 0", "other 1"]);
  });

  it("[MQTT5-3.8.3-3] with No Local keeps a client's own retained messages from it", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    const other = world.client();
    peer.publish("t/own", "own", { retain: true });
    other.publish("t/other", "other", { retain: true });
    peer.subscribe({ filter: "t/+", noLocal: true });
    expect(peer.takePayloads()).toEqual(["other"]);
  });

  it("~[MQTT5-3.8.3-3] with No Local goes by the client identifier, over a reconnect too", () => {
    const world = new BrokerWorld();
    const stays = { cleanStart: false, clientId: "c", properties: { sessionExpiryInterval: 60 } };
    const peer = world.client(stays);
    peer.subscribe({ filter: "t", qos: 1, noLocal: true });
    peer.publish("t", "own", { qos: 2, packetId: 1 });
    peer.drop();
    const again = world.client(stays);
    again.pubrel(1);
    expect(again.takeHex()).toEqual(["70020001"]);
  });

  it("[MQTT5-3.8.3-4] with No Local on a shared filter ends the connection with 0x82", () => {
    const peer = new BrokerWorld().client();
    peer.subscribe({ filter: "$share/g/t", noLocal: true });
    expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
  });

  it("[MQTT5-3.8.4-1] [MQTT5-3.8.4-2] is answered with a SUBACK of its identifier", () => {
    const world = new BrokerWorld();
    const bytes = {
      5: ["82 07 0457 00 0001 61 01", "9004" + "0457" + "00" + "01"],
      4: ["82 06 0457 0001 61 01", "9003" + "0457" + "01"],
      3: ["82 06 0457 0001 61 01", "9003" + "0457" + "01"],
    };
    for (const version of [3, 4, 5] as Version[]) {
      const peer = world.client({ version });
      const [request, answer] = bytes[version];
      peer.send(request!);
      expect(peer.takeHex()).toEqual([answer]);
    }
  });

  it("[MQTT5-3.8.4-3] to the same filter replaces the subscription, and gives one copy", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.subscribe("t", 2, { subscriptionIdentifiers: [1] });
    peer.subscribe("t", 1, { subscriptionIdentifiers: [2] });
    world.client().publish("t", "x", { qos: 2, packetId: 1 });
    const writer = world.client();
    writer.publish("t", "x", { qos: 1 });
    const { qos, properties } = peer.takeOne("publish");
    expect([qos, properties.subscriptionIdentifiers]).toEqual([1, [2]]);
    expect(world.broker.router.counts).toEqual({ direct: 1, shared: 0 });
  });

  it("[MQTT5-3.8.4-3] to the same filter without an identifier takes the older one away", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.subscribe("t", 0, { subscriptionIdentifiers: [1] });
    peer.subscribe("t");
    world.client().publish("t", "x");
    expect(peer.takeHex()).toEqual(["30050001740078"]);
  });

  it("[MQTT5-3.8.4-4] to the same filter repeats retained messages by Retain Handling", () => {
    const world = new BrokerWorld();
    world.client().publish("t", "kept", { retain: true });
    const handlings = [0, 0, 1, 2, 0] as const;
    const peer = world.client();
    const seen = handlings.map((retainHandling) => {
      peer.subscribe({ filter: "t", retainHandling });
      return peer.takePayloads().length;
    });
    expect(seen).toEqual([1, 1, 0, 0, 1]);
  });

  it("[MQTT5-3.8.4-4] to the same filter loses nothing that was on its way", () => {
    const world = new BrokerWorld();
    const peer = world.client({ properties: { receiveMaximum: 1 } });
    const writer = world.client();
    peer.acknowledges = false;
    peer.subscribe("t", 1);
    for (const payload of ["1", "2", "3"]) writer.publish("t", payload, { qos: 1 });
    peer.subscribe("t", 1);
    writer.publish("t", "4", { qos: 1 });
    for (let packetId = 1; packetId <= 4; packetId++) peer.puback(packetId);
    expect(peer.takePayloads()).toEqual(["1", "2", "3", "4"]);
  });

  it("[MQTT5-3.8.4-5] with several filters has one SUBACK, and each filter works", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    expect(peer.subscribe(["a", "b/+", "$share/g/c"], 0)?.reasonCodes).toEqual([0, 0, 0]);
    expect(peer.received()).toEqual([]);
    const writer = world.client();
    for (const topic of ["a", "b/x", "c", "d"]) writer.publish(topic, topic);
    expect(peer.takePayloads()).toEqual(["a", "b/x", "c"]);
  });

  it("[MQTT5-3.8.4-5] [MQTT5-3.3.1-10] that names a filter twice finds it there then", () => {
    const world = new BrokerWorld();
    world.client().publish("t", "kept", { retain: true });
    const peer = world.client();
    const request = { filter: "t", retainHandling: 1 } as const;
    expect(peer.subscribe([request, request])?.reasonCodes).toEqual([0, 0]);
    expect(peer.takePayloads()).toEqual(["kept"]);
  });

  it.each([
    [0, [0, 0, 0]],
    [1, [0, 1, 1]],
    [2, [0, 1, 2]],
  ] as const)("[MQTT5-3.8.4-8] at QoS %i delivers at the lower QoS of both", (granted, qos) => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.acknowledges = true;
    peer.subscribe("t", granted);
    const writer = world.client();
    for (const published of [0, 1, 2] as const) {
      writer.publish("t", "x", { qos: published, packetId: 9 });
      if (published === 2) writer.pubrel(9);
    }
    expect(peer.takePublishes().map((packet) => packet.qos)).toEqual(qos);
  });

  it("[MQTT5-3.8.4-8] delivers retained messages at the lower QoS of both as well", () => {
    const world = new BrokerWorld();
    const writer = world.client();
    writer.publish("t", "x", { qos: 1, retain: true });
    for (const granted of [0, 1, 2] as const) {
      const peer = world.client();
      peer.subscribe("t", granted);
      expect(peer.takeOne("publish").qos).toBe(Math.min(granted, 1));
    }
  });
});

describe("SUBACK", () => {
  it("[MQTT5-3.8.4-6] [MQTT5-3.9.3-1] has a code for each filter, in their order", () => {
    const peer = new BrokerWorld().client();
    const codes = peer.subscribe([
      { filter: "c", qos: 2 },
      { filter: "a", qos: 0 },
      { filter: "$share/g/b", qos: 1 },
      { filter: "c", qos: 0 },
    ]);
    expect(codes?.reasonCodes).toEqual([2, 0, 1, 0]);
  });

  it("[MQTT5-3.8.4-7] [MQTT5-3.9.3-2] tells the QoS that the listener's max_qos left", () => {
    const world = new BrokerWorld({ listener: { maxQos: 1 } });
    const peer = world.client();
    const requests = ([0, 1, 2] as const).map((qos) => ({ filter: `t/${qos}`, qos }));
    expect(peer.subscribe(requests)?.reasonCodes).toEqual([0, 1, 1]);
    const writer = world.client({ listener: { maxQos: 2 } });
    writer.publish("t/2", "x", { qos: 2, packetId: 1 });
    writer.pubrel(1);
    expect(peer.takeOne("publish").qos).toBe(1);
  });

  it("[MQTT5-3.9.2-1] [MQTT5-3.9.2-2] never grows beyond a client's Maximum Packet Size", () => {
    const peer = new BrokerWorld().client({ properties: { maximumPacketSize: 16 } });
    peer.send("82 07 0001 00 0001 61 00");
    expect(peer.takeHex()).toEqual(["900400010000"]);
  });

  it("waits until the subscription of a lasting session is safe", () => {
    const world = new BrokerWorld({ durability: "held" });
    const peer = world.peer({ clientId: "c" });
    peer.connect({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    world.settle();
    peer.takeHex();
    expect(peer.subscribe("t", 1)).toBeUndefined();
    world.settle();
    expect(peer.takeOne("suback").reasonCodes).toEqual([1]);
  });
});
