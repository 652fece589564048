/**
 * The store without its thread: databases whose rows can be looked at while they are open, and the
 * journal in a world of ours, whose clock stands still and whose disk answers when it is told to.
 *
 *     const world = new JournalWorld();                       // with a database in memory
 *     const session = world.session("reader");
 *     world.send(session, world.message("a/b", "hello"));
 *     world.turn();                                           // the turn ends
 *     world.commit();                                         // the batch under way succeeds
 *     expect(world.rows("client_msgs")).toHaveLength(1);
 */
import { DatabaseSync } from "node:sqlite";
import { queuedOf } from "../../src/broker/durable/restore.ts";
import type { RestoredDelivery, RestoredState } from "../../src/broker/durable/restored.ts";
import type { StoreOwner } from "../../src/broker/durable/store.ts";
import { Message, NO_PROPERTY_BYTES } from "../../src/broker/message.ts";
import { QueuedMessage, Session } from "../../src/broker/session.ts";
import { Deadlines } from "../../src/core/base/deadlines.ts";
import type { Qos } from "../../src/core/codec/packets.ts";
import { ByteReader } from "../../src/store/bytes.ts";
import { Database, type DatabaseOptions } from "../../src/store/database.ts";
import { type FetchRequest, Journal, type JournalParts } from "../../src/store/journal.ts";
import { readMessage, readSession } from "../../src/store/records.ts";
import type { Recovered } from "../../src/store/recovery.ts";
import type { Sqlite, SqliteDatabase, SqliteValue } from "../../src/store/sqlite.ts";

export type Rows = Record<string, SqliteValue>[];

/** Node's module as the store takes it. */
export const SQLITE = { DatabaseSync } as unknown as Sqlite;

/** Node's module, and the last database that was opened with it. */
export class WatchedSqlite implements Sqlite {
  last: SqliteDatabase | null = null;
  readonly DatabaseSync: Sqlite["DatabaseSync"];

  constructor() {
    const watch = (sqlite: SqliteDatabase) => {
      this.last = sqlite;
    };
    this.DatabaseSync = class extends DatabaseSync {
      constructor(path: string, options: object = {}) {
        super(path, options);
        watch(this as unknown as SqliteDatabase);
      }
    } as unknown as Sqlite["DatabaseSync"];
  }
}

/** A database, and a look at its tables. */
export interface OpenStore {
  readonly database: Database;
  readonly sqlite: SqliteDatabase;
}

export function openStore(options: Partial<DatabaseOptions> = {}): OpenStore {
  const module = new WatchedSqlite();
  const path = options.path ?? ":memory:";
  const database = Database.open(module, { path, sync: "off", pageSize: 4096, ...options });
  return { database, sqlite: module.last! };
}

/** Rows of a table or of a SELECT, in the order of their rowid unless it says otherwise. */
export function rowsOf(sqlite: SqliteDatabase, what: string): Rows {
  const sql = /\s/.test(what) ? what : `SELECT rowid, * FROM ${what} ORDER BY rowid`;
  return sqlite
    .prepare(sql)
    .all()
    .map((row) => ({ ...row }));
}

/** What a broker is restored from. */
export function stateOf({ sessions, retained }: Recovered): RestoredState {
  return { sessions: readAll(sessions, readSession), retained: readAll(retained, readMessage) };
}

function readAll<Item>(bytes: Buffer, read: (from: ByteReader) => Item): Item[] {
  const items: Item[] = [];
  for (const from = new ByteReader(Buffer.from(bytes)); !from.isOver; ) items.push(read(from));
  return items;
}

export interface MessageOptions {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly clientId?: string;
  readonly username?: string | null;
  readonly port?: number;
  readonly properties?: Buffer;
  readonly expiresAt?: number;
  readonly packetId?: number;
}

export function messageWith(
  topic: string,
  payload: string | Buffer,
  options: MessageOptions = {},
): Message {
  const bytes = Buffer.from(payload);
  const { qos = 1, retain = false, clientId = "writer", username = null, port = 1883 } = options;
  const message = new Message(
    { name: topic, bytes: Buffer.from(topic) },
    bytes,
    0,
    bytes.length,
    qos,
    retain,
    { clientId, username, port },
    options.properties ?? NO_PROPERTY_BYTES,
    options.expiresAt ?? 0,
    options.packetId ?? (qos === 0 ? 0 : 1),
  );
  message.own();
  return message;
}

type Pending = { readonly batch: Buffer } | { readonly fetch: FetchRequest };

/** Unix milliseconds when the world's clock shows 0: above any store_id that a test makes up. */
export const EPOCH = 1_800_000_000_000;

export class JournalWorld implements StoreOwner {
  readonly deadlines = new Deadlines();
  now = 0;
  readonly epoch = EPOCH;
  readonly journal: Journal;
  readonly store: OpenStore;
  /** What the journal has asked for and has no answer to, oldest first. */
  readonly pending: Pending[] = [];
  /** Batches handed over, the repeated ones too. */
  batches = 0;
  checkpoints = 0;
  rooms = 0;
  /** Every position that was told, in order. */
  readonly told: number[] = [];
  readonly troubles: string[] = [];
  readonly fetched: { readonly session: Session; readonly payloads: string[] }[] = [];
  /** Called at each position that is told. */
  onDurable: (position: number) => void = () => undefined;

  constructor(store: OpenStore = openStore(), parts: Partial<JournalParts> = {}) {
    this.store = store;
    this.journal = new Journal({
      owner: this,
      onDurable: (position) => {
        this.told.push(position);
        this.onDurable(position);
      },
      committer: {
        commit: (batch) => {
          this.batches++;
          this.pending.push({ batch });
        },
        fetch: (fetch) => void this.pending.push({ fetch }),
        checkpoint: () => void this.checkpoints++,
      },
      trouble: {
        onTrouble: (why) => void this.troubles.push(why),
        onMended: () => void this.troubles.push("mended"),
        onUnreadable: (clientId, why) => void this.troubles.push(`${clientId}: ${why}`),
      },
      lastRow: 0,
      lastStoreId: 0,
      ...parts,
    });
  }

  get safe(): number {
    return this.told.at(-1) ?? 0;
  }

  // What the journal asks of the broker.

  onFetched(session: Session, deliveries: readonly RestoredDelivery[]): void {
    session.isFetching = false;
    const payloads = deliveries.map(({ message }) => message.payload.toString());
    this.fetched.push({ session, payloads });
    for (const delivery of deliveries) {
      session.unpark(delivery.qos, delivery.message.payload.length);
      session.outgoing.publish(queuedOf(delivery, this.epoch));
    }
  }

  onRoom(): void {
    this.rooms++;
  }

  // What happens.

  /** The turn ends, `ms` after the one before. */
  turn(ms = 0): void {
    this.now += ms;
    this.deadlines.onTick(this.now);
    this.journal.commit();
  }

  /** The disk answers the oldest question: a batch is safe, or messages are read. */
  commit(): void {
    const pending = this.pending.shift();
    if (pending === undefined) throw new Error("nothing is under way");
    if ("batch" in pending) {
      this.store.database.apply(pending.batch);
      this.journal.onCommitted(pending.batch);
    } else {
      this.journal.onFetched(this.store.database.fetch(pending.fetch));
    }
  }

  /** The disk takes nothing. */
  fail(why: string): void {
    const pending = this.pending.shift();
    if (pending === undefined || !("batch" in pending)) throw new Error("no batch is under way");
    this.journal.onFailed(pending.batch, why);
  }

  /** Lets time pass and the disk work until there is nothing left to do. */
  settle(): void {
    for (let rounds = 0; !this.journal.isIdle || this.pending.length > 0; rounds++) {
      if (rounds > 1_000) throw new Error("the journal does not come to rest");
      if (this.pending.length > 0) this.commit();
      this.turn(1_000);
    }
  }

  rows(what: string): Rows {
    return rowsOf(this.store.sqlite, what);
  }

  count(table: string): number {
    return this.rows(`SELECT count(*) AS count FROM ${table}`)[0]!.count as number;
  }

  // Who and what it is about.

  session(clientId: string, { isLive = false } = {}): Session {
    const session = new Session(
      clientId,
      { clientId, username: null, port: 1883 },
      {
        onSessionExpired: () => undefined,
        onWillDue: () => undefined,
        admits: () => true,
        onSent: () => undefined,
        sendWhenSafe: () => undefined,
        sendPubrel: () => undefined,
        onSettled: () => undefined,
        outgoingLimits: { packetIdMax: 65_535, inflightBytesMax: 0 },
      },
    );
    session.isDurable = true;
    session.expiryInterval = 3600;
    // The journal asks nothing of a connection but whether it lives.
    if (isLive) session.connection = { isLive: true } as unknown as Session["connection"];
    return session;
  }

  message(topic: string, payload: string | Buffer, options: MessageOptions = {}): Message {
    return messageWith(topic, payload, options);
  }

  /** A message is owed to the session; parked where it says so or others are. */
  send(session: Session, message: Message, { isParked = false, qos = message.qos } = {}) {
    const queued = new QueuedMessage(message, qos, false, 0);
    queued.place = ++session.lastPlace;
    if (isParked || session.parked.count > 0) {
      queued.isParked = true;
      session.park(qos, message.payloadSize);
      this.journal.addOutgoing(session, queued);
    } else {
      this.journal.addOutgoing(session, queued);
      session.outgoing.publish(queued);
    }
    return queued;
  }

  /** It was sent, or its PUBREC came. */
  change(session: Session, queued: QueuedMessage, phase: 1 | 2, packetId: number): void {
    queued.phase = phase;
    queued.packetId = packetId;
    this.journal.changeOutgoing(session, queued);
  }

  /** Its acknowledgement came. */
  acknowledge(session: Session, queued: QueuedMessage): void {
    session.outgoing.filterWaiting((other) => other !== queued);
    this.journal.removeOutgoing(session, queued);
  }
}
