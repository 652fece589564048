/** An application message as a subscriber gets it. */
import type { Qos } from "../core/codec/packets.ts";
import type { Properties } from "../core/codec/properties.ts";

export interface ReceivedMessage {
  readonly topic: string;
  /** Owned by whoever receives it: never overwritten later. */
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0, which has none [MQTT5-2.2.1-2]. */
  readonly packetId: number;
  /** Empty before MQTT 5.0. A topic alias has been resolved already, and is kept here. */
  readonly properties: Properties;
}
