/** MQTT 3.1.1 §2: fixed header and packet identifiers, on the server's side. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, firstOutcome, outcome, publish } from "../support/wire.ts";

const A = field("a");

describe("fixed header", () => {
  it.each([
    ["PUBACK", frame(0x41, "0007")],
    ["PUBREC", frame(0x52, "0007")],
    ["PUBREL with 0000", frame(0x60, "0007")],
    ["PUBREL with 1010", frame(0x6a, "0007")],
    ["PUBCOMP", frame(0x78, "0007")],
    ["SUBSCRIBE with 0000", frame(0x80, "0007", A, "00")],
    ["SUBSCRIBE with 1010", frame(0x8a, "0007", A, "00")],
    ["UNSUBSCRIBE with 0000", frame(0xa0, "0007", A)],
    ["UNSUBSCRIBE with 0011", frame(0xa3, "0007", A)],
    ["PINGREQ", frame(0xc2)],
    ["DISCONNECT", frame(0xe1)],
  ])("[MQTT-2.2.2-2] closes on wrong flags in %s", (_type, packet) => {
    expect(outcome(4, packet)).toEqual(CLOSED);
  });

  it.each([0, 1, 3, 6, 10, 15])("[MQTT-3.6.1-1] closes on PUBREL with flags %i", (flags) => {
    expect(outcome(4, frame(0x62, "0007"))).toEqual({ closed: false, answers: ["70020007"] });
    expect(outcome(4, frame(0x60 | flags, "0007"))).toEqual(CLOSED);
  });

  it("[MQTT-2.2.2-2] closes on wrong flags in CONNECT", () => {
    const body = [field("MQTT"), "04 02 0000", field("c")];
    expect(firstOutcome(frame(0x10, ...body)).answers).toEqual(["20020000"]);
    for (const flags of [1, 2, 4, 8]) {
      expect(firstOutcome(frame(0x10 | flags, ...body)), `flags ${flags}`).toEqual(CLOSED);
    }
  });

  it("[MQTT-2.2.2-1] sends every packet with its prescribed flags", () => {
    const world = new BrokerWorld({ version: 4 });
    const client = world.peer();
    client.send(frame(0x10, field("MQTT"), "04 02 0000", field("c")));
    client.send(frame(0x82, "0001", A, "02"));
    client.send(frame(0x32, A, "0002", "78"));
    client.send(frame(0x34, A, "0003", "79"));
    client.send(frame(0x62, "0003"));
    client.send(frame(0x50, "0002"));
    client.send(frame(0xa2, "0004", A));
    client.send(frame(0xc0));
    expect(client.takeHex()).toEqual([
      "20020000", // CONNACK
      "9003000102", // SUBACK
      frame(0x32, A, "0001", "78").toString("hex"),
      "40020002", // PUBACK
      "50020003", // PUBREC
      frame(0x34, A, "0002", "79").toString("hex"),
      "70020003", // PUBCOMP
      "62020002", // PUBREL
      "b0020004", // UNSUBACK
      "d000", // PINGRESP
    ]);
  });
});

describe("packet identifiers", () => {
  it.each([
    ["SUBSCRIBE", frame(0x82, "0000", A, "00")],
    ["UNSUBSCRIBE", frame(0xa2, "0000", A)],
    ["QoS 1 PUBLISH", frame(0x32, A, "0000", "78")],
    ["QoS 2 PUBLISH", frame(0x34, A, "0000", "78")],
    ["PUBACK", frame(0x40, "0000")],
    ["PUBREC", frame(0x50, "0000")],
    ["PUBREL", frame(0x62, "0000")],
    ["PUBCOMP", frame(0x70, "0000")],
  ])("[MQTT-2.3.1-1] closes on packet identifier 0 in %s", (_type, packet) => {
    expect(outcome(4, packet)).toEqual(CLOSED);
  });

  it.each([
    ["SUBSCRIBE", frame(0x82)],
    ["UNSUBSCRIBE", frame(0xa2, "00")],
    ["QoS 1 PUBLISH", frame(0x32, A)],
    ["QoS 2 PUBLISH", frame(0x34, A, "00")],
  ])("[MQTT-2.3.1-1] closes on %s that ends ahead of its identifier", (_type, packet) => {
    expect(outcome(4, packet)).toEqual(CLOSED);
  });

  it("[MQTT-2.3.1-1] [MQTT-2.3.1-4] gives each message on its way another identifier above 0", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const qos of [1, 2, 1, 2] as const) publish(writer, "a", "x", { qos });
    const ids = reader.takePublishes().map(({ packetId }) => packetId);
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(4);
    expect(Math.min(...ids)).toBeGreaterThan(0);
  });

  it("[MQTT-2.3.1-4] uses an identifier again only after its exchange is over", () => {
    const world = new BrokerWorld({ version: 4, parts: { packetIdMax: 3 } });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const payload of ["1", "2", "3", "4", "5", "6"]) {
      publish(writer, "a", payload, { qos: 1 });
    }
    expect(reader.takePublishes().map(({ packetId }) => packetId)).toEqual([1, 2, 3]);
    reader.puback(2);
    expect(reader.takePublishes().map(({ packetId }) => packetId)).toEqual([2]);
    reader.puback(2);
    reader.puback(1);
    expect(reader.takePublishes().map(({ packetId }) => packetId)).toEqual([2, 1]);
  });

  it("[MQTT-2.3.1-4] keeps the identifier of a QoS 2 message in use until PUBCOMP", () => {
    const world = new BrokerWorld({ version: 4, parts: { packetIdMax: 2 } });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const payload of ["1", "2", "3"]) publish(writer, "a", payload, { qos: 2 });
    reader.pubrec(1);
    expect(reader.takePayloads()).toEqual(["1", "2"]);
    reader.pubcomp(1);
    expect(reader.takePublishes().map(({ packetId }) => packetId)).toEqual([1]);
  });

  it("[MQTT-2.3.1-5] sends QoS 0 messages without an identifier", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 0);
    // At QoS 1 it takes the way through the queue, and is lowered there.
    world.client().publish("a", "one", { qos: 1 });
    world.client().publish("a", "two", { qos: 0 });
    expect(reader.takeHex()).toEqual([
      frame(0x30, A, Buffer.from("one")).toString("hex"),
      frame(0x30, A, Buffer.from("two")).toString("hex"),
    ]);
  });

  it("[MQTT-2.3.1-6] answers under the identifier of the PUBLISH", () => {
    expect(outcome(4, frame(0x32, A, "1234")).answers).toEqual(["40021234"]);
    const exchange = [frame(0x34, A, "ffff"), frame(0x62, "ffff")];
    expect(outcome(4, ...exchange).answers).toEqual(["5002ffff", "7002ffff"]);
  });

  it("[MQTT-2.3.1-6] sends PUBREL under the identifier of its own PUBLISH", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    publish(writer, "a", "x", { qos: 2, packetId: 0x0123 });
    const { packetId } = reader.takeOne("publish");
    reader.pubrec(packetId);
    expect(reader.takeOne("pubrel").packetId).toBe(packetId);
  });

  it("[MQTT-2.3.1-7] answers SUBSCRIBE and UNSUBSCRIBE under their identifiers", () => {
    expect(outcome(4, frame(0x82, "abcd", A, "00")).answers).toEqual(["9003abcd00"]);
    expect(outcome(4, frame(0xa2, "abce", A)).answers).toEqual(["b002abce"]);
  });
});
