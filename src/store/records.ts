/** Sessions and messages as bytes, on their way from the database's thread to the broker. */
import type {
  Phase,
  RestoredDelivery,
  RestoredMessage,
  RestoredSession,
  RestoredSubscription,
  RestoredWill,
} from "../broker/durable/restored.ts";
import type { Qos } from "../core/codec/packets.ts";
import {
  type Properties,
  propertyListSize,
  readPropertyList,
  writeProperties,
} from "../core/codec/properties.ts";
import { varintSize } from "../core/codec/varint.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { STATE } from "./rows.ts";

/** How far an exchange has come by the state of its row; one that is not named waits. */
const PHASES: ReadonlyMap<number, Phase> = new Map([
  [STATE.waitForPuback, 1],
  [STATE.waitForPubrec, 1],
  [STATE.resendPubrel, 2],
  [STATE.waitForPubcomp, 2],
]);

export function phaseOf(state: number): Phase {
  return PHASES.get(state) ?? 0;
}

export function writeMessage(out: ByteWriter, message: RestoredMessage): void {
  out.storeId(message.storeId);
  out.repeated(0, message.topic);
  out.blob(message.payload);
  out.byte(message.qos | (message.retain ? 4 : 0) | (message.isShared ? 8 : 0));
  out.blob(message.properties);
  out.integer(message.expiresAt);
  out.string(message.sourceId);
  out.optionalString(message.sourceUsername);
  out.uint(message.sourcePort);
  out.uint(message.sourcePacketId);
}

/** Payload and properties are views of the bytes. */
export function readMessage(from: ByteReader): RestoredMessage {
  const storeId = from.storeId();
  const topic = from.repeated(0);
  const payload = from.blob();
  const flags = from.byte();
  return {
    storeId,
    topic,
    payload,
    qos: (flags & 3) as Qos,
    retain: (flags & 4) !== 0,
    isShared: (flags & 8) !== 0,
    properties: from.blob(),
    expiresAt: from.integer(),
    sourceId: from.string(),
    sourceUsername: from.optionalString(),
    sourcePort: from.uint(),
    sourcePacketId: from.uint(),
  };
}

export function writeDelivery(out: ByteWriter, delivery: RestoredDelivery): void {
  out.integer(delivery.row);
  out.integer(delivery.place);
  out.uint(delivery.packetId);
  out.byte(delivery.qos | (delivery.retain ? 4 : 0) | (delivery.phase << 3));
  out.uint(delivery.identifier);
  writeMessage(out, delivery.message);
}

export function readDelivery(from: ByteReader): RestoredDelivery {
  const row = from.integer();
  const place = from.integer();
  const packetId = from.uint();
  const flags = from.byte();
  return {
    row,
    place,
    packetId,
    qos: (flags & 3) as Qos,
    retain: (flags & 4) !== 0,
    phase: (flags >> 3) as Phase,
    identifier: from.uint(),
    message: readMessage(from),
  };
}

export function writeSession(out: ByteWriter, session: RestoredSession): void {
  const { will, parked } = session;
  out.string(session.clientId);
  out.optionalString(session.username);
  out.uint(session.port);
  out.uint(session.expiryInterval);
  out.integer(session.expiresAt);
  out.integer(session.lastPlace);
  out.integer(parked.count);
  out.integer(parked.bytes);
  out.integer(parked.qos0);
  out.byte(will === null ? 0 : 1);
  if (will !== null) writeWill(out, will);
  out.uint(session.subscriptions.length);
  for (const subscription of session.subscriptions) writeSubscription(out, subscription);
  out.uint(session.incoming.length);
  for (const { row, message } of session.incoming) {
    out.integer(row);
    writeMessage(out, message);
  }
  out.uint(session.outgoing.length);
  for (const delivery of session.outgoing) writeDelivery(out, delivery);
}

export function readSession(from: ByteReader): RestoredSession {
  return {
    clientId: from.string(),
    username: from.optionalString(),
    port: from.uint(),
    expiryInterval: from.uint(),
    expiresAt: from.integer(),
    lastPlace: from.integer(),
    parked: { count: from.integer(), bytes: from.integer(), qos0: from.integer() },
    will: from.byte() === 1 ? readWill(from) : null,
    subscriptions: readList(from, readSubscription),
    incoming: readList(from, () => ({ row: from.integer(), message: readMessage(from) })),
    outgoing: readList(from, readDelivery),
  };
}

function readList<Item>(from: ByteReader, read: (from: ByteReader) => Item): Item[] {
  return Array.from({ length: from.uint() }, () => read(from));
}

function writeSubscription(out: ByteWriter, subscription: RestoredSubscription): void {
  const { filter, qos, noLocal, retainAsPublished, retainHandling, identifier } = subscription;
  out.string(filter);
  out.byte(qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4));
  out.uint(identifier);
}

function readSubscription(from: ByteReader): RestoredSubscription {
  const filter = from.string();
  const options = from.byte();
  return {
    filter,
    qos: (options & 3) as Qos,
    noLocal: (options & 4) !== 0,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: (options >> 4) as 0 | 1 | 2,
    identifier: from.uint(),
  };
}

function writeWill(out: ByteWriter, will: RestoredWill): void {
  out.string(will.topic);
  out.blob(will.payload);
  out.byte(will.qos | (will.retain ? 4 : 0));
  out.blob(propertyBytes(will.properties));
  out.uint(will.delay);
  out.integer(will.dueAt);
}

function readWill(from: ByteReader): RestoredWill {
  const topic = from.string();
  const payload = from.blob();
  const flags = from.byte();
  return {
    topic,
    payload,
    qos: (flags & 3) as Qos,
    retain: (flags & 4) !== 0,
    properties: willProperties(from.blob()),
    delay: from.uint(),
    dueAt: from.integer(),
  };
}

/** Properties as they stand in a packet, without their length. */
export function propertyBytes(properties: Properties): Buffer {
  const size = propertyListSize(properties);
  const bytes = Buffer.alloc(varintSize(size) + size);
  writeProperties(bytes, 0, properties);
  return bytes.subarray(varintSize(size));
}

/** The properties of a Will, from their bytes without the length. */
export function willProperties(list: Buffer): Properties {
  return readPropertyList(list, 0, list.length, "will");
}
