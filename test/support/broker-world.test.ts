/** The world that spec tests and simulations run the broker in does what it says itself. */
import { expect, it } from "vitest";
import { BrokerWorld } from "./broker-world.ts";

it("connects clients of every version and hands messages between them", () => {
  const world = new BrokerWorld();
  const readers = ([3, 4, 5] as const).map((version) => world.client({ version }));
  for (const reader of readers) {
    expect(reader.connack?.reasonCode).toBe(0);
    expect(reader.subscribe("a/#", 1)?.reasonCodes).toEqual([1]);
  }
  const writer = world.client({ version: 4 });
  writer.publish("a/b", "hello", { qos: 1 });
  expect(writer.takeHex()).toEqual(["40020001"]);
  for (const reader of readers) {
    const { payload, packetId } = reader.takeOne("publish");
    expect([payload.toString(), packetId]).toEqual(["hello", 1]);
  }
});

it("lets a client speak bytes", () => {
  const peer = new BrokerWorld().peer();
  peer.send("10 0d 00 04 4d 51 54 54 04 02 00 3c 00 01 61 c0");
  peer.send("00");
  expect(peer.takeHex()).toEqual(["20020000", "d000"]);
  expect(peer.closed).toBe(false);
});

it("moves the clock through each deadline", () => {
  const world = new BrokerWorld();
  const client = world.client({ keepAlive: 10 });
  world.pass(15_000);
  expect(client.closed).toBe(true);
  expect(world.now).toBe(15_000);
  expect(client.takeOne("disconnect").reasonCode).toBe(0x8d);
});

it("holds up what a slow reader does not read", () => {
  const world = new BrokerWorld();
  const reader = world.client();
  reader.subscribe("a");
  reader.stall();
  const writer = world.client();
  for (const payload of ["1", "2", "3"]) writer.publish("a", payload);
  expect(reader.received()).toEqual([]);
  expect(world.broker.waiting().bytes).toBe(21);
  reader.read(10);
  expect(reader.takePayloads()).toEqual(["1"]);
  reader.flow();
  expect(reader.takePayloads()).toEqual(["2", "3"]);
  expect(world.broker.waiting().bytes).toBe(0);
});

it("acknowledges by itself when it is told to", () => {
  const world = new BrokerWorld({ settings: { maxInflightMessages: 1 } });
  const reader = world.client();
  reader.acknowledges = true;
  reader.subscribe("a", 2);
  const writer = world.client();
  for (const payload of ["1", "2", "3"]) writer.publish("a", payload, { qos: 1 });
  expect(reader.takePayloads()).toEqual(["1", "2", "3"]);
});

it("holds acknowledgements back until changes are on disk", () => {
  const world = new BrokerWorld({ durability: "held" });
  const reader = world.peer({ clientId: "reader" });
  reader.connect({ cleanStart: false, properties: { sessionExpiryInterval: 100 } });
  expect(reader.received()).toEqual([]);
  world.settle();
  expect(reader.takeOne("connack").sessionPresent).toBe(false);
});

it("keeps what the broker logs, and ends clients that drop", () => {
  const world = new BrokerWorld();
  world.client({ clientId: "a" }).drop();
  expect(world.logged(/disconnected/)).toEqual([
    "Client a [127.0.0.1:50001] disconnected: connection closed by client.",
  ]);
});
