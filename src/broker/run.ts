/**
 * A run: plain QoS 0 messages that follow each other in one chunk and go to the same topic. They
 * leave as one slice for every recipient that takes them as they came.
 *
 * Hot path. Budget: no allocation; of each further message its length and topic are looked at.
 */
import { sameBytes } from "../core/base/same-bytes.ts";
import { hasShortestLength } from "../core/codec/frame.ts";
import type { Version } from "../core/codec/packets.ts";

const NO_BYTES = Buffer.alloc(0);
/** First byte of a PUBLISH at QoS 0 without any flag. */
const PLAIN_HEAD = 0x30;

export class Run {
  /** The messages are `bytes[start, end)`, packets and all. */
  bytes: Buffer = NO_BYTES;
  start = 0;
  end = 0;
  /** 0 when there is no run. */
  count = 0;
  /** It grows to no more. */
  private countMax = 0;
  /** Bytes of the largest packet. */
  packetSizeMax = 0;
  /** Bytes of the packets' bodies together, to count payloads by. */
  private bodyBytes = 0;

  /** Begins with a message that has been found to be plain. */
  begin(
    bytes: Buffer,
    packetStart: number,
    bodyStart: number,
    bodyEnd: number,
    countMax: number,
  ): void {
    this.countMax = countMax;
    this.bytes = bytes;
    this.start = packetStart;
    this.end = bodyEnd;
    this.count = 1;
    this.bodyBytes = bodyEnd - bodyStart;
    this.packetSizeMax = bodyEnd - packetStart;
  }

  /**
   * Takes the next packet in, if it is another plain message on `topic` of `sizeMax` bytes at most.
   */
  extend(
    bytes: Buffer,
    start: number,
    bodyStart: number,
    bodyEnd: number,
    topic: Buffer,
    version: Version,
    sizeMax: number,
  ): boolean {
    if (bytes[start] !== PLAIN_HEAD || bytes !== this.bytes || start !== this.end) return false;
    if (this.count >= this.countMax) return false;
    const topicStart = bodyStart + 2;
    const topicEnd = topicStart + topic.length;
    const propertySize = version === 5 ? 1 : 0;
    if (topicEnd + propertySize > bodyEnd) return false;
    if (((bytes[bodyStart]! << 8) | bytes[bodyStart + 1]!) !== topic.length) return false;
    if (!sameBytes(topic, bytes, topicStart, topicEnd)) return false;
    if (propertySize === 1) {
      if (bytes[topicEnd] !== 0 || !hasShortestLength(start, bodyStart, bodyEnd)) return false;
    }
    const size = bodyEnd - start;
    if (size > sizeMax) return false;
    this.end = bodyEnd;
    this.count++;
    this.bodyBytes += bodyEnd - bodyStart;
    if (size > this.packetSizeMax) this.packetSizeMax = size;
    return true;
  }

  /** Payload bytes of all its messages. */
  payloadBytes(topic: Buffer, version: Version): number {
    const overhead = 2 + topic.length + (version === 5 ? 1 : 0);
    return this.bodyBytes - this.count * overhead;
  }

  clear(): void {
    this.count = 0;
    this.bytes = NO_BYTES;
  }
}
