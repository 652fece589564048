/** Reads what can be read of a damaged database, from both ends of each table, into a new one. */
import { copyFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { Database, type DatabaseOptions } from "./database.ts";
import type { Sqlite, SqliteDatabase, SqliteValue } from "./sqlite.ts";

export interface Saved {
  readonly rows: number;
  /** Tables that could not be read to their end. */
  readonly tables: number;
}

const TABLES: Readonly<Record<string, readonly string[]>> = {
  clients: [
    "client_id",
    "username",
    "connection_time",
    "will_delay_time",
    "session_expiry_time",
    "listener_port",
    "max_packet_size",
    "max_qos",
    "retain_available",
    "session_expiry_interval",
    "will_delay_interval",
  ],
  subscriptions: ["client_id", "topic", "subscription_options", "subscription_identifier"],
  base_msgs: [
    "store_id",
    "expiry_time",
    "topic",
    "payload",
    "source_id",
    "source_username",
    "payloadlen",
    "source_mid",
    "source_port",
    "qos",
    "retain",
    "properties",
  ],
  client_msgs: [
    "client_id",
    "cmsg_id",
    "store_id",
    "dup",
    "direction",
    "mid",
    "qos",
    "retain",
    "state",
    "subscription_identifier",
  ],
  retains: ["topic", "store_id"],
  wills: ["client_id", "payload", "topic", "payloadlen", "qos", "retain", "properties"],
};

/** What SQLite says of a statement. */
interface Result {
  readonly changes: number | bigint;
}

/**
 * Copies what can be read of `damaged` to a new database at `options.path`. The damaged files stay
 * as they are: it is a copy that is opened, because opening changes them.
 */
export function salvage(module: Sqlite, damaged: string, options: DatabaseOptions): Saved {
  const copy = `${damaged}.copy`;
  let source: SqliteDatabase | null = null;
  let target: SqliteDatabase | null = null;
  try {
    // Nobody else's business either.
    for (const name of [copy, options.path]) writeFileSync(name, "", { mode: 0o600 });
    copyFileSync(damaged, copy);
    if (existsSync(`${damaged}-wal`)) copyFileSync(`${damaged}-wal`, `${copy}-wal`);
    Database.open(module, options).close();
    target = new module.DatabaseSync(options.path);
    source = new module.DatabaseSync(copy);
    target.exec("BEGIN IMMEDIATE");
    const saved = copyTables(source, target);
    target.exec("COMMIT");
    return saved;
  } finally {
    closeQuietly(target);
    closeQuietly(source);
    for (const companion of ["", "-wal", "-shm"]) rmSync(copy + companion, { force: true });
  }
}

function copyTables(source: SqliteDatabase, target: SqliteDatabase): Saved {
  let rows = 0;
  let tables = 0;
  for (const [table, columns] of Object.entries(TABLES)) {
    const marks = columns.map(() => "?").join(",");
    const names = columns.join(",");
    const insert = target.prepare(
      `INSERT OR IGNORE INTO ${table} (rowid,${names}) VALUES (?,${marks})`,
    );
    const seen = new Set<SqliteValue>();
    const take = (order: string) => {
      // Without the indexes, which may be what is damaged.
      const from = `FROM ${table} NOT INDEXED ORDER BY rowid ${order}`;
      try {
        const select = source.prepare(`SELECT rowid AS place,${names} ${from}`);
        select.setReadBigInts(true);
        for (const row of select.iterate()) {
          const place = row.place!;
          // From the end, it is where the beginning stopped.
          if (seen.has(place) && order === "DESC") return true;
          seen.add(place);
          const { changes } = insert.run(place, ...columns.map((name) => row[name]!)) as Result;
          rows += Number(changes);
        }
        return true;
      } catch {
        // Damaged from here on; the other end may still be good.
        return false;
      }
    };
    if (take("ASC")) continue;
    tables++;
    take("DESC");
  }
  return { rows, tables };
}

function closeQuietly(sqlite: SqliteDatabase | null): void {
  try {
    sqlite?.close();
  } catch {
    // A damaged database may not close well either.
  }
}
