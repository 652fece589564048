/**
 * fast-check arbitraries for the rare packets: any that may be on the wire, in any version.
 *
 * Whoever uses them gives a seed, so that a run repeats; a failure prints what it shrank to.
 */
import fc from "fast-check";
import type { GeneralPacket, Qos, Version, Will } from "../../src/core/codec/packets.ts";
import {
  type Carrier,
  PROPERTY_TABLE,
  type Properties,
  type PropertyRow,
} from "../../src/core/codec/properties.ts";
import { isValidString } from "../../src/core/codec/utf8.ts";

/** Strings of all widths of UTF-8, byte order mark included, and none that MQTT refuses. */
export const mqttString: fc.Arbitrary<string> = fc
  .string({ unit: fc.oneof(fc.string({ minLength: 1, maxLength: 1, unit: "binary" }), edge()) })
  .filter(isValidString);

const nonEmpty = mqttString.filter((text) => text !== "");
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const packetId = fc.integer({ min: 1, max: 0xffff });
const qos = fc.constantFrom<Qos>(0, 1, 2);
const user = fc.tuple(mqttString, mqttString);

/** Characters at the edges of each width, and a mark that must be kept. */
function edge(): fc.Arbitrary<string> {
  return fc.constantFrom(" ", "~", "\u00a0", "\u07ff", "\u0800", "\ufeff", "\ufffd", "😀");
}

/** Any properties that `carrier` may have, in any order. */
export function propertiesOf(carrier: Carrier): fc.Arbitrary<Properties> {
  const rows = PROPERTY_TABLE.filter((row) => row.carriers.includes(carrier));
  return fc
    .shuffledSubarray(rows)
    .chain((chosen) =>
      fc.tuple(...chosen.map((row) => anyValue(row, carrier).map((value) => [row.name, value]))),
    )
    .map((entries) => Object.fromEntries(entries) as Properties);
}

function anyValue(row: PropertyRow, carrier: Carrier): fc.Arbitrary<unknown> {
  const { min } = row;
  const many = row.repeats.includes(carrier) ? 4 : 1;
  switch (row.type) {
    case "flag":
      return fc.integer({ min: 0, max: 1 });
    case "twoBytes":
      return fc.integer({ min, max: 0xffff });
    case "fourBytes":
      return fc.integer({ min, max: 0xffff_ffff });
    case "varint":
      return fc.array(varint(min), { minLength: 1, maxLength: many });
    case "string":
      return mqttString;
    case "binary":
      return bytes;
    case "pair":
      return fc.array(user, { minLength: 1, maxLength: many });
  }
}

/** Numbers of each width, and those at the edges. */
export function varint(min: number): fc.Arbitrary<number> {
  const edges = [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455];
  return fc.oneof(fc.integer({ min, max: 268_435_455 }), fc.constantFrom(...edges));
}

/** No properties before 5.0. */
function propertiesIn(version: Version, carrier: Carrier): fc.Arbitrary<Properties> {
  return version === 5 ? propertiesOf(carrier) : fc.constant({});
}

/** Any packet that `readPacket` may give back in `version`. */
export function packetIn(version: Version): fc.Arbitrary<GeneralPacket> {
  const v5 = version === 5;
  const all: fc.Arbitrary<GeneralPacket>[] = [
    connectIn(version),
    connackIn(version),
    fc.record({
      type: fc.constant("subscribe" as const),
      packetId,
      subscriptions: fc.array(subscriptionIn(version), { minLength: 1, maxLength: 5 }),
      properties: propertiesIn(version, "subscribe"),
    }),
    fc.record({
      type: fc.constant("suback" as const),
      packetId,
      reasonCodes: fc.array(fc.constantFrom(0, 1, 2, 0x80, ...(v5 ? [0x87, 0x8f, 0xa2] : [])), {
        minLength: 1,
      }),
      properties: propertiesIn(version, "suback"),
    }),
    fc.record({
      type: fc.constant("unsubscribe" as const),
      packetId,
      filters: fc.array(nonEmpty, { minLength: 1, maxLength: 5 }),
      properties: propertiesIn(version, "unsubscribe"),
    }),
    fc.record({
      type: fc.constant("unsuback" as const),
      packetId,
      reasonCodes: v5
        ? fc.array(fc.constantFrom(0, 0x11, 0x80, 0x87, 0x91), { minLength: 1 })
        : fc.constant([]),
      properties: propertiesIn(version, "unsuback"),
    }),
    fc.record({
      type: fc.constant("disconnect" as const),
      reasonCode: v5 ? fc.constantFrom(0, 4, 0x81, 0x8e, 0xa2) : fc.constant(0),
      properties: propertiesIn(version, "disconnect"),
    }),
  ];
  return fc.oneof(...all, ...(v5 ? [auth()] : []));
}

function connectIn(version: Version): fc.Arbitrary<GeneralPacket> {
  const user = fc
    .record({ username: mqttString, password: bytes }, { requiredKeys: [] })
    .filter(({ username, password }) => {
      return version === 5 || password === undefined || username !== undefined;
    });
  const will: fc.Arbitrary<Will> = fc.record({
    topic: nonEmpty,
    payload: bytes,
    qos,
    retain: fc.boolean(),
    properties: propertiesIn(version, "will"),
  });
  return fc
    .record({
      type: fc.constant("connect" as const),
      version: fc.constant(version),
      bridge: fc.boolean(),
      cleanStart: fc.boolean(),
      keepAlive: fc.integer({ min: 0, max: 0xffff }),
      clientId: mqttString,
      will: fc.option(will, { nil: undefined }),
      user,
      properties: propertiesIn(version, "connect").filter(
        (given) => !given.authenticationData || given.authenticationMethod !== undefined,
      ),
    })
    .map(({ will, user, ...rest }) => ({ ...rest, ...(will && { will }), ...user }));
}

function connackIn(version: Version): fc.Arbitrary<GeneralPacket> {
  const accepted = fc.record({ sessionPresent: fc.boolean(), reasonCode: fc.constant(0) });
  const refused = fc.record({
    sessionPresent: fc.constant(false),
    reasonCode: version === 5 ? fc.constantFrom(0x81, 0x84, 0x9f) : fc.integer({ min: 1, max: 5 }),
  });
  return fc
    .tuple(fc.oneof(accepted, refused), propertiesIn(version, "connack"))
    .map(([answer, properties]) => {
      const sessionPresent = version > 3 && answer.sessionPresent;
      return { type: "connack" as const, ...answer, sessionPresent, properties };
    });
}

function subscriptionIn(version: Version) {
  const v5 = version === 5;
  return fc.record({
    filter: nonEmpty,
    qos,
    noLocal: v5 ? fc.boolean() : fc.constant(false),
    retainAsPublished: v5 ? fc.boolean() : fc.constant(false),
    retainHandling: v5 ? fc.constantFrom<0 | 1 | 2>(0, 1, 2) : fc.constant<0>(0),
  });
}

function auth(): fc.Arbitrary<GeneralPacket> {
  return fc
    .tuple(fc.constantFrom(0, 0x18, 0x19), mqttString, propertiesOf("auth"))
    .map(([reasonCode, authenticationMethod, properties]) => {
      return { type: "auth", reasonCode, properties: { authenticationMethod, ...properties } };
    });
}

/** Where the body of the whole packet in `bytes` starts. Holds the remaining length to be right. */
export function bodyStart(bytes: Buffer): number {
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    length += (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (at + length !== bytes.length) throw new Error("the remaining length is wrong");
  return at;
}
