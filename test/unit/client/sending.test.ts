/** Messages going out: order, windows, what the server takes, acknowledgements and repeats. */
import { describe, expect, it } from "vitest";
import { publication } from "../../../src/client/publication.ts";
import { NO_PROPERTIES } from "../../../src/core/codec/properties.ts";
import { ClientPair, connectedPair } from "../../support/client-pair.ts";
import { hex } from "../../support/hex.ts";

describe("publishing", () => {
  it("settles QoS 0 when its bytes have left, not before", () => {
    const pair = connectedPair();
    pair.publish("a", "x");
    expect(pair.sent()).toEqual(["PUBLISH q0 a=x"]);
    expect(pair.settled).toEqual([]);
    pair.flushed();
    expect(pair.settled).toEqual(["x: 0"]);
  });

  it("settles of QoS 0 only what has left", () => {
    const pair = connectedPair();
    for (const payload of ["1", "2", "3"]) {
      pair.publish("a", payload);
      pair.sent();
    }
    const size = 6;
    const connect = pair.link.writtenBytes - 3 * size;
    pair.machine.onFlushed(connect + 2 * size);
    expect(pair.settled).toEqual(["1: 0", "2: 0"]);
    pair.machine.onFlushed(connect + 3 * size - 1);
    expect(pair.settled).toHaveLength(2);
    pair.cut();
    expect(pair.settled).toEqual(["1: 0", "2: 0", "3: connectionLost"]);
  });

  it("[MQTT5-4.3.2-3] settles QoS 1 at its PUBACK", () => {
    const pair = connectedPair();
    pair.publish("a", "x", 1);
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 a=x"]);
    pair.flushed();
    expect(pair.settled).toEqual([]);
    pair.receive(hex`40 03 0001 10`);
    expect(pair.settled).toEqual(["x: 16"]);
  });

  it("[MQTT5-4.3.3-4] settles QoS 2 at its PUBCOMP", () => {
    const pair = connectedPair();
    pair.publish("a", "x", 2);
    pair.receive(hex`50 02 0001`);
    expect(pair.sent()).toEqual(["PUBLISH 1 q2 a=x", "PUBREL 1"]);
    expect(pair.settled).toEqual([]);
    pair.receive(hex`70 02 0001`);
    expect(pair.settled).toEqual(["x: 0"]);
  });

  it("tells a refusal in PUBACK or PUBREC, with the server's words", () => {
    const pair = connectedPair();
    const errors: unknown[] = [];
    for (const qos of [1, 2] as const) {
      const told = (error: unknown) => errors.push(error);
      const bytes = Buffer.from("a");
      pair.machine.publish(publication("a", bytes, bytes, qos, false, NO_PROPERTIES, told));
    }
    pair.receive(hex`40 0a 0001 87 06 1f 0003 6e6f21`);
    pair.receive(hex`50 03 0002 97`);
    expect(errors).toMatchObject([
      { code: "publishRefused", reasonCode: 0x87, properties: { reasonString: "no!" } },
      { code: "publishRefused", reasonCode: 0x97 },
    ]);
    expect(String(errors[0])).toContain("Not authorized (no!)");
    expect(pair.machine.sending.idle).toBe(true);
  });

  it("takes PUBCOMP 0x92 for delivered: the exchange was over before", () => {
    const pair = connectedPair();
    pair.publish("a", "x", 2);
    pair.receive(hex`50 02 0001  70 03 0001 92`);
    expect(pair.settled).toEqual(["x: 146"]);
  });

  it("answers a PUBREC for nobody, and ignores other late acknowledgements", () => {
    const pair = connectedPair();
    pair.receive(hex`50 02 0005  40 02 0006  70 02 0007`);
    expect(pair.sent()).toEqual(["PUBREL 5 0x92"]);
    const old = connectedPair({ version: 4 });
    old.receive(hex`50 02 0005`);
    expect(old.sent()).toEqual(["PUBREL 5"]);
  });

  it("answers a second PUBREC again, and ends the exchange at one that refuses", () => {
    const pair = connectedPair();
    pair.publish("a", "x", 2);
    pair.sent();
    pair.receive(hex`50 02 0001  50 02 0001`);
    expect(pair.sent()).toEqual(["PUBREL 1", "PUBREL 1"]);
    expect(pair.settled).toEqual([]);
    pair.receive(hex`50 03 0001 87  70 02 0001`);
    expect(pair.settled).toEqual(["x: publishRefused"]);
  });

  it("hands on what a callback throws, and goes on", () => {
    const pair = connectedPair();
    const bytes = Buffer.from("a");
    const oops = new Error("oops");
    const thrower = () => {
      throw oops;
    };
    pair.machine.publish(publication("a", bytes, bytes, 1, false, NO_PROPERTIES, thrower));
    pair.publish("a", "x", 1);
    pair.receive(hex`40 02 0001  40 02 0002`);
    expect(pair.callbackErrors).toEqual([oops]);
    expect(pair.settled).toEqual(["x: 0"]);
  });

  it("sends a large payload as it is, in its place", () => {
    const pair = connectedPair();
    pair.publish("a", "before");
    pair.publish("a", "L".repeat(5000), 1);
    pair.publish("a", "after");
    const [first, second, third] = pair.sent();
    expect([first, second, third]).toEqual([
      "PUBLISH q0 a=before",
      "PUBLISH 1 q1 a=5000 bytes",
      "PUBLISH q0 a=after",
    ]);
  });

  it("fills one block after another", () => {
    const pair = connectedPair();
    const payload = "p".repeat(3000);
    for (let i = 0; i < 40; i++) pair.publish("a", payload);
    expect(pair.sent()).toEqual(Array.from({ length: 40 }, () => "PUBLISH q0 a=3000 bytes"));
  });
});

describe("the outbox", () => {
  it("keeps what is published offline, and its order whatever the QoS", () => {
    const pair = new ClientPair();
    pair.publish("a", "1", 1);
    pair.publish("a", "2", 0);
    pair.publish("a", "3", 2);
    pair.publish("a", "4", 1);
    pair.connect();
    expect(pair.sent()).toEqual([
      "PUBLISH 1 q1 a=1",
      "PUBLISH q0 a=2",
      "PUBLISH 2 q2 a=3",
      "PUBLISH 3 q1 a=4",
    ]);
  });

  it("keeps the order behind a full window too", () => {
    const pair = connectedPair({}, { receiveMaximum: 1 });
    pair.publish("a", "1", 1);
    pair.publish("a", "2", 1);
    pair.publish("a", "3", 0);
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 a=1"]);
    pair.receive(hex`40 02 0001`);
    expect(pair.sent()).toEqual(["PUBLISH 2 q1 a=2", "PUBLISH q0 a=3"]);
  });

  it("refuses the message above its limit, and keeps the others", () => {
    const pair = new ClientPair({ outbox: { messagesMax: 2 } });
    expect(pair.publish("a", "1", 1)).toBeUndefined();
    expect(pair.publish("a", "2", 1)).toBeUndefined();
    expect(pair.publish("a", "3", 1)).toMatchObject({ code: "outboxFull" });
    expect(pair.settled).toEqual([]);
    pair.connect();
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 a=1", "PUBLISH 2 q1 a=2"]);
  });

  it("has its limit behind a full window too", () => {
    const pair = connectedPair({ outbox: { messagesMax: 1 } }, { receiveMaximum: 1 });
    const answers = ["1", "2", "3"].map((payload) => pair.publish("a", payload, 1));
    expect(answers).toMatchObject([undefined, undefined, { code: "outboxFull" }]);
  });

  it("takes no QoS 0 message offline where it is told not to", () => {
    const pair = new ClientPair({ outbox: { qos0: false } });
    expect(pair.publish("a", "1")).toMatchObject({ code: "offline" });
    expect(pair.publish("a", "2", 1)).toBeUndefined();
  });

  it("fills while the network does not take more, and empties when it does", () => {
    const pair = connectedPair();
    const payload = "p".repeat(100_000);
    for (let i = 0; i < 5; i++) pair.publish("a", payload);
    expect(pair.sent()).toHaveLength(3);
    expect(pair.machine.sending.waitingCount).toBe(2);
    pair.flushed();
    expect(pair.sent()).toHaveLength(2);
    pair.flushed();
    expect(pair.settled).toHaveLength(5);
    expect(pair.machine.sending.idle).toBe(true);
  });

  it("gives a message back that was not sent", () => {
    const pair = new ClientPair();
    const bytes = Buffer.from("a");
    const message = publication("a", bytes, bytes, 1, false, NO_PROPERTIES, undefined);
    pair.machine.publish(message);
    expect(pair.machine.sending.withdraw(message)).toBe(true);
    expect(pair.machine.sending.withdraw(message)).toBe(false);
    pair.connect();
    expect(pair.sent()).toEqual([]);
  });

  it("settles everything once when the client is closed", () => {
    const pair = connectedPair({}, { receiveMaximum: 2 });
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, 2);
    pair.receive(hex`50 02 0001`);
    const error = { code: "closed" } as never;
    pair.machine.rejectAll(error);
    expect(pair.settled).toEqual(["1: closed", "2: closed", "3: closed"]);
    expect(pair.machine.sending.idle).toBe(true);
  });
});

describe("a new connection", () => {
  it("[MQTT5-4.4.0-1] [MQTT5-4.6.0-1] repeats what is open where the session was kept", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 });
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, payload === "2" ? 2 : 1);
    pair.publish("a", "4", 2);
    pair.receive(hex`50 02 0002`);
    pair.cut();
    pair.connect({}, true);
    expect(pair.sent()).toEqual([
      "PUBREL 2",
      "PUBLISH 1 q1 dup a=1",
      "PUBLISH 3 q1 dup a=3",
      "PUBLISH 4 q2 dup a=4",
    ]);
    pair.receive(hex`40 02 0001  70 02 0002  40 02 0003  50 02 0004  70 02 0004`);
    expect(pair.settled).toEqual(["1: 0", "2: 0", "3: 0", "4: 0"]);
  });

  it("sends anew, without DUP, where the session was not kept", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 });
    pair.publish("a", "1", 1);
    pair.publish("a", "2", 2);
    pair.cut();
    pair.publish("a", "3", 1);
    pair.connect({}, false);
    expect(pair.sent()).toEqual(["PUBLISH 3 q1 a=1", "PUBLISH 4 q2 a=2", "PUBLISH 5 q1 a=3"]);
  });

  it("sends anew, and first, what the server had taken over and not handed on", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 });
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, 2);
    pair.receive(hex`50 02 0002`);
    pair.cut();
    pair.publish("a", "4", 2);
    pair.connect({}, false);
    expect(pair.sent()).toEqual([
      "PUBLISH 4 q2 a=2",
      "PUBLISH 5 q2 a=1",
      "PUBLISH 6 q2 a=3",
      "PUBLISH 7 q2 a=4",
    ]);
    expect(pair.settled).toEqual([]);
  });

  it("repeats in MQTT 3.1 too, which cannot say that the session was kept", () => {
    const pair = connectedPair({ version: 3, cleanStart: false });
    pair.publish("a", "1", 1);
    pair.cut();
    pair.connect();
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 dup a=1"]);
  });

  it("keeps to the new server's smaller window", () => {
    const pair = connectedPair();
    for (const payload of ["1", "2", "3"]) pair.publish("a", payload, 1);
    pair.cut();
    pair.connect({ receiveMaximum: 1 });
    expect(pair.sent()).toEqual(["PUBLISH 4 q1 a=1"]);
    pair.receive(hex`40 02 0004`);
    expect(pair.sent()).toEqual(["PUBLISH 5 q1 a=2"]);
  });

  it("settles repeats that the server takes no longer, and goes on", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 });
    pair.publish("a", "long".repeat(9), 1);
    pair.publish("a", "longer".repeat(9), 2);
    pair.publish("a", "x", 1);
    pair.cut();
    pair.connect({ maximumPacketSize: 20 }, true);
    // The server may hold the identifier of the second since the connection before.
    expect(pair.sent()).toEqual(["PUBREL 2", "PUBLISH 3 q1 dup a=x"]);
    expect(pair.settled).toEqual([
      `${"long".repeat(9)}: packetTooLarge`,
      `${"longer".repeat(9)}: packetTooLarge`,
    ]);
    pair.receive(hex`70 02 0002  40 02 0003`);
    expect(pair.machine.sending.idle).toBe(true);
  });
});

describe("what the server takes", () => {
  it("[MQTT5-3.3.4-7] [MQTT5-4.9.0-2] is no more than its Receive Maximum at once", () => {
    const pair = connectedPair({}, { receiveMaximum: 2 });
    for (const payload of ["1", "2", "3", "4"]) pair.publish("a", payload, 1);
    expect(pair.sent()).toHaveLength(2);
    pair.receive(hex`40 02 0002`);
    expect(pair.sent()).toEqual(["PUBLISH 3 q1 a=3"]);
  });

  it("is no more than the bytes that we want unacknowledged, but for a single message", () => {
    const pair = connectedPair({ inflightBytesMax: 10 });
    const long = "long".repeat(5);
    for (const payload of ["1234", "5678", "90", long, "x"]) pair.publish("a", payload, 1);
    pair.publish("a", "behind", 0);
    // Five bytes each, with the topic.
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 a=1234", "PUBLISH 2 q1 a=5678"]);
    pair.receive(hex`40 02 0001`);
    expect(pair.sent()).toEqual(["PUBLISH 3 q1 a=90"]);
    pair.receive(hex`40 02 0002`);
    expect(pair.sent()).toEqual([]);
    pair.receive(hex`40 02 0003`);
    expect(pair.sent()).toEqual([`PUBLISH 4 q1 a=${long}`]);
    pair.receive(hex`40 02 0004`);
    expect(pair.sent()).toEqual(["PUBLISH 5 q1 a=x", "PUBLISH q0 a=behind"]);
  });

  it("is 20 messages at once before 5.0, unless the program knows better", () => {
    const sent = (options: object) => {
      const pair = connectedPair({ version: 4, ...options });
      for (let i = 0; i < 100; i++) pair.publish("a", "x", 1);
      return pair.sent().length;
    };
    expect(sent({})).toBe(20);
    expect(sent({ inflightMax: 50 })).toBe(50);
  });

  it("[MQTT5-3.2.2-11] is no QoS above its maximum", () => {
    const pair = connectedPair({}, { maximumQos: 1 });
    pair.publish("a", "x", 2);
    pair.publish("a", "y", 1);
    expect(pair.sent()).toHaveLength(1);
    expect(pair.settled).toEqual(["x: notSupported"]);
  });

  it("[MQTT5-3.2.2-14] is no retained message where it says so", () => {
    const pair = connectedPair({}, { retainAvailable: 0 });
    pair.publishRetained("a", "x");
    expect(pair.sent()).toEqual([]);
    expect(pair.settled).toEqual(["x: notSupported"]);
  });

  it("[MQTT5-3.2.2-15] is no packet above its maximum, to the byte", () => {
    const pair = connectedPair({}, { maximumPacketSize: 8 });
    pair.publish("a", "12");
    pair.publish("a", "123");
    pair.publish("a", "4", 1);
    expect(pair.sent()).toEqual(["PUBLISH q0 a=12"]);
    pair.flushed();
    expect(pair.settled).toEqual(["123: packetTooLarge", "4: packetTooLarge", "12: 0"]);
  });
});

describe("topic aliases", () => {
  const alias = { topicAlias: 2 };

  it("[MQTT5-3.3.2-9] carry the topic once, then stand for it", () => {
    const pair = connectedPair({}, { topicAliasMaximum: 2 });
    pair.publish("a", "1", 0, alias);
    pair.publish("a", "2", 0, alias);
    pair.publish("b", "3", 0, alias);
    pair.publish("b", "4", 0, alias);
    expect(pair.sent()).toEqual([
      "PUBLISH q0 {230002} a=1",
      "PUBLISH q0 {230002} =2",
      "PUBLISH q0 {230002} b=3",
      "PUBLISH q0 {230002} =4",
    ]);
  });

  it("[MQTT5-3.2.2-17] [MQTT5-3.2.2-18] are left out where the server takes none", () => {
    const pair = connectedPair({}, { topicAliasMaximum: 1 });
    pair.publish("a", "1", 0, alias);
    expect(pair.sent()).toEqual(["PUBLISH q0 a=1"]);
    const other = connectedPair({ aliasTopics: true });
    other.publish("a", "1", 0);
    other.publish("a", "2", 0);
    expect(other.sent()).toEqual(["PUBLISH q0 a=1", "PUBLISH q0 a=2"]);
  });

  it("are given out first come first served where asked for", () => {
    const pair = connectedPair({ aliasTopics: true }, { topicAliasMaximum: 1 });
    for (const topic of ["a", "b", "a", "b"]) pair.publish(topic, "x", 0, { contentType: "t" });
    expect(pair.sent()).toEqual([
      "PUBLISH q0 {03000174230001} a=x",
      "PUBLISH q0 {03000174} b=x",
      "PUBLISH q0 {03000174230001} =x",
      "PUBLISH q0 {03000174} b=x",
    ]);
  });

  it("[MQTT5-3.3.2-7] end with their connection, and repeats carry the topic", () => {
    const pair = connectedPair({ sessionExpiryInterval: 9 }, { topicAliasMaximum: 2 });
    pair.publish("a", "1", 1, alias);
    pair.publish("a", "2", 1, alias);
    pair.cut();
    pair.connect({ topicAliasMaximum: 2 }, true);
    expect(pair.sent()).toEqual(["PUBLISH 1 q1 dup {230002} a=1", "PUBLISH 2 q1 dup {230002} =2"]);
  });
});

describe("properties", () => {
  it("go along in 5.0, and their list is right after each change", () => {
    const pair = connectedPair();
    const first = { contentType: "t" };
    const second = { payloadFormatIndicator: 1 as const };
    pair.publish("a", "1", 0, first);
    pair.publish("a", "2", 0, first);
    pair.publish("a", "3", 0, second);
    pair.publish("a", "4");
    pair.publish("a", "5", 0, first);
    expect(pair.sent()).toEqual([
      "PUBLISH q0 {03000174} a=1",
      "PUBLISH q0 {03000174} a=2",
      "PUBLISH q0 {0101} a=3",
      "PUBLISH q0 a=4",
      "PUBLISH q0 {03000174} a=5",
    ]);
  });
});

describe("packet identifiers", () => {
  it("[MQTT5-2.2.1-3] [MQTT5-4.3.2-1] wrap, and are shared with requests", () => {
    const pair = connectedPair({ limits: { packetIdMax: 5, requestsMax: 2 } });
    pair.subscribe(["s"]);
    for (let i = 1; i <= 4; i++) pair.publish("a", `${i}`, 1);
    expect(pair.sent()).toEqual([
      "SUBSCRIBE 1 s",
      "PUBLISH 2 q1 a=1",
      "PUBLISH 3 q1 a=2",
      "PUBLISH 4 q1 a=3",
    ]);
    pair.receive(hex`40 02 0003`);
    pair.subscribe(["t"]);
    pair.receive(hex`40 02 0002`);
    pair.publish("a", "5", 1);
    expect(pair.sent()).toEqual(["PUBLISH 5 q1 a=4", "SUBSCRIBE 3 t", "PUBLISH 2 q1 a=5"]);
  });
});
