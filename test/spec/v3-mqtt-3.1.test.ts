/**
 * MQTT 3.1 (`MQIsdp`, level 3): where its clients are answered otherwise than those of 3.1.1, and
 * what is put up with from them, as by mosquitto.
 */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, connect3, firstOutcome, outcome, publish } from "../support/wire.ts";

const A = field("a");
const C = field("c");
const ACCEPTED = { closed: false, answers: ["20020000"] };

describe("CONNECT of MQTT 3.1", () => {
  it("is answered as in 3.1.1", () => {
    expect(firstOutcome(connect3(0x02, C))).toEqual(ACCEPTED);
  });

  it.each([
    ["MQIsdp", 4, "20020001"],
    ["MQIsdp", 5, "20020001"],
    ["MQIsdp", 2, "20020001"],
    ["MQTT", 3, "20020001"],
  ])(
    "goes with its own name and level alone: %s at %i gets return code 1",
    (name, level, answer) => {
      const connect = frame(0x10, field(name), Buffer.from([level]), "02 0000", C);
      expect(firstOutcome(connect)).toEqual({ closed: true, answers: [answer] });
    },
  );

  it("is never told of a session, though it goes on with one", () => {
    const world = new BrokerWorld({ version: 3 });
    const kept = { clientId: "kept", cleanStart: false } as const;
    const reader = world.client(kept);
    reader.subscribe("a", 1);
    reader.drop();
    publish(world.client(), "a", "stored", { qos: 1 });
    const again = world.peer(kept);
    again.send(again.connectPacket(kept));
    expect(again.received().map(({ type }) => type)).toEqual(["connack", "publish"]);
    expect(again.takeHex()[0]).toBe("20020000");
  });

  it("shares its session with later versions, which are told of it", () => {
    const world = new BrokerWorld();
    const kept = { clientId: "kept", cleanStart: false } as const;
    world.client({ ...kept, version: 3 }).disconnect();
    expect(world.client({ ...kept, version: 4 }).connack?.sessionPresent).toBe(true);
  });

  it.each([0x00, 0x02])(
    "needs a client identifier, whatever CleanSession says: flags %i",
    (flags) => {
      const refused = { closed: true, answers: ["20020002"] };
      expect(firstOutcome(connect3(flags, field("")))).toEqual(refused);
    },
  );

  it("may have a client identifier of more than 23 characters", () => {
    expect(firstOutcome(connect3(0x02, field("x".repeat(300))))).toEqual(ACCEPTED);
  });

  it.each([
    ["the reserved flag", connect3(0x03, C)],
    ["Will QoS without a Will", connect3(0x0a, C)],
    ["Will Retain without a Will", connect3(0x22, C)],
    ["a user name that is missing", connect3(0x82, C)],
    ["a password that is missing", connect3(0xc2, C, field("u"))],
    ["flags in its fixed header", frame(0x1d, field("MQIsdp"), "03 02 0000", C)],
  ])(
    "~[MQTT-3.1.2-3] ~[MQTT-3.1.2-13] ~[MQTT-3.1.2-15] ~[MQTT-3.1.2-19] ~[MQTT-3.1.2-21] may have %s",
    (_what, connect) => {
      expect(firstOutcome(connect)).toEqual(ACCEPTED);
    },
  );

  it.each([
    ["Will QoS 3", connect3(0x1e, C, field("t"), field("m"))],
    ["a Will that is missing", connect3(0x06, C)],
    ["a password without a user name", connect3(0x42, C, field("p"))],
    ["a byte too many", connect3(0x02, C, "00")],
    ["no client identifier", connect3(0x02)],
    ["a wildcard in the Will's topic", connect3(0x06, C, field("a/#"), field("m"))],
  ])("is refused with %s", (_what, connect) => {
    expect(firstOutcome(connect)).toEqual(CLOSED);
  });
});

describe("other packets of MQTT 3.1", () => {
  it.each([
    ["SUBSCRIBE repeated", "8a", ["0001", A, "01"], "9003000101"],
    ["SUBSCRIBE at QoS 0", "80", ["0001", A, "00"], "9003000100"],
    ["UNSUBSCRIBE repeated", "aa", ["0001", A], "b0020001"],
    ["PUBREL repeated", "6a", ["0007"], "70020007"],
    ["PUBREL at QoS 0", "60", ["0007"], "70020007"],
    ["PUBREC with flags", "52", ["0007"], "62020007"],
  ])("may have the flags of its fixed header: %s", (_what, head, body, answer) => {
    const sent = frame(Number.parseInt(head, 16), ...body);
    expect(outcome(3, sent)).toEqual({ closed: false, answers: [answer] });
    expect(outcome(4, sent)).toEqual(CLOSED);
  });

  it("DISCONNECT counts with any flags, so that the Will stays unsent", () => {
    const world = new BrokerWorld({ version: 3 });
    const reader = world.client();
    reader.subscribe("w", 0);
    const client = world.client({ will: { topic: "w", payload: "gone" } });
    client.send("ef00");
    expect([client.closed, reader.take()]).toEqual([true, []]);
  });

  it("SUBACK grants the QoS that was asked for", () => {
    const body = ["0001", A, "00", field("b"), "01", field("c"), "02"];
    expect(outcome(3, frame(0x82, ...body)).answers).toEqual(["90050001000102"]);
  });

  it("SUBACK grants what is never delivered, for 3.1 has no way to refuse", () => {
    const access = { mayPublish: () => true, mayReceive: () => false };
    const world = new BrokerWorld({ version: 3, parts: { access } });
    const reader = world.client();
    expect(reader.subscribe("a", 1)?.reasonCodes).toEqual([1]);
    world.client().publish("a", "x", { qos: 1 });
    expect([reader.closed, reader.take()]).toEqual([false, []]);
  });

  it("messages are delivered at every QoS, and repeated with DUP", () => {
    const world = new BrokerWorld({ version: 3 });
    const kept = { clientId: "kept", cleanStart: false } as const;
    const reader = world.client(kept);
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const qos of [0, 1, 2] as const) publish(writer, "a", `${qos}`, { qos });
    expect(reader.takePublishes().map(({ qos }) => qos)).toEqual([0, 1, 2]);
    reader.drop();
    const again = world.client(kept).takePublishes();
    expect(again.map(({ payload, dup }) => [payload.toString(), dup])).toEqual([
      ["1", true],
      ["2", true],
    ]);
  });

  it("strings keep the rules of later versions", () => {
    expect(outcome(3, frame(0x30, "0002 61ff", "78"))).toEqual(CLOSED);
    expect(outcome(3, frame(0x82, "0001", "0003 610062", "00"))).toEqual(CLOSED);
  });
});
