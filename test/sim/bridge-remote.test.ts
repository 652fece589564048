/**
 * A broker and its bridge between clients here and a remote there, while the network and the broker
 * itself break at any point.
 *
 * Goal: what its publisher was told is taken over arrives on the other side, at QoS 2 exactly once,
 * at QoS 1 at least once, at QoS 0 at most once, in order; nothing else does; and when all has been
 * delivered nothing is left under way.
 * Method: the real `Broker`, `Journal`, `Database` and `Bridge`; a remote and a network of our own
 * (`bridge/`), in every version and with every limit that 5.0 has. Packets are cut anywhere.
 *
 * Replay a failure with SEED=n; search with SEEDS=n.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Qos } from "../../src/core/codec/packets.ts";
import { seeds } from "../support/seeds.ts";
import { type Published, SimBridgeWorld } from "./bridge/sim-bridge-world.ts";

const FAULTY_TICKS = 500;
const TICKS_MAX = 10_000;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each(seeds(8))("a bridge among faults, seed %i", (seed) => {
  it("carries each message over as its QoS promises", () => {
    const world = new SimBridgeWorld(join(folder, "mosquitto.sqlite3"), seed);
    run(world);
    expectOutgoing(world, 2);
    expectIncoming(world);
    world.close();
  });
});

describe.each(seeds(5))("a bridge whose remote forgets its session, seed %i", (seed) => {
  it("loses nothing for it, though some comes twice", () => {
    const world = new SimBridgeWorld(join(folder, "mosquitto.sqlite3"), seed, false);
    run(world);
    expectOutgoing(world, 1);
    world.close();
  });
});

function run(world: SimBridgeWorld): void {
  for (let tick = 0; tick < FAULTY_TICKS; tick++) world.tick();
  world.mend();
  for (let tick = 0; !world.isDone; tick++) {
    if (tick > TICKS_MAX) throw new Error("it does not come to rest");
    world.tick();
  }
}

/** @param exactly The QoS from which on a message comes once. */
function expectOutgoing(world: SimBridgeWorld, exactly: Qos): void {
  const { limits } = world.plan;
  const { maximumPacketSize = Number.POSITIVE_INFINITY, maximumQos = 2 } = limits;
  const arrived = world.remote.arrived.filter(({ topic }) => topic.startsWith("far/"));
  const known = new Map(world.outgoing.map((message) => [message.id, message]));
  for (const { topic, payload } of arrived) {
    expect(`far/${known.get(payload)?.topic}`, payload).toBe(topic);
  }
  for (const message of world.outgoing) {
    const qos = Math.min(message.qos, maximumQos) as Qos;
    const count = arrived.filter(({ payload }) => payload === message.id).length;
    const isTooLarge = message.payload.length > maximumPacketSize;
    if (isTooLarge) expect(count, message.id).toBe(0);
    else expectCount(message, count, qos, exactly === 2 ? 2 : 3);
  }
  for (const qos of [1, 2] as const) {
    const ids = arrived.map(({ payload }) => payload);
    expectOrder(
      ids,
      world.outgoing.filter((one) => one.qos === qos),
    );
  }
}

function expectIncoming(world: SimBridgeWorld): void {
  for (const { topic, id } of world.read) {
    const message = world.incoming.find((one) => one.id === id);
    expect(topic, id).toBe(`in/${message?.topic}`);
  }
  for (const message of world.incoming) {
    const count = world.read.filter(({ id }) => id === message.id).length;
    expectCount(message, count, message.qos, 2);
  }
  for (const qos of [1, 2] as const) {
    const ids = world.read.map(({ id }) => id);
    expectOrder(
      ids,
      world.incoming.filter((one) => one.qos === qos),
    );
  }
}

/** @param exactly The QoS from which on it comes once; 3 for none. */
function expectCount(message: Published, count: number, qos: Qos, exactly: 2 | 3): void {
  const what = `${message.id} of QoS ${message.qos}, which came ${count} times`;
  if (message.isAcknowledged && qos > 0) expect(count, what).toBeGreaterThanOrEqual(1);
  if (qos === 0 || qos >= exactly) expect(count, what).toBeLessThanOrEqual(1);
}

/** The first time that each came is in the order in which they were published. */
function expectOrder(ids: readonly string[], messages: readonly Published[]): void {
  const wanted = messages.map(({ id }) => id).filter((id) => ids.includes(id));
  const firsts = [...new Set(ids)].filter((id) => wanted.includes(id));
  expect(firsts).toEqual(wanted);
}
