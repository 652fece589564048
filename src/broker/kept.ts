/** How many messages the broker keeps, retained or owed to sessions, each counted once. */
import type { Message } from "./message.ts";

export class Kept {
  count = 0;
  /** Payload bytes of those. */
  bytes = 0;

  /** One more holds on to `message`. */
  add(message: Message): void {
    if (message.holders++ > 0) return;
    this.count++;
    this.bytes += message.payloadSize;
  }

  /** `count` messages with `bytes` of payload left memory, each for one session. */
  park(count: number, bytes: number): void {
    this.count += count;
    this.bytes += bytes;
  }

  /** They are back, or nobody wants them any more. */
  unpark(count: number, bytes: number): void {
    this.count -= count;
    this.bytes -= bytes;
  }

  /** One that held on to `message` lets go. */
  remove(message: Message): void {
    if (--message.holders > 0) return;
    this.count--;
    this.bytes -= message.payloadSize;
  }
}
