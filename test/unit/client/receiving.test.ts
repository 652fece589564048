/** Messages coming in: what is delivered, how it is acknowledged, and in which order. */
import { describe, expect, it } from "vitest";
import { type ClientPair, connectedPair } from "../../support/client-pair.ts";
import { hex } from "../../support/hex.ts";

/** PUBLISH of 5.0 to topic `a`, payload `x`. */
const publish = (head: number, packetId: number) =>
  hex`${head} 07 0001 61 ${packetId >> 8} ${packetId & 0xff} 00 78`;
const QOS1 = 0x32;
const QOS2 = 0x34;
const QOS2_DUP = 0x3c;

describe("a received message", () => {
  it("has everything the PUBLISH said", () => {
    const pair = connectedPair();
    pair.receive(hex`3b 11 0001 61 0007 0a 01 01 26 0001 6b 0002 7676 78`);
    expect(pair.messages).toEqual([
      {
        topic: "a",
        payload: Buffer.from("x"),
        qos: 1,
        retain: true,
        dup: true,
        packetId: 7,
        properties: { payloadFormatIndicator: 1, userProperties: [["k", "vv"]] },
      },
    ]);
  });

  it("owns its bytes: a small payload does not hold its chunk", () => {
    const pair = connectedPair({ version: 4 });
    const chunk = Buffer.concat([hex`30 04 0001 61 78`, Buffer.alloc(60_000)]).subarray(0, 6);
    pair.receive(chunk);
    chunk.fill(0);
    expect(pair.messages[0]?.payload.toString()).toBe("x");
  });

  it("may be empty, and have a topic of any characters", () => {
    const pair = connectedPair({ version: 4 });
    pair.receive(hex`30 05 0003 e282ac  30 05 0003 e282ac  30 03 0001 62`);
    expect(pair.messages.map(({ topic }) => topic)).toEqual(["€", "€", "b"]);
    expect(pair.messages[0]?.payload).toHaveLength(0);
  });

  it("[MQTT5-3.3.2-10] is found by its alias, up to our maximum", () => {
    const pair = connectedPair({ topicAliasMaximum: 2 });
    pair.receive(hex`30 08 0001 61 03 23 0002 78  30 07 0000 03 23 0002 79`);
    pair.receive(hex`30 08 0001 62 03 23 0002 78  30 07 0000 03 23 0002 79`);
    expect(pair.messages.map(({ topic }) => topic)).toEqual(["a", "a", "b", "b"]);
    expect(pair.messages[1]?.properties).toEqual({ topicAlias: 2 });
    pair.cut();
    pair.connect();
    pair.receive(hex`30 07 0000 03 23 0002 79`);
    expect(pair.ended.at(-1)).toMatchObject({ code: "serverError" });
  });
});

describe("automatic acknowledgement", () => {
  it("[MQTT5-4.3.2-4] [MQTT5-4.5.0-2] answers QoS 1 with PUBACK", () => {
    const pair = connectedPair();
    pair.receive(publish(QOS1, 7), publish(QOS1, 7));
    expect(pair.sent()).toEqual(["PUBACK 7", "PUBACK 7"]);
    expect(pair.messages).toHaveLength(2);
  });

  it("[MQTT5-4.3.3-8] [MQTT5-4.3.3-11] answers QoS 2 with PUBREC and PUBCOMP", () => {
    const pair = connectedPair();
    pair.receive(publish(QOS2, 7));
    expect(pair.sent()).toEqual(["PUBREC 7"]);
    pair.receive(hex`62 02 0007`);
    expect(pair.sent()).toEqual(["PUBCOMP 7"]);
  });

  it("[MQTT5-4.3.3-10] delivers a QoS 2 message once, over reconnects too", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 });
    pair.receive(publish(QOS2, 7), publish(QOS2_DUP, 7));
    pair.cut();
    pair.connect({}, true);
    pair.receive(publish(QOS2_DUP, 7));
    expect(pair.sent()).toEqual(["PUBREC 7"]);
    expect(pair.messages).toHaveLength(1);
    pair.receive(hex`62 02 0007`, publish(QOS2, 7));
    expect(pair.messages).toHaveLength(2);
  });

  it("[MQTT5-3.2.2-5] forgets what it has taken over with its session", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 });
    pair.receive(publish(QOS2, 7));
    pair.cut();
    pair.connect({}, false);
    pair.receive(publish(QOS2, 7));
    expect(pair.messages).toHaveLength(2);
  });

  it("answers a PUBREL for nothing it knows, with 0x92 in 5.0", () => {
    const pair = connectedPair();
    pair.receive(hex`62 02 0007`);
    expect(pair.sent()).toEqual(["PUBCOMP 7 0x92"]);
    const old = connectedPair({ version: 4 });
    old.receive(hex`62 02 0007`);
    expect(old.sent()).toEqual(["PUBCOMP 7"]);
  });

  it("answers nobody when the message made the program leave", () => {
    const pair = connectedPair();
    pair.onMessage = () => pair.machine.disconnect(0, {});
    pair.receive(Buffer.concat([publish(QOS1, 7), publish(QOS1, 8)]));
    expect(pair.messages).toHaveLength(1);
    expect(pair.sent()).toEqual(["DISCONNECT"]);
  });
});

describe("manual acknowledgement", () => {
  const options = { acknowledge: "manual", sessionExpiryInterval: 9 } as const;
  const acknowledge = (pair: ClientPair, index: number, reasonCode = 0) =>
    pair.machine.acknowledge(pair.acknowledgements[index]!, reasonCode);

  it("[MQTT5-4.6.0-2] [MQTT5-4.6.0-3] leaves in the order of arrival", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS1, 1), publish(QOS2, 2), publish(QOS1, 3));
    expect(pair.sent()).toEqual([]);
    acknowledge(pair, 2);
    acknowledge(pair, 1);
    acknowledge(pair, 1);
    expect(pair.sent()).toEqual([]);
    acknowledge(pair, 0);
    expect(pair.sent()).toEqual(["PUBACK 1", "PUBREC 2", "PUBACK 3"]);
  });

  it("[MQTT5-4.3.3-9] refuses: the identifier then means a new message", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS1, 1), publish(QOS2, 2));
    acknowledge(pair, 0, 0x97);
    acknowledge(pair, 1, 0x80);
    expect(pair.sent()).toEqual(["PUBACK 1 0x97", "PUBREC 2 0x80"]);
    pair.receive(publish(QOS2, 2));
    expect(pair.messages).toHaveLength(3);
  });

  it("is void after the connection, and given to the repeat of a QoS 2 message", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS1, 1), publish(QOS2, 2), publish(QOS2, 3));
    pair.cut();
    acknowledge(pair, 0);
    acknowledge(pair, 1);
    pair.connect({}, true);
    expect(pair.sent()).toEqual([]);
    pair.receive(publish(QOS1 | 8, 1), publish(QOS2_DUP, 2), publish(QOS2_DUP, 3));
    expect(pair.messages).toHaveLength(4);
    expect(pair.sent()).toEqual([]);
    acknowledge(pair, 3);
    expect(pair.sent()).toEqual(["PUBACK 1", "PUBREC 2"]);
    acknowledge(pair, 2);
    expect(pair.sent()).toEqual(["PUBREC 3"]);
  });

  it("repeats the PUBREC of a repeat on the same connection", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS2, 2), publish(QOS2_DUP, 2));
    acknowledge(pair, 0);
    expect(pair.sent()).toEqual(["PUBREC 2"]);
    pair.receive(publish(QOS2_DUP, 2));
    expect(pair.sent()).toEqual(["PUBREC 2"]);
  });
});

describe("our Receive Maximum", () => {
  const options = { receiveMaximum: 2, acknowledge: "manual", sessionExpiryInterval: 9 } as const;

  it("[MQTT5-3.3.4-9] is enforced on the server", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS1, 1), publish(QOS2, 2));
    expect(pair.ended).toEqual([]);
    pair.receive(publish(QOS1, 3));
    expect(pair.ended).toMatchObject([{ cause: { reason: "receiveMaximumExceeded" } }]);
    expect(pair.link.take()).toEqual(hex`e0 01 93`);
  });

  it("counts QoS 2 until PUBCOMP, and not what was refused", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS2, 1), publish(QOS2, 2));
    for (const [i, code] of [0, 0x80].entries()) {
      pair.machine.acknowledge(pair.acknowledgements[i]!, code);
    }
    pair.receive(publish(QOS2, 3));
    expect(pair.ended).toEqual([]);
    pair.receive(hex`62 02 0001`, publish(QOS1, 4));
    expect(pair.ended).toEqual([]);
    pair.receive(publish(QOS1, 5));
    expect(pair.ended).toHaveLength(1);
  });

  it("counts anew on each connection, and a repeat once", () => {
    const pair = connectedPair(options);
    pair.receive(publish(QOS2, 1), publish(QOS2, 2));
    pair.cut();
    pair.connect({}, true);
    pair.receive(publish(QOS2_DUP, 1), publish(QOS2_DUP, 1), publish(QOS2_DUP, 2));
    expect(pair.ended).toHaveLength(1);
    expect(pair.ended).toMatchObject([{ code: "connectionLost" }]);
    pair.receive(publish(QOS1, 3));
    expect(pair.ended).toHaveLength(2);
  });
});
