/**
 * A batch of changes as bytes: the journal writes it, the database's thread reads it. All of it
 * becomes safe at once.
 */

import type { Message } from "../broker/message.ts";
import type { QueuedMessage, Session, Subscription } from "../broker/session.ts";
import type { ByteWriter } from "./bytes.ts";
import { propertyBytes } from "./records.ts";
import { DIRECTION, STATE, type StoreId } from "./rows.ts";

/** What stands in a batch, each followed by its values in the order of the writer below. */
export const CHANGE = {
  putClient: 1,
  removeClient: 2,
  putSubscription: 3,
  removeSubscription: 4,
  addBase: 5,
  addMessage: 6,
  changeMessage: 7,
  removeMessages: 8,
  removeBases: 9,
  putRetain: 10,
  removeRetain: 11,
} as const;

/** Strings that one message often shares with the next. */
export const SLOT = { client: 0, topic: 1, source: 2 } as const;

/** State of a delivery that waits, was sent, had its PUBREC, by its QoS. */
const STATES: readonly (readonly number[])[] = [
  [STATE.queued, STATE.publishQos0, STATE.publishQos0],
  [STATE.queued, STATE.waitForPuback, STATE.waitForPuback],
  [STATE.queued, STATE.waitForPubrec, STATE.waitForPubcomp],
];

/** Identifiers that waiting messages have in the database, for it to be taken over by mosquitto. */
const PACKET_ID_MAX = 65_535;

/** A session as it was when it was told of. Times are Unix seconds, 0 for none. */
export interface ClientState {
  readonly clientId: string;
  readonly username: string | null;
  readonly port: number;
  readonly expiryInterval: number;
  readonly will: Session["will"];
  readonly now: number;
  readonly willDelayTime: number;
  readonly sessionExpiryTime: number;
}

export class BatchWriter {
  private readonly out: ByteWriter;

  constructor(out: ByteWriter) {
    this.out = out;
  }

  putClient(client: ClientState): void {
    const { out } = this;
    const { will } = client;
    out.byte(CHANGE.putClient);
    out.string(client.clientId);
    out.optionalString(client.username);
    out.integer(client.now);
    out.integer(client.willDelayTime);
    out.integer(client.sessionExpiryTime);
    out.uint(client.port);
    out.uint(client.expiryInterval);
    out.uint(will?.delay ?? 0);
    out.byte(will === null ? 0 : 1);
    if (will === null) return;
    const { willDelayInterval: _, ...properties } = will.properties;
    out.string(will.topic);
    out.blob(will.payload);
    out.byte(will.qos);
    out.byte(will.retain ? 1 : 0);
    out.blob(propertyBytes(properties));
  }

  /** @param hasParked Whether it may have messages that nobody in memory knows of. */
  removeClient(clientId: string, hasParked: boolean): void {
    this.out.byte(CHANGE.removeClient);
    this.out.string(clientId);
    this.out.byte(hasParked ? 1 : 0);
  }

  putSubscription(clientId: string, subscription: Subscription): void {
    const { filter, qos, noLocal, retainAsPublished, retainHandling, identifier } = subscription;
    this.out.byte(CHANGE.putSubscription);
    this.out.string(clientId);
    this.out.string(filter);
    this.out.byte(qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4));
    this.out.uint(identifier);
  }

  removeSubscription(clientId: string, filter: string): void {
    this.out.byte(CHANGE.removeSubscription);
    this.out.string(clientId);
    this.out.string(filter);
  }

  /** @param expiryTime Unix seconds, 0 for never. */
  addBase(message: Message, expiryTime: number): void {
    const { out } = this;
    out.byte(CHANGE.addBase);
    out.storeId(message.stored.storeId);
    out.integer(expiryTime);
    out.repeated(SLOT.topic, message.topic.name);
    out.range(message.bytes, message.start, message.end);
    out.repeated(SLOT.source, message.source.clientId);
    out.optionalString(message.source.username);
    out.uint(message.sourcePacketId);
    out.uint(message.source.port);
    out.byte(message.qos);
    out.byte(message.retain ? 1 : 0);
    out.blob(message.properties);
  }

  addOutgoing(clientId: string, queued: QueuedMessage): void {
    const { row, place, message, qos, retain, identifier, packetId } = queued;
    const state = stateOf(queued);
    const mid = packetId > 0 ? packetId : ((place - 1) % PACKET_ID_MAX) + 1;
    const { out } = this;
    out.byte(CHANGE.addMessage);
    out.integer(row);
    out.repeated(SLOT.client, clientId);
    out.integer(place);
    out.storeId(message.stored.storeId);
    out.byte(DIRECTION.out);
    out.uint(mid);
    out.byte(qos);
    out.byte(retain ? 1 : 0);
    out.byte(state);
    out.uint(identifier);
  }

  addIncoming(clientId: string, message: Message): void {
    const { out } = this;
    out.byte(CHANGE.addMessage);
    out.integer(message.stored.incomingRow);
    out.repeated(SLOT.client, clientId);
    out.integer(message.stored.incomingRow);
    out.storeId(message.stored.storeId);
    out.byte(DIRECTION.in);
    out.uint(message.sourcePacketId);
    out.byte(2);
    out.byte(message.retain ? 1 : 0);
    out.byte(STATE.waitForPubrel);
    out.uint(0);
  }

  changeOutgoing(queued: QueuedMessage): void {
    this.out.byte(CHANGE.changeMessage);
    this.out.integer(queued.row);
    this.out.byte(stateOf(queued));
    this.out.uint(queued.packetId);
  }

  /** Rows `first` to `last`: those between are none of anybody's any more. */
  removeMessages(first: number, last: number): void {
    this.out.byte(CHANGE.removeMessages);
    this.out.integer(first);
    this.out.integer(last);
  }

  /** @param isShared Whether only those that no row names any more. */
  removeBases(first: StoreId, last: StoreId, isShared: boolean): void {
    this.out.byte(CHANGE.removeBases);
    this.out.storeId(first);
    this.out.storeId(last);
    this.out.byte(isShared ? 1 : 0);
  }

  putRetain(message: Message): void {
    this.out.byte(CHANGE.putRetain);
    this.out.blob(message.topic.bytes);
    this.out.storeId(message.stored.storeId);
  }

  removeRetain(topic: Buffer): void {
    this.out.byte(CHANGE.removeRetain);
    this.out.blob(topic);
  }
}

function stateOf({ qos, phase }: QueuedMessage): number {
  return STATES[qos]![phase]!;
}
