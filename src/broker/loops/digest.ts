/**
 * A number for a message, by which it is known again when it comes round: of its topic, payload and
 * properties, its QoS and whether it is retained. All of it counts, for what is taken for an echo
 * is dropped.
 *
 * Hot path. Budget: no allocation; four bytes at a time.
 */
import type { Message } from "../message.ts";

/** Two halves of 32 bits make a number that JavaScript holds exactly. */
const HIGH_UNIT = 2 ** 21;
const LOW_SHIFT = 11;

export class Digester {
  private a = 0;
  private b = 0;

  /** A whole number below 2^53, the same for the same message only, as far as anybody will see. */
  digest(message: Message): number {
    const { topic, bytes, start, end, properties, qos, retain } = message;
    this.a = 0x2545f491 ^ ((qos << 1) | (retain ? 1 : 0));
    this.b = 0x6c078965;
    this.add(topic.bytes, 0, topic.bytes.length);
    this.add(properties, 0, properties.length);
    this.add(bytes, start, end);
    const high = avalanche(this.a ^ Math.imul(this.b, 0x27d4eb2f)) >>> 0;
    const low = avalanche(this.b ^ Math.imul(this.a, 0x165667b1)) >>> LOW_SHIFT;
    return high * HIGH_UNIT + low;
  }

  /** Takes in `bytes[start, end)`, and how many there are: neighbours do not run together. */
  private add(bytes: Buffer, start: number, end: number): void {
    let { a, b } = this;
    const size = end - start;
    const wholeEnd = end - (size & 3);
    let at = start;
    for (; at < wholeEnd; at += 4) {
      const word =
        bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      a = Math.imul(a ^ word, 0x9e3779b1);
      a = (a << 13) | (a >>> 19);
      b = Math.imul((b + word) | 0, 0x85ebca6b);
      b ^= b >>> 15;
    }
    let rest = size;
    for (; at < end; at++) rest = (rest << 8) ^ bytes[at]!;
    a = Math.imul(a ^ rest, 0x9e3779b1);
    this.a = (a << 13) | (a >>> 19);
    b = Math.imul((b + rest) | 0, 0xc2b2ae35);
    this.b = b ^ (b >>> 15) ^ size;
  }
}

function avalanche(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
