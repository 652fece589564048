/**
 * A store whose batches become safe late, and at times that chance decides.
 *
 * It remembers what it was told as a database would, so that a run can compare at its end; and the
 * position of each change, so that a link can ask whether an acknowledgement that goes out had to
 * wait longer. A change to something that it was never told of is an error.
 */
import type { OnDurable, Store } from "../../../src/broker/durable/store.ts";
import type { Message } from "../../../src/broker/message.ts";
import type { QueuedMessage, Session, Subscription } from "../../../src/broker/session.ts";
import type { Prng } from "../../../src/core/base/prng.ts";

export interface StoredSession {
  readonly subscriptions: Map<string, Subscription>;
  readonly outgoing: Set<QueuedMessage>;
  readonly incoming: Map<number, Message>;
}

/** What tells the messages of a run apart: the start of their payloads. */
export function idOf(payload: Buffer): string {
  return payload.toString("latin1").split(".", 1)[0]!;
}

export function idOfMessage({ bytes, start, end }: Message): string {
  return idOf(bytes.subarray(start, end));
}

export class SimStore implements Store {
  position = 0;
  readonly parks = false;
  readonly isFull = false;
  readonly sessions = new Map<string, StoredSession>();
  readonly retained = new Map<string, Message>();
  private readonly onDurable: OnDurable;
  private readonly changedAt = new Map<string, number>();
  private committed = 0;
  private durable = 0;

  constructor(onDurable: OnDurable) {
    this.onDurable = onDurable;
  }

  /** Whether the last change noted under `key` would survive a crash now. */
  isSafe(key: string): boolean {
    return (this.changedAt.get(key) ?? 0) <= this.durable;
  }

  /** Some of what was committed, or all of it, gets safe. */
  settle(prng: Prng, all: boolean): void {
    if (this.durable === this.committed) return;
    const until = all ? this.committed : prng.between(this.durable + 1, this.committed);
    this.durable = until;
    this.onDurable(until);
  }

  putSession(session: Session): void {
    this.note(`session ${session.clientId}`);
    if (this.sessions.has(session.clientId)) return;
    const stored = { subscriptions: new Map(), outgoing: new Set<never>(), incoming: new Map() };
    this.sessions.set(session.clientId, stored);
  }

  removeSession(session: Session): void {
    this.note(`session ${session.clientId}`);
    if (!this.sessions.delete(session.clientId)) throw unknown("session");
  }

  putSubscription(session: Session, subscription: Subscription): void {
    this.note(`subscription ${session.clientId} ${subscription.filter}`);
    this.of(session).subscriptions.set(subscription.filter, subscription);
  }

  removeSubscription(session: Session, filter: string): void {
    this.note(`subscription ${session.clientId} ${filter}`);
    if (!this.of(session).subscriptions.delete(filter)) throw unknown("subscription");
  }

  addOutgoing(session: Session, queued: QueuedMessage): void {
    this.note(`message ${idOfMessage(queued.message)}`);
    this.of(session).outgoing.add(queued);
  }

  changeOutgoing(session: Session, queued: QueuedMessage): void {
    this.note(`exchange ${session.clientId} ${queued.packetId}`);
    if (!this.of(session).outgoing.has(queued)) throw unknown("delivery");
  }

  removeOutgoing(session: Session, queued: QueuedMessage): void {
    this.position++;
    if (!this.of(session).outgoing.delete(queued)) throw unknown("delivery");
  }

  addIncoming(session: Session, packetId: number, message: Message): void {
    this.note(`incoming ${session.clientId} ${packetId}`);
    this.of(session).incoming.set(packetId, message);
  }

  removeIncoming(session: Session, packetId: number): void {
    this.note(`incoming ${session.clientId} ${packetId}`);
    if (!this.of(session).incoming.delete(packetId)) throw unknown("taken-over message");
  }

  putRetained(message: Message): void {
    this.note(`message ${idOfMessage(message)}`);
    this.retained.set(message.topic.name, message);
  }

  removeRetained(message: Message): void {
    this.position++;
    if (!this.retained.delete(message.topic.name)) throw unknown("retained message");
  }

  fetchOutgoing(): void {
    throw unknown("parked queue");
  }

  commit(): void {
    this.committed = this.position;
    // What waits for nothing new waits for nothing.
    if (this.durable === this.committed) this.onDurable(this.durable);
  }

  private note(key: string): void {
    this.position++;
    this.changedAt.set(key, this.position);
  }

  private of(session: Session): StoredSession {
    const stored = this.sessions.get(session.clientId);
    if (stored === undefined) throw unknown("session");
    return stored;
  }
}

function unknown(what: string): Error {
  return new Error(`the store is told of a ${what} that it does not hold`);
}
