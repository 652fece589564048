/**
 * Values written one after another into bytes, for another thread that reads them in the same
 * order. A batch of changes crosses as one buffer, because a structured copy of as many objects
 * costs more than writing them to the database.
 */
import type { StoreId } from "./rows.ts";

const TWO_32 = 4_294_967_296;
const SIZE_FIRST = 64 * 1024;
const SIZE_FIRST_MAX = 2 * 1024 * 1024;
/** Longest string that is measured by its length alone: UTF-8 has at most three bytes a unit. */
const UTF8_PER_UNIT = 3;
/** In the place of a string's length: there is none, or it is the one before in its slot. */
const NONE = 0xffff_ffff;
const SAME = 0xffff_fffe;

export class ByteWriter {
  private bytes: Buffer = Buffer.allocUnsafeSlow(SIZE_FIRST);
  private used = 0;
  /** What was needed the last time, for the next. */
  private sizeFirst = SIZE_FIRST;
  /** The strings written last by `repeated`. */
  private last: string[] = [];

  get length(): number {
    return this.used;
  }

  /** Goes on with memory that came back from the reader. */
  reuse(bytes: Buffer): void {
    if (this.used === 0 && bytes.length > this.bytes.length) this.bytes = bytes;
  }

  /** Everything written, in memory that is the caller's now. */
  take(): Buffer {
    const { bytes, used } = this;
    this.bytes = Buffer.alloc(0);
    this.used = 0;
    this.sizeFirst = Math.min(Math.max(SIZE_FIRST, used), SIZE_FIRST_MAX);
    this.last = [];
    return bytes.subarray(0, used);
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.used++] = value;
  }

  /** 0 to 2^32 - 1. */
  uint(value: number): void {
    this.reserve(4);
    this.put32(value);
  }

  /** 0 to 2^53 - 1. */
  integer(value: number): void {
    this.reserve(8);
    const high = Math.floor(value / TWO_32);
    this.put32(value - high * TWO_32);
    this.put32(high);
  }

  storeId(value: StoreId): void {
    if (typeof value === "number") {
      this.integer(value);
      return;
    }
    this.reserve(8);
    this.used = this.bytes.writeBigInt64LE(value, this.used);
  }

  string(value: string): void {
    this.reserve(4 + value.length * UTF8_PER_UNIT);
    const size = this.bytes.write(value, this.used + 4, "utf8");
    this.bytes.writeUInt32LE(size, this.used);
    this.used += 4 + size;
  }

  /** A string that is often the one before in its slot: 0, 1, … for each kind of string. */
  repeated(slot: number, value: string): void {
    if (this.last[slot] === value) {
      this.uint(SAME);
      return;
    }
    this.last[slot] = value;
    this.string(value);
  }

  optionalString(value: string | null): void {
    if (value === null) this.uint(NONE);
    else this.string(value);
  }

  /** `from[start, end)`. */
  range(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(4 + size);
    this.bytes.writeUInt32LE(size, this.used);
    this.bytes.set(size === from.length ? from : from.subarray(start, end), this.used + 4);
    this.used += 4 + size;
  }

  blob(value: Uint8Array): void {
    this.range(value, 0, value.length);
  }

  private put32(value: number): void {
    const { bytes, used } = this;
    bytes[used] = value;
    bytes[used + 1] = value >>> 8;
    bytes[used + 2] = value >>> 16;
    bytes[used + 3] = value >>> 24;
    this.used = used + 4;
  }

  private reserve(size: number): void {
    const wanted = this.used + size;
    if (wanted <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.sizeFirst, this.bytes.length * 2, wanted));
    this.bytes.copy(grown, 0, 0, this.used);
    this.bytes = grown;
  }
}

export class ByteReader {
  private readonly bytes: Buffer;
  private at = 0;
  private readonly last: string[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get isOver(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.at++]!;
  }

  uint(): number {
    const { bytes, at } = this;
    this.at = at + 4;
    const high = bytes[at + 3]! * 0x100_0000;
    return high + (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16));
  }

  integer(): number {
    const low = this.uint();
    return low + this.uint() * TWO_32;
  }

  storeId(): StoreId {
    const { bytes, at } = this;
    this.at += 8;
    const high = bytes.readInt32LE(at + 4);
    // Beyond 53 bits a number would not be exact.
    if (high >= 0 && high < 0x20_0000) return high * TWO_32 + bytes.readUInt32LE(at);
    return bytes.readBigInt64LE(at);
  }

  string(): string {
    const size = this.uint();
    this.at += size;
    return this.bytes.toString("utf8", this.at - size, this.at);
  }

  /** As `ByteWriter.repeated`. */
  repeated(slot: number): string {
    if (this.uint() === SAME) return this.last[slot]!;
    this.at -= 4;
    const value = this.string();
    this.last[slot] = value;
    return value;
  }

  optionalString(): string | null {
    if (this.uint() === NONE) return null;
    this.at -= 4;
    return this.string();
  }

  /** A view, for as long as the bytes are. */
  blob(): Buffer {
    const size = this.uint();
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }
}
