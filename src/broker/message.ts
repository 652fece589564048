/**
 * An application message inside the broker: one for all of its recipients, immutable but for where
 * its payload stands.
 *
 * Made in the turn its PUBLISH came in, the payload is a view of the chunk it was read from. What
 * outlives the turn calls `own` first, and what is to stay calls `keep`, so that a small message
 * never holds a large buffer for long.
 */

import type { OutBuffer } from "../core/base/out-buffer.ts";
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

/** A topic name with its UTF-8, made once for all messages that go to it. */
export interface Topic {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * A topic that stays: its UTF-8 is made when it is asked for, which is seldom. A buffer of its own
 * would be some 300 bytes beside what it says.
 */
class KeptTopic implements Topic {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  get bytes(): Buffer {
    return Buffer.from(this.name);
  }
}

/**
 * Bytes up to which a payload that is kept is a string, a character a byte: for the same reason.
 * Longer ones stay out of V8's heap, which has a limit of its own.
 */
const TEXT_BYTES_MAX = 256;

/** More than such sums are off by, and far less than anybody measures. */
const HAIR_MS = 0.001;

/** What `own` copies, of all messages of the process. */
const COPIES = new Slab();

/** No properties, as they stand in a packet after their length. */
export const NO_PROPERTY_BYTES: Buffer = Buffer.alloc(0);

export class Message {
  topic: Topic;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly source: Source;
  /** The properties handed on as they came: all but expiry, alias and subscription identifier. */
  properties: Buffer;
  /** When it expires, in the broker's milliseconds; 0 for never. */
  readonly expiresAt: number;
  /** Packet identifier of its PUBLISH, which the database keeps; 0 at QoS 0. */
  readonly sourcePacketId: number;
  /** What the payload is part of; null where it is `text`. */
  private chunk: Buffer | null;
  private text = "";
  /** The payload is `bytes[start, end)`. */
  start: number;
  end: number;
  /** Sessions and retained messages that hold on to it; `Kept` counts by it. */
  holders = 0;
  /** Names it in the store, where it stands once for all who wait for it; 0 when it does not. */
  storeId: StoreId = 0;
  /** Rows of the store that name it. Written by the store only, as are the next three. */
  rows = 0;
  /** Whether rows may name it that nobody in memory knows of. */
  isShared = false;
  /** Its row as a message taken over at QoS 2, and the position of that; 0 for none. */
  incomingRow = 0;
  incomingAt = 0;
  /** Position at which it became its topic's retained message, while that is not safe. */
  retainedAt = 0;
  private owned = false;
  private kept = false;

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
    this.topic = topic;
    this.chunk = bytes;
    this.start = start;
    this.end = end;
    this.qos = qos;
    this.retain = retain;
    this.source = source;
    this.properties = properties;
    this.expiresAt = expiresAt;
    this.sourcePacketId = sourcePacketId;
  }

  /** Made anew with each call where the message is kept and small. */
  get bytes(): Buffer {
    return this.chunk ?? Buffer.from(this.text, "latin1");
  }

  /** Writes the payload. */
  appendTo(out: OutBuffer): void {
    if (this.chunk !== null) out.append(this.chunk, this.start, this.end);
    else out.appendLatin1(this.text);
  }

  get payloadSize(): number {
    return this.end - this.start;
  }

  /** Bytes it takes while it is held: topic and properties can be larger than the payload. */
  get size(): number {
    return this.payloadSize + Buffer.byteLength(this.topic.name) + this.properties.length;
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
    const { chunk } = this;
    if (this.owned || chunk === null) return;
    this.owned = true;
    const size = this.end - this.start;
    if (size === chunk.length) return;
    const at = COPIES.put(chunk, this.start, this.end);
    this.chunk = COPIES.bytes;
    this.start = at;
    this.end = at + size;
  }

  /**
   * As `own`, for a message that stays: in memory of its own size, and without the route it took.
   * What `own` copies stands in a block with its neighbours, which one small message would hold on
   * to when the others are long gone.
   */
  keep(): void {
    const { chunk } = this;
    if (this.kept || chunk === null) return;
    this.kept = true;
    this.owned = true;
    this.topic = new KeptTopic(this.topic.name);
    if (this.payloadSize <= TEXT_BYTES_MAX) {
      this.text = chunk.toString("latin1", this.start, this.end);
      this.chunk = null;
    } else {
      this.chunk = exactCopy(chunk, this.start, this.end);
    }
    this.end -= this.start;
    this.start = 0;
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
