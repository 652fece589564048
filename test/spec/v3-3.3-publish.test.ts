/** MQTT 3.1.1 §3.3: PUBLISH, but for retained messages. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, outcome, publish } from "../support/wire.ts";

const A = field("a");
const KEPT = { clientId: "kept", cleanStart: false } as const;

describe("DUP", () => {
  it("[MQTT-3.3.1-1] is 1 on what is repeated on the next connection, and there alone", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client(KEPT);
    reader.subscribe("a", 2);
    const writer = world.client();
    publish(writer, "a", "one", { qos: 1 });
    publish(writer, "a", "two", { qos: 2 });
    expect(reader.takePublishes().map(({ dup }) => dup)).toEqual([false, false]);
    reader.drop();
    publish(writer, "a", "three", { qos: 1 });
    const again = world.client(KEPT);
    publish(writer, "a", "four", { qos: 1 });
    expect(again.takePublishes().map(({ dup, payload }) => [payload.toString(), dup])).toEqual([
      ["one", true],
      ["two", true],
      ["three", false],
      ["four", false],
    ]);
  });

  it("[MQTT-3.3.1-2] is 0 on every QoS 0 message", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 0);
    const writer = world.client();
    writer.publish("a", "x", { qos: 1, dup: true });
    writer.publish("a", "x");
    expect(reader.takePublishes().map(({ dup }) => dup)).toEqual([false, false]);
  });

  it("[MQTT-3.3.1-2] [MQTT-4.8.0-1] ends the connection where it stands with QoS 0", () => {
    expect(outcome(4, frame(0x38, A, "78"))).toEqual(CLOSED);
  });

  it("[MQTT-3.3.1-3] tells a subscriber nothing of the publisher's repeats", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    writer.publish("a", "1", { qos: 1, packetId: 5 });
    writer.publish("a", "1", { qos: 1, packetId: 5, dup: true });
    writer.publish("a", "2", { qos: 2, packetId: 6, dup: true });
    writer.pubrel(6);
    const seen = reader.takePublishes().map(({ dup, payload }) => [payload.toString(), dup]);
    expect(seen).toEqual([
      ["1", false],
      ["1", false],
      ["2", false],
    ]);
  });
});

describe("PUBLISH", () => {
  it.each(["36", "37", "3e", "3f"])("[MQTT-3.3.1-4] closes on QoS 3: first byte %s", (head) => {
    expect(outcome(4, frame(Number.parseInt(head, 16), A, "0001", "78"))).toEqual(CLOSED);
  });

  it("[MQTT-3.3.2-1] begins with the topic name, its length ahead of it", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("tä/#", 1);
    world.client().publish("tä/b", "xyz", { qos: 1 });
    expect(reader.takeHex()).toEqual([
      frame(0x32, "0005 74 c3a4 2f 62", "0001", "78797a").toString("hex"),
    ]);
  });

  it.each([
    ["the topic name goes on behind the packet", frame(0x30, "0009 61")],
    ["there is half a length", frame(0x30, "00")],
    ["there is nothing", frame(0x30)],
    ["there is no room for the identifier", frame(0x32, A, "00")],
  ])("[MQTT-3.3.2-1] [MQTT-4.8.0-1] ends the connection where %s", (_what, packet) => {
    expect(outcome(4, packet)).toEqual(CLOSED);
  });

  it.each(["#", "+", "a/#", "a/+/b", "a+", "a#b", "$SYS/#"])(
    "[MQTT-3.3.2-2] [MQTT-4.7.1-1] ends the connection with the topic name %j",
    (topic) => {
      const world = new BrokerWorld({ version: 4 });
      const reader = world.client();
      reader.subscribe("#", 2);
      const writer = world.client();
      writer.publish(topic, "x", { qos: 1 });
      expect([writer.closed, writer.takeHex(), reader.take()]).toEqual([true, [], []]);
    },
  );

  it("[MQTT-3.3.2-3] reaches those alone whose filter matches its topic name", () => {
    const world = new BrokerWorld({ version: 4 });
    const filters = ["a/b", "a/+", "+/b", "a/#", "#", "a", "a/b/c", "+", "a/b/", "/a/b", "A/b"];
    const readers = filters.map((filter) => {
      const reader = world.client();
      reader.subscribe(filter, 1);
      return { filter, reader };
    });
    world.client().publish("a/b", "x", { qos: 1 });
    const reached = readers.filter(({ reader }) =>
      reader.takePublishes().some(({ topic }) => topic === "a/b"),
    );
    expect(reached.map(({ filter }) => filter)).toEqual(["a/b", "a/+", "+/b", "a/#", "#"]);
  });

  it("[MQTT-3.3.2-3] has the topic name it was published with, not the filter", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("+/b/#", 1);
    for (const topic of ["a/b", "c/b/d", "/b/"]) world.client().publish(topic, "x");
    expect(reader.takePublishes().map(({ topic }) => topic)).toEqual(["a/b", "c/b/d", "/b/"]);
  });

  it.each([
    [0, []],
    [1, ["40020007"]],
    [2, ["50020007"]],
  ] as const)("[MQTT-3.3.4-1] at QoS %i is answered with %j", (qos, answers) => {
    const packetId = qos === 0 ? "" : "0007";
    expect(outcome(4, frame(0x30 | (qos << 1), A, packetId, "78"))).toEqual({
      closed: false,
      answers,
    });
  });

  it("[MQTT-3.3.5-1] meets overlapping filters of one client at the highest of their QoS", () => {
    const settings = { allowDuplicateMessages: false };
    const world = new BrokerWorld({ version: 4, settings });
    const reader = world.client();
    reader.subscribe([
      { filter: "a/#", qos: 0 },
      { filter: "a/b", qos: 2 },
      { filter: "+/b", qos: 1 },
    ]);
    const writer = world.client();
    for (const qos of [0, 1, 2] as const) publish(writer, "a/b", "x", { qos });
    expect(reader.takePublishes().map(({ qos }) => qos)).toEqual([0, 1, 2]);
  });

  it("[MQTT-3.3.5-1] with a copy for each filter, one is at the highest QoS, none above its own", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe([
      { filter: "a/#", qos: 0 },
      { filter: "a/b", qos: 2 },
      { filter: "+/b", qos: 1 },
    ]);
    publish(world.client(), "a/b", "x", { qos: 2 });
    expect(
      reader
        .takePublishes()
        .map(({ qos }) => qos)
        .sort(),
    ).toEqual([0, 1, 2]);
  });

  it.each([
    [1, "4002000a"],
    [2, "5002000a"],
  ] as const)("[MQTT-3.3.5-2] at QoS %i is acknowledged where it is not allowed", (qos, answer) => {
    const access = { mayPublish: () => false, mayReceive: () => true };
    const world = new BrokerWorld({ version: 4, parts: { access } });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    publish(writer, "a", "x", { qos, packetId: 10 });
    expect(writer.takeHex()[0]).toBe(answer);
    expect([writer.closed, reader.take()]).toEqual([false, []]);
  });
});
