/**
 * All that is in a database of mosquitto's persist-sqlite plugin, or of ours, read without touching
 * it: for whoever wants to look (mosquitto-2.1 g.2).
 *
 * Reads what it finds and mends nothing: what does not belong together is for `findings.ts`.
 * `recovery.ts` is what the broker reads with, which needs less and cannot hold as much.
 */
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type {
  BaseMessageRow,
  ClientMessageRow,
  ClientRow,
  Contents,
  RetainRow,
  StoreId,
  SubscriptionRow,
  WillRow,
} from "./rows.ts";
import { SCHEMA_COMPONENT, SCHEMA_VERSION } from "./schema.ts";
import {
  blob,
  number,
  optionalText,
  type Row,
  readingIds,
  type Sqlite,
  type SqliteDatabase,
  text,
} from "./sqlite.ts";
import { sqliteWords, unreadable } from "./sqlite-errors.ts";
import { UnreadableDatabase } from "./unreadable.ts";

/** How many complaints `integrity_check` may make. */
const COMPLAINTS_MAX = 100;
/** What SQLite keeps beside a database that is open, or was when its program died. */
const COMPANIONS = ["-wal", "-journal"];
/** SQLite's general error (sqlite.org/rescode.html): here, a table or column that is not there. */
const SQLITE_ERROR = 1;
const SQLITE_CORRUPT = 11;

/**
 * Everything in the database at `path`, as it stood at one moment.
 *
 * @param module `node:sqlite`.
 * @throws {UnreadableDatabase} It is something else, of another schema, locked or damaged.
 */
export function readContents(module: Sqlite, path: string): Contents {
  return opened(module, path, (sqlite) => {
    checkSchema(sqlite);
    return contentsOf(sqlite);
  });
}

/** What SQLite finds wrong with the database, a line each; none when it is whole. */
export function integrityComplaints(module: Sqlite, path: string): string[] {
  return opened(module, path, (sqlite) => {
    try {
      const rows = sqlite.prepare(`PRAGMA integrity_check(${COMPLAINTS_MAX})`).all();
      const lines = rows.flatMap((row) => text(row.integrity_check).split("\n"));
      return lines.filter((line) => line !== "ok" && line !== "");
    } catch (error) {
      // So damaged that it cannot even be checked.
      if (codeOf(error) === SQLITE_CORRUPT) return [sqliteWords(error)];
      throw error;
    }
  });
}

function opened<Value>(
  module: Sqlite,
  path: string,
  use: (sqlite: SqliteDatabase) => Value,
): Value {
  let sqlite: SqliteDatabase | null = null;
  try {
    sqlite = new module.DatabaseSync(address(path), { readOnly: true });
    // One moment for all tables, should somebody write meanwhile.
    sqlite.exec("BEGIN");
    return use(sqlite);
  } catch (error) {
    throw refusal(error);
  } finally {
    sqlite?.close();
  }
}

/**
 * Of a database that nobody has open SQLite would make a -wal and -shm that a reader cannot take
 * away again, and that a broker of another user could not write. Told that nothing will change
 * (sqlite.org/uri.html), it makes none.
 */
function address(path: string): string {
  if (COMPANIONS.some((companion) => existsSync(path + companion))) return path;
  return `${pathToFileURL(path).href}?immutable=1`;
}

/** Whole sentences for what `unreadable` has words for. */
function refusal(error: unknown): UnreadableDatabase {
  if (error instanceof UnreadableDatabase) return error;
  const { code } = unreadable(error);
  const words = sqliteWords(error);
  if (code === "notDatabase") return new UnreadableDatabase(code, "It is no SQLite database.");
  if (code === "locked") {
    const sentence = "Another program has it open for itself, such as a broker that runs.";
    return new UnreadableDatabase(code, sentence, { cause: error });
  }
  if (code === "damaged" || codeOf(error) === SQLITE_ERROR) {
    return new UnreadableDatabase("damaged", `It is damaged: ${words}.`, { cause: error });
  }
  return new UnreadableDatabase("unreachable", `It cannot be read: ${words}.`, { cause: error });
}

/** SQLite's primary result code; undefined for an error that is not SQLite's. */
function codeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

function checkSchema(sqlite: SqliteDatabase): void {
  const table = sqlite.prepare("SELECT 1 FROM sqlite_master WHERE name = 'version_info'").get();
  const row =
    table && sqlite.prepare("SELECT * FROM version_info WHERE component = ?").get(SCHEMA_COMPONENT);
  if (row === undefined) {
    const sentence = "It is an SQLite database, but none of a broker: it has no schema version.";
    throw new UnreadableDatabase("notDatabase", sentence);
  }
  const version = [row.major, row.minor, row.patch].map(number).join(".");
  const known = SCHEMA_VERSION.join(".");
  if (version === known) return;
  const isOlder = /^(0\.9|1\.0)\./.test(version);
  const way = isOlder ? "; mosquitto 2.1 makes that of it when it opens it" : "";
  throw new UnreadableDatabase(
    "unsupportedVersion",
    `Its schema has version ${version}, and only ${known} is read${way}.`,
  );
}

// `STRING` columns have numeric affinity: a topic such as 12 comes back as a number unless cast.

const CLIENTS = "SELECT * FROM clients ORDER BY rowid";
const SUBSCRIPTIONS = "SELECT * FROM subscriptions ORDER BY rowid";
const BASE_MESSAGES = `SELECT store_id, expiry_time, CAST(topic AS TEXT) AS topic, payload,
  CAST(source_id AS TEXT) AS source_id, CAST(source_username AS TEXT) AS source_username,
  source_mid, source_port, qos, retain, CAST(properties AS TEXT) AS properties
  FROM base_msgs ORDER BY store_id`;
const CLIENT_MESSAGES = "SELECT * FROM client_msgs ORDER BY client_id, cmsg_id, rowid";
const RETAINS = "SELECT CAST(topic AS TEXT) AS topic, store_id FROM retains ORDER BY rowid";
const WILLS = `SELECT client_id, payload, CAST(topic AS TEXT) AS topic, qos, retain,
  CAST(properties AS TEXT) AS properties FROM wills ORDER BY rowid`;

function contentsOf(sqlite: SqliteDatabase): Contents {
  const rows = <Value>(sql: string, read: (row: Row) => Value): Value[] =>
    Array.from(readingIds(sqlite, sql).iterate(), read);
  return {
    clients: rows(CLIENTS, clientOf),
    subscriptions: rows(SUBSCRIPTIONS, subscriptionOf),
    baseMessages: rows(BASE_MESSAGES, baseMessageOf),
    clientMessages: rows(CLIENT_MESSAGES, clientMessageOf),
    retains: rows(RETAINS, retainOf),
    wills: rows(WILLS, willOf),
  };
}

/** Of either sign: a broker with a high node number makes such as SQLite takes for negative. */
function storeIdOf({ store_id: id }: Row): StoreId {
  const exact = number(id);
  return Number.isSafeInteger(exact) ? exact : (id as bigint);
}

function clientOf(row: Row): ClientRow {
  return {
    clientId: text(row.client_id),
    username: optionalText(row.username),
    connectionTime: number(row.connection_time),
    willDelayTime: number(row.will_delay_time),
    sessionExpiryTime: number(row.session_expiry_time),
    listenerPort: number(row.listener_port),
    maxPacketSize: number(row.max_packet_size),
    maxQos: number(row.max_qos),
    retainAvailable: number(row.retain_available),
    // 32 bits without a sign, which the plugin hands over as if they had one.
    sessionExpiryInterval: number(row.session_expiry_interval) >>> 0,
    willDelayInterval: number(row.will_delay_interval),
  };
}

function subscriptionOf(row: Row): SubscriptionRow {
  return {
    clientId: text(row.client_id),
    topic: text(row.topic),
    options: number(row.subscription_options),
    identifier: number(row.subscription_identifier),
  };
}

function baseMessageOf(row: Row): BaseMessageRow {
  return {
    storeId: storeIdOf(row),
    expiryTime: number(row.expiry_time),
    topic: text(row.topic),
    payload: blob(row.payload),
    sourceId: text(row.source_id),
    sourceUsername: optionalText(row.source_username),
    sourceMid: number(row.source_mid),
    sourcePort: number(row.source_port),
    qos: number(row.qos),
    retain: number(row.retain),
    properties: optionalText(row.properties),
  };
}

function clientMessageOf(row: Row): ClientMessageRow {
  return {
    clientId: text(row.client_id),
    cmsgId: number(row.cmsg_id),
    storeId: storeIdOf(row),
    dup: number(row.dup),
    direction: number(row.direction),
    mid: number(row.mid),
    qos: number(row.qos),
    retain: number(row.retain),
    state: number(row.state),
    subscriptionIdentifier: number(row.subscription_identifier),
  };
}

function retainOf(row: Row): RetainRow {
  return { topic: text(row.topic), storeId: storeIdOf(row) };
}

function willOf(row: Row): WillRow {
  return {
    clientId: text(row.client_id),
    payload: blob(row.payload),
    topic: text(row.topic),
    qos: number(row.qos),
    retain: number(row.retain),
    properties: optionalText(row.properties),
  };
}
