/** What is written to the database, row by row: prepared once, fed from a batch or an import. */
import { SLOT } from "./batch.ts";
import type { ByteReader } from "./bytes.ts";
import { Inserter } from "./inserter.ts";
import { propertiesJson } from "./properties-json.ts";
import { type Contents, DIRECTION, NEVER, STATE } from "./rows.ts";
import { FETCH, ROWS_OF_IDS, SQL } from "./schema.ts";
import { ListStatement, readingIds, type SqliteDatabase, type SqliteStatement } from "./sqlite.ts";

export class Statements {
  readonly putClient: SqliteStatement;
  readonly removeClient: SqliteStatement;
  readonly removeClientSubscriptions: SqliteStatement;
  readonly storeIdsOfClient: SqliteStatement;
  readonly removeClientMessages: SqliteStatement;
  readonly putWill: SqliteStatement;
  readonly removeWill: SqliteStatement;
  readonly putSubscription: SqliteStatement;
  readonly removeSubscription: SqliteStatement;
  readonly addBase: Inserter;
  readonly removeBases: SqliteStatement;
  readonly removeUnusedBases: SqliteStatement;
  readonly addMessage: Inserter;
  readonly changeMessage: SqliteStatement;
  readonly removeMessages: SqliteStatement;
  readonly putRetain: SqliteStatement;
  readonly removeRetain: SqliteStatement;
  readonly fetch: ListStatement;
  readonly rowsOfIds: SqliteStatement;

  constructor(sqlite: SqliteDatabase) {
    this.putClient = sqlite.prepare(SQL.putClient);
    this.removeClient = sqlite.prepare(SQL.removeClient);
    this.removeClientSubscriptions = sqlite.prepare(SQL.removeClientSubscriptions);
    this.storeIdsOfClient = readingIds(sqlite, SQL.storeIdsOfClient);
    this.removeClientMessages = sqlite.prepare(SQL.removeClientMessages);
    this.putWill = sqlite.prepare(SQL.putWill);
    this.removeWill = sqlite.prepare(SQL.removeWill);
    this.putSubscription = sqlite.prepare(SQL.putSubscription);
    this.removeSubscription = sqlite.prepare(SQL.removeSubscription);
    this.addBase = new Inserter(sqlite, SQL.addBase, 12);
    this.removeBases = sqlite.prepare(SQL.removeBases);
    this.removeUnusedBases = sqlite.prepare(SQL.removeUnusedBases);
    this.addMessage = new Inserter(sqlite, SQL.addMessage, 11);
    this.changeMessage = sqlite.prepare(SQL.changeMessage);
    this.removeMessages = sqlite.prepare(SQL.removeMessages);
    this.putRetain = sqlite.prepare(SQL.putRetain);
    this.removeRetain = sqlite.prepare(SQL.removeRetain);
    this.fetch = new ListStatement(sqlite, FETCH);
    this.rowsOfIds = sqlite.prepare(ROWS_OF_IDS);
  }

  /** Writes the rows that wait for company. */
  flush(): void {
    this.addBase.flush();
    this.addMessage.flush();
  }

  /** Forgets them: what they belonged to is undone. */
  clear(): void {
    this.addBase.clear();
    this.addMessage.clear();
  }
}

export function addBase(statements: Statements, from: ByteReader): void {
  const storeId = from.storeId();
  const expiryTime = from.integer();
  const topic = stringColumn(from.repeated(SLOT.topic));
  const payload = from.blob();
  const sourceId = stringColumn(from.repeated(SLOT.source));
  const username = from.optionalString();
  const mid = from.uint();
  const port = from.uint();
  const qos = from.byte();
  const retain = from.byte();
  const properties = propertiesJson(from.blob());
  statements.addBase.add(
    storeId,
    expiryTime,
    topic,
    payload,
    sourceId,
    username === null ? null : stringColumn(username),
    payload.length,
    mid,
    port,
    qos,
    retain,
    properties,
  );
}

export function addMessage(statements: Statements, from: ByteReader): void {
  const row = from.integer();
  const clientId = from.repeated(SLOT.client);
  const place = from.integer();
  const storeId = from.storeId();
  const direction = from.byte();
  const mid = from.uint();
  const qos = from.byte();
  const retain = from.byte();
  const state = from.byte();
  const identifier = from.uint();
  const dup = direction === DIRECTION.out && state !== STATE.queued ? 1 : 0;
  const { addMessage } = statements;
  addMessage.add(
    row,
    clientId,
    place,
    storeId,
    dup,
    direction,
    mid,
    qos,
    retain,
    state,
    identifier,
  );
}

/** What stands there of a client of any version: the plugin keeps no more. */
const MAX_PACKET_SIZE = 0;
const MAX_QOS = 2;
const RETAIN_AVAILABLE = 1;

export function putClient(statements: Statements, from: ByteReader): void {
  const clientId = from.string();
  const username = from.optionalString();
  const connectionTime = from.integer();
  const willDelayTime = from.integer();
  const sessionExpiryTime = from.integer();
  const port = from.uint();
  const interval = from.uint();
  const willDelay = from.uint();
  statements.putClient.run(
    clientId,
    username,
    connectionTime,
    willDelayTime,
    sessionExpiryTime,
    port,
    MAX_PACKET_SIZE,
    MAX_QOS,
    RETAIN_AVAILABLE,
    intervalColumn(interval),
    willDelay,
  );
  if (from.byte() === 0) {
    statements.removeWill.run(clientId);
    return;
  }
  const topic = stringColumn(from.string());
  const payload = from.blob();
  const qos = from.byte();
  const retain = from.byte();
  const properties = propertiesJson(from.blob());
  statements.putWill.run(clientId, payload, topic, payload.length, qos, retain, properties);
}

export function importRows(statements: Statements, contents: Contents): void {
  for (const row of contents.clients) {
    statements.putClient.run(
      row.clientId,
      row.username,
      row.connectionTime,
      row.willDelayTime,
      row.sessionExpiryTime,
      row.listenerPort,
      row.maxPacketSize,
      row.maxQos,
      row.retainAvailable,
      intervalColumn(row.sessionExpiryInterval),
      row.willDelayInterval,
    );
  }
  for (const { clientId, topic, options, identifier } of contents.subscriptions) {
    statements.putSubscription.run(clientId, topic, options, identifier);
  }
  for (const row of contents.baseMessages) {
    statements.addBase.add(
      row.storeId,
      row.expiryTime,
      stringColumn(row.topic),
      row.payload,
      stringColumn(row.sourceId),
      row.sourceUsername === null ? null : stringColumn(row.sourceUsername),
      row.payload.length,
      row.sourceMid,
      row.sourcePort,
      row.qos,
      row.retain,
      row.properties,
    );
  }
  contents.clientMessages.forEach((row, at) => {
    statements.addMessage.add(
      at + 1,
      row.clientId,
      row.cmsgId,
      row.storeId,
      row.dup,
      row.direction,
      row.mid,
      row.qos,
      row.retain,
      row.state,
      row.subscriptionIdentifier,
    );
  });
  statements.flush();
  for (const { topic, storeId } of contents.retains) {
    statements.putRetain.run(stringColumn(topic), storeId);
  }
  for (const { clientId, payload, topic, qos, retain, properties } of contents.wills) {
    const column = stringColumn(topic);
    statements.putWill.run(clientId, payload, column, payload.length, qos, retain, properties);
  }
}

/** Text that SQLite takes for a number where a column has numeric affinity. */
const NUMERIC = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/**
 * Text for a column of the declared type STRING, which SQLite turns into a number where it looks
 * like one: what would come back as other text goes in as bytes, which are left alone.
 */
export function stringColumn(value: string): string | Buffer {
  // Most topics begin with a letter, and no number does.
  if (value.charCodeAt(0) > 0x39 || !NUMERIC.test(value)) return value;
  const number = Number(value);
  return Number.isSafeInteger(number) && String(number) === value ? value : Buffer.from(value);
}

function intervalColumn(seconds: number): number {
  return seconds === NEVER ? -1 : seconds;
}
