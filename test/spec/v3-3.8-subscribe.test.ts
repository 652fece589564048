/** MQTT 3.1.1 §3.8 to §3.14: SUBSCRIBE, UNSUBSCRIBE, PINGREQ and DISCONNECT. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, outcome, publish } from "../support/wire.ts";

const A = field("a");

describe("SUBSCRIBE", () => {
  it.each([0, 1, 3, 4, 6, 8, 10, 15])(
    "[MQTT-3.8.1-1] with flags %i ends the connection",
    (flags) => {
      const body = ["0001", A, "00"];
      expect(outcome(4, frame(0x82, ...body)).closed).toBe(false);
      expect(outcome(4, frame(0x80 | flags, ...body))).toEqual(CLOSED);
    },
  );

  it.each([
    ["no filter", frame(0x82, "0001")],
    ["no QoS", frame(0x82, "0001", A)],
    ["no QoS for the second filter", frame(0x82, "0001", A, "00", A)],
    ["an empty filter", frame(0x82, "0001", field(""), "00")],
    ["a filter longer than the packet", frame(0x82, "0001", "0009 61")],
  ])("[MQTT-3.8.3-3] [MQTT-4.8.0-1] with %s ends the connection", (_what, packet) => {
    expect(outcome(4, packet)).toEqual(CLOSED);
  });

  it.each(["03", "04", "08", "10", "20", "40", "80", "ff"])(
    "[MQTT-3.8.3-4] with a requested QoS of 0x%s ends the connection",
    (qos) => expect(outcome(4, frame(0x82, "0001", A, qos))).toEqual(CLOSED),
  );

  it("[MQTT-3.8.3-4] takes no filter of a packet that has a wrong one behind", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client({ clientId: "r", cleanStart: false });
    reader.send(frame(0x82, "0001", A, "01", field("b"), "03"));
    expect(reader.closed).toBe(true);
    publish(world.client(), "a", "x", { qos: 1 });
    expect(world.client({ clientId: "r", cleanStart: false }).take()).toEqual([]);
  });

  it("[MQTT-3.8.4-1] [MQTT-3.8.4-2] is answered with SUBACK under its identifier", () => {
    expect(outcome(4, frame(0x82, "00ff", A, "01"))).toEqual({
      closed: false,
      answers: ["900300ff01"],
    });
  });

  it("[MQTT-3.8.4-3] with the same filter replaces the QoS, and delivers once", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 0);
    reader.subscribe("a", 2);
    publish(world.client(), "a", "x", { qos: 2 });
    expect(reader.takePublishes().map(({ qos }) => qos)).toEqual([2]);
    reader.subscribe("a", 0);
    publish(world.client(), "a", "y", { qos: 2 });
    expect(reader.takePublishes().map(({ qos }) => qos)).toEqual([0]);
  });

  it("[MQTT-3.8.4-3] with the same filter brings its retained messages again", () => {
    const world = new BrokerWorld({ version: 4 });
    world.client().publish("a/b", "kept", { qos: 1, retain: true });
    const reader = world.client();
    for (let times = 0; times < 3; times++) {
      reader.subscribe("a/#", 1);
      const { retain, payload } = reader.takeOne("publish");
      expect([retain, payload.toString()]).toEqual([true, "kept"]);
    }
  });

  it("[MQTT-3.8.4-3] with the same filter interrupts nothing that is under way", () => {
    const world = new BrokerWorld({ version: 4, settings: { maxInflightMessages: 1 } });
    const reader = world.client();
    reader.subscribe("a", 1);
    for (const payload of ["1", "2", "3"]) world.client().publish("a", payload, { qos: 1 });
    reader.subscribe("a", 0);
    reader.acknowledges = true;
    expect(reader.takePayloads()).toEqual(["1"]);
    reader.puback(1);
    expect(reader.takePayloads()).toEqual(["2", "3"]);
  });

  it("[MQTT-3.8.4-3] with another filter that matches the same stands beside it", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a", 0);
    reader.subscribe("+", 0);
    reader.unsubscribe("+");
    world.client().publish("a", "x");
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] with several filters has one SUBACK, a code for each", () => {
    const several = frame(0x82, "0005", A, "02", field("b/#"), "00", field("+"), "01", A, "00");
    const { answers } = outcome(4, several);
    expect(answers).toEqual(["9006000502000100"]);
  });

  it("[MQTT-3.8.4-4] with several filters subscribes to each", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe(["a", "b", "c/+"], 1);
    for (const topic of ["a", "b", "c", "c/d"]) world.client().publish(topic, topic);
    expect(reader.takePayloads()).toEqual(["a", "b", "c/d"]);
  });

  it("[MQTT-3.8.4-5] grants less than was asked where the listener ends at a lower QoS", () => {
    const world = new BrokerWorld({ version: 4, listener: { maxQos: 1 } });
    const reader = world.client();
    const asked = [0, 1, 2].map((qos) => ({ filter: `t/${qos}`, qos: qos as 0 | 1 | 2 }));
    expect(reader.subscribe(asked)?.reasonCodes).toEqual([0, 1, 1]);
  });

  it("[MQTT-3.8.4-6] gets each message at the lower of its QoS and the granted one", () => {
    const seen: [published: number, granted: number, delivered: number][] = [];
    for (const published of [0, 1, 2] as const) {
      for (const granted of [0, 1, 2] as const) {
        const world = new BrokerWorld({ version: 4 });
        const reader = world.client();
        reader.subscribe("a", granted);
        publish(world.client(), "a", "x", { qos: published });
        seen.push([published, granted, reader.takeOne("publish").qos]);
      }
    }
    for (const [published, granted, delivered] of seen) {
      expect(delivered, `${published} to ${granted}`).toBe(Math.min(published, granted));
    }
  });

  it("[MQTT-3.9.3-2] is answered with 0, 1 and 2 alone: a filter that is none ends it", () => {
    const codes = [0, 1, 2].map(
      (qos) => outcome(4, frame(0x82, "0001", A, Buffer.from([qos]))).answers,
    );
    expect(codes).toEqual([["9003000100"], ["9003000101"], ["9003000102"]]);
    for (const filter of ["a#", "#/a", "a/#/b", "a+", "+a/b"]) {
      expect(outcome(4, frame(0x82, "0001", field(filter), "00")), filter).toEqual(CLOSED);
    }
  });
});

describe("UNSUBSCRIBE", () => {
  it.each([0, 1, 3, 4, 6, 8, 10, 15])(
    "[MQTT-3.10.1-1] with flags %i ends the connection",
    (flags) => {
      expect(outcome(4, frame(0xa2, "0001", A)).closed).toBe(false);
      expect(outcome(4, frame(0xa0 | flags, "0001", A))).toEqual(CLOSED);
    },
  );

  it.each([
    ["no filter", frame(0xa2, "0001")],
    ["an empty filter", frame(0xa2, "0001", field(""))],
    ["half a filter", frame(0xa2, "0001", A, "0002 61")],
    ["no identifier", frame(0xa2)],
  ])("[MQTT-3.10.3-2] [MQTT-4.8.0-1] with %s ends the connection", (_what, packet) => {
    expect(outcome(4, packet)).toEqual(CLOSED);
  });

  it("[MQTT-3.10.4-1] removes the one subscription that is spelled the same", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe(["a/b", "A/b", "a/b/", "/a/b", "+/b"], 0);
    reader.unsubscribe("a/b");
    for (const topic of ["A/b", "a/b/", "/a/b", "a/b"]) world.client().publish(topic, topic);
    // The last one comes by `+/b`, as does the first a second time.
    expect(reader.takePayloads().sort()).toEqual(["/a/b", "A/b", "A/b", "a/b", "a/b/"]);
  });

  it("[MQTT-3.10.4-1] with a wildcard does not remove what it would match", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("a/b", 0);
    reader.unsubscribe("#", "a/+", "+/b");
    world.client().publish("a/b", "x");
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT-3.10.4-1] leaves other clients' subscriptions alone", () => {
    const world = new BrokerWorld({ version: 4 });
    const [one, other] = [world.client(), world.client()];
    for (const reader of [one, other]) reader.subscribe("a", 0);
    one.unsubscribe("a");
    world.client().publish("a", "x");
    expect([one.takePayloads(), other.takePayloads()]).toEqual([[], ["x"]]);
  });

  it("[MQTT-3.10.4-2] lets nothing new come", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client({ clientId: "r", cleanStart: false });
    reader.subscribe("a", 2);
    const writer = world.client();
    publish(writer, "a", "before", { qos: 0 });
    expect(reader.takePayloads()).toEqual(["before"]);
    reader.unsubscribe("a");
    for (const qos of [0, 1, 2] as const) publish(writer, "a", "after", { qos });
    reader.drop();
    for (const qos of [0, 1, 2] as const) publish(writer, "a", "later", { qos });
    const again = world.client({ clientId: "r", cleanStart: false });
    expect([reader.take(), again.take()]).toEqual([[], []]);
  });

  it("[MQTT-3.10.4-3] leaves what was sent to be finished, on the next connection if need be", () => {
    const world = new BrokerWorld({ version: 4 });
    const kept = { clientId: "r", cleanStart: false } as const;
    const reader = world.client(kept);
    reader.subscribe("a", 2);
    const writer = world.client();
    publish(writer, "a", "one", { qos: 1 });
    publish(writer, "a", "two", { qos: 2 });
    publish(writer, "a", "three", { qos: 2 });
    reader.pubrec(3);
    reader.take();
    reader.unsubscribe("a");
    reader.drop();
    const again = world.client(kept);
    const repeated = again.takePublishes().map(({ payload, dup }) => [payload.toString(), dup]);
    expect(repeated).toEqual([
      ["one", true],
      ["two", true],
    ]);
    expect(again.takeOne("pubrel").packetId).toBe(3);
    again.puback(1);
    again.pubrec(2);
    expect(again.takeOne("pubrel").packetId).toBe(2);
  });

  it("[MQTT-3.10.4-4] is answered with UNSUBACK under its identifier", () => {
    const { answers } = outcome(4, frame(0x82, "0001", A, "00"), frame(0xa2, "0bcd", A));
    expect(answers).toEqual(["9003000100", "b0020bcd"]);
  });

  it("[MQTT-3.10.4-5] is answered though it removed nothing", () => {
    expect(outcome(4, frame(0xa2, "0002", A)).answers).toEqual(["b0020002"]);
  });

  it("[MQTT-3.10.4-6] with several filters removes each, and has one answer", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe(["a", "b", "c"], 0);
    reader.send(frame(0xa2, "0009", A, field("none"), field("c")));
    expect(reader.takeHex()).toEqual(["b0020009"]);
    for (const topic of ["a", "b", "c"]) world.client().publish(topic, topic);
    expect(reader.takePayloads()).toEqual(["b"]);
  });
});

describe("PINGREQ", () => {
  it("[MQTT-3.12.4-1] is answered with PINGRESP, each one", () => {
    expect(outcome(4, "c000", "c000c000").answers).toEqual(["d000", "d000", "d000"]);
  });

  it("[MQTT-4.8.0-1] with a body ends the connection", () => {
    expect(outcome(4, "c00100")).toEqual(CLOSED);
  });
});

describe("DISCONNECT", () => {
  it.each([1, 2, 4, 8, 15])("[MQTT-3.14.1-1] with flags %i is a violation", (flags) => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client();
    reader.subscribe("w", 0);
    const client = world.client({ will: { topic: "w", payload: "gone" } });
    client.send(frame(0xe0 | flags));
    // What shows that it did not count as a DISCONNECT is the Will.
    expect([client.closed, reader.takePayloads()]).toEqual([true, ["gone"]]);
  });

  it("[MQTT-4.8.0-1] with a body is a violation", () => {
    expect(outcome(4, "e00100")).toEqual(CLOSED);
  });

  it("[MQTT-3.14.4-2] ends the connection, and nothing behind it is read", () => {
    const world = new BrokerWorld({ version: 4 });
    const client = world.client();
    client.send(Buffer.concat([frame(0xe0), frame(0x30, A, "78"), frame(0xc0)]));
    expect([client.closed, client.takeHex()]).toEqual([true, []]);
    expect(world.broker.counters.publishReceived).toBe(0);
  });
});
