/**
 * Messages as an async iterator, with a bounded buffer between the network and a slow consumer.
 *
 * The producer asks `isFull` and stops reading from the network until `onRoom` is called. The bound
 * can be passed by what one chunk of bytes still held when it was reached: messages that arrived
 * are never dropped here.
 */
import type { ReceivedMessage } from "./message.ts";

export interface MessageStreamOwner {
  /** The buffer was full and is half empty again: the network may be read. */
  onRoom(): void;
  /** The consumer has left: nothing need be pushed any more. */
  onReturn(stream: MessageStream): void;
}

type Result = IteratorResult<ReceivedMessage, undefined>;

interface Waiter {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: Result = { done: true, value: undefined };

export class MessageStream implements AsyncIterableIterator<ReceivedMessage, undefined> {
  private readonly owner: MessageStreamOwner;
  private readonly messagesMax: number;
  private buffer: ReceivedMessage[] = [];
  private start = 0;
  private readonly waiters: Waiter[] = [];
  private full = false;
  private ended = false;
  private error: unknown;

  /** @param messagesMax Messages in the buffer at which it counts as full, 1 or more. */
  constructor(owner: MessageStreamOwner, messagesMax: number) {
    this.owner = owner;
    this.messagesMax = messagesMax;
  }

  /** True from the moment the buffer is full until it is half empty. */
  get isFull(): boolean {
    return this.full;
  }

  /** Hands a message to the consumer that waits, or keeps it for the next one. */
  push(message: ReceivedMessage): void {
    if (this.ended) return;
    const waiter = this.waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: message });
      return;
    }
    this.buffer.push(message);
    if (this.buffer.length - this.start >= this.messagesMax) this.full = true;
  }

  /** No more messages come. The consumer gets those in the buffer, then `error`, or the end. */
  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    for (const waiter of this.waiters.splice(0)) {
      if (this.error === undefined) waiter.resolve(DONE);
      else waiter.reject(this.takeError());
    }
  }

  next(): Promise<Result> {
    const message = this.buffer[this.start];
    if (message !== undefined) {
      this.start += 1;
      this.compact();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.error !== undefined) return Promise.reject(this.takeError());
    if (this.ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  /** The consumer leaves its loop: what is buffered is dropped. */
  return(): Promise<Result> {
    this.buffer = [];
    this.start = 0;
    this.error = undefined;
    this.end();
    this.makeRoom();
    this.owner.onReturn(this);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** An error is told once; after it the iterator is simply done, as iterators are. */
  private takeError(): unknown {
    const error = this.error;
    this.error = undefined;
    return error;
  }

  private compact(): void {
    const left = this.buffer.length - this.start;
    if (left === 0) {
      this.buffer = [];
      this.start = 0;
    } else if (this.start >= 512 && this.start >= left) {
      this.buffer = this.buffer.slice(this.start);
      this.start = 0;
    }
    if (left * 2 <= this.messagesMax) this.makeRoom();
  }

  private makeRoom(): void {
    if (!this.full) return;
    this.full = false;
    this.owner.onRoom();
  }
}
