/**
 * What must last: the broker tells a store of each change, and what promises a change to a client
 * waits until the store says that it is safe.
 *
 * Positions only grow. A change has the position that `position` shows after the call; `commit`
 * ends a turn's batch, of which all becomes safe or nothing; `onDurable(position)` says that
 * everything up to there will survive a crash.
 */
import type { Deadlines } from "../../core/base/deadlines.ts";
import type { Message } from "../message.ts";
import type { QueuedMessage, Session, Subscription } from "../session.ts";
import type { RestoredDelivery } from "./restored.ts";

/** Told when changes have become safe. May be called from within `commit`, or any time later. */
export type OnDurable = (position: number) => void;

/** What a store asks of the broker. */
export interface StoreOwner {
  readonly deadlines: Deadlines;
  /** This turn's time, in milliseconds of a clock that only goes forward. */
  readonly now: number;
  /** What the wall clock showed, in Unix milliseconds, when `now` was 0. */
  readonly epoch: number;
  /** The answer to `fetchOutgoing`: the next messages of the session's queue, in its order. */
  onFetched(session: Session, deliveries: readonly RestoredDelivery[]): void;
  /** The store takes changes again, after it was full. */
  onRoom(): void;
}

export interface Store {
  /** The position of the change noted last that something may wait for. */
  readonly position: number;
  /** Whether queues may leave memory, to come back by `fetchOutgoing`. */
  readonly parks: boolean;
  /** It has more to write than it should hold: whoever makes more is to be held up. */
  readonly isFull: boolean;
  /** A session that outlives its connection began or changed, its Will included. */
  putSession(session: Session): void;
  /** It ended, with everything it has. */
  removeSession(session: Session): void;
  putSubscription(session: Session, subscription: Subscription): void;
  removeSubscription(session: Session, filter: string): void;
  /** A message is owed to the session; or was owed and leaves memory (`isParked`). */
  addOutgoing(session: Session, queued: QueuedMessage): void;
  /** It was sent, or its PUBREC came. */
  changeOutgoing(session: Session, queued: QueuedMessage): void;
  /** It is settled, expired or dropped. */
  removeOutgoing(session: Session, queued: QueuedMessage): void;
  /** A QoS 2 message was taken over from the session's client. */
  addIncoming(session: Session, packetId: number, message: Message): void;
  /** Its PUBREL came. */
  removeIncoming(session: Session, packetId: number, message: Message): void;
  /** `message` is its topic's retained one, in the place of `previous`. */
  putRetained(message: Message, previous: Message | undefined): void;
  removeRetained(message: Message): void;
  /** Asks for the next messages of a queue that left memory; `onFetched` answers later. */
  fetchOutgoing(session: Session): void;
  /** Ends the batch of this turn. */
  commit(): void;
}

/** The store without persistence: nothing outlives the process, so all is safe at once. */
export class VolatileStore implements Store {
  position = 0;
  readonly parks = false;
  readonly isFull = false;
  private readonly onDurable: OnDurable;

  constructor(onDurable: OnDurable) {
    this.onDurable = onDurable;
  }

  putSession(): void {
    this.position++;
  }
  removeSession(): void {
    this.position++;
  }
  putSubscription(): void {
    this.position++;
  }
  removeSubscription(): void {
    this.position++;
  }
  addOutgoing(): void {
    this.position++;
  }
  changeOutgoing(): void {
    this.position++;
  }
  removeOutgoing(): void {
    this.position++;
  }
  addIncoming(): void {
    this.position++;
  }
  removeIncoming(): void {
    this.position++;
  }
  putRetained(): void {
    this.position++;
  }
  removeRetained(): void {
    this.position++;
  }
  fetchOutgoing(): void {
    throw new Error("a store that keeps nothing is asked for what it kept");
  }
  commit(): void {
    // What waited may go on and change something itself: that is safe at once as well.
    for (let done = -1; done !== this.position; ) {
      done = this.position;
      this.onDurable(done);
    }
  }
}
