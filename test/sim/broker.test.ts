/**
 * The whole broker among clients that keep the rules, links that stall, cut and deliver in pieces,
 * and a store that is late.
 *
 * Goal: whatever happens, each message that was acknowledged arrives at every subscriber as its QoS
 * promises and in order, nothing else does, no acknowledgement precedes what it promises, and what
 * the broker keeps, counts, remembers and tells its store agrees.
 * Method: the real `Broker`; seventeen clients of all versions, whose sessions last or do not, with
 * overlapping and shared subscriptions, retained messages, Wills and whims. One seeded generator
 * decides everything; faults stop after a while, and from there the run must come to rest. Limits
 * are small: identifiers wrap, windows fill, remembered routes are dropped.
 *
 * Replay a failure with SEED=n; search with SEEDS=n.
 */
import { describe, expect, it } from "vitest";
import { seeds } from "../support/seeds.ts";
import { SESSION_SECONDS, SimWorld } from "./broker/sim-world.ts";
import {
  expectCopies,
  expectCounted,
  expectDelivered,
  expectKept,
  expectNothingUnasked,
  expectRetained,
  expectRoutes,
  expectShared,
  expectStored,
  expectWills,
} from "./broker/verdict.ts";

const FAULTY_TICKS = 1_500;
const TICKS_MAX = 20_000;

describe.each(seeds(6))("the broker among faults, seed %i", (seed) => {
  it("keeps what it promises", () => {
    const world = new SimWorld(seed);
    const isSubscribed = () =>
      world.clients.every((client) => client.isSubscribed || !client.plan.lasts);
    until(world, isSubscribed, "everybody subscribes");
    world.isReady = true;
    for (let tick = 0; tick < FAULTY_TICKS; tick++) {
      world.tick();
      if (tick % 50 === 0) expectAgreement(world);
    }
    world.isFaulty = false;
    until(
      world,
      () => world.clients.every(({ isAtRest }) => isAtRest) && sessionsAreIdle(world),
      "all comes to rest",
    );
    expectAgreement(world);
    expectDelivered(world);
    expectShared(world);
    expectCopies(world);
    expectNothingUnasked(world);
    expectWills(world);
    expectRetained(world);
    expectLeftClean(world);
  });
});

/** What must hold at any time between turns. */
function expectAgreement(world: SimWorld): void {
  expectKept(world);
  expectRoutes(world);
  expectStored(world);
  expectCounted(world);
}

/** When the last client has gone and the last session has expired, nothing is left of them. */
function expectLeftClean(world: SimWorld): void {
  const { broker, clients } = world;
  const [observer, ...others] = clients;
  others.forEach((client, i) => {
    if (i % 2 === 0) client.leaveForGood();
    else client.vanish();
  });
  until(world, () => broker.connectionCount === 1, "everybody leaves");
  // Each session that is left waits for its end, and nothing else waits for anything.
  const updates = broker.settings.sysInterval > 0 ? 1 : 0;
  expect(broker.deadlines.size).toBe(broker.sessions.count - 1 + updates);
  world.pass(SESSION_SECONDS * 1000);
  // What their sessions' ends brought, the observer gets and acknowledges.
  until(world, () => observer!.isAtRest && sessionsAreIdle(world), "the last is served");
  expectWills(world);
  observer!.leaveForGood();
  until(world, () => broker.connectionCount === 0, "the last leaves");
  expectAgreement(world);
  expect(broker.sessions.count).toBe(0);
  expect(broker.deadlines.size).toBe(updates);
  let retained = 0;
  broker.retained.forEach(() => void retained++);
  expect(broker.kept.count).toBe(retained);
}

function sessionsAreIdle({ broker }: SimWorld): boolean {
  return [...broker.sessions.values()].every(({ outgoing }) => outgoing.idle);
}

function until(world: SimWorld, isDone: () => boolean, what: string): void {
  for (let tick = 0; !isDone(); tick++) {
    world.tick();
    if (tick > TICKS_MAX) expect.fail(`${what} in ${TICKS_MAX} ticks`);
  }
}
