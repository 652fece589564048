/**
 * Packets put together field by field, for what no codec of ours would write: wrong flags, missing
 * fields, strings that are none.
 *
 *     packet(0x30, field("a/b"), "00", Buffer.from("hi"))      a PUBLISH of 5.0
 *     rawConnect({ flags: 0x03 })                              a CONNECT with the reserved flag set
 */
import { varintSize, writeVarint } from "../../src/core/codec/varint.ts";

/** Bytes, or hex with spaces as wanted. */
export type Part = Buffer | string;

/** A whole packet: `head`, the remaining length, and the parts as they are. */
export function packet(head: number, ...parts: readonly Part[]): Buffer {
  const body = Buffer.concat(parts.map(bytesOf));
  const length = Buffer.alloc(varintSize(body.length));
  writeVarint(length, 0, body.length);
  return Buffer.concat([Buffer.from([head]), length, body]);
}

/** A string or binary field: two bytes of length, and the text or bytes. */
export function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** A property list: its length, and the parts. */
export function properties(...parts: readonly Part[]): Buffer {
  // The same shape as a packet without its first byte.
  return packet(0, ...parts).subarray(1);
}

export interface RawConnect {
  /** First byte. */
  readonly head?: number;
  readonly name?: string;
  readonly level?: number;
  /** Clean start alone, when left out. */
  readonly flags?: number;
  readonly keepAlive?: number;
  /** With their length; none at all before level 5. */
  readonly properties?: Part;
  /** Everything behind the properties; a client identifier `c` when left out. */
  readonly payload?: readonly Part[];
}

export function rawConnect(options: RawConnect = {}): Buffer {
  const { head = 0x10, name = "MQTT", level = 5, flags = 2, keepAlive = 0 } = options;
  const fixed = Buffer.from([level, flags, keepAlive >> 8, keepAlive & 0xff]);
  const list = options.properties ?? ((level & 0x7f) === 5 ? "00" : "");
  return packet(head, field(name), fixed, list, ...(options.payload ?? [field("c")]));
}

function bytesOf(part: Part): Buffer {
  if (typeof part !== "string") return part;
  const digits = part.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not whole bytes of hex: ${part}`);
  return Buffer.from(digits, "hex");
}
