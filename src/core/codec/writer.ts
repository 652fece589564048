/**
 * Builds one rare packet from front to back, and puts its fixed header before it at the end.
 *
 * Room for the longest fixed header is kept free at the front, so the body never moves. What is
 * written is the caller's to have checked: a field that does not fit is a defect of ours.
 */
import { assert } from "../base/assert.ts";
import { writeBinary, writeString } from "./field.ts";
import type { Version } from "./packets.ts";
import { type Properties, propertiesSize, writeProperties } from "./properties.ts";
import { VARINT_MAX, varintSize, writeVarint } from "./varint.ts";

/** One byte of type and flags, up to four of remaining length (MQTT 5.0 §2.1.1). */
const HEADER_BYTES_MAX = 5;

export class Writer {
  private readonly version: Version;
  private out = Buffer.allocUnsafe(256);
  private at = HEADER_BYTES_MAX;

  constructor(version: Version) {
    this.version = version;
  }

  writeByte(value: number): void {
    assert(value >= 0 && value <= 0xff, "a byte fits in a byte");
    this.reserve(1);
    this.out[this.at++] = value;
  }

  writeTwoBytes(value: number): void {
    assert(value >= 0 && value <= 0xffff, "a two byte integer fits in two bytes");
    this.reserve(2);
    this.at = this.out.writeUInt16BE(value, this.at);
  }

  writePacketId(packetId: number): void {
    assert(packetId > 0, "a packet identifier is not 0");
    this.writeTwoBytes(packetId);
  }

  writeString(text: string): void {
    this.reserve(2 + Buffer.byteLength(text, "utf8"));
    this.at = writeString(this.out, this.at, text);
  }

  writeBinary(data: Buffer): void {
    this.reserve(2 + data.length);
    this.at = writeBinary(this.out, this.at, data);
  }

  /** Writes properties; nothing before 5.0, where no packet has them. */
  writeProperties(properties: Properties): void {
    if (this.version < 5) return;
    this.reserve(propertiesSize(properties));
    this.at = writeProperties(this.out, this.at, properties);
  }

  /** The whole packet, `head` its first byte, in a buffer of its own. */
  finish(head: number): Buffer {
    const remaining = this.at - HEADER_BYTES_MAX;
    assert(remaining <= VARINT_MAX, "a packet fits its remaining length");
    const start = HEADER_BYTES_MAX - 1 - varintSize(remaining);
    this.out[start] = head;
    writeVarint(this.out, start + 1, remaining);
    return Buffer.from(this.out.subarray(start, this.at));
  }

  /** Makes room for `size` bytes more. */
  private reserve(size: number): void {
    if (this.at + size <= this.out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.at + size, this.out.length * 2));
    this.out.copy(larger, 0, 0, this.at);
    this.out = larger;
  }
}
