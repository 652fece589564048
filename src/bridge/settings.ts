/** What a bridge is told, complete: names, topics, limits (mosquitto-2.1 b.10). */
import type { Qos, Version } from "../core/codec/packets.ts";
import type { TopicLine } from "./topic-map.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** When a connection is tried again; seconds. */
export interface RestartPolicy {
  readonly base: number;
  /** Delays grow up to it by chance; undefined: each is `base`. */
  readonly cap: number | undefined;
  /** How long a connection has to hold for delays to start over. */
  readonly stable: number;
}

export interface BridgeSettings {
  /** As the log names it. */
  readonly name: string;
  readonly addresses: readonly Address[];
  readonly version: Version;
  readonly remoteClientId: string;
  readonly localClientId: string;
  readonly remoteUsername: string | undefined;
  readonly remotePassword: string | undefined;
  /** Null for none. */
  readonly localUsername: string | null;
  readonly cleanSession: boolean;
  readonly localCleanSession: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  /** Topics from our broker to the remote, and from there. */
  readonly outgoing: readonly TopicLine[];
  readonly incoming: readonly TopicLine[];
  /** What is asked for there, in the order of the lines; `wanted` false: to be given up. */
  readonly remoteRequests: readonly RemoteRequest[];
  readonly startType: "automatic" | "lazy" | "once";
  /** Seconds without a message after which a lazy bridge ends. */
  readonly idleTimeout: number;
  /** Messages that wait when a lazy one begins. */
  readonly threshold: number;
  readonly restart: RestartPolicy;
  readonly roundRobin: boolean;
  /** Whether the remote is told that a bridge comes. */
  readonly tryPrivate: boolean;
  /** Where its state is told, here and there; null for not at all. */
  readonly notificationTopic: string | null;
  /** Only here. */
  readonly notifiesLocallyOnly: boolean;
  readonly outgoingRetain: boolean;
  /** Bytes of a packet to the remote; 0 for no limit. */
  readonly maxPacketSize: number;
  /** Topic aliases in 5.0, each way. */
  readonly maxTopicAlias: number;
  /** What the remote is told in 5.0; undefined: as many as our broker has under way. */
  readonly receiveMaximum: number | undefined;
  /** Seconds, 5.0 only. */
  readonly sessionExpiryInterval: number;
}

export interface RemoteRequest {
  readonly filter: string;
  readonly qos: Qos;
  readonly wanted: boolean;
}
