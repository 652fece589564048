/**
 * Loops and honest traffic through several real brokers, joined by bridges of the tests' own.
 *
 * Goal: a loop is cut after a bounded number of rounds, whoever of the brokers watches, and the log
 * names both connections; whatever is published arrives everywhere, in a loop or not; and where
 * there is no loop, nothing is lost, reordered or held for long.
 * Method: real brokers in one time; bridges that take time for each message. Brokers that do not
 * watch stand for those of others, to which a message is as good the second time as the first.
 *
 * Replay a failure with SEED=n; search with SEEDS=n.
 */
import { describe, expect, it } from "vitest";
import type { Qos, Version } from "../../src/core/codec/packets.ts";
import { BridgedWorld, type Listener } from "../support/bridged-world.ts";
import { seeds } from "../support/seeds.ts";

const BLIND = { settings: { loopRepeats: 0 } };
/** Milliseconds without any message on a bridge: longer than anything is held. */
const QUIET_MS = 12_000;

/** Brokers by the letters of `names`, of which only those in `watching` watch. */
function worldOf(names: string, watching: string, seed: number): BridgedWorld {
  const world = new BridgedWorld(seed);
  for (const name of names) world.broker(name, watching.includes(name) ? {} : BLIND);
  return world;
}

/** Waits until nothing circles any more. @returns Whether it comes to that. */
function comesToRest(world: BridgedWorld, msMax: number): boolean {
  world.pass(QUIET_MS);
  return world.passUntil(() => world.hopsSince(world.now - QUIET_MS) === 0, msMax + QUIET_MS);
}

/** Messages of `count` that `listener` has never got. */
function missing(listener: Listener, count: number): string[] {
  const got = new Set(listener.payloads());
  return Array.from({ length: count }, (_, i) => `v${i}`).filter((payload) => !got.has(payload));
}

interface Case {
  readonly watching: string;
  readonly qos: Qos;
  readonly version: Version;
  readonly latencyMs: number;
}

const CASES: readonly Case[] = [
  ...(["A", "B"] as const).flatMap((watching) =>
    ([0, 1, 2] as const).map((qos): Case => ({ watching, qos, version: 4, latencyMs: 5 })),
  ),
  ...([0, 1, 2] as const).map((qos): Case => ({ watching: "A", qos, version: 5, latencyMs: 7 })),
  { watching: "A", qos: 1, version: 3, latencyMs: 20 },
  { watching: "A", qos: 0, version: 4, latencyMs: 1 },
  { watching: "A", qos: 1, version: 4, latencyMs: 100 },
  { watching: "A", qos: 0, version: 5, latencyMs: 240 },
  { watching: "A", qos: 2, version: 4, latencyMs: 60 },
  { watching: "AB", qos: 1, version: 4, latencyMs: 5 },
  { watching: "AB", qos: 2, version: 5, latencyMs: 5 },
];

describe.each(seeds(2))("two brokers joined twice, seed %i", (seed) => {
  it.each(CASES)(
    "go round no more: $watching watching, QoS $qos, version $version, $latencyMs ms",
    ({ watching, qos, version, latencyMs }) => {
      const world = worldOf("AB", watching, seed);
      world.bridge("A", "B", { latencyMs, qos, version, name: "one" });
      world.bridge("A", "B", { latencyMs: latencyMs * 1.3, qos, version, name: "two" });
      const readers = [world.listen("A"), world.listen("B")];
      for (let i = 0; i < 10; i++) {
        world.publish(i % 2 === 0 ? "A" : "B", `t/${i % 2}`, `v${i}`, { qos });
        world.pass(500);
      }
      expect(comesToRest(world, 60_000)).toBe(true);
      const [line] = world.logged(/^Warning: Messages loop between bridge connections/);
      expect(line).toMatch(/connections (one\.\w+ and two|two\.\w+ and one)/);
      for (const reader of readers) expect(missing(reader, 10)).toEqual([]);
      // What comes later on the same topics goes round at most once more.
      const before = world.now;
      for (let i = 10; i < 20; i++) {
        world.publish("A", `t/${i % 2}`, `v${i}`, { qos });
        world.pass(1_500);
      }
      world.pass(QUIET_MS);
      for (const reader of readers) expect(missing(reader, 20)).toEqual([]);
      expect(world.hopsSince(before)).toBeLessThanOrEqual(10 * 8);
    },
  );
});

describe.each(seeds(1))("three brokers in a ring, seed %i", (seed) => {
  it.each(["A", "AB", "ABC"])("go round no more, %s watching", (watching) => {
    const world = worldOf("ABC", watching, seed);
    world.bridge("A", "B", { latencyMs: 5, name: "ab" });
    world.bridge("B", "C", { latencyMs: 9, name: "bc" });
    world.bridge("C", "A", { latencyMs: 13, name: "ca" });
    const readers = ["A", "B", "C"].map((name) => world.listen(name));
    for (let i = 0; i < 12; i++) {
      world.publish("ABC"[i % 3]!, "t", `v${i}`);
      world.pass(500);
    }
    expect(comesToRest(world, 90_000)).toBe(true);
    expect(world.logged(/^Warning: Messages loop between/).length).toBeGreaterThan(0);
    for (const reader of readers) expect(missing(reader, 12)).toEqual([]);
  });
});

describe("two brokers joined three times", () => {
  it("go round no more, though each round doubles the messages", { timeout: 60_000 }, () => {
    const world = worldOf("AB", "A", 3);
    world.bridge("A", "B", { latencyMs: 20, name: "one" });
    world.bridge("A", "B", { latencyMs: 24, name: "two" });
    world.bridge("B", "A", { latencyMs: 30, name: "three" });
    const reader = world.listen("B");
    world.publish("A", "t", "v0");
    expect(comesToRest(world, 10_000)).toBe(true);
    expect(world.logged(/^Warning: Messages loop between/)).toHaveLength(3);
    const before = world.now;
    world.publish("A", "t", "v1");
    world.pass(5_000);
    expect(world.hopsSince(before)).toBeLessThan(20);
    expect(missing(reader, 2)).toEqual([]);
  });
});

describe.each(seeds(1))("a chain of brokers that all watch, seed %i", (seed) => {
  it.each([10, 100, 300])("loses, reorders and doubles nothing, beats of %i ms", (periodMs) => {
    const world = worldOf("ABCD", "ABCD", seed);
    for (const [from, to] of ["AB", "BC", "CD"])
      world.bridge(from!, to!, { latencyMs: 20, qos: 1 });
    const readers = ["B", "C", "D"].map((name) => world.listen(name));
    const sentAt: number[] = [];
    const count = Math.floor(40_000 / periodMs);
    world.every(periodMs, count, (turn) => {
      sentAt.push(world.now);
      world.publish("A", "beat", "ON", { qos: 1 });
      world.publish("A", "order", String(turn), { qos: 1 });
    });
    world.pass(40_000 + QUIET_MS);
    expect(world.logged(/Warning/)).toEqual([]);
    expect(world.logged(/repeat themselves/).length).toBeGreaterThan(0);
    for (const reader of readers) {
      expect(reader.count("ON")).toBe(count);
      const order = reader.arrivals.filter(({ topic }) => topic === "order");
      expect(order.map(({ payload }) => Number(payload))).toEqual(sentAt.map((_, i) => i));
      const delays = order.map(({ at }, i) => at - sentAt[i]!);
      expect(Math.max(...delays)).toBeLessThan(6_000);
    }
  });

  it("takes no answers for echoes where each question follows the answer before", () => {
    const world = worldOf("ABC", "ABC", seed);
    world.bridge("A", "B", { latencyMs: 8, qos: 1 });
    world.bridge("B", "C", { latencyMs: 8, qos: 1 });
    const device = world.brokers.get("C")!.client({ version: 4 });
    const control = world.brokers.get("A")!.client({ version: 4 });
    device.subscribe("ask");
    control.subscribe("answer");
    let asked = 1;
    let answered = 0;
    world.watch(() => {
      const questions = device.takePublishes().length;
      const answers = control.takePublishes().length;
      answered += answers;
      for (let i = 0; i < questions; i++) device.publish("answer", "!");
      for (let i = 0; i < answers && world.now < 30_000; i++) {
        asked++;
        control.publish("ask", "?");
      }
      return questions + answers > 0;
    });
    control.publish("ask", "?");
    world.pass(40_000);
    expect(asked).toBeGreaterThan(200);
    expect(answered).toBe(asked);
    expect(world.logged(/Warning/)).toEqual([]);
  });
});
