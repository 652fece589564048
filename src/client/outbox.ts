/**
 * What was published and has not been sent: in order, and with limits in messages and in bytes.
 *
 * Messages wait here while the client is offline, while the server's Receive Maximum has no room
 * and while the network takes bytes slower than they are published. All levels of QoS share the one
 * queue, so that what was published first is sent first. Pure.
 *
 * At a limit `push` refuses the newest message: what was accepted earlier is never dropped.
 */
import { Ring } from "../core/base/ring.ts";

export interface OutboxLimits {
  /** Messages that may wait. */
  readonly messagesMax: number;
  /** The sum of their `bytes` that may wait; a single larger message is refused even when empty. */
  readonly bytesMax: number;
}

export class Outbox<Message extends { readonly bytes: number }> {
  private readonly limits: OutboxLimits;
  private readonly items = new Ring<Message>();
  private waitingBytes = 0;

  constructor(limits: OutboxLimits) {
    this.limits = limits;
  }

  get count(): number {
    return this.items.length;
  }

  get bytes(): number {
    return this.waitingBytes;
  }

  /** Takes `message` at the end of the queue. False: there is no room, and it was not taken. */
  push(message: Message): boolean {
    if (this.count >= this.limits.messagesMax) return false;
    if (this.waitingBytes + message.bytes > this.limits.bytesMax) return false;
    this.items.push(message);
    this.waitingBytes += message.bytes;
    return true;
  }

  /** The message that waits longest. */
  first(): Message | undefined {
    return this.items.at(0);
  }

  /** Takes the message that waits longest out. */
  shift(): Message | undefined {
    const message = this.items.shift();
    if (message !== undefined) this.waitingBytes -= message.bytes;
    return message;
  }

  /** Takes `message` out wherever it waits. False: it is not here, so it was sent already. */
  remove(message: Message): boolean {
    const before = this.items.length;
    this.items.filter((item) => item !== message);
    if (this.items.length === before) return false;
    this.waitingBytes -= message.bytes;
    return true;
  }

  /** Takes everything out, oldest first. */
  clear(): Message[] {
    const rest: Message[] = [];
    for (let message = this.shift(); message !== undefined; message = this.shift()) {
      rest.push(message);
    }
    return rest;
  }
}
