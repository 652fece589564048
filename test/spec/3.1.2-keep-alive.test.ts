/** MQTT 5.0 §3.1.2.10, §3.2.2.3.14: keep alive, the client's and the server's. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import type { ScriptedClient } from "../support/scripted-client.ts";

describe("keep alive", () => {
  it("[MQTT5-3.1.2-22] ends the connection after one and a half times as much silence", () => {
    const world = new BrokerWorld();
    const client = world.client({ clientId: "c", keepAlive: 10 });
    world.pass(14_999);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect(client.takeHex()).toEqual(["e0018d"]);
    expect(client.closed).toBe(true);
    expect(world.logged(/exceeded timeout/)).toEqual([
      "Client c [127.0.0.1:50001] disconnected: exceeded timeout.",
    ]);
  });

  it.each<[string, (client: ScriptedClient) => void]>([
    ["PINGREQ", (client) => client.ping()],
    ["PUBLISH", (client) => client.publish("a")],
    ["PUBACK", (client) => client.puback(1)],
    ["SUBSCRIBE", (client) => client.subscribe("a")],
    // A large message may take longer than the keep alive to come in.
    ["a piece of a packet", (client) => client.send("30")],
  ])("[MQTT5-3.1.2-22] counts from the last that came: %s", (_, speak) => {
    const world = new BrokerWorld();
    const client = world.client({ keepAlive: 10 });
    world.pass(14_000);
    speak(client);
    world.pass(14_999);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect(client.closed).toBe(true);
  });

  it("[MQTT5-3.1.2-22] does not count what the client is sent", () => {
    const world = new BrokerWorld();
    const client = world.client({ keepAlive: 10 });
    client.subscribe("a");
    const writer = world.client();
    for (let i = 0; i < 14; i++) {
      world.pass(1_000);
      writer.publish("a");
    }
    world.pass(1_000);
    expect(client.closed).toBe(true);
  });

  it("[MQTT5-3.1.2-20] of a client that pings in time keeps its connection", () => {
    const world = new BrokerWorld();
    const client = world.client({ keepAlive: 10 });
    for (let i = 0; i < 100; i++) {
      world.pass(10_000);
      client.ping();
    }
    expect(client.takeHex()).toEqual(Array(100).fill("d000"));
  });

  it("of 0 lets a client be silent for ever", () => {
    const world = new BrokerWorld();
    const client = world.client({ keepAlive: 0 });
    world.pass(365 * 86_400_000);
    expect(client.closed).toBe(false);
  });

  it("of 65535 is measured too", () => {
    const world = new BrokerWorld();
    const client = world.client({ keepAlive: 65_535 });
    world.pass(65_535 * 1_500 - 1);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect(client.closed).toBe(true);
  });

  it("[MQTT5-3.2.2-22] is the client's own where CONNACK names none", () => {
    const world = new BrokerWorld({ settings: { maxKeepalive: 60 } });
    const client = world.client({ keepAlive: 60 });
    expect(client.connack?.properties.serverKeepAlive).toBeUndefined();
    world.pass(89_999);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect(client.closed).toBe(true);
  });

  it.each([61, 65_535, 0])(
    "[MQTT5-3.2.2-21] [MQTT5-3.1.2-21] is shortened to the server's, by which it goes: %i",
    (keepAlive) => {
      const world = new BrokerWorld({ settings: { maxKeepalive: 60 } });
      const client = world.client({ keepAlive });
      expect(client.connack?.properties.serverKeepAlive).toBe(60);
      world.pass(89_999);
      expect(client.closed).toBe(false);
      world.pass(1);
      expect(client.closed).toBe(true);
    },
  );
});
