/** MQTT 3.1.1 §4.3 to §4.6: delivery by QoS, repeats on reconnecting, receipt, and order. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import type { ScriptedClient } from "../support/scripted-client.ts";
import { outcome, publish } from "../support/wire.ts";

const A = field("a");
const KEPT = { clientId: "kept", cleanStart: false } as const;

describe("QoS 0", () => {
  it("[MQTT-4.3.1-1] is sent once, with QoS and DUP 0, and asks for nothing", () => {
    const { world, reader, writer } = pair(0);
    writer.publish("a", "x");
    expect(reader.takeHex()).toEqual([frame(0x30, A, "78").toString("hex")]);
    reader.drop();
    expect(world.client(KEPT).take()).toEqual([]);
  });
});

describe("QoS 1", () => {
  it("[MQTT-4.3.2-1] is sent with an identifier and DUP 0, and is open until PUBACK", () => {
    const { world, reader, writer } = pair(1);
    writer.publish("a", "one", { qos: 1 });
    writer.publish("a", "two", { qos: 1 });
    expect(reader.takeHex()).toEqual([
      frame(0x32, A, "0001", Buffer.from("one")).toString("hex"),
      frame(0x32, A, "0002", Buffer.from("two")).toString("hex"),
    ]);
    reader.puback(1);
    reader.drop();
    expect(world.client(KEPT).takePayloads()).toEqual(["two"]);
    world.client(KEPT).puback(2);
    expect(world.client(KEPT).take()).toEqual([]);
  });

  it("[MQTT-4.3.2-1] ignores a PUBACK for what is not open", () => {
    expect(outcome(4, frame(0x40, "0063"), "c000")).toEqual({ closed: false, answers: ["d000"] });
  });

  it.each([
    ["PUBREC", "50020001"],
    ["PUBCOMP", "70020001"],
  ])("[MQTT-4.3.2-1] [MQTT-4.8.0-1] ends the connection when answered with %s", (_type, answer) => {
    const { reader, writer } = pair(1);
    writer.publish("a", "x", { qos: 1 });
    reader.take();
    reader.send(answer);
    expect([reader.closed, reader.takeHex()]).toEqual([true, []]);
  });

  it("[MQTT-4.3.2-2] received is answered with PUBACK, and then delivered", () => {
    const { reader, writer } = pair(1);
    expect(writer.publish("a", "x", { qos: 1, packetId: 300 })).toBe(300);
    expect(writer.takeHex()).toEqual(["4002012c"]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT-4.3.2-2] after PUBACK the identifier means a new message, with DUP or without", () => {
    const { reader, writer } = pair(1);
    writer.publish("a", "x", { qos: 1, packetId: 8 });
    writer.publish("a", "x", { qos: 1, packetId: 8, dup: true });
    writer.publish("a", "y", { qos: 1, packetId: 8 });
    expect(writer.takeHex()).toEqual(["40020008", "40020008", "40020008"]);
    expect(reader.takePayloads()).toEqual(["x", "x", "y"]);
  });
});

describe("QoS 2", () => {
  it("[MQTT-4.3.3-1] is sent with an identifier and DUP 0, then PUBREL, until PUBCOMP", () => {
    const { world, reader, writer } = pair(2);
    publish(writer, "a", "x", { qos: 2 });
    expect(reader.takeHex()).toEqual([frame(0x34, A, "0001", "78").toString("hex")]);
    reader.pubrec(1);
    expect(reader.takeHex()).toEqual(["62020001"]);
    reader.drop();
    const again = world.client(KEPT);
    // No PUBLISH again once PUBREL is out.
    expect(again.takeHex()).toEqual(["62020001"]);
    again.pubcomp(1);
    again.drop();
    expect(world.client(KEPT).takeHex()).toEqual([]);
  });

  it("[MQTT-4.3.3-1] is open until PUBREC", () => {
    const { world, reader, writer } = pair(2);
    publish(writer, "a", "x", { qos: 2 });
    reader.drop();
    const { packetId, dup, payload } = world.client(KEPT).takeOne("publish");
    expect([packetId, dup, payload.toString()]).toEqual([1, true, "x"]);
  });

  it("[MQTT-4.3.3-1] answers a second PUBREC with PUBREL again", () => {
    const { reader, writer } = pair(2);
    publish(writer, "a", "x", { qos: 2 });
    reader.take();
    reader.pubrec(1);
    reader.pubrec(1);
    expect(reader.takeHex()).toEqual(["62020001", "62020001"]);
  });

  it.each([
    ["PUBACK", "40020001"],
    ["PUBCOMP", "70020001"],
  ])("[MQTT-4.3.3-1] [MQTT-4.8.0-1] ends the connection when answered with %s", (_type, answer) => {
    const { reader, writer } = pair(2);
    publish(writer, "a", "x", { qos: 2 });
    reader.take();
    reader.send(answer);
    expect([reader.closed, reader.takeHex()]).toEqual([true, []]);
  });

  it("[MQTT-4.3.3-2] received is answered with PUBREC and, at PUBREL, PUBCOMP", () => {
    const exchange = [frame(0x34, A, "00aa", "78"), frame(0x62, "00aa")];
    expect(outcome(4, ...exchange)).toEqual({ closed: false, answers: ["500200aa", "700200aa"] });
  });

  it("[MQTT-4.3.3-2] repeated before PUBREL is delivered once", () => {
    const { reader, writer } = pair(2);
    writer.publish("a", "x", { qos: 2, packetId: 4 });
    writer.publish("a", "x", { qos: 2, packetId: 4, dup: true });
    writer.pubrel(4);
    expect(writer.takeHex()).toEqual(["50020004", "50020004", "70020004"]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT-4.3.3-2] repeated on the next connection is delivered once", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client(KEPT);
    writer.publish("a", "x", { qos: 2, packetId: 4 });
    writer.drop();
    const again = world.client(KEPT);
    again.publish("a", "x", { qos: 2, packetId: 4, dup: true });
    again.pubrel(4);
    again.pubrel(4);
    expect(again.takeHex()).toEqual(["50020004", "70020004", "70020004"]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT-4.3.3-2] after PUBCOMP the identifier means a new message", () => {
    const { reader, writer } = pair(2);
    for (let times = 0; times < 3; times++) {
      publish(writer, "a", "x", { qos: 2, packetId: 4 });
    }
    expect(reader.takePayloads()).toEqual(["x", "x", "x"]);
  });

  it("[MQTT-4.3.3-2] answers PUBREL with PUBCOMP though it knows nothing of it", () => {
    expect(outcome(4, frame(0x62, "0063")).answers).toEqual(["70020063"]);
  });

  it("~[MQTT-4.3.3-2] ends the connection at a message's second repeat, as mosquitto", () => {
    const repeat = frame(0x3c, A, "0004", "78");
    const first = frame(0x34, A, "0004", "78");
    expect(outcome(4, first, repeat).closed).toBe(false);
    expect(outcome(4, first, repeat, repeat).closed).toBe(true);
  });
});

describe("delivery retry", () => {
  it("[MQTT-4.4.0-1] repeats open PUBLISH and PUBREL under their identifiers on reconnecting", () => {
    const { world, reader, writer } = pair(2);
    writer.publish("a", "one", { qos: 1 });
    for (const payload of ["two", "three", "four"]) publish(writer, "a", payload, { qos: 2 });
    reader.pubrec(3);
    reader.puback(1);
    reader.drop();
    const again = world.client(KEPT);
    expect(again.received().map(({ type }) => type)).toEqual(["pubrel", "publish", "publish"]);
    const repeated = again.takePublishes();
    expect(repeated.map(({ packetId, payload }) => [packetId, payload.toString()])).toEqual([
      [2, "two"],
      [4, "four"],
    ]);
    expect(again.takeOne("pubrel").packetId).toBe(3);
  });

  it("[MQTT-4.4.0-1] repeats nothing to a client that comes with CleanSession 1", () => {
    const { world, reader, writer } = pair(2);
    writer.publish("a", "one", { qos: 1 });
    reader.drop();
    expect(world.client({ ...KEPT, cleanStart: true }).take()).toEqual([]);
  });

  it("[MQTT-4.4.0-1] repeats nothing on a connection that lasts", () => {
    const { world, reader, writer } = pair(2);
    writer.publish("a", "one", { qos: 1 });
    publish(writer, "a", "two", { qos: 2 });
    reader.pubrec(2);
    reader.take();
    world.pass(24 * 3_600_000);
    expect(reader.take()).toEqual([]);
  });
});

describe("message receipt", () => {
  it("[MQTT-4.5.0-1] puts a message into the session of every matching subscriber", () => {
    const world = new BrokerWorld({ version: 4 });
    const here = world.client();
    const away = world.client({ clientId: "away", cleanStart: false });
    const elsewhere = world.client();
    here.subscribe("a/+", 1);
    away.subscribe("#", 1);
    elsewhere.subscribe("b", 1);
    away.drop();
    const writer = world.client();
    writer.subscribe("a/b", 1);
    writer.publish("a/b", "x", { qos: 1 });
    const back = world.client({ clientId: "away", cleanStart: false });
    const seen = [here, back, elsewhere, writer].map((client) => client.takePayloads());
    expect(seen).toEqual([["x"], ["x"], [], ["x"]]);
  });
});

describe("message order", () => {
  it.each([0, 1, 2] as const)(
    "[MQTT-4.6.0-5] [MQTT-4.6.0-6] keeps each publisher's order at QoS %i",
    (qos) => {
      const { world, reader, writer } = pair(2, { maxInflightMessages: 2 });
      reader.acknowledges = true;
      const other = world.client();
      for (let i = 0; i < 10; i++) {
        publish(writer, "a", `w${i}`, { qos });
        publish(other, "a", `o${i}`, { qos });
      }
      const seen = reader.takePayloads();
      const of = (who: string) => seen.filter((payload) => payload.startsWith(who));
      const all = (who: string) => Array.from({ length: 10 }, (_, i) => `${who}${i}`);
      expect([of("w"), of("o")]).toEqual([all("w"), all("o")]);
    },
  );

  it("[MQTT-4.6.0-6] keeps the order of what waited for an absent client", () => {
    const { world, reader, writer } = pair(2, { maxInflightMessages: 2 });
    const payloads = ["1", "2", "3", "4", "5", "6"];
    for (const payload of payloads.slice(0, 3)) writer.publish("a", payload, { qos: 1 });
    reader.drop();
    for (const payload of payloads.slice(3)) publish(writer, "a", payload, { qos: 2 });
    const again = world.peer(KEPT);
    again.acknowledges = true;
    again.connect(KEPT);
    expect(again.takePayloads()).toEqual(payloads);
  });

  it("[MQTT-4.6.0-6] repeats PUBLISH packets in their first order", () => {
    const { world, reader, writer } = pair(1);
    for (const payload of ["1", "2", "3", "4"]) writer.publish("a", payload, { qos: 1 });
    reader.puback(2);
    reader.drop();
    const once = world.client(KEPT);
    expect(once.takePayloads()).toEqual(["1", "3", "4"]);
    once.drop();
    expect(world.client(KEPT).takePayloads()).toEqual(["1", "3", "4"]);
  });

  it("[MQTT-4.6.0-6] sends PUBACK and PUBREC in the order of the messages", () => {
    const packets = [1, 2, 3, 4].map((id) =>
      frame(id % 2 === 0 ? 0x34 : 0x32, A, Buffer.from([0, id])),
    );
    expect(outcome(4, Buffer.concat(packets)).answers).toEqual([
      "40020001",
      "50020002",
      "40020003",
      "50020004",
    ]);
  });

  it("[MQTT-4.6.0-6] sends PUBREL in the order of the PUBRECs, on reconnecting too", () => {
    const { world, reader, writer } = pair(2);
    for (const payload of ["1", "2", "3"]) publish(writer, "a", payload, { qos: 2 });
    reader.take();
    for (const packetId of [3, 1, 2]) reader.pubrec(packetId);
    const released = ["62020003", "62020001", "62020002"];
    expect(reader.takeHex()).toEqual(released);
    reader.drop();
    expect(world.client(KEPT).takeHex()).toEqual(released);
  });
});

/** A client with a session and a subscription to `a`, and one that publishes. */
function pair(qos: 0 | 1 | 2, settings: { maxInflightMessages?: number } = {}) {
  const world = new BrokerWorld({ version: 4, settings });
  const reader: ScriptedClient = world.client(KEPT);
  reader.subscribe("a", qos);
  return { world, reader, writer: world.client() };
}
