/**
 * Variable byte integers: seven bits a byte, low group first, one to four bytes (MQTT 5.0 §1.5.5).
 *
 * Reading gives two numbers, the value and its width, without an object: `packed >> 3` is the
 * value, `packed & 7` the width. Both fit, because the largest is 268,435,455 × 8 + 4.
 *
 * Only the shortest form is taken [MQTT5-1.5.5-1]. The remaining length of a packet is read by
 * `frame.ts`, which knows that more bytes may come.
 */
import { assert } from "../base/assert.ts";
import { ProtocolError } from "../errors.ts";

/** The largest value four bytes hold, and so the longest remaining length of a packet. */
export const VARINT_MAX = 268_435_455;

/**
 * Reads the integer at `bytes[at]`, which must end before `end`.
 *
 * @returns Value × 8 + width.
 * @throws {ProtocolError} malformedPacket, when it is cut off, too long, or not in shortest form.
 */
export function readVarint(bytes: Buffer, at: number, end: number): number {
  let value = 0;
  for (let width = 1; width <= 4; width++) {
    if (at + width > end) throw malformed("§1.5.5", "a variable byte integer is cut off");
    const byte = bytes[at + width - 1]!;
    value |= (byte & 0x7f) << (7 * (width - 1));
    if (byte >= 0x80) continue;
    if (byte === 0 && width > 1) {
      throw malformed("MQTT5-1.5.5-1", "a variable byte integer is not in its shortest form");
    }
    return value * 8 + width;
  }
  throw malformed("§1.5.5", "a variable byte integer is over four bytes");
}

/** How many bytes `value` takes. */
export function varintSize(value: number): 1 | 2 | 3 | 4 {
  assert(value >= 0 && value <= VARINT_MAX, "a variable byte integer fits in four bytes");
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** Writes `value` at `out[at]` in its shortest form. Returns the offset after it. */
export function writeVarint(out: Buffer, at: number, value: number): number {
  assert(value >= 0 && value <= VARINT_MAX, "a variable byte integer fits in four bytes");
  let next = at;
  let rest = value;
  while (rest >= 0x80) {
    out[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[next++] = rest;
  return next;
}

function malformed(rule: "§1.5.5" | "MQTT5-1.5.5-1", detail: string): ProtocolError {
  return new ProtocolError("malformedPacket", rule, detail);
}
