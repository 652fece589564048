/**
 * Fields with a length before them: strings and binary data alike are two bytes of length and then
 * that many bytes (MQTT 5.0 §1.5.4, §1.5.6). What the bytes of a string may be is in `utf8.ts`.
 */
import { assert } from "../base/assert.ts";
import { ProtocolError } from "../errors.ts";

/** The longest content: its length is written in two bytes. */
export const FIELD_BYTES_MAX = 65_535;

/**
 * Where the string or binary field whose two length bytes stand at `bytes[at]` ends. Its content
 * is `bytes[at + 2, fieldEnd)`.
 *
 * @throws {ProtocolError} malformedPacket, when it would reach beyond `end`.
 */
export function fieldEnd(bytes: Buffer, at: number, end: number): number {
  if (at + 2 > end) throw cutOff();
  const next = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!);
  if (next > end) throw cutOff();
  return next;
}

/** Writes two bytes of length and then `text` at `out[at]`. Returns the offset after it. */
export function writeString(out: Buffer, at: number, text: string): number {
  const size = out.write(text, at + 2, "utf8");
  assert(size <= FIELD_BYTES_MAX, "a string fits its two length bytes");
  out.writeUInt16BE(size, at);
  return at + 2 + size;
}

/** Writes two bytes of length and then `data` at `out[at]`. Returns the offset after it. */
export function writeBinary(out: Buffer, at: number, data: Buffer): number {
  assert(data.length <= FIELD_BYTES_MAX, "a binary field fits its two length bytes");
  out.writeUInt16BE(data.length, at);
  data.copy(out, at + 2);
  return at + 2 + data.length;
}

function cutOff(): ProtocolError {
  return new ProtocolError("malformedPacket", "§1.5.4", "a field reaches beyond its packet");
}
