/**
 * A whole mosquitto.db as the rows of today's database (mosquitto-2.1 g).
 *
 * Chunks name each other: a retained message and a client's message name a base message, messages
 * and subscriptions name a client. What names something that is not there is left out and counted,
 * as mosquitto does.
 *
 * Does not drop what has expired, for it knows no time.
 */
import {
  type BaseMessageChunk,
  type ClientChunk,
  type ClientMessageChunk,
  mosquittoDbChunks,
  readHeader,
  type SubscriptionChunk,
} from "./mosquitto-db-chunks.ts";
import type {
  BaseMessageRow,
  ClientMessageRow,
  ClientRow,
  Contents,
  RetainRow,
  StoreId,
  SubscriptionRow,
} from "./rows.ts";

/** What was left out, by why. */
export interface LeftOut {
  /** Messages of clients whose base message is not there. */
  readonly messagesWithoutBase: number;
  /** Messages of clients that are not there themselves. */
  readonly messagesWithoutClient: number;
  readonly subscriptionsWithoutClient: number;
  readonly retainsWithoutBase: number;
  /** Clients and base messages that stood there before: the first one counts. */
  readonly duplicates: number;
}

export interface MosquittoDb {
  /** 2 to 6; 0 for an empty file, which has none. */
  readonly version: number;
  readonly contents: Contents;
  readonly leftOut: LeftOut;
  /** Whole sentences. */
  readonly warnings: readonly string[];
}

/**
 * Reads the whole of a mosquitto.db. Payloads are views of `bytes`.
 *
 * An empty file holds nothing and is none the worse for it, as in mosquitto.
 *
 * @throws {UnreadableDatabase} notDatabase, unsupportedVersion or damaged.
 */
export function readMosquittoDb(bytes: Buffer): MosquittoDb {
  const gathering = new Gathering();
  if (bytes.length === 0) return gathering.done(0, ["Persistence file is empty."]);
  const { version } = readHeader(bytes);
  const warnings: string[] = [];
  for (const { chunk } of mosquittoDbChunks(bytes)) {
    switch (chunk.kind) {
      case "configuration":
        break;
      case "baseMessage":
        gathering.onBaseMessage(chunk);
        break;
      case "client":
        gathering.onClient(chunk);
        break;
      case "clientMessage":
        gathering.messages.push(chunk);
        break;
      case "subscription":
        gathering.subscriptions.push(chunk);
        break;
      case "retain":
        gathering.retains.push(chunk.storeId);
        break;
      case "unknown":
        warnings.push(unknownChunk(chunk.type));
    }
  }
  return gathering.done(version, warnings);
}

/** mosquitto's sentence for a chunk of a type that is not known. */
export function unknownChunk(type: number): string {
  return `Unsupported chunk "${type}" in persistent database file. Ignoring.`;
}

/** Rows by their keys, and what can be judged only when all are known. */
class Gathering {
  readonly messages: ClientMessageChunk[] = [];
  readonly subscriptions: SubscriptionChunk[] = [];
  readonly retains: StoreId[] = [];
  private readonly baseMessages = new Map<StoreId, BaseMessageRow>();
  private readonly clients = new Map<string, ClientRow>();
  private duplicates = 0;

  onBaseMessage({ kind: _, ...row }: BaseMessageChunk): void {
    if (this.baseMessages.has(row.storeId)) this.duplicates++;
    else this.baseMessages.set(row.storeId, row);
  }

  onClient({ kind: _, lastMid: __, ...known }: ClientChunk): void {
    if (this.clients.has(known.clientId)) {
      this.duplicates++;
      return;
    }
    this.clients.set(known.clientId, {
      ...known,
      connectionTime: 0,
      willDelayTime: 0,
      maxPacketSize: 0,
      maxQos: 2,
      retainAvailable: 1,
      willDelayInterval: 0,
    });
  }

  done(version: number, warnings: readonly string[]): MosquittoDb {
    const messages = this.clientMessages();
    const subscriptions = this.allSubscriptions();
    const retains = this.allRetains();
    const leftOut: LeftOut = {
      messagesWithoutBase: messages.withoutBase,
      messagesWithoutClient: messages.withoutClient,
      subscriptionsWithoutClient: subscriptions.withoutClient,
      retainsWithoutBase: retains.withoutBase,
      duplicates: this.duplicates,
    };
    const contents: Contents = {
      clients: [...this.clients.values()],
      subscriptions: subscriptions.rows,
      baseMessages: [...this.baseMessages.values()],
      clientMessages: messages.rows,
      retains: retains.rows,
      wills: [],
    };
    return { version, contents, leftOut, warnings: [...warnings, ...sentencesOf(leftOut)] };
  }

  private clientMessages() {
    const places = new Map<string, number>();
    const rows: ClientMessageRow[] = [];
    let withoutBase = 0;
    let withoutClient = 0;
    for (const { kind: _, ...message } of this.messages) {
      if (!this.clients.has(message.clientId)) withoutClient++;
      else if (!this.baseMessages.has(message.storeId)) withoutBase++;
      else {
        const cmsgId = (places.get(message.clientId) ?? 0) + 1;
        places.set(message.clientId, cmsgId);
        rows.push({ ...message, cmsgId });
      }
    }
    return { rows, withoutBase, withoutClient };
  }

  private allSubscriptions() {
    const rows = new Map<string, SubscriptionRow>();
    let withoutClient = 0;
    for (const { clientId, topic, qos, options, identifier } of this.subscriptions) {
      // A later one replaces an earlier one [MQTT5-3.8.4-3]. No client identifier has a NUL.
      const key = `${clientId}\0${topic}`;
      const row = { clientId, topic, options: (qos & 3) | (options & 0xfc), identifier };
      if (this.clients.has(clientId)) rows.set(key, row);
      else withoutClient++;
    }
    return { rows: [...rows.values()], withoutClient };
  }

  private allRetains() {
    const rows = new Map<string, RetainRow>();
    let withoutBase = 0;
    for (const storeId of this.retains) {
      const topic = this.baseMessages.get(storeId)?.topic;
      if (topic === undefined) withoutBase++;
      else rows.set(topic, { topic, storeId });
    }
    return { rows: [...rows.values()], withoutBase };
  }
}

function sentencesOf(leftOut: LeftOut): string[] {
  const sentences: readonly (readonly [count: number, what: string])[] = [
    [leftOut.messagesWithoutBase, "messages of clients have no base message and are ignored"],
    [leftOut.messagesWithoutClient, "messages have no client and are ignored"],
    [leftOut.subscriptionsWithoutClient, "subscriptions have no client and are ignored"],
    [leftOut.retainsWithoutBase, "retained messages have no base message and are ignored"],
    [leftOut.duplicates, "clients and base messages stand there twice; the first ones count"],
  ];
  return sentences.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}.`);
}
