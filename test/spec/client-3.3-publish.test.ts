/**
 * §2 and §3.3 of MQTT 5.0 and 3.1.1, the client's side: the PUBLISH packets it sends, what it
 * refuses to send, topic aliases, and what it makes of those it receives.
 */
import { describe, expect, it } from "vitest";
import { Publications } from "../../src/client/calls.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import type { Properties } from "../../src/core/codec/properties.ts";
import { connectedPair } from "../support/client-pair.ts";
import { field, packet } from "../support/raw-packets.ts";
import { publishBytes } from "../support/scripted-client.ts";

const VERSIONS = [4, 5] as const;
const NO_TOPICS = [
  "",
  "#",
  "+",
  "a/#",
  "a/+/b",
  "a+",
  "\ud800",
  "a\udfff",
  "a\0b",
  "x".repeat(65_536),
];

describe.each(VERSIONS)("PUBLISH in version %i", (version) => {
  const list = version === 5 ? "00" : "";

  it("[MQTT-3.3.2-1] [MQTT5-3.3.2-1] [MQTT5-2.2.2-1] has its topic name first, and in 5.0 a property list", () => {
    const pair = connectedPair({ version });
    pair.sent();
    pair.publish("tä/b", "xyz", 1);
    expect(pair.sentBytes()).toEqual(packet(0x32, field("tä/b"), "0001", list, "78797a"));
  });

  it("[MQTT-2.3.1-5] [MQTT5-2.2.1-2] [MQTT-4.3.1-1] [MQTT5-4.3.1-1] at QoS 0 has no identifier, and neither QoS nor DUP", () => {
    const pair = connectedPair({ version });
    pair.sent();
    pair.publish("a", "x", 0);
    expect(pair.sentBytes()).toEqual(packet(0x30, field("a"), list, "78"));
  });

  it("[MQTT-3.3.1-2] [MQTT5-3.3.1-2] at QoS 0 is never repeated", () => {
    const pair = connectedPair({ ...kept(version) });
    pair.publish("a", "x", 0);
    expect(pair.sent()).toHaveLength(1);
    pair.cut();
    pair.connect({}, true);
    expect(pair.sent()).toEqual([]);
  });

  it("[MQTT-3.3.1-4] [MQTT5-3.3.1-4] has no QoS but 0, 1 and 2", () => {
    for (const qos of [3, -1, 0.5, 4]) refuses(version, "a", { qos: qos as 0 });
  });

  it("[MQTT-3.3.2-2] [MQTT5-3.3.2-2] [MQTT-4.7.1-1] [MQTT5-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3] [MQTT5-4.7.3-1] [MQTT5-4.7.3-2] [MQTT5-4.7.3-3] goes to topic names alone", () => {
    for (const topic of NO_TOPICS) refuses(version, topic, {});
    const longest = "x".repeat(65_535);
    expect(new Publications(version).make(longest, "", {}, undefined).topic).toBe(longest);
  });

  it("[MQTT-1.5.3-3] [MQTT5-1.5.4-3] keeps a byte order mark in its topic name", () => {
    const message = new Publications(version).make("\ufeffa", "", {}, undefined);
    expect(message.topicBytes).toEqual(Buffer.from("efbbbf61", "hex"));
  });

  it("[MQTT5-1.5.5-1] has the shortest remaining length", () => {
    const pair = connectedPair({ version });
    pair.sent();
    const overhead = 3 + (version === 5 ? 1 : 0);
    const headerOf = (size: number) => {
      pair.publish("a", "x".repeat(size - overhead), 0);
      pair.flushed();
      return pair.sentBytes().length - size;
    };
    const sizes = [127, 128, 16_383, 16_384, 2_097_151, 2_097_152];
    expect(sizes.map(headerOf)).toEqual([2, 3, 3, 4, 4, 5]);
  });
});

describe.each(VERSIONS)("packet identifiers in version %i", (version) => {
  it("[MQTT-2.3.1-1] [MQTT-2.3.1-2] [MQTT5-2.2.1-3] of messages and requests are free ones above 0", () => {
    const pair = connectedPair({ version });
    pair.sent();
    pair.publish("a", "1", 1);
    pair.publish("a", "2", 2);
    pair.subscribe(["a"]);
    pair.unsubscribe(["a"]);
    pair.publish("a", "5", 1);
    expect(pair.sent()).toEqual([
      "PUBLISH 1 q1 a=1",
      "PUBLISH 2 q2 a=2",
      "SUBSCRIBE 3 a",
      "UNSUBSCRIBE 4 a",
      "PUBLISH 5 q1 a=5",
    ]);
  });

  it("[MQTT-2.3.1-2] [MQTT-2.3.1-3] [MQTT5-2.2.1-3] wrap around to those that are free again", () => {
    const limits = { packetIdMax: 5, requestsMax: 1 };
    const pair = connectedPair({ version, limits });
    pair.sent();
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, 1);
    pair.subscribe(["b"]);
    pair.receive(ack(0x40, 2));
    pair.publish("a", "5", 1);
    pair.receive(ack(0x40, 3));
    // 1 and 4 and 5 are in use: what follows takes 2, and then 3.
    pair.publish("a", "6", 1);
    pair.receive(ack(0x40, 5));
    pair.publish("a", "7", 1);
    const ids = pair.sent().map((words) => words.split(" ")[1]);
    expect(ids).toEqual(["1", "2", "3", "4", "5", "2", "3"]);
  });

  it("[MQTT-2.3.1-3] of a repeat is the one it had", () => {
    const pair = connectedPair(kept(version));
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, 1);
    pair.receive(ack(0x40, 2));
    pair.sent();
    pair.cut();
    pair.connect({}, true);
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 dup a=1", "PUBLISH 3 q1 dup a=3"]);
  });

  it("[MQTT-2.3.1-6] [MQTT5-2.2.1-5] go through the whole exchange", () => {
    const pair = connectedPair({ version });
    pair.sent();
    pair.publish("a", "x", 2);
    pair.receive(ack(0x50, 1));
    pair.receive(publishBytes(version, "a", Buffer.from("y"), { qos: 1, packetId: 0x1234 }));
    pair.receive(publishBytes(version, "a", Buffer.from("z"), { qos: 2, packetId: 0xffff }));
    pair.receive(ack(0x62, 0xffff));
    expect(pair.sent()).toEqual([
      "PUBLISH 1 q2 a=x",
      "PUBREL 1",
      `PUBACK ${0x1234}`,
      "PUBREC 65535",
      "PUBCOMP 65535",
    ]);
  });
});

describe.each(VERSIONS)("a message received in version %i", (version) => {
  it.each([
    [0, []],
    [1, ["PUBACK 7"]],
    [2, ["PUBREC 7"]],
  ] as const)("[MQTT-3.3.4-1] [MQTT5-3.3.4-1] at QoS %i is answered with %j", (qos, answers) => {
    const pair = connectedPair({ version });
    pair.sent();
    const options = qos === 0 ? {} : { qos, packetId: 7 };
    pair.receive(publishBytes(version, "a", Buffer.from("x"), options));
    expect(pair.sent()).toEqual(answers);
    expect(pair.messages).toMatchObject([{ topic: "a", qos }]);
  });

  it("[MQTT-4.5.0-2] [MQTT5-4.5.0-2] is acknowledged though nobody subscribed to it", () => {
    const pair = connectedPair({ version });
    pair.sent();
    for (const packetId of [1, 2]) {
      pair.receive(publishBytes(version, "never/asked", Buffer.from("x"), { qos: 1, packetId }));
    }
    expect(pair.sent()).toEqual(["PUBACK 1", "PUBACK 2"]);
  });
});

describe("PUBLISH in MQTT 5.0", () => {
  it.each<[string, Properties]>([
    ["[MQTT5-3.3.4-6] a subscription identifier", { subscriptionIdentifiers: [1] }],
    ["[MQTT5-3.3.2-8] topic alias 0", { topicAlias: 0 }],
    ["[MQTT5-3.3.2-13] a response topic that is no string", { responseTopic: "\ud800" }],
    ["[MQTT5-3.3.2-14] a response topic with #", { responseTopic: "a/#" }],
    ["[MQTT5-3.3.2-14] a response topic with +", { responseTopic: "+" }],
    ["[MQTT5-3.3.2-19] a content type that is no string", { contentType: "a\0" }],
    ["[MQTT5-1.5.7-1] a user property whose name is no string", { userProperties: [["\0", "b"]] }],
    [
      "[MQTT5-1.5.7-1] a user property whose value is no string",
      { userProperties: [["a", "\udc00"]] },
    ],
  ])(
    "[MQTT5-3.3.4-6] [MQTT5-3.3.2-8] [MQTT5-3.3.2-13] [MQTT5-3.3.2-14] [MQTT5-3.3.2-19] [MQTT5-1.5.7-1] is not sent with %s",
    (_what, properties) => refuses(5, "a", { properties }),
  );

  it.each<[string, Buffer]>([
    ["a response topic of bad UTF-8", packet(0x30, field("a"), "04 08 0001 ff")],
    ["a content type of bad UTF-8", packet(0x30, field("a"), "04 03 0001 ff")],
    ["a user property of bad UTF-8", packet(0x30, field("a"), "07 26 0001 61 0001 ff")],
    ["topic alias 0", packet(0x30, field("a"), "03 23 0000")],
    ["neither topic name nor alias", packet(0x30, field(""), "00")],
  ])(
    "[MQTT5-3.3.2-13] [MQTT5-3.3.2-19] [MQTT5-1.5.7-1] [MQTT5-3.3.2-8] is not taken with %s",
    (_what, bytes) => {
      const pair = connectedPair({ topicAliasMaximum: 5 });
      pair.receive(bytes);
      expect([pair.messages, pair.ended]).toMatchObject([[], [{ code: "serverError" }]]);
    },
  );

  it("[MQTT5-3.2.2-11] is never of a higher QoS than the server takes", () => {
    const pair = connectedPair({}, { maximumQos: 1 });
    pair.sent();
    for (const qos of [0, 1, 2] as const) pair.publish("a", `${qos}`, qos);
    expect(pair.sent()).toEqual(["PUBLISH q0 a=0", "PUBLISH 1 q1 a=1"]);
    expect(pair.settled).toEqual(["2: notSupported"]);
  });

  it("[MQTT5-3.2.2-14] has no RETAIN where the server does not retain", () => {
    const pair = connectedPair({}, { retainAvailable: 0 });
    pair.sent();
    pair.publishRetained("a", "kept");
    expect([pair.sent(), pair.settled]).toEqual([[], ["kept: notSupported"]]);
  });

  it("[MQTT5-3.2.2-15] is no larger than the server takes, and no request is either", () => {
    const pair = connectedPair({}, { maximumPacketSize: 20 });
    pair.sent();
    pair.publish("a", "x".repeat(14), 0);
    pair.publish("a", "y".repeat(15), 0);
    pair.subscribe(["f".repeat(12)]);
    pair.subscribe(["g".repeat(13)]);
    pair.unsubscribe(["h".repeat(13)]);
    pair.unsubscribe(["i".repeat(14)]);
    const sizes = pair.sent().map((words) => words.split(/[ =]/).at(-1)![0]);
    expect(sizes).toEqual(["x", "f", "h"]);
    expect(pair.settled).toEqual([`${"y".repeat(15)}: packetTooLarge`]);
    expect(pair.answered).toHaveLength(2);
  });
});

describe("topic aliases in MQTT 5.0", () => {
  it("[MQTT5-3.2.2-17] [MQTT5-3.3.2-9] stay within the server's maximum", () => {
    const pair = connectedPair({ aliasTopics: true }, { topicAliasMaximum: 2 });
    pair.sent();
    for (const topic of ["a", "b", "c", "a", "b", "c"]) pair.publish(topic, "x");
    expect(pair.sent()).toEqual([
      "PUBLISH q0 {230001} a=x",
      "PUBLISH q0 {230002} b=x",
      "PUBLISH q0 c=x",
      "PUBLISH q0 {230001} =x",
      "PUBLISH q0 {230002} =x",
      "PUBLISH q0 c=x",
    ]);
  });

  it("[MQTT5-3.2.2-17] [MQTT5-3.3.2-9] that the program chose stay within it too", () => {
    const pair = connectedPair({}, { topicAliasMaximum: 2 });
    pair.sent();
    pair.publish("a", "x", 0, { topicAlias: 3 });
    pair.publish("a", "x", 0, { topicAlias: 2 });
    expect(pair.sent()).toEqual(["PUBLISH q0 a=x", "PUBLISH q0 {230002} a=x"]);
  });

  it.each([{}, { topicAliasMaximum: 0 }])(
    "[MQTT5-3.2.2-18] are not used where the server said %j",
    (connack) => {
      const pair = connectedPair({ aliasTopics: true }, connack);
      pair.sent();
      pair.publish("a", "x");
      pair.publish("a", "y", 0, { topicAlias: 1 });
      expect(pair.sent()).toEqual(["PUBLISH q0 a=x", "PUBLISH q0 a=y"]);
    },
  );

  it("[MQTT5-3.3.2-7] of one connection mean nothing on the next, either way", () => {
    const options = { aliasTopics: true, topicAliasMaximum: 5 };
    const pair = connectedPair(options, { topicAliasMaximum: 5 });
    pair.publish("a", "x");
    pair.receive(publishBytes(5, "b", Buffer.from("y"), { properties: { topicAlias: 1 } }));
    pair.sent();
    pair.cut();
    pair.connect({ topicAliasMaximum: 5 });
    pair.publish("a", "x");
    expect(pair.sent()).toEqual(["PUBLISH q0 {230001} a=x"]);
    pair.receive(publishBytes(5, "", Buffer.from("z"), { properties: { topicAlias: 1 } }));
    expect(pair.messages).toHaveLength(1);
    expect(pair.ended).toMatchObject([{ code: "connectionLost" }, { code: "serverError" }]);
  });

  it("[MQTT5-3.3.2-10] are taken from the server up to its own maximum, and not above", () => {
    const pair = connectedPair({ topicAliasMaximum: 3 });
    pair.sent();
    for (const topicAlias of [1, 2, 3]) {
      const topic = `t${topicAlias}`;
      pair.receive(publishBytes(5, topic, Buffer.from(""), { properties: { topicAlias } }));
    }
    for (const topicAlias of [3, 1, 2]) {
      pair.receive(publishBytes(5, "", Buffer.from(""), { properties: { topicAlias } }));
    }
    const topics = pair.messages.map(({ topic }) => topic);
    expect(topics).toEqual(["t1", "t2", "t3", "t3", "t1", "t2"]);
    pair.receive(publishBytes(5, "t4", Buffer.from(""), { properties: { topicAlias: 4 } }));
    expect(pair.sent()).toEqual(["DISCONNECT 0x94"]);
  });
});

function refuses(version: Version, topic: string, options: object): void {
  const publications = new Publications(version);
  expect(() => publications.make(topic, "x", options, undefined)).toThrow(
    expect.objectContaining({ code: "invalidArgument" }),
  );
}

function kept(version: Version) {
  const sessionExpiryInterval = version === 5 ? 3600 : 0;
  return { version, cleanStart: false, sessionExpiryInterval };
}

function ack(head: number, packetId: number): Buffer {
  return packet(head, Buffer.from([packetId >> 8, packetId & 0xff]));
}
