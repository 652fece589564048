/**
 * A network between the broker and a client: it delivers bytes in pieces of any size, takes its
 * time, stalls, and breaks. After a break the broker goes on for a while before it hears of it.
 *
 * It reads along what the broker sends: counts it, and holds acknowledgements against the store.
 */
import type { Connection } from "../../../src/broker/connection.ts";
import type { Link } from "../../../src/broker/world.ts";
import { type BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";
import type { Prng } from "../../../src/core/base/prng.ts";
import { splitFrames } from "../../../src/core/codec/frame.ts";
import { TYPE } from "../../../src/core/codec/packets.ts";
import { PublishView, readPublish } from "../../../src/core/codec/publish.ts";

/** Told of what arrives at the client's end. */
export interface LinkEnd {
  onBytes(bytes: Buffer): void;
  /** The connection is gone; not called where the client cut it itself. */
  onGone(): void;
  /** The broker is about to send this packet on this link. */
  onSending(packet: Buffer, link: SimLink): void;
}

/** Sums over all links, named as the broker's counters. */
export class Traffic {
  bytesReceived = 0;
  packetsSent = 0;
  bytesSent = 0;
  publishSent = 0;
  publishBytesSent = 0;
}

export class SimLink implements Link {
  readonly address = "sim";
  readonly port: number;
  readonly out: OutBuffer;
  connection: Connection | null = null;
  isClosed = false;
  /** The client's end is gone; the broker has not heard of it. */
  isCut = false;
  isStalled = false;
  /** What the broker was handed, and what it sent. */
  readonly traffic: Traffic;
  /** Told of each packet that either end sends, if anybody wants to know. */
  onPacket: ((fromBroker: boolean, packet: Buffer) => void) | null = null;
  private readonly end: LinkEnd;
  private toBroker: Buffer = Buffer.alloc(0);
  private toClient: Buffer = Buffer.alloc(0);
  private isPaused = false;
  private isAwake = false;

  constructor(pool: BufferPool, port: number, end: LinkEnd, traffic: Traffic) {
    this.out = new OutBuffer(pool);
    this.traffic = traffic;
    this.port = port;
    this.end = end;
  }

  // As the broker sees it.

  get backlogBytes(): number {
    return this.toClient.length;
  }

  wake(): void {
    if (this.isClosed) throw new Error("the broker writes to a link that it has closed");
    this.isAwake = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.flush();
    this.isClosed = true;
    this.toBroker = Buffer.alloc(0);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  // As the client sees it.

  send(bytes: Buffer): void {
    if (this.isClosed) return;
    this.onPacket?.(false, bytes);
    this.toBroker = Buffer.concat([this.toBroker, bytes]);
  }

  /** Bytes that the client has sent and the broker has not taken. */
  get unread(): number {
    return this.toBroker.length;
  }

  /** The client's end is gone. What it had sent may still arrive, or some of it. */
  cut(prng: Prng): void {
    this.isCut = true;
    this.toClient = Buffer.alloc(0);
    this.toBroker = this.toBroker.subarray(0, prng.between(0, this.toBroker.length));
  }

  /** Nothing more of what was sent before the cut arrives: a newer connection is under way. */
  silence(): void {
    this.toBroker = Buffer.alloc(0);
  }

  // As the world sees it.

  /** The broker is gone. What the network had of it already still arrives, or some of it. */
  crash(prng: Prng): void {
    const size = prng.chance(0.5) ? this.toClient.length : prng.between(0, this.toClient.length);
    const piece = this.toClient.subarray(0, size);
    this.isClosed = true;
    this.connection = null;
    this.out.clear();
    if (!this.isCut && size > 0) this.end.onBytes(piece);
    this.isCut = true;
  }

  /** Nothing is left to do with it, and the client has heard of its end. */
  get isOver(): boolean {
    return this.isClosed && this.isCut;
  }

  /** The broker hears of the break. */
  notice(): void {
    if (!this.isClosed) this.connection?.onClosed();
  }

  flush(): void {
    if (this.out.length === 0) return;
    if (!this.isAwake) throw new Error("the broker wrote to a link without waking it");
    this.isAwake = false;
    const parts: Buffer[] = [];
    this.out.drain((part) => {
      // Copied, and so the buffer is the pool's again.
      parts.push(Buffer.from(part));
      return true;
    });
    const bytes = Buffer.concat(parts);
    const rest = splitFrames(bytes, 0, bytes.length, {
      onFrame: (all, start, body, end) => {
        this.count(all, start, body, end);
        this.onPacket?.(true, all.subarray(start, end));
        this.end.onSending(all.subarray(start, end), this);
        return true;
      },
      onPartial: () => true,
    });
    if (rest !== bytes.length) throw new Error("the broker sent half a packet");
    if (!this.isCut) this.toClient = Buffer.concat([this.toClient, bytes]);
  }

  /** Moves some bytes, or all of them, each way. */
  move(prng: Prng, all: boolean): void {
    if (this.isStalled && !all) return;
    this.moveToBroker(prng, all);
    if (this.isCut) return;
    const size = all ? this.toClient.length : pieceOf(prng, this.toClient.length);
    if (size > 0) {
      const piece = this.toClient.subarray(0, size);
      this.toClient = this.toClient.subarray(size);
      this.end.onBytes(piece);
      if (this.toClient.length === 0 && !this.isClosed) this.connection?.onDrain();
    }
    if (this.isClosed && this.toClient.length === 0 && !this.isCut) {
      this.isCut = true;
      this.end.onGone();
    }
  }

  private count(bytes: Buffer, start: number, body: number, end: number): void {
    const { traffic } = this;
    traffic.packetsSent++;
    traffic.bytesSent += end - start;
    if (bytes[start]! >> 4 !== TYPE.publish) return;
    const view = new PublishView();
    readPublish(view, bytes, bytes[start]!, body, end, this.connection!.version);
    traffic.publishSent++;
    traffic.publishBytesSent += view.payloadEnd - view.payloadStart;
  }

  private moveToBroker(prng: Prng, all: boolean): void {
    if (this.isPaused || this.isClosed || this.toBroker.length === 0) return;
    const size = all ? this.toBroker.length : pieceOf(prng, this.toBroker.length);
    if (size === 0) return;
    const piece = Buffer.from(this.toBroker.subarray(0, size));
    this.toBroker = this.toBroker.subarray(size);
    this.traffic.bytesReceived += size;
    this.connection?.onBytes(piece);
    // The chunk is ours again: whatever still refers to it shows.
    piece.fill(0xee);
  }
}

/** How much of `size` bytes moves now: often all, sometimes a few, sometimes none. */
function pieceOf(prng: Prng, size: number): number {
  if (size === 0 || prng.chance(0.2)) return 0;
  if (prng.chance(0.5)) return size;
  return prng.between(1, Math.min(size, prng.chance(0.3) ? 3 : size));
}
