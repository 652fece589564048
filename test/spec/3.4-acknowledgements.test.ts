/** MQTT 5.0 §3.4 to §3.7: PUBACK, PUBREC, PUBREL, PUBCOMP, as a broker has them. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, type WorldOptions } from "../support/broker-world.ts";

/** Room for our CONNACK, and for no Reason String worth reading. */
const SMALL = { maximumPacketSize: 16 };

describe("PUBACK", () => {
  it("[MQTT5-3.4.2-1] has no code where a subscriber got the message", () => {
    const { writer } = published();
    writer.publish("heard", "x", { qos: 1, packetId: 10 });
    expect(writer.takeHex()).toEqual(["4002000a"]);
  });

  it("[MQTT5-3.4.2-1] has code 0x10 where nobody subscribes, and no properties", () => {
    const { writer } = published();
    writer.publish("unheard", "x", { qos: 1, packetId: 10 });
    expect(writer.takeHex()).toEqual(["4003000a10"]);
  });

  it("[MQTT5-3.4.2-1] has code 0x87 where the client may not publish", () => {
    const { writer } = published();
    writer.publish("secret", "x", { qos: 1, packetId: 10 });
    writer.publish("$SYS/broker/uptime", "x", { qos: 1, packetId: 11 });
    writer.publish("$share/g/heard", "x", { qos: 1, packetId: 12 });
    expect(writer.takeHex()).toEqual(["4003000a87", "4003000b87", "4003000c87"]);
    expect(writer.closed).toBe(false);
  });

  it("[MQTT5-3.4.2-1] has code 0x97 where more is under way than was announced", () => {
    const { world, writer } = published({
      durability: "held",
      settings: { maxInflightMessages: 1 },
    });
    // A retained message is acknowledged once the store has it.
    writer.publish("heard", "1", { qos: 1, packetId: 10, retain: true });
    writer.publish("heard", "2", { qos: 1, packetId: 11 });
    world.settle();
    expect(writer.takeHex()).toEqual(["4002000a", "4003000b97"]);
  });

  it("does not wait for a store that the message is nothing to", () => {
    const { world, writer } = published({ durability: "held" });
    const other = world.client();
    other.publish("kept", "x", { qos: 1, packetId: 9, retain: true });
    writer.publish("unheard", "1", { qos: 1, packetId: 10 });
    writer.publish("heard", "2", { qos: 1, packetId: 11 });
    writer.publish("heard", "3", { qos: 2, packetId: 12 });
    writer.pubrel(12);
    expect(other.takeHex()).toEqual([]);
    expect(writer.takeHex()).toEqual(["4003000a10", "4002000b", "5002000c", "7002000c"]);
  });

  it("~[MQTT5-3.4.2-1] ~[MQTT5-3.5.2-1] has code 0x95 above message_size_limit", () => {
    const { writer, reader } = published({ settings: { messageSizeLimit: 10 } });
    writer.publish("heard", "x".repeat(10), { qos: 1, packetId: 9 });
    writer.publish("heard", "x".repeat(11), { qos: 1, packetId: 10 });
    writer.publish("heard", "x".repeat(11), { qos: 2, packetId: 11 });
    writer.publish("heard", "x".repeat(11));
    expect(writer.takeHex()).toEqual(["40020009", "4003000a95", "5003000b95"]);
    expect(reader.takePayloads()).toEqual(["x".repeat(10)]);
  });

  it("has no code before MQTT 5.0, whatever became of the message", () => {
    const { world } = published();
    for (const version of [3, 4] as const) {
      const writer = world.client({ version });
      writer.publish("unheard", "x", { qos: 1, packetId: 10 });
      writer.publish("secret", "x", { qos: 1, packetId: 11 });
      expect(writer.takeHex()).toEqual(["4002000a", "4002000b"]);
    }
  });

  it("[MQTT5-3.4.2-2] [MQTT5-3.4.2-3] never grows beyond a client's Maximum Packet Size", () => {
    const { world } = published();
    const writer = world.client({ properties: SMALL });
    writer.publish("secret", "x", { qos: 1, packetId: 10 });
    expect(writer.takeHex()).toEqual(["4003000a87"]);
  });

  it("[MQTT5-3.4.2-1] with a code that is not one of its own ends the connection", () => {
    const { writer, reader } = published();
    writer.publish("heard", "x", { qos: 1 });
    reader.takePublishes();
    reader.send("40 03 0001 92");
    expect(reader.takeHex()).toEqual(["e00182"]);
    expect(reader.closed).toBe(true);
  });
});

describe("PUBREC", () => {
  it("[MQTT5-3.5.2-1] has no code where the message was taken over, even for nobody", () => {
    const { writer } = published();
    writer.publish("heard", "x", { qos: 2, packetId: 10 });
    writer.publish("unheard", "x", { qos: 2, packetId: 11 });
    expect(writer.takeHex()).toEqual(["5002000a", "5002000b"]);
  });

  it("[MQTT5-3.5.2-1] has code 0x87 where the client may not publish, 0x97 above the quota", () => {
    const { writer } = published({ settings: { maxInflightMessages: 1 } });
    writer.publish("secret", "x", { qos: 2, packetId: 9 });
    writer.publish("heard", "x", { qos: 2, packetId: 10 });
    writer.publish("heard", "x", { qos: 2, packetId: 11 });
    expect(writer.takeHex()).toEqual(["5003000987", "5002000a", "5003000b97"]);
  });

  it("[MQTT5-3.5.2-2] [MQTT5-3.5.2-3] never grows beyond a client's Maximum Packet Size", () => {
    const { world } = published();
    const writer = world.client({ properties: SMALL });
    writer.publish("secret", "x", { qos: 2, packetId: 10 });
    expect(writer.takeHex()).toEqual(["5003000a87"]);
  });

  it("[MQTT5-3.5.2-1] with a code that is not one of its own ends the connection", () => {
    const { writer, reader } = published();
    writer.publish("heard", "x", { qos: 2, packetId: 1 });
    writer.pubrel(1);
    reader.takePublishes();
    reader.send("50 03 0001 92");
    expect(reader.takeHex()).toEqual(["e00182"]);
  });

  it("for an identifier nobody knows is answered with PUBREL, and the log says so", () => {
    const { world, reader } = published();
    reader.pubrec(99);
    expect(reader.takeHex()).toEqual(["62020063"]);
    expect(world.logged(/unknown packet identifier 99/)).toHaveLength(1);
  });
});

describe("PUBREL", () => {
  it.each([0x60, 0x61, 0x63, 0x66, 0x6a])(
    "[MQTT5-3.6.1-1] with other flags than 0010 ends the connection (%i)",
    (head) => {
      const { world } = published();
      const writer = world.client();
      writer.publish("heard", "x", { qos: 2, packetId: 1 });
      writer.takeHex();
      writer.send(Buffer.from([head, 2, 0, 1]));
      expect(writer.takeHex()).toEqual(["e00181"]);
      expect(writer.closed).toBe(true);
      const old = world.client({ version: 4 });
      old.send(Buffer.from([head, 2, 0, 1]));
      expect([old.takeHex(), old.closed]).toEqual([[], true]);
    },
  );

  it("[MQTT5-3.6.1-1] goes out with the flags 0010", () => {
    expect(relHex({})).toEqual(["62020001"]);
  });

  it("[MQTT5-3.6.2-1] goes out without a code, which is success", () => {
    expect(relHex({})).toEqual(["62020001"]);
  });

  it("[MQTT5-3.6.2-2] [MQTT5-3.6.2-3] never grows beyond a client's Maximum Packet Size", () => {
    expect(relHex(SMALL)).toEqual(["62020001"]);
  });

  it("[MQTT5-3.6.2-1] with a code that is not one of its own ends the connection", () => {
    const { writer } = published();
    writer.send("62 03 0001 80");
    expect(writer.takeHex()).toEqual(["e00182"]);
  });

  it("[MQTT5-3.6.2-1] may say that the identifier was not found", () => {
    const { writer } = published();
    writer.send("62 03 0001 92");
    expect(writer.takeHex()).toEqual(["70020001"]);
  });
});

describe("PUBCOMP", () => {
  it("[MQTT5-3.7.2-1] goes out without a code, for an identifier nobody knows too", () => {
    const { writer } = published();
    writer.publish("heard", "x", { qos: 2, packetId: 1 });
    writer.pubrel(1);
    writer.pubrel(1);
    writer.pubrel(77);
    expect(writer.takeHex()).toEqual(["50020001", "70020001", "70020001", "7002004d"]);
  });

  it("[MQTT5-3.7.2-2] [MQTT5-3.7.2-3] never grows beyond a client's Maximum Packet Size", () => {
    const { world } = published();
    const writer = world.client({ properties: SMALL });
    writer.pubrel(10);
    expect(writer.takeHex()).toEqual(["7002000a"]);
  });

  it("[MQTT5-3.7.2-1] with a code that is not one of its own ends the connection", () => {
    const { writer } = published();
    writer.send("70 03 0001 10");
    expect(writer.takeHex()).toEqual(["e00182"]);
  });
});

/** A reader of `heard` at QoS 2, and a writer that may publish everywhere but on `secret`. */
function published(options: WorldOptions = {}) {
  const mayPublish = (_identity: unknown, topic: string) => topic !== "secret";
  const access = { mayPublish, mayReceive: () => true };
  const world = new BrokerWorld({ ...options, parts: { access } });
  const reader = world.client();
  reader.subscribe("heard", 2);
  return { world, reader, writer: world.client() };
}

/** What a subscriber with these CONNECT properties gets for its PUBREC. */
function relHex(properties: { maximumPacketSize?: number }): string[] {
  const world = new BrokerWorld();
  const reader = world.client({ properties });
  reader.subscribe("t", 2);
  const writer = world.client();
  writer.publish("t", "x", { qos: 2, packetId: 1 });
  writer.pubrel(1);
  reader.takePublishes();
  reader.pubrec(1);
  return reader.takeHex();
}
