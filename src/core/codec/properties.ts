/**
 * MQTT 5.0 properties: the table of all of them, reading and writing (§2.2.2).
 *
 * Holds at all times:
 *   - a property is taken only where the table lets it stand            (§2.2.2.2)
 *   - only User Property, and Subscription Identifier in PUBLISH, repeat
 *   - reading inserts keys in the order of the wire, writing follows the order of the keys, so
 *     whoever makes an object decides its bytes; the two that repeat are written together
 *   - an empty list is one byte, length 0, never left out               [MQTT5-2.2.2-1]
 *
 * Does not know who sends: what only one side may send (a Subscription Identifier in PUBLISH, a
 * Session Expiry Interval in DISCONNECT) is for broker and client to judge. Nor does it judge a
 * Response Topic's wildcards, which is for `topic/`.
 */
import { assert } from "../base/assert.ts";
import { ProtocolError, type Rule } from "../errors.ts";
import { fieldEnd, writeBinary, writeString } from "./field.ts";
import { readString } from "./utf8.ts";
import { readVarint, VARINT_MAX, varintSize, writeVarint } from "./varint.ts";

/** Properties by the standard's names. Absent means absent; the default is the reader's to know. */
export interface Properties {
  readonly payloadFormatIndicator?: 0 | 1;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** 1 to 268435455. Several only in a PUBLISH from the server. */
  readonly subscriptionIdentifiers?: readonly number[];
  /** Seconds; 0xFFFFFFFF means never. */
  readonly sessionExpiryInterval?: number;
  readonly assignedClientIdentifier?: string;
  /** Seconds. */
  readonly serverKeepAlive?: number;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Buffer;
  readonly requestProblemInformation?: 0 | 1;
  /** Seconds. */
  readonly willDelayInterval?: number;
  readonly requestResponseInformation?: 0 | 1;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly reasonString?: string;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly topicAlias?: number;
  readonly maximumQos?: 0 | 1;
  readonly retainAvailable?: 0 | 1;
  /** Name and value, in their first order [MQTT5-3.3.2-18]. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
  readonly maximumPacketSize?: number;
  readonly wildcardSubscriptionAvailable?: 0 | 1;
  readonly subscriptionIdentifierAvailable?: 0 | 1;
  readonly sharedSubscriptionAvailable?: 0 | 1;
}

/** No properties: what 3.1 and 3.1.1 packets carry. Shared and frozen. */
export const NO_PROPERTIES: Properties = Object.freeze({});

export type PropertyName = keyof Properties;

/** What can carry properties: a packet, or the Will inside CONNECT. A bit each, for the masks. */
export const CARRIER = {
  connect: 1 << 0,
  will: 1 << 1,
  connack: 1 << 2,
  publish: 1 << 3,
  puback: 1 << 4,
  pubrec: 1 << 5,
  pubrel: 1 << 6,
  pubcomp: 1 << 7,
  subscribe: 1 << 8,
  suback: 1 << 9,
  unsubscribe: 1 << 10,
  unsuback: 1 << 11,
  disconnect: 1 << 12,
  auth: 1 << 13,
} as const;

export type Carrier = keyof typeof CARRIER;

/** How a value stands on the wire (MQTT 5.0 §1.5). `flag` is a byte of 0 or 1. */
export type PropertyType =
  | "flag"
  | "twoBytes"
  | "fourBytes"
  | "varint"
  | "string"
  | "binary"
  | "pair";

/** One property, as the standard's table 2-4 has it. */
export interface PropertyRow {
  readonly id: number;
  readonly name: PropertyName;
  /** The name on command lines and in stored messages, as mosquitto spells it. */
  readonly word: string;
  readonly type: PropertyType;
  readonly carriers: readonly Carrier[];
  /** Where it may stand more than once. */
  readonly repeats: readonly Carrier[];
  /** The least number allowed, where that is not 0. */
  readonly min: number;
  /** Where the standard describes it, and so forbids a second one. */
  readonly section: Rule;
}

const MESSAGE = ["publish", "will"] as const;
const ANSWERS = ["puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback"] as const;
const EVERYWHERE = Object.keys(CARRIER) as readonly Carrier[];

/** All 27 properties, by identifier. */
export const PROPERTY_TABLE: readonly PropertyRow[] = [
  row(0x01, "payloadFormatIndicator", "flag", MESSAGE, "§3.3.2.3.2"),
  row(0x02, "messageExpiryInterval", "fourBytes", MESSAGE, "§3.3.2.3.3"),
  row(0x03, "contentType", "string", MESSAGE, "§3.3.2.3.9"),
  row(0x08, "responseTopic", "string", MESSAGE, "§3.3.2.3.5"),
  row(0x09, "correlationData", "binary", MESSAGE, "§3.3.2.3.6"),
  row(0x0b, "subscriptionIdentifiers", "varint", ["publish", "subscribe"], "§3.8.2.1.2", {
    word: "subscription-identifier",
    repeats: ["publish"],
    min: 1,
  }),
  row(
    0x11,
    "sessionExpiryInterval",
    "fourBytes",
    ["connect", "connack", "disconnect"],
    "§3.1.2.11.2",
  ),
  row(0x12, "assignedClientIdentifier", "string", ["connack"], "§3.2.2.3.7"),
  row(0x13, "serverKeepAlive", "twoBytes", ["connack"], "§3.2.2.3.14"),
  row(0x15, "authenticationMethod", "string", ["connect", "connack", "auth"], "§3.1.2.11.9"),
  row(0x16, "authenticationData", "binary", ["connect", "connack", "auth"], "§3.1.2.11.10"),
  row(0x17, "requestProblemInformation", "flag", ["connect"], "§3.1.2.11.7"),
  row(0x18, "willDelayInterval", "fourBytes", ["will"], "§3.1.3.2.2"),
  row(0x19, "requestResponseInformation", "flag", ["connect"], "§3.1.2.11.6"),
  row(0x1a, "responseInformation", "string", ["connack"], "§3.2.2.3.15"),
  row(0x1c, "serverReference", "string", ["connack", "disconnect"], "§3.2.2.3.16"),
  row(0x1f, "reasonString", "string", ["connack", ...ANSWERS, "disconnect", "auth"], "§3.2.2.3.9"),
  row(0x21, "receiveMaximum", "twoBytes", ["connect", "connack"], "§3.1.2.11.3", { min: 1 }),
  row(0x22, "topicAliasMaximum", "twoBytes", ["connect", "connack"], "§3.1.2.11.5"),
  row(0x23, "topicAlias", "twoBytes", ["publish"], "§3.3.2.3.4", { min: 1 }),
  row(0x24, "maximumQos", "flag", ["connack"], "§3.2.2.3.4"),
  row(0x25, "retainAvailable", "flag", ["connack"], "§3.2.2.3.5"),
  row(0x26, "userProperties", "pair", EVERYWHERE, "§3.1.2.11.8", {
    word: "user-property",
    repeats: EVERYWHERE,
  }),
  row(0x27, "maximumPacketSize", "fourBytes", ["connect", "connack"], "§3.1.2.11.4", { min: 1 }),
  row(0x28, "wildcardSubscriptionAvailable", "flag", ["connack"], "§3.2.2.3.11"),
  row(0x29, "subscriptionIdentifierAvailable", "flag", ["connack"], "§3.2.2.3.12"),
  row(0x2a, "sharedSubscriptionAvailable", "flag", ["connack"], "§3.2.2.3.13"),
];

/** A row with its carriers as masks, so that checking one costs an `&`. */
interface Known {
  readonly row: PropertyRow;
  readonly carriers: number;
  readonly repeats: number;
}

const BY_ID: (Known | undefined)[] = [];
const BY_NAME = new Map<string, PropertyRow>();
for (const row of PROPERTY_TABLE) {
  BY_ID[row.id] = { row, carriers: maskOf(row.carriers), repeats: maskOf(row.repeats) };
  BY_NAME.set(row.name, row);
}

/** The properties of a packet, and the offset of what comes after them. */
export interface PropertiesRead {
  readonly properties: Properties;
  readonly next: number;
}

/**
 * The offset after the properties whose length stands at `bytes[start]`, without reading them.
 *
 * @throws {ProtocolError} malformedPacket, when the length is none or reaches beyond `end`.
 */
export function propertiesEnd(bytes: Buffer, start: number, end: number): number {
  if (start < end && bytes[start] === 0) return start + 1;
  const packed = readVarint(bytes, start, end);
  const next = start + (packed & 7) + (packed >> 3);
  if (next > end) throw malformed("§2.2.2.1", "properties reach beyond their packet");
  return next;
}

/**
 * Reads the properties whose length stands at `bytes[start]`. Binary values are copies.
 *
 * @param carrier What they stand in, which decides which of them are allowed.
 * @throws {ProtocolError} malformedPacket, for what cannot be read or does not belong here;
 *   protocolError, for a second one and for a number out of bounds.
 */
export function readProperties(
  bytes: Buffer,
  start: number,
  end: number,
  carrier: Carrier,
): PropertiesRead {
  const next = propertiesEnd(bytes, start, end);
  const listStart = start + (readVarint(bytes, start, end) & 7);
  return { properties: readPropertyList(bytes, listStart, next, carrier), next };
}

/**
 * Reads the properties that fill `bytes[start, end)`: as `readProperties`, their length already
 * read and left out.
 */
export function readPropertyList(
  bytes: Buffer,
  start: number,
  end: number,
  carrier: Carrier,
): Properties {
  if (start === end) return NO_PROPERTIES;
  const mask = CARRIER[carrier];
  // Filled by name from the table, whose rows pair each name with its type.
  const properties: Record<string, unknown> = {};
  let at = start;
  while (at < end) {
    const packed = readVarint(bytes, at, end);
    const known = BY_ID[packed >> 3];
    if (known === undefined || (known.carriers & mask) === 0) {
      throw malformed("§2.2.2.2", `property ${packed >> 3} does not belong in ${carrier}`);
    }
    const { row } = known;
    if (row.name in properties && (known.repeats & mask) === 0) {
      throw new ProtocolError("protocolError", row.section, `${row.word} stands twice`);
    }
    at = readValue(bytes, at + (packed & 7), end, row, properties);
  }
  return properties as Properties;
}

/** How many bytes `writeProperties` will write: the length and all properties. */
export function propertiesSize(properties: Properties): number {
  const size = propertyListSize(properties);
  return varintSize(size) + size;
}

/** The bytes of all properties, without the length before them. */
export function propertyListSize(properties: Properties): number {
  let size = 0;
  for (const name in properties) {
    const row = rowOf(name);
    const value: unknown = properties[row.name];
    if (value === undefined) continue;
    if (row.type !== "pair" && row.type !== "varint") size += 1 + valueSize(row, value);
    else for (const item of value as readonly unknown[]) size += 1 + valueSize(row, item);
  }
  return size;
}

/**
 * Writes the length and all properties at `out[at]`, which must have `propertiesSize` bytes left.
 * Values are the caller's to have checked: strings in particular by `isValidString`.
 *
 * @returns The offset after them.
 */
export function writeProperties(out: Buffer, at: number, properties: Properties): number {
  let next = writeVarint(out, at, propertyListSize(properties));
  for (const name in properties) {
    const row = rowOf(name);
    const value: unknown = properties[row.name];
    if (value === undefined) continue;
    if (row.type !== "pair" && row.type !== "varint") {
      out[next++] = row.id;
      next = writeValue(out, next, row, value);
      continue;
    }
    for (const item of value as readonly unknown[]) {
      out[next++] = row.id;
      next = writeValue(out, next, row, item);
    }
  }
  return next;
}

function row(
  id: number,
  name: PropertyName,
  type: PropertyType,
  carriers: readonly Carrier[],
  section: Rule,
  more: Partial<Pick<PropertyRow, "word" | "repeats" | "min">> = {},
): PropertyRow {
  const word = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return { id, name, word, type, carriers, section, repeats: [], min: 0, ...more };
}

function maskOf(carriers: readonly Carrier[]): number {
  return carriers.reduce((mask, carrier) => mask | CARRIER[carrier], 0);
}

function rowOf(name: string): PropertyRow {
  const row = BY_NAME.get(name);
  assert(row, "every property has a row");
  return row;
}

/** Reads one value at `bytes[at]` into `into`. Returns the offset after it. */
function readValue(
  bytes: Buffer,
  at: number,
  end: number,
  row: PropertyRow,
  into: Record<string, unknown>,
): number {
  switch (row.type) {
    case "string": {
      const next = fieldEnd(bytes, at, end);
      into[row.name] = readString(bytes, at + 2, next, 5);
      return next;
    }
    case "binary": {
      const next = fieldEnd(bytes, at, end);
      into[row.name] = Buffer.from(bytes.subarray(at + 2, next));
      return next;
    }
    case "pair": {
      const nameEnd = fieldEnd(bytes, at, end);
      const next = fieldEnd(bytes, nameEnd, end);
      const name = readString(bytes, at + 2, nameEnd, 5);
      append(into, row.name, [name, readString(bytes, nameEnd + 2, next, 5)]);
      return next;
    }
    case "varint": {
      const packed = readVarint(bytes, at, end);
      checkNumber(row, packed >> 3);
      append(into, row.name, packed >> 3);
      return at + (packed & 7);
    }
    default: {
      const width = row.type === "flag" ? 1 : row.type === "twoBytes" ? 2 : 4;
      if (at + width > end) throw malformed("§2.2.2.2", `${row.word} is cut off`);
      const value = bytes.readUIntBE(at, width);
      checkNumber(row, value);
      into[row.name] = value;
      return at + width;
    }
  }
}

function append(into: Record<string, unknown>, name: string, item: unknown): void {
  const list = into[name] as unknown[] | undefined;
  if (list === undefined) into[name] = [item];
  else list.push(item);
}

function checkNumber(row: PropertyRow, value: number): void {
  if (value >= row.min && (row.type !== "flag" || value <= 1)) return;
  const rule = row.name === "topicAlias" ? "MQTT5-3.3.2-8" : row.section;
  throw new ProtocolError("protocolError", rule, `${row.word} is ${value}`);
}

// The casts below hold because `Properties` and the table pair the same names with the same types.

function valueSize(row: PropertyRow, value: unknown): number {
  switch (row.type) {
    case "flag":
      return 1;
    case "twoBytes":
      return 2;
    case "fourBytes":
      return 4;
    case "varint":
      return varintSize(value as number);
    case "string":
      return 2 + Buffer.byteLength(value as string, "utf8");
    case "binary":
      return 2 + (value as Buffer).length;
    case "pair": {
      const [name, text] = value as readonly [string, string];
      return 4 + Buffer.byteLength(name, "utf8") + Buffer.byteLength(text, "utf8");
    }
  }
}

function writeValue(out: Buffer, at: number, row: PropertyRow, value: unknown): number {
  switch (row.type) {
    case "string":
      return writeString(out, at, value as string);
    case "binary":
      return writeBinary(out, at, value as Buffer);
    case "pair": {
      const [name, text] = value as readonly [string, string];
      return writeString(out, writeString(out, at, name), text);
    }
    default:
      return writeNumber(out, at, row, value as number);
  }
}

function writeNumber(out: Buffer, at: number, row: PropertyRow, value: number): number {
  const max = { flag: 1, twoBytes: 0xffff, fourBytes: 0xffff_ffff, varint: VARINT_MAX };
  assert(value >= row.min, `${row.word} is at least ${row.min}`);
  assert(value <= max[row.type as keyof typeof max], `${row.word} fits its type`);
  if (row.type === "varint") return writeVarint(out, at, value);
  return out.writeUIntBE(value, at, row.type === "flag" ? 1 : row.type === "twoBytes" ? 2 : 4);
}

function malformed(rule: Rule, detail: string): ProtocolError {
  return new ProtocolError("malformedPacket", rule, detail);
}
