/** MQTT 5.0 §1.5: strings, variable byte integers and string pairs, as the broker takes them. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet, properties, rawConnect } from "../support/raw-packets.ts";

/** Strings that are no UTF-8: where each stands alone, and amid good characters. */
const NOT_UTF8: readonly (readonly [why: string, bytes: string])[] = [
  ["a surrogate", "ed a0 80"],
  ["a pair of surrogates", "ed a0 bd ed b8 80"],
  ["an overlong slash", "c0 af"],
  ["an overlong NUL", "c0 80"],
  ["a cut character", "61 e2 82"],
  ["a lone continuation", "61 80 61"],
  ["a byte UTF-8 does not have", "ff"],
  ["a code point above U+10FFFF", "f4 90 80 80"],
];

const NUL = "61 00 62";

/** Every place of a packet from a client that holds a string: the packet with `text` there. */
const PLACES: readonly (readonly [place: string, packet: (text: Buffer) => Buffer])[] = [
  ["topic name", (text) => packet(0x30, field(text), "00")],
  ["topic filter", (text) => packet(0x82, "0001 00", field(text), "00")],
  ["topic filter to unsubscribe", (text) => packet(0xa2, "0001 00", field(text))],
  ["content type", (text) => packet(0x30, field("a"), properties("03", field(text)))],
  ["response topic", (text) => packet(0x30, field("a"), properties("08", field(text)))],
  ["user property", (text) => packet(0x30, field("a"), properties("26", field(text), field("v")))],
  ["reason string", (text) => packet(0xe0, "00", properties("1f", field(text)))],
];

/** Every place of a CONNECT that holds a string. */
const CONNECT_PLACES: readonly (readonly [place: string, packet: (text: Buffer) => Buffer])[] = [
  ["client identifier", (text) => rawConnect({ payload: [field(text)] })],
  ["user name", (text) => rawConnect({ flags: 0x82, payload: [field("c"), field(text)] })],
  [
    "Will topic",
    (text) => rawConnect({ flags: 6, payload: [field("c"), "00", field(text), field("")] }),
  ],
  [
    "content type of the Will",
    (text) =>
      rawConnect({
        flags: 6,
        payload: [field("c"), properties("03", field(text)), field("w"), field("")],
      }),
  ],
  [
    "user property of CONNECT",
    (text) => rawConnect({ properties: properties("26", field("n"), field(text)) }),
  ],
  ["authentication method", (text) => rawConnect({ properties: properties("15", field(text)) })],
];

describe("strings", () => {
  it.each(PLACES)("[MQTT5-1.5.4-1] ends the connection over a %s that is no UTF-8", (_, make) => {
    for (const [why, text] of NOT_UTF8) {
      expect(answerTo(make(fromHex(text))), why).toEqual({ disconnect: 0x81, closed: true });
    }
  });

  it.each(PLACES)("[MQTT5-1.5.4-2] ends the connection over U+0000 in a %s", (_, make) => {
    expect(answerTo(make(fromHex(NUL)))).toEqual({ disconnect: 0x81, closed: true });
  });

  it.each(CONNECT_PLACES)("[MQTT5-1.5.4-1] refuses a CONNECT whose %s is no UTF-8", (_, make) => {
    for (const [why, text] of NOT_UTF8) {
      const peer = new BrokerWorld().peer();
      peer.send(make(fromHex(text)));
      expect([peer.takeHex(), peer.closed], why).toEqual([["2003008100"], true]);
    }
  });

  it.each(CONNECT_PLACES)("[MQTT5-1.5.4-2] refuses a CONNECT with U+0000 in its %s", (_, make) => {
    const peer = new BrokerWorld().peer();
    peer.send(make(fromHex(NUL)));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
  });

  it("[MQTT5-1.5.4-1] takes characters of every width", () => {
    const world = new BrokerWorld();
    const client = world.client();
    const topic = " /~/\u00a0/\u07ff/\u0800/\ud7ff/\ue000/\ufffd/\u{10000}/\u{10fffd}";
    client.subscribe(topic);
    client.publish(topic, "x");
    expect(client.takeOne("publish").topic).toBe(topic);
  });

  // ~[§1.5.4] The standard lets a receiver refuse these; mosquitto does.
  it.each(PLACES)("ends the connection over a control or non-character in a %s", (_, make) => {
    for (const text of [
      "01",
      "1f",
      "7f",
      "c2 80",
      "c2 9f",
      "ef b7 90",
      "ef bf bf",
      "f0 9f bf be",
    ]) {
      expect(answerTo(make(fromHex(text))), text).toEqual({ disconnect: 0x81, closed: true });
    }
  });

  it("[MQTT5-1.5.4-3] keeps a byte order mark in topics, filters and properties", () => {
    const world = new BrokerWorld();
    const client = world.client();
    client.subscribe(["\ufeffa", "b"]);
    client.publish("a", "not the same topic");
    expect(client.received()).toEqual([]);
    client.publish("\ufeffa", "", { properties: { contentType: "\ufefft\ufeff" } });
    expect(client.takeHex()).toEqual([
      packet(
        0x30,
        field(fromHex("ef bb bf 61")),
        properties("03", field(fromHex("ef bb bf 74 ef bb bf"))),
      ).toString("hex"),
    ]);
  });

  it("[MQTT5-1.5.4-3] tells client identifiers with a byte order mark from those without", () => {
    const world = new BrokerWorld();
    const plain = world.client({ clientId: "c" });
    const marked = world.client({ clientId: "\ufeffc" });
    expect([plain.closed, marked.connack?.reasonCode]).toEqual([false, 0]);
  });
});

describe("variable byte integers", () => {
  it("[MQTT5-1.5.5-1] ends the connection over a remaining length not in shortest form", () => {
    for (const bytes of ["c0 80 00", "30 84 00 0001 61 00", "30 84 80 80 00 0001 61 00"]) {
      expect(answerTo(fromHex(bytes)), bytes).toEqual({ disconnect: 0x81, closed: true });
    }
  });

  it("[MQTT5-1.5.5-1] does so too behind messages that were sent on as they came", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("a");
    const writer = world.client();
    writer.send("30 04 0001 61 00  30 84 00 0001 61 00");
    expect(writer.takeOne("disconnect").reasonCode).toBe(0x81);
    expect(reader.takePublishes()).toHaveLength(1);
  });

  it("[MQTT5-1.5.5-1] ends it over a property length or identifier not in shortest form", () => {
    for (const bytes of [
      packet(0x30, field("a"), "80 00"),
      packet(0x30, field("a"), "83 00 01 01", "00"),
      packet(0x82, "0001", properties("0b 81 00"), field("a"), "00"),
      packet(0x30, field("a"), properties("81 00 01")),
    ]) {
      expect(answerTo(bytes), bytes.toString("hex")).toEqual({ disconnect: 0x81, closed: true });
    }
  });

  it("[MQTT5-1.5.5-1] writes lengths in shortest form itself", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe("a", 1);
    const writer = world.client();
    // 5 bytes of topic, identifier and property length: the remaining length is 127, then 128.
    for (const size of [121, 122, 16_377, 16_378])
      writer.publish("a", Buffer.alloc(size), { qos: 1 });
    const lengths = reader.takeBytes().map((bytes) => bytes.subarray(1, 4).toString("hex"));
    expect(lengths).toEqual(["7f0001", "800100", "ff7f00", "808001"]);
  });

  it("ends the connection over a remaining length of five bytes", () => {
    expect(answerTo(fromHex("30 80 80 80 80 01"))).toEqual({ disconnect: 0x81, closed: true });
    const unknown = new BrokerWorld().peer();
    unknown.send("10 80 80 80 80 01");
    expect([unknown.takeHex(), unknown.closed]).toEqual([[], true]);
  });
});

describe("string pairs", () => {
  it.each(["name", "value"] as const)(
    "[MQTT5-1.5.7-1] ends the connection over a user property whose %s is no string",
    (part) => {
      for (const bad of [...NOT_UTF8.map(([, text]) => text), NUL]) {
        const pair = [field("good"), field("good")];
        pair[part === "name" ? 0 : 1] = field(fromHex(bad));
        const bytes = packet(0x30, field("a"), properties("26", ...pair));
        expect(answerTo(bytes), bad).toEqual({ disconnect: 0x81, closed: true });
      }
    },
  );

  it("[MQTT5-1.5.7-1] hands on names and values with a byte order mark as they are", () => {
    const world = new BrokerWorld();
    const client = world.client();
    client.subscribe("a");
    const userProperties = [["\ufeff", "\ufeffv"]] as const;
    client.publish("a", "", { properties: { userProperties } });
    expect(client.takeOne("publish").properties).toEqual({ userProperties });
  });
});

/** What a client of 5.0 gets for these bytes: the code of a DISCONNECT, null for none. */
function answerTo(bytes: Buffer): { disconnect: number | null; closed: boolean } {
  const client = new BrokerWorld().client();
  client.send(bytes);
  const [first] = client.take();
  return {
    disconnect: first?.type === "disconnect" ? first.reasonCode : null,
    closed: client.closed,
  };
}

function fromHex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ""), "hex");
}
