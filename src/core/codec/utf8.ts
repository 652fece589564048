/**
 * MQTT strings: which bytes are one, and reading them (MQTT 5.0 §1.5.4, 3.1.1 §1.5.3).
 *
 * A string is well-formed UTF-8, so no surrogates, no overlong forms, nothing above U+10FFFF
 * [MQTT5-1.5.4-1] [MQTT-1.5.3-1], and holds no U+0000 [MQTT5-1.5.4-2] [MQTT-1.5.3-2]. A byte order
 * mark is a character like any other and is kept [MQTT5-1.5.4-3] [MQTT-1.5.3-3].
 *
 * ~[§1.5.4] Control characters (U+0001 to U+001F, U+007F to U+009F) and non-characters (U+FDD0 to
 * U+FDEF, the last two of each plane) are refused too. The standard only lets a receiver do so;
 * mosquitto does it in every string of every packet, properties included, and a peer can tell.
 *
 * Says nothing of topics: wildcards and levels are for `topic/`.
 */
import { ProtocolError, type Rule } from "../errors.ts";
import { FIELD_BYTES_MAX } from "./field.ts";
import type { Version } from "./packets.ts";

/** What is wrong with a string. */
type Fault = "illFormed" | "null" | "disallowed";

/** Whether `bytes[start, end)` are the content of an MQTT string. */
export function isValidUtf8(bytes: Buffer, start: number, end: number): boolean {
  return faultIn(bytes, asciiEnd(bytes, start, end), end) === undefined;
}

/** Whether `text` can be sent as an MQTT string: its characters, and its length in bytes. */
export function isValidString(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x20 && unit < 0x7f) continue;
    const codePoint = text.codePointAt(at)!;
    if (isSurrogate(codePoint) || codePoint === 0 || isDisallowed(codePoint)) return false;
    if (codePoint > 0xffff) at++;
  }
  return text.length <= FIELD_BYTES_MAX / 3 || Buffer.byteLength(text, "utf8") <= FIELD_BYTES_MAX;
}

/**
 * The string in `bytes[start, end)`: the content alone, without its two length bytes.
 *
 * @param version Only for which standard an error cites.
 * @throws {ProtocolError} malformedPacket, when it is no MQTT string.
 */
export function readString(bytes: Buffer, start: number, end: number, version: Version): string {
  const at = asciiEnd(bytes, start, end);
  if (at === end) return bytes.toString("latin1", start, end);
  const fault = faultIn(bytes, at, end);
  if (fault !== undefined) throw invalid(fault, version);
  return bytes.toString("utf8", start, end);
}

/** The first byte from `start` that is not printable ASCII, or `end`. */
function asciiEnd(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at]! >= 0x20 && bytes[at]! < 0x7f) at++;
  return at;
}

function faultIn(bytes: Buffer, start: number, end: number): Fault | undefined {
  let at = start;
  while (at < end) {
    const codePoint = codePointAt(bytes, at, end);
    if (codePoint < 0) return "illFormed";
    if (codePoint === 0) return "null";
    if (isDisallowed(codePoint)) return "disallowed";
    at += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
  }
  return undefined;
}

/** The code point whose encoding starts at `bytes[at]`, or -1 when that is not well-formed. */
function codePointAt(bytes: Buffer, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return lead;
  const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + width > end) return -1;
  let codePoint = lead & (0x7f >> width);
  for (let i = 1; i < width; i++) {
    const byte = bytes[at + i]!;
    if ((byte & 0xc0) !== 0x80) return -1;
    codePoint = (codePoint << 6) | (byte & 0x3f);
  }
  // Two bytes cannot be overlong here: that would need a lead below 0xC2.
  if (width === 3 && (codePoint < 0x800 || isSurrogate(codePoint))) return -1;
  if (width === 4 && (codePoint < 0x10000 || codePoint > 0x10ffff)) return -1;
  return codePoint;
}

function isSurrogate(codePoint: number): boolean {
  return codePoint >= 0xd800 && codePoint <= 0xdfff;
}

/** Control characters and non-characters, apart from U+0000, which has a statement of its own. */
function isDisallowed(codePoint: number): boolean {
  if (codePoint < 0x20 || (codePoint >= 0x7f && codePoint <= 0x9f)) return true;
  return (codePoint >= 0xfdd0 && codePoint <= 0xfdef) || (codePoint & 0xfffe) === 0xfffe;
}

function invalid(fault: Fault, version: Version): ProtocolError {
  const rules: Record<Fault, readonly [v5: Rule, before: Rule, detail: string]> = {
    illFormed: ["MQTT5-1.5.4-1", "MQTT-1.5.3-1", "a string is not well-formed UTF-8"],
    null: ["MQTT5-1.5.4-2", "MQTT-1.5.3-2", "a string holds U+0000"],
    disallowed: ["§1.5.4", "§1.5.3", "a string holds a control character or non-character"],
  };
  const [v5, before, detail] = rules[fault];
  return new ProtocolError("malformedPacket", version === 5 ? v5 : before, detail);
}
