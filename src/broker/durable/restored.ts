/**
 * What a store hands back: the broker's state as it was when the last change became safe. Times
 * are Unix milliseconds here, for the broker's own clock begins anew.
 */
import type { Qos } from "../../core/codec/packets.ts";
import type { Properties } from "../../core/codec/properties.ts";

/** Names a message in the store. */
export type StoreId = number | bigint;

export interface RestoredMessage {
  readonly storeId: StoreId;
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  /** As `Message.properties` has them. */
  readonly properties: Buffer;
  /** 0 for never. */
  readonly expiresAt: number;
  readonly sourceId: string;
  readonly sourceUsername: string | null;
  readonly sourcePort: number;
  readonly sourcePacketId: number;
  /** Whether the store may have more than one row that names it. */
  readonly isShared: boolean;
}

/** How far a delivery has come: waits, was sent, had its PUBREC. */
export const PHASE = { waiting: 0, sent: 1, received: 2 } as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];

export interface RestoredDelivery {
  readonly message: RestoredMessage;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Subscription identifier, 0 for none. */
  readonly identifier: number;
  readonly packetId: number;
  readonly phase: Phase;
  /** Where it stands in the session's queue. */
  readonly place: number;
  /** Names it in the store. */
  readonly row: number;
}

export interface RestoredWill {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
  /** Seconds. */
  readonly delay: number;
  /** When it is to go out; 0 when its client was connected. */
  readonly dueAt: number;
}

export interface RestoredSubscription {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  readonly identifier: number;
}

/** The part of a queue that is not in memory. */
export interface Parked {
  count: number;
  /** Payload bytes of those. */
  bytes: number;
  /** Those of QoS 0. */
  qos0: number;
}

export interface RestoredSession {
  readonly clientId: string;
  readonly username: string | null;
  /** Port of its listener. */
  readonly port: number;
  /** Seconds; `NEVER` for ever. */
  readonly expiryInterval: number;
  /** 0 when its client was connected. */
  readonly expiresAt: number;
  readonly will: RestoredWill | null;
  readonly subscriptions: readonly RestoredSubscription[];
  /** Taken over at QoS 2 and not released. */
  readonly incoming: readonly { readonly row: number; readonly message: RestoredMessage }[];
  /** Exchanges under way, oldest first. */
  readonly outgoing: readonly RestoredDelivery[];
  readonly parked: Parked;
  /** The last place in the queue that was given out. */
  readonly lastPlace: number;
}

export interface RestoredState {
  readonly sessions: readonly RestoredSession[];
  readonly retained: readonly RestoredMessage[];
}
