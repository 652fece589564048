/** What waits for a client and how much of it, as mosquitto 2.1 has it (mosquitto.conf, limits). */
import { describe, expect, it } from "vitest";
import { BrokerWorld, type WorldOptions } from "../support/broker-world.ts";
import type { PublishOptions, ScriptedClient } from "../support/scripted-client.ts";

const LASTS = { cleanStart: false, clientId: "reader", properties: { sessionExpiryInterval: 600 } };
const DROPPING = /Outgoing messages are being dropped for client reader\./;

describe("max_queued_messages", () => {
  it("bounds what waits for an absent client: the newest drop, which is logged once", () => {
    const { world, reader, publish } = pair({ settings: { maxQueuedMessages: 3 } });
    reader.drop();
    publish("1", "2", "3", "4", "5");
    expect(world.broker.counters.publishDropped).toBe(2);
    expect(world.logged(DROPPING)).toHaveLength(1);
    const again = world.client(LASTS);
    again.acknowledges = true;
    expect(again.takePayloads()).toEqual(["1", "2", "3"]);
  });

  it("comes on top of what is under way to a client that is there", () => {
    const settings = { maxQueuedMessages: 3, maxInflightMessages: 2 };
    const { world, reader, publish } = pair({ settings });
    publish("1", "2", "3", "4", "5", "6", "7");
    expect(world.broker.counters.publishDropped).toBe(2);
    const seen = reader.takePayloads();
    for (let packetId = 1; packetId <= 5; packetId++) {
      reader.puback(packetId);
      seen.push(...reader.takePayloads());
    }
    expect(seen).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("lets the log speak again when messages are dropped once more", () => {
    const settings = { maxQueuedMessages: 1, maxInflightMessages: 1 };
    const { world, reader, publish } = pair({ settings });
    publish("1", "2", "dropped", "dropped");
    expect(world.logged(DROPPING)).toHaveLength(1);
    reader.puback(1);
    publish("3", "dropped", "dropped");
    expect(world.logged(DROPPING)).toHaveLength(2);
  });

  it("of 0 is no limit", () => {
    const { world, reader, publish } = pair({ settings: { maxQueuedMessages: 0 } });
    reader.drop();
    for (let i = 0; i < 5_000; i++) publish("x");
    expect(world.broker.sessions.get("reader")?.outgoing.waitingCount).toBe(5_000);
    expect(world.broker.counters.publishDropped).toBe(0);
  });

  it("tells the publisher nothing: a dropped message is acknowledged as usual", () => {
    const { reader, writer } = pair({ settings: { maxQueuedMessages: 1 } });
    reader.drop();
    for (const packetId of [1, 2]) writer.publish("t", "x", { qos: 1, packetId });
    expect(writer.takeHex()).toEqual(["40020001", "40020002"]);
  });
});

describe("max_queued_bytes", () => {
  it("bounds the payload bytes that wait; a message larger than all of it may wait alone", () => {
    const settings = { maxQueuedBytes: 10, maxQueuedMessages: 100 };
    const { world, reader, publish } = pair({ settings });
    reader.drop();
    publish("12345", "12345", "6");
    expect(world.broker.counters.publishDropped).toBe(1);
    const again = world.client(LASTS);
    again.acknowledges = true;
    expect(again.takePayloads()).toEqual(["12345", "12345"]);
    again.take();
    const big = pair({ settings });
    big.reader.drop();
    big.publish("x".repeat(50), "y");
    expect(big.world.client(LASTS).takePayloads()).toEqual(["x".repeat(50)]);
  });

  it("and max_queued_messages: the first limit reached wins", () => {
    const settings = { maxQueuedBytes: 1000, maxQueuedMessages: 2 };
    const { world, reader, publish } = pair({ settings });
    reader.drop();
    publish("1", "2", "3");
    expect(world.broker.counters.publishDropped).toBe(1);
  });
});

describe("max_inflight_messages and max_inflight_bytes", () => {
  it("bound what is under way; the rest goes out as it is acknowledged", () => {
    const { reader, publish } = pair({ settings: { maxInflightMessages: 2 } });
    publish("1", "2", "3");
    expect(reader.takePayloads()).toEqual(["1", "2"]);
    reader.puback(1);
    expect(reader.takePayloads()).toEqual(["3"]);
  });

  it("of 0 are no limit but the identifiers", () => {
    const { reader, publish } = pair({ settings: { maxInflightMessages: 0 } });
    for (let i = 0; i < 300; i++) publish("x");
    expect(reader.takePublishes()).toHaveLength(300);
  });

  it("count payload bytes, and let a single message exceed them", () => {
    const { reader, publish } = pair({ settings: { maxInflightBytes: 10 } });
    publish("12345", "12345", "6", "x".repeat(50), "7");
    expect(reader.takePayloads()).toEqual(["12345", "12345"]);
    reader.puback(1);
    expect(reader.takePayloads()).toEqual(["6"]);
    reader.puback(2);
    reader.puback(3);
    expect(reader.takePayloads()).toEqual(["x".repeat(50)]);
    reader.puback(4);
    expect(reader.takePayloads()).toEqual(["7"]);
  });
});

describe("queue_qos0_messages", () => {
  it("is off: QoS 0 for a client that is away is gone, and not counted as dropped", () => {
    const { world, reader, writer } = pair();
    reader.drop();
    writer.publish("t", "gone");
    expect(world.client(LASTS).take()).toEqual([]);
    expect(world.broker.counters.publishDropped).toBe(0);
  });

  it("keeps QoS 0 in the queue with the others, within its limits", () => {
    const settings = { queueQos0Messages: true, maxQueuedMessages: 3 };
    const { world, reader, writer } = pair({ settings });
    reader.drop();
    for (const [i, qos] of ([0, 1, 0, 0] as const).entries()) {
      writer.publish("t", String(i), { qos });
    }
    const again = world.client(LASTS);
    const seen = again.takePublishes().map(({ payload, qos }) => [payload.toString(), qos]);
    expect(seen).toEqual([
      ["0", 0],
      ["1", 1],
      ["2", 0],
    ]);
    again.puback(1);
    expect(world.broker.kept.count).toBe(0);
  });

  it("keeps nothing for a session that does not last", () => {
    const world = new BrokerWorld({ settings: { queueQos0Messages: true } });
    const reader = world.client({ clientId: "reader" });
    reader.subscribe("t");
    reader.drop();
    world.client().publish("t", "x");
    expect(world.broker.sessions.get("reader")).toBeUndefined();
    expect(world.broker.kept.count).toBe(0);
  });
});

describe("upgrade_outgoing_qos", () => {
  it("delivers at the QoS of the subscription, live, in a row and retained", () => {
    const world = new BrokerWorld({ settings: { upgradeOutgoingQos: true } });
    const writer = world.client();
    writer.publish("t/kept", "kept", { retain: true });
    const reader = world.client();
    reader.subscribe("t/#", 2);
    world.turn(() => {
      for (const payload of ["1", "2"]) writer.publish("t/a", payload);
    });
    writer.publish("t/a", "3", { qos: 1 });
    expect(reader.takePublishes().map(({ qos }) => qos)).toEqual([2, 2, 2, 2]);
  });
});

describe("A client that does not read", () => {
  it("loses QoS 0 above max_queued_messages, and no more", () => {
    const { world, reader, writer } = pair({ settings: { maxQueuedMessages: 5 } });
    reader.stall();
    for (let i = 0; i < 100; i++) writer.publish("t", String(i));
    const dropped = world.broker.counters.publishDropped;
    expect(dropped).toBeGreaterThanOrEqual(94);
    reader.flow();
    const seen = reader.takePayloads();
    expect(seen).toEqual(Array.from({ length: 100 - dropped }, (_, i) => String(i)));
    writer.publish("t", "after");
    expect(reader.takePayloads()).toEqual(["after"]);
  });

  it("loses QoS 0 above its bytes, in one chunk and in many", () => {
    const settings = { maxQueuedMessages: 0, backlogBytesMax: 1_000 };
    for (const inOneTurn of [false, true]) {
      const { world, reader, writer } = pair({ settings });
      reader.stall();
      const publish = () => {
        for (let i = 0; i < 100; i++) writer.publish("t", "x".repeat(100));
      };
      if (inOneTurn) world.turn(publish);
      else publish();
      expect(world.broker.waiting().bytes).toBeLessThan(1_200);
      expect(world.broker.counters.publishDropped).toBeGreaterThan(80);
    }
  });

  it("has QoS 1 and 2 wait in its session, a window of them on the way", () => {
    const { world, reader, publish } = pair({ settings: { maxInflightMessages: 3 } });
    reader.stall();
    for (let i = 0; i < 50; i++) publish(String(i));
    expect(world.broker.waiting().bytes).toBeLessThan(50);
    expect(world.broker.counters.publishDropped).toBe(0);
    reader.acknowledges = true;
    reader.flow();
    expect(reader.takePayloads()).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
  });

  it("is not read either while its own answers pile up", () => {
    const { world, reader } = pair({ settings: { backlogBytesPause: 100 } });
    reader.stall();
    for (let i = 0; i < 1_000; i++) reader.ping();
    expect(world.broker.waiting().bytes).toBeLessThan(200);
    reader.flow();
    expect(reader.take()).toHaveLength(1_000);
  });

  it("holds up nobody else", () => {
    const { world, reader, publish } = pair({ settings: { backlogBytesMax: 100 } });
    const other = world.client();
    other.subscribe("t", 1);
    other.acknowledges = true;
    reader.stall();
    for (let i = 0; i < 100; i++) publish("x");
    expect(other.takePayloads()).toHaveLength(100);
  });
});

describe("A message too large for its client", () => {
  it("is dropped, counts as delivered, and makes room for the next", () => {
    const properties = { sessionExpiryInterval: 600, receiveMaximum: 1, maximumPacketSize: 40 };
    const { world, reader, publish } = pair({}, properties);
    publish("1", "x".repeat(100), "2");
    expect(reader.takePayloads()).toEqual(["1"]);
    reader.puback(1);
    expect(reader.takePayloads()).toEqual(["2"]);
    reader.puback(2);
    reader.puback(3);
    expect(world.broker.kept.count).toBe(0);
    expect(world.broker.counters.publishDropped).toBe(0);
    expect(world.broker.sessions.get("reader")?.outgoing.idle).toBe(true);
  });
});

describe("On reconnect", () => {
  it("what the client may no longer receive has left its queue", () => {
    let secret = false;
    const mayReceive = (_: unknown, topic: string) => !(secret && topic === "t/secret");
    const access = { mayPublish: () => true, mayReceive };
    const { world, reader, writer } = pair({ parts: { access } });
    reader.subscribe("t/#", 1);
    reader.drop();
    writer.publish("t/secret", "no", { qos: 1 });
    writer.publish("t/open", "yes", { qos: 1 });
    secret = true;
    const again = world.client(LASTS);
    expect(again.takePayloads()).toEqual(["yes"]);
    again.puback(1);
    expect(world.broker.kept.count).toBe(0);
  });

  it("what has expired while it waited has left its queue, and the rest says what is left", () => {
    const { world, reader, writer } = pair();
    reader.drop();
    const expiry = (messageExpiryInterval: number): PublishOptions => ({
      qos: 1,
      properties: { messageExpiryInterval },
    });
    writer.publish("t", "short", expiry(10));
    writer.publish("t", "long", expiry(100));
    writer.publish("t", "for ever", expiry(0));
    world.pass(10_000);
    const seen = world.client(LASTS).takePublishes();
    expect(seen.map(({ payload, properties }) => [payload.toString(), properties])).toEqual([
      ["long", { messageExpiryInterval: 90 }],
      ["for ever", {}],
    ]);
  });
});

describe("allow_duplicate_messages", () => {
  it("gives a client before 5.0 a copy for each overlapping subscription", () => {
    expect(copies(4, true)).toEqual([1, 0, 2]);
  });

  it("false gives it one, at the highest QoS; 5.0 has one for each all the same", () => {
    expect(copies(4, false)).toEqual([2]);
    expect(copies(5, false)).toEqual([1, 0, 2]);
  });
});

/** QoS of each copy that overlapping subscriptions bring a client of `version`. */
function copies(version: 4 | 5, allowDuplicateMessages: boolean): number[] {
  const world = new BrokerWorld({ settings: { allowDuplicateMessages } });
  const reader = world.client({ version });
  reader.acknowledges = true;
  for (const [filter, qos] of [
    ["#", 2],
    ["t", 1],
    ["+", 0],
  ] as const) {
    reader.subscribe(filter, qos);
  }
  const writer = world.client();
  writer.publish("t", "x", { qos: 2, packetId: 1 });
  writer.pubrel(1);
  return reader.takePublishes().map(({ qos }) => qos);
}

/** A reader of `t` at QoS 1 whose session lasts, and a writer that publishes there at QoS 1. */
function pair(options: WorldOptions = {}, properties: typeof LASTS.properties = LASTS.properties) {
  const world = new BrokerWorld(options);
  const reader: ScriptedClient = world.client({ ...LASTS, properties });
  reader.subscribe("t", 1);
  const writer = world.client();
  const publish = (...payloads: string[]) => {
    for (const payload of payloads) writer.publish("t", payload, { qos: 1, packetId: 1 });
  };
  return { world, reader, writer, publish };
}
