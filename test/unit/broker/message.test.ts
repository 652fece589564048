import { describe, expect, it } from "vitest";
import {
  BROKER_SOURCE,
  Message,
  madeMessage,
  NO_PROPERTY_BYTES,
} from "../../../src/broker/message.ts";

const CHUNK = Buffer.from("..payload..");

describe("Message", () => {
  it("is a view of the chunk it came in, until it is to last", () => {
    const chunk = Buffer.from(CHUNK);
    const message = inChunk(chunk);
    expect(payload(message)).toBe("payload");
    expect(message.bytes).toBe(chunk);
    message.own();
    chunk.fill("-");
    expect(payload(message)).toBe("payload");
    expect(message.payloadSize).toBe(7);
    expect(message.bytes).not.toBe(chunk);
  });

  it("is copied once, and not at all where its payload is all there is", () => {
    const message = inChunk(CHUNK);
    message.own();
    const { bytes } = message;
    message.own();
    expect(message.bytes).toBe(bytes);
    const whole = Buffer.from("all");
    const made = madeMessage("t", whole, 0, false, BROKER_SOURCE);
    made.own();
    expect(made.bytes).toBe(whole);
  });

  it.each([
    ["small", "payload"],
    ["large", "x".repeat(1_000)],
  ])("shares memory with nothing once it is kept, %s", (_, text) => {
    const route = { name: "t", bytes: Buffer.from("t"), direct: ["a session"] };
    const list = Buffer.from([1, 1]);
    const chunk = Buffer.from(`..${text}..`);
    const end = chunk.length - 2;
    const message = new Message(route, chunk, 2, end, 1, true, BROKER_SOURCE, list, 0, 0);
    message.own();
    message.keep();
    message.keep();
    message.own();
    chunk.fill("-");
    expect(payload(message)).toBe(text);
    expect(message.payloadSize).toBe(end - 2);
    expect(message.properties).toEqual(list);
    expect(message.properties.buffer.byteLength).toBe(2);
    expect(message.topic).not.toHaveProperty("direct");
    expect([message.topic.name, message.topic.bytes]).toEqual(["t", Buffer.from("t")]);
  });

  it("is what came, kept or not, whatever its bytes are", () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const chunk = Buffer.concat([CHUNK, all, CHUNK]);
    const [start, end] = [CHUNK.length, CHUNK.length + 256];
    for (const name of ["t", "a/ü/\u{1f980}", "long/".repeat(100)]) {
      const topic = { name, bytes: Buffer.from(name) };
      const none = NO_PROPERTY_BYTES;
      const message = new Message(topic, chunk, start, end, 1, true, BROKER_SOURCE, none, 0, 9);
      for (const keep of [false, true]) {
        if (keep) message.keep();
        expect(message.bytes.subarray(message.start, message.end)).toEqual(all);
        expect([message.topic.name, message.topic.bytes]).toEqual([name, topic.bytes]);
        expect([message.topicSize, message.payloadSize]).toEqual([topic.bytes.length, 256]);
        expect(message.size).toBe(topic.bytes.length + 256);
        expect([message.qos, message.retain, message.sourcePacketId]).toEqual([1, true, 9]);
      }
    }
  });

  it("is a string once it is kept, with its topic, where that is short", () => {
    const text = (size: number, name: string) => {
      const topic = { name, bytes: Buffer.from(name) };
      const bytes = Buffer.alloc(size, 0xe9);
      const message = new Message(topic, bytes, 0, size, 0, true, BROKER_SOURCE, bytes, 0, 0);
      expect(message.text).toBe(null);
      message.keep();
      return message.text;
    };
    expect(text(3, "tä")).toBe(`t${"\xc3\xa4"}${"\xe9".repeat(3)}`);
    expect(text(310, "0123456789")?.length).toBe(320);
    expect(text(311, "0123456789")).toBe(null);
  });

  it("shares what no store has of it, until one has something", () => {
    const [one, other] = [inChunk(CHUNK), inChunk(CHUNK)];
    expect(one.stored).toBe(other.stored);
    one.store().rows++;
    one.store().storeId = 7;
    expect(one.stored).toMatchObject({ rows: 1, storeId: 7, isShared: false });
    expect(other.stored).toMatchObject({ rows: 0, storeId: 0 });
    expect(() => Object.assign(other.stored, { rows: 1 })).toThrow(TypeError);
  });

  it("may be kept with nothing in it", () => {
    const topic = { name: "t", bytes: Buffer.from("t") };
    const none = NO_PROPERTY_BYTES;
    const empty = new Message(topic, CHUNK, 2, 2, 1, true, BROKER_SOURCE, none, 0, 0);
    empty.keep();
    expect([payload(empty), empty.properties]).toEqual(["", none]);
  });

  it("never expires without an interval", () => {
    expect(inChunk(CHUNK).isExpired(Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  it("expires at its time, and tells the whole seconds that are left [MQTT5-3.3.2-6]", () => {
    const message = inChunk(CHUNK, 10_000);
    expect([message.isExpired(9_999), message.isExpired(10_000)]).toEqual([false, true]);
    expect([0, 1, 9_000, 9_001, 9_999].map((now) => message.secondsLeft(now))).toEqual([
      10, 10, 1, 1, 1,
    ]);
    // Sent all the same, as a repeat may be: 0 would mean that it has gone.
    expect(message.secondsLeft(20_000)).toBe(1);
  });

  it("tells no more seconds than it was given, whatever fraction the clock stands at", () => {
    // (now + 7000) - now is more than 7000 here.
    const now = 30838.45378977057;
    expect(inChunk(CHUNK, now + 7000).secondsLeft(now)).toBe(7);
  });
});

describe("madeMessage", () => {
  it("names the topic by its bytes too, and has neither properties nor expiry unless given", () => {
    const message = madeMessage("a/ü", Buffer.from("x"), 2, true, BROKER_SOURCE);
    expect(message.topic).toEqual({ name: "a/ü", bytes: Buffer.from("a/ü") });
    expect([message.qos, message.retain, message.expiresAt, message.sourcePacketId]).toEqual([
      2,
      true,
      0,
      0,
    ]);
    expect(message.properties).toBe(NO_PROPERTY_BYTES);
    const list = Buffer.of(1, 1);
    const other = madeMessage("a", list, 0, false, BROKER_SOURCE, list, 5);
    expect([other.properties, other.expiresAt]).toEqual([list, 5]);
  });
});

/** A message whose payload stands two bytes inside `chunk` from either end. */
function inChunk(chunk: Buffer, expiresAt = 0): Message {
  const topic = { name: "t", bytes: Buffer.from("t") };
  const end = chunk.length - 2;
  const none = NO_PROPERTY_BYTES;
  return new Message(topic, chunk, 2, end, 0, false, BROKER_SOURCE, none, expiresAt, 0);
}

function payload({ bytes, start, end }: Message): string {
  return bytes.toString("latin1", start, end);
}
