/**
 * Framing: finds packet boundaries in a stream of bytes. Looks at the fixed header only.
 *
 *     byte 0         type in the high nibble, flags in the low
 *     bytes 1 to 4   remaining length, seven bits a byte, low group first    (5.0 §1.5.5)
 *     …              that many bytes: variable header and payload
 *
 * Hot path. Budget: no allocation for packets that lie whole in one chunk, and each byte of a
 * packet's body is left untouched. A packet cut by a chunk's end is gathered in a buffer of its
 * own, which is not written again once it has been reported: views into it stay good.
 */
import { ProtocolError } from "../errors.ts";
import { varintSize } from "./varint.ts";

/** Told of what the stream holds. What it throws passes through the reader. */
export interface FrameSink {
  /**
   * A complete packet: it starts at `bytes[packetStart]`, its body is `bytes[bodyStart, bodyEnd)`.
   *
   * @returns False to hear no more: the connection has ended, and the rest is not looked at.
   */
  onFrame(bytes: Buffer, packetStart: number, bodyStart: number, bodyEnd: number): boolean;
  /**
   * A packet began whose end has not come yet; called before memory is spent on it, and again with
   * each further chunk. A sink that will not have it throws or answers false.
   *
   * @param packetSize Bytes of the whole packet, 0 while its length has not arrived.
   */
  onPartial(head: number, packetSize: number): boolean;
}

/**
 * Reports every complete packet in `bytes[start, end)`, in wire order.
 *
 * @returns The offset of the first incomplete packet; -1 when the sink wants no more.
 * @throws {ProtocolError} malformedPacket, when a length has no end within four bytes.
 */
export function splitFrames(bytes: Buffer, start: number, end: number, sink: FrameSink): number {
  let at = start;
  while (at + 2 <= end) {
    let size = bytes[at + 1]!;
    let bodyStart = at + 2;
    if (size >= 0x80) {
      // Longer than 127 bytes: rare enough to leave the loop for.
      const length = readLength(bytes, at + 1, end);
      if (length < 0) break;
      size = Math.floor(length / 8);
      bodyStart = at + 1 + (length % 8);
    }
    const bodyEnd = bodyStart + size;
    if (bodyEnd > end) break;
    if (!sink.onFrame(bytes, at, bodyStart, bodyEnd)) return -1;
    at = bodyEnd;
  }
  return at;
}

/**
 * Whether a packet's remaining length is in its shortest form, which 5.0 asks for [MQTT5-1.5.5-1].
 * Before it nothing does, and there are clients that always write four bytes.
 */
export function hasShortestLength(packetStart: number, bodyStart: number, end: number): boolean {
  return (
    bodyStart - packetStart === 2 || bodyStart - packetStart === 1 + varintSize(end - bodyStart)
  );
}

/** Turns chunks of any size into packets, with at most one incomplete packet kept. */
export class FrameReader {
  private readonly sink: FrameSink;
  /** Bytes of the packet that has begun, and how many of them are there. */
  private tail: Buffer | null = null;
  private tailLength = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** Bytes kept of an incomplete packet. */
  get pendingBytes(): number {
    return this.tailLength;
  }

  /**
   * Reports the packets that `chunk` completes or holds. The chunk is the caller's again after it.
   *
   * @throws {ProtocolError} malformedPacket, when a length has no end within four bytes.
   */
  onBytes(chunk: Buffer): void {
    let at = 0;
    if (this.tailLength > 0) {
      at = this.complete(chunk);
      if (at < 0) return;
    }
    at = splitFrames(chunk, at, chunk.length, this.sink);
    if (at < 0 || at === chunk.length) return;
    this.keep(chunk, at);
  }

  /** Forgets what has been kept; nothing more is to come. */
  reset(): void {
    this.tail = null;
    this.tailLength = 0;
  }

  /** Adds to the kept packet from `chunk`. The offset after it, or -1: all used up, or ended. */
  private complete(chunk: Buffer): number {
    let at = 0;
    let header = packetLength(this.tail!, 0, this.tailLength);
    // The length itself was cut: it takes a byte at a time until it is whole.
    while (header < 0 && at < chunk.length) {
      this.append(chunk, at, at + 1, 5);
      at++;
      header = packetLength(this.tail!, 0, this.tailLength);
    }
    if (header < 0) return -1;
    const size = Math.floor(header / 8);
    const missing = size - this.tailLength;
    const take = Math.min(missing, chunk.length - at);
    if (take < missing && !this.sink.onPartial(this.tail![0]!, size)) return -1;
    this.append(chunk, at, at + take, size);
    if (this.tailLength < size) return -1;
    const whole = this.tail!;
    this.reset();
    return this.sink.onFrame(whole, 0, header % 8, size) ? at + take : -1;
  }

  private keep(chunk: Buffer, at: number): void {
    const header = packetLength(chunk, at, chunk.length);
    const size = header < 0 ? 0 : Math.floor(header / 8);
    if (!this.sink.onPartial(chunk[at]!, size)) return;
    this.append(chunk, at, chunk.length, Math.max(size, 5));
  }

  /**
   * Grows by doubling, never beyond what the packet needs: a peer that claims a large packet and
   * sends little of it costs little.
   */
  private append(chunk: Buffer, start: number, end: number, sizeMax: number): void {
    const needed = this.tailLength + end - start;
    if (this.tail === null || needed > this.tail.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, Math.min(sizeMax, needed * 2)));
      if (this.tail !== null) this.tail.copy(grown, 0, 0, this.tailLength);
      this.tail = grown;
    }
    chunk.copy(this.tail, this.tailLength, start, end);
    this.tailLength = needed;
  }
}

/** Whole packet's size × 8 + header's size, or -1 when the header is not all there. */
function packetLength(bytes: Buffer, start: number, end: number): number {
  const length = start + 2 > end ? -1 : readLength(bytes, start + 1, end);
  if (length < 0) return -1;
  const headerSize = 1 + (length % 8);
  return (headerSize + Math.floor(length / 8)) * 8 + headerSize;
}

/** Value × 8 + width in bytes, or -1 when `bytes` ends first: two numbers without an object. */
function readLength(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let width = 1; width <= 4; width++) {
    if (start + width > end) return -1;
    const byte = bytes[start + width - 1]!;
    value += (byte & 0x7f) * 128 ** (width - 1);
    if (byte < 0x80) return value * 8 + width;
  }
  throw new ProtocolError("malformedPacket", "§1.5.5", "remaining length is over four bytes");
}
