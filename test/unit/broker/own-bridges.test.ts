import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Source } from "../../../src/broker/message.ts";
import { NEVER, type Session } from "../../../src/broker/session.ts";
import { BRIDGE_LISTENER } from "../../../src/broker/settings.ts";
import { BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";
import type { Qos } from "../../../src/core/codec/packets.ts";
import { BrokerWorld, judging, type WorldOptions } from "../../support/broker-world.ts";
import { DurableWorld } from "../../support/durable-world.ts";
import { hex } from "../../support/hex.ts";
import type { ScriptedClient } from "../../support/scripted-client.ts";

const DENYING: WorldOptions = {
  parts: {
    access: { mayPublish: () => false, mayReceive: () => false, maySubscribe: () => false },
  },
};
const SOURCE: Source = {
  clientId: "near",
  username: null,
  port: 0,
  listener: BRIDGE_LISTENER.name,
};

describe("a bridge of our own", () => {
  it("publishes, subscribes and receives whatever the rules are", () => {
    const world = new BrokerWorld(DENYING);
    const [one, other] = [bridge(world, { clientId: "one" }), bridge(world, { clientId: "two" })];
    expect(one.subscribe("t", 1)?.reasonCodes).toEqual([1]);
    other.publish("t", "x", { qos: 1 });
    expect(other.takeOne("puback").reasonCode).toBe(0);
    expect(one.takePayloads()).toEqual(["x"]);
    const client = world.client();
    expect(client.subscribe("t")?.reasonCodes).toEqual([0x87]);
    client.publish("t", "y", { qos: 1 });
    expect(client.takeOne("puback").reasonCode).toBe(0x87);
  });

  it("keeps what waits for it when the rules change, and its connection", () => {
    const world = new BrokerWorld(DENYING);
    const lasting = { clientId: "near", version: 4, cleanStart: false } as const;
    const first = bridge(world, lasting);
    first.subscribe("t", 1);
    first.drop();
    bridge(world, { clientId: "other" }).publish("t", "x", { qos: 1 });
    world.turn(() => world.broker.onAccessChanged(() => false));
    const second = bridge(world, lasting);
    expect(second.takePayloads()).toEqual(["x"]);
    world.turn(() => world.broker.onAccessChanged(() => false));
    expect(second.closed).toBe(false);
  });

  it("is asked for no password", () => {
    const world = new BrokerWorld({ parts: { authenticator: judging(() => false) } });
    expect(bridge(world, { username: "u" }).connack?.reasonCode).toBe(0);
    expect(world.client({ username: "u" }).connack?.reasonCode).toBe(0x87);
  });

  it("comes and goes without a line in the log", () => {
    const world = new BrokerWorld();
    const before = world.log.length;
    bridge(world).drop();
    const ofOthers = world.log.slice(before).filter(({ text }) => !/^New connection/.test(text));
    expect(ofOthers).toEqual([]);
  });

  it("keeps to no limit that is for strangers", () => {
    const world = new BrokerWorld({
      settings: {
        maxKeepalive: 10,
        persistentClientExpiration: 10,
        maxPacketSize: 1_000,
        subscriptionsMax: 1,
        maxInflightMessages: 1,
        clientidPrefixes: "x-",
      },
    });
    const properties = { sessionExpiryInterval: NEVER };
    const one = bridge(world, { version: 5, properties });
    expect(one.connack?.reasonCode).toBe(0);
    expect(one.connack?.properties.serverKeepAlive).toBeUndefined();
    expect(one.subscribe(["a", "b", "c"])?.reasonCodes).toEqual([0, 0, 0]);
    one.publish("t", "x".repeat(2_000), { qos: 2, packetId: 1 });
    one.publish("t", "x", { qos: 2, packetId: 2 });
    expect(one.take().map((packet) => "reasonCode" in packet && packet.reasonCode)).toEqual([0, 0]);
    one.drop();
    world.pass(60_000);
    expect(world.broker.sessions.get("near")).toBeDefined();
  });

  it("comes in where no more clients may", () => {
    const world = new BrokerWorld({ settings: { globalMaxConnections: 0, globalMaxClients: 0 } });
    const link = {
      address: "remote",
      port: 1,
      out: new OutBuffer(new BufferPool()),
      backlogBytes: 0,
      wake: () => undefined,
      close: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
    world.turn(() => {
      const connection = world.broker.acceptBridge(link, BRIDGE_LISTENER);
      connection.onBytes(hex`10 0f 0004 4d515454 04 02 0000 0003 616263`);
    });
    expect(link.out.take().toString("hex")).toBe("20020000");
    expect(world.broker.connectionCount).toBe(1);
  });

  it("is one member of many where it shares a subscription, and gets its own messages too", () => {
    const world = new BrokerWorld();
    const one = world.client({ version: 4, bridge: true });
    const other = world.client({ version: 4 });
    for (const client of [one, other]) client.subscribe("$share/g/t");
    for (let i = 0; i < 4; i++) one.publish("t", `${i}`);
    expect([...one.takePayloads(), ...other.takePayloads()].sort()).toEqual(["0", "1", "2", "3"]);
  });
});

describe("Sessions.prepare", () => {
  it("has messages wait for a bridge that has never been there", () => {
    const world = new BrokerWorld();
    prepare(world, { "out/#": 1 });
    const client = world.client();
    client.publish("out/a", "1", { qos: 1 });
    client.publish("out/b", "2", { qos: 0 });
    client.publish("in/a", "3", { qos: 1 });
    expect(bridge(world, LASTING).takePayloads()).toEqual(["1"]);
  });

  it("keeps the session for ever", () => {
    const world = new BrokerWorld({ settings: { persistentClientExpiration: 1 } });
    prepare(world, { "out/#": 1 });
    world.pass(3_600_000);
    expect(world.broker.sessions.get("near")).toBeDefined();
  });

  it("takes back what older subscriptions asked for, and leaves what waits", () => {
    const world = new BrokerWorld();
    prepare(world, { "a/#": 1, "b/#": 1 });
    const client = world.client();
    client.publish("a/1", "1", { qos: 1 });
    client.publish("b/1", "2", { qos: 1 });
    const session = prepare(world, { "b/#": 2, "c/#": 1 });
    for (const topic of ["a/2", "b/2", "c/2"]) client.publish(topic, topic, { qos: 1 });
    expect([...session.subscriptions.keys()].sort()).toEqual(["b/#", "c/#"]);
    expect(bridge(world, LASTING).takePayloads()).toEqual(["1", "2", "b/2", "c/2"]);
  });

  it("takes over a session that another client has left behind", () => {
    const world = new BrokerWorld();
    const client = world.client({ clientId: "near", properties: { sessionExpiryInterval: 5 } });
    client.subscribe("old", 1);
    client.drop();
    prepare(world, { "out/#": 1 });
    world.pass(10_000);
    expect(world.broker.sessions.get("near")?.source.listener).toBe("bridge");
    world.client().publish("old", "x", { qos: 1 });
    expect(world.broker.sessions.get("near")?.waitingCount).toBe(0);
  });

  it("has the messages wait that a bridge alone may have, by the rules", () => {
    const world = new BrokerWorld({
      parts: {
        access: {
          mayPublish: () => true,
          mayReceive: () => false,
        },
      },
    });
    prepare(world, { "out/#": 1 });
    world.client().publish("out/a", "1", { qos: 1 });
    expect(world.broker.sessions.get("near")?.waitingCount).toBe(1);
  });

  it("takes no message of the bridge's own", () => {
    const world = new BrokerWorld();
    prepare(world, { "t/#": 1 });
    bridge(world, { clientId: "near", cleanStart: false }).publish("t/a", "x", { qos: 1 });
    expect(world.broker.sessions.get("near")?.waitingCount ?? 0).toBe(0);
  });

  describe("on disk", () => {
    let folder = "";
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it("lasts, with its subscriptions and what waits", () => {
      const durable = new DurableWorld(join(folder, "mosquitto.sqlite3"));
      prepare(durable.world, { "a/#": 1, "b/#": 1 });
      const client = durable.connect();
      client.publish("a/1", "1", { qos: 1 });
      durable.settle();
      prepare(durable.world, { "a/#": 1 });
      durable.settle();
      const after = durable.restart();
      const session = after.broker.sessions.get("near")!;
      expect([...session.subscriptions.keys()]).toEqual(["a/#"]);
      expect(session.waitingCount).toBe(1);
      after.world.pass(86_400_000);
      expect(after.broker.sessions.get("near")).toBe(session);
      after.store.database.close();
    });

    it("is gone when it is removed", () => {
      const durable = new DurableWorld(join(folder, "mosquitto.sqlite3"));
      const session = prepare(durable.world, { "a/#": 1 });
      durable.settle();
      durable.world.turn(() => durable.broker.sessions.remove(session));
      durable.settle();
      const after = durable.restart();
      expect(after.broker.sessions.count).toBe(0);
      after.store.database.close();
    });
  });
});

describe("Session.onWaiting", () => {
  it("is told of each message that begins to wait, and of nothing else", () => {
    const world = new BrokerWorld();
    const session = prepare(world, { "out/#": 1 });
    const counts: number[] = [];
    session.onWaiting = () => counts.push(session.waitingCount);
    const client = world.client();
    client.publish("out/a", "0", { qos: 0 });
    client.publish("in/a", "x", { qos: 1 });
    client.publish("out/a", "1", { qos: 1 });
    client.publish("out/a", "2", { qos: 1 });
    expect(counts).toEqual([1, 2]);
  });

  it("is told of nothing while the client is there", () => {
    const world = new BrokerWorld();
    const session = prepare(world, { "out/#": 1 });
    const remote = bridge(world, LASTING);
    let told = 0;
    session.onWaiting = () => told++;
    world.client().publish("out/a", "1", { qos: 1 });
    expect(remote.takePayloads()).toEqual(["1"]);
    expect(told).toBe(0);
  });

  it("is told of QoS 0 where that waits, and not of what is dropped", () => {
    const world = new BrokerWorld({ settings: { queueQos0Messages: true, maxQueuedMessages: 1 } });
    const session = prepare(world, { "out/#": 1 });
    let told = 0;
    session.onWaiting = () => told++;
    const client = world.client();
    client.publish("out/a", "0", { qos: 0 });
    client.publish("out/a", "1", { qos: 1 });
    expect(told).toBe(1);
  });
});

describe("Sessions.forgetIncoming", () => {
  it("frees identifiers of messages that came by half", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("t", 2);
    const remote = bridge(world, LASTING);
    remote.publish("t", "lost", { qos: 2, packetId: 1 });
    const session = world.broker.sessions.get("near")!;
    const before = world.broker.kept.count;
    world.turn(() => world.broker.sessions.forgetIncoming(session));
    expect(session.incoming.count).toBe(0);
    expect(session.incomingBytes).toBe(0);
    expect(world.broker.kept.count).toBe(before - 1);
    remote.publish("t", "other", { qos: 2, packetId: 1 });
    remote.pubrel(1);
    expect(reader.takePayloads()).toEqual(["other"]);
    expect(world.logged(/Reused/)).toEqual([]);
  });
});

const LASTING = { clientId: "near", version: 4, cleanStart: false } as const;

type Options = Parameters<BrokerWorld["client"]>[0];

/** A client that comes in where our own bridges do. */
function bridge(world: BrokerWorld, options: Options = {}): ScriptedClient {
  return world.client({ clientId: "near", ...options, listener: BRIDGE_LISTENER });
}

function prepare(world: BrokerWorld, filters: Readonly<Record<string, Qos>>): Session {
  const wanted = Object.entries(filters).map(([filter, qos]) => ({
    filter,
    share: null,
    qos,
    noLocal: true,
    retainAsPublished: true,
    retainHandling: 0 as const,
    identifier: 0,
  }));
  return world.turn(() => world.broker.sessions.prepare(SOURCE, wanted));
}
