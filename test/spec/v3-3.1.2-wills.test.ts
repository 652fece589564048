/** MQTT 3.1.1 §3.1.2.5 to §3.1.2.7 and §3.14: the Will, and DISCONNECT that cancels it. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { packet as frame } from "../support/raw-packets.ts";
import type { ConnectOptions, ScriptedClient } from "../support/scripted-client.ts";

const WILL = { topic: "w/t", payload: "gone" } as const;

/** How a connection ends without DISCONNECT (§3.1.2.5 lists them). */
const BAD_ENDS: readonly [
  how: string,
  end: (client: ScriptedClient, world: BrokerWorld) => void,
][] = [
  ["the network fails", (client) => client.drop("Connection reset by peer")],
  ["the client closes without DISCONNECT", (client) => client.drop()],
  ["the client is silent for too long", (_client, world) => world.pass(15_000)],
  ["the client breaks the protocol", (client) => client.send(frame(0x36))],
  ["the client identifier is taken", (client, world) => void world.client(client)],
];

describe("the Will", () => {
  it.each(BAD_ENDS)("[MQTT-3.1.2-8] goes out when %s", (_how, end) => {
    const { world, client, reader } = watched();
    expect(reader.take()).toEqual([]);
    end(client, world);
    expect(client.closed).toBe(true);
    const { topic, payload } = reader.takeOne("publish");
    expect([topic, payload.toString()]).toEqual(["w/t", "gone"]);
  });

  it("[MQTT-3.1.2-8] goes out when the server stops", () => {
    const { world, reader } = watched();
    world.turn(() => world.broker.shutdown());
    expect(reader.takePayloads()).toEqual(["gone"]);
  });

  it.each([0, 1, 2] as const)("[MQTT-3.1.2-8] goes out at its own QoS %i", (qos) => {
    const { client, reader } = watched({ will: { ...WILL, qos } });
    client.drop();
    expect(reader.takeOne("publish").qos).toBe(qos);
  });

  it("[MQTT-3.1.2-8] may be empty, and then still goes out", () => {
    const { client, reader } = watched({ will: { topic: "w/t" } });
    client.drop();
    expect(reader.takePayloads()).toEqual([""]);
  });

  it("[MQTT-3.1.2-8] reaches its own session where that stays", () => {
    const { world, client } = watched({ clientId: "own", cleanStart: false });
    client.subscribe("w/t", 1);
    client.drop();
    world.client().publish("w/t", "later", { qos: 1 });
    const again = world.client({ clientId: "own", cleanStart: false });
    // The Will is of QoS 0, which is not stored.
    expect(again.takePayloads()).toEqual(["later"]);
  });

  it("[MQTT-3.1.2-10] [MQTT-3.14.4-3] is forgotten at DISCONNECT", () => {
    const { world, client, reader } = watched();
    client.send("e0 00");
    expect(client.closed).toBe(true);
    world.pass(3_600_000);
    world.turn(() => world.broker.shutdown());
    expect(reader.take()).toEqual([]);
  });

  it("[MQTT-3.14.4-3] is not cancelled by a DISCONNECT that is malformed", () => {
    const { client, reader } = watched();
    client.send("e1 00");
    expect(reader.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT-3.1.2-10] is forgotten once it was sent, though the session stays", () => {
    const kept = { clientId: "kept", cleanStart: false } as const;
    const { world, client, reader } = watched(kept);
    client.drop();
    expect(reader.takePayloads()).toEqual(["gone"]);
    world.client(kept).drop();
    expect(reader.take()).toEqual([]);
  });

  it("[MQTT-3.1.2-12] does not go out where CONNECT had none", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("#", 2);
    world.client().drop();
    expect(reader.take()).toEqual([]);
  });

  it("[MQTT-3.1.2-12] does not go out for a connection that was refused", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("#", 2);
    world.peer().send(reader.connectPacket({ clientId: "", cleanStart: false, will: WILL }));
    expect(reader.take()).toEqual([]);
  });

  it("[MQTT-3.1.2-16] without Will Retain is not kept for later subscribers", () => {
    expect(afterTheWill(false)).toEqual([]);
  });

  it("[MQTT-3.1.2-17] with Will Retain is its topic's retained message", () => {
    expect(afterTheWill(true)).toEqual([[true, "gone"]]);
  });

  function afterTheWill(retain: boolean) {
    const { world, client, reader } = watched({ will: { ...WILL, retain } });
    client.drop();
    // For those who had subscribed before it is a message like any other.
    expect(reader.takeOne("publish").retain).toBe(false);
    const later = world.client();
    later.subscribe("w/#", 1);
    return later.takePublishes().map((message) => [message.retain, message.payload.toString()]);
  }
});

/** A client with a Will, and one that would see it. */
function watched(options: ConnectOptions = {}) {
  const world = new BrokerWorld({ version: 4 });
  const reader = world.client({ clientId: "reader" });
  reader.subscribe("#", 2);
  const client = world.client({ keepAlive: 10, will: WILL, ...options });
  return { world, client, reader };
}
