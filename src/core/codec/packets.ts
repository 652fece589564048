/**
 * The shape of every MQTT control packet, for 3.1, 3.1.1 and 5.0 alike (MQTT 5.0 §3).
 *
 * A packet of 3.1 or 3.1.1 is one of 5.0 with no properties. Shapes only: reading and writing are
 * in `general.ts`, and for the common packets in `publish.ts` and `ack.ts`.
 */
import type { Properties } from "./properties.ts";

/** Protocol level on the wire: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0 (MQTT 5.0 §3.1.2.2). */
export type Version = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

/** Packet types as they stand in the high nibble of the first byte (MQTT 5.0 §2.1.2). */
export const TYPE = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

/** What the broker is to publish when the connection ends badly (MQTT 5.0 §3.1.2.5). */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
}

export interface ConnectPacket {
  readonly type: "connect";
  readonly version: Version;
  /** The level byte carried 0x80: the peer says that it is a bridge (a convention, not MQTT's). */
  readonly bridge: boolean;
  readonly cleanStart: boolean;
  /** Seconds, 0 to 65535; 0 switches the mechanism off (MQTT 5.0 §3.1.2.10). */
  readonly keepAlive: number;
  /** May be empty: the server then makes one up [MQTT5-3.1.3-6]. */
  readonly clientId: string;
  readonly will?: Will;
  readonly username?: string;
  readonly password?: Buffer;
  readonly properties: Properties;
}

export interface ConnackPacket {
  readonly type: "connack";
  readonly sessionPresent: boolean;
  /** Reason code in 5.0, return code 0 to 5 before (MQTT 5.0 §3.2.2.2, 3.1.1 §3.2.2.3). */
  readonly reasonCode: number;
  readonly properties: Properties;
}

export interface SubscriptionRequest {
  readonly filter: string;
  readonly qos: Qos;
  /** The three below are false, false and 0 before 5.0 (MQTT 5.0 §3.8.3.1). */
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly type: "subscribe";
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties: Properties;
}

export interface SubackPacket {
  readonly type: "suback";
  readonly packetId: number;
  /** One for each filter asked for, in its order [MQTT5-3.9.3-1]. */
  readonly reasonCodes: readonly number[];
  readonly properties: Properties;
}

export interface UnsubscribePacket {
  readonly type: "unsubscribe";
  readonly packetId: number;
  readonly filters: readonly string[];
  readonly properties: Properties;
}

export interface UnsubackPacket {
  readonly type: "unsuback";
  readonly packetId: number;
  /** One for each filter in 5.0; empty before, where UNSUBACK has no payload. */
  readonly reasonCodes: readonly number[];
  readonly properties: Properties;
}

export interface DisconnectPacket {
  readonly type: "disconnect";
  readonly reasonCode: number;
  readonly properties: Properties;
}

export interface AuthPacket {
  readonly type: "auth";
  readonly reasonCode: number;
  readonly properties: Properties;
}

/** The packets that are rare enough to be read into objects, whole. */
export type GeneralPacket =
  | ConnectPacket
  | ConnackPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | DisconnectPacket
  | AuthPacket;
