/**
 * What must last, on its way to the database: gathers the broker's changes, hands them over as
 * batches, and says what is safe.
 *
 * One batch is with the database at a time; what comes meanwhile waits for the next. A message
 * whose recipients have all acknowledged it before its batch left is not written: so messages to
 * clients that are there wait a moment for their answers, unless something that will not be
 * answered stands behind them. What nobody waits for (that a message is settled, that QoS 1 was
 * sent) goes along with the rest.
 *
 * Pure and synchronous: whoever runs the database is the `Committer`. A batch that fails is handed
 * over again, after a while, until it succeeds; nothing in it or behind it counts as safe before.
 *
 * Hot path. Budget: two slots in arrays for a message and its recipient, nothing when both are
 * gone before the batch leaves.
 */

import type { OnDurable, Store, StoreOwner } from "../broker/durable/store.ts";
import type { Message } from "../broker/message.ts";
import type { QueuedMessage, Session, Subscription } from "../broker/session.ts";
import type { Deadline } from "../core/base/deadlines.ts";
import { BatchWriter, type ClientState } from "./batch.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { Changes } from "./changes.ts";
import { readDelivery } from "./records.ts";
import type { StoreId } from "./rows.ts";
import { forRanges, StoreIds } from "./store-ids.ts";

/** What a journal waits for and bounds itself by; tests shrink them. */
export interface JournalLimits {
  /** Milliseconds that messages to clients which are there wait to be acknowledged. */
  readonly answerMs: number;
  /** Clients that take longer than these milliseconds, as a rule, are not waited for. */
  readonly promptMs: number;
  /** Milliseconds that changes nobody waits for wait for company. */
  readonly companyMs: number;
  /** Milliseconds until a batch that failed is tried again. */
  readonly retryMs: number;
  /** Changes in a batch, unless one turn alone makes more: writing them down holds the loop. */
  readonly changesMax: number;
  /** Payload bytes that wait to be written before the journal says that it is full. */
  readonly bytesMax: number;
  /** More changes than these that are settled are forgotten. */
  readonly compactAt: number;
  /** Changes that may wait. */
  readonly waitingMax: number;
  /** A fetch brings no more messages than this. */
  readonly fetchMax: number;
  /** It ends behind the payload that exceeds these bytes. */
  readonly fetchBytesMax: number;
}

const LIMITS: JournalLimits = {
  answerMs: 40,
  promptMs: 20,
  companyMs: 20,
  retryMs: 1_000,
  changesMax: 4_096,
  compactAt: 4_096,
  bytesMax: 16 * 1024 * 1024,
  waitingMax: 65_536,
  fetchMax: 1_000,
  fetchBytesMax: 1024 * 1024,
};

/** The next messages of one session's queue. */
export interface FetchRequest {
  readonly clientId: string;
  /** Row behind which they stand. */
  readonly after: number;
  readonly max: number;
  readonly bytesMax: number;
}

/** Where batches go. It answers later, each call in its turn. */
export interface Committer {
  /** Answered by `onCommitted` or `onFailed`. The bytes are the committer's until then. */
  commit(batch: Buffer): void;
  /** Answered by `onFetched`. */
  fetch(request: FetchRequest): void;
  /** The write-ahead log is to go into the database file. */
  checkpoint(): void;
}

/** Told when the database stops and when it starts to take changes. */
export interface Trouble {
  /** @param why What the database said. */
  onTrouble(why: string): void;
  onMended(): void;
  /** What is queued for a client cannot be read; said once, until it can. */
  onUnreadable(clientId: string, why: string): void;
}

const KIND = {
  putSession: 1,
  removeSession: 2,
  putSubscription: 3,
  removeSubscription: 4,
  addOutgoing: 5,
  changeOutgoing: 6,
  addIncoming: 7,
  removeIncoming: 8,
  putRetained: 9,
  removeRetained: 10,
  /** One that a later one makes unnecessary, at the position noted, and not safe before that. */
  superseded: 11,
} as const;

interface Ended {
  readonly clientId: string;
  readonly hasParked: boolean;
  /** Messages of whose rows one goes with it, each as often as it has rows there. */
  readonly messages: readonly Message[];
}
interface Retention {
  readonly message: Message;
  /** What it takes the place of, where that has a row. */
  readonly previous: Message | null;
}
interface SubscriptionChange {
  readonly session: Session;
  readonly subscription: Subscription;
}
interface Unsubscribed {
  readonly clientId: string;
  readonly filter: string;
}
interface OutgoingChange {
  readonly session: Session;
  readonly queued: QueuedMessage;
}

export interface JournalParts {
  readonly owner: StoreOwner;
  readonly onDurable: OnDurable;
  readonly committer: Committer;
  readonly trouble: Trouble;
  /** The highest in the database. */
  readonly lastRow: number;
  readonly lastStoreId: StoreId;
  readonly limits?: Partial<JournalLimits>;
}

export class Journal implements Store {
  readonly parks = true;
  private readonly owner: StoreOwner;
  private readonly onDurable: OnDurable;
  private readonly committer: Committer;
  private readonly trouble: Trouble;
  private readonly ids: StoreIds;
  private readonly limits: JournalLimits;
  private lastRow: number;

  /** Those that something waits for. */
  private readonly changes: Changes<Session>;
  /** Whether one of them is waited for by somebody who will not stop waiting. */
  private isUrgent = false;
  /** Payload bytes in them, and in the batch under way. */
  private waitingBytes = 0;

  /** Rows of deliveries that are over, messages that lost a row, deliveries of QoS 1 just sent. */
  private settledRows: number[] = [];
  private released: Message[] = [];
  private sent: QueuedMessage[] = [];
  /** Messages in the batch being written whose rows are in no memory from then on. */
  private readonly parked: Message[] = [];

  private readonly writer = new ByteWriter();
  private readonly batch = new BatchWriter(this.writer);
  /** The batch that is with the committer, and the position before it. */
  private inFlight: Buffer | null = null;
  /** Its size: the committer may have taken the memory away. */
  private inFlightBytes = 0;
  private safe = 0;
  private isFailing = false;
  /** Whether somebody may wait for room. */
  private wasFull = false;
  private readonly departure: Deadline;
  private readonly retry: Deadline;
  /** Sessions that wait for the rest of their queue; the first one's request is under way. */
  private readonly fetches: { readonly session: Session; readonly position: number }[] = [];
  private fetching: Session | null = null;
  /** Those whose messages could not be read when they were asked for. */
  private readonly unreadable = new WeakSet<Session>();

  constructor(parts: JournalParts) {
    this.owner = parts.owner;
    this.onDurable = parts.onDurable;
    this.committer = parts.committer;
    this.trouble = parts.trouble;
    this.lastRow = parts.lastRow;
    this.ids = new StoreIds(parts.lastStoreId);
    this.limits = { ...LIMITS, ...parts.limits };
    this.changes = new Changes(this.limits.compactAt);
    this.departure = { at: 0, place: -1, onDeadline: () => this.depart() };
    this.retry = { at: 0, place: -1, onDeadline: () => this.tryAgain() };
  }

  get position(): number {
    return this.changes.position;
  }

  get isFull(): boolean {
    const { bytesMax, waitingMax } = this.limits;
    if (this.waitingBytes + this.inFlightBytes > bytesMax) return true;
    return this.changes.count > waitingMax;
  }

  /** Whether everything it was told is safe. */
  get isIdle(): boolean {
    return this.inFlight === null && !this.hasChanges;
  }

  private get hasChanges(): boolean {
    return this.changes.count > 0 || this.hasSettled;
  }

  /** Whether there are changes that nobody waits for. */
  private get hasSettled(): boolean {
    return this.settledRows.length > 0 || this.released.length > 0 || this.sent.length > 0;
  }

  // What the broker tells.

  putSession(session: Session): void {
    this.note(KIND.putSession, this.stateOf(session), null);
  }

  removeSession(session: Session): void {
    const { clientId, parked, outgoing, incoming } = session;
    const messages: Message[] = [];
    for (const queued of outgoing.deliveries()) {
      if (queued.addedAt > 0) this.removeOutgoing(session, queued);
      else if (queued.row > 0) messages.push(queued.message);
      queued.row = 0;
    }
    for (const [, message] of incoming.entries()) {
      if (message.stored.incomingAt > 0) this.dropIncoming(message);
      else if (message.stored.incomingRow > 0) messages.push(message);
      message.store().incomingRow = 0;
    }
    const ended: Ended = { clientId, hasParked: parked.count > 0, messages };
    this.note(KIND.removeSession, ended, null);
  }

  putSubscription(session: Session, subscription: Subscription): void {
    const change: SubscriptionChange = { session, subscription };
    this.note(KIND.putSubscription, change, null);
  }

  removeSubscription({ clientId }: Session, filter: string): void {
    const change: Unsubscribed = { clientId, filter };
    this.note(KIND.removeSubscription, change, null);
  }

  addOutgoing(session: Session, queued: QueuedMessage): void {
    queued.row = ++this.lastRow;
    const { now } = this.owner;
    const isSent = session.connection?.isLive === true && !queued.isParked;
    // A client that is there is about to answer, if it has been quick before; one that is far away
    // would only make its publishers wait.
    const isAnswered =
      isSent && queued.qos === 1 && session.answerTime.isWithin(this.limits.promptMs, now);
    if (isSent) session.answerTime.onAdded(queued, now);
    this.waitingBytes += queued.message.payloadSize;
    queued.addedAt = this.note(KIND.addOutgoing, queued, session, !isAnswered);
    if (queued.isParked) session.parkedAt = queued.addedAt;
    else session.fetchAfter = queued.row;
  }

  changeOutgoing(session: Session, queued: QueuedMessage): void {
    // Its adding is still to be written, and will say it.
    if (queued.addedAt > 0) return;
    if (queued.qos === 2) {
      const change: OutgoingChange = { session, queued };
      this.note(KIND.changeOutgoing, change, null);
    } else if (!queued.isChanged) {
      queued.isChanged = true;
      this.sent.push(queued);
    }
  }

  removeOutgoing(session: Session, queued: QueuedMessage): void {
    const { addedAt, message } = queued;
    session.answerTime.onSettled(queued, this.owner.now);
    if (addedAt > 0) {
      queued.addedAt = 0;
      queued.row = 0;
      this.waitingBytes -= message.payloadSize;
      this.changes.cancel(addedAt);
      return;
    }
    if (queued.row === 0) return;
    this.settledRows.push(queued.row);
    queued.row = 0;
    this.release(message);
  }

  addIncoming(session: Session, _packetId: number, message: Message): void {
    const stored = message.store();
    stored.incomingRow = ++this.lastRow;
    this.waitingBytes += message.payloadSize;
    stored.incomingAt = this.note(KIND.addIncoming, message, session);
  }

  removeIncoming(_session: Session, _packetId: number, message: Message): void {
    if (message.stored.incomingAt > 0) this.dropIncoming(message);
    else this.note(KIND.removeIncoming, message, null);
  }

  putRetained(message: Message, previous: Message | undefined): void {
    const retention: Retention = { message, previous: this.takeRetained(previous) };
    this.waitingBytes += message.payloadSize;
    message.store().retainedAt = this.note(KIND.putRetained, retention, null);
  }

  removeRetained(message: Message): void {
    const retention: Retention = { message, previous: this.takeRetained(message) };
    this.note(KIND.removeRetained, retention, null);
  }

  fetchOutgoing(session: Session): void {
    this.fetches.push({ session, position: session.parkedAt });
    this.fetchNext();
  }

  commit(): void {
    this.changes.endTurn(this.owner.now);
    this.tellSafe();
    this.schedule();
    this.fetchNext();
  }

  // What the committer tells.

  onCommitted(bytes: Buffer): void {
    this.inFlight = null;
    this.inFlightBytes = 0;
    this.writer.reuse(bytes);
    if (this.isFailing) {
      this.isFailing = false;
      this.trouble.onMended();
    }
    this.tellSafe();
    this.schedule();
    this.fetchNext();
    if (!this.wasFull || this.isFull) return;
    this.wasFull = false;
    this.owner.onRoom();
  }

  onFailed(bytes: Buffer, why: string): void {
    this.inFlight = bytes;
    if (!this.isFailing) {
      this.isFailing = true;
      this.trouble.onTrouble(why);
    }
    this.owner.deadlines.set(this.retry, this.owner.now + this.limits.retryMs);
  }

  /** @param bytes Deliveries as `records.ts` writes them. */
  onFetched(bytes: Buffer): void {
    const session = this.fetching;
    this.fetching = null;
    if (session === null) throw new Error("nothing was asked of the database");
    const deliveries = [];
    for (const reader = new ByteReader(bytes); !reader.isOver; ) {
      deliveries.push(readDelivery(reader));
    }
    const last = deliveries.at(-1);
    if (last !== undefined) session.fetchAfter = last.row;
    this.unreadable.delete(session);
    this.owner.onFetched(session, deliveries);
    this.fetchNext();
  }

  /** What was asked for cannot be read: it is asked for again after a while, behind the others. */
  onUnfetched(why: string): void {
    const session = this.fetching;
    this.fetching = null;
    if (session === null) throw new Error("nothing was asked of the database");
    if (!this.unreadable.has(session)) this.trouble.onUnreadable(session.clientId, why);
    this.unreadable.add(session);
    const again: Deadline = {
      at: 0,
      place: -1,
      onDeadline: () => this.fetchOutgoing(session),
    };
    this.owner.deadlines.set(again, this.owner.now + this.limits.retryMs);
    this.fetchNext();
  }

  /** The write-ahead log goes into the database file. */
  checkpoint(): void {
    this.committer.checkpoint();
  }

  /** Hands over what there is, whether somebody waits for it or not: the broker stops. */
  finish(): void {
    this.isUrgent = true;
    if (this.inFlight === null && this.hasChanges) this.depart();
  }

  // Positions.

  /** @returns Its position. */
  private note(kind: number, subject: unknown, session: Session | null, urgent = true): number {
    const position = this.changes.note(kind, subject, session);
    if (urgent) this.isUrgent = true;
    if (this.isFull) this.wasFull = true;
    return position;
  }

  private tellSafe(): void {
    // What waited may go on and note changes that are gone at once, or none.
    for (let told = -1; ; ) {
      if (this.inFlight === null) this.safe = this.changes.settled;
      if (this.safe === told) return;
      told = this.safe;
      this.onDurable(told);
    }
  }

  // Batches.

  /** Sends a batch off, now or when it is time. */
  private schedule(): void {
    if (this.inFlight !== null || !this.hasChanges) return;
    const { owner, departure } = this;
    if (this.changes.count > 0 && (this.isUrgent || this.isFull)) {
      this.depart();
      return;
    }
    const since = this.changes.oldest;
    const at =
      since === undefined ? owner.now + this.limits.companyMs : since + this.limits.answerMs;
    if (departure.place < 0 || at < departure.at) owner.deadlines.set(departure, at);
  }

  private depart(): void {
    this.owner.deadlines.cancel(this.departure);
    if (this.inFlight !== null || !this.hasChanges) return;
    const { changes } = this;
    const end = this.endOfBatch();
    if (end <= changes.settled && !this.hasSettled) {
      // All that was old enough has been answered.
      this.schedule();
      return;
    }
    this.safe = changes.settled;
    changes.take(end, (kind, subject, session) => this.write(kind, subject, session));
    if (changes.count === 0) this.isUrgent = false;
    this.writeSettled();
    this.forgetParked();
    this.inFlight = this.writer.take();
    this.inFlightBytes = this.inFlight.length;
    this.committer.commit(this.inFlight);
  }

  /** The position up to which the next batch goes: an end of a turn, so that no turn is torn. */
  private endOfBatch(): number {
    const { changes, limits } = this;
    if (!this.isUrgent && !this.isFull) {
      return changes.endBefore(this.owner.now - limits.answerMs);
    }
    const end = changes.endWithin(limits.changesMax);
    return this.promisesMore(end) ? changes.position : end;
  }

  /** Whether a batch up to `end` would make safe what has to be written behind it. */
  private promisesMore(end: number): boolean {
    let more = false;
    this.changes.forEach(end, (kind, subject) => {
      if (kind === KIND.superseded) {
        if ((subject as number) > end) more = true;
      } else if (kind === KIND.addOutgoing) {
        // It would be taken up before one that was sent first, which is still to be noted.
        const { qos, packetId } = subject as QueuedMessage;
        if (qos === 2 && packetId > 0) more = true;
      }
    });
    return more;
  }

  private tryAgain(): void {
    if (this.inFlight !== null) this.committer.commit(this.inFlight);
  }

  private write(kind: number, subject: unknown, session: Session | null): void {
    switch (kind) {
      case KIND.addOutgoing:
        this.writeOutgoing(session!, subject as QueuedMessage);
        break;
      case KIND.changeOutgoing: {
        const { queued } = subject as OutgoingChange;
        if (queued.row > 0) this.batch.changeOutgoing(queued);
        break;
      }
      case KIND.addIncoming:
        this.writeIncoming(session!, subject as Message);
        break;
      case KIND.removeIncoming:
        this.writeReleased(subject as Message);
        break;
      case KIND.putRetained:
        this.writeRetained(subject as Retention);
        break;
      case KIND.removeRetained: {
        const { message, previous } = subject as Retention;
        this.batch.removeRetain(message.topic.bytes);
        if (previous !== null) this.release(previous);
        break;
      }
      case KIND.superseded:
        break;
      default:
        this.writeSession(kind, subject);
    }
  }

  private writeSession(kind: number, subject: unknown): void {
    const { batch } = this;
    if (kind === KIND.putSession) {
      batch.putClient(subject as ClientState);
    } else if (kind === KIND.removeSession) {
      const { clientId, hasParked, messages } = subject as Ended;
      batch.removeClient(clientId, hasParked);
      for (const message of messages) this.release(message);
      if (hasParked) this.writeParkedEnd();
    } else if (kind === KIND.putSubscription) {
      const { session, subscription } = subject as SubscriptionChange;
      batch.putSubscription(session.clientId, subscription);
    } else {
      const { clientId, filter } = subject as Unsubscribed;
      batch.removeSubscription(clientId, filter);
    }
  }

  private writeOutgoing(session: Session, queued: QueuedMessage): void {
    const { clientId } = session;
    const { message } = queued;
    queued.addedAt = 0;
    this.waitingBytes -= message.payloadSize;
    this.writeBase(message);
    this.batch.addOutgoing(clientId, queued);
    if (!queued.isParked) return;
    // It leaves memory, and its row is known to the database alone, when this batch is written.
    message.store().isShared = true;
    this.parked.push(message);
  }

  private writeIncoming({ clientId }: Session, message: Message): void {
    message.store().incomingAt = 0;
    this.waitingBytes -= message.payloadSize;
    this.writeBase(message);
    this.batch.addIncoming(clientId, message);
  }

  private writeReleased(message: Message): void {
    const { incomingRow } = message.stored;
    if (incomingRow === 0) return;
    message.store().incomingRow = 0;
    this.batch.removeMessages(incomingRow, incomingRow);
    this.release(message);
  }

  private writeRetained({ message, previous }: Retention): void {
    message.store().retainedAt = 0;
    this.waitingBytes -= message.payloadSize;
    this.writeBase(message);
    this.batch.putRetain(message);
    if (previous !== null) this.release(previous);
  }

  /** One more row names the message, which is written with the first of them. */
  private writeBase(message: Message): void {
    const stored = message.store();
    stored.rows++;
    if (stored.storeId !== 0) return;
    const { epoch, now } = this.owner;
    stored.storeId = this.ids.next(epoch + now);
    const { expiresAt } = message;
    this.batch.addBase(message, expiresAt === 0 ? 0 : Math.ceil((epoch + expiresAt) / 1000));
  }

  /**
   * Which messages went with what had left memory, the database alone knows: one of them that comes
   * again is written anew.
   */
  private writeParkedEnd(): void {
    for (const message of this.parked) this.release(message);
    this.parked.length = 0;
    this.writeSettled();
  }

  /** Messages that left memory keep their name only while another row is known. */
  private forgetParked(): void {
    for (const message of this.parked) {
      const stored = message.store();
      if (--stored.rows > 0) continue;
      stored.storeId = 0;
      stored.isShared = false;
    }
    this.parked.length = 0;
  }

  /** What nobody waits for. */
  private writeSettled(): void {
    for (const queued of this.sent) {
      queued.isChanged = false;
      if (queued.row > 0) this.batch.changeOutgoing(queued);
    }
    this.sent.length = 0;
    forRanges(this.settledRows, (first, last) => this.batch.removeMessages(first, last));
    this.settledRows.length = 0;
    const owned: number[] = [];
    for (const message of this.released) {
      const stored = message.store();
      const { storeId, isShared } = stored;
      if (stored.rows > 0 || storeId === 0) continue;
      stored.storeId = 0;
      stored.isShared = false;
      if (isShared || typeof storeId === "bigint") this.batch.removeBases(storeId, storeId, true);
      else owned.push(storeId);
    }
    this.released.length = 0;
    forRanges(owned, (first, last) => this.batch.removeBases(first, last, false));
  }

  /** As it is now: its Will must not be gone in a batch before the message that it became. */
  private stateOf(session: Session): ClientState {
    const { clientId, source, expiryInterval, will } = session;
    const { epoch, now } = this.owner;
    const seconds = (deadline: Deadline | null) =>
      deadline === null || deadline.place < 0 ? 0 : Math.ceil((epoch + deadline.at) / 1000);
    return {
      clientId,
      username: source.username,
      port: source.port,
      expiryInterval,
      will,
      now: Math.floor((epoch + now) / 1000),
      willDelayTime: seconds(session.willDelay),
      sessionExpiryTime: seconds(session.expiry),
    };
  }

  /** A row that named the message is gone, or goes in the batch being written. */
  private release(message: Message): void {
    if (--message.store().rows === 0) this.released.push(message);
  }

  private dropIncoming(message: Message): void {
    const stored = message.store();
    if (stored.incomingAt > 0) {
      this.waitingBytes -= message.payloadSize;
      this.changes.cancel(stored.incomingAt);
      stored.incomingAt = 0;
      stored.incomingRow = 0;
    } else if (stored.incomingRow > 0) {
      this.settledRows.push(stored.incomingRow);
      stored.incomingRow = 0;
      this.release(message);
    }
  }

  /**
   * Another message, or none, is its topic's retained one now.
   *
   * @returns The message whose row goes with that, null where there is none.
   */
  private takeRetained(previous: Message | undefined): Message | null {
    if (previous === undefined) return null;
    const { retainedAt } = previous.stored;
    if (retainedAt === 0) return previous;
    previous.store().retainedAt = 0;
    this.waitingBytes -= previous.payloadSize;
    const { previous: stored } = this.changes.subjectAt(retainedAt) as Retention;
    this.changes.replace(retainedAt, KIND.superseded, this.position + 1);
    // What it was to take the place of still has its row.
    return stored;
  }

  // Queues that left memory.

  private fetchNext(): void {
    const next = this.fetches[0];
    if (this.fetching !== null || next === undefined) return;
    const { session, position } = next;
    if (position > this.safe) return;
    this.fetches.shift();
    this.fetching = session;
    this.committer.fetch({
      clientId: session.clientId,
      after: session.fetchAfter,
      max: this.limits.fetchMax,
      bytesMax: this.limits.fetchBytesMax,
    });
  }
}
