/** MQTT 5.0 §4.1: what a session holds, how long, and who takes it over. */
import { describe, expect, it } from "vitest";
import { VolatileStore } from "../../src/broker/durable/store.ts";
import { BrokerWorld } from "../support/broker-world.ts";

const LASTS = { cleanStart: false, clientId: "c", properties: { sessionExpiryInterval: 60 } };

describe("Session state", () => {
  it("[MQTT5-4.1.0-1] stays while its connection is open, however long", () => {
    const world = new BrokerWorld();
    const peer = world.client({ clientId: "c", properties: { sessionExpiryInterval: 1 } });
    peer.subscribe("t", 1);
    world.pass(1e9);
    world.client().publish("t", "x", { qos: 1 });
    expect(peer.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT5-4.1.0-1] holds subscriptions, what is owed, and what is half received", () => {
    const world = new BrokerWorld();
    const peer = world.client(LASTS);
    peer.subscribe("t", 2, { subscriptionIdentifiers: [7] });
    peer.publish("u", "half", { qos: 2, packetId: 5 });
    const reader = world.client();
    reader.subscribe("u");
    peer.drop();
    world.client().publish("t", "owed", { qos: 1 });
    const again = world.client(LASTS);
    expect(again.connack?.sessionPresent).toBe(true);
    const { payload, properties } = again.takeOne("publish");
    expect([payload.toString(), properties.subscriptionIdentifiers]).toEqual(["owed", [7]]);
    again.pubrel(5);
    expect(again.takeHex()).toEqual(["70020005"]);
    expect(reader.takePayloads()).toEqual(["half"]);
  });

  it("[MQTT5-4.1.0-2] is deleted once it is closed and has expired, and not before", () => {
    const world = new BrokerWorld();
    const peer = world.client(LASTS);
    peer.subscribe("t", 1);
    peer.drop();
    world.client().publish("t", "x", { qos: 1 });
    world.pass(59_999);
    expect(world.broker.sessions.get("c")).toBeDefined();
    expect(world.broker.kept.count).toBe(1);
    world.pass(1);
    expect(world.broker.sessions.get("c")).toBeUndefined();
    expect(world.broker.kept.count).toBe(0);
    expect(world.broker.router.counts.direct).toBe(0);
    expect(world.broker.counters.sessionsExpired).toBe(1);
    expect(world.logged(/Expiring client c due to timeout\./)).toHaveLength(1);
    expect(world.client(LASTS).connack?.sessionPresent).toBe(false);
  });

  it("[MQTT5-4.1.0-2] is deleted at once where its expiry is 0", () => {
    const world = new BrokerWorld();
    const peer = world.client({ clientId: "c" });
    peer.subscribe("t", 1);
    peer.drop();
    expect(world.broker.sessions.count).toBe(0);
    expect(world.broker.router.counts.direct).toBe(0);
  });

  it("has no end where the expiry is 0xFFFFFFFF, and before 5.0 without clean session", () => {
    const world = new BrokerWorld();
    world.client({ ...LASTS, properties: { sessionExpiryInterval: 0xffff_ffff } }).drop();
    world.client({ version: 4, cleanStart: false, clientId: "old" }).drop();
    world.client({ version: 3, cleanStart: false, clientId: "older" }).drop();
    world.pass(1e13);
    expect(world.broker.sessions.count).toBe(3);
  });

  it("ends no later than persistent_client_expiration has it", () => {
    const world = new BrokerWorld({ settings: { persistentClientExpiration: 10 } });
    world.client(LASTS).drop();
    world.client({ version: 4, cleanStart: false, clientId: "old" }).drop();
    const raised = world.client({ ...LASTS, clientId: "raised" });
    raised.disconnect(0, { sessionExpiryInterval: 100 });
    world.pass(9_999);
    expect(world.broker.sessions.count).toBe(3);
    world.pass(1);
    expect(world.broker.sessions.count).toBe(0);
  });

  it("takes the expiry of the newest CONNECT", () => {
    const world = new BrokerWorld();
    world.client(LASTS).drop();
    world.client({ ...LASTS, properties: { sessionExpiryInterval: 5 } }).drop();
    world.pass(5_000);
    expect(world.broker.sessions.count).toBe(0);
  });

  it("passes on when another connection takes it over: queue, subscriptions, identifiers", () => {
    const world = new BrokerWorld();
    const old = world.client(LASTS);
    old.subscribe("t", 1);
    const writer = world.client();
    writer.publish("t", "1", { qos: 1 });
    const taker = world.client(LASTS);
    expect(old.take().at(-1)).toMatchObject({ type: "disconnect", reasonCode: 0x8e });
    expect(old.closed).toBe(true);
    expect(taker.connack?.sessionPresent).toBe(true);
    expect(taker.takeOne("publish")).toMatchObject({ packetId: 1, dup: true });
    writer.publish("t", "2", { qos: 1 });
    expect(taker.takeOne("publish")).toMatchObject({ packetId: 2, dup: false });
    expect(world.logged(/Client c .*: session taken over\./)).toHaveLength(1);
  });

  it("taken over by 3.1.1 has what the version can say", () => {
    const world = new BrokerWorld();
    const old = world.client(LASTS);
    old.subscribe("t", 1, { subscriptionIdentifiers: [9] });
    const taker = world.client({ version: 4, cleanStart: false, clientId: "c" });
    world.client().publish("t", "x", { qos: 1 });
    expect(taker.takeHex()).toEqual(["3206000174000178"]);
    expect(taker.connack?.sessionPresent).toBe(true);
  });
});

describe("What comes behind a CONNECT", () => {
  it("is read once the session is safe, wherever the stream is cut", () => {
    const connect = "10 13 0004 4d515454 05 00 0000 05 110000003c 0001 63";
    const stream = Buffer.from(`${connect} c000 82 07 0001 00 0001 74 00`.replace(/ /g, ""), "hex");
    for (let cut = 0; cut <= stream.length; cut++) {
      const world = new BrokerWorld({ durability: "held" });
      const peer = world.peer();
      peer.send(stream.subarray(0, cut));
      peer.send(stream.subarray(cut));
      expect(peer.received(), `cut at ${cut}`).toEqual([]);
      world.settle();
      world.settle();
      const types = peer.take().map(({ type }) => type);
      expect(types, `cut at ${cut}`).toEqual(["connack", "pingresp", "suback"]);
    }
  });
});

describe("The CONNACK that ends a stored session", () => {
  const ENDS = [
    { clientId: "c", cleanStart: true },
    { clientId: "c", cleanStart: true, version: 4 },
    { clientId: "c", cleanStart: false },
  ] as const;

  it.each(ENDS)("[MQTT5-3.1.2-4] waits until it cannot come back: %o", (ends) => {
    const world = new BrokerWorld({ durability: "held" });
    const first = world.peer({ clientId: "c" });
    first.send(first.connectPacket({ properties: LASTS.properties }));
    world.settle();
    first.drop();
    world.settle();
    const peer = world.peer(ends);
    peer.send(peer.connectPacket(ends));
    expect(peer.received()).toEqual([]);
    world.settle();
    expect(peer.take().map(({ type }) => type)).toEqual(["connack"]);
  });

  it("is at once there for who had none", () => {
    const world = new BrokerWorld({ durability: "held" });
    const peer = world.peer({ clientId: "c" });
    peer.send(peer.connectPacket());
    expect(peer.take().map(({ type }) => type)).toEqual(["connack"]);
  });
});

describe("A client that does not take our CONNACK", () => {
  it("is not there: what comes for its session waits, and goes out as new", () => {
    const world = new BrokerWorld();
    const peer = world.client(LASTS);
    peer.subscribe("t", 1);
    peer.drop();
    const narrow = { ...LASTS.properties, maximumPacketSize: 5 };
    const deaf = world.client({ ...LASTS, properties: narrow });
    expect([deaf.connack, deaf.closed]).toEqual([undefined, true]);
    world.client().publish("t", "x", { qos: 1 });
    expect(world.client(LASTS).takeOne("publish")).toMatchObject({ packetId: 1, dup: false });
  });
});

describe("What the store holds of a session", () => {
  it("is all gone after a DISCONNECT that makes the session end there", () => {
    const { world, stored } = observed();
    world.client(LASTS).disconnect(0, { sessionExpiryInterval: 0 });
    expect([...stored]).toEqual([]);
  });

  it("is all gone after a connection whose CONNECT let the session end with it", () => {
    const { world, stored } = observed();
    world.client(LASTS).drop();
    const brief = world.client({ cleanStart: false, clientId: "c" });
    expect(brief.connack?.sessionPresent).toBe(true);
    brief.drop();
    expect([...stored]).toEqual([]);
  });

  it("is all gone when a clean start ends it, and when it expires", () => {
    const { world, stored } = observed();
    world.client(LASTS).drop();
    expect([...stored]).toEqual(["c"]);
    world.client({ clientId: "c" });
    expect([...stored]).toEqual([]);
    world.client({ ...LASTS, clientId: "d" }).drop();
    expect([...stored]).toEqual(["d"]);
    world.pass(60_000);
    expect([...stored]).toEqual([]);
  });
});

/** A world, and the client identifiers whose sessions its store holds. */
function observed() {
  const stored = new Set<string>();
  class ObservedStore extends VolatileStore {
    override putSession(session?: { clientId: string }): void {
      if (session) stored.add(session.clientId);
      super.putSession();
    }
    override removeSession(session?: { clientId: string }): void {
      if (session) stored.delete(session.clientId);
      super.removeSession();
    }
  }
  const world = new BrokerWorld({ parts: { store: (onDurable) => new ObservedStore(onDurable) } });
  return { world, stored };
}
