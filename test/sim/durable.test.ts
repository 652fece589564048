/**
 * The whole broker with its journal and a database, and crashes.
 *
 * Goal: what a client was told survives. Each message whose acknowledgement reached its publisher
 * arrives at every subscriber that was there, as its QoS promises and in order, however often the
 * broker died between; sessions, subscriptions and retained messages are what CONNACK, SUBACK and
 * PUBACK said; no acknowledgement leaves before the database has what it promises; and when all has
 * been delivered nothing is left in it.
 * Method: the real `Broker`, `Journal` and `Database` on a simulated disk (`durable/`), clients and
 * links of `broker.test.ts`. A crash may come between any two things that happen.
 *
 * Replay a failure with SEED=n; search with SEEDS=n. A failure prints what happened last; with
 * TRACE="all-5|crash" all that names that client, and the crashes.
 */
import { describe, expect, it } from "vitest";
import { seeds } from "../support/seeds.ts";
import { SESSION_SECONDS } from "./broker/sim-world.ts";
import {
  expectDelivered,
  expectNothingUnasked,
  expectShared,
  expectWills,
} from "./broker/verdict.ts";
import { DurableWorld } from "./durable/durable-world.ts";
import {
  deadlines,
  expectDeadlines,
  expectKept,
  expectRecovered,
  expectStored,
  snapshot,
} from "./durable/verdict.ts";

const FAULTY_TICKS = 500;
const TICKS_MAX = 8_000;

describe.each(seeds(10))("the broker among crashes, seed %i", (seed) => {
  it("keeps what it promises", () => {
    const world = new DurableWorld(seed);
    traced(world, () => run(world));
  });
});

describe.each(seeds(6))("the broker on a full disk, seed %i", (seed) => {
  it("goes on at QoS 0, and at the others when there is room again", () => {
    const limits = { bytesMax: 16_000_000, waitingMax: 65_536 };
    const settings = { backlogBytesPause: 1_000_000 };
    const world = new DurableWorld(seed, { limits, settings, everybody: true });
    traced(world, () => runFull(world));
  });
});

function runFull(world: DurableWorld): void {
  const { clients, disk } = world;
  world.isFaulty = false;
  until(world, () => clients.every(({ isOn, isSubscribed }) => isOn && isSubscribed), "all are on");
  disk.isFull = true;
  world.isReady = true;
  for (let tick = 0; tick < 200; tick++) world.tick();
  const reader = clients.find(({ plan }) => plan.clientId === "plain-5")!;
  const sent = clients.flatMap(({ published }) => published);
  const plain = sent.filter(({ qos, topic }) => qos === 0 && topic.startsWith("t/"));
  expect(plain.length).toBeGreaterThan(0);
  const arrived = () => new Set(reader.arrivals.map(({ id }) => id));
  until(world, () => plain.every(({ id }) => arrived().has(id)), "QoS 0 goes on");
  expect(disk.refused, "batches").toBeGreaterThan(0);
  for (const { plan, published, acknowledged } of clients) {
    if (!plan.lasts) continue;
    const waits = published.filter(({ qos }) => qos === 2);
    expect(waits.filter(({ id }) => acknowledged.has(id))).toEqual([]);
  }
  disk.isFull = false;
  until(world, () => isAtRest(world), "all comes to rest");
  expectStored(world);
  expectDelivered(world);
}

function run(world: DurableWorld): void {
  world.onRestart = () => {
    expectRecovered(world);
    expectKept(world);
  };
  const isSubscribed = () =>
    world.clients.every((client) => client.isSubscribed || !client.plan.lasts);
  until(world, isSubscribed, "everybody subscribes");
  world.isReady = true;
  for (let tick = 0; tick < FAULTY_TICKS; tick++) {
    world.tick();
    if (tick % 100 === 50) crashQuietly(world);
    if (tick % 50 === 0) expectKept(world);
  }
  world.isFaulty = false;
  world.disk.isFull = false;
  world.disk.isUnreadable = false;
  world.trace.note("no more faults");
  until(world, () => isAtRest(world), "all comes to rest");
  expectStored(world);
  expectKept(world);
  // A stored message of QoS 0 is sent before the database has forgotten it.
  expectDelivered(world, true);
  expectShared(world);
  expectNothingUnasked(world);
  expectWills(world);
  // One who changes his mind may leave a message without its PUBREL.
  const left = "SELECT client_id FROM client_msgs WHERE client_id NOT LIKE 'fickle%'";
  expect(world.disk.rows(left), "messages that are left").toEqual([]);
  expectLeftClean(world);
}

/** A crash that finds everything written brings everything back. */
function crashQuietly(world: DurableWorld): void {
  const { disk, prng } = world;
  if (disk.isFull || prng.chance(0.5)) return;
  for (let i = 0; !(world.journal.isIdle && disk.isIdle); i++) {
    world.pass(50);
    expect(i, "the journal comes to rest").toBeLessThan(1_000);
  }
  expectStored(world);
  const before = snapshot(world.broker);
  const due = deadlines(world.broker);
  const { onRestart } = world;
  world.onRestart = () => {
    expect(snapshot(world.broker)).toEqual(before);
    expectDeadlines(world.broker, due);
    onRestart?.();
  };
  world.crash();
  world.onRestart = onRestart;
}

/** When everybody has left and every session has expired, retained messages are all there is. */
function expectLeftClean(world: DurableWorld): void {
  for (const client of world.clients) client.vanish();
  until(world, () => world.openLinks === 0, "everybody leaves");
  world.pass(SESSION_SECONDS * 1000);
  for (let i = 0; !world.journal.isIdle && i < 1_000; i++) world.pass(50);
  expect(world.broker.sessions.count).toBe(0);
  expectStored(world);
  expectKept(world);
}

function isAtRest({ clients, broker, journal, disk }: DurableWorld): boolean {
  return (
    clients.every((client) => client.isAtRest) &&
    [...broker.sessions.values()].every((s) => s.outgoing.idle && s.parked.count === 0) &&
    journal.isIdle &&
    disk.isIdle
  );
}

function until(world: DurableWorld, isDone: () => boolean, what: string): void {
  for (let tick = 0; !isDone(); tick++) {
    world.tick();
    if (tick > TICKS_MAX) expect.fail(`${what} in ${TICKS_MAX} ticks`);
  }
}

/** Says what happened last where `body` fails. */
function traced(world: DurableWorld, body: () => void): void {
  try {
    body();
  } catch (error) {
    const { TRACE } = process.env;
    const lines = world.trace.lines(TRACE === undefined ? 40 : 4000, TRACE);
    if (error instanceof Error) error.message += `\n${lines.join("\n")}`;
    throw error;
  }
}
