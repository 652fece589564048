/**
 * The database itself: opens it, applies batches, reads everything back. Synchronous, for it lives
 * in a thread of its own; SQLite's module is handed in, for not every Node.js has it.
 */
import { CHANGE } from "./batch.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { FetchRequest } from "./journal.ts";
import {
  payloadSizeOf,
  type Recovered,
  recover,
  storeIdOf,
  type WaitingRow,
  writeWaiting,
} from "./recovery.ts";
import type { Contents } from "./rows.ts";
import { LEFT_OVER, SCHEMA_COMPONENT, SCHEMA_VERSION, SQL, TABLES } from "./schema.ts";
import { number, type Sqlite, type SqliteDatabase } from "./sqlite.ts";
import { unreadable } from "./sqlite-errors.ts";
import {
  addBase,
  addMessage,
  importRows,
  putClient,
  Statements,
  stringColumn,
} from "./statements.ts";
import { UnreadableDatabase } from "./unreadable.ts";

export interface DatabaseOptions {
  readonly path: string;
  readonly sync: "extra" | "full" | "normal" | "off";
  /** Bytes; counts for a database that is made now. */
  readonly pageSize: number;
}

/** Milliseconds that another program may keep the database before we give up at the start. */
const BUSY_MS = 2_000;
/** Memory for pages. The ends of all indexes should be in it. */
const CACHE_KIB = 16_384;
/** Pages of the write-ahead log that make SQLite write them into the database. */
const CHECKPOINT_PAGES = 4_000;

export class Database {
  private readonly sqlite: SqliteDatabase;
  private readonly statements: Statements;
  private readonly out = new ByteWriter();

  private constructor(sqlite: SqliteDatabase) {
    this.sqlite = sqlite;
    this.statements = new Statements(sqlite);
  }

  /**
   * Opens the database, or makes one. Nobody else has it until it is closed.
   *
   * @throws {UnreadableDatabase} It is another schema's, somebody has it, or it cannot be read.
   */
  static open(module: Sqlite, options: DatabaseOptions): Database {
    let sqlite: SqliteDatabase | null = null;
    try {
      sqlite = new module.DatabaseSync(options.path);
      sqlite.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      // Before the first look at it: two brokers with one database would undo each other.
      sqlite.exec("PRAGMA locking_mode = EXCLUSIVE");
      const isNew = sqlite.prepare("SELECT 1 FROM sqlite_master LIMIT 1").get() === undefined;
      if (isNew) sqlite.exec(`PRAGMA page_size = ${options.pageSize}`);
      else checkVersion(sqlite);
      sqlite.exec("PRAGMA journal_mode = WAL");
      sqlite.exec(`PRAGMA synchronous = ${options.sync}`);
      sqlite.exec("PRAGMA foreign_keys = ON");
      sqlite.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
      sqlite.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      // Takes the lock, and finds out whether it may be written.
      sqlite.exec("BEGIN IMMEDIATE");
      makeTables(sqlite);
      sqlite.exec("COMMIT");
      sqlite.exec("PRAGMA busy_timeout = 0");
      return new Database(sqlite);
    } catch (error) {
      closeQuietly(sqlite);
      throw unreadable(error);
    }
  }

  /** All that a batch says, or nothing of it. @throws What SQLite says. */
  apply(batch: Buffer): void {
    const { sqlite } = this;
    sqlite.exec("BEGIN IMMEDIATE");
    try {
      const reader = new ByteReader(batch);
      while (!reader.isOver) this.applyChange(reader);
      this.statements.flush();
      sqlite.exec("COMMIT");
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  /** The next messages of a queue, as `records.ts` writes deliveries. */
  fetch({ clientId, after, max, bytesMax }: FetchRequest): Buffer {
    const { out } = this;
    const rows: WaitingRow[] = [];
    let bytes = 0;
    for (const row of this.statements.fetch.iterate(clientId, after, max)) {
      rows.push(row);
      bytes += payloadSizeOf(row);
      if (bytes >= bytesMax) break;
    }
    const isShared = this.areShared(rows);
    for (const row of rows) writeWaiting(out, row, isShared);
    return out.take();
  }

  /** Whether anybody else may be owed one of these messages, or retain it. */
  private areShared(rows: readonly WaitingRow[]): boolean {
    const { rowsOfIds } = this.statements;
    const ids = rows.map(storeIdOf);
    const [first, last] = [ids[0], ids.at(-1)];
    if (typeof first !== "number" || typeof last !== "number") return true;
    // Two of the rows may name the same one: overlapping subscriptions.
    if (ids.some((id, at) => at > 0 && id <= ids[at - 1]!)) return true;
    // They are as many as the rows that name one of them, unless others do, too.
    return number(rowsOfIds.get(first, last, first, last)?.count) !== rows.length;
  }

  /** Everything there is but what queues hold back. */
  recover(): Recovered {
    const { sqlite } = this;
    // Undone when the rest cannot be read: what a damaged database has may not be what it had.
    sqlite.exec("BEGIN IMMEDIATE");
    try {
      // What a crash of another program may have left: rows of nobody.
      for (const sql of LEFT_OVER) sqlite.exec(sql);
      sqlite.exec(SQL.removeAllUnusedBases);
      const recovered = recover(sqlite);
      sqlite.exec("COMMIT");
      return recovered;
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  /** Writes what another database had into this one, which is empty. */
  import(contents: Contents): void {
    const { sqlite } = this;
    sqlite.exec("BEGIN IMMEDIATE");
    try {
      importRows(this.statements, contents);
      sqlite.exec("COMMIT");
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  /** Whether nothing was ever written to it. */
  get isEmpty(): boolean {
    const tables = ["clients", "base_msgs", "retains"];
    return tables.every(
      (table) => this.sqlite.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined,
    );
  }

  /** Writes the write-ahead log into the database file. */
  checkpoint(): void {
    this.sqlite.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** One file is left, with everything in it. */
  close(): void {
    this.sqlite.close();
  }

  private applyChange(from: ByteReader): void {
    const { statements } = this;
    const change = from.byte();
    if (change === CHANGE.addBase) {
      addBase(statements, from);
    } else if (change === CHANGE.addMessage) {
      addMessage(statements, from);
    } else {
      // What follows may be about the rows that wait.
      statements.flush();
      this.applyRareChange(change, from);
    }
  }

  private applyRareChange(change: number, from: ByteReader): void {
    const { statements } = this;
    switch (change) {
      case CHANGE.changeMessage: {
        const row = from.integer();
        const state = from.byte();
        // What has been sent is a repeat when it is sent after a restart.
        statements.changeMessage.run(state, from.uint(), 1, row);
        break;
      }
      case CHANGE.removeMessages:
        statements.removeMessages.run(from.integer(), from.integer());
        break;
      case CHANGE.removeBases: {
        const first = from.storeId();
        const last = from.storeId();
        const isShared = from.byte() === 1;
        if (isShared) statements.removeUnusedBases.run(first, last);
        else statements.removeBases.run(first, last);
        break;
      }
      case CHANGE.putRetain:
        statements.putRetain.run(stringColumn(from.string()), from.storeId());
        break;
      case CHANGE.removeRetain:
        statements.removeRetain.run(stringColumn(from.string()));
        break;
      case CHANGE.putSubscription:
        statements.putSubscription.run(from.string(), from.string(), from.byte(), from.uint());
        break;
      case CHANGE.removeSubscription:
        statements.removeSubscription.run(from.string(), from.string());
        break;
      case CHANGE.putClient:
        putClient(statements, from);
        break;
      case CHANGE.removeClient:
        this.removeClient(from.string(), from.byte() === 1);
        break;
      default:
        throw new Error("a batch holds a change that nobody knows");
    }
  }

  private removeClient(clientId: string, hasParked: boolean): void {
    const { statements } = this;
    const ids = hasParked ? statements.storeIdsOfClient.all(clientId) : [];
    statements.removeClientMessages.run(clientId);
    for (const row of ids) {
      const id = row.store_id!;
      statements.removeUnusedBases.run(id, id);
    }
    statements.removeClientSubscriptions.run(clientId);
    statements.removeWill.run(clientId);
    statements.removeClient.run(clientId);
  }

  private rollBack(): void {
    this.statements.clear();
    try {
      this.sqlite.exec("ROLLBACK");
    } catch {
      // Some errors have rolled back already.
    }
  }
}

// Opening.

function makeTables(sqlite: SqliteDatabase): void {
  for (const sql of TABLES) sqlite.exec(sql);
  const select = "SELECT 1 FROM version_info WHERE component = ?";
  if (sqlite.prepare(select).get(SCHEMA_COMPONENT) !== undefined) return;
  sqlite
    .prepare("INSERT INTO version_info (component,major,minor,patch) VALUES (?,?,?,?)")
    .run(SCHEMA_COMPONENT, ...SCHEMA_VERSION);
}

/** @throws {UnreadableDatabase} It is of another version, or somebody else's altogether. */
function checkVersion(sqlite: SqliteDatabase): void {
  const sql = "SELECT 1 FROM pragma_table_info('version_info') WHERE name = 'component'";
  const has = sqlite.prepare(sql).get();
  const row =
    has && sqlite.prepare("SELECT * FROM version_info WHERE component = ?").get(SCHEMA_COMPONENT);
  if (row === undefined) {
    throw new UnreadableDatabase("notDatabase", "it is no broker's database");
  }
  const version = [row.major, row.minor, row.patch].map(number).join(".");
  if (version === SCHEMA_VERSION.join(".")) return;
  throw new UnreadableDatabase(
    "unsupportedVersion",
    `its schema is ${version}, and this broker knows ${SCHEMA_VERSION.join(".")} alone`,
  );
}

function closeQuietly(sqlite: SqliteDatabase | null): void {
  try {
    sqlite?.close();
  } catch {
    // It is the first error that counts.
  }
}
