/** memory_limit: what a broker does that is short of memory, with a memory of ours. */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/broker/settings.ts";
import { REASONS } from "../../src/core/errors.ts";
import { BrokerWorld } from "../support/broker-world.ts";

const QUOTA_EXCEEDED = REASONS.quotaExceeded.code;
const LIMIT = 1_000;

/** Memory that is as much as a test says; some of it may be garbage. */
class FakeMemory {
  used = 0;
  garbage = 0;
  /** Whether garbage can be collected now. */
  collects = true;
  collections = 0;

  current(): number {
    return this.used + this.garbage;
  }

  peak(): number {
    return 0;
  }

  collect(): boolean {
    if (!this.collects) return false;
    this.collections++;
    this.garbage = 0;
    return true;
  }
}

describe("memory_limit", () => {
  it("is reached above it and not at it, logged once, and over again below", () => {
    const { world, memory, use } = limited();
    use(LIMIT);
    expect(world.broker.shortage.isShort).toBe(false);
    use(LIMIT + 1);
    expect(world.broker.shortage.isShort).toBe(true);
    use(LIMIT + 50);
    expect(world.logged(/^Warning: memory_limit reached: 1001 bytes of 1000 /)).toHaveLength(1);
    // Not so near to it, or it would be reached again and again.
    use(LIMIT * 0.95 + 1);
    expect(world.broker.shortage.isShort).toBe(true);
    use(LIMIT * 0.95);
    expect(world.broker.shortage.isShort).toBe(false);
    expect(world.logged(/^Memory in use is below memory_limit again/)).toHaveLength(1);
    expect(memory.collections).toBeGreaterThan(0);
  });

  it("does not count garbage, and is not sure of it for long", () => {
    const { world, memory, use } = limited();
    memory.garbage = 2 * LIMIT;
    use(LIMIT / 2);
    expect(world.broker.shortage.isShort).toBe(false);
    expect(memory.collections).toBe(1);
    // What has just been collected is not at once again: until far above, nothing is known.
    memory.collects = false;
    memory.garbage = LIMIT * 0.75;
    use(LIMIT / 2);
    expect(world.broker.shortage.isShort).toBe(false);
    use(LIMIT / 2 + 1);
    expect(world.broker.shortage.isShort).toBe(true);
  });

  it("is looked at every 50 ms at most, and not without a limit", () => {
    const { world, memory } = limited();
    world.pass(100);
    memory.used = 2 * LIMIT;
    world.pass(49);
    expect(world.broker.shortage.isShort).toBe(false);
    world.pass(1);
    expect(world.broker.shortage.isShort).toBe(true);
    world.broker.reconfigure({ ...DEFAULT_SETTINGS, sysInterval: 0 });
    world.pass(0);
    expect(world.broker.shortage.isShort).toBe(false);
  });

  it("is over by itself, where nobody does anything any more", () => {
    const { world, memory, use } = limited();
    expect(world.broker.deadlines.next).toBe(Number.POSITIVE_INFINITY);
    use(LIMIT + 1);
    memory.used = 0;
    const { deadlines, now } = world.broker;
    expect(deadlines.next).toBe(now + 500);
    world.pass(500);
    expect(world.broker.shortage.isShort).toBe(false);
    expect(deadlines.next).toBe(Number.POSITIVE_INFINITY);
  });

  it("lets messages go on to those who take them at once, and queues none", () => {
    const { world, use } = limited();
    const away = world.client({ clientId: "away", cleanStart: false, version: 4 });
    away.subscribe("t", 1);
    away.drop();
    const reader = world.client({ properties: { receiveMaximum: 2 } });
    reader.subscribe("t", 1);
    const writer = world.client();
    use(LIMIT + 1);
    for (const text of ["1", "2", "3"]) writer.publish("t", text, { qos: 1 });
    writer.publish("t", "4");
    // The third has no place in the window, and would have to wait.
    expect(reader.takePayloads()).toEqual(["1", "2", "4"]);
    expect(world.broker.sessions.get("away")?.waitingCount).toBe(0);
    expect(world.broker.counters.publishDropped).toBe(4);
    reader.puback(1);
    use(0);
    writer.publish("t", "5", { qos: 1 });
    expect(reader.takePayloads()).toEqual(["5"]);
    expect(world.broker.sessions.get("away")?.waitingCount).toBe(1);
  });

  it("drops for a client that reads too slowly", () => {
    const { world, use } = limited();
    const reader = world.client();
    reader.subscribe("t");
    const writer = world.client();
    reader.stall();
    writer.publish("t", "before");
    use(LIMIT + 1);
    writer.publish("t", "while");
    reader.flow();
    writer.publish("t", "after");
    expect(reader.takePayloads()).toEqual(["before", "after"]);
  });

  it("keeps nothing more that is retained, and lets go of what is", () => {
    const { world, use } = limited();
    const writer = world.client();
    const code = (topic: string, payload: string) => {
      writer.publish(topic, payload, { qos: 1, retain: true });
      return writer.takeOne("puback").reasonCode & 0x80;
    };
    expect(code("a", "long")).toBe(0);
    use(LIMIT + 1);
    expect(code("b", "x")).toBe(0x80);
    expect(code("a", "longer")).toBe(0x80);
    expect(code("a", "less")).toBe(0);
    expect(code("a", "")).toBe(0);
    expect(world.broker.retained.count).toBe(0);
  });

  it("refuses new clients and subscriptions, and lets those come back that have a session", () => {
    const { world, use } = limited();
    const known = world.client({ clientId: "known", cleanStart: false, version: 4 });
    known.subscribe("t", 1);
    known.drop();
    world.client().publish("t", "waits", { qos: 1 });
    use(LIMIT + 1);
    expect(world.client({ version: 5 }).connack?.reasonCode).toBe(QUOTA_EXCEEDED);
    const old = world.client({ version: 4 });
    expect(old.closed).toBe(true);
    expect(old.connack).toBeUndefined();
    const back = world.client({ clientId: "known", cleanStart: false, version: 5 });
    expect(back.takePayloads()).toEqual(["waits"]);
    expect(back.subscribe(["t", "u"], 0)?.reasonCodes).toEqual([0, QUOTA_EXCEEDED]);
    expect(world.logged(/disconnected: memory_limit reached\.$/)).toHaveLength(2);
    use(0);
    expect(world.client().connack?.reasonCode).toBe(0);
  });

  it("takes no QoS 2 message over: who has no answer to that must not think otherwise", () => {
    const { world, use } = limited();
    const writer = world.client({ version: 5 });
    const old = world.client({ version: 4 });
    writer.publish("t", "before", { qos: 2, packetId: 1 });
    writer.take();
    use(LIMIT + 1);
    writer.publish("t", "x", { qos: 2, packetId: 2 });
    expect(writer.takeOne("pubrec").reasonCode).toBe(QUOTA_EXCEEDED);
    // What is ours already is answered as ever.
    writer.publish("t", "before", { qos: 2, packetId: 1, dup: true });
    expect(writer.takeOne("pubrec").reasonCode).toBe(0);
    writer.pubrel(1);
    expect(writer.takeOne("pubcomp").reasonCode).toBe(0);
    old.publish("t", "x", { qos: 2 });
    expect(old.closed).toBe(true);
    expect(old.takeHex()).toEqual([]);
  });
});

/** A broker whose memory is watched, and a way to say how much it uses. */
function limited() {
  const memory = new FakeMemory();
  const world = new BrokerWorld({ settings: { memoryLimit: LIMIT }, parts: { memory } });
  const use = (bytes: number) => {
    memory.used = bytes;
    world.pass(50);
  };
  return { world, memory, use };
}
