/**
 * The rows of a database of mosquitto's persist-sqlite plugin, schema 1.1.0, as plain values
 * (mosquitto-2.1 g.2). An old mosquitto.db is read into the same rows (g).
 */

/** Grows in time and is never reused. A bigint only beyond what a number holds exactly. */
export type StoreId = number | bigint;

/** Whether a message is on its way from the client or to it. */
export const DIRECTION = { in: 0, out: 1 } as const;

/** How far an exchange has come (g). */
export const STATE = {
  publishQos0: 1,
  publishQos1: 2,
  waitForPuback: 3,
  publishQos2: 4,
  waitForPubrec: 5,
  resendPubrel: 6,
  waitForPubrel: 7,
  resendPubcomp: 8,
  waitForPubcomp: 9,
  sendPubrec: 10,
  queued: 11,
} as const;

/** A session expiry interval that never ends (MQTT 5.0 §3.1.2.11.2). */
export const NEVER = 0xffff_ffff;

/** A session that outlives its connection. Times are Unix seconds, 0 for none. */
export interface ClientRow {
  readonly clientId: string;
  readonly username: string | null;
  readonly connectionTime: number;
  readonly willDelayTime: number;
  readonly sessionExpiryTime: number;
  readonly listenerPort: number;
  /** 0 for no limit. */
  readonly maxPacketSize: number;
  readonly maxQos: number;
  readonly retainAvailable: number;
  /** Seconds; 0xffffffff for ever, which the database has as -1. */
  readonly sessionExpiryInterval: number;
  readonly willDelayInterval: number;
}

export interface SubscriptionRow {
  readonly clientId: string;
  /** As the client wrote it, share and all. */
  readonly topic: string;
  /** QoS in bits 0 and 1, no-local 4, retain-as-published 8, retain handling in bits 4 and 5. */
  readonly options: number;
  /** 0 for none. */
  readonly identifier: number;
}

/** A message, once however many wait for it. */
export interface BaseMessageRow {
  readonly storeId: StoreId;
  /** Unix seconds, 0 for never. */
  readonly expiryTime: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly sourceId: string;
  readonly sourceUsername: string | null;
  readonly sourceMid: number;
  readonly sourcePort: number;
  readonly qos: number;
  readonly retain: number;
  /** JSON as `store/properties-json.ts` has it; null for none. */
  readonly properties: string | null;
}

/** A message that a session still owes, or has taken over and not released. */
export interface ClientMessageRow {
  readonly clientId: string;
  /** Its place in the session's queue. */
  readonly cmsgId: number;
  readonly storeId: StoreId;
  readonly dup: number;
  /** One of `DIRECTION`. */
  readonly direction: number;
  /** Packet identifier. */
  readonly mid: number;
  readonly qos: number;
  readonly retain: number;
  /** One of `STATE`. */
  readonly state: number;
  /** 0 for none. */
  readonly subscriptionIdentifier: number;
}

export interface RetainRow {
  readonly topic: string;
  readonly storeId: StoreId;
}

/** A Will that is still to be sent. */
export interface WillRow {
  readonly clientId: string;
  readonly payload: Uint8Array;
  readonly topic: string;
  readonly qos: number;
  readonly retain: number;
  readonly properties: string | null;
}

/** All there is in a database. */
export interface Contents {
  readonly clients: readonly ClientRow[];
  readonly subscriptions: readonly SubscriptionRow[];
  readonly baseMessages: readonly BaseMessageRow[];
  readonly clientMessages: readonly ClientMessageRow[];
  readonly retains: readonly RetainRow[];
  readonly wills: readonly WillRow[];
}
