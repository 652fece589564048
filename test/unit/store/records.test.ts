import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  RestoredDelivery,
  RestoredMessage,
  RestoredSession,
} from "../../../src/broker/durable/restored.ts";
import { ByteReader, ByteWriter } from "../../../src/store/bytes.ts";
import {
  phaseOf,
  readDelivery,
  readMessage,
  readSession,
  writeDelivery,
  writeMessage,
  writeSession,
} from "../../../src/store/records.ts";
import { STATE } from "../../../src/store/rows.ts";
import { seed } from "../../support/seeds.ts";

const qos = fc.constantFrom(0, 1, 2);
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 40 }).map((it) => Buffer.from(it));
const uint = fc.integer({ min: 0, max: 0xffff_ffff });
const port = fc.integer({ min: 0, max: 65_535 });
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });

const message: fc.Arbitrary<RestoredMessage> = fc.record({
  storeId: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 1n << 53n, max: (1n << 63n) - 1n })),
  topic: text,
  payload: bytes,
  qos,
  retain: fc.boolean(),
  properties: bytes,
  expiresAt: time,
  sourceId: text,
  sourceUsername: fc.option(text),
  sourcePort: port,
  sourcePacketId: port,
  isShared: fc.boolean(),
}) as fc.Arbitrary<RestoredMessage>;

const delivery = fc.record({
  row: fc.maxSafeNat(),
  place: fc.maxSafeNat(),
  packetId: port,
  qos,
  retain: fc.boolean(),
  phase: fc.constantFrom(0, 1, 2),
  identifier: uint,
  message,
}) as fc.Arbitrary<RestoredDelivery>;

const session = fc.record({
  clientId: text,
  username: fc.option(text),
  port,
  expiryInterval: uint,
  expiresAt: time,
  lastPlace: fc.maxSafeNat(),
  parked: fc.record({ count: fc.nat(), bytes: fc.maxSafeNat(), qos0: fc.nat() }),
  will: fc.option(
    fc.record({
      topic: text,
      payload: bytes,
      qos,
      retain: fc.boolean(),
      properties: fc.record(
        { messageExpiryInterval: uint, contentType: fc.constant("text/plain") },
        { requiredKeys: [] },
      ),
      delay: uint,
      dueAt: time,
    }),
  ),
  subscriptions: fc.array(
    fc.record({
      filter: text,
      qos,
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      retainHandling: fc.constantFrom(0, 1, 2),
      identifier: uint,
    }),
    { maxLength: 3 },
  ),
  incoming: fc.array(fc.record({ row: fc.maxSafeNat(), message }), { maxLength: 3 }),
  outgoing: fc.array(delivery, { maxLength: 3 }),
}) as fc.Arbitrary<RestoredSession>;

/** Written one after the other, and read until they are over. */
function crossed<Item>(
  items: readonly Item[],
  write: (out: ByteWriter, item: Item) => void,
  read: (from: ByteReader) => Item,
): Item[] {
  const out = new ByteWriter();
  for (const item of items) write(out, item);
  const back: Item[] = [];
  for (const from = new ByteReader(out.take()); !from.isOver; ) back.push(read(from));
  return back;
}

const OPTIONS = { seed: seed(), numRuns: 100 };

describe("what crosses to the broker", () => {
  it("is the same message", () => {
    const same = (items: RestoredMessage[]) => {
      expect(crossed(items, writeMessage, readMessage)).toEqual(items);
    };
    fc.assert(fc.property(fc.array(message, { maxLength: 5 }), same), OPTIONS);
  });

  it("is the same delivery", () => {
    const same = (items: RestoredDelivery[]) => {
      expect(crossed(items, writeDelivery, readDelivery)).toEqual(items);
    };
    fc.assert(fc.property(fc.array(delivery, { maxLength: 5 }), same), OPTIONS);
  });

  it("is the same session", () => {
    const same = (items: RestoredSession[]) => {
      expect(crossed(items, writeSession, readSession)).toEqual(items);
    };
    fc.assert(fc.property(fc.array(session, { maxLength: 3 }), same), OPTIONS);
  });
});

describe("the state of a row", () => {
  it("says how far its exchange has come", () => {
    const phases = Object.entries(STATE).map(([name, state]) => [name, phaseOf(state)]);
    expect(Object.fromEntries(phases.filter(([, phase]) => phase !== 0))).toEqual({
      waitForPuback: 1,
      waitForPubrec: 1,
      resendPubrel: 2,
      waitForPubcomp: 2,
    });
    expect([phaseOf(0), phaseOf(99)]).toEqual([0, 0]);
  });
});
