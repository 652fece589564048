/**
 * Two brokers and a bridge between them, among crashes of either and a network that breaks.
 *
 * Goal: what a publisher on one side was told is done arrives at the subscriber on the other side:
 * at QoS 1 at least once, at QoS 2 exactly once, in order, whichever broker dies and wherever the
 * link breaks; and when all has come to rest nothing waits on either side.
 * Method: the real `Bridge`, `Broker`, `Journal` and `Database` (`bridge/`), with the clients,
 * links and disks of the other simulations.
 *
 * Replay a failure with SEED=n; search with SEEDS=n.
 */
import { describe, expect, it } from "vitest";
import { seeds } from "../support/seeds.ts";
import { BridgedWorld } from "./bridge/bridged-world.ts";
import type { SimClient } from "./broker/sim-client.ts";

const FAULTY_TICKS = 1_500;
const TICKS_MAX = 12_000;

describe.each(seeds(8))("a bridge between two brokers that crash, seed %i", (seed) => {
  it("carries everything that was acknowledged, both ways", () => {
    const world = new BridgedWorld(seed);
    try {
      run(world);
    } catch (error) {
      const { TRACE } = process.env;
      const lines = world.trace.lines(TRACE === undefined ? 60 : 4000, TRACE);
      if (error instanceof Error) error.message += `\n${lines.join("\n")}`;
      throw error;
    }
  });
});

function run(world: BridgedWorld): void {
  const { a, b } = world;
  // Nothing is promised before the subscriptions stand.
  world.isFaulty = false;
  until(world, () => world.isAtRest && b.broker.router.counts.direct === 5, "all subscribe");
  world.isFaulty = true;
  a.isReady = true;
  b.isReady = true;
  for (let tick = 0; tick < FAULTY_TICKS; tick++) world.tick();
  world.isFaulty = false;
  world.trace.note("no more faults");
  until(world, () => world.isAtRest, "all comes to rest");
  const [writerA, readerA] = a.clients as [SimClient, SimClient];
  const [writerB, readerB] = b.clients as [SimClient, SimClient];
  expectCarried(writerA, readerB, "out/", "there/");
  expectCarried(writerB, readerA, "in/", "here/");
  for (const writer of [writerA, writerB]) {
    for (const reader of [readerA, readerB]) expectCarried(writer, reader, "both/", "both/");
  }
  for (const side of [a, b]) {
    expect(side.disk.rows("SELECT client_id FROM client_msgs"), side.name).toEqual([]);
    expect(side.disk.rows("SELECT store_id FROM base_msgs WHERE topic LIKE '%/x'")).toEqual([]);
  }
}

/** What `from` published arrived at `to`, as often as its QoS promises and in order. */
function expectCarried(from: SimClient, to: SimClient, before: string, after: string): void {
  const times = new Map<string, number>();
  for (const { id } of to.arrivals) times.set(id, (times.get(id) ?? 0) + 1);
  expect(from.published.length).toBe(from.plan.messages);
  const published = from.published.filter(({ topic }) => topic.startsWith(before));
  for (const { id, qos } of published) {
    const seen = times.get(id) ?? 0;
    if (qos > 0) {
      expect(from.acknowledged, id).toContain(id);
      expect(seen, `${id} arrives`).toBeGreaterThanOrEqual(1);
    }
    if (qos !== 1) expect(seen, `${id} arrives once`).toBeLessThanOrEqual(1);
  }
  for (const topic of new Set(published.map((one) => one.topic))) {
    const name = after + topic.slice(before.length);
    const came = to.arrivals.filter((one) => one.topic === name).map(({ id }) => id);
    for (const qos of [0, 1, 2]) {
      const sent = published.filter((one) => one.topic === topic && one.qos === qos);
      const ids = sent.map(({ id }) => id);
      const firsts = [...new Set(came)].filter((id) => ids.includes(id));
      expect(firsts, `${name} at QoS ${qos}`).toEqual(ids.filter((id) => firsts.includes(id)));
    }
  }
}

function until(world: BridgedWorld, isDone: () => boolean, what: string): void {
  for (let tick = 0; !isDone(); tick++) {
    world.tick();
    if (tick > TICKS_MAX) expect.fail(`${what} in ${TICKS_MAX} ticks`);
  }
}
