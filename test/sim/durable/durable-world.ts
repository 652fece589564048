/**
 * The real broker on the real journal over a disk that is late, fills up and is torn, among clients
 * that keep the rules and links that do not; and crashes, between any two things that happen.
 *
 * After a crash broker, journal and links are gone. What the disk had synced comes back into new
 * ones, whose clock begins anew, and clients connect again. One seed decides everything. Limits are
 * small: batches are split, queues leave memory, the journal is full.
 */
import { Broker } from "../../../src/broker/broker.ts";
import type { RestoredState } from "../../../src/broker/durable/restored.ts";
import {
  type BrokerSettings,
  DEFAULT_LISTENER,
  DEFAULT_SETTINGS,
} from "../../../src/broker/settings.ts";
import { BufferPool } from "../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { ByteReader } from "../../../src/store/bytes.ts";
import { Journal, type JournalLimits } from "../../../src/store/journal.ts";
import { readMessage, readSession } from "../../../src/store/records.ts";
import { type Plan, SimClient, type Surroundings } from "../broker/sim-client.ts";
import { SimLink, Traffic } from "../broker/sim-link.ts";
import { plansFor, SESSION_SECONDS } from "../broker/sim-world.ts";
import { Expiries } from "./expiries.ts";
import { SimDisk } from "./sim-disk.ts";
import { Trace } from "./trace.ts";
import { Witness } from "./witness.ts";

/** A Will that the broker took up when it heard that its connection is lost. */
interface Noticed {
  readonly client: SimClient;
  readonly connection: number;
  readonly isAccepted: boolean;
}

/** What a run changes of a world that its seed makes. */
export interface Wanted {
  readonly settings?: Partial<BrokerSettings>;
  readonly limits?: Partial<JournalLimits>;
  /** All take part, and not those alone whom chance picks. */
  readonly everybody?: boolean;
}

export class DurableWorld implements Surroundings {
  readonly prng: Prng;
  readonly clients: SimClient[];
  readonly packetIdMax: number;
  readonly maxInflight: number;
  readonly chances = { lose: 0.01, leave: 0.004, comeBack: 0.06 };
  readonly disk = new SimDisk();
  readonly trace = new Trace();
  readonly expiries = new Expiries();
  readonly traffic = new Traffic();
  broker!: Broker;
  journal!: Journal;
  store!: Witness;
  isReady = false;
  isFaulty = true;
  crashes = 0;
  /** Told behind each crash, when the broker is back and nobody has connected. */
  onRestart: (() => void) | null = null;
  private readonly settings: BrokerSettings;
  private readonly limits: Partial<JournalLimits>;
  private readonly pool = new BufferPool();
  private readonly links = new Map<SimLink, SimClient>();
  private readonly connectionOf = new Map<SimLink, number>();
  /** Wills that are on their way to the disk. */
  private noticed: Noticed[] = [];
  /** Unix milliseconds, and what they were when the broker's clock showed 0. */
  private wall: number;
  private epoch = 0;
  private opened = 0;
  /** Things that happen before the next crash. */
  private untilCrash = 0;

  constructor(seed: number, { settings = {}, limits = {}, everybody = false }: Wanted = {}) {
    this.prng = new Prng(seed);
    const { prng } = this;
    this.wall = 1_900_000_000_000 + prng.between(0, 999);
    this.maxInflight = prng.between(2, 5);
    this.packetIdMax = this.maxInflight + prng.between(0, 4);
    this.settings = { ...settingsFor(prng), maxInflightMessages: this.maxInflight, ...settings };
    this.limits = { ...limitsFor(prng), ...limits };
    const plans = durablePlans(prng, everybody);
    this.clients = plans.map((plan) => new SimClient(plan, this));
    this.start();
    this.planCrash();
  }

  /** Unix milliseconds. */
  get now(): number {
    return this.wall;
  }

  dial(client: SimClient): SimLink {
    for (const [link, owner] of this.links) if (owner === client) link.silence();
    const link = new SimLink(this.pool, ++this.opened, client, this.traffic);
    this.links.set(link, client);
    this.connectionOf.set(link, client.connections);
    const { clientId, version } = client.plan;
    link.onPacket = (fromBroker, packet) => {
      this.trace.packet(clientId, version, fromBroker, packet);
      if (fromBroker && version === 5) this.expiries.check(packet, this.wall);
    };
    link.connection = this.broker.accept(link, DEFAULT_LISTENER);
    return link;
  }

  get openLinks(): number {
    return this.links.size;
  }

  tick(): void {
    const { prng, broker, isFaulty } = this;
    this.wall += prng.between(0, 25);
    this.trace.now = this.wall - this.epoch;
    broker.onTick(this.wall - this.epoch);
    if (this.strikes()) return;
    if (this.disk.isFull) this.expiries.fullUntil = this.wall;
    // As from a thread: among what else happens in a turn, or alone.
    const isEarly = prng.chance(0.5);
    if (isEarly && this.hears() && this.strikes()) return;
    for (const client of this.clients) client.act();
    for (const [link, client] of this.links) {
      this.moveLink(link, client);
      if (this.strikes()) return;
    }
    broker.onTurnEnd();
    if (this.strikes() || this.flushAll()) return;
    if (isFaulty && prng.chance(this.disk.isFull ? 0.05 : 0.004)) this.turnDisk();
    if (prng.chance(isFaulty ? 0.4 : 0.9) && this.disk.work() && this.strikes()) return;
    if (!isEarly && this.hears() && (this.strikes() || this.flushAll())) return;
    this.settleWills();
  }

  /** @returns Whether the disk said something. */
  private hears(): boolean {
    return this.prng.chance(this.isFaulty ? 0.4 : 0.9) && this.disk.tell();
  }

  /** Lets time go on to `ms` from now, with nothing in it but the disk's work. */
  pass(ms: number): void {
    this.wall += ms;
    this.broker.onTick(this.wall - this.epoch);
    this.broker.onTurnEnd();
    for (let rounds = 0; this.disk.tell() || this.disk.work(); rounds++) {
      if (rounds > 10_000) throw new Error("the disk is asked without end");
    }
    this.broker.onTurnEnd();
    for (const link of this.links.keys()) link.flush();
  }

  /** Everything but what was synced is gone, and comes back from there. */
  crash(): void {
    const { prng, disk, links } = this;
    this.crashes++;
    this.trace.note(`crash ${this.crashes}`);
    disk.crash(prng);
    for (const link of links.keys()) link.crash(prng);
    links.clear();
    this.connectionOf.clear();
    for (const client of this.clients) client.onCrash();
    this.settleNoticed();
    for (const { client, will } of this.storedWills()) client.willsPossible.add(will);
    this.wall += prng.pick([0, 20, 2_500]);
    this.start();
    this.planCrash();
    this.onRestart?.();
  }

  private start(): void {
    const { prng } = this;
    const { disk, trace } = this;
    const recovered = disk.recover();
    const now = prng.pick([0, 1_000, 123.456]);
    this.epoch = this.wall - now;
    const restored: RestoredState = {
      sessions: readAll(recovered.sessions, readSession),
      retained: readAll(recovered.retained, readMessage),
    };
    this.broker = new Broker({
      settings: this.settings,
      log: { debug: false, write: (_type, text) => trace.note(text) },
      chance: { bytes: (n) => Uint8Array.from({ length: n }, () => prng.between(0, 255)) },
      store: (onDurable, owner) => {
        const { lastRow, lastStoreId } = recovered;
        const trouble = {
          onTrouble: (why: string) => trace.note(`trouble: ${why}`),
          onMended: () => trace.note("mended"),
          onUnreadable: (clientId: string, why: string) => trace.note(`${clientId}: ${why}`),
        };
        this.journal = new Journal({
          owner,
          onDurable,
          committer: disk,
          trouble,
          lastRow,
          lastStoreId,
          limits: this.limits,
        });
        disk.listener = this.journal;
        const { epoch, expiries } = this;
        this.store = new Witness(this.journal, disk, (id, at) => expiries.note(id, epoch + at));
        return this.store;
      },
      restored,
      version: "1.0.0",
      now,
      epoch: this.epoch,
      packetIdMax: this.packetIdMax,
    });
  }

  /** Some crashes come soon behind the last. */
  private planCrash(): void {
    this.untilCrash = this.prng.chance(0.25)
      ? this.prng.between(1, 200)
      : this.prng.between(200, 3_000);
  }

  private strikes(): boolean {
    if (!this.isFaulty || --this.untilCrash > 0) return false;
    this.crash();
    return true;
  }

  private turnDisk(): void {
    const { disk, trace } = this;
    disk.isFull = !disk.isFull;
    disk.isUnreadable = disk.isFull && this.prng.chance(0.3);
    trace.note(
      disk.isFull ? `the disk is full, unreadable: ${disk.isUnreadable}` : "disk has room",
    );
  }

  private moveLink(link: SimLink, client: SimClient): void {
    const { prng, isFaulty } = this;
    if (isFaulty && prng.chance(0.03)) link.isStalled = !link.isStalled;
    link.move(prng, !isFaulty && prng.chance(0.8));
    if (link.isCut && !link.isClosed && (!isFaulty || prng.chance(0.1))) this.notice(link, client);
    if (!link.isOver) return;
    this.links.delete(link);
    this.connectionOf.delete(link);
  }

  private notice(link: SimLink, client: SimClient): void {
    const { connection } = link;
    const hadWill = connection?.session?.connection === connection;
    const isAccepted = client.accepted.has(this.connectionOf.get(link)!);
    this.trace.note(`${client.plan.clientId} is noticed to be gone`);
    link.notice();
    if (!hadWill || !this.isReady || !client.plan.hasWill) return;
    this.noticed.push({ client, connection: this.connectionOf.get(link)!, isAccepted });
  }

  /** What a batch holds once nothing is under way is on disk. */
  private settleWills(): void {
    if (this.noticed.length === 0 || !this.journal.isIdle) return;
    for (const { client, connection } of this.noticed) client.onNoticed(connection);
    this.noticed = [];
  }

  /** A Will of a stored session that a CONNACK has promised is in the database, or it went out. */
  private settleNoticed(): void {
    for (const { client, connection, isAccepted } of this.noticed) {
      if (isAccepted && client.plan.lasts) client.onNoticed(connection);
    }
    this.noticed = [];
  }

  private storedWills(): { client: SimClient; will: string }[] {
    return this.disk.rows("SELECT client_id, payload FROM wills").flatMap((row) => {
      const client = this.clients.find(({ plan }) => plan.clientId === row.client_id);
      const will = Buffer.from(row.payload as Uint8Array)
        .toString()
        .split(".", 1)[0]!;
      return client === undefined ? [] : [{ client, will }];
    });
  }

  /** @returns Whether a crash came between. */
  private flushAll(): boolean {
    for (const link of this.links.keys()) {
      link.flush();
      if (this.strikes()) return true;
    }
    return false;
  }
}

function readAll<Item>(bytes: Buffer, read: (from: ByteReader) => Item): Item[] {
  const items: Item[] = [];
  for (const from = new ByteReader(bytes); !from.isOver; ) items.push(read(from));
  return items;
}

function settingsFor(prng: Prng): BrokerSettings {
  return {
    ...DEFAULT_SETTINGS,
    allowDuplicateMessages: prng.chance(0.5),
    sysInterval: 0,
    maxQueuedMessages: 0,
    backlogBytesPause: prng.pick([100, 1024 * 1024]),
    persistentClientExpiration: SESSION_SECONDS,
    queueQos0Messages: prng.chance(0.5),
    queueInMemoryMax: prng.pick([1, 3, 1_000]),
    queueInMemoryBytesMax: prng.pick([60, 1024 * 1024]),
    queueFetchBelow: prng.pick([1, 2, 500]),
    turnStepsMax: prng.pick([1, 10, 100_000]),
  };
}

function limitsFor(prng: Prng): Partial<JournalLimits> {
  return {
    answerMs: prng.pick([2, 10, 80]),
    companyMs: prng.pick([20, 200]),
    retryMs: prng.pick([50, 1_000]),
    changesMax: prng.pick([1, 4, 10, 8_192]),
    bytesMax: prng.pick([300, 16 * 1024 * 1024]),
    compactAt: prng.pick([1, 4_096]),
    waitingMax: prng.pick([5, 65_536]),
    fetchMax: prng.pick([1, 3, 1_000]),
    fetchBytesMax: prng.pick([1, 100, 1024 * 1024]),
  };
}

/** Those of the whole broker's simulation, or some of them, and two who change their mind. */
function durablePlans(prng: Prng, everybody: boolean): Plan[] {
  const plans = plansFor(prng).map((plan) => ({
    ...plan,
    messages: Math.ceil(plan.messages / 2),
    lifetimes: prng.pick([[], [100_000], [1, 3, 100_000]]),
    willDelay: prng.pick([0, 0, 1]),
  }));
  const writer = plans.find(({ clientId }) => clientId === "writer-5")!;
  const whims = ["t/+", "t/a", "u", "$share/x/u"];
  const fickle = {
    ...writer,
    lasts: false,
    isFickle: true,
    whims,
    messages: 12,
    topics: ["t/a", "u"],
    hasWill: false,
  };
  // Values of one topic that follow each other faster than the disk.
  const retainer = { ...writer, clientId: "retainer", messages: 30, topics: ["r/2"] };
  const all: Plan[] = [
    ...plans,
    retainer,
    { ...fickle, clientId: "fickle-5" },
    { ...fickle, clientId: "fickle-4", version: 4 },
  ];
  const kept = new Set(["observer", "writer-5"]);
  return all.filter(({ clientId }) => everybody || kept.has(clientId) || prng.chance(0.55));
}
