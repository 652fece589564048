import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Prng } from "../../../../src/core/base/prng.ts";
import { DurableWorld } from "../../../support/durable-world.ts";
import type { ScriptedClient } from "../../../support/scripted-client.ts";
import { seeds } from "../../../support/seeds.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "mosquitto.sqlite3");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const STAYS = { cleanStart: false, properties: { sessionExpiryInterval: 3600 } };

/** A client that comes back to its session; its CONNACK is taken. */
function comeBack(durable: DurableWorld, clientId: string, present = true): ScriptedClient {
  const client = durable.connect({ clientId, ...STAYS });
  const [connack] = client.received();
  expect(connack ?? client.connack).toMatchObject({ sessionPresent: present });
  return client;
}

/** A client of a stored session that has subscribed. */
function subscriber(durable: DurableWorld, clientId: string, filter: string, qos: 0 | 1 | 2) {
  const client = comeBack(durable, clientId, false);
  client.subscribe(filter, qos);
  durable.settle();
  client.take();
  return client;
}

describe("a session", () => {
  it("is there with its subscriptions and all their options", () => {
    const durable = new DurableWorld(path);
    const client = comeBack(durable, "reader", false);
    const filters = ["a/+", "$share/g/b", "c/#"];
    const wanted = [
      { filter: "a/+", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
      { filter: "$share/g/b", qos: 1 },
      { filter: "c/#", qos: 0, retainHandling: 1 },
      { filter: "gone", qos: 0 },
    ] as const;
    client.subscribe(wanted, 0, { subscriptionIdentifiers: [268_435_455] });
    client.unsubscribe("gone");
    durable.settle();
    const before = durable.broker.sessions.get("reader")!.subscriptions;
    const options = filters.map((filter) => ({ ...before.get(filter), session: null }));
    const after = durable.restart();
    const session = after.broker.sessions.get("reader")!;
    expect([...session.subscriptions.keys()].sort()).toEqual([...filters].sort());
    for (const [i, filter] of filters.entries()) {
      expect({ ...session.subscriptions.get(filter), session: null }).toEqual(options[i]);
    }
    expect(session.subscriptions.get("$share/g/b")!.share).toBe("g");
    after.store.database.close();
  });

  it("ends when its time is over, counted from when its client went", () => {
    const durable = new DurableWorld(path);
    const client = durable.connect({
      clientId: "reader",
      cleanStart: false,
      properties: { sessionExpiryInterval: 100 },
    });
    client.drop();
    durable.settle();
    const after = durable.restart(60_000);
    after.world.pass(38_000);
    expect(after.broker.sessions.get("reader")).toBeDefined();
    after.world.pass(3_000);
    expect(after.broker.sessions.get("reader")).toBeUndefined();
    after.settle();
    expect(after.rows("clients")).toEqual([]);
    after.store.database.close();
  });

  it("ends at once when its time was over before the start", () => {
    const durable = new DurableWorld(path);
    durable
      .connect({ clientId: "r", cleanStart: false, properties: { sessionExpiryInterval: 9 } })
      .drop();
    durable.settle();
    const after = durable.restart(60_000);
    after.world.pass(1);
    after.settle();
    expect(after.rows("clients")).toEqual([]);
    after.store.database.close();
  });

  it("has all of its time again when its client was there at the crash", () => {
    const durable = new DurableWorld(path);
    durable.connect({ clientId: "r", cleanStart: false, properties: { sessionExpiryInterval: 9 } });
    durable.settle();
    const after = durable.restart(60_000);
    after.world.pass(8_900);
    expect(after.broker.sessions.get("r")).toBeDefined();
    after.world.pass(200);
    expect(after.broker.sessions.get("r")).toBeUndefined();
    after.store.database.close();
  });

  it("leaves nothing behind when a clean start ends it", () => {
    const durable = new DurableWorld(path);
    subscriber(durable, "reader", "a", 1).drop();
    durable.world.client().publish("a", "owed", { qos: 1 });
    durable.settle();
    const after = durable.restart();
    after.world.client({ clientId: "reader" });
    after.settle();
    for (const table of ["clients", "subscriptions", "client_msgs", "base_msgs", "wills"]) {
      expect(after.rows(table), table).toEqual([]);
    }
    after.store.database.close();
  });
});

describe("a message that is owed", () => {
  it("comes with what it had, and goes with its acknowledgement", () => {
    const durable = new DurableWorld(path);
    subscriber(durable, "reader", "a", 2).drop();
    const properties = { contentType: "c", userProperties: [["a", "1"]] as [string, string][] };
    const writer = durable.world.client();
    writer.publish("a", "one", { qos: 1, properties });
    writer.publish("a", "two", { qos: 2 });
    writer.pubrel(2);
    durable.settle();
    writer.publish("a", "three", { qos: 1 });
    durable.settle();
    const after = durable.restart();
    expect(after.broker.sessions.get("reader")!.waitingCount).toBe(3);
    expect(after.broker.kept.count).toBe(3);
    const client = comeBack(after, "reader");
    after.settle();
    const publishes = client.takePublishes();
    expect(publishes.map(({ payload, qos, dup }) => [`${payload}`, qos, dup])).toEqual([
      ["one", 1, false],
      ["two", 2, false],
      ["three", 1, false],
    ]);
    expect(publishes[0]!.properties).toMatchObject(properties);
    client.puback(publishes[0]!.packetId);
    client.pubrec(publishes[1]!.packetId);
    after.settle();
    client.pubcomp(publishes[1]!.packetId);
    client.puback(publishes[2]!.packetId);
    after.settle();
    expect([after.rows("client_msgs"), after.rows("base_msgs")]).toEqual([[], []]);
    expect(after.broker.kept.count).toBe(0);
    after.store.database.close();
  });

  it("goes on where its exchange was: repeated, or released", () => {
    const durable = new DurableWorld(path);
    const client = subscriber(durable, "reader", "a", 2);
    const writer = durable.world.client();
    for (const text of ["one", "two"]) writer.publish("a", text, { qos: 2 });
    writer.pubrel(1);
    writer.pubrel(2);
    writer.publish("a", "three", { qos: 1 });
    durable.settle();
    const sent = client.takePublishes();
    expect(sent.map(({ payload }) => `${payload}`)).toEqual(["one", "two", "three"]);
    client.pubrec(sent[0]!.packetId);
    durable.settle();
    expect(client.take()).toMatchObject([{ type: "pubrel", packetId: sent[0]!.packetId }]);
    const after = durable.restart();
    const again = comeBack(after, "reader");
    after.settle();
    const packets = again.take().filter(({ type }) => type !== "connack");
    expect(packets).toMatchObject([
      { type: "pubrel", packetId: sent[0]!.packetId },
      { type: "publish", packetId: sent[1]!.packetId, dup: true, qos: 2 },
      { type: "publish", packetId: sent[2]!.packetId, dup: true, qos: 1 },
    ]);
    // An identifier in use is not given out again.
    after.world.client().publish("a", "four", { qos: 1 });
    after.settle();
    const [four] = again.takePublishes();
    expect(sent.map(({ packetId }) => packetId)).not.toContain(four!.packetId);
    after.store.database.close();
  });

  it("is dropped when it has expired meanwhile", () => {
    const durable = new DurableWorld(path);
    subscriber(durable, "reader", "a", 1).drop();
    const writer = durable.world.client();
    writer.publish("a", "short", { qos: 1, properties: { messageExpiryInterval: 30 } });
    writer.publish("a", "long", { qos: 1, properties: { messageExpiryInterval: 300 } });
    durable.settle();
    const after = durable.restart(100_000);
    const client = comeBack(after, "reader");
    after.settle();
    const publishes = client.takePublishes();
    expect(publishes.map(({ payload }) => `${payload}`)).toEqual(["long"]);
    const left = publishes[0]!.properties.messageExpiryInterval!;
    expect(left).toBeLessThanOrEqual(200);
    expect(left).toBeGreaterThan(190);
    client.puback(publishes[0]!.packetId);
    after.settle();
    expect([after.rows("client_msgs"), after.rows("base_msgs")]).toEqual([[], []]);
    after.store.database.close();
  });
});

describe("a message taken over at QoS 2", () => {
  it("is held until its PUBREL, and a repeat is known", () => {
    const durable = new DurableWorld(path);
    subscriber(durable, "reader", "a", 1).drop();
    const writer = comeBack(durable, "writer", false);
    writer.publish("a", "half", { qos: 2, packetId: 7, properties: { contentType: "c" } });
    durable.settle();
    expect(writer.take().at(-1)).toMatchObject({ type: "pubrec", packetId: 7 });
    const after = durable.restart();
    const again = comeBack(after, "writer");
    again.publish("a", "half", { qos: 2, packetId: 7, dup: true });
    after.settle();
    expect(again.take().at(-1)).toMatchObject({ type: "pubrec", packetId: 7, reasonCode: 0 });
    again.pubrel(7);
    after.settle();
    expect(again.take()).toMatchObject([{ type: "pubcomp", packetId: 7 }]);
    const reader = comeBack(after, "reader");
    after.settle();
    expect(reader.takePayloads()).toEqual(["half"]);
    expect(after.rows("SELECT * FROM client_msgs WHERE direction = 0")).toEqual([]);
    after.store.database.close();
  });

  it("makes room in the store for another under its identifier", () => {
    const durable = new DurableWorld(path);
    const writer = comeBack(durable, "writer", false);
    writer.publish("a", "first", { qos: 2, packetId: 7 });
    durable.settle();
    writer.publish("a", "second", { qos: 2, packetId: 7 });
    durable.settle();
    const payloads = "SELECT CAST(payload AS TEXT) AS payload FROM base_msgs";
    expect(durable.rows(payloads)).toEqual([{ payload: "second" }]);
    expect(durable.rows("client_msgs")).toMatchObject([{ direction: 0, mid: 7 }]);
    writer.pubrel(7);
    durable.settle();
    expect([durable.rows("client_msgs"), durable.rows("base_msgs")]).toEqual([[], []]);
    durable.store.database.close();
  });
});

describe("a Will", () => {
  const will = { topic: "w", payload: "gone", qos: 1, retain: true } as const;

  it("goes out after a crash when its delay is over", () => {
    const durable = new DurableWorld(path);
    subscriber(durable, "reader", "w", 1).drop();
    durable.connect({
      clientId: "mortal",
      ...STAYS,
      will: { ...will, properties: { willDelayInterval: 20, contentType: "c" } },
    });
    durable.settle();
    const after = durable.restart();
    after.world.pass(19_000);
    expect(after.broker.sessions.get("reader")!.waitingCount).toBe(0);
    after.world.pass(2_000);
    after.settle();
    const reader = comeBack(after, "reader");
    after.settle();
    expect(reader.takePublishes()).toMatchObject([
      { topic: "w", qos: 1, properties: { contentType: "c" } },
    ]);
    expect(after.rows("wills")).toEqual([]);
    after.store.database.close();
  });

  it("that was waiting goes on waiting, not longer", () => {
    const durable = new DurableWorld(path);
    durable
      .connect({
        clientId: "mortal",
        ...STAYS,
        will: { ...will, properties: { willDelayInterval: 20 } },
      })
      .drop();
    durable.settle();
    const after = durable.restart(15_000);
    after.world.pass(4_000);
    expect(after.broker.retained.get("w")).toBeUndefined();
    after.world.pass(2_000);
    expect(after.broker.retained.get("w")).toBeDefined();
    after.settle();
    const last = after.restart();
    expect(last.rows("wills")).toEqual([]);
    const { bytes, start } = last.broker.retained.get("w")!;
    expect(bytes.toString("utf8", start)).toBe("gone");
    last.store.database.close();
  });

  it("does not go out when its client comes back in time", () => {
    const durable = new DurableWorld(path);
    durable.connect({
      clientId: "mortal",
      ...STAYS,
      will: { ...will, properties: { willDelayInterval: 20 } },
    });
    durable.settle();
    const after = durable.restart();
    comeBack(after, "mortal");
    after.settle();
    after.world.pass(60_000);
    expect(after.broker.retained.get("w")).toBeUndefined();
    expect(after.rows("wills")).toEqual([]);
    after.store.database.close();
  });
});

describe("retained messages", () => {
  it("are there, the last of each topic, and none of $SYS", () => {
    const durable = new DurableWorld(path, { settings: { sysInterval: 10 } });
    const writer = durable.world.client();
    durable.world.pass(30_000);
    for (const text of ["1", "2", "3"]) {
      for (const topic of ["a", "007", "b"]) writer.publish(topic, text, { qos: 1, retain: true });
      durable.settle();
    }
    writer.publish("b", "", { retain: true });
    durable.settle();
    const after = durable.restart();
    expect(after.state.retained.map(({ topic, payload }) => `${topic}=${payload}`)).toEqual([
      "a=3",
      "007=3",
    ]);
    expect(after.rows("base_msgs")).toHaveLength(2);
    after.store.database.close();
  });
});

/** What a restart must not change. */
function stateOf({ broker }: DurableWorld): string[] {
  const lines: string[] = [];
  for (const session of broker.sessions.values()) {
    if (!session.isDurable) continue;
    const { clientId, outgoing, incoming, parked, expiryInterval } = session;
    const owed = [...outgoing.deliveries()].length + parked.count;
    lines.push(`session ${clientId} ${expiryInterval} owes ${owed}`);
    for (const { filter, qos } of session.subscriptions.values()) {
      lines.push(`subscription ${clientId} ${filter} ${qos}`);
    }
    for (const [packetId, { topic }] of incoming.entries()) {
      lines.push(`incoming ${clientId} ${packetId} ${topic.name}`);
    }
  }
  broker.retained.forEach(({ topic, bytes, start, end }) => {
    lines.push(`retained ${topic.name} ${bytes.toString("utf8", start, end)}`);
  });
  return lines.sort();
}

const READERS = ["c0", "c1", "c2"];

/** Three readers that come and go, a writer, and a broker that crashes now and then. */
class RandomLife {
  durable: DurableWorld;
  /** Payloads that each reader has seen, in the order in which it saw them first. */
  readonly seen = new Map(READERS.map((name) => [name, new Set<number>()]));
  sent = 0;
  private readonly prng: Prng;
  private readonly clients = new Map<string, ScriptedClient>();
  private writer: ScriptedClient;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    // Every other one keeps next to nothing of a queue in memory.
    const few = { queueInMemoryMax: 3, queueInMemoryBytesMax: 1_000, queueFetchBelow: 2 };
    this.durable = new DurableWorld(path, { settings: seed % 2 === 0 ? few : {} });
    this.writer = this.durable.world.client({ clientId: "writer" });
    for (const name of READERS) this.come(name);
    this.durable.settle();
  }

  step(): void {
    const { prng, clients } = this;
    const name = prng.pick(READERS);
    const isThere = clients.has(name);
    const dice = prng.between(0, 19);
    if (dice < 9) this.publish(dice === 0);
    else if (dice < 12 && isThere) this.take(name, true);
    else if (dice < 13 && isThere) this.take(name, false);
    else if (dice < 15 && isThere) this.go(name);
    else if (dice < 17 && !isThere) this.come(name);
    else if (dice < 19) this.durable.settle();
    else this.crash();
  }

  /** Everybody comes back and takes what there is. */
  finish(): void {
    for (const name of [...this.clients.keys()]) this.go(name);
    for (const name of READERS) this.come(name);
    for (let round = 0; round < 100; round++) {
      this.durable.settle();
      for (const name of READERS) this.take(name, true);
    }
    this.durable.settle();
  }

  private publish(retain: boolean): void {
    const qos = this.prng.pick([1, 2] as const);
    const topic = `a/${this.prng.between(0, 2)}`;
    const packetId = this.writer.publish(topic, `${++this.sent}`, { qos, retain });
    if (qos === 2) this.writer.pubrel(packetId);
  }

  private take(name: string, isAnswering: boolean): void {
    const client = this.clients.get(name)!;
    for (const packet of client.take()) {
      if (packet.type === "pubrel") client.pubcomp(packet.packetId);
      if (packet.type !== "publish") continue;
      // A repeat may be the first that the client sees of it.
      this.seen.get(name)!.add(Number(packet.payload));
      if (isAnswering && packet.qos === 1) client.puback(packet.packetId);
      if (isAnswering && packet.qos === 2) client.pubrec(packet.packetId);
    }
  }

  private come(name: string): void {
    const client = this.durable.connect({ clientId: name, ...STAYS });
    this.clients.set(name, client);
    const { subscriptions } = this.durable.broker.sessions.get(name)!;
    if (!subscriptions.has("a/#")) client.subscribe("a/#", 2);
  }

  private go(name: string): void {
    this.take(name, true);
    this.clients.get(name)!.drop();
    this.clients.delete(name);
  }

  private crash(): void {
    this.durable.settle();
    for (const name of this.clients.keys()) this.take(name, false);
    this.durable.settle();
    const before = stateOf(this.durable);
    this.durable = this.durable.restart();
    expect(stateOf(this.durable)).toEqual(before);
    this.clients.clear();
    this.writer = this.durable.world.client({ clientId: "writer" });
  }
}

describe.each(seeds(12))("a random life (%i)", (seed) => {
  it("goes on after each crash as it was, and each reader gets all in order", () => {
    const life = new RandomLife(seed);
    for (let step = 0; step < 120; step++) life.step();
    life.finish();
    const all = Array.from({ length: life.sent }, (_, i) => i + 1);
    for (const name of READERS) expect([...life.seen.get(name)!]).toEqual(all);
    const { durable } = life;
    expect(durable.rows("client_msgs")).toEqual([]);
    expect(durable.rows("base_msgs")).toHaveLength(durable.rows("retains").length);
    durable.store.database.close();
  });
});
