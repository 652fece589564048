/**
 * A message's properties as mosquitto's persist-sqlite plugin keeps them, and back: a JSON array
 * with `{"identifier":name,"value":v}` for each, in the order of the wire (mosquitto-2.1 g.2).
 *
 * User properties have a `name` too, correlation data is upper-case hexadecimal. What no message
 * keeps, such as its expiry, which has a column of its own, is left out on the way back.
 *
 * Goes property by property, and so keeps an order that the codec's objects cannot: user
 * properties may stand apart from each other.
 */
import { fieldEnd, writeBinary, writeString } from "../core/codec/field.ts";
import { PROPERTY_TABLE, type PropertyName, type PropertyRow } from "../core/codec/properties.ts";
import { isValidString, readString } from "../core/codec/utf8.ts";
import { readVarint } from "../core/codec/varint.ts";
import { ProtocolError } from "../core/errors.ts";

/** What may keep properties. A Will has an expiry that begins only when it is sent. */
export type Keeper = "message" | "will";

/** The text is no array of properties. The message is a sentence's end: "it is no JSON". */
export class PropertiesJsonError extends Error {
  override readonly name = "PropertiesJsonError";
}

const NONE: Buffer = Buffer.alloc(0);
const BINARY_MAX = 65_535;
const WIDTHS = { flag: 1, twoBytes: 2, fourBytes: 4 } as const;

const BY_ID = new Map(PROPERTY_TABLE.map((row) => [row.id, row]));
const BY_WORD = new Map(PROPERTY_TABLE.map((row) => [row.word, row]));

const KEPT: ReadonlySet<PropertyName> = new Set([
  "payloadFormatIndicator",
  "contentType",
  "responseTopic",
  "correlationData",
  "userProperties",
]);

/**
 * The JSON for the properties that fill `bytes[start, end)`, as a packet has them after their
 * length; null for none.
 *
 * @throws {ProtocolError} malformedPacket, when they cannot be read.
 */
export function propertiesJson(bytes: Buffer, start = 0, end = bytes.length): string | null {
  if (start === end) return null;
  let json = "";
  for (let at = start; at < end; ) {
    const packed = readVarint(bytes, at, end);
    const row = BY_ID.get(packed >> 3);
    if (row === undefined) throw malformed(`property ${packed >> 3} is not known`);
    at += packed & 7;
    const next = valueEnd(bytes, at, end, row);
    const value = members(bytes, at, next, row);
    json += `${json === "" ? "[" : ","}{"identifier":"${row.word}",${value}}`;
    at = next;
  }
  return `${json}]`;
}

/**
 * The bytes for the JSON, as a packet has them after their length.
 *
 * @param onNote Told in a sentence of each property that had to be left out: its name is not
 *   known, or its value is none.
 * @throws {PropertiesJsonError} When the text is no JSON array.
 */
export function propertyBytes(
  json: string | null,
  onNote: (note: string) => void = () => undefined,
  keeper: Keeper = "message",
): Buffer {
  if (json === null || json === "") return NONE;
  const parts: Buffer[] = [];
  const met = new Set<PropertyRow>();
  for (const item of itemsOf(json)) {
    const { identifier } = item;
    const row = typeof identifier === "string" ? BY_WORD.get(identifier) : undefined;
    if (row === undefined) {
      onNote(`The property ${JSON.stringify(identifier) ?? "without a name"} is not known.`);
    } else if (isKept(row, keeper)) {
      const part = met.has(row) && row.type !== "pair" ? undefined : encoded(row, item);
      if (part === undefined) onNote(`The property ${row.word} cannot be as it is stored.`);
      else parts.push(part);
      met.add(row);
    }
  }
  return parts.length === 0 ? NONE : Buffer.concat(parts);
}

function isKept({ name }: PropertyRow, keeper: Keeper): boolean {
  return KEPT.has(name) || (keeper === "will" && name === "messageExpiryInterval");
}

/** Where the value that begins at `bytes[at]` ends. */
function valueEnd(bytes: Buffer, at: number, end: number, row: PropertyRow): number {
  switch (row.type) {
    case "string":
    case "binary":
      return fieldEnd(bytes, at, end);
    case "pair":
      return fieldEnd(bytes, fieldEnd(bytes, at, end), end);
    case "varint":
      return at + (readVarint(bytes, at, end) & 7);
    default: {
      const next = at + WIDTHS[row.type];
      if (next > end) throw malformed(`${row.word} is cut off`);
      return next;
    }
  }
}

/** The value in `bytes[at, next)` as members of a JSON object. */
function members(bytes: Buffer, at: number, next: number, row: PropertyRow): string {
  switch (row.type) {
    case "string":
      return `"value":${JSON.stringify(readString(bytes, at + 2, next, 5))}`;
    case "binary":
      return `"value":"${bytes.toString("hex", at + 2, next).toUpperCase()}"`;
    case "pair": {
      const nameEnd = fieldEnd(bytes, at, next);
      const name = JSON.stringify(readString(bytes, at + 2, nameEnd, 5));
      return `"name":${name},"value":${JSON.stringify(readString(bytes, nameEnd + 2, next, 5))}`;
    }
    case "varint":
      return `"value":${readVarint(bytes, at, next) >> 3}`;
    default:
      return `"value":${bytes.readUIntBE(at, next - at)}`;
  }
}

/** A property as it stands in JSON, nothing of it judged. */
interface Item {
  readonly identifier?: unknown;
  readonly name?: unknown;
  readonly value?: unknown;
}

function itemsOf(json: string): readonly Item[] {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    // Where in the text it is wrong helps nobody: a program wrote it.
    throw new PropertiesJsonError("it is no JSON");
  }
  if (!Array.isArray(list)) throw new PropertiesJsonError("it is no array");
  return list.map((item: unknown) => {
    if (typeof item === "object" && item !== null) return item;
    throw new PropertiesJsonError("it holds something other than objects");
  });
}

/** The identifier and the value; undefined when the value cannot be. */
function encoded(row: PropertyRow, { name, value }: Item): Buffer | undefined {
  switch (row.type) {
    case "string":
      return isText(value) ? text(row.id, value) : undefined;
    case "binary":
      return isHex(value) ? binary(row.id, Buffer.from(value, "hex")) : undefined;
    case "pair":
      if (!isText(name) || !isText(value)) return undefined;
      return Buffer.concat([text(row.id, name), text(row.id, value).subarray(1)]);
    default:
      return number(row, value);
  }
}

function number({ id, type }: PropertyRow, value: unknown): Buffer | undefined {
  const width = type === "flag" ? WIDTHS.flag : WIDTHS.fourBytes;
  const max = type === "flag" ? 1 : 0xffff_ffff;
  if (!Number.isInteger(value)) return undefined;
  const whole = value as number;
  if (whole < 0 || whole > max) return undefined;
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = id;
  bytes.writeUIntBE(whole, 1, width);
  return bytes;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && isValidString(value);
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && value.length <= 2 * BINARY_MAX && HEX.test(value);
}

const HEX = /^(?:[0-9A-Fa-f]{2})*$/;

function text(id: number, value: string): Buffer {
  const bytes = Buffer.allocUnsafe(3 + Buffer.byteLength(value, "utf8"));
  bytes[0] = id;
  writeString(bytes, 1, value);
  return bytes;
}

function binary(id: number, value: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(3 + value.length);
  bytes[0] = id;
  writeBinary(bytes, 1, value);
  return bytes;
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("malformedPacket", "§2.2.2.2", detail);
}
