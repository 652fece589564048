/**
 * An application message inside the broker: one for all of its recipients, immutable but for where
 * topic and payload stand.
 *
 * Made in the turn its PUBLISH came in, the payload is a view of the chunk it was read from. What
 * outlives the turn calls `own` first, and what is to stay calls `keep`, so that a small message
 * never holds a large buffer for long.
 */

import { copyRange } from "../core/base/out-buffer.ts";
import { Slab } from "../core/base/slab.ts";
import type { Qos } from "../core/codec/packets.ts";
import type { StoreId } from "./durable/restored.ts";

/** Who published: what no-local, the log and the database want to know. */
export interface Source {
  /** Empty for the broker itself. */
  readonly clientId: string;
  readonly username: string | null;
  /** Port of the listener, 0 for the broker itself. */
  readonly port: number;
  /** Which of those at that port; absent for the broker itself, and after a restart. */
  readonly listener?: string;
}

export const BROKER_SOURCE: Source = { clientId: "", username: null, port: 0 };

/** A topic name with its UTF-8. */
export interface Topic {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * Bytes up to which topic and payload of a message that is kept are a string, a character a byte: a
 * buffer of its own would be some 300 bytes beside what it says. Longer ones stay out of V8's heap,
 * which has a limit of its own.
 */
const TEXT_BYTES_MAX = 320;

/** More than such sums are off by, and far less than anybody measures. */
const HAIR_MS = 0.001;

/** What `own` copies, of all messages of the process. */
const COPIES = new Slab();

/** Where topic and payload are put together. */
const SCRATCH = Buffer.alloc(TEXT_BYTES_MAX);

/** No properties, as they stand in a packet after their length. */
export const NO_PROPERTY_BYTES: Buffer = Buffer.alloc(0);

/** What a store has of a message. Written by the store only. */
export class Stored {
  /** Names it there, where it stands once for all who wait for it; 0 when it does not. */
  storeId: StoreId = 0;
  /** Rows that name it. */
  rows = 0;
  /** Whether rows may name it that nobody in memory knows of. */
  isShared = false;
  /** Its row as a message taken over at QoS 2, and the position of that; 0 for none. */
  incomingRow = 0;
  incomingAt = 0;
  /** Position at which it became its topic's retained message, while that is not safe. */
  retainedAt = 0;
}

/** Of every message that no store has. */
const NOT_STORED: Readonly<Stored> = Object.freeze(new Stored());

/** The topic of a message that is kept, made into what is asked for. */
class KeptTopic implements Topic {
  private readonly content: Buffer | string;
  private readonly size: number;

  constructor(content: Buffer | string, size: number) {
    this.content = content;
    this.size = size;
  }

  get name(): string {
    return this.bytes.toString();
  }

  get bytes(): Buffer {
    const { content, size } = this;
    if (typeof content === "string") return Buffer.from(content.slice(0, size), "latin1");
    return content.subarray(0, size);
  }
}

/** How `bits` is made up, which spares each message four fields. */
const RETAIN = 4;
const OWNED = 8;
const PACKET_ID_SHIFT = 4;

export class Message {
  readonly source: Source;
  /** The properties handed on as they came: all but expiry, alias and subscription identifier. */
  properties: Buffer;
  /** When it expires, in the broker's milliseconds; 0 for never. */
  readonly expiresAt: number;
  /** The payload is `bytes[start, end)`. */
  start: number;
  end: number;
  /** Sessions and retained messages that hold on to it; `Kept` counts by it. */
  holders = 0;
  /** What the store has of it: to be read, and written to by way of `store` only. */
  stored: Readonly<Stored> = NOT_STORED;
  /** Its topic; null once it is kept, for then it stands before the payload. */
  private given: Topic | null;
  /** What the payload is part of; a string, a character a byte, where it is kept and small. */
  private content: Buffer | string;
  private bits: number;

  constructor(
    topic: Topic,
    bytes: Buffer,
    start: number,
    end: number,
    qos: Qos,
    retain: boolean,
    source: Source,
    properties: Buffer,
    expiresAt: number,
    sourcePacketId: number,
  ) {
    this.given = topic;
    this.content = bytes;
    this.start = start;
    this.end = end;
    this.bits = (sourcePacketId << PACKET_ID_SHIFT) | (retain ? RETAIN : 0) | qos;
    this.source = source;
    this.properties = properties;
    this.expiresAt = expiresAt;
  }

  get qos(): Qos {
    return (this.bits & 3) as Qos;
  }

  get retain(): boolean {
    return (this.bits & RETAIN) !== 0;
  }

  /** Packet identifier of its PUBLISH, which the database keeps; 0 at QoS 0. */
  get sourcePacketId(): number {
    return this.bits >> PACKET_ID_SHIFT;
  }

  /** Made anew with each call where the message is kept. */
  get topic(): Topic {
    return this.given ?? new KeptTopic(this.content, this.start);
  }

  /** Bytes of the topic's UTF-8. */
  get topicSize(): number {
    return this.given === null ? this.start : this.given.bytes.length;
  }

  /** Made anew with each call where the message is kept and small. */
  get bytes(): Buffer {
    const { content } = this;
    return typeof content === "string" ? Buffer.from(content, "latin1") : content;
  }

  /** Topic and payload, a character a byte, where it is kept and small; else null. */
  get text(): string | null {
    const { content } = this;
    return typeof content === "string" ? content : null;
  }

  get payloadSize(): number {
    return this.end - this.start;
  }

  /** Bytes it takes while it is held: topic and properties can be larger than the payload. */
  get size(): number {
    const { given, start } = this;
    const topicSize = given === null ? start : Buffer.byteLength(given.name);
    return this.payloadSize + topicSize + this.properties.length;
  }

  /** What the store has of it, to be written to. */
  store(): Stored {
    if (this.stored === NOT_STORED) this.stored = new Stored();
    return this.stored;
  }

  /** Whether its time is over [MQTT5-3.3.2-5]. */
  isExpired(now: number): boolean {
    return this.expiresAt !== 0 && this.expiresAt <= now;
  }

  /** Whole seconds left, for the copy that goes out [MQTT5-3.3.2-6]. */
  secondsLeft(now: number): number {
    // Of fractions of a millisecond, a sum less one of its parts may be a hair above the other.
    return Math.max(1, Math.ceil((this.expiresAt - now - HAIR_MS) / 1000));
  }

  /** Copies the payload out of the chunk it came in: the message is to outlive the turn. */
  own(): void {
    const { content } = this;
    if ((this.bits & OWNED) !== 0 || typeof content === "string") return;
    this.bits |= OWNED;
    const size = this.end - this.start;
    if (size === content.length) return;
    const at = COPIES.put(content, this.start, this.end);
    this.content = COPIES.bytes;
    this.start = at;
    this.end = at + size;
  }

  /**
   * As `own`, for a message that stays: in memory of its own size, and without the route it took.
   * What `own` copies stands in a block with its neighbours, which one small message would hold on
   * to when the others are long gone.
   */
  keep(): void {
    const { given } = this;
    if (given === null) return;
    const { bytes, start, end } = this;
    const topicSize = Buffer.byteLength(given.name);
    const size = topicSize + end - start;
    const isText = size <= TEXT_BYTES_MAX;
    const both = isText ? SCRATCH : Buffer.allocUnsafeSlow(size);
    both.write(given.name, 0);
    copyRange(bytes, start, end, both, topicSize);
    this.content = isText ? both.toString("latin1", 0, size) : both;
    this.given = null;
    this.bits |= OWNED;
    this.start = topicSize;
    this.end = size;
    if (this.properties.length > 0) {
      this.properties = exactCopy(this.properties, 0, this.properties.length);
    }
  }
}

/** `bytes[start, end)` in a buffer that shares its memory with nothing. */
export function exactCopy(bytes: Buffer, start: number, end: number): Buffer {
  if (bytes.buffer.byteLength === end - start) return bytes;
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}

/** A message the broker makes itself, such as a Will or a value of `$SYS`. It owns its payload. */
export function madeMessage(
  topic: string,
  payload: Buffer,
  qos: Qos,
  retain: boolean,
  source: Source,
  properties: Buffer = NO_PROPERTY_BYTES,
  expiresAt = 0,
): Message {
  const named: Topic = { name: topic, bytes: Buffer.from(topic) };
  const end = payload.length;
  return new Message(named, payload, 0, end, qos, retain, source, properties, expiresAt, 0);
}
