/** MQTT 5.0 §4.3 and §4.4: the three protocols of delivery, and what a reconnect repeats. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, type WorldOptions } from "../support/broker-world.ts";
import type { PublishPacket, ScriptedClient } from "../support/scripted-client.ts";

describe("QoS 0 from the broker", () => {
  it("[MQTT5-4.3.1-1] has QoS bits and DUP all zero, whatever it was published with", () => {
    const { reader, writer } = pair(0);
    writer.publish("t", "x");
    writer.publish("t", "x", { qos: 1 });
    writer.publish("t", "x", { qos: 1, dup: true, packetId: 1 });
    writer.publish("t", "x", { qos: 2, packetId: 2 });
    writer.pubrel(2);
    expect(reader.takeHex()).toEqual(Array(4).fill("30050001740078"));
  });
});

describe("QoS 1 from the broker", () => {
  it("[MQTT5-4.3.2-1] [MQTT5-4.3.3-1] takes an identifier that is free, round all of them", () => {
    const { world, reader, writer } = pair(2, { parts: { packetIdMax: 5 } });
    const ids = () => reader.takePublishes().map(({ packetId }) => packetId);
    for (const payload of ["1", "2", "3", "4", "5", "6", "7"]) {
      writer.publish("t", payload, { qos: 1 });
    }
    expect(ids()).toEqual([1, 2, 3, 4, 5]);
    reader.puback(4);
    expect(ids()).toEqual([4]);
    reader.puback(2);
    expect(ids()).toEqual([2]);
    const other = world.client();
    other.subscribe("t", 1);
    writer.publish("t", "8", { qos: 1 });
    expect(other.takeOne("publish").packetId).toBe(1);
  });

  it("[MQTT5-4.3.2-2] has that identifier and DUP 0 when it is first sent", () => {
    const { reader, writer } = pair(1);
    writer.publish("t", "x", { qos: 1, packetId: 9, dup: true });
    expect(reader.takeHex()).toEqual(["320700017400010078"]);
  });

  it("[MQTT5-4.3.2-3] stays open until its PUBACK, and no longer", () => {
    const { world, reader, writer } = pair(1);
    writer.publish("t", "1", { qos: 1 });
    writer.publish("t", "2", { qos: 1 });
    reader.puback(1);
    const again = comeBack(world, reader);
    expect(payloads(again.take() as PublishPacket[])).toEqual(["2"]);
    again.puback(2);
    expect(comeBack(world, again).take()).toEqual([]);
    expect(world.broker.kept.count).toBe(0);
  });

  it("[MQTT5-4.3.2-3] is not ended by a PUBACK of another identifier, or PUBREC or PUBCOMP", () => {
    const { world, reader, writer } = pair(1);
    writer.publish("t", "1", { qos: 1 });
    reader.puback(2);
    reader.pubcomp(1);
    expect(payloads(comeBack(world, reader).take() as PublishPacket[])).toEqual(["1"]);
    const { reader: wrong, writer: other } = pair(1);
    other.publish("t", "1", { qos: 1 });
    wrong.takePublishes();
    wrong.pubrec(1);
    expect([wrong.takeHex(), wrong.closed]).toEqual([["e00182"], true]);
  });
});

describe("QoS 1 to the broker", () => {
  it("[MQTT5-4.3.2-4] is taken over and answered with PUBACK of its identifier", () => {
    const { reader, writer } = pair(1);
    writer.publish("t", "x", { qos: 1, packetId: 0xabcd });
    expect(writer.takeHex()).toEqual(["4002abcd"]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT5-4.3.2-4] is answered only when the message of a lasting session is safe", () => {
    const { world, reader, writer } = pair(1, { durability: "held" });
    writer.publish("t", "x", { qos: 1, packetId: 7 });
    expect(writer.takeHex()).toEqual([]);
    expect(reader.takePayloads()).toEqual(["x"]);
    world.settle();
    expect(writer.takeHex()).toEqual(["40020007"]);
  });

  it("[MQTT5-4.3.2-5] with an identifier used before is a new message, DUP or not", () => {
    const { reader, writer } = pair(1);
    for (const dup of [false, true, false, true]) {
      writer.publish("t", "x", { qos: 1, packetId: 7, dup });
    }
    expect(writer.takeHex()).toEqual(Array(4).fill("40020007"));
    expect(reader.takePayloads()).toHaveLength(4);
  });
});

describe("QoS 2 from the broker", () => {
  it("[MQTT5-4.3.3-2] has its identifier and DUP 0 when it is first sent", () => {
    const { reader } = sentTwo();
    expect(reader.takeHex()).toEqual(["340700017400010078"]);
  });

  it("[MQTT5-4.3.3-3] stays open until its PUBREC", () => {
    const { world, reader } = sentTwo();
    expect(hexOf(comeBack(world, reader))).toEqual(["3c0700017400010078"]);
  });

  it("[MQTT5-4.3.3-4] goes on with PUBREL of the same identifier, and once more if asked", () => {
    const { reader } = sentTwo();
    reader.takePublishes();
    reader.pubrec(1);
    reader.pubrec(1, 0x10);
    expect(reader.takeHex()).toEqual(["62020001", "62020001"]);
  });

  it("[MQTT5-4.3.3-5] [MQTT5-4.3.3-6] keeps PUBREL open until PUBCOMP, and no PUBLISH", () => {
    const { world, reader } = sentTwo();
    reader.pubrec(1);
    const again = comeBack(world, reader);
    expect(again.takeHex()).toEqual(["62020001"]);
    again.pubcomp(1);
    expect(comeBack(world, again).takeHex()).toEqual([]);
    expect(world.broker.kept.count).toBe(0);
  });

  it("[MQTT5-4.3.3-7] does not expire once it was sent", () => {
    const { world, reader, writer } = pair(2);
    const properties = { messageExpiryInterval: 1 };
    writer.publish("t", "x", { qos: 2, packetId: 1, properties });
    writer.pubrel(1);
    world.pass(5_000);
    const again = comeBack(world, reader);
    expect(again.takeOne("publish")).toMatchObject({ dup: true, packetId: 1 });
    again.pubrec(1);
    expect(again.takeHex()).toEqual(["62020001"]);
  });
});

describe("QoS 2 to the broker", () => {
  it("[MQTT5-4.3.3-8] is taken over and answered with PUBREC of its identifier", () => {
    const { writer } = pair(2);
    writer.publish("t", "x", { qos: 2, packetId: 0xabcd });
    expect(writer.takeHex()).toEqual(["5002abcd"]);
  });

  it("[MQTT5-4.3.3-8] is answered only when the message of a lasting session is safe", () => {
    const world = new BrokerWorld({ durability: "held" });
    const writer = world.peer({ clientId: "w" });
    writer.connect({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    world.settle();
    writer.takeHex();
    writer.publish("t", "x", { qos: 2, packetId: 7 });
    expect(writer.takeHex()).toEqual([]);
    world.settle();
    expect(writer.takeHex()).toEqual(["50020007"]);
    writer.pubrel(7);
    expect(writer.takeHex()).toEqual([]);
    world.settle();
    expect(writer.takeHex()).toEqual(["70020007"]);
  });

  it("[MQTT5-4.3.3-9] may use the identifier of a message that was refused for a new one", () => {
    const access = {
      mayPublish: (_: unknown, topic: string) => topic === "t",
      mayReceive: () => true,
    };
    const { reader, writer } = pair(2, { parts: { access } });
    writer.publish("no", "x", { qos: 2, packetId: 1 });
    writer.publish("t", "new", { qos: 2, packetId: 1 });
    writer.pubrel(1);
    expect(writer.takeHex()).toEqual(["5003000187", "50020001", "70020001"]);
    expect(reader.takePayloads()).toEqual(["new"]);
  });

  it("[MQTT5-4.3.3-10] repeated before PUBREL gets PUBREC again, and is delivered once", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("t", 2);
    const lasts = { cleanStart: false, clientId: "w", properties: { sessionExpiryInterval: 60 } };
    world.client(lasts).publish("t", "x", { qos: 2, packetId: 1 });
    for (let i = 0; i < 3; i++) {
      const again = world.client(lasts);
      again.publish("t", "x", { qos: 2, packetId: 1, dup: true });
      expect(again.takeHex()).toEqual(["50020001"]);
    }
    const last = world.client(lasts);
    last.pubrel(1);
    expect(last.takeHex()).toEqual(["70020001"]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("~[MQTT5-4.3.3-10] repeated twice on one connection ends it, as mosquitto does", () => {
    const { reader, writer } = pair(2);
    writer.publish("t", "x", { qos: 2, packetId: 1 });
    writer.publish("t", "x", { qos: 2, packetId: 1, dup: true });
    expect(writer.takeHex()).toEqual(["50020001", "50020001"]);
    writer.publish("t", "x", { qos: 2, packetId: 1, dup: true });
    expect([writer.takeHex(), writer.closed]).toEqual([["e00182"], true]);
    expect(reader.takePayloads()).toEqual([]);
  });

  it("with other content under an open identifier takes the place of the older message", () => {
    const { world, reader, writer } = pair(2);
    writer.publish("t", "old", { qos: 2, packetId: 1 });
    writer.publish("t", "new", { qos: 2, packetId: 1 });
    writer.pubrel(1);
    expect(writer.takeHex()).toEqual(["50020001", "50020001", "70020001"]);
    expect(reader.takePayloads()).toEqual(["new"]);
    expect(world.logged(/Reused message ID 1 from /)).toHaveLength(1);
  });

  it("[MQTT5-4.3.3-11] is released with PUBCOMP of the same identifier", () => {
    const { reader, writer } = pair(2);
    writer.publish("t", "x", { qos: 2, packetId: 0xabcd });
    expect(reader.received()).toEqual([]);
    writer.pubrel(0xabcd);
    expect(writer.takeHex()).toEqual(["5002abcd", "7002abcd"]);
    expect(reader.takePayloads()).toEqual(["x"]);
  });

  it("[MQTT5-4.3.3-12] may use the identifier for a new message after PUBCOMP", () => {
    const { reader, writer } = pair(2);
    for (const dup of [false, true, false]) {
      writer.publish("t", "x", { qos: 2, packetId: 1, dup });
      writer.pubrel(1);
    }
    expect(reader.takePayloads()).toEqual(["x", "x", "x"]);
  });

  it.each([0, 2] as const)(
    "[MQTT5-4.3.3-13] [MQTT5-3.3.2-5] finishes what expired, and delivers it to nobody (%i)",
    (qos) => {
      const { world, reader, writer } = pair(qos);
      const properties = { messageExpiryInterval: 1 };
      writer.publish("t", "x", { qos: 2, packetId: 1, retain: true, properties });
      world.pass(1_000);
      writer.publish("t", "x", { qos: 2, packetId: 1, retain: true, properties, dup: true });
      writer.pubrel(1);
      expect(writer.takeHex()).toEqual(["50020001", "50020001", "70020001"]);
      expect(reader.received()).toEqual([]);
      expect(world.broker.kept.count).toBe(0);
    },
  );
});

describe("A resumed session", () => {
  it("[MQTT5-4.4.0-1] repeats open PUBRELs and PUBLISHes under their identifiers, in order", () => {
    const { world, reader, writer } = pair(2);
    for (const packetId of [11, 12, 13]) {
      writer.publish("t", `two ${packetId}`, { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    writer.publish("t", "one", { qos: 1 });
    reader.pubrec(3);
    reader.pubrec(1);
    const again = comeBack(world, reader);
    expect(again.take()).toMatchObject([
      { type: "pubrel", packetId: 3 },
      { type: "pubrel", packetId: 1 },
      { type: "publish", packetId: 2, dup: true, qos: 2 },
      { type: "publish", packetId: 4, dup: true, qos: 1 },
    ]);
  });

  it("[MQTT5-4.4.0-1] is the only time that anything is repeated", () => {
    const { world, reader, writer } = pair(2);
    writer.publish("t", "one", { qos: 1 });
    writer.publish("t", "two", { qos: 2, packetId: 9 });
    writer.pubrel(9);
    reader.pubrec(2);
    reader.take();
    world.pass(1e9);
    reader.ping();
    expect(reader.takeHex()).toEqual(["d000"]);
  });

  it("sends what waited after what it repeats, with DUP 0", () => {
    const { world, reader, writer } = pair(1);
    writer.publish("t", "sent", { qos: 1 });
    reader.drop();
    writer.publish("t", "waited", { qos: 1 });
    const again = comeBack(world, reader);
    expect(again.takePublishes()).toMatchObject([
      { packetId: 1, dup: true },
      { packetId: 2, dup: false },
    ]);
  });

  it.each([0x80, 0x83, 0x87, 0x90, 0x97, 0x99])(
    "[MQTT5-4.4.0-2] does not repeat what PUBACK or PUBREC refused (%i)",
    (code) => {
      const { world, reader, writer } = pair(2);
      writer.publish("t", "one", { qos: 1 });
      writer.publish("t", "two", { qos: 2, packetId: 9 });
      writer.pubrel(9);
      reader.puback(1, code);
      reader.pubrec(2, code);
      expect(reader.take().map(({ type }) => type)).toEqual(["publish", "publish"]);
      expect(comeBack(world, reader).take()).toEqual([]);
      expect(world.broker.kept.count).toBe(0);
    },
  );
});

const LASTS = { cleanStart: false, clientId: "reader", properties: { sessionExpiryInterval: 600 } };

/** A reader of `t` whose session lasts, and a writer. */
function pair(qos: 0 | 1 | 2, options: WorldOptions = {}) {
  const world = new BrokerWorld(options);
  const reader = world.peer(LASTS);
  reader.connect(LASTS);
  world.settle();
  reader.takeHex();
  reader.subscribe("t", qos);
  world.settle();
  reader.takeHex();
  return { world, reader, writer: world.client() };
}

/** The same, with one QoS 2 message on its way to the reader. */
function sentTwo() {
  const all = pair(2);
  all.writer.publish("t", "x", { qos: 2, packetId: 1 });
  all.writer.pubrel(1);
  return all;
}

/** The reader's connection goes, and it connects again. */
function comeBack(world: BrokerWorld, reader: ScriptedClient): ScriptedClient {
  reader.drop();
  return world.client(LASTS);
}

function payloads(packets: readonly PublishPacket[]): string[] {
  return packets.map(({ payload }) => payload.toString());
}

function hexOf(client: ScriptedClient): string[] {
  return client.takeHex();
}
