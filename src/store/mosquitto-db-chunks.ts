/**
 * mosquitto.db chunk by chunk, versions 2 to 6 (mosquitto-2.1 g): what mosquitto saves its state
 * in when it has no plugin for that.
 *
 * Versions 5 and 6 hold structures as they lie in memory on x86-64: lengths and identifiers in
 * network order, 64-bit numbers little endian. Older ones have field after field. The bytes are
 * read in that order on every machine.
 *
 * Knows nothing of what chunks mean to each other: that is for `mosquitto-db.ts`.
 */
import { isUtf8 } from "node:buffer";
import { propertiesEnd, readPropertyList } from "../core/codec/properties.ts";
import { readVarint } from "../core/codec/varint.ts";
import { ProtocolError } from "../core/errors.ts";
import { propertiesJson } from "./properties-json.ts";
import type { StoreId } from "./rows.ts";
import { UnreadableDatabase } from "./unreadable.ts";

const MAGIC = Buffer.from("\x00\xb5\x00mosquitto db", "latin1");
const CRC_AT = MAGIC.length;
const VERSION_AT = CRC_AT + 4;
const HEADER_BYTES = VERSION_AT + 4;
const VERSION_MIN = 2;
const VERSION_MAX = 6;
/** The first version whose chunks are structures. */
const STRUCTURES_SINCE = 5;
/** Bytes of a store identifier; a file of another size is none that mosquitto reads today. */
const STORE_ID_BYTES = 8;
/** Versions before 5 know no other sessions than those kept for ever. */
const FOR_EVER = 0xffff_ffff;

export interface Header {
  /** 0: nobody computes it. */
  readonly crc: number;
  /** 2 to 6. */
  readonly version: number;
}

/** The first chunk: how mosquitto ended. */
export interface ConfigurationChunk {
  readonly kind: "configuration";
  readonly lastStoreId: StoreId;
  /** 1 when it was saved by a broker that ended, 0 by one that went on. */
  readonly shutdown: number;
  readonly storeIdBytes: number;
}

export interface BaseMessageChunk {
  readonly kind: "baseMessage";
  readonly storeId: StoreId;
  /** Unix seconds, 0 for never. */
  readonly expiryTime: number;
  readonly topic: string;
  /** A view of the file's bytes. */
  readonly payload: Buffer;
  readonly sourceId: string;
  readonly sourceUsername: string | null;
  readonly sourceMid: number;
  readonly sourcePort: number;
  readonly qos: number;
  readonly retain: number;
  /** JSON as `properties-json.ts` has it; null for none. */
  readonly properties: string | null;
}

export interface ClientChunk {
  readonly kind: "client";
  readonly clientId: string;
  readonly username: string | null;
  /** Unix seconds, 0 for none. */
  readonly sessionExpiryTime: number;
  /** Seconds; 0xffffffff for ever. */
  readonly sessionExpiryInterval: number;
  /** The last packet identifier given out. */
  readonly lastMid: number;
  readonly listenerPort: number;
}

export interface ClientMessageChunk {
  readonly kind: "clientMessage";
  readonly clientId: string;
  readonly storeId: StoreId;
  readonly mid: number;
  readonly qos: number;
  readonly retain: number;
  readonly dup: number;
  /** One of `DIRECTION`. */
  readonly direction: number;
  /** One of `STATE`. */
  readonly state: number;
  /** 0 for none. */
  readonly subscriptionIdentifier: number;
}

export interface SubscriptionChunk {
  readonly kind: "subscription";
  readonly clientId: string;
  readonly topic: string;
  readonly qos: number;
  /** What MQTT 5.0 adds to the QoS, in its bits: 0xFC. */
  readonly options: number;
  /** 0 for none. */
  readonly identifier: number;
}

export interface RetainChunk {
  readonly kind: "retain";
  readonly storeId: StoreId;
}

/** Of a type we do not know. */
export interface UnknownChunk {
  readonly kind: "unknown";
  readonly type: number;
}

export type Chunk =
  | ConfigurationChunk
  | BaseMessageChunk
  | ClientChunk
  | ClientMessageChunk
  | SubscriptionChunk
  | RetainChunk
  | UnknownChunk;

/** A chunk, and where it stands. */
export interface PlacedChunk {
  readonly chunk: Chunk;
  /** Of its type, from the start of the file. */
  readonly offset: number;
  /** Bytes after type and length. */
  readonly length: number;
}

/** Whether the bytes begin as a mosquitto.db does. */
export function isMosquittoDb(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

/** @throws {UnreadableDatabase} notDatabase, unsupportedVersion, or damaged when it is cut off. */
export function readHeader(bytes: Buffer): Header {
  if (!isMosquittoDb(bytes)) {
    throw new UnreadableDatabase("notDatabase", "Unrecognised file format.", { offset: 0 });
  }
  if (bytes.length < HEADER_BYTES) throw damaged(bytes.length, "the file ends in its header");
  const version = bytes.readUInt32BE(VERSION_AT);
  if (version < VERSION_MIN || version > VERSION_MAX) {
    throw new UnreadableDatabase(
      "unsupportedVersion",
      `Unsupported persistent database format version ${version} ` +
        `(need version ${VERSION_MAX}, or ${VERSION_MIN} to ${VERSION_MAX - 1}).`,
      { offset: VERSION_AT },
    );
  }
  return { crc: bytes.readUInt32BE(CRC_AT), version };
}

/**
 * Every chunk in the order of the file. Payloads are views of `bytes`.
 *
 * @throws {UnreadableDatabase} As `readHeader`, and damaged at the first chunk that cannot be.
 */
export function* mosquittoDbChunks(bytes: Buffer): Generator<PlacedChunk, void> {
  const { version } = readHeader(bytes);
  const hasStructures = version >= STRUCTURES_SINCE;
  const headBytes = hasStructures ? 8 : 6;
  for (let offset = HEADER_BYTES; offset < bytes.length; ) {
    const start = offset + headBytes;
    if (start > bytes.length) throw damaged(offset, "the file ends in a chunk's type and length");
    const type = hasStructures ? bytes.readUInt32BE(offset) : bytes.readUInt16BE(offset);
    const length = bytes.readUInt32BE(start - 4);
    const end = start + length;
    if (end > bytes.length) {
      const left = bytes.length - start;
      throw damaged(offset, `the chunk has ${length} bytes by its length, and ${left} are left`);
    }
    const fields = new Fields(bytes, start, end);
    yield { chunk: readChunk(fields, type, version), offset, length };
    offset = end;
  }
}

function readChunk(fields: Fields, type: number, version: number): Chunk {
  const hasStructures = version >= STRUCTURES_SINCE;
  switch (type) {
    case 1:
      return readConfiguration(fields, hasStructures);
    case 2:
      return hasStructures ? readBaseMessage(fields) : readOldBaseMessage(fields, version);
    case 3:
      return hasStructures ? readClientMessage(fields) : readOldClientMessage(fields);
    case 4:
      return { kind: "retain", storeId: fields.storeId() };
    case 5:
      return hasStructures ? readSubscription(fields) : readOldSubscription(fields);
    case 6:
      return hasStructures ? readClient(fields, version) : readOldClient(fields);
    default:
      return { kind: "unknown", type };
  }
}

function readConfiguration(fields: Fields, hasStructures: boolean): ConfigurationChunk {
  const first = hasStructures ? fields.storeId() : 0;
  const shutdown = fields.byte();
  const at = fields.offset;
  const storeIdBytes = fields.byte();
  if (storeIdBytes !== STORE_ID_BYTES) {
    throw new UnreadableDatabase(
      "unsupportedVersion",
      `Incompatible database configuration (dbid size is ${storeIdBytes} bytes, expected ` +
        `${STORE_ID_BYTES}).`,
      { offset: at },
    );
  }
  const lastStoreId = hasStructures ? first : fields.storeId();
  return { kind: "configuration", lastStoreId, shutdown, storeIdBytes };
}

function readBaseMessage(fields: Fields): BaseMessageChunk {
  const storeId = fields.storeId();
  const expiryTime = fields.time();
  const payloadBytes = fields.uint32();
  const sourceMid = fields.uint16();
  const sourceIdBytes = fields.uint16();
  const usernameBytes = fields.uint16();
  const topicBytes = fields.uint16();
  const sourcePort = fields.uint16();
  const qos = fields.byte();
  const retain = fields.byte();
  const sourceId = fields.text(sourceIdBytes);
  const sourceUsername = usernameBytes === 0 ? null : fields.text(usernameBytes);
  const topic = fields.text(topicBytes);
  const payload = fields.bytes(payloadBytes);
  const properties = fields.properties();
  return {
    kind: "baseMessage",
    storeId,
    expiryTime,
    topic,
    payload,
    sourceId,
    sourceUsername,
    sourceMid,
    sourcePort,
    qos,
    retain,
    properties,
  };
}

function readOldBaseMessage(fields: Fields, version: number): BaseMessageChunk {
  const storeId = fields.storeId();
  const sourceId = fields.textWithLength();
  const username = version >= 4 ? fields.textWithLength() : "";
  const sourcePort = version >= 4 ? fields.uint16() : 0;
  const sourceMid = fields.uint16();
  // The identifier under which it was stored, which nobody reads.
  fields.skip(2);
  const topic = fields.textWithLength();
  const qos = fields.byte();
  const retain = fields.byte();
  const payload = fields.bytes(fields.uint32());
  return {
    kind: "baseMessage",
    storeId,
    expiryTime: 0,
    topic,
    payload,
    sourceId,
    sourceUsername: username === "" ? null : username,
    sourceMid,
    sourcePort,
    qos,
    retain,
    properties: null,
  };
}

function readClientMessage(fields: Fields): ClientMessageChunk {
  const storeId = fields.storeId();
  const mid = fields.uint16();
  const clientIdBytes = fields.uint16();
  const qos = fields.byte();
  const state = fields.byte();
  const retainDup = fields.byte();
  const direction = fields.byte();
  const clientId = fields.text(clientIdBytes);
  const subscriptionIdentifier = fields.subscriptionIdentifier();
  return {
    kind: "clientMessage",
    clientId,
    storeId,
    mid,
    qos,
    retain: retainDup >> 4,
    dup: retainDup & 0x0f,
    direction,
    state,
    subscriptionIdentifier,
  };
}

function readOldClientMessage(fields: Fields): ClientMessageChunk {
  const clientId = fields.textWithLength();
  const storeId = fields.storeId();
  const mid = fields.uint16();
  const qos = fields.byte();
  const retain = fields.byte();
  const direction = fields.byte();
  const state = fields.byte();
  const dup = fields.byte();
  return {
    kind: "clientMessage",
    clientId,
    storeId,
    mid,
    qos,
    retain,
    dup,
    direction,
    state,
    subscriptionIdentifier: 0,
  };
}

function readSubscription(fields: Fields): SubscriptionChunk {
  const identifier = fields.uint32();
  const clientIdBytes = fields.uint16();
  const topicBytes = fields.uint16();
  const qos = fields.byte();
  const options = fields.byte();
  fields.skip(2);
  const clientId = fields.text(clientIdBytes);
  const topic = fields.text(topicBytes);
  return { kind: "subscription", clientId, topic, qos, options, identifier };
}

function readOldSubscription(fields: Fields): SubscriptionChunk {
  const clientId = fields.textWithLength();
  const topic = fields.textWithLength();
  const qos = fields.byte();
  return { kind: "subscription", clientId, topic, qos, options: 0, identifier: 0 };
}

function readClient(fields: Fields, version: number): ClientChunk {
  const sessionExpiryTime = fields.time();
  const sessionExpiryInterval = fields.uint32();
  const lastMid = fields.uint16();
  const clientIdBytes = fields.uint16();
  const isLong = version >= 6;
  const listenerPort = isLong ? fields.uint16() : 0;
  const usernameBytes = isLong ? fields.uint16() : 0;
  if (isLong) fields.skip(4);
  const clientId = fields.text(clientIdBytes);
  const username = usernameBytes === 0 ? null : fields.text(usernameBytes);
  return {
    kind: "client",
    clientId,
    username,
    sessionExpiryTime,
    sessionExpiryInterval,
    lastMid,
    listenerPort,
  };
}

/** What version 3 adds, the time of the disconnection, matters to nobody: it stays unread. */
function readOldClient(fields: Fields): ClientChunk {
  const clientId = fields.textWithLength();
  const lastMid = fields.uint16();
  return {
    kind: "client",
    clientId,
    username: null,
    sessionExpiryTime: 0,
    sessionExpiryInterval: FOR_EVER,
    lastMid,
    listenerPort: 0,
  };
}

/** The fields of one chunk, one after another. What it has beyond them is not looked at. */
class Fields {
  private readonly file: Buffer;
  private readonly end: number;
  private at: number;

  constructor(file: Buffer, start: number, end: number) {
    this.file = file;
    this.at = start;
    this.end = end;
  }

  get offset(): number {
    return this.at;
  }

  byte(): number {
    return this.file[this.take(1)]!;
  }

  uint16(): number {
    return this.file.readUInt16BE(this.take(2));
  }

  uint32(): number {
    return this.file.readUInt32BE(this.take(4));
  }

  time(): number {
    return Number(this.file.readBigInt64LE(this.take(8)));
  }

  /** Signed, as SQLite has them: a number where that is exact, a bigint where it is not. */
  storeId(): StoreId {
    const id = this.file.readBigInt64LE(this.take(8));
    const number = Number(id);
    return Number.isSafeInteger(number) ? number : id;
  }

  skip(size: number): void {
    this.take(size);
  }

  bytes(size: number): Buffer {
    const start = this.take(size);
    return this.file.subarray(start, start + size);
  }

  text(size: number): string {
    const start = this.at;
    const bytes = this.bytes(size);
    if (!isUtf8(bytes)) throw damaged(start, "a text there is not UTF-8");
    return bytes.toString("utf8");
  }

  textWithLength(): string {
    return this.text(this.uint16());
  }

  /** As JSON; null for none. */
  properties(): string | null {
    return this.propertyList(null, (start, end) => propertiesJson(this.file, start, end));
  }

  /** From the properties of a client's message, which have nothing else; 0 for none. */
  subscriptionIdentifier(): number {
    return this.propertyList(0, (start, end) => {
      const properties = readPropertyList(this.file, start, end, "publish");
      return properties.subscriptionIdentifiers?.[0] ?? 0;
    });
  }

  /** What `read` makes of the properties, without their length; `none` where there are none. */
  private propertyList<Value>(none: Value, read: (start: number, end: number) => Value): Value {
    const { at, end } = this;
    if (at === end) return none;
    try {
      this.at = propertiesEnd(this.file, at, end);
      return read(at + (readVarint(this.file, at, end) & 7), this.at);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw damaged(at, "the properties there cannot be read", error);
    }
  }

  private take(size: number): number {
    const { at } = this;
    if (at + size > this.end) throw damaged(at, "a chunk is too short for what it holds");
    this.at = at + size;
    return at;
  }
}

function damaged(offset: number, what: string, cause?: unknown): UnreadableDatabase {
  const message = `The database is damaged at byte ${offset}: ${what}.`;
  return new UnreadableDatabase("damaged", message, { offset, cause });
}
