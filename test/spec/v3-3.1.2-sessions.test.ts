/** MQTT 3.1.1 §3.1.2.4, §3.1.3.1, §3.2 and §4.1: sessions, their identifiers, Session Present. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, judging } from "../support/broker-world.ts";
import { field } from "../support/raw-packets.ts";
import { connect4, firstOutcome, publish } from "../support/wire.ts";

const KEPT = { clientId: "kept", cleanStart: false } as const;
const CLEAN = { clientId: "kept", cleanStart: true } as const;
const REFUSED_ID = { closed: true, answers: ["20020002"] };

describe("CleanSession", () => {
  it("[MQTT-3.1.2-4] 0 goes on with the subscriptions of the session before", () => {
    const world = new BrokerWorld({ version: 4 });
    const first = world.client(KEPT);
    first.subscribe(["a", "b/#"], 1);
    first.unsubscribe("a");
    first.disconnect();
    const second = world.client(KEPT);
    world.client().publish("a", "no");
    world.client().publish("b/c", "yes");
    expect(second.takePayloads()).toEqual(["yes"]);
  });

  it("[MQTT-3.1.2-4] 0 keeps the session for as long as its client stays away", () => {
    const world = new BrokerWorld({ version: 4 });
    world.client(KEPT).subscribe("a", 1);
    world.client(KEPT).drop();
    world.pass(10 * 365 * 24 * 3_600_000);
    expect(world.client(KEPT).connack?.sessionPresent).toBe(true);
  });

  it("[MQTT-3.1.2-4] [MQTT-3.2.2-3] 0 opens a session where there is none", () => {
    const world = new BrokerWorld({ version: 4 });
    expect(world.client(KEPT).connack?.sessionPresent).toBe(false);
    expect(world.client({ ...KEPT, clientId: "other" }).connack?.sessionPresent).toBe(false);
  });

  it("[MQTT-3.1.2-5] QoS 1 and 2 messages are stored for a client that is away", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client(KEPT);
    reader.subscribe([
      { filter: "one", qos: 1 },
      { filter: "two", qos: 2 },
    ]);
    reader.drop();
    const writer = world.client();
    publish(writer, "one", "1", { qos: 1 });
    publish(writer, "two", "2", { qos: 2 });
    publish(writer, "three", "3", { qos: 2 });
    writer.disconnect();
    world.pass(3_600_000);
    const messages = world.client(KEPT).takePublishes();
    expect(messages.map(({ qos, payload }) => [qos, payload.toString()])).toEqual([
      [1, "1"],
      [2, "2"],
    ]);
  });

  it("[MQTT-3.1.2-6] 1 throws the session before away", () => {
    const world = new BrokerWorld({ version: 4 });
    const first = world.client(KEPT);
    first.subscribe("a", 1);
    first.drop();
    world.client().publish("a", "stored", { qos: 1 });
    const second = world.client(CLEAN);
    world.client().publish("a", "live", { qos: 1 });
    expect(second.take()).toEqual([]);
  });

  it("[MQTT-3.1.2-6] nothing of a session of CleanSession 1 is used again", () => {
    const world = new BrokerWorld({ version: 4 });
    const first = world.client(CLEAN);
    first.subscribe("a", 1);
    world.client().publish("a", "unacknowledged", { qos: 1 });
    first.publish("b", "unreleased", { qos: 2, packetId: 9 });
    first.drop();
    world.client().publish("a", "stored?", { qos: 1 });
    const second = world.client(KEPT);
    expect(second.connack?.sessionPresent).toBe(false);
    expect(second.take()).toEqual([]);
    const reader = world.client();
    reader.subscribe("b", 2);
    second.pubrel(9);
    expect(reader.take()).toEqual([]);
  });

  it("[MQTT-3.1.2-7] retained messages outlive the session of their publisher", () => {
    const world = new BrokerWorld({ version: 4 });
    const writer = world.client(CLEAN);
    writer.publish("a", "kept", { qos: 1, retain: true });
    writer.disconnect();
    world.client(CLEAN).disconnect();
    const reader = world.client();
    reader.subscribe("a", 1);
    expect(reader.takePayloads()).toEqual(["kept"]);
  });

  it("[MQTT-4.1.0-2] a session lives as long as its connection at least", () => {
    const limits = { persistentClientExpiration: 60 };
    const world = new BrokerWorld({ version: 4, settings: limits });
    const clean = world.client({ clientId: "clean" });
    const kept = world.client(KEPT);
    for (const client of [clean, kept]) client.subscribe("a", 1);
    world.pass(24 * 3_600_000);
    world.client().publish("a", "x", { qos: 1 });
    expect([clean.takePayloads(), kept.takePayloads()]).toEqual([["x"], ["x"]]);
  });
});

describe("Session Present", () => {
  it("[MQTT-3.2.2-1] is 0 where CleanSession 1 is accepted, with a session stored or not", () => {
    const world = new BrokerWorld({ version: 4 });
    expect(world.client(CLEAN).connack?.sessionPresent).toBe(false);
    world.client(KEPT).disconnect();
    const peer = world.peer(CLEAN);
    peer.send(peer.connectPacket(CLEAN));
    expect(peer.takeHex()).toEqual(["20020000"]);
  });

  it("[MQTT-3.2.2-2] is 1 where CleanSession 0 finds a session", () => {
    const world = new BrokerWorld({ version: 4 });
    world.client(KEPT).drop();
    const peer = world.peer(KEPT);
    peer.send(peer.connectPacket(KEPT));
    expect(peer.takeHex()).toEqual(["20020100"]);
  });

  it("[MQTT-3.2.2-2] is 1 where the session is taken over from a live connection", () => {
    const world = new BrokerWorld({ version: 4 });
    const first = world.client(KEPT);
    const second = world.client(KEPT);
    expect([first.closed, second.connack?.sessionPresent]).toEqual([true, true]);
  });

  it("[MQTT-3.2.2-3] is 0 where the session of before was a clean one", () => {
    const world = new BrokerWorld({ version: 4 });
    world.client(KEPT).disconnect();
    world.client(CLEAN).disconnect();
    expect(world.client(KEPT).connack?.sessionPresent).toBe(false);
  });

  it("[MQTT-3.2.2-4] [MQTT-3.2.2-5] is 0 in a refusal, though there is a session; then it closes", () => {
    let granted = true;
    const authenticator = judging(() => granted);
    const world = new BrokerWorld({ version: 4, parts: { authenticator } });
    world.client({ ...KEPT, username: "u" }).disconnect();
    granted = false;
    const peer = world.peer(KEPT);
    peer.send(peer.connectPacket({ ...KEPT, username: "u" }));
    expect([peer.closed, peer.takeHex()]).toEqual([true, ["20020005"]]);
    granted = true;
    expect(world.client({ ...KEPT, username: "u" }).connack?.sessionPresent).toBe(true);
  });

  it("[MQTT-3.2.2-6] a refusal that no return code fits closes without CONNACK", () => {
    const world = new BrokerWorld({ version: 4, settings: { retainAvailable: false } });
    const peer = world.peer();
    const will = { topic: "t", retain: true };
    peer.send(peer.connectPacket({ will }));
    expect([peer.closed, peer.takeHex()]).toEqual([true, []]);
    expect(world.client({ will: { topic: "t" } }).connack?.reasonCode).toBe(0);
  });
});

describe("client identifiers", () => {
  it("[MQTT-3.1.3-2] sessions are told apart by them alone", () => {
    const world = new BrokerWorld({ version: 4 });
    const one = world.client({ clientId: "one", cleanStart: false });
    const two = world.client({ clientId: "two", cleanStart: false });
    one.subscribe("a", 1);
    two.subscribe("b", 1);
    one.drop();
    two.drop();
    publish(world.client(), "a", "for one", { qos: 1 });
    publish(world.client(), "b", "for two", { qos: 1 });
    const again = world.client({ clientId: "two", cleanStart: false, username: "somebody" });
    expect(again.takePayloads()).toEqual(["for two"]);
    // Case counts.
    expect(world.client({ clientId: "One", cleanStart: false }).take()).toEqual([]);
  });

  it("[MQTT-3.1.3-5] every one of 1 to 23 letters and digits is accepted", () => {
    const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const world = new BrokerWorld({ version: 4 });
    for (let at = 0; at < alphabet.length; at++) {
      const clientId = (alphabet + alphabet).slice(at, at + 1 + (at % 23));
      expect(world.client({ clientId }).connack?.reasonCode, clientId).toBe(0);
    }
  });

  it("[MQTT-3.1.3-6] an empty one becomes one that nobody else has", () => {
    const world = new BrokerWorld({ version: 4 });
    const clients = [1, 2, 3].map(() => world.client({ clientId: "" }));
    expect(clients.map(({ connack, closed }) => [connack?.reasonCode, closed])).toEqual([
      [0, false],
      [0, false],
      [0, false],
    ]);
    const made = [...world.broker.sessions.values()].map(({ clientId }) => clientId);
    expect(new Set(made).size).toBe(3);
    expect(made.every((clientId) => /^auto-[0-9A-F-]{36}$/.test(clientId))).toBe(true);
  });

  it("[MQTT-3.1.3-8] an empty one with CleanSession 0 gets return code 2", () => {
    expect(firstOutcome(connect4(0x00, field("")))).toEqual(REFUSED_ID);
  });

  it("[MQTT-3.1.3-9] one that is not accepted gets return code 2", () => {
    const world = new BrokerWorld({ version: 4, listener: { allowZeroLengthClientid: false } });
    const peer = world.peer();
    peer.send(connect4(0x02, field("")));
    expect({ closed: peer.closed, answers: peer.takeHex() }).toEqual(REFUSED_ID);
  });
});
