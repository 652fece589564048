import { describe, expect, it } from "vitest";
import { Broker } from "../../../src/broker/broker.ts";
import { type BrokerSettings, DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";

describe("$SYS", () => {
  it("begins with the version, the uptime, every load, and the numbers that are not 1", () => {
    const { sys, names } = running();
    expect(sys("version")).toBe("ts-broker version 1.2.3");
    expect(sys("uptime")).toBe("0 seconds");
    expect(sys("clients/total")).toBe("0");
    expect(sys("bytes/received")).toBe("0");
    expect(names().filter((name) => name.startsWith("load/"))).toHaveLength(27);
    expect(sys("load/bytes/received/15min")).toBe("0.00");
    // A number begins as a 1 that was never published.
    expect(sys("heap/current")).toBeUndefined();
  });

  it("keeps its values at QoS 2, retained, and out of the way of #", () => {
    const { broker } = running();
    const message = broker.retained.get("$SYS/broker/uptime")!;
    expect([message.qos, message.retain]).toEqual([2, true]);
    let plain = 0;
    broker.retained.match("#", () => plain++);
    expect(plain).toBe(0);
  });

  it("publishes a value when it differs from the one before", () => {
    const { broker, sys, tick, published } = running();
    broker.counters.publishDropped = 3;
    expect(sys("publish/messages/dropped")).toBe("0");
    tick(10_000);
    expect(sys("publish/messages/dropped")).toBe("3");
    expect(sys("uptime")).toBe("10 seconds");
    const before = published("publish/messages/dropped");
    tick(20_000);
    expect(published("publish/messages/dropped")).toBe(before);
    expect(sys("uptime")).toBe("20 seconds");
  });

  it("shows a number that is added, from the next interval on, and when it changes", () => {
    const { broker, sys, tick, published } = running();
    let count = 1;
    broker.sys.add("connection/far/messages/sent", () => count);
    expect(sys("connection/far/messages/sent")).toBeUndefined();
    tick(10_000);
    expect(sys("connection/far/messages/sent"), "also a 1, which others begin with").toBe("1");
    const before = published("connection/far/messages/sent");
    tick(20_000);
    expect(published("connection/far/messages/sent")).toBe(before);
    count = 5;
    expect(broker.sys.valuesAt(20_000)["$SYS/broker/connection/far/messages/sent"]).toBe(5);
    tick(30_000);
    expect(sys("connection/far/messages/sent")).toBe("5");
  });

  it("takes a number away again, and no other", () => {
    const { broker, sys, tick } = running();
    const hide = broker.sys.add("connection/far/connections", () => 1);
    broker.sys.add("connection/other/connections", () => 2);
    tick(10_000);
    hide();
    expect(sys("connection/far/connections")).toBeUndefined();
    hide();
    tick(20_000);
    expect(sys("connection/far/connections")).toBeUndefined();
    expect(sys("connection/other/connections")).toBe("2");
    expect(broker.sys.valuesAt(20_000)).not.toHaveProperty([
      "$SYS/broker/connection/far/connections",
    ]);
    expect(sys("clients/total")).toBe("0");
  });

  it("gives gauges with two names the same value", () => {
    const { broker, sys, tick } = running();
    broker.publish("a", Buffer.from("xyz"), 1, true);
    tick(10_000);
    expect(sys("messages/stored")).toBe(sys("store/messages/count"));
    expect(sys("retained messages/count")).toBeDefined();
    expect(sys("clients/connected")).toBe(sys("clients/active"));
    expect(sys("clients/disconnected")).toBe(sys("clients/inactive"));
  });

  it("comes at the multiples of the interval on the wall clock", () => {
    const { broker, sys, tick } = running({ sysInterval: 10 }, 4_000);
    expect(broker.deadlines.next).toBe(6_000);
    tick(5_999);
    expect(sys("uptime")).toBe("0 seconds");
    tick(6_000);
    expect(sys("uptime")).toBe("6 seconds");
    // A long sleep is one update.
    tick(1_000_001);
    expect(sys("uptime")).toBe("1000 seconds");
    expect(broker.deadlines.next).toBe(1_006_000);
  });

  it("averages rates a minute over one, five and fifteen minutes", () => {
    const { broker, sys, tick } = running({ sysInterval: 60 });
    broker.counters.bytesSent = 600;
    tick(60_000);
    // 600 a minute, of which a span of one minute has seen 1 - 1/e.
    expect(sys("load/bytes/sent/1min")).toBe("379.27");
    expect(sys("load/bytes/sent/5min")).toBe("108.76");
    expect(sys("load/bytes/sent/15min")).toBe("38.70");
    tick(120_000);
    expect(sys("load/bytes/sent/1min")).toBe("139.53");
    for (let at = 180_000; at < 7_200_000; at += 60_000) tick(at);
    expect(sys("load/bytes/sent/1min")).toMatch(/^0\.0\d$/);
  });

  it("is silent with an interval of 0", () => {
    const { broker, names } = running({ sysInterval: 0 });
    expect(names()).toEqual([]);
    expect(broker.deadlines.size).toBe(0);
  });
});

/** A broker without clients, and what it says of itself. */
function running(settings: Partial<BrokerSettings> = {}, epoch = 0) {
  const broker = new Broker({
    settings: { ...DEFAULT_SETTINGS, ...settings },
    log: { debug: false, write: () => undefined },
    chance: { bytes: (count) => new Uint8Array(count) },
    version: "1.2.3",
    now: 0,
    epoch,
  });
  const message = (name: string) => broker.retained.get(`$SYS/broker/${name}`);
  return {
    broker,
    /** The value of a topic below $SYS/broker/. */
    sys: (name: string) => {
      const one = message(name);
      return one?.bytes.toString("latin1", one.start, one.end);
    },
    /** The message itself: another one was published since if it is another. */
    published: message,
    names: () => {
      const found: string[] = [];
      broker.retained.match("$SYS/broker/#", ({ topic }) => void found.push(topic.name.slice(12)));
      return found;
    },
    tick: (now: number) => {
      broker.onTick(now);
      broker.onTurnEnd();
    },
  };
}
