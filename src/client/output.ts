/**
 * Bytes on their way to a link: small packets of one turn are gathered in a block and leave as one.
 *
 * Whoever writes asks `reserve` for room and writes into `block` at `at`. The owner is told once
 * when there is something to flush, and calls `flush` at the end of its turn. What has been handed
 * to the link is not written again: a block's rest is used on, and then a new block made.
 *
 * Hot path. Budget: no allocation but one view for each flush, and a block now and then.
 */
import type { Link } from "./link.ts";

/** A block: what some hundred small packets take. */
const BLOCK_BYTES = 32_768;
/** Payloads of this size go to the link as they are, without a copy. */
export const COPY_BYTES_MAX = 4096;

export class Output {
  private readonly link: Link;
  private readonly onWaiting: () => void;
  private start = 0;
  /** Where the next packet goes: `block[at…]`. Moved on by whoever writes there. */
  block: Buffer = Buffer.alloc(0);
  at = 0;

  /** @param onWaiting Told when bytes begin to wait for a `flush`. */
  constructor(link: Link, onWaiting: () => void) {
    this.link = link;
    this.onWaiting = onWaiting;
  }

  /** Makes room for `size` bytes at `block[at]`. */
  reserve(size: number): void {
    if (this.at === this.start) this.onWaiting();
    if (this.at + size <= this.block.length) return;
    this.flush();
    this.block = Buffer.allocUnsafeSlow(Math.max(size, BLOCK_BYTES));
    this.start = 0;
    this.at = 0;
  }

  /** Sends a whole packet that nobody changes any more. */
  write(packet: Buffer): void {
    if (packet.length > COPY_BYTES_MAX) {
      this.writeLarge(packet);
      return;
    }
    this.reserve(packet.length);
    this.block.set(packet, this.at);
    this.at += packet.length;
  }

  /** Sends bytes without copying them, after everything written before. */
  writeLarge(bytes: Buffer): void {
    this.flush();
    this.link.write(bytes);
  }

  /** Hands to the link what has been written. */
  flush(): void {
    if (this.at === this.start) return;
    this.link.write(this.block.subarray(this.start, this.at));
    this.start = this.at;
  }

  /** Bytes written by now that the operating system has not taken. */
  get pendingBytes(): number {
    return this.link.pendingBytes + this.at - this.start;
  }

  /** The position, as `LinkEvents.onFlushed` will tell it, after everything written by now. */
  get position(): number {
    return this.link.writtenBytes + this.at - this.start;
  }
}
