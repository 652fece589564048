/** MQTT 5.0 §3.3.4: what follows a PUBLISH: answers, overlapping subscriptions, the window. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

describe("the answer to a PUBLISH", () => {
  it("[MQTT5-3.3.4-1] is none at QoS 0, PUBACK at 1 and PUBREC at 2", () => {
    const { writer } = pair();
    const answers = ([0, 1, 2] as const).map((qos) => {
      writer.publish("a", "", { qos, packetId: 7 });
      return writer.takeHex();
    });
    expect(answers).toEqual([[], ["40020007"], ["50020007"]]);
  });

  it("[MQTT5-3.3.4-1] is given to every message of one piece, in order", () => {
    const { writer } = pair();
    const one = (id: string) => `32 06 0001 61 ${id} 00`;
    writer.send(`${one("0009")} 30 04 0001 61 00 ${one("0003")} 34 06 0001 61 0004 00 c0 00`);
    // A PINGRESP promises nothing, so it need not wait for the turn's changes.
    expect(writer.takeHex().filter((hex) => hex !== "d000")).toEqual([
      "40020009",
      "40020003",
      "50020004",
    ]);
  });

  it("says where nobody has subscribed: 0x10 at QoS 1, and nothing at QoS 2 (h.13)", () => {
    const world = new BrokerWorld();
    const writer = world.client();
    writer.publish("a", "", { qos: 1, packetId: 7 });
    writer.publish("a", "", { qos: 1, packetId: 8, retain: true });
    writer.publish("a", "", { qos: 2, packetId: 9 });
    expect(writer.takeHex()).toEqual(["4003000710", "4003000810", "50020009"]);
    // A client that is away, and one that has No Local set, are subscribers as well.
    const properties = { sessionExpiryInterval: 100 };
    const away = world.client({ properties });
    away.subscribe("b", 1);
    away.drop();
    writer.subscribe({ filter: "c", noLocal: true });
    for (const topic of ["b", "c"]) writer.publish(topic, "", { qos: 1, packetId: 7 });
    expect(writer.takeHex()).toEqual(["40020007", "40020007"]);
  });

  it("is 0x87 where the client may not publish, and its connection goes on (h.14)", () => {
    const access = {
      mayPublish: (_: unknown, topic: string) => topic !== "no",
      mayReceive: () => true,
    };
    const world = new BrokerWorld({ parts: { access } });
    const reader = world.client();
    reader.subscribe("#", 2);
    const writer = world.client();
    for (const topic of ["no", "$SYS/x", "$share/g/x", "$share"]) {
      writer.publish(topic, "", { qos: 0 });
      writer.publish(topic, "", { qos: 1, packetId: 7 });
      writer.publish(topic, "", { qos: 2, packetId: 8 });
      expect(writer.takeHex(), topic).toEqual(["4003000787", "5003000887"]);
    }
    writer.pubrel(8);
    expect([writer.takeHex(), reader.received()]).toEqual([["70020008"], []]);
  });

  it("is 0x00 on a control topic, whose answer says that there is nobody (h.14)", () => {
    const world = new BrokerWorld();
    const writer = world.client();
    writer.subscribe("$CONTROL/x/response");
    writer.publish("$CONTROL/x", "{}", { qos: 1, packetId: 7 });
    expect(writer.takePayloads()).toEqual(['{"error": "endpoint not available"}']);
    expect(writer.takeHex()).toEqual(["40020007"]);
  });

  it("is 0x95 where the payload is larger than message_size_limit", () => {
    const world = new BrokerWorld({ settings: { messageSizeLimit: 3 } });
    const writer = world.client();
    writer.subscribe("a", 2);
    writer.publish("a", "four", { qos: 0 });
    writer.publish("a", "four", { qos: 1, packetId: 7 });
    writer.publish("a", "four", { qos: 2, packetId: 8 });
    expect([writer.takeHex(), writer.closed]).toEqual([["4003000795", "5003000895"], false]);
  });
});

describe("QoS 2 that comes again (h.16)", () => {
  it("is answered once more, and ends the connection the time after", () => {
    const { reader, writer } = pair();
    const again = () => writer.publish("a", "m", { qos: 2, packetId: 7, dup: true });
    again();
    again();
    expect([writer.takeHex(), writer.closed]).toEqual([["50020007", "50020007"], false]);
    again();
    expect([writer.takeHex(), writer.closed]).toEqual([["e00182"], true]);
    expect(reader.received()).toEqual([]);
  });

  it("is delivered once", () => {
    const { reader, writer } = pair();
    for (let i = 0; i < 2; i++) writer.publish("a", "m", { qos: 2, packetId: 7, dup: i > 0 });
    writer.pubrel(7);
    writer.pubrel(7);
    expect(writer.takeHex()).toEqual(["50020007", "50020007", "70020007", "70020007"]);
    expect(reader.takePayloads()).toEqual(["m"]);
  });

  it("with another content takes the place of the first, with a warning", () => {
    const { world, reader, writer } = pair("#");
    writer.publish("a", "first", { qos: 2, packetId: 7 });
    writer.publish("a", "other", { qos: 2, packetId: 7 });
    writer.publish("b", "other", { qos: 2, packetId: 7 });
    writer.pubrel(7);
    expect(reader.takePublishes().map(({ topic }) => topic)).toEqual(["b"]);
    expect(world.logged(/Reused message ID 7/)).toHaveLength(2);
  });

  it("has an identifier to itself only among QoS 2", () => {
    const { reader, writer } = pair();
    writer.publish("a", "two", { qos: 2, packetId: 7 });
    writer.publish("a", "one", { qos: 1, packetId: 7 });
    writer.pubrel(7);
    expect(writer.takeHex()).toEqual(["50020007", "40020007", "70020007"]);
    expect(reader.takePayloads()).toEqual(["one", "two"]);
  });

  it("may be released without having been seen", () => {
    const { writer } = pair();
    writer.pubrel(99);
    expect(writer.takeHex()).toEqual(["70020063"]);
  });
});

describe("overlapping subscriptions", () => {
  it("[MQTT5-3.3.4-2] bring a copy each, one of them at the highest QoS", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe([
      { filter: "a/b", qos: 0 },
      { filter: "a/+", qos: 2 },
      { filter: "a/#", qos: 1 },
    ]);
    const writer = world.client();
    writer.publish("a/b", "", { qos: 2, packetId: 9 });
    writer.pubrel(9);
    const qoses = reader.takePublishes().map(({ qos }) => qos);
    expect(qoses.toSorted()).toEqual([0, 1, 2]);
  });

  it("[MQTT5-3.3.4-2] bring a copy each though duplicates are not allowed to older clients", () => {
    const world = new BrokerWorld({ settings: { allowDuplicateMessages: false } });
    const [reader, older] = ([5, 4] as const).map((version) => {
      const client = world.client({ version });
      client.subscribe([
        { filter: "a", qos: 0 },
        { filter: "+", qos: 1 },
      ]);
      return client;
    });
    const writer = world.client();
    writer.publish("a", "", { qos: 1 });
    expect(
      reader!
        .takePublishes()
        .map(({ qos }) => qos)
        .toSorted(),
    ).toEqual([0, 1]);
    expect(older!.takePublishes().map(({ qos }) => qos)).toEqual([1]);
  });

  it("[MQTT5-3.3.4-3] [MQTT5-3.3.4-5] bring in each copy the identifier of its own", () => {
    const { identifiers } = overlapping({});
    expect(identifiers).toEqual([[1], [2], []]);
  });

  it("[MQTT5-3.3.4-3] bring all identifiers, duplicates allowed or not, once the client is back", () => {
    for (const allowDuplicateMessages of [true, false]) {
      const { identifiers } = overlapping({ allowDuplicateMessages, isAway: true });
      expect(identifiers).toEqual([[1], [2], []]);
    }
  });

  it("[MQTT5-3.3.4-3] bring the identifier that was given last", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    for (const id of [1, 268_435_455]) reader.subscribe("a", 0, { subscriptionIdentifiers: [id] });
    const writer = world.client();
    writer.publish("a");
    expect(reader.takeOne("publish").properties.subscriptionIdentifiers).toEqual([268_435_455]);
    reader.subscribe("a");
    writer.publish("a");
    expect(reader.takeOne("publish").properties).toEqual({});
  });

  it("[MQTT5-3.3.4-3] bring it with retained messages as well", () => {
    const world = new BrokerWorld();
    world.client().publish("a", "kept", { retain: true });
    const reader = world.client();
    reader.subscribe("a", 0, { subscriptionIdentifiers: [5] });
    expect(reader.takeOne("publish").properties).toEqual({ subscriptionIdentifiers: [5] });
  });
});

describe("the window", () => {
  // The standard would end the connection with 0x93; mosquitto turns the message away (h.15).
  it("[MQTT5-3.3.4-7] of the broker turns QoS 2 above it away with 0x97, and says so", () => {
    const world = new BrokerWorld({ settings: { maxInflightMessages: 2 } });
    const reader = world.client();
    reader.acknowledges = true;
    reader.subscribe("a", 2);
    const writer = world.client({ clientId: "w" });
    expect(writer.connack?.properties.receiveMaximum).toBe(2);
    for (const packetId of [1, 2, 3]) writer.publish("a", `${packetId}`, { qos: 2, packetId });
    expect([writer.takeHex(), writer.closed]).toEqual([
      ["50020001", "50020002", "5003000397"],
      false,
    ]);
    expect(world.logged(/exceeded its receive maximum/)).toEqual([
      "Warning: Client w has exceeded its receive maximum of 2.",
    ]);
    writer.publish("a", "5", { qos: 2, packetId: 5 });
    expect(writer.takeHex()).toEqual(["5003000597"]);
    // Said once a connection, or a flood of messages would be one of lines.
    expect(world.logged(/exceeded its receive maximum/)).toHaveLength(1);
    for (const packetId of [1, 2]) writer.pubrel(packetId);
    writer.publish("a", "4", { qos: 2, packetId: 3 });
    writer.pubrel(3);
    expect(reader.takePayloads()).toEqual(["1", "2", "4"]);
  });

  it("[MQTT5-3.3.4-7] of the broker counts QoS 1 while its PUBACK waits for the disk", () => {
    const world = new BrokerWorld({
      settings: { maxInflightMessages: 2 },
      durability: "held",
    });
    const properties = { sessionExpiryInterval: 100 };
    const reader = world.peer();
    reader.send(reader.connectPacket({ properties }));
    world.settle();
    reader.send("82 07 0001 00 0001 61 01");
    world.settle();
    const writer = world.client();
    for (const packetId of [1, 2, 3]) writer.publish("a", "", { qos: 1, packetId });
    world.settle();
    expect(writer.takeHex()).toEqual(["40020001", "40020002", "4003000397"]);
    writer.publish("a", "", { qos: 1, packetId: 4 });
    world.settle();
    expect(writer.takeHex()).toEqual(["40020004"]);
  });

  it("[MQTT5-3.3.4-7] of the broker leaves QoS 0 alone", () => {
    const world = new BrokerWorld({ settings: { maxInflightMessages: 1 } });
    const reader = world.client();
    reader.subscribe("a");
    const writer = world.client();
    writer.publish("a", "two", { qos: 2 });
    for (let i = 0; i < 5; i++) writer.publish("a", "zero");
    expect(reader.takePayloads()).toEqual(Array(5).fill("zero"));
  });

  it.each([1, 2, 7])("[MQTT5-3.3.4-9] of the client, %i, is never exceeded", (receiveMaximum) => {
    const world = new BrokerWorld();
    const reader = world.client({ properties: { receiveMaximum } });
    reader.subscribe("a", 2);
    const writer = world.client();
    for (let i = 0; i < 10; i++) {
      const qos = i % 2 === 0 ? 1 : 2;
      const packetId = writer.publish("a", `${i}`, { qos });
      if (qos === 2) writer.pubrel(packetId);
    }
    const got: string[] = [];
    for (let rounds = 0; rounds < 20; rounds++) {
      const sent = reader.takePublishes();
      expect(sent.length).toBeLessThanOrEqual(receiveMaximum);
      got.push(...sent.map(({ payload }) => payload.toString()));
      for (const { qos, packetId } of sent) {
        if (qos === 1) reader.puback(packetId);
        else reader.pubrec(packetId);
      }
      // A QoS 2 message takes its place until PUBCOMP.
      const released = reader.take().flatMap((packet) => {
        if (packet.type === "publish") got.push(packet.payload.toString());
        if (packet.type === "publish" && packet.qos === 1) reader.puback(packet.packetId);
        if (packet.type === "publish" && packet.qos === 2) reader.pubrec(packet.packetId);
        return packet.type === "pubrel" ? [packet.packetId] : [];
      });
      for (const packetId of released) reader.pubcomp(packetId);
    }
    expect(got).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
  });

  it("[MQTT5-3.3.4-9] of the client counts QoS 2 until its PUBCOMP", () => {
    const world = new BrokerWorld();
    const reader = world.client({ properties: { receiveMaximum: 1 } });
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const packetId of [1, 2]) {
      writer.publish("a", `${packetId}`, { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    expect(reader.takePayloads()).toEqual(["1"]);
    reader.pubrec(1);
    expect(reader.takePayloads()).toEqual([]);
    reader.pubcomp(1);
    expect(reader.takePayloads()).toEqual(["2"]);
  });

  it("[MQTT5-3.3.4-9] of the client has room again after a PUBREC that refuses", () => {
    const world = new BrokerWorld();
    const reader = world.client({ properties: { receiveMaximum: 1 } });
    reader.subscribe("a", 2);
    const writer = world.client();
    for (const packetId of [1, 2]) {
      writer.publish("a", `${packetId}`, { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    reader.pubrec(1, 0x97);
    expect(reader.takePayloads()).toEqual(["1", "2"]);
    expect(reader.take()).toEqual([]);
  });

  it("[MQTT5-3.3.4-9] of the client holds for what is sent again, as it is in the new CONNECT", () => {
    const world = new BrokerWorld();
    const session = (receiveMaximum: number) => {
      const properties = { sessionExpiryInterval: 100, receiveMaximum };
      return { clientId: "c", cleanStart: false, properties };
    };
    const first = world.client(session(5));
    first.subscribe("a", 1);
    const writer = world.client();
    for (let i = 0; i < 5; i++) writer.publish("a", `${i}`, { qos: 1 });
    first.drop();
    const again = world.client(session(2));
    const got: string[] = [];
    for (let i = 0; i < 5; i++) {
      const sent = again.takePublishes();
      expect(sent.length).toBeLessThanOrEqual(2);
      got.push(...sent.map(({ payload }) => payload.toString()));
      for (const { packetId } of sent) again.puback(packetId);
    }
    expect(got).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("[MQTT5-3.3.4-10] of the client, full, holds back nothing but PUBLISH", () => {
    const world = new BrokerWorld();
    const client = world.client({ properties: { receiveMaximum: 1 } });
    client.subscribe("a", 2);
    const writer = world.client();
    for (const packetId of [1, 2]) {
      writer.publish("a", "", { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    client.pubrec(1);
    client.ping();
    client.send("82 07 0009 00 0001 62 00");
    client.send("a2 06 0008 00 0001 62");
    client.publish("c", "", { qos: 1, packetId: 7 });
    client.publish("c", "", { qos: 2, packetId: 6 });
    client.pubrel(6);
    client.send("30 00");
    expect(client.take().map(({ type }) => type)).toEqual([
      "publish",
      "pubrel",
      "pingresp",
      "suback",
      "unsuback",
      "puback",
      "pubrec",
      "pubcomp",
      "disconnect",
    ]);
  });
});

/** A client that has subscribed, and one that publishes. */
function pair(filter = "a") {
  const world = new BrokerWorld();
  const reader = world.client();
  reader.subscribe(filter, 2);
  return { world, reader, writer: world.client() };
}

/** The identifiers in what three overlapping subscriptions bring, two of which have one. */
function overlapping({ allowDuplicateMessages = true, isAway = false }) {
  const world = new BrokerWorld({ settings: { allowDuplicateMessages } });
  const session = {
    clientId: "c",
    cleanStart: false,
    properties: { sessionExpiryInterval: 100 },
  };
  let reader = world.client(session);
  reader.subscribe("a/b", 1, { subscriptionIdentifiers: [1] });
  reader.subscribe("a/+", 1, { subscriptionIdentifiers: [2] });
  reader.subscribe("a/#", 1);
  if (isAway) reader.drop();
  world.client().publish("a/b", "", { qos: 1 });
  if (isAway) reader = world.client(session);
  const identifiers = reader
    .takePublishes()
    .map(({ properties }) => properties.subscriptionIdentifiers ?? [])
    .toSorted((a, b) => (a[0] ?? 9) - (b[0] ?? 9));
  return { identifiers };
}
