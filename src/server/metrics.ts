/**
 * What Prometheus is told of a broker: its $SYS values under names by Prometheus' conventions, its
 * memory, event loop and store. The one file that imports prom-client.
 *
 * Values are asked for when Prometheus asks; the rates of $SYS are left out, for Prometheus makes
 * them of the counters.
 */
import { Counter, Gauge, Registry } from "prom-client";
import type { Lag } from "../io/event-loop-lag.ts";
import type { BridgeFacts } from "./bridges.ts";

export interface MetricSources {
  readonly version: string;
  /** The broker's numbers by their topics. */
  systree(): Readonly<Record<string, number>>;
  /** CONNECT packets since the start, of which $SYS has only rates. */
  connects(): number;
  /** Messages that came back in a loop of bridges, and went no further. */
  looped(): number;
  /** Bytes of memory that the process has; undefined when the system does not say. */
  residentBytes(): number | undefined;
  /** Seconds of processor time since the start. */
  cpuSeconds(): number;
  lag(): Lag;
  store(): { readonly isOn: boolean; readonly takesChanges: boolean };
  /** Why clients cannot be served; null when they can. */
  unready(): string | null;
  bridges(): readonly BridgeFacts[];
}

/** What is told of each bridge, with its name as a label. */
const OF_BRIDGES: readonly (readonly [
  name: string,
  help: string,
  read: (facts: BridgeFacts) => number,
])[] = [
  ["ts_broker_bridge_up", "Whether the bridge is connected, 1 or 0.", ({ isUp }) => (isUp ? 1 : 0)],
  ["ts_broker_bridge_sent_total", "Messages sent to the remote.", ({ sent }) => sent],
  ["ts_broker_bridge_received_total", "Messages from the remote.", ({ received }) => received],
  [
    "ts_broker_bridge_dropped_total",
    "Messages that the remote did not take, or that nobody had asked for.",
    ({ dropped }) => dropped,
  ],
  ["ts_broker_bridge_queued", "Messages on their way to the remote.", ({ queued }) => queued],
  ["ts_broker_bridge_connections_total", "Connections made.", ({ connections }) => connections],
];

/** Topics below $SYS/broker/, in their order in mosquitto-2.1 a.8. */
const BY_TOPIC: readonly (readonly [topic: string, name: string, help: string])[] = [
  ["uptime", "ts_broker_uptime_seconds", "Time since the broker started."],
  ["clients/total", "mqtt_sessions", "Sessions known, with a connection or without."],
  ["clients/maximum", "mqtt_sessions_max", "The most sessions there were at once."],
  ["clients/connected", "mqtt_clients_connected", "Clients that are connected."],
  ["clients/disconnected", "mqtt_clients_disconnected", "Sessions without a connection."],
  ["clients/expired", "mqtt_sessions_expired_total", "Sessions that ended by their expiry."],
  ["store/messages/count", "mqtt_stored_messages", "Messages kept: retained and queued."],
  ["store/messages/bytes", "mqtt_stored_bytes", "Payload bytes of the messages kept."],
  ["subscriptions/count", "mqtt_subscriptions", "Subscriptions that are not shared."],
  ["shared_subscriptions/count", "mqtt_shared_subscriptions", "Shared subscriptions."],
  ["retained messages/count", "mqtt_retained_messages", "Retained messages, $SYS included."],
  ["heap/current", "ts_broker_heap_bytes", "Memory of JavaScript, with buffers."],
  ["heap/maximum", "ts_broker_heap_max_bytes", "The most there was of it when it was asked for."],
  ["messages/received", "mqtt_received_packets_total", "MQTT packets received, of any type."],
  ["messages/sent", "mqtt_sent_packets_total", "MQTT packets sent, of any type."],
  ["bytes/received", "mqtt_received_bytes_total", "Bytes received from clients."],
  ["bytes/sent", "mqtt_sent_bytes_total", "Bytes sent to clients."],
  ["publish/messages/received", "mqtt_publish_received_total", "PUBLISH packets received."],
  ["publish/messages/sent", "mqtt_publish_sent_total", "PUBLISH packets sent."],
  [
    "publish/messages/dropped",
    "mqtt_publish_dropped_total",
    "Messages dropped at a queue's limit.",
  ],
  ["publish/bytes/received", "mqtt_publish_received_bytes_total", "Payload bytes received."],
  ["publish/bytes/sent", "mqtt_publish_sent_bytes_total", "Payload bytes sent."],
  ["packet/out/count", "mqtt_waiting_packets", "Packets that clients have not taken yet."],
  ["packet/out/bytes", "mqtt_waiting_bytes", "Bytes that clients have not taken yet."],
  ["connections/socket/count", "mqtt_sockets_accepted_total", "Sockets that were accepted."],
];

export class Metrics {
  private readonly registry = new Registry();
  private readonly sources: MetricSources;
  /** Asked for once for all that is read of it. */
  private values: Readonly<Record<string, number>> = {};
  private lag: Lag = { mean: 0, p50: 0, p99: 0, max: 0 };

  constructor(sources: MetricSources) {
    this.sources = sources;
    for (const [topic, name, help] of BY_TOPIC) {
      this.add(name, help, () => this.values[`$SYS/broker/${topic}`]);
    }
    this.add("mqtt_connects_total", "CONNECT packets received.", () => sources.connects());
    this.add("mqtt_publish_looped_total", "Messages dropped that came round by bridges.", () =>
      sources.looped(),
    );
    this.add("ts_broker_cpu_seconds_total", "Processor time, of all threads.", () =>
      sources.cpuSeconds(),
    );
    this.add("ts_broker_resident_memory_bytes", "Memory that the process has.", () =>
      sources.residentBytes(),
    );
    this.addLag();
    this.addStates();
    this.addBridges();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    this.values = this.sources.systree();
    this.lag = this.sources.lag();
    return this.registry.metrics();
  }

  private addLag(): void {
    const what = "How late the event loop was since the last time this was asked:";
    const name = (part: string) => `ts_broker_event_loop_lag_${part}_seconds`;
    this.add(name("mean"), `${what} mean.`, () => this.lag.mean);
    this.add(name("p50"), `${what} median.`, () => this.lag.p50);
    this.add(name("p99"), `${what} 99th percentile.`, () => this.lag.p99);
    this.add(name("max"), `${what} most.`, () => this.lag.max);
  }

  private addStates(): void {
    const { sources, registry } = this;
    this.add("ts_broker_ready", "Whether clients can be served, 1 or 0.", () =>
      sources.unready() === null ? 1 : 0,
    );
    this.add("ts_broker_store_enabled", "Whether persistence is on, 1 or 0.", () =>
      sources.store().isOn ? 1 : 0,
    );
    this.add("ts_broker_store_writable", "Whether the store takes changes, 1 or 0.", () =>
      sources.store().takesChanges ? 1 : 0,
    );
    const registers = [registry];
    const labelNames = ["version"] as const;
    const help = "The broker, by its version; always 1.";
    new Gauge({ name: "ts_broker_info", help, labelNames, registers }).set(
      { version: sources.version },
      1,
    );
  }

  private addBridges(): void {
    const registers = [this.registry];
    const { sources } = this;
    for (const [name, help, read] of OF_BRIDGES) {
      const Kind = name.endsWith("_total") ? Counter : Gauge;
      const metric = new Kind({
        name,
        help,
        labelNames: ["bridge"],
        registers,
        collect() {
          // One that is gone is told of no longer.
          metric.reset();
          for (const facts of sources.bridges()) metric.inc({ bridge: facts.name }, read(facts));
        },
      });
    }
  }

  /** @param read Undefined leaves it as it was. */
  private add(name: string, help: string, read: () => number | undefined): void {
    const registers = [this.registry];
    if (name.endsWith("_total")) {
      const counter = new Counter({
        name,
        help,
        registers,
        collect() {
          const value = read();
          if (value === undefined) return;
          counter.reset();
          counter.inc(value);
        },
      });
    } else {
      const gauge = new Gauge({
        name,
        help,
        registers,
        collect() {
          const value = read();
          if (value !== undefined) gauge.set(value);
        },
      });
    }
  }
}
