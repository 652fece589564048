/**
 * Two brokers, each on its own disk, with a bridge between them: links that stall and break,
 * brokers that crash, clients on both sides. One seed decides everything.
 *
 * Broker A has the bridge. What is published at A below `out/` goes to B as `there/`, what is
 * published at B below `in/` comes to A as `here/`, and `both/` goes both ways as it is.
 */
import { Bridge, type BridgeWorld } from "../../../src/bridge/bridge.ts";
import type { BridgeSettings } from "../../../src/bridge/settings.ts";
import { Broker } from "../../../src/broker/broker.ts";
import { DEFAULT_LISTENER, DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import type { Dial, Link as DialledLink, LinkEvents } from "../../../src/client/link.ts";
import { BufferPool } from "../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import type { Version } from "../../../src/core/codec/packets.ts";
import { ByteReader } from "../../../src/store/bytes.ts";
import { Journal } from "../../../src/store/journal.ts";
import { readMessage, readSession } from "../../../src/store/records.ts";
import { type Plan, SimClient, type Surroundings } from "../broker/sim-client.ts";
import { type LinkEnd, SimLink, Traffic } from "../broker/sim-link.ts";
import { SimDisk } from "../durable/sim-disk.ts";
import { Trace } from "../durable/trace.ts";
import { Witness } from "../durable/witness.ts";

const MESSAGES = 150;

/** One of the two brokers with what is around it. */
export class Side implements Surroundings {
  readonly name: string;
  readonly prng: Prng;
  readonly clients: SimClient[];
  readonly packetIdMax: number;
  readonly maxInflight: number;
  readonly chances = { lose: 0.005, leave: 0.002, comeBack: 0.1 };
  readonly disk = new SimDisk();
  readonly traffic = new Traffic();
  readonly world: BridgedWorld;
  broker!: Broker;
  journal!: Journal;
  store!: Witness;
  isReady = false;
  crashes = 0;
  private readonly pool = new BufferPool();
  private readonly links = new Map<SimLink, SimClient | null>();
  private epoch = 0;
  private opened = 0;
  private untilCrash = 0;

  constructor(name: string, world: BridgedWorld, plans: readonly Plan[]) {
    this.name = name;
    this.world = world;
    this.prng = world.prng;
    this.maxInflight = this.prng.between(2, 5);
    // What the bridge asks for takes identifiers as well.
    this.packetIdMax = this.maxInflight + this.prng.between(6, 12);
    this.clients = plans.map((plan) => new SimClient(plan, this));
    this.planCrash();
  }

  get isFaulty(): boolean {
    return this.world.isFaulty;
  }

  /** Milliseconds of the broker's clock. */
  get now(): number {
    return this.world.wall - this.epoch;
  }

  start(): void {
    const { disk, prng } = this;
    const { lastRow, lastStoreId, sessions, retained } = disk.recover();
    this.epoch = this.world.wall;
    this.broker = new Broker({
      settings: {
        ...DEFAULT_SETTINGS,
        sysInterval: 0,
        maxQueuedMessages: 0,
        maxInflightMessages: this.maxInflight,
        backlogBytesPause: 1_000_000,
        queueInMemoryMax: prng.pick([1, 3, 1_000]),
        queueFetchBelow: prng.pick([1, 2, 500]),
      },
      log: { debug: false, write: (_, text) => this.world.trace.note(`${this.name}: ${text}`) },
      chance: { bytes: (n) => Uint8Array.from({ length: n }, () => prng.between(0, 255)) },
      store: (onDurable, owner) => {
        const trouble = {
          onTrouble: () => undefined,
          onMended: () => undefined,
          onUnreadable: () => undefined,
        };
        const parts = { owner, onDurable, committer: disk, trouble, lastRow, lastStoreId };
        this.journal = new Journal({ ...parts, limits: { companyMs: 20, retryMs: 50 } });
        disk.listener = this.journal;
        this.store = new Witness(this.journal, disk, () => undefined);
        return this.store;
      },
      restored: {
        sessions: readAll(sessions, readSession),
        retained: readAll(retained, readMessage),
      },
      version: "1.0.0",
      now: 0,
      epoch: this.epoch,
      packetIdMax: this.packetIdMax,
    });
  }

  dial(client: SimClient): SimLink {
    for (const [link, owner] of this.links) if (owner === client) link.silence();
    const link = this.accept(client);
    this.links.set(link, client);
    const { clientId, version } = client.plan;
    link.onPacket = (fromBroker, packet) =>
      this.world.trace.packet(clientId, version, fromBroker, packet);
    return link;
  }

  /** A connection to this broker, with `end` on the other side of the network. */
  accept(end: LinkEnd): SimLink {
    const link = new SimLink(this.pool, ++this.opened, end, this.traffic);
    this.links.set(link, null);
    link.connection = this.broker.accept(link, DEFAULT_LISTENER);
    return link;
  }

  /** @returns Whether it crashed. */
  tick(): boolean {
    const { prng, broker, isFaulty } = this;
    broker.onTick(this.now);
    if (this.strikes()) return true;
    if (prng.chance(isFaulty ? 0.4 : 0.9)) this.disk.tell();
    for (const client of this.clients) client.act();
    for (const link of this.links.keys()) this.move(link);
    if (this.strikes()) return true;
    broker.onTurnEnd();
    if (this.strikes()) return true;
    for (const link of this.links.keys()) link.flush();
    if (prng.chance(isFaulty ? 0.4 : 0.9)) this.disk.work();
    return this.strikes();
  }

  get isAtRest(): boolean {
    return (
      this.clients.every((client) => client.isAtRest) &&
      [...this.broker.sessions.values()].every((s) => s.outgoing.idle && s.parked.count === 0) &&
      this.journal.isIdle &&
      this.disk.isIdle
    );
  }

  private move(link: SimLink): void {
    const { prng, isFaulty } = this;
    if (isFaulty && prng.chance(0.03)) link.isStalled = !link.isStalled;
    link.move(prng, !isFaulty && prng.chance(0.8));
    if (link.isCut && !link.isClosed && (!isFaulty || prng.chance(0.1))) link.notice();
    if (link.isOver) this.links.delete(link);
  }

  private strikes(): boolean {
    if (!this.isFaulty || --this.untilCrash > 0) return false;
    this.crash();
    return true;
  }

  private crash(): void {
    this.crashes++;
    this.world.trace.note(`${this.name} crashes`);
    this.disk.crash(this.prng);
    for (const link of this.links.keys()) link.crash(this.prng);
    this.links.clear();
    for (const client of this.clients) client.onCrash();
    this.planCrash();
  }

  private planCrash(): void {
    this.untilCrash = this.prng.chance(0.3)
      ? this.prng.between(1, 100)
      : this.prng.between(100, 2_500);
  }
}

export class BridgedWorld {
  readonly prng: Prng;
  readonly trace = new Trace();
  readonly a: Side;
  readonly b: Side;
  bridge!: Bridge;
  wall = 1_900_000_000_000;
  isFaulty = true;
  /** Connections of the bridge that were made. */
  dialled = 0;
  private readonly version: Version;
  private readonly pool = new BufferPool();
  private woken: { flush(): void }[] = [];
  private ways: Way[] = [];

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.version = this.prng.pick([3, 4, 5] as const);
    const one = this.prng.pick([4, 5] as const);
    this.a = new Side("A", this, [
      writer("writer-a", one, ["out/x", "out/y", "both/x"]),
      reader("reader-a", ["here/x", "here/y", "both/x"]),
    ]);
    this.b = new Side("B", this, [
      writer("writer-b", one, ["in/x", "in/y", "both/x"]),
      reader("reader-b", ["there/x", "there/y", "both/x"]),
    ]);
    this.a.start();
    this.b.start();
    this.startBridge();
  }

  get clients(): readonly SimClient[] {
    return [...this.a.clients, ...this.b.clients];
  }

  tick(): void {
    this.wall += this.prng.between(0, 25);
    this.trace.now = this.wall - 1_900_000_000_000;
    if (this.a.tick()) this.restartA();
    else {
      const { woken } = this;
      this.woken = [];
      for (const one of woken) one.flush();
    }
    if (this.b.tick()) {
      this.wall += this.prng.pick([0, 20, 2_500]);
      this.b.start();
    }
    for (const way of this.ways) way.tick();
    this.ways = this.ways.filter(({ isOver }) => !isOver);
  }

  get isAtRest(): boolean {
    return this.bridge.isOpen && this.a.isAtRest && this.b.isAtRest;
  }

  private restartA(): void {
    for (const way of this.ways) way.crash();
    this.ways = [];
    this.woken = [];
    this.wall += this.prng.pick([0, 20, 2_500]);
    this.a.start();
    this.startBridge();
  }

  private startBridge(): void {
    const world: BridgeWorld = {
      broker: this.a.broker,
      pool: this.pool,
      dial: () => this.dial,
      begin: () => undefined,
      wake: (passage) => void this.woken.push(passage),
      fraction: () => this.prng.between(0, 999) / 1000,
      wordsFor: ({ message }) => message,
    };
    this.bridge = new Bridge(settingsOf(this.version), world);
    this.bridge.start();
  }

  private readonly dial: Dial = (events) => {
    this.dialled++;
    const way = new Way(this, events);
    this.ways.push(way);
    return way;
  };
}

/** The bridge's end of a connection to B. */
class Way implements DialledLink, LinkEnd {
  writtenBytes = 0;
  isOver = false;
  private readonly world: BridgedWorld;
  private readonly events: LinkEvents;
  private link: SimLink | null = null;
  private flushed = 0;
  private isPaused = false;
  private held: Buffer[] = [];

  constructor(world: BridgedWorld, events: LinkEvents) {
    this.world = world;
    this.events = events;
  }

  get pendingBytes(): number {
    return this.link?.unread ?? 0;
  }

  tick(): void {
    if (this.isOver) return;
    const { prng, isFaulty, trace } = this.world;
    if (this.link === null) {
      if (isFaulty && prng.chance(0.3)) this.lose(new Error("Connection refused"));
      else this.open();
      return;
    }
    if (isFaulty && prng.chance(0.012)) {
      trace.note("the bridge's network breaks");
      this.link.cut(prng);
      this.lose(new Error("Connection reset by peer"));
      return;
    }
    const flushed = this.writtenBytes - this.pendingBytes;
    if (flushed !== this.flushed) {
      this.flushed = flushed;
      this.events.onFlushed(flushed);
    }
  }

  /** The bridge is gone with its broker. */
  crash(): void {
    if (!this.isOver) this.link?.cut(this.world.prng);
    this.isOver = true;
  }

  // As the bridge sees it.

  write(bytes: Buffer): void {
    if (this.isOver) return;
    this.writtenBytes += bytes.length;
    this.link?.send(Buffer.from(bytes));
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.link?.cut(this.world.prng);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    const { held } = this;
    this.held = [];
    for (const bytes of held) this.events.onBytes(bytes);
  }

  // As B's network sees it.

  onBytes(bytes: Buffer): void {
    if (this.isOver) return;
    if (this.isPaused) this.held.push(Buffer.from(bytes));
    else this.events.onBytes(Buffer.from(bytes));
  }

  onGone(): void {
    this.lose(undefined);
  }

  onSending(): void {
    // B's acknowledgements are watched for its own clients.
  }

  private open(): void {
    this.link = this.world.b.accept(this);
    this.link.onPacket = (fromBroker, packet) =>
      this.world.trace.packet("bridge", 4, fromBroker, packet);
    this.events.onOpen();
  }

  private lose(error: Error | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.onClosed(error);
  }
}

function settingsOf(version: Version): BridgeSettings {
  const outgoing = { filter: "out/#", prefixFrom: "out/", prefixTo: "there/", qos: 2 } as const;
  const incoming = { filter: "in/#", prefixFrom: "in/", prefixTo: "here/", qos: 2 } as const;
  const both = { filter: "both/#", prefixFrom: "", prefixTo: "", qos: 2 } as const;
  return {
    name: "ab",
    addresses: [{ host: "b", port: 1883 }],
    version,
    remoteClientId: "a.ab",
    localClientId: "local.a.ab",
    remoteUsername: undefined,
    remotePassword: undefined,
    localUsername: null,
    cleanSession: false,
    localCleanSession: false,
    keepAlive: 60,
    outgoing: [outgoing, both],
    incoming: [incoming, both],
    remoteRequests: [
      { filter: "there/#", qos: 2, wanted: false },
      { filter: "in/#", qos: 2, wanted: true },
      { filter: "both/#", qos: 2, wanted: true },
    ],
    startType: "automatic",
    idleTimeout: 60,
    threshold: 10,
    restart: { base: 1, cap: 2, stable: 0 },
    roundRobin: false,
    tryPrivate: true,
    notificationTopic: "$SYS/broker/connection/a.ab/state",
    notifiesLocallyOnly: false,
    outgoingRetain: true,
    maxPacketSize: 0,
    maxTopicAlias: 10,
    receiveMaximum: undefined,
    sessionExpiryInterval: 1_000_000,
  };
}

const NOBODY: Omit<Plan, "clientId" | "version"> = {
  lasts: true,
  filters: [],
  whims: [],
  messages: 0,
  topics: [],
  receiveMaximum: 0,
  topicAliasMaximum: 0,
  hasWill: false,
  isCareless: false,
};

function writer(clientId: string, version: Version, topics: readonly string[]): Plan {
  return { ...NOBODY, clientId, version, topics, messages: MESSAGES };
}

function reader(clientId: string, topics: readonly string[]): Plan {
  const filters = topics.map((filter) => ({ filter, qos: 2 as const }));
  return { ...NOBODY, clientId, version: 5, filters };
}

function readAll<Item>(bytes: Buffer, read: (from: ByteReader) => Item): Item[] {
  const items: Item[] = [];
  for (const from = new ByteReader(bytes); !from.isOver; ) items.push(read(from));
  return items;
}
