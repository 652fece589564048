/**
 * `$SYS`: what the broker says of itself, as retained messages (mosquitto-2.1 a.8).
 *
 * A value is published when it differs from the one before, every `sysInterval` seconds on the
 * clock's multiples of it. Numbers begin as an unpublished 1, as mosquitto's do, so that a gauge of
 * 0 shows at the start and the high-water mark of clients only from 2 on.
 */
import type { Deadline } from "../core/base/deadlines.ts";
import type { Broker } from "./broker.ts";
import type { Counters } from "./counters.ts";

/** A gauge or counter: its topics below `$SYS/broker/` and where its value comes from. */
interface Metric {
  readonly topics: readonly string[];
  readonly read: (broker: Broker) => number;
}

const METRICS: readonly Metric[] = [
  { topics: ["clients/total"], read: ({ sessions }) => sessions.count },
  { topics: ["clients/maximum"], read: ({ sessions }) => Math.max(1, sessions.countPeak) },
  {
    topics: ["clients/disconnected", "clients/inactive"],
    read: ({ sessions }) => sessions.count - sessions.connectedCount,
  },
  {
    topics: ["clients/connected", "clients/active"],
    read: ({ sessions }) => sessions.connectedCount,
  },
  { topics: ["clients/expired"], read: ({ counters }) => counters.sessionsExpired },
  {
    topics: ["messages/stored", "store/messages/count"],
    read: ({ kept }) => kept.count,
  },
  { topics: ["store/messages/bytes"], read: ({ kept }) => kept.bytes },
  { topics: ["subscriptions/count"], read: ({ router }) => router.counts.direct },
  { topics: ["shared_subscriptions/count"], read: ({ router }) => router.counts.shared },
  { topics: ["retained messages/count"], read: ({ retained }) => retained.count },
  { topics: ["heap/current"], read: ({ memory }) => memory.current() },
  { topics: ["heap/maximum"], read: ({ memory }) => memory.peak() },
  { topics: ["messages/received"], read: ({ counters }) => counters.packetsReceived },
  { topics: ["messages/sent"], read: ({ counters }) => counters.packetsSent },
  { topics: ["bytes/received"], read: ({ counters }) => counters.bytesReceived },
  { topics: ["bytes/sent"], read: ({ counters }) => counters.bytesSent },
  { topics: ["publish/messages/received"], read: ({ counters }) => counters.publishReceived },
  { topics: ["publish/messages/sent"], read: ({ counters }) => counters.publishSent },
  { topics: ["publish/messages/dropped"], read: ({ counters }) => counters.publishDropped },
  { topics: ["publish/bytes/received"], read: ({ counters }) => counters.publishBytesReceived },
  { topics: ["publish/bytes/sent"], read: ({ counters }) => counters.publishBytesSent },
  { topics: ["packet/out/count"], read: (broker) => broker.waiting().packets },
  { topics: ["packet/out/bytes"], read: (broker) => broker.waiting().bytes },
  { topics: ["connections/socket/count"], read: ({ counters }) => counters.socketsAccepted },
];

/** Rates a minute, averaged over three spans: the name below `load/`, and what is counted. */
const LOADS: readonly (readonly [name: string, read: (counters: Counters) => number])[] = [
  ["messages/received", (counters) => counters.packetsReceived],
  ["messages/sent", (counters) => counters.packetsSent],
  ["publish/dropped", (counters) => counters.publishDropped],
  ["publish/received", (counters) => counters.publishReceived],
  ["publish/sent", (counters) => counters.publishSent],
  ["bytes/received", (counters) => counters.bytesReceived],
  ["bytes/sent", (counters) => counters.bytesSent],
  ["sockets", (counters) => counters.socketsAccepted],
  ["connections", (counters) => counters.connectsReceived],
];

const SPANS: readonly (readonly [name: string, seconds: number])[] = [
  ["1min", 60],
  ["5min", 300],
  ["15min", 900],
];

/** One rate with its three averages. */
interface Load {
  last: number;
  readonly averages: number[];
  readonly published: (number | null)[];
}

const PREFIX = "$SYS/broker/";

/** What a number is taken to have been before it was first published. */
const FIRST_VALUE = 1;

/** A metric with the value that was last published. */
interface Shown {
  readonly metric: Metric;
  value: number | null;
}

export class SysTopics {
  private readonly broker: Broker;
  private intervalMs: number;
  private readonly startedAt: number;
  private readonly shown: Shown[] = METRICS.map((metric) => ({ metric, value: FIRST_VALUE }));
  private readonly loads: Load[] = LOADS.map(() => ({
    last: 0,
    averages: SPANS.map(() => 0),
    published: SPANS.map(() => null),
  }));
  private readonly next: Deadline;
  private lastUpdate: number;
  private uptime = -1;

  constructor(broker: Broker) {
    this.broker = broker;
    this.intervalMs = broker.settings.sysInterval * 1000;
    this.startedAt = broker.now;
    this.lastUpdate = broker.now;
    this.next = { at: 0, place: -1, onDeadline: (now) => this.onInterval(now) };
  }

  /** Publishes the first values, and from then on each change. */
  start(): void {
    if (this.intervalMs === 0) return;
    this.publish("version", `ts-broker version ${this.broker.version}`);
    this.onInterval(this.broker.now);
  }

  /**
   * Shows one more number.
   *
   * @param topic Below `$SYS/broker/`.
   * @returns What takes it away again.
   */
  add(topic: string, read: () => number): () => void {
    const one: Shown = { metric: { topics: [topic], read }, value: null };
    this.shown.push(one);
    return () => {
      const at = this.shown.indexOf(one);
      if (at >= 0) this.shown.splice(at, 1);
      this.broker.dropRetained(PREFIX + topic);
    };
  }

  /** The settings changed: `sysInterval` may have. */
  reconfigure(): void {
    const intervalMs = this.broker.settings.sysInterval * 1000;
    if (intervalMs === this.intervalMs) return;
    this.intervalMs = intervalMs;
    this.broker.deadlines.cancel(this.next);
    if (intervalMs > 0) this.onInterval(this.broker.now);
  }

  /** What is said of the broker at `now`, by topic, whether it is published or not. */
  valuesAt(now: number): Record<string, number> {
    const values: Record<string, number> = { [`${PREFIX}uptime`]: this.uptimeAt(now) };
    for (const { metric } of this.shown) {
      const value = metric.read(this.broker);
      for (const topic of metric.topics) values[PREFIX + topic] = value;
    }
    LOADS.forEach(([name], i) => {
      SPANS.forEach(([span], j) => {
        values[`${PREFIX}load/${name}/${span}`] = Number(this.loads[i]!.averages[j]!.toFixed(2));
      });
    });
    return values;
  }

  private onInterval(now: number): void {
    this.update(now);
    const { epoch } = this.broker;
    const at = (Math.floor((now + epoch) / this.intervalMs) + 1) * this.intervalMs - epoch;
    this.broker.deadlines.set(this.next, at);
  }

  private update(now: number): void {
    const uptime = this.uptimeAt(now);
    if (uptime !== this.uptime) this.publish("uptime", `${uptime} seconds`);
    this.uptime = uptime;
    this.updateLoads(now);
    for (const one of this.shown) {
      const value = one.metric.read(this.broker);
      if (value === one.value) continue;
      one.value = value;
      for (const topic of one.metric.topics) this.publish(topic, String(value));
    }
  }

  private uptimeAt(now: number): number {
    return Math.floor((now - this.startedAt) / 1000);
  }

  /** Exponentially weighted rates: v = Δ·60/dt, new = v + e^(-dt/T)·(old - v). */
  private updateLoads(now: number): void {
    const seconds = (now - this.lastUpdate) / 1000;
    this.lastUpdate = now;
    LOADS.forEach(([name, read], i) => {
      const load = this.loads[i]!;
      const count = read(this.broker.counters);
      const rate = seconds === 0 ? 0 : ((count - load.last) * 60) / seconds;
      load.last = count;
      SPANS.forEach(([span, length], j) => {
        const average = rate + Math.exp(-seconds / length) * (load.averages[j]! - rate);
        load.averages[j] = average;
        const before = load.published[j] ?? null;
        if (before !== null && Math.abs(average - before) < 0.01) return;
        load.published[j] = average;
        this.publish(`load/${name}/${span}`, average.toFixed(2));
      });
    });
  }

  private publish(topic: string, value: string): void {
    this.broker.publish(PREFIX + topic, Buffer.from(value), 2, true);
  }
}
