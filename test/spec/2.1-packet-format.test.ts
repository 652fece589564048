/** MQTT 5.0 §2: fixed header, packet identifiers and property lists, on the broker's side. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { rawConnect } from "../support/raw-packets.ts";

describe("reserved flags", () => {
  it.each([
    ["PUBACK", 0x40, "02 0001"],
    ["PUBREC", 0x50, "02 0001"],
    ["PUBREL", 0x62, "02 0001"],
    ["PUBCOMP", 0x70, "02 0001"],
    ["SUBSCRIBE", 0x82, "07 0001 00 0001 61 00"],
    ["UNSUBSCRIBE", 0xa2, "06 0001 00 0001 61"],
    ["PINGREQ", 0xc0, "00"],
    ["DISCONNECT", 0xe0, "00"],
    ["AUTH", 0xf0, "00"],
  ])("[MQTT5-2.1.3-1] ends the connection over any other flags of %s", (_, head, rest) => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === (head & 0x0f)) continue;
      const client = new BrokerWorld().client();
      client.send(Buffer.concat([Buffer.from([(head & 0xf0) | flags]), fromHex(rest)]));
      expect(client.takeHex(), `flags ${flags}`).toEqual(["e00181"]);
      expect(client.closed).toBe(true);
    }
  });

  it("[MQTT5-2.1.3-1] refuses a CONNECT with flags set", () => {
    for (let flags = 1; flags < 16; flags++) {
      const peer = new BrokerWorld().peer();
      peer.send(rawConnect({ head: 0x10 | flags }));
      expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
    }
  });

  it("[MQTT5-2.1.3-1] sends every packet with the flags prescribed for it", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.send("82 07 0001 00 0001 61 02");
    reader.send("a2 06 0002 00 0001 62");
    reader.ping();
    const writer = world.client();
    writer.publish("a", "", { qos: 1 });
    writer.publish("a", "", { qos: 2, packetId: 9 });
    writer.pubrel(9);
    reader.pubrec(2);
    reader.send("82 02 0000");
    const heads = (bytes: Buffer[]) => bytes.map((packet) => packet[0]!.toString(16));
    expect(heads(writer.takeBytes())).toEqual(["40", "50", "70"]);
    expect(heads(reader.takeBytes())).toEqual(["90", "b0", "d0", "32", "34", "62", "e0"]);
  });

  it.each(["00 00", "20 03 00 00 00", "90 04 0001 00 00", "b0 04 0001 00 00", "d0 00"])(
    "ends the connection over a packet only a server may send, or nobody: %s",
    (bytes) => {
      const client = new BrokerWorld().client();
      client.send(bytes);
      expect([client.takeHex(), client.closed]).toEqual([["e00182"], true]);
    },
  );
});

describe("packet identifiers", () => {
  it("[MQTT5-2.2.1-2] sends QoS 0 without one, whatever QoS it was published at", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("a", 0);
    const writer = world.client();
    writer.publish("a", "m");
    writer.publish("a", "m", { qos: 1 });
    writer.publish("a", "m", { qos: 2, packetId: 7 });
    writer.pubrel(7);
    expect(reader.takeHex()).toEqual(Array(3).fill("3005000161006d"));
  });

  it("[MQTT5-2.2.1-2] reads QoS 0 as one without", () => {
    const world = new BrokerWorld();
    const client = world.client();
    client.subscribe("a");
    // Behind the topic 00 is the property length already; the rest is payload.
    client.send("30 07 0001 61 00 01 00 6d");
    expect(client.takeOne("publish").payload.toString("hex")).toBe("01006d");
  });

  it.each([
    ["SUBSCRIBE", "82 07 0000 00 0001 61 00", 0x81],
    ["UNSUBSCRIBE", "a2 06 0000 00 0001 61", 0x81],
    ["PUBLISH at QoS 1", "32 06 0001 61 0000 00", 0x82],
    ["PUBLISH at QoS 2", "34 06 0001 61 0000 00", 0x82],
    ["PUBREL", "62 02 0000", 0x82],
  ])("[MQTT5-2.2.1-3] ends the connection over a %s with identifier 0", (_, bytes, code) => {
    const client = new BrokerWorld().client();
    client.send(bytes);
    expect(client.takeOne("disconnect").reasonCode).toBe(code);
    expect(client.closed).toBe(true);
  });

  it("[MQTT5-2.2.1-4] gives each new message one above zero that is not in use", () => {
    // Four identifiers in all: they wrap at once, and two stay taken.
    const world = new BrokerWorld({ parts: { packetIdMax: 4 } });
    const reader = world.client({ properties: { receiveMaximum: 3 } });
    reader.subscribe("a", 2);
    const writer = world.client();
    const ids: number[] = [];
    const publish = () => {
      writer.publish("a", "", { qos: 1 });
      ids.push(reader.takeOne("publish").packetId);
    };
    publish();
    publish();
    for (let i = 0; i < 5; i++) {
      publish();
      reader.puback(ids.at(-1)!);
    }
    expect(ids).toEqual([1, 2, 3, 4, 3, 4, 3]);
  });

  it("[MQTT5-2.2.1-4] keeps one of QoS 2 in use until its PUBCOMP", () => {
    const world = new BrokerWorld({ parts: { packetIdMax: 2 } });
    const reader = world.client({ properties: { receiveMaximum: 2 } });
    reader.subscribe("a", 2);
    const writer = world.client();
    writer.acknowledges = true;
    const publish = (packetId: number) => {
      writer.publish("a", "", { qos: 2, packetId });
      writer.pubrel(packetId);
      return reader.takePublishes().map((sent) => sent.packetId);
    };
    expect(publish(1)).toEqual([1]);
    reader.pubrec(1);
    expect(publish(2)).toEqual([2]);
    reader.pubrec(2);
    reader.pubcomp(2);
    expect(publish(3)).toEqual([2]);
    reader.pubcomp(1);
    expect(publish(4)).toEqual([1]);
  });

  it("[MQTT5-2.2.1-4] uses the same one for different clients", () => {
    const world = new BrokerWorld();
    const readers = [world.client(), world.client()];
    for (const reader of readers) reader.subscribe("a", 1);
    world.client().publish("a", "", { qos: 1 });
    expect(readers.map((reader) => reader.takeOne("publish").packetId)).toEqual([1, 1]);
  });

  it("[MQTT5-2.2.1-5] answers with the identifier of the PUBLISH, through the whole exchange", () => {
    const client = new BrokerWorld().client();
    client.publish("a", "", { qos: 1, packetId: 0x1234 });
    client.publish("a", "", { qos: 2, packetId: 0xffff });
    client.pubrel(0xffff);
    expect(client.takeHex()).toEqual(["4003123410", "5002ffff", "7002ffff"]);
  });

  it("[MQTT5-2.2.1-5] sends PUBREL with the identifier of its own PUBLISH", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const packetId of [30, 20]) {
      writer.publish("a", "", { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    expect(reader.takePublishes().map(({ packetId }) => packetId)).toEqual([1, 2]);
    reader.pubrec(2);
    reader.pubrec(1);
    expect(reader.takeHex()).toEqual(["62020002", "62020001"]);
  });

  it("[MQTT5-2.2.1-6] answers SUBSCRIBE and UNSUBSCRIBE with their identifiers", () => {
    const client = new BrokerWorld().client();
    client.send("82 07 0102 00 0001 61 00");
    client.send("a2 06 fffe 00 0001 61");
    expect(client.takeHex()).toEqual(["900401020000", "b004fffe0000"]);
  });

  it("[MQTT5-2.2.1-6] lets both sides use one identifier at the same time", () => {
    const world = new BrokerWorld();
    const client = world.client();
    client.send("82 07 0001 00 0001 61 01");
    client.publish("a", "", { qos: 1, packetId: 1 });
    // Its own message comes first, at the broker's identifier 1, and then its own PUBACK.
    expect(client.takeHex()).toEqual(["900400010001", "320600016100" + "0100", "40020001"]);
  });
});

describe("property lists", () => {
  it("[MQTT5-2.2.2-1] writes an empty one as length 0", () => {
    const world = new BrokerWorld();
    const client = world.client();
    client.send("82 07 0001 00 0001 61 01");
    client.send("a2 06 0002 00 0001 62");
    client.send("30 04 0001 61 00");
    client.send("32 06 0001 61 0003 00");
    expect(client.takeHex()).toEqual([
      "900400010001",
      "b004000200" + "11",
      "3004000161" + "00",
      "32060001610001" + "00",
      "40020003",
    ]);
  });

  it("[MQTT5-2.2.2-1] writes one of length 0 to 5.0 for a message from 3.1.1", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("a");
    world.client({ version: 4 }).publish("a", "m");
    expect(reader.takeHex()).toEqual(["3005000161006d"]);
  });

  it("[MQTT5-2.2.2-1] ends the connection over a list that is left out", () => {
    for (const bytes of ["30 03 0001 61", "82 02 0001", "a2 02 0001"]) {
      const client = new BrokerWorld().client();
      client.send(bytes);
      expect([client.takeHex(), client.closed], bytes).toEqual([["e00181"], true]);
    }
    const peer = new BrokerWorld().peer();
    peer.send("10 0a 0004 4d515454 05 02 0000");
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
  });
});

function fromHex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ""), "hex");
}
