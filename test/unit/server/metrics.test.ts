import { describe, expect, it } from "vitest";
import { Broker } from "../../../src/broker/broker.ts";
import { DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import { type MetricSources, Metrics } from "../../../src/server/metrics.ts";

const SOURCES: MetricSources = {
  version: '1.2"3',
  systree: () => ({ "$SYS/broker/uptime": 7, "$SYS/broker/messages/received": 41 }),
  connects: () => 3,
  looped: () => 4,
  residentBytes: () => 1000,
  cpuSeconds: () => 1.5,
  lag: () => ({ mean: 0.001, p50: 0.002, p99: 0.003, max: 0.004 }),
  store: () => ({ isOn: true, takesChanges: false }),
  unready: () => null,
  bridges: () => [],
};

/** Lines that are values, by name. */
async function values(sources: Partial<MetricSources> = {}, metrics?: Metrics) {
  const text = await (metrics ?? new Metrics({ ...SOURCES, ...sources })).text();
  return Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))]),
  );
}

describe("metrics", () => {
  it("are what the sources say when they are asked", async () => {
    let received = 41;
    let resident: number | undefined = 1000;
    const metrics = new Metrics({
      ...SOURCES,
      systree: () => ({ "$SYS/broker/messages/received": received }),
      residentBytes: () => resident,
    });
    expect(await values({}, metrics)).toMatchObject({
      mqtt_received_packets_total: 41,
      mqtt_connects_total: 3,
      mqtt_publish_looped_total: 4,
      ts_broker_resident_memory_bytes: 1000,
      ts_broker_cpu_seconds_total: 1.5,
      ts_broker_event_loop_lag_mean_seconds: 0.001,
      ts_broker_event_loop_lag_max_seconds: 0.004,
      ts_broker_ready: 1,
      ts_broker_store_enabled: 1,
      ts_broker_store_writable: 0,
      'ts_broker_info{version="1.2\\"3"}': 1,
    });
    received = 50;
    resident = undefined;
    expect(await values({}, metrics)).toMatchObject({
      mqtt_received_packets_total: 50,
      ts_broker_resident_memory_bytes: 1000,
    });
  });

  it("tell of each bridge by its name, and of one that is gone no longer", async () => {
    const one = { sent: 4, received: 3, dropped: 2, queued: 1, connections: 5 };
    let bridges = [
      { name: "a", isUp: true, ...one },
      { name: "b", isUp: false, ...one, sent: 9 },
    ];
    const metrics = new Metrics({ ...SOURCES, bridges: () => bridges });
    expect(await values({}, metrics)).toMatchObject({
      'ts_broker_bridge_up{bridge="a"}': 1,
      'ts_broker_bridge_up{bridge="b"}': 0,
      'ts_broker_bridge_sent_total{bridge="a"}': 4,
      'ts_broker_bridge_sent_total{bridge="b"}': 9,
      'ts_broker_bridge_received_total{bridge="a"}': 3,
      'ts_broker_bridge_dropped_total{bridge="a"}': 2,
      'ts_broker_bridge_queued{bridge="a"}': 1,
      'ts_broker_bridge_connections_total{bridge="a"}': 5,
    });
    bridges = bridges.slice(1);
    const names = Object.keys(await values({}, metrics));
    expect(names.filter((name) => name.includes('"a"'))).toEqual([]);
  });

  it("name every value of $SYS but its rates and second names", async () => {
    const { broker } = fresh();
    const all = broker.sys.valuesAt(5_000);
    // A number for each topic, by which to find it again.
    const marked = Object.fromEntries(Object.keys(all).map((topic, i) => [topic, 1000 + i]));
    const seen = new Set(Object.values(await values({ systree: () => marked })));
    const unnamed = Object.keys(all).filter((topic) => !seen.has(marked[topic]!));
    expect(unnamed.filter((topic) => !topic.startsWith("$SYS/broker/load/"))).toEqual([
      "$SYS/broker/clients/inactive",
      "$SYS/broker/clients/active",
      "$SYS/broker/messages/stored",
    ]);
  });

  it("are counters where their names say so, and have a help text each", async () => {
    const text = await new Metrics(SOURCES).text();
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    expect(types.length).toBeGreaterThan(30);
    for (const [, name, type] of types) {
      expect(type, name).toBe(name!.endsWith("_total") ? "counter" : "gauge");
      expect(name).toMatch(/^(mqtt|ts_broker)_[a-z0-9_]+$/);
      expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z].*[.:0]$`, "m"));
    }
  });
});

describe("the values of $SYS", () => {
  it("are those of the moment, published or not", () => {
    const { broker } = fresh();
    broker.counters.packetsReceived = 5;
    const all = broker.sys.valuesAt(61_500);
    expect(all).toMatchObject({
      "$SYS/broker/uptime": 61,
      "$SYS/broker/messages/received": 5,
      "$SYS/broker/clients/active": 0,
      "$SYS/broker/load/messages/received/1min": 0,
    });
    expect(broker.retained.get("$SYS/broker/messages/received")).toBeUndefined();
  });
});

function fresh() {
  const broker = new Broker({
    settings: { ...DEFAULT_SETTINGS, sysInterval: 0 },
    log: { debug: false, write: () => undefined },
    chance: { bytes: (count) => new Uint8Array(count) },
    version: "1.2.3",
    now: 0,
  });
  return { broker };
}
