/** MQTT 5.0 §3.1.2.4, §3.1.2.11.2, §3.1.3.1: Clean Start, session expiry and client identifiers. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, type ClientOptions } from "../support/broker-world.ts";

/** Comes back to a session that is kept for 100 seconds. */
const RESUME: ClientOptions = {
  clientId: "reader",
  cleanStart: false,
  properties: { sessionExpiryInterval: 100 },
};

describe("Clean Start", () => {
  it("[MQTT5-3.1.2-4] 1 throws subscriptions and waiting messages away", () => {
    const { world, writer } = withStoredSession();
    writer.publish("a", "waits", { qos: 1 });
    const reader = world.client({ ...RESUME, cleanStart: true });
    expect(reader.connack?.sessionPresent).toBe(false);
    writer.publish("a", "not subscribed", { qos: 1 });
    expect(reader.received()).toEqual([]);
  });

  it("[MQTT5-3.1.2-4] 1 throws unacknowledged and half received messages away", () => {
    const { world, writer, reader: first } = withStoredSession({ keepsOpen: true });
    writer.publish("a", "unacknowledged", { qos: 1 });
    expect(first.takePayloads()).toEqual(["unacknowledged"]);
    first.publish("b", "held", { qos: 2, packetId: 5 });
    first.drop();
    const watcher = world.client();
    watcher.subscribe("b");
    const reader = world.client({ ...RESUME, cleanStart: true });
    expect(reader.received()).toEqual([]);
    reader.pubrel(5);
    expect(reader.takeHex()).toEqual(["70020005"]);
    expect(watcher.received()).toEqual([]);
  });

  it("[MQTT5-3.1.2-4] 1 throws away the session of a client that is still connected", () => {
    const { world, writer } = withStoredSession({ keepsOpen: true });
    const reader = world.client({ ...RESUME, cleanStart: true });
    expect(reader.connack?.sessionPresent).toBe(false);
    writer.publish("a", "not subscribed", { qos: 1 });
    expect(reader.received()).toEqual([]);
  });

  it("[MQTT5-3.1.2-5] 0 picks up subscriptions and waiting messages", () => {
    const { world, writer } = withStoredSession();
    writer.publish("a", "waits", { qos: 1 });
    const reader = world.client(RESUME);
    expect(reader.connack?.sessionPresent).toBe(true);
    expect(reader.takePayloads()).toEqual(["waits"]);
    writer.publish("a", "live", { qos: 1 });
    expect(reader.takePayloads()).toEqual(["live"]);
  });

  it("[MQTT5-3.1.2-5] 0 picks up unacknowledged and half received messages", () => {
    const { world, writer, reader: first } = withStoredSession({ keepsOpen: true });
    writer.publish("a", "unacknowledged", { qos: 1 });
    first.publish("b", "held", { qos: 2, packetId: 5 });
    first.drop();
    const watcher = world.client();
    watcher.subscribe("b");
    const reader = world.client(RESUME);
    const repeated = reader.takeOne("publish");
    expect([repeated.payload.toString(), repeated.dup]).toEqual(["unacknowledged", true]);
    reader.pubrel(5);
    expect(reader.takeHex()).toEqual(["70020005"]);
    expect(watcher.takePayloads()).toEqual(["held"]);
  });

  it("[MQTT5-3.1.2-6] 0 begins a fresh session where none is stored", () => {
    const world = new BrokerWorld();
    const reader = world.client(RESUME);
    expect([reader.connack?.reasonCode, reader.connack?.sessionPresent]).toEqual([0, false]);
    world.client().publish("a", "not subscribed");
    expect(reader.received()).toEqual([]);
  });

  it("[MQTT5-3.1.2-6] 0 begins a fresh session where the stored one has expired", () => {
    const { world } = withStoredSession();
    world.pass(100_000);
    expect(world.client(RESUME).connack?.sessionPresent).toBe(false);
  });
});

describe("Session Expiry Interval", () => {
  it("[MQTT5-3.1.2-23] above zero keeps the session for that long behind its connection", () => {
    const { world } = withStoredSession();
    world.pass(99_999);
    expect(world.client(RESUME).connack?.sessionPresent).toBe(true);
  });

  it("[MQTT5-3.1.2-23] counts from the end of the connection, each time anew", () => {
    const { world } = withStoredSession();
    for (let i = 0; i < 3; i++) {
      world.pass(90_000);
      const reader = world.client(RESUME);
      expect(reader.connack?.sessionPresent).toBe(true);
      world.pass(500_000);
      reader.drop();
    }
    world.pass(100_000);
    expect(world.client(RESUME).connack?.sessionPresent).toBe(false);
  });

  it("[MQTT5-3.1.2-23] of zero, or none, ends the session with its connection", () => {
    const world = new BrokerWorld();
    for (const properties of [{}, { sessionExpiryInterval: 0 }]) {
      world.client({ clientId: "reader", properties }).drop();
      expect(world.client(RESUME).connack?.sessionPresent).toBe(false);
      world.client({ clientId: "reader", properties }).disconnect();
    }
  });

  it("[MQTT5-3.1.2-23] of 0xFFFFFFFF keeps it for ever", () => {
    const world = new BrokerWorld();
    const properties = { sessionExpiryInterval: 0xffff_ffff };
    world.client({ clientId: "reader", properties }).drop();
    world.pass(1_000 * 0xffff_ffff * 2);
    expect(world.client(RESUME).connack?.sessionPresent).toBe(true);
  });

  it("[MQTT5-3.1.2-23] holds after a DISCONNECT, too", () => {
    const world = new BrokerWorld();
    world.client(RESUME).disconnect();
    world.pass(99_999);
    expect(world.client(RESUME).connack?.sessionPresent).toBe(true);
  });

  it("[MQTT5-3.1.2-23] is that of the CONNECT that came last", () => {
    const { world } = withStoredSession();
    world.client({ clientId: "reader", cleanStart: false }).drop();
    expect(world.client(RESUME).connack?.sessionPresent).toBe(false);
  });
});

describe("the client identifier", () => {
  it("[MQTT5-3.1.3-2] is the key to the session", () => {
    const { world, writer } = withStoredSession();
    writer.publish("a", "waits", { qos: 1 });
    for (const clientId of ["Reader", "reader ", "reade"]) {
      const other = world.client({ ...RESUME, clientId });
      expect([other.connack?.sessionPresent, other.received()]).toEqual([false, []]);
    }
    expect(world.client(RESUME).takePayloads()).toEqual(["waits"]);
  });

  it("[MQTT5-3.1.3-2] is the key whatever user name and version the client comes with", () => {
    const { world } = withStoredSession();
    world.client({ ...RESUME, username: "somebody" }).drop();
    const old = world.client({ version: 4, clientId: "reader", cleanStart: false });
    expect(old.connack?.sessionPresent).toBe(true);
  });
});

/** A session of `reader` that has subscribed to `a` at QoS 1 and whose connection is gone. */
function withStoredSession({ keepsOpen = false } = {}) {
  const world = new BrokerWorld();
  const reader = world.client(RESUME);
  reader.subscribe("a", 1);
  const writer = world.client();
  if (!keepsOpen) reader.drop();
  return { world, reader, writer };
}
