/** What the database holds, for a broker that starts. */
import type {
  RestoredDelivery,
  RestoredMessage,
  RestoredSession,
  RestoredSubscription,
  RestoredWill,
} from "../broker/durable/restored.ts";
import type { Qos } from "../core/codec/packets.ts";
import { ByteWriter } from "./bytes.ts";
import { type Keeper, PropertiesJsonError, propertyBytes } from "./properties-json.ts";
import { phaseOf, willProperties, writeMessage, writeSession } from "./records.ts";
import { DIRECTION, NEVER, type StoreId } from "./rows.ts";
import { BEGUN, PARKED, RETAINED, SUBSCRIPTIONS, WILLS } from "./schema.ts";
import {
  blob,
  idOf,
  number,
  optionalText,
  type Row,
  readingIds,
  type SqliteDatabase,
  type SqliteValue,
  text,
} from "./sqlite.ts";

/** What the database holds, for a broker that starts. */
export interface Recovered {
  /** Sessions and retained messages as `records.ts` writes them. */
  readonly sessions: Buffer;
  readonly retained: Buffer;
  readonly lastRow: number;
  readonly lastStoreId: StoreId;
}

const NO_PROPERTIES = Buffer.alloc(0);
const LAST_ROW = "SELECT max(rowid) AS last FROM client_msgs";

export function recover(sqlite: SqliteDatabase): Recovered {
  const sessions = new Map<string, MutableSession>();
  for (const row of readingIds(sqlite, "SELECT * FROM clients").iterate()) {
    const session = sessionOf(row);
    sessions.set(session.clientId, session);
  }
  for (const row of readingIds(sqlite, SUBSCRIPTIONS).iterate()) {
    sessions.get(text(row.client_id))?.subscriptions.push(subscriptionOf(row));
  }
  for (const row of readingIds(sqlite, WILLS).iterate()) {
    const session = sessions.get(text(row.client_id));
    if (session !== undefined) session.will = willOf(row, session);
  }
  for (const row of readingIds(sqlite, BEGUN).iterate()) {
    takeExchange(sessions.get(text(row.clientId)), row);
  }
  for (const row of readingIds(sqlite, PARKED).iterate()) {
    const session = sessions.get(text(row.clientId));
    if (session === undefined) continue;
    session.parked = {
      count: number(row.count),
      bytes: number(row.bytes),
      qos0: number(row.qos0),
    };
    session.lastPlace = Math.max(session.lastPlace, number(row.lastPlace));
  }
  const out = new ByteWriter();
  for (const session of sessions.values()) writeSession(out, session);
  return {
    sessions: out.take(),
    retained: retained(sqlite),
    lastRow: number(readingIds(sqlite, LAST_ROW).get()?.last),
    lastStoreId: lastStoreId(sqlite),
  };
}

function retained(sqlite: SqliteDatabase): Buffer {
  const out = new ByteWriter();
  for (const row of readingIds(sqlite, RETAINED).iterate()) writeMessage(out, messageOf(row));
  return out.take();
}

/** Those of other nodes are beyond any of ours, or below. */
function lastStoreId(sqlite: SqliteDatabase): StoreId {
  const sql = "SELECT max(store_id) AS last FROM base_msgs WHERE store_id <= ?";
  return idOf(readingIds(sqlite, sql).get(Number.MAX_SAFE_INTEGER)?.last ?? 0);
}

interface MutableSession extends RestoredSession {
  will: RestoredWill | null;
  readonly willDelay: number;
  readonly willDueAt: number;
  readonly subscriptions: RestoredSubscription[];
  readonly incoming: { row: number; message: RestoredMessage }[];
  readonly outgoing: RestoredDelivery[];
  parked: { count: number; bytes: number; qos0: number };
  lastPlace: number;
}

function sessionOf(row: Row): MutableSession {
  const interval = number(row.session_expiry_interval);
  return {
    clientId: text(row.client_id),
    username: optionalText(row.username),
    port: number(row.listener_port),
    expiryInterval: interval < 0 ? NEVER : interval,
    expiresAt: number(row.session_expiry_time) * 1000,
    will: null,
    willDelay: number(row.will_delay_interval),
    willDueAt: number(row.will_delay_time) * 1000,
    subscriptions: [],
    incoming: [],
    outgoing: [],
    parked: { count: 0, bytes: 0, qos0: 0 },
    lastPlace: 0,
  };
}

function subscriptionOf(row: Row): RestoredSubscription {
  const options = number(row.subscription_options);
  return {
    filter: text(row.topic),
    qos: Math.min(options & 3, 2) as Qos,
    noLocal: (options & 4) !== 0,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: Math.min((options >> 4) & 3, 2) as 0 | 1 | 2,
    identifier: number(row.subscription_identifier),
  };
}

function willOf(row: Row, { willDelay, willDueAt }: MutableSession): RestoredWill {
  return {
    topic: text(row.topic),
    payload: blob(row.payload),
    qos: qosOf(row.qos),
    retain: number(row.retain) !== 0,
    properties: willProperties(propertiesOf(row.properties, "will")),
    delay: willDelay,
    dueAt: willDueAt,
  };
}

/** An exchange begun belongs to its session, from the client or to it. */
function takeExchange(session: MutableSession | undefined, row: Row): void {
  if (session === undefined) return;
  const place = number(row.place);
  if (number(row.direction) === DIRECTION.in) {
    const message = { ...messageOf(row), sourcePacketId: number(row.mid) };
    session.incoming.push({ row: number(row.row), message });
    return;
  }
  session.outgoing.push(deliveryOf(row));
  session.lastPlace = Math.max(session.lastPlace, place);
}

function deliveryOf(row: Row): RestoredDelivery {
  return {
    row: number(row.row),
    place: number(row.place),
    packetId: number(row.mid),
    qos: qosOf(row.qos),
    retain: number(row.retain) !== 0,
    phase: phaseOf(number(row.state)),
    identifier: number(row.identifier),
    message: messageOf(row),
  };
}

function messageOf(row: Row): RestoredMessage {
  return {
    storeId: idOf(row.storeId!),
    topic: text(row.topic),
    payload: blob(row.payload),
    qos: qosOf(row.baseQos),
    retain: number(row.baseRetain) !== 0,
    properties: propertiesOf(row.properties),
    expiresAt: number(row.expiryTime) * 1000,
    sourceId: text(row.sourceId),
    sourceUsername: optionalText(row.sourceUsername),
    sourcePort: number(row.sourcePort),
    sourcePacketId: number(row.sourceMid),
    isShared: true,
  };
}

/** A row of `FETCH`. */
export type WaitingRow = readonly SqliteValue[];

const TWO_32 = 4_294_967_296;
const [ID_LOW, ID_HIGH, PAYLOAD] = [4, 5, 8];

export function payloadSizeOf(row: WaitingRow): number {
  const payload = row[PAYLOAD!];
  return payload instanceof Uint8Array ? payload.length : 0;
}

export function storeIdOf(row: WaitingRow): StoreId {
  const high = number(row[ID_HIGH!]);
  const low = number(row[ID_LOW!]);
  const value = high * TWO_32 + low;
  return Number.isSafeInteger(value) ? value : BigInt(high) * BigInt(TWO_32) + BigInt(low);
}

/** Writes it as `readDelivery` reads it. */
export function writeWaiting(out: ByteWriter, row: WaitingRow, isShared: boolean): void {
  const [place, position, flags, identifier, , , expiry, topic, payload, json] = row;
  out.integer(number(place));
  out.integer(number(position));
  out.uint(0);
  out.byte(number(flags));
  out.uint(number(identifier));
  out.storeId(storeIdOf(row));
  out.repeated(0, text(topic));
  out.blob(blob(payload));
  out.byte(number(flags) | (isShared ? 8 : 0));
  out.blob(propertiesOf(json));
  out.integer(number(expiry) * 1000);
  // Who sent it has been asked when it was queued.
  out.string("");
  out.optionalString(null);
  out.uint(0);
  out.uint(0);
}

function qosOf(value: SqliteValue | undefined): Qos {
  return Math.max(0, Math.min(number(value), 2)) as Qos;
}

/** Better a message without its properties than none. */
function propertiesOf(json: SqliteValue | undefined, keeper: Keeper = "message"): Buffer {
  try {
    return propertyBytes(optionalText(json), undefined, keeper);
  } catch (error) {
    if (!(error instanceof PropertiesJsonError)) throw error;
    return NO_PROPERTIES;
  }
}
