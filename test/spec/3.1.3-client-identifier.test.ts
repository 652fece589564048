/** MQTT 5.0 §3.1.3.1, §3.2.2.3.7: which client identifiers are taken, and which are made up. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";

const LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

describe("a client identifier", () => {
  it("[MQTT5-3.1.3-5] of 1 to 23 letters and digits is taken", () => {
    const world = new BrokerWorld();
    for (let size = 1; size <= 23; size++) {
      for (let start = 0; start < LETTERS.length; start += size) {
        const client = world.client({ clientId: LETTERS.slice(start, start + size) });
        expect(client.connack?.reasonCode).toBe(0);
        expect(client.connack?.properties.assignedClientIdentifier).toBeUndefined();
        client.disconnect();
      }
    }
  });

  it("may be longer, and hold any characters", () => {
    const world = new BrokerWorld();
    for (const clientId of ["x".repeat(65_535), "a/+", "#", "a b", "$SYS/x", "ü😀", "\ufeff"]) {
      expect(world.client({ clientId }).connack?.reasonCode, clientId.slice(0, 20)).toBe(0);
    }
  });

  it("[MQTT5-3.1.3-6] that is empty is taken, and a unique one made up", () => {
    const world = new BrokerWorld();
    const ids = new Set<string | undefined>();
    for (let i = 0; i < 50; i++) {
      const { connack } = world.client({ clientId: "" });
      expect(connack?.reasonCode).toBe(0);
      ids.add(connack?.properties.assignedClientIdentifier);
    }
    expect(ids.size).toBe(50);
    expect(world.broker.connectionCount).toBe(50);
    for (const id of ids) {
      expect(id).toMatch(/^auto-[\dA-F]{8}-[\dA-F]{4}-[\dA-F]{4}-[\dA-F]{4}-[\dA-F]{12}$/);
    }
  });

  it("[MQTT5-3.1.3-7] [MQTT5-3.2.2-16] that was made up is named in CONNACK, and gone by", () => {
    const world = new BrokerWorld({ listener: { autoIdPrefix: "made-" } });
    const properties = { sessionExpiryInterval: 100 };
    const first = world.client({ clientId: "", cleanStart: false, properties });
    const clientId = first.connack?.properties.assignedClientIdentifier ?? "";
    expect(clientId).toMatch(/^made-/);
    expect(first.connack?.sessionPresent).toBe(false);
    first.subscribe("a", 1);
    first.drop();
    world.client().publish("a", "waits", { qos: 1 });
    const again = world.client({ clientId, cleanStart: false, properties });
    expect([again.connack?.sessionPresent, again.takePayloads()]).toEqual([true, ["waits"]]);
    expect(again.connack?.properties.assignedClientIdentifier).toBeUndefined();
  });

  it("[MQTT5-3.2.2-16] that is made up belongs to no session, not even by chance", () => {
    // Chance that repeats itself: the same identifier comes out twice before another does.
    const bytes = [1, 1, 2].map((value) => new Uint8Array(16).fill(value));
    const world = new BrokerWorld();
    const chance = { bytes: () => bytes.shift() ?? new Uint8Array(16) };
    Object.assign(world.broker, { chance });
    const ids = [world.client({ clientId: "" }), world.client({ clientId: "" })].map(
      ({ connack }) => connack?.properties.assignedClientIdentifier?.slice(-4),
    );
    expect(ids).toEqual(["0101", "0202"]);
    expect(world.broker.connectionCount).toBe(2);
  });

  it("[MQTT5-3.1.3-8] that is empty is refused where it may not be, with mosquitto's 0x80", () => {
    const peer = new BrokerWorld({ listener: { allowZeroLengthClientid: false } }).peer();
    peer.send(rawConnect({ payload: [field("")] }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008000"], true]);
  });

  it("[MQTT5-3.1.3-8] that lacks the prefix asked for is refused, with mosquitto's 0x87", () => {
    const world = new BrokerWorld({ settings: { clientidPrefixes: "good-" } });
    const answers = ["bad", "good-1"].map((clientId) => {
      const peer = world.peer({ clientId });
      peer.connect();
      return [peer.connack?.reasonCode, peer.closed];
    });
    expect(answers).toEqual([
      [0x87, true],
      [0, false],
    ]);
  });

  it("[MQTT5-3.1.3-4] that is no UTF-8 is refused as malformed", () => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ payload: ["0001 ff"] }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
  });

  it("[MQTT5-3.1.3-3] that is missing is malformed, even where nothing else follows", () => {
    const peer = new BrokerWorld().peer();
    peer.send(packet(0x10, field("MQTT"), "05 02 0000 00"));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
  });

  it("is the user name where the listener says so", () => {
    const world = new BrokerWorld({ listener: { useUsernameAsClientid: true } });
    const client = world.client({ clientId: "ignored", username: "alice" });
    expect(world.logged(/as alice/)).toHaveLength(1);
    world.client({ clientId: "other", username: "alice" });
    expect(client.takeHex()).toEqual(["e0018e"]);
    const nobody = world.peer();
    nobody.connect();
    expect([nobody.connack?.reasonCode, nobody.closed]).toEqual([0x87, true]);
  });

  it("is looked at even where the user name takes its place", () => {
    const world = new BrokerWorld({ listener: { useUsernameAsClientid: true } });
    const peer = world.peer();
    peer.connect({ version: 3, clientId: "", username: "alice" });
    expect([peer.connack?.reasonCode, peer.closed]).toEqual([2, true]);
  });
});
