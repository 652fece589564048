/**
 * A message on its way out: what the outbox keeps, what delivery repeats, who is told at its end.
 */
import type { Qos } from "../core/codec/packets.ts";
import type { Properties } from "../core/codec/properties.ts";
import type { ClientError } from "./errors.ts";

/**
 * Told once when a message is done with.
 *
 * @param error Undefined when it was delivered as its QoS promises.
 * @param reasonCode Of the acknowledgement: 0, or 0x10 when nobody subscribes (MQTT 5.0); 0 at QoS
 * 0.
 */
export type OnSettled = (error: ClientError | undefined, reasonCode: number) => void;

/** Made by `publication` only, so that all have one shape. */
export interface Publication {
  readonly topic: string;
  /** The topic's UTF-8. */
  readonly topicBytes: Buffer;
  /** The caller's bytes, not a copy. */
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
  readonly onSettled: OnSettled | undefined;
  /** Bytes it counts for against the outbox's limit. */
  readonly bytes: number;
  /** The same for `Outgoing`. */
  readonly size: number;
  /** Written by `Outgoing`. 0 until it is sent, and at QoS 0. */
  packetId: number;
  /** QoS 0: the position on the link after its last byte. */
  position: number;
}

export function publication(
  topic: string,
  topicBytes: Buffer,
  payload: Buffer,
  qos: Qos,
  retain: boolean,
  properties: Properties,
  onSettled: OnSettled | undefined,
): Publication {
  const bytes = topicBytes.length + payload.length;
  return {
    topic,
    topicBytes,
    payload,
    qos,
    retain,
    properties,
    onSettled,
    bytes,
    size: bytes,
    packetId: 0,
    position: 0,
  };
}
