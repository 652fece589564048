import { describe, expect, it } from "vitest";
import type { Qos } from "../../../src/core/codec/packets.ts";
import { BrokerWorld, type WorldOptions } from "../../support/broker-world.ts";
import type { ScriptedClient } from "../../support/scripted-client.ts";

/** A broker with two bridges: what `x` brings goes out by `y`, and the other way round. */
function bridged(options: WorldOptions = {}, qos: Qos = 0) {
  const world = new BrokerWorld({ version: 4, ...options });
  const bridge = (clientId: string) => {
    const client = world.client({ clientId, bridge: true, cleanStart: false });
    client.acknowledges = true;
    client.subscribe("#", qos);
    return client;
  };
  const x = bridge("x");
  const y = bridge("y");
  return { world, x, y };
}

/** Has `x` send the same until everything is held. */
function provoke(world: BrokerWorld, x: ScriptedClient): void {
  for (let i = 0; i < 100; i++) {
    if (world.logged(/repeat themselves/).length > 0) return;
    x.publish("t", "same");
    world.pass(10);
  }
  expect.fail("nothing is suspected");
}

/** Brings back by `x` what goes out by `y`, 10 milliseconds later, for `ms` milliseconds. */
function circle(world: BrokerWorld, x: ScriptedClient, y: ScriptedClient, ms: number): number {
  let carried = 0;
  for (let passed = 0; passed < ms; passed += 10) {
    const taken = y.takePublishes();
    world.pass(10);
    carried += taken.length;
    for (const { topic, payload, qos, retain } of taken) x.publish(topic, payload, { qos, retain });
  }
  return carried;
}

describe("The watch over loops", () => {
  it("names both bridges once, drops what comes back, and counts it", () => {
    const { world, x, y } = bridged();
    world.client().publish("t", "round");
    circle(world, x, y, 5_000);
    const [line, ...others] = world.logged(/^Warning: Messages loop/);
    expect(line).toContain("between bridge connections x and y (topic t)");
    expect(line).toContain("what goes out by y must not come in by x");
    expect(others).toEqual([]);
    const before = world.broker.counters.publishLooped;
    for (let i = 0; i < 5; i++) {
      world.client().publish("t", `new ${i}`);
      // Out once, and not again when it comes back.
      expect(circle(world, x, y, 100)).toBe(1);
    }
    expect(world.broker.counters.publishLooped - before).toBe(5);
    expect(world.logged(/^Warning/)).toHaveLength(1);
  });

  it("gives other clients what comes, echo or not", () => {
    const { world, x, y } = bridged();
    world.client().publish("t", "round");
    circle(world, x, y, 5_000);
    const reader = world.client();
    reader.subscribe("t");
    world.client().publish("t", "new");
    circle(world, x, y, 100);
    expect(reader.takePayloads()).toEqual(["new", "new"]);
  });

  it("lets the same through as often as it is published, where it loops as well", () => {
    const { world, x, y } = bridged();
    world.client().publish("t", "round");
    circle(world, x, y, 5_000);
    let carried = 0;
    for (let i = 0; i < 6; i++) {
      world.client().publish("t", "again");
      carried += circle(world, x, y, 50);
    }
    expect(carried).toBe(6);
  });

  it("says when a loop is no more, and lets everything through from there on", () => {
    const { world, x, y } = bridged();
    world.client().publish("t", "round");
    circle(world, x, y, 5_000);
    for (let i = 0; i < 9; i++) {
      world.client().publish("t", `new ${i}`);
      world.pass(1_000);
    }
    expect(world.logged(/no longer between bridge connections x and y/)).toHaveLength(1);
    y.take();
    for (let i = 0; i < 5; i++) x.publish("t", "same");
    expect(y.takePayloads()).toHaveLength(5);
  });

  it("forgets a loop when one of its connections ends", () => {
    const { world, x, y } = bridged();
    world.client().publish("t", "round");
    circle(world, x, y, 5_000);
    y.drop();
    expect(world.broker.loops.count).toBe(1);
    const again = world.client({ clientId: "y", bridge: true, cleanStart: false });
    again.take();
    for (let i = 0; i < 5; i++) x.publish("t", "same");
    expect(again.takePayloads()).toHaveLength(5);
  });

  it("looks at nothing that does not come by a bridge and go out by another", () => {
    const { world, x, y } = bridged();
    const reader = world.client({ clientId: "reader" });
    reader.subscribe("t");
    const writer = world.client();
    for (let i = 0; i < 200; i++) {
      writer.publish("t", "same");
      world.pass(5);
    }
    y.drop();
    for (let i = 0; i < 200; i++) {
      x.publish("t", "same");
      world.pass(5);
    }
    expect(reader.takePublishes()).toHaveLength(400);
    expect(world.logged(/repeat|Warning/)).toEqual([]);
  });

  it("looks into nothing any more once loopRepeats is 0", () => {
    const { world, x, y } = bridged();
    world.broker.reconfigure({ ...world.broker.settings, loopRepeats: 0 });
    for (let i = 0; i < 100; i++) {
      x.publish("t", "same");
      world.pass(10);
    }
    expect(world.logged(/repeat themselves/)).toEqual([]);
    expect(y.takePublishes()).toHaveLength(100);
  });

  it("is off where nothing is to be suspected", () => {
    const { world, x, y } = bridged({ settings: { loopRepeats: 0 } });
    for (let i = 0; i < 200; i++) {
      x.publish("t", "same");
      world.pass(5);
    }
    expect(y.takePublishes()).toHaveLength(200);
    expect(world.broker.loops.count).toBe(0);
  });

  it.each<[string, (client: ScriptedClient) => unknown]>([
    [
      "asks for no-local and RETAIN as it was",
      (client) => client.subscribe({ filter: "#", noLocal: true, retainAsPublished: true }),
    ],
    ["ends a subscription that it never had", (client) => client.unsubscribe("never")],
  ])("takes a client of 5.0 for a bridge that %s", (_what, show) => {
    const world = new BrokerWorld();
    const client = world.client();
    expect(world.broker.loops.count).toBe(0);
    show(client);
    expect(world.broker.loops.count).toBe(1);
    client.drop();
    expect(world.broker.loops.count).toBe(0);
  });

  it("takes one for a bridge that says so by our user property", () => {
    const world = new BrokerWorld();
    world.client({ properties: { userProperties: [["bridge", "north"]] } });
    expect(world.broker.loops.count).toBe(1);
  });

  it("takes other clients of 5.0 for none", () => {
    const world = new BrokerWorld();
    const client = world.client();
    client.subscribe([
      { filter: "a", noLocal: true },
      { filter: "b", retainAsPublished: true },
    ]);
    client.unsubscribe("a");
    expect(world.broker.loops.count).toBe(0);
  });
});

describe("What goes out by a bridge and comes back by itself", () => {
  it.each([3, 4] as const)("is cut by no-local in version %i, which the bridge implies", (v) => {
    const world = new BrokerWorld();
    const bridge = world.client({ version: v, bridge: true });
    bridge.subscribe("#");
    world.client().publish("t", "round");
    let carried = 0;
    for (let i = 0; i < 100; i++) {
      for (const { topic, payload } of bridge.takePublishes()) {
        carried++;
        bridge.publish(topic, payload);
      }
      world.pass(10);
    }
    expect(carried).toBe(1);
  });
});

describe("While bridges are held", () => {
  it("everything for them waits, in its order, and nothing else does", () => {
    const { world, x, y } = bridged();
    const reader = world.client();
    reader.subscribe("order");
    provoke(world, x);
    y.take();
    const writer = world.client();
    for (let i = 0; i < 50; i++) writer.publish("order", String(i));
    expect(y.take()).toEqual([]);
    y.ping();
    expect(y.take()).toEqual([{ type: "pingresp" }]);
    const all = Array.from({ length: 50 }, (_, i) => String(i));
    expect(reader.takePayloads()).toEqual(all);
    world.pass(5_000);
    expect(y.takePayloads().filter((payload) => payload !== "same")).toEqual(all);
  });

  it.each([1, 2] as const)("none at QoS %i is dropped for their number, then or later", (qos) => {
    const { world, x, y } = bridged(
      { settings: { maxQueuedMessages: 10, maxInflightMessages: 5, maxQueuedBytes: 100 } },
      2,
    );
    provoke(world, x);
    const writer = world.client();
    writer.acknowledges = true;
    const got: string[] = [];
    const send = (payload: string) => {
      writer.publish("order", payload, { qos });
      for (const packet of writer.take()) {
        if (packet.type === "pubrec") writer.pubrel(packet.packetId);
      }
    };
    const take = () => {
      for (const packet of y.take()) {
        if (packet.type === "publish" && packet.qos > 0) got.push(packet.payload.toString());
      }
    };
    for (let i = 0; i < 100; i++) send(String(i));
    expect(world.broker.counters.publishDropped).toBe(0);
    world.pass(5_000);
    take();
    for (let i = 100; i < 110; i++) send(String(i));
    world.pass(100);
    take();
    expect(got).toEqual(Array.from({ length: 110 }, (_, i) => String(i)));
    expect(world.broker.counters.publishDropped).toBe(0);
  });

  it("what is at QoS 1 and 2 outlives their connection", () => {
    const { world, x, y } = bridged({}, 2);
    provoke(world, x);
    const writer = world.client();
    writer.publish("kept", "one", { qos: 1 });
    writer.publish("kept", "two", { qos: 2, packetId: 9 });
    writer.pubrel(9);
    y.drop();
    const again = world.client({ clientId: "y", bridge: true, cleanStart: false });
    again.acknowledges = true;
    world.pass(10);
    const got = again.takePublishes().filter(({ topic }) => topic === "kept");
    expect(got.map(({ payload }) => payload.toString())).toEqual(["one", "two"]);
  });

  it("the end of one of their connections ends it for all", () => {
    const { world, x, y } = bridged();
    provoke(world, x);
    world.client().publish("u", "waits");
    y.take();
    x.drop();
    expect(y.takePayloads()).toContain("waits");
  });

  it("so does a SUBSCRIBE that brings retained messages", () => {
    const { world, x, y } = bridged();
    world.client().publish("r", "retained", { retain: true });
    provoke(world, x);
    y.take();
    y.subscribe("r");
    expect(y.takePayloads()).toContain("retained");
  });

  it("so does what waits, at a limit", () => {
    const { world, x, y } = bridged({ settings: { loopHeldBytesMax: 10_000 } });
    provoke(world, x);
    y.take();
    const writer = world.client();
    for (let i = 0; i < 9; i++) writer.publish("u", Buffer.alloc(1_000));
    expect(y.takePublishes()).toEqual([]);
    for (let i = 0; i < 2; i++) writer.publish("u", Buffer.alloc(1_000));
    expect(y.takePublishes().filter(({ topic }) => topic === "u")).toHaveLength(11);
  });

  it("a stop of the broker sends what waits before its DISCONNECT", () => {
    const world = new BrokerWorld();
    const options = { properties: { userProperties: [["bridge", "b"]] as const } };
    const x = world.client({ ...options, clientId: "x" });
    const y = world.client({ ...options, clientId: "y" });
    y.subscribe("#");
    provoke(world, x);
    y.take();
    world.client().publish("u", "waits");
    world.turn(() => world.broker.shutdown());
    const types = y.take().map(({ type }) => type);
    expect(types.at(-1)).toBe("disconnect");
    expect(types.filter((type) => type === "publish").length).toBeGreaterThanOrEqual(1);
  });
});
