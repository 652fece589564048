/**
 * §4.3 to §4.6 and §4.9 of MQTT 5.0, §4.3 to §4.6 of 3.1.1, the client's side: QoS 1 and 2 in both
 * directions, repeats on reconnecting, order, and flow control.
 */
import { describe, expect, it } from "vitest";
import type { Version } from "../../src/core/codec/packets.ts";
import { ClientPair, connectedPair } from "../support/client-pair.ts";
import { packet } from "../support/raw-packets.ts";
import { publishBytes } from "../support/scripted-client.ts";

describe.each([4, 5] as const)("the client as sender in version %i", (version) => {
  it("[MQTT-4.3.2-1] [MQTT5-4.3.2-1] [MQTT5-4.3.2-2] [MQTT5-4.3.2-3] QoS 1: sends once with DUP 0, and waits for PUBACK", () => {
    const pair = kept(version);
    pair.publish("a", "one", 1);
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 a=one"]);
    expect(pair.settled).toEqual([]);
    pair.receive(ack(0x40, 1));
    expect(pair.settled).toEqual(["one: 0"]);
    resume(pair);
    expect(pair.sent()).toEqual([]);
  });

  it("[MQTT-4.3.3-1] [MQTT5-4.3.3-1] [MQTT5-4.3.3-2] [MQTT5-4.3.3-3] QoS 2: sends once with DUP 0, open until PUBREC", () => {
    const pair = kept(version);
    pair.publish("a", "two", 2);
    expect(pair.sent()).toEqual(["PUBLISH 1 q2 a=two"]);
    resume(pair);
    expect(pair.sent()).toEqual(["PUBLISH 1 q2 dup a=two"]);
  });

  it("[MQTT-4.3.3-1] [MQTT5-4.3.3-4] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6] QoS 2: answers PUBREC with PUBREL, open until PUBCOMP", () => {
    const pair = kept(version);
    pair.publish("a", "two", 2);
    pair.sent();
    pair.receive(ack(0x50, 1));
    expect(pair.sent()).toEqual(["PUBREL 1"]);
    resume(pair);
    // Never the PUBLISH again.
    expect(pair.sent()).toEqual(["PUBREL 1"]);
    expect(pair.settled).toEqual([]);
    pair.receive(ack(0x70, 1));
    expect(pair.settled).toEqual(["two: 0"]);
    resume(pair);
    expect(pair.sent()).toEqual([]);
  });

  it("[MQTT-3.6.1-1] [MQTT5-3.6.1-1] [MQTT-2.2.2-1] [MQTT5-2.1.3-1] PUBREL has flags 0010, the other answers 0000", () => {
    const pair = kept(version);
    pair.publish("a", "two", 2);
    pair.sentBytes();
    pair.receive(ack(0x50, 1));
    expect(pair.sentBytes()).toEqual(ack(0x62, 1));
    pair.receive(message(version, "x", 1, 1), message(version, "y", 2, 2), ack(0x62, 2));
    expect(pair.sentBytes()).toEqual(Buffer.concat([ack(0x40, 1), ack(0x50, 2), ack(0x70, 2)]));
  });

  it("[MQTT-3.3.1-1] [MQTT5-3.3.1-1] [MQTT-4.4.0-1] [MQTT5-4.4.0-1] repeats with DUP what is open when its session goes on", () => {
    const pair = kept(version);
    pair.publish("a", "one", 1);
    pair.publish("a", "two", 2);
    pair.publish("a", "three", 2);
    pair.receive(ack(0x50, 2));
    pair.sent();
    resume(pair);
    const words = pair.sent();
    expect(words.filter((word) => word.startsWith("PUBLISH"))).toEqual([
      "PUBLISH 1 q1 dup a=one",
      "PUBLISH 3 q2 dup a=three",
    ]);
    expect(words.filter((word) => word.startsWith("PUBREL"))).toEqual(["PUBREL 2"]);
    expect(words).toHaveLength(3);
  });

  it("[MQTT5-4.4.0-1] repeats nothing on a connection that lasts", () => {
    const pair = kept(version);
    pair.publish("a", "one", 1);
    pair.publish("a", "two", 2);
    pair.receive(ack(0x50, 2));
    pair.sent();
    for (let times = 0; times < 5; times++) {
      pair.tick();
      pair.receive(packet(0xd0));
    }
    expect([...new Set(pair.sent())]).toEqual(["PINGREQ"]);
  });

  it("[MQTT-4.6.0-1] [MQTT5-4.6.0-1] repeats PUBLISH packets in their first order, each time", () => {
    const pair = kept(version);
    for (const [i, payload] of ["1", "2", "3", "4"].entries()) {
      pair.publish("a", payload, i % 2 === 0 ? 1 : 2);
    }
    pair.receive(ack(0x40, 3));
    for (let times = 0; times < 2; times++) {
      resume(pair);
      expect(pair.sent()).toEqual([
        "PUBLISH 1 q1 dup a=1",
        "PUBLISH 2 q2 dup a=2",
        "PUBLISH 4 q2 dup a=4",
      ]);
    }
  });

  it("[MQTT-4.6.0-4] [MQTT5-4.6.0-4] sends PUBREL in the order of the PUBRECs, and repeats it so", () => {
    const pair = kept(version);
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, 2);
    pair.sent();
    for (const packetId of [3, 1, 2]) pair.receive(ack(0x50, packetId));
    const released = ["PUBREL 3", "PUBREL 1", "PUBREL 2"];
    expect(pair.sent()).toEqual(released);
    resume(pair);
    expect(pair.sent()).toEqual(released);
  });

  it("[MQTT-4.8.0-1] [MQTT5-4.13.1-1] leaves a server whose answer fits another QoS", () => {
    const answers: [qos: 1 | 2, head: number][] = [
      [1, 0x50],
      [1, 0x70],
      [2, 0x40],
      [2, 0x70],
    ];
    for (const [qos, head] of answers) {
      const pair = kept(version);
      pair.publish("a", "x", qos);
      pair.receive(ack(head, 1));
      expect(pair.ended, `${head} at QoS ${qos}`).toMatchObject([{ code: "serverError" }]);
    }
  });

  it("[MQTT-4.1.0-2] [MQTT5-4.1.0-1] keeps its session while the connection lasts", () => {
    const pair = connectedPair({ version });
    pair.receive(message(version, "x", 2, 9));
    pair.publish("a", "two", 2);
    pair.sent();
    pair.now += 24 * 3_600_000;
    pair.receive(ack(0x50, 1));
    pair.receive(message(version, "x", 2, 9, true));
    expect(pair.sent()).toEqual(["PUBREL 1", "PUBREC 9"]);
    expect(pair.messages).toHaveLength(1);
  });
});

describe.each([4, 5] as const)("the client as receiver in version %i", (version) => {
  it("[MQTT-4.3.2-2] [MQTT5-4.3.2-4] [MQTT5-4.3.2-5] QoS 1: answers PUBACK; the same identifier is then new, DUP or not", () => {
    const pair = kept(version);
    pair.receive(message(version, "x", 1, 7), message(version, "x", 1, 7, true));
    pair.receive(message(version, "y", 1, 7));
    expect(pair.sent()).toEqual(["PUBACK 7", "PUBACK 7", "PUBACK 7"]);
    expect(payloads(pair)).toEqual(["x", "x", "y"]);
  });

  it("[MQTT-4.3.3-2] [MQTT5-4.3.3-8] [MQTT5-4.3.3-10] QoS 2: answers every PUBLISH with PUBREC, and hears it once", () => {
    const pair = kept(version);
    pair.receive(message(version, "x", 2, 7), message(version, "x", 2, 7, true));
    resume(pair);
    pair.sent();
    pair.receive(message(version, "x", 2, 7, true));
    expect(pair.sent()).toEqual(["PUBREC 7"]);
    expect(payloads(pair)).toEqual(["x"]);
  });

  it("[MQTT-4.3.3-2] [MQTT5-4.3.3-11] [MQTT5-4.3.3-12] QoS 2: answers PUBREL with PUBCOMP; the same identifier is then new", () => {
    const pair = kept(version);
    for (let times = 0; times < 2; times++) {
      pair.receive(message(version, "x", 2, 7), ack(0x62, 7));
      expect(pair.sent()).toEqual(["PUBREC 7", "PUBCOMP 7"]);
    }
    expect(payloads(pair)).toEqual(["x", "x"]);
  });

  it("[MQTT-4.3.3-2] QoS 2: answers a PUBREL that it knows nothing of", () => {
    const pair = kept(version);
    pair.receive(ack(0x62, 9));
    expect(pair.sent()).toEqual([version === 5 ? "PUBCOMP 9 0x92" : "PUBCOMP 9"]);
  });

  it("[MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT5-4.6.0-2] [MQTT5-4.6.0-3] answers in the order of arrival, by itself and by hand", () => {
    for (const acknowledge of ["automatic", "manual"] as const) {
      const pair = connectedPair({ version, acknowledge });
      pair.sent();
      for (const packetId of [5, 3, 8, 1]) {
        pair.receive(message(version, "x", packetId % 2 === 0 ? 2 : 1, packetId));
      }
      // By hand: last first.
      for (const waiting of [...pair.acknowledgements].reverse())
        pair.machine.acknowledge(waiting, 0);
      expect(pair.sent()).toEqual(["PUBACK 5", "PUBACK 3", "PUBREC 8", "PUBACK 1"]);
    }
  });
});

describe("QoS 2 in MQTT 5.0", () => {
  it("[MQTT5-4.3.3-7] as sender repeats a message though its expiry has passed", () => {
    const pair = kept(5);
    pair.publish("a", "x", 2, { messageExpiryInterval: 1 });
    pair.sent();
    pair.now += 60_000;
    resume(pair);
    expect(pair.sent()).toEqual(["PUBLISH 1 q2 dup {0200000001} a=x"]);
  });

  it("[MQTT5-4.3.3-13] as receiver finishes an exchange whose message has expired", () => {
    const pair = kept(5);
    const properties = { messageExpiryInterval: 1 };
    pair.receive(publishBytes(5, "a", Buffer.from("x"), { qos: 2, packetId: 7, properties }));
    pair.now += 60_000;
    pair.receive(ack(0x62, 7));
    expect(pair.sent()).toEqual(["PUBREC 7", "PUBCOMP 7"]);
  });

  it("[MQTT5-4.3.3-9] as receiver takes an identifier that it refused for a new message", () => {
    const pair = new ClientPair({ acknowledge: "manual" }).connect();
    pair.sent();
    pair.receive(message(5, "x", 2, 7));
    pair.machine.acknowledge(pair.acknowledgements[0]!, 0x97);
    pair.receive(message(5, "y", 2, 7));
    expect(pair.sent()).toEqual(["PUBREC 7 0x97"]);
    expect(payloads(pair)).toEqual(["x", "y"]);
  });

  it.each([
    [1, [0x40, 0x87]],
    [2, [0x50, 0x97]],
  ] as const)(
    "[MQTT5-4.4.0-2] a refusal at QoS %i ends the message, without a repeat",
    (qos, answer) => {
      const pair = kept(5);
      pair.publish("a", "x", qos);
      pair.sent();
      pair.receive(packet(answer[0], Buffer.from([0, 1, answer[1]])));
      expect(pair.settled).toEqual(["x: publishRefused"]);
      resume(pair);
      expect(pair.sent()).toEqual([]);
    },
  );
});

describe("flow control in MQTT 5.0", () => {
  it("[MQTT5-3.3.4-7] [MQTT5-4.9.0-1] [MQTT5-4.9.0-2] keeps its open messages within the server's Receive Maximum", () => {
    const pair = connectedPair({}, { receiveMaximum: 2 });
    pair.sent();
    for (const payload of ["1", "2", "3", "4"]) pair.publish("a", payload, 2);
    expect(pair.sent()).toEqual(["PUBLISH 1 q2 a=1", "PUBLISH 2 q2 a=2"]);
    // PUBREC gives no room yet, PUBCOMP does, and so does a PUBREC that refuses.
    pair.receive(ack(0x50, 1));
    expect(pair.sent()).toEqual(["PUBREL 1"]);
    pair.receive(ack(0x70, 1));
    expect(pair.sent()).toEqual(["PUBLISH 3 q2 a=3"]);
    pair.receive(packet(0x50, "0002 97"));
    expect(pair.sent()).toEqual(["PUBLISH 4 q2 a=4"]);
  });

  it("[MQTT5-4.9.0-1] has 65,535 where the server names none, less what it keeps for requests", () => {
    const pair = connectedPair({ limits: { packetIdMax: 30, requestsMax: 4 } });
    pair.sent();
    for (let i = 0; i < 40; i++) pair.publish("a", "x", 1);
    expect(pair.sent()).toHaveLength(26);
  });

  it("[MQTT5-3.3.4-8] [MQTT5-4.9.0-3] holds back nothing but PUBLISH when its window is full", () => {
    const pair = connectedPair({}, { receiveMaximum: 1 });
    pair.publish("a", "1", 2);
    pair.publish("a", "2", 1);
    pair.sent();
    pair.subscribe(["b"]);
    pair.unsubscribe(["c"]);
    pair.receive(message(5, "x", 1, 5), message(5, "y", 2, 6), ack(0x62, 6), ack(0x50, 1));
    expect(pair.sent()).toEqual([
      "SUBSCRIBE 2 b",
      "UNSUBSCRIBE 3 c",
      "PUBACK 5",
      "PUBREC 6",
      "PUBCOMP 6",
      "PUBREL 1",
    ]);
    pair.tick();
    expect(pair.sent()).toEqual(["PINGREQ"]);
    pair.machine.disconnect(0, {});
    expect(pair.sent()).toEqual(["DISCONNECT"]);
  });

  it("[MQTT5-3.3.4-9] leaves a server that sends beyond its Receive Maximum", () => {
    const pair = new ClientPair({ receiveMaximum: 2, acknowledge: "manual" }).connect();
    pair.sent();
    for (const packetId of [1, 2, 3]) pair.receive(message(5, "x", 1, packetId));
    expect(pair.sent()).toEqual(["DISCONNECT 0x93"]);
    expect(pair.messages).toHaveLength(2);
  });
});

describe("the client's acknowledgements in MQTT 5.0", () => {
  it("[MQTT5-3.4.2-2] [MQTT5-3.4.2-3] [MQTT5-3.5.2-2] [MQTT5-3.5.2-3] [MQTT5-3.6.2-2] [MQTT5-3.6.2-3] [MQTT5-3.7.2-2] [MQTT5-3.7.2-3] have no words and no properties, whatever they say", () => {
    const pair = new ClientPair({ acknowledge: "manual" }).connect();
    pair.sent();
    pair.receive(message(5, "x", 1, 1), message(5, "y", 2, 2), message(5, "z", 2, 3));
    const [one, two, three] = pair.acknowledgements;
    pair.machine.acknowledge(one!, 0x80);
    pair.machine.acknowledge(two!, 0x99);
    pair.machine.acknowledge(three!, 0);
    pair.receive(ack(0x62, 3), ack(0x62, 9), ack(0x50, 8));
    expect(pair.sentBytes()).toEqual(
      Buffer.concat([
        packet(0x40, "0001 80"),
        packet(0x50, "0002 99"),
        packet(0x50, "0003"),
        packet(0x70, "0003"),
        packet(0x70, "0009 92"),
        packet(0x62, "0008 92"),
      ]),
    );
  });

  it.each([
    ["PUBACK", packet(0x40, "0001 92")],
    ["PUBREC", packet(0x50, "0001 92")],
    ["PUBREL", packet(0x62, "0001 80")],
    ["PUBCOMP", packet(0x70, "0001 10")],
  ])(
    "[MQTT5-3.4.2-1] [MQTT5-3.5.2-1] [MQTT5-3.6.2-1] [MQTT5-3.7.2-1] of the server have the codes listed: %s with another is a violation",
    (_type, bytes) => {
      const pair = connectedPair();
      pair.receive(bytes);
      expect(pair.ended).toMatchObject([{ code: "serverError" }]);
    },
  );
});

/** A connected client whose session outlives its connection. */
function kept(version: Version): ClientPair {
  const sessionExpiryInterval = version === 5 ? 3600 : 0;
  const pair = new ClientPair({ version, cleanStart: false, sessionExpiryInterval }).connect();
  pair.sent();
  return pair;
}

/** The connection breaks; the next one finds the session. */
function resume(pair: ClientPair): void {
  pair.cut();
  pair.connect({}, true);
}

function message(
  version: Version,
  text: string,
  qos: 1 | 2,
  packetId: number,
  dup = false,
): Buffer {
  return publishBytes(version, "a", Buffer.from(text), { qos, packetId, dup });
}

function ack(head: number, packetId: number): Buffer {
  return packet(head, Buffer.from([packetId >> 8, packetId & 0xff]));
}

function payloads(pair: ClientPair): string[] {
  return pair.messages.map(({ payload }) => payload.toString());
}
