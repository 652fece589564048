/**
 * What went over the wire, packet by packet, for whoever debugs a connection: `ts-pub -d`.
 *
 * Costs a comparison for each packet while nobody traces.
 */
import type { Qos, SubscriptionRequest } from "../core/codec/packets.ts";

export type TracedType =
  | "CONNECT"
  | "CONNACK"
  | "PUBLISH"
  | "PUBACK"
  | "PUBREC"
  | "PUBREL"
  | "PUBCOMP"
  | "SUBSCRIBE"
  | "SUBACK"
  | "UNSUBSCRIBE"
  | "UNSUBACK"
  | "PINGREQ"
  | "PINGRESP"
  | "DISCONNECT"
  | "AUTH";

/** One packet. Fields that its type does not have are 0, false, empty or undefined. */
export interface TracedPacket {
  readonly direction: "sent" | "received";
  readonly type: TracedType;
  readonly packetId: number;
  readonly reasonCode: number;
  /** PUBLISH. */
  readonly topic: string;
  readonly payloadBytes: number;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** SUBSCRIBE. */
  readonly subscriptions: readonly SubscriptionRequest[];
  /** UNSUBSCRIBE. */
  readonly filters: readonly string[];
  /** SUBACK, UNSUBACK. */
  readonly reasonCodes: readonly number[];
}

/** Told of each packet as it is written, or read and found to be well formed. */
export type Trace = (packet: TracedPacket) => void;

const NOTHING = {
  packetId: 0,
  reasonCode: 0,
  topic: "",
  payloadBytes: 0,
  qos: 0,
  retain: false,
  dup: false,
  subscriptions: [],
  filters: [],
  reasonCodes: [],
} as const;

export function traced(
  direction: TracedPacket["direction"],
  type: TracedType,
  fields: Partial<TracedPacket> = {},
): TracedPacket {
  return { ...NOTHING, ...fields, direction, type };
}

/** Names of packet types, by their number in the first byte. */
export const TYPE_NAMES: readonly (TracedType | undefined)[] = [
  undefined,
  "CONNECT",
  "CONNACK",
  "PUBLISH",
  "PUBACK",
  "PUBREC",
  "PUBREL",
  "PUBCOMP",
  "SUBSCRIBE",
  "SUBACK",
  "UNSUBSCRIBE",
  "UNSUBACK",
  "PINGREQ",
  "PINGRESP",
  "DISCONNECT",
  "AUTH",
];
