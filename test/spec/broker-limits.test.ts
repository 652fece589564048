/** Limits of the broker's own, where neither the standard nor mosquitto has one. */
import { describe, expect, it } from "vitest";
import { writePacket } from "../../src/core/codec/general.ts";
import { REASONS } from "../../src/core/errors.ts";
import { BrokerWorld } from "../support/broker-world.ts";
import { publishBytes } from "../support/scripted-client.ts";

const QUOTA_EXCEEDED = REASONS.quotaExceeded.code;
const MINUTE = 60_000;

describe("QoS 2 messages that wait for their PUBREL", () => {
  it("are bounded in bytes: beyond, the connection ends, and the next one goes on", () => {
    const { world, writer, send } = holding({ unreleasedBytesMax: 12 });
    send(1, "12345");
    send(2, "67890");
    expect(writer.closed).toBe(false);
    send(3, "x");
    expect(writer.closed).toBe(true);
    expect(world.logged(/disconnected: quota exceeded\./)).toHaveLength(1);
    expect(world.broker.sessions.get("w")?.incoming.count).toBe(2);
  });

  it("count with their topics", () => {
    const { writer, send } = holding({ unreleasedBytesMax: 1_000 });
    send(1, "", "t".repeat(600));
    expect(writer.closed).toBe(false);
    send(2, "", "u".repeat(600));
    expect(writer.closed).toBe(true);
  });

  it("make room when they are released, replaced or forgotten", () => {
    const { world, writer, send } = holding({ unreleasedBytesMax: 12 });
    send(1, "12345");
    send(2, "67890");
    send(2, "678");
    send(3, "x");
    writer.pubrel(1);
    send(4, "12345");
    expect(writer.closed).toBe(false);
    writer.drop();
    const again = world.client({ clientId: "w", cleanStart: true, version: 4 });
    again.publish("t", "12345678901", { qos: 2, packetId: 1 });
    expect(again.closed).toBe(false);
  });
});

describe("Connections without a CONNECT", () => {
  const settings = { pendingConnectionsMax: 2, pendingGraceMs: 1_000 };

  it("are closed when they are too many and have had their time, the oldest first", () => {
    const world = new BrokerWorld({ settings });
    const [first, second] = [world.peer(), world.peer()];
    world.pass(1_000);
    expect(first.closed).toBe(false);
    const third = world.peer();
    expect([first.closed, second.closed, third.closed]).toEqual([true, false, false]);
    third.connect();
    expect(third.connack?.reasonCode).toBe(0);
    expect(world.logged(/^Warning: max_pending_connections reached: with 2 /)).toHaveLength(1);
  });

  it("are kept for a moment: many that come at once do not push each other out", () => {
    const world = new BrokerWorld({ settings });
    const [first, second] = [world.peer(), world.peer()];
    world.pass(999);
    expect(world.peer().closed).toBe(true);
    first.connect();
    second.connect();
    expect(first.connack?.reasonCode).toBe(0);
    expect(second.connack?.reasonCode).toBe(0);
    // Those two do not count any more.
    expect([world.peer().closed, world.peer().closed, world.peer().closed]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it("count until their CONNECT is whole, and no longer than until they end", () => {
    const world = new BrokerWorld({ settings });
    const dribbling = world.peer();
    const gone = world.peer();
    gone.drop();
    dribbling.send("10");
    dribbling.send("2a");
    world.pass(1_000);
    world.peer();
    expect(dribbling.closed).toBe(false);
    world.peer();
    expect(dribbling.closed).toBe(true);
  });

  it("are logged once an episode", () => {
    const world = new BrokerWorld({ settings });
    const flood = () => {
      for (let i = 0; i < 10; i++) world.peer();
    };
    const lines = () => world.logged(/max_pending_connections reached/).length;
    flood();
    world.pass(MINUTE - 1);
    flood();
    expect(lines()).toBe(1);
    world.pass(MINUTE);
    flood();
    expect(lines()).toBe(2);
  });

  it("end after their time, and a CONNECT that comes a byte at a time does not gain any", () => {
    const world = new BrokerWorld({ settings: { connectTimeoutMs: 10_000 } });
    const peer = world.peer();
    for (const byte of ["10", "20", "00", "04", "4d"]) {
      peer.send(byte);
      world.pass(1_999);
    }
    expect(peer.closed).toBe(false);
    world.pass(5);
    expect(peer.closed).toBe(true);
    expect(world.logged(/^Client <unknown> .* exceeded timeout\.$/)).toHaveLength(1);
  });
});

describe("The number", () => {
  it("of all connections is bounded: above, one is closed as it comes", () => {
    const world = new BrokerWorld({ settings: { globalMaxConnections: 2 } });
    const [first, second, third] = [world.client(), world.peer(), world.peer()];
    expect([first!.closed, second!.closed, third!.closed]).toEqual([false, false, true]);
    expect(world.logged(/ denied: global_max_connections exceeded\.$/)).toHaveLength(1);
    first!.disconnect();
    expect(world.client().connack?.reasonCode).toBe(0);
  });

  it("of all clients is bounded, those that are away included: above, one is refused", () => {
    const world = new BrokerWorld({ settings: { globalMaxClients: 2 } });
    const will = { topic: "t", properties: { willDelayInterval: 1_000 } };
    const properties = { sessionExpiryInterval: 1_000 };
    const away = world.client({ clientId: "away", cleanStart: false, properties, will });
    away.drop();
    expect(world.client().connack?.reasonCode).toBe(0);
    expect(world.client().connack?.reasonCode).toBe(REASONS.serverBusy.code);
    expect(world.logged(/disconnected: server busy\.$/)).toHaveLength(1);
    // Who is known comes back, and its end makes room.
    const back = world.client({ clientId: "away", cleanStart: true });
    back.disconnect();
    expect(world.client().connack?.reasonCode).toBe(0);
  });
});

describe("The length", () => {
  const big = { will: { topic: "t", payload: "x".repeat(200) } };
  const OVERSIZE = /disconnected: oversize packet\.$/;

  it("of a CONNECT is bounded, Will and properties and all", () => {
    const { length } = writePacket(new BrokerWorld().peer({ clientId: "c" }).connectPacket(big), 5);
    for (const connectBytesMax of [length, length - 1]) {
      const world = new BrokerWorld({ settings: { connectBytesMax } });
      const client = world.client({ clientId: "c", ...big });
      expect(client.closed, `${connectBytesMax}`).toBe(connectBytesMax < length);
      expect(world.logged(OVERSIZE)).toHaveLength(client.closed ? 1 : 0);
    }
  });

  it("of a SUBSCRIBE and an UNSUBSCRIBE is bounded", () => {
    const filters = ["a", "b"];
    // Header, identifier, properties, and three bytes a filter.
    const size = 2 + 2 + 1 + 2 * 3;
    for (const subscribeBytesMax of [size, size - 1]) {
      const world = new BrokerWorld({ settings: { subscribeBytesMax } });
      const client = world.client();
      client.unsubscribe(...filters);
      expect(client.closed, `${subscribeBytesMax}`).toBe(subscribeBytesMax < size);
      const other = world.client();
      // With its options a filter takes a byte more.
      other.subscribe("a");
      other.subscribe(filters);
      expect(other.closed).toBe(true);
      expect(world.logged(OVERSIZE)).toHaveLength(client.closed ? 2 : 1);
    }
  });

  it("of what is not read is bounded: who does not read the answers is not read either", () => {
    const world = new BrokerWorld({ settings: { backlogBytesPause: 10 } });
    const client = world.client();
    client.stall();
    for (let i = 0; i < 100; i++) client.ping();
    expect(world.broker.waiting().bytes).toBeLessThanOrEqual(12);
    client.flow();
    expect(client.take()).toHaveLength(100);
  });

  it("of what a client leaves unread is bounded at QoS 0, and logged once", () => {
    const world = new BrokerWorld({ settings: { backlogBytesMax: 1_000, maxQueuedMessages: 0 } });
    const reader = world.client({ clientId: "slow" });
    reader.subscribe("t");
    reader.stall();
    const writer = world.client();
    for (let i = 0; i < 30; i++) writer.publish("t", "x".repeat(100));
    expect(world.broker.counters.publishDropped).toBeGreaterThan(15);
    expect(world.logged(/^Warning: backlogBytesMax reached: .* such as slow\.$/)).toHaveLength(1);
    reader.flow();
    expect(reader.takePublishes().length + world.broker.counters.publishDropped).toBe(30);
  });
});

describe("Subscriptions of one session", () => {
  it.each([
    [5, [0, 0, QUOTA_EXCEEDED]],
    [4, [0, 0, 0x80]],
    // 3.1 has no word for it.
    [3, [0, 0, 0]],
  ] as const)("are refused above the limit, with MQTT %i", (version, codes) => {
    const world = new BrokerWorld({ settings: { subscriptionsMax: 2 }, version });
    const client = world.client({ clientId: "bomb" });
    expect(client.subscribe(["a", "b", "c"])?.reasonCodes).toEqual(codes);
    const writer = world.client();
    for (const topic of ["a", "b", "c"]) writer.publish(topic, topic);
    expect(client.takePayloads()).toEqual(["a", "b"]);
    const line = /^Warning: max_subscriptions reached: subscriptions of client bomb are refused/;
    expect(world.logged(line)).toHaveLength(1);
    // The place of one that goes is free, and one that is there can be changed.
    client.unsubscribe("a");
    expect(client.subscribe(["b", "c"], 1)?.reasonCodes).toEqual([1, 1]);
    expect(client.closed).toBe(false);
  });

  it("are counted for each session alone, and 0 is no limit", () => {
    const world = new BrokerWorld({ settings: { subscriptionsMax: 1 } });
    expect(world.client().subscribe("a")?.reasonCodes).toEqual([0]);
    expect(world.client().subscribe(["a", "b"])?.reasonCodes).toEqual([0, QUOTA_EXCEEDED]);
    const free = new BrokerWorld({ settings: { subscriptionsMax: 0 } });
    expect(free.client().subscribe(["a", "b"])?.reasonCodes).toEqual([0, 0]);
  });

  it("count for more where they are deep or long", () => {
    const world = new BrokerWorld({ settings: { subscriptionsMax: 2 } });
    const refused = (filter: string) => world.client().subscribe(["a", filter])?.reasonCodes[1];
    expect(refused("a/".repeat(15))).toBe(0);
    expect(refused("a/".repeat(16))).toBe(QUOTA_EXCEEDED);
    expect(refused("x".repeat(255))).toBe(0);
    expect(refused("x".repeat(256))).toBe(QUOTA_EXCEEDED);
  });
});

describe("Filters that nearly match a topic", () => {
  /** Every way of writing `levels` levels with `a` and `+`, and one more that matches nothing. */
  const bomb = (levels: number) =>
    Array.from({ length: 2 ** levels }, (_, bits) =>
      [...Array.from({ length: levels }, (_, i) => ((bits >> i) & 1 ? "+" : "a")), "z"].join("/"),
    );
  const topic = (levels: number) => `${"a/".repeat(levels)}b`;

  it("make it refused, where looking at them takes too long", () => {
    // A tree of 4 levels has 31 nodes, and one of 3 levels 15.
    const world = new BrokerWorld({ settings: { routeStepsMax: 30 } });
    const attacker = world.client({ clientId: "attacker" });
    attacker.subscribe(bomb(4));
    const reader = world.client();
    reader.subscribe(["a/#", "b/#"], 1);
    const writer = world.client();
    writer.publish(topic(3), "shallow", { qos: 1 });
    expect(writer.takeOne("puback").reasonCode).toBe(0);
    writer.publish(topic(4), "deep", { qos: 1 });
    expect(writer.takeOne("puback").reasonCode).toBe(QUOTA_EXCEEDED);
    writer.publish(topic(4), "deep");
    expect(reader.takePayloads()).toEqual(["shallow"]);
    expect(world.logged(/^Warning: routeStepsMax reached: .* with 5 levels\.$/)).toHaveLength(1);
    // It is the filters: without them everything is as before.
    attacker.disconnect();
    writer.publish(topic(4), "deep", { qos: 1 });
    expect(reader.takePayloads()).toEqual(["deep"]);
  });

  it("never touch a topic of 13 levels with the limit there is", () => {
    const world = new BrokerWorld();
    const { routeStepsMax } = world.broker.settings;
    expect(2 ** 14 + 2).toBeLessThan(routeStepsMax);
  });
});

describe("What one connection causes in a turn", () => {
  it("is bounded: the rest of what it has sent waits for everybody else", () => {
    const { world, reader, writer, other } = sharing(4);
    reader.subscribe(["t", "+"]);
    other.publish("t", "first");
    world.turn(() => {
      writer.send(Buffer.concat(["1", "2", "3", "4", "5", "6"].map(messageOf)));
      other.publish("t", "other");
    });
    const payloads = unique(reader.takePayloads());
    expect(payloads).toEqual(["first", "1", "2", "3", "other", "4", "5", "6"]);
  });

  it("loses nothing, in whatever pieces it comes", () => {
    const texts = Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(i)}`);
    const stream = Buffer.concat(texts.map(messageOf));
    for (const size of [1, 7, 50, 333, stream.length]) {
      const { world, reader, writer } = sharing(1);
      reader.subscribe(["t", "+"]);
      world.turn(() => {
        for (let at = 0; at < stream.length; at += size) {
          writer.send(Buffer.from(stream.subarray(at, at + size)));
        }
      });
      expect(unique(reader.takePayloads()), `pieces of ${size}`).toEqual(texts);
    }
  });

  it("may be a session full of retained messages: a filter at a time, and all of them", () => {
    const { world, reader, writer, other } = sharing(3);
    for (const topic of ["r/1", "r/2"]) writer.publish(topic, topic, { retain: true });
    const before = world.broker.work.steps;
    reader.subscribe(["r/#", "r/+", "#", "+/1"]);
    expect(world.broker.work.steps - before).toBeGreaterThan(2 * 3);
    expect(reader.takePayloads()).toEqual(["r/1", "r/2", "r/1", "r/2", "r/1", "r/2", "r/1"]);
    // What comes behind waits for it, and what is cut off by the end does no harm.
    world.turn(() => {
      reader.subscribe(["r/#", "r/+", "#", "+/1"]);
      reader.ping();
      expect(reader.received()).toHaveLength(0);
    });
    expect(reader.take().at(-1)?.type).toBe("pingresp");
    world.turn(() => {
      reader.subscribe(["r/#", "r/+", "#", "+/1"]);
      reader.drop();
    });
    other.publish("r/1", "on");
    expect(reader.closed).toBe(true);
  });

  it("counts of a share who is asked whether it may have a message, not everybody", () => {
    const access = { mayPublish: () => true, mayReceive: () => true };
    const world = new BrokerWorld({ parts: { access } });
    const members = Array.from({ length: 100 }, () => world.client());
    for (const member of members) member.subscribe("$share/g/t", 1);
    const writer = world.client();
    writer.publish("t", "first");
    const before = world.broker.work.steps;
    writer.publish("t", "second");
    expect(world.broker.work.steps - before).toBeLessThan(10);
    expect(members.flatMap((member) => member.takePayloads())).toEqual(["first", "second"]);
  });

  it("counts runs for those who cannot take them as they came", () => {
    const { world, reader, writer } = sharing(6);
    // A subscription identifier goes into each message.
    reader.subscribe([{ filter: "t" }, { filter: "+" }, { filter: "#" }], 0, {
      subscriptionIdentifiers: [1],
    });
    const texts = ["1", "2", "3", "4", "5", "6", "7", "8"];
    const turns = world.broker.turns;
    writer.send(Buffer.concat(texts.map(messageOf)));
    expect(unique(reader.takePayloads())).toEqual(texts);
    expect(world.broker.turns - turns).toBeGreaterThan(2);
  });
});

describe("Retained messages", () => {
  it("are refused above their number in 5.0, and go to their subscribers before it", () => {
    const { world, reader, writer } = retaining({ retainedMessagesMax: 2 });
    const old = world.client({ version: 4 });
    writer.publish("r/1", "1", { qos: 1, retain: true });
    writer.publish("r/2", "2", { qos: 1, retain: true });
    writer.take();
    writer.publish("r/3", "3", { qos: 1, retain: true });
    expect(writer.takeOne("puback").reasonCode).toBe(QUOTA_EXCEEDED);
    writer.publish("r/4", "4", { qos: 2, retain: true });
    expect(writer.takeOne("pubrec").reasonCode).toBe(QUOTA_EXCEEDED);
    old.publish("r/5", "5", { qos: 1, retain: true });
    expect(old.takeHex()).toEqual(["40020001"]);
    writer.publish("r/6", "6", { retain: true });
    expect(reader.takePayloads()).toEqual(["1", "2", "5", "6"]);
    expect(world.logged(/^Warning: max_retained_messages reached: /)).toHaveLength(1);
    expect(topics(world)).toEqual(["r/1", "r/2"]);
  });

  it("may be replaced and removed at the limit, and there is room again", () => {
    const { world, writer } = retaining({ retainedMessagesMax: 1 });
    for (const [topic, payload] of [
      ["r/1", "1"],
      ["r/1", "other"],
      ["r/1", ""],
      ["r/2", "2"],
    ]) {
      writer.publish(topic!, payload, { qos: 1, retain: true });
      expect(writer.takeOne("puback").reasonCode & 0x80).toBe(0);
    }
    expect(topics(world)).toEqual(["r/2"]);
  });

  it("are bounded in bytes, in which topics count with their levels", () => {
    // One of one level takes 500, and what it says.
    const { world, writer } = retaining({ retainedBytesMax: 2 * 500 + 20 });
    const code = (topic: string, payload: string) => {
      writer.publish(topic, payload, { qos: 1, retain: true });
      return writer.takeOne("puback").reasonCode & 0x80;
    };
    expect(code("a", "123456789")).toBe(0);
    expect(code("b", "1234567890")).toBe(0x80);
    expect(code("b/c", "")).toBe(0);
    expect(code("b/c", "1")).toBe(0x80);
    expect(code("b", "123456789")).toBe(0);
    expect(code("a", "1234567890")).toBe(0x80);
    expect(code("a", "12345678")).toBe(0);
    expect(world.logged(/^Warning: max_retained_bytes reached: /)).toHaveLength(1);
    expect(topics(world)).toEqual(["a", "b"]);
  });

  it("of Wills are handed on above it, and the broker's own are no part of it", () => {
    const settings = { retainedMessagesMax: 1, sysInterval: 1 };
    const { world, reader, writer } = retaining(settings);
    writer.publish("r/1", "1", { qos: 1, retain: true });
    expect(writer.takeOne("puback").reasonCode).toBe(0);
    const dying = world.client({ will: { topic: "r/will", payload: "gone", retain: true } });
    dying.drop();
    expect(reader.takePayloads()).toEqual(["1", "gone"]);
    world.pass(2_000);
    expect(topics(world).filter((topic) => !topic.startsWith("$SYS"))).toEqual(["r/1"]);
    expect(world.broker.retained.get("$SYS/broker/uptime")).toBeDefined();
  });
});

/** A broker of which each connection may ask so little in a turn. */
function sharing(turnStepsMax: number) {
  const world = new BrokerWorld({ settings: { turnStepsMax } });
  const [reader, writer, other] = [world.client(), world.client(), world.client()];
  return { world, reader: reader!, writer: writer!, other: other! };
}

function retaining(settings: object) {
  const world = new BrokerWorld({ settings });
  const reader = world.client();
  reader.subscribe("r/#", 0);
  return { world, reader, writer: world.client() };
}

function topics(world: BrokerWorld): string[] {
  const found: string[] = [];
  world.broker.retained.forEach((message) => void found.push(message.topic.name));
  return found.sort();
}

function messageOf(text: string): Buffer {
  return publishBytes(5, "t", Buffer.from(text), {});
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** A 3.1.1 client with a session, and a way to send what it never releases. */
function holding(settings: { unreleasedBytesMax: number }) {
  const world = new BrokerWorld({ settings });
  const writer = world.client({ clientId: "w", cleanStart: false, version: 4 });
  const send = (packetId: number, payload: string, topic = "t") =>
    writer.publish(topic, payload, { qos: 2, packetId });
  return { world, writer, send };
}
