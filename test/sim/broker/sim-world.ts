/**
 * The real broker, clients that keep the rules, links that do not, and a store that is late; one
 * seed decides everything. Time is a number that grows a little with each tick.
 */
import { Broker } from "../../../src/broker/broker.ts";
import {
  type BrokerSettings,
  DEFAULT_LISTENER,
  DEFAULT_SETTINGS,
} from "../../../src/broker/settings.ts";
import { BufferPool } from "../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import type { Qos, Version } from "../../../src/core/codec/packets.ts";
import { type Plan, SimClient, type Surroundings } from "./sim-client.ts";
import { SimLink, Traffic } from "./sim-link.ts";
import { SimStore } from "./sim-store.ts";

/** How long a session that lasts outlives its connection: longer than a run. */
export const SESSION_SECONDS = 500_000;

export const TOPICS = ["t/a", "t/b", "t/a/c", "u", "/", "$none", "r/0", "r/1"];

export class SimWorld implements Surroundings {
  readonly prng: Prng;
  readonly broker: Broker;
  readonly clients: SimClient[];
  readonly packetIdMax: number;
  readonly maxInflight: number;
  readonly chances = { lose: 0.004, leave: 0.002, comeBack: 0.3 };
  /** What the broker logged, for whoever looks into a failure. */
  readonly log: string[] = [];
  readonly traffic = new Traffic();
  store!: SimStore;
  isReady = false;
  isFaulty = true;
  private readonly pool = new BufferPool();
  private readonly links = new Map<SimLink, SimClient>();
  private readonly connectionOf = new Map<SimLink, number>();
  private now = 0;
  private opened = 0;

  constructor(seed: number, settings: Partial<BrokerSettings> = {}) {
    this.prng = new Prng(seed);
    const { prng } = this;
    this.maxInflight = prng.between(2, 5);
    this.packetIdMax = this.maxInflight + prng.between(0, 4);
    this.broker = new Broker({
      settings: {
        ...DEFAULT_SETTINGS,
        allowDuplicateMessages: prng.chance(0.5),
        sysInterval: prng.chance(0.3) ? 1 : 0,
        maxInflightMessages: this.maxInflight,
        maxQueuedMessages: 0,
        backlogBytesMax: prng.pick([200, 20_000, 64 * 1024 * 1024]),
        backlogBytesPause: prng.pick([100, 1024 * 1024]),
        persistentClientExpiration: SESSION_SECONDS,
        queueQos0Messages: prng.chance(0.5),
        routesMax: prng.pick([2, 6, 100_000]),
        turnStepsMax: prng.pick([1, 10, 100_000]),
        ...settings,
      },
      log: { debug: prng.chance(0.2), write: (_type, text) => void this.log.push(text) },
      chance: { bytes: (n) => Uint8Array.from({ length: n }, () => prng.between(0, 255)) },
      store: (onDurable) => {
        this.store = new SimStore(onDurable);
        return this.store;
      },
      version: "1.0.0",
      now: 0,
      packetIdMax: this.packetIdMax,
    });
    this.clients = plansFor(prng).map((plan) => new SimClient(plan, this));
  }

  dial(client: SimClient): SimLink {
    for (const [link, owner] of this.links) if (owner === client) link.silence();
    const link = new SimLink(this.pool, ++this.opened, client, this.traffic);
    this.links.set(link, client);
    this.connectionOf.set(link, client.connections);
    link.connection = this.broker.accept(link, DEFAULT_LISTENER);
    return link;
  }

  /** Connections that the broker has not closed. */
  get openLinks(): number {
    let count = 0;
    for (const link of this.links.keys()) if (!link.isClosed) count++;
    return count;
  }

  tick(): void {
    const { prng, broker, isFaulty } = this;
    this.now += prng.between(0, 20);
    broker.onTick(this.now);
    for (const client of this.clients) client.act();
    for (const [link, client] of this.links) this.moveLink(link, client);
    broker.onTurnEnd();
    this.flush();
    if (isFaulty ? prng.chance(0.15) : prng.chance(0.7)) {
      // As from a worker: between the broker's turns.
      this.store.settle(prng, !isFaulty || prng.chance(0.3));
      this.flush();
    }
  }

  /** Lets time go on to `ms` from now, with nothing else in it. */
  pass(ms: number): void {
    this.now += ms;
    this.broker.onTick(this.now);
    this.broker.onTurnEnd();
    this.flush();
  }

  private moveLink(link: SimLink, client: SimClient): void {
    const { prng, isFaulty } = this;
    if (isFaulty && prng.chance(0.03)) link.isStalled = !link.isStalled;
    link.move(prng, !isFaulty && prng.chance(0.8));
    if (link.isCut && !link.isClosed && (!isFaulty || prng.chance(0.05))) {
      const { connection } = link;
      const hadWill = connection?.session?.connection === connection;
      link.notice();
      if (hadWill && this.isReady) client.onNoticed(this.connectionOf.get(link)!);
    }
    if (!link.isOver) return;
    this.links.delete(link);
    this.connectionOf.delete(link);
  }

  private flush(): void {
    for (const link of this.links.keys()) link.flush();
  }
}

const SHARES = ["$share/g/t/#", "$share/h/+"];

/** Who takes part. */
export function plansFor(prng: Prng): Plan[] {
  const filters = (...list: [string, Qos][]) => list.map(([filter, qos]) => ({ filter, qos }));
  const base = (clientId: string, version: Version): Plan => ({
    clientId,
    version,
    lasts: true,
    filters: [],
    whims: [],
    messages: 0,
    topics: TOPICS.slice(0, 6),
    receiveMaximum: prng.between(0, 4),
    topicAliasMaximum: prng.pick([0, 0, 1, 3]),
    hasWill: prng.chance(0.5),
    isCareless: prng.chance(0.5),
  });
  const anyQos = () => prng.pick([0, 1, 2] as const);
  const topicsWith = (retained: string) => [...TOPICS.slice(0, 6), retained];
  return [
    { ...base("observer", 5), filters: filters(["w/#", 2]), hasWill: false },
    { ...base("all-5", 5), filters: filters(["#", 2], ["t/+", 1], ["t/a", anyQos()]) },
    { ...base("all-4", 4), filters: filters(["#", 2]) },
    { ...base("some-3", 3), filters: filters(["t/a/#", 1]) },
    { ...base("plain-4", 4), lasts: false, filters: filters(["t/a", 0]) },
    { ...base("twice-4", 4), lasts: false, filters: filters(["t/#", 0], ["t/+", 0]) },
    { ...base("plain-5", 5), lasts: false, topicAliasMaximum: 0, filters: filters(["t/#", 0]) },
    { ...base("share-1", 5), filters: filters([SHARES[0]!, 2], [SHARES[1]!, 1]) },
    { ...base("share-2", 5), filters: filters([SHARES[0]!, 2], [SHARES[1]!, 2]) },
    { ...base("share-3", 4), filters: filters([SHARES[0]!, 2]) },
    { ...base("whims", 5), whims: ["t/+", "t/a", "u", "+/a", "$share/x/t/#", "$share/x/u"] },
    { ...base("whims-4", 4), lasts: false, whims: ["#", "t/#", "/"] },
    { ...base("writer-5", 5), messages: 60, topics: topicsWith("r/0") },
    { ...base("writer-4", 4), messages: 60, topics: topicsWith("r/1") },
    { ...base("writer-3", 3), messages: 40 },
    { ...base("clean", prng.pick([3, 4, 5])), lasts: false, messages: 40 },
    { ...base("both", 5), messages: 40, filters: filters(["t/b", 2]) },
  ];
}
