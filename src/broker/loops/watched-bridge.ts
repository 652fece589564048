/**
 * A bridge connection as the watch over loops sees it: where messages may come round from, and
 * where they may leave to do so.
 *
 * Hot path. Budget: what goes to a bridge costs a look-up of who sent it, and a digest where that
 * is a bridge as well or it is on a topic that loops. What goes to anybody else costs nothing.
 */
import type { Connection } from "../connection.ts";
import type { Message, Source } from "../message.ts";
import type { Excess, Session } from "../session.ts";
import type { Echoes } from "./echoes.ts";
import type { Patience } from "./patience.ts";

/** Who watches. */
export interface Watch {
  /** Whether `message` may go out by `to`; it may not if it is an echo. */
  admits(message: Message, to: WatchedBridge): boolean;
  /** A message has been written to what `by` sends, or to what it holds. */
  onSent(message: Message, by: WatchedBridge): void;
  isBridge(source: Source): boolean;
}

export class WatchedBridge {
  readonly connection: Connection;
  readonly session: Session;
  /** Tells it from all others there have been. */
  readonly number: number;
  readonly echoes: Echoes<WatchedBridge>;
  readonly patience: Patience;
  /** By topic, the bridges by which comes back what goes out by this one. */
  readonly loops = new Map<string, Set<WatchedBridge>>();
  private readonly watch: Watch;
  private isOnTrial = false;

  constructor(
    watch: Watch,
    connection: Connection,
    session: Session,
    number: number,
    echoes: Echoes<WatchedBridge>,
    patience: Patience,
  ) {
    this.watch = watch;
    this.connection = connection;
    this.session = session;
    this.number = number;
    this.echoes = echoes;
    this.patience = patience;
  }

  /** As the log shows it. */
  get name(): string {
    return this.session.clientId;
  }

  get isHeld(): boolean {
    return this.isOnTrial;
  }

  /** Bytes that wait because messages to it are held, with some for each message's keeping. */
  get heldBytes(): number {
    const { waitingBytes, waitingCount } = this.session;
    return this.connection.outlet.heldBytes + waitingBytes + waitingCount * KEEPING_BYTES;
  }

  /** Whether `message` may go out by it. */
  admits(message: Message): boolean {
    return this.watch.admits(message, this);
  }

  /** Whether messages of `source` may go out by it unseen. */
  takesRuns(source: Source): boolean {
    return !this.isOnTrial && this.loops.size === 0 && !this.watch.isBridge(source);
  }

  onSent(message: Message): void {
    this.watch.onSent(message, this);
  }

  /** Holds what goes out by it. */
  hold(): void {
    this.isOnTrial = true;
    this.session.excess = ANY;
    this.connection.outlet.hold();
    this.look();
  }

  /** Sends what was held. */
  release(): void {
    this.isOnTrial = false;
    this.keepExcess();
    this.connection.outlet.release();
    this.look();
  }

  /** Sends what was held, and holds what comes next. */
  pulse(): void {
    this.connection.outlet.release();
    this.connection.outlet.hold();
  }

  /** What goes out on `topic` comes back by `origin`. */
  addLoop(topic: string, origin: WatchedBridge): void {
    const origins = this.loops.get(topic);
    if (origins === undefined) this.loops.set(topic, new Set([origin]));
    else origins.add(origin);
    this.look();
  }

  dropLoop(topic: string, origin: WatchedBridge): void {
    const origins = this.loops.get(topic);
    if (origins?.delete(origin) && origins.size === 0) this.loops.delete(topic);
    this.look();
  }

  /** It is watched no longer: its connection is over. */
  close(): void {
    if (this.isOnTrial) this.keepExcess();
    this.isOnTrial = false;
    this.loops.clear();
    this.look();
    if (this.session.watched === this) this.session.watched = null;
  }

  /** What has gathered meanwhile must not push out what comes next. */
  private keepExcess(): void {
    const { waitingCount, waitingBytes } = this.session;
    const isAny = waitingCount > 0;
    this.session.excess = isAny ? { messages: waitingCount, bytes: waitingBytes } : null;
  }

  /** What is sent is looked at where something depends on it. */
  private look(): void {
    const isNeeded = this.isOnTrial || this.loops.size > 0;
    this.connection.outlet.watched = isNeeded ? this : null;
  }
}

const ANY: Excess = { messages: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

/** About what a message costs beside its payload while it waits. */
const KEEPING_BYTES = 256;
