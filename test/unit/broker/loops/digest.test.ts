import { describe, expect, it } from "vitest";
import { Digester } from "../../../../src/broker/loops/digest.ts";
import { BROKER_SOURCE, Message, madeMessage } from "../../../../src/broker/message.ts";
import { Prng } from "../../../../src/core/base/prng.ts";
import type { Qos } from "../../../../src/core/codec/packets.ts";

const digester = new Digester();

function digestOf(
  topic: string,
  payload: string | Buffer,
  qos: Qos = 0,
  retain = false,
  properties = Buffer.alloc(0),
): number {
  const bytes = Buffer.from(payload);
  return digester.digest(madeMessage(topic, bytes, qos, retain, BROKER_SOURCE, properties));
}

describe("The digest of a message", () => {
  it("is a whole number that JavaScript holds exactly", () => {
    for (let size = 0; size < 200; size++) {
      const digest = digestOf("t", Buffer.alloc(size, 0xff));
      expect(Number.isSafeInteger(digest) && digest >= 0, `size ${size}`).toBe(true);
    }
  });

  it("is the same wherever the payload stands, and whoever sent it", () => {
    const wide = Buffer.from("....payload....");
    const source = { clientId: "c", username: null, port: 1 };
    const topic = { name: "t", bytes: Buffer.from("t") };
    const none = Buffer.alloc(0);
    const message = new Message(topic, wide, 4, 11, 1, false, source, none, 0, 7);
    expect(digester.digest(message)).toBe(digestOf("t", "payload", 1));
  });

  it("differs in topic, payload, properties, QoS and RETAIN", () => {
    const digests = [
      digestOf("t", "payload"),
      digestOf("u", "payload"),
      digestOf("t", "payloae"),
      digestOf("t", "payload", 0, false, Buffer.from([0x01, 0x01])),
      digestOf("t", "payload", 1),
      digestOf("t", "payload", 2),
      digestOf("t", "payload", 0, true),
      digestOf("tp", "ayload"),
      digestOf("t", "payload\0"),
      digestOf("t", ""),
      digestOf("", "t"),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  it("differs wherever one bit does, in payloads of any length", () => {
    const prng = new Prng(7);
    for (const size of [1, 2, 3, 4, 5, 7, 8, 63, 64, 1001]) {
      const payload = Buffer.from(Array.from({ length: size }, () => prng.between(0, 255)));
      const digests = new Set([digestOf("t", payload)]);
      for (let bit = 0; bit < size * 8; bit++) {
        const other = Buffer.from(payload);
        other[bit >> 3]! ^= 1 << (bit & 7);
        digests.add(digestOf("t", other));
      }
      expect(digests.size, `size ${size}`).toBe(size * 8 + 1);
    }
  });

  it("has no two alike among many that count on", () => {
    const digests = new Set<number>();
    for (let i = 0; i < 50_000; i++) digests.add(digestOf(`t/${i % 50}`, String(i)));
    expect(digests.size).toBe(50_000);
  });
});
