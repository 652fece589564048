/**
 * What a dump prints, one entry after another, whichever kind of database it stands in: the chunks
 * of a mosquitto.db as they come, or an SQLite database in the order mosquitto would save it.
 */

import { type Chunk, type ClientChunk, mosquittoDbChunks } from "../store/mosquitto-db-chunks.ts";
import type { BaseMessageRow, ClientMessageRow, Contents, WillRow } from "../store/rows.ts";

export interface ClientEntry extends Omit<ClientChunk, "lastMid"> {
  /** Undefined where the database does not keep it. */
  readonly lastMid: number | undefined;
}

export interface WillEntry extends WillRow {
  readonly kind: "will";
}

export type Entry = Exclude<Chunk, ClientChunk> | ClientEntry | WillEntry;

/** An entry; its length in bytes where it has one. */
export interface PlacedEntry {
  readonly entry: Entry;
  readonly length: number | undefined;
}

/** @throws {UnreadableDatabase} While it is gone through, where the file is damaged. */
export function* entriesOfFile(bytes: Buffer): Generator<PlacedEntry, void> {
  if (bytes.length === 0) return;
  for (const { chunk, length } of mosquittoDbChunks(bytes)) yield { entry: chunk, length };
}

export function* entriesOfContents(contents: Contents): Generator<PlacedEntry, void> {
  for (const entry of inOrder(contents)) yield { entry, length: undefined };
}

function* inOrder(contents: Contents): Generator<Entry, void> {
  const { clientMessages, subscriptions } = contents;
  for (const row of contents.baseMessages) yield { kind: "baseMessage", ...withBuffer(row) };
  const queues = new Map<string, ClientMessageRow[]>();
  for (const row of clientMessages) {
    const queue = queues.get(row.clientId);
    if (queue === undefined) queues.set(row.clientId, [row]);
    else queue.push(row);
  }
  for (const row of contents.clients) {
    const { clientId, username, sessionExpiryTime, sessionExpiryInterval, listenerPort } = row;
    const times = { sessionExpiryTime, sessionExpiryInterval };
    yield { kind: "client", clientId, username, ...times, listenerPort, lastMid: undefined };
    for (const message of queues.get(clientId) ?? []) yield { kind: "clientMessage", ...message };
    queues.delete(clientId);
  }
  // Of clients that are not there: a dump hides nothing.
  for (const queue of queues.values()) {
    for (const message of queue) yield { kind: "clientMessage", ...message };
  }
  for (const { clientId, topic, options, identifier } of subscriptions) {
    const bits = { qos: options & 3, options: options & 0xfc };
    yield { kind: "subscription", clientId, topic, ...bits, identifier };
  }
  for (const { storeId } of contents.retains) yield { kind: "retain", storeId };
  for (const row of contents.wills) yield { kind: "will", ...row };
}

function withBuffer({ payload, ...row }: BaseMessageRow) {
  return { ...row, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength) };
}
