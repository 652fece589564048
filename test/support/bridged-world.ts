/**
 * Several real brokers in one time, joined by bridges that are no more than a client on either
 * side.
 *
 *     const world = new BridgedWorld();
 *     world.broker("north");
 *     world.broker("south", { settings: { loopRepeats: 0 } });      // as a broker that watches not
 *     const first = world.bridge("north", "south", { latencyMs: 5 });
 *     const reader = world.listen("south", "t/#");
 *     world.publish("north", "t/a", "hello", { qos: 1 });
 *     world.pass(1_000);
 *     expect(reader.payloads()).toEqual(["hello"]);
 *
 * A bridge is known as one by its CONNECT on both sides, and gets nothing back that it sent there.
 * What it is sent it answers at once and has at the other side after its latency, at the QoS it
 * came at. `hops` are the messages it has carried.
 */
import type { Qos, Version } from "../../src/core/codec/packets.ts";
import { BrokerWorld, type WorldOptions } from "./broker-world.ts";
import type { PublishOptions, PublishPacket, ScriptedClient, Wanted } from "./scripted-client.ts";

export interface BridgeOptions {
  /** Milliseconds that a message takes from one side to the other. */
  readonly latencyMs?: number;
  readonly version?: Version;
  readonly qos?: Qos;
  /** What goes to the second broker, and what comes from it. Left out: everything. */
  readonly out?: readonly string[];
  readonly in?: readonly string[];
  /** What the connections are called: NAME.near at the first broker, NAME.far at the second. */
  readonly name?: string;
  /** Says nothing of being a bridge. */
  readonly isSilent?: boolean;
}

/** A message that a bridge took up. */
export interface Hop {
  readonly at: number;
  readonly from: string;
  readonly topic: string;
  readonly payload: string;
}

export interface Arrival {
  readonly at: number;
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  readonly retain: boolean;
}

interface Side {
  readonly broker: string;
  readonly client: ScriptedClient;
}

export class TestBridge {
  readonly hops: Hop[] = [];
  readonly name: string;
  latencyMs: number;
  /** What it does not carry, from either side. */
  drops: (message: PublishPacket, from: string) => boolean = () => false;
  private readonly world: BridgedWorld;
  private readonly sides: readonly [Side, Side];

  constructor(world: BridgedWorld, name: string, latencyMs: number, sides: readonly [Side, Side]) {
    this.world = world;
    this.name = name;
    this.latencyMs = latencyMs;
    this.sides = sides;
  }

  get near(): ScriptedClient {
    return this.sides[0].client;
  }

  get far(): ScriptedClient {
    return this.sides[1].client;
  }

  /** Messages taken up since `at`. */
  hopsSince(at: number): number {
    let count = 0;
    for (let i = this.hops.length - 1; i >= 0 && this.hops[i]!.at >= at; i--) count++;
    return count;
  }

  /** Takes what has come on either side. @returns Whether there was anything. */
  collect(): boolean {
    const [near, far] = this.sides;
    const hasNear = this.take(near, far);
    return this.take(far, near) || hasNear;
  }

  private take({ broker, client }: Side, { client: to }: Side): boolean {
    const packets = client.take();
    for (const packet of packets) {
      const { now } = this.world;
      if (packet.type === "pubrec") {
        // As if the broker that answers were as far away as the other.
        this.world.at(now + 2 * this.latencyMs, () => client.pubrel(packet.packetId));
      }
      if (packet.type !== "publish") continue;
      const { topic, payload, qos, retain, properties } = packet;
      this.hops.push({ at: now, from: broker, topic, payload: payload.toString() });
      if (this.drops(packet, broker)) continue;
      this.world.at(now + this.latencyMs, () => {
        if (!to.closed) to.publish(topic, payload, { qos, retain, properties });
      });
    }
    return packets.length > 0;
  }
}

/** A client that notes what it is sent, and when. */
export class Listener {
  readonly arrivals: Arrival[] = [];
  private readonly world: BridgedWorld;
  private readonly client: ScriptedClient;

  constructor(world: BridgedWorld, client: ScriptedClient) {
    this.world = world;
    this.client = client;
  }

  payloads(): string[] {
    return this.arrivals.map(({ payload }) => payload);
  }

  /** How often this payload came. */
  count(payload: string): number {
    return this.arrivals.filter((arrival) => arrival.payload === payload).length;
  }

  collect(): boolean {
    const packets = this.client.take();
    for (const packet of packets) {
      if (packet.type !== "publish") continue;
      const { topic, qos, retain } = packet;
      const payload = packet.payload.toString();
      this.arrivals.push({ at: this.world.now, topic, payload, qos, retain });
    }
    return packets.length > 0;
  }
}

interface Event {
  readonly at: number;
  readonly act: () => void;
}

/** What is to happen, by time: what was told first of what is to happen at once comes first. */
class Agenda {
  /** Times there are, in a heap, and what is to happen then. */
  private readonly times: number[] = [];
  private readonly acts = new Map<number, (() => void)[]>();

  get next(): number {
    return this.times[0] ?? Number.POSITIVE_INFINITY;
  }

  add({ at, act }: Event): void {
    const same = this.acts.get(at);
    if (same !== undefined) {
      same.push(act);
      return;
    }
    this.acts.set(at, [act]);
    const { times } = this;
    let place = times.push(at) - 1;
    while (place > 0 && times[(place - 1) >> 1]! > at) {
      times[place] = times[(place - 1) >> 1]!;
      place = (place - 1) >> 1;
    }
    times[place] = at;
  }

  /** Takes out what comes next. */
  take(): readonly (() => void)[] {
    const { times } = this;
    const at = times[0]!;
    const last = times.pop()!;
    if (times.length > 0) this.sink(last);
    const acts = this.acts.get(at) ?? [];
    this.acts.delete(at);
    return acts;
  }

  private sink(at: number): void {
    const { times } = this;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= times.length) break;
      if (child + 1 < times.length && times[child + 1]! < times[child]!) child++;
      if (times[child]! >= at) break;
      times[place] = times[child]!;
      place = child;
    }
    times[place] = at;
  }
}

export class BridgedWorld {
  readonly brokers = new Map<string, BrokerWorld>();
  readonly bridges: TestBridge[] = [];
  now = 0;
  private readonly seed: number;
  private readonly listeners: Listener[] = [];
  private readonly publishers = new Map<string, ScriptedClient>();
  private readonly agenda = new Agenda();
  private readonly watches: (() => boolean)[] = [];

  constructor(seed = 1) {
    this.seed = seed;
  }

  broker(name: string, options: WorldOptions = {}): BrokerWorld {
    const { settings, ...others } = options;
    const world = new BrokerWorld({
      seed: this.seed * 100 + this.brokers.size,
      // A bridge of these takes what comes.
      settings: { maxInflightMessages: 0, ...settings },
      ...others,
    });
    world.pass(this.now);
    this.brokers.set(name, world);
    return world;
  }

  at(time: number, act: () => void): void {
    this.agenda.add({ at: time, act });
  }

  /** Has `look` called whenever something may have happened. It says whether it did something. */
  watch(look: () => boolean): void {
    this.watches.push(look);
  }

  /** Does `act` every `ms` milliseconds, `count` times, from now on. */
  every(ms: number, count: number, act: (turn: number) => void): void {
    for (let turn = 0; turn < count; turn++) this.at(this.now + turn * ms, () => act(turn));
  }

  bridge(from: string, to: string, options: BridgeOptions = {}): TestBridge {
    const { latencyMs = 5, version = 4, qos = 0, name = `bridge-${this.bridges.length}` } = options;
    const isMarked = options.isSilent !== true;
    const side = (broker: string, end: string, filters: readonly string[]): Side => {
      const client = this.world(broker).client({
        version,
        bridge: isMarked && version !== 5,
        clientId: `${name}.${end}`,
        ...(version === 5 && isMarked && { properties: { userProperties: [["bridge", name]] } }),
      });
      client.acknowledges = true;
      const isOwn = version === 5;
      const wanted = (filter: string): Wanted => ({
        filter,
        qos,
        noLocal: isOwn,
        retainAsPublished: isOwn,
      });
      if (filters.length > 0) client.subscribe(filters.map(wanted));
      return { broker, client };
    };
    const near = side(from, "near", options.out ?? ["#"]);
    const far = side(to, "far", options.in ?? ["#"]);
    const bridge = new TestBridge(this, name, latencyMs, [near, far]);
    this.bridges.push(bridge);
    return bridge;
  }

  listen(broker: string, filter = "#", qos: Qos = 2): Listener {
    const client = this.world(broker).client({ clientId: `listener-${this.listeners.length}` });
    client.acknowledges = true;
    client.subscribe(filter, qos);
    const listener = new Listener(this, client);
    this.listeners.push(listener);
    return listener;
  }

  /** Publishes at `broker`, by a client that is there for that. */
  publish(broker: string, topic: string, payload: string, options: PublishOptions = {}): void {
    let client = this.publishers.get(broker);
    if (client === undefined) {
      client = this.world(broker).client({ clientId: `publisher of ${broker}`, version: 4 });
      this.publishers.set(broker, client);
    }
    client.publish(topic, payload, options);
    for (const packet of client.take()) {
      if (packet.type === "pubrec") client.pubrel(packet.packetId);
    }
    client.take();
  }

  /** Lets `ms` milliseconds pass, with all that happens in them. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.collect();
      const next = Math.min(this.agenda.next, this.nextDeadline);
      if (next > end) break;
      this.advance(Math.max(this.now, next));
      if (this.agenda.next <= this.now) for (const act of this.agenda.take()) act();
    }
    this.advance(end);
    this.collect();
  }

  /** Lets time pass until `isSo`, at most `msMax`. @returns Whether it came to be. */
  passUntil(isSo: () => boolean, msMax: number): boolean {
    const end = this.now + msMax;
    while (!isSo()) {
      if (this.now >= end) return false;
      this.pass(10);
    }
    return true;
  }

  /** Messages that all bridges took up since `at`. */
  hopsSince(at: number): number {
    return this.bridges.reduce((sum, bridge) => sum + bridge.hopsSince(at), 0);
  }

  /** What all brokers have logged that matches. */
  logged(pattern: RegExp): string[] {
    return [...this.brokers.values()].flatMap((world) => world.logged(pattern));
  }

  private world(name: string): BrokerWorld {
    const world = this.brokers.get(name);
    if (world === undefined) throw new Error(`no broker ${name}`);
    return world;
  }

  private get nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { broker } of this.brokers.values()) next = Math.min(next, broker.deadlines.next);
    return next;
  }

  private advance(to: number): void {
    this.now = to;
    for (const world of this.brokers.values()) world.pass(to - world.now);
  }

  private collect(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const bridge of this.bridges) moved = bridge.collect() || moved;
      for (const look of this.watches) moved = look() || moved;
    }
    for (const listener of this.listeners) listener.collect();
  }
}
