/**
 * A bridge, complete: what the lines below `connection NAME` say, with defaults filled in
 * (mosquitto-2.1 b.10).
 */

export interface BridgeAddress {
  readonly host: string;
  readonly port: number;
}

/** One `topic` line. */
export interface BridgeTopic {
  /** The pattern alone; empty where only the prefixes name the topic. */
  readonly pattern: string;
  readonly direction: "out" | "in" | "both";
  readonly qos: 0 | 1 | 2;
  /** Put before the pattern, which makes the topic here and the topic there. */
  readonly localPrefix: string;
  readonly remotePrefix: string;
}

export interface BridgeConfiguration {
  /** As `connection` has it. */
  readonly name: string;
  /** One or more. */
  readonly addresses: readonly BridgeAddress[];
  readonly topics: readonly BridgeTopic[];
  readonly protocolVersion: 3 | 4 | 5;
  /** Undefined: HOSTNAME.NAME, which whoever starts the bridge fills in. */
  readonly remoteClientid: string | undefined;
  /** Undefined: local.REMOTE_CLIENTID. */
  readonly localClientid: string | undefined;
  readonly remoteUsername: string | undefined;
  readonly remotePassword: string | undefined;
  readonly localUsername: string | undefined;
  readonly localPassword: string | undefined;
  readonly cleanSession: boolean;
  readonly localCleanSession: boolean;
  /** Seconds. */
  readonly keepaliveInterval: number;
  /** Seconds without a message after which a lazy bridge ends. */
  readonly idleTimeout: number;
  /** Messages that have to wait before a lazy one begins. */
  readonly threshold: number;
  readonly startType: "automatic" | "lazy" | "once";
  /** Seconds; a constant delay where `cap` is undefined. */
  readonly restart: {
    readonly base: number;
    readonly cap: number | undefined;
    /** A connection that held so long, in seconds, makes delays start over; 0: any does. */
    readonly stable: number;
  };
  readonly roundRobin: boolean;
  readonly tryPrivate: boolean;
  readonly notifications: boolean;
  readonly notificationsLocalOnly: boolean;
  /** Undefined: `$SYS/broker/connection/REMOTE_CLIENTID/state`. */
  readonly notificationTopic: string | undefined;
  readonly attemptUnsubscribe: boolean;
  readonly bindAddress: string | undefined;
  readonly outgoingRetain: boolean;
  /** Bytes; 0 for no limit. */
  readonly maxPacketSize: number;
  readonly maxTopicAlias: number;
  /** Undefined: none is told. */
  readonly receiveMaximum: number | undefined;
  /** Seconds, 5.0 only. Undefined: for ever, unless `cleanSession`. */
  readonly sessionExpiryInterval: number | undefined;
  readonly reloadType: "lazy" | "immediate";
  readonly tcpKeepalive: {
    /** Seconds. */
    readonly idle: number;
    readonly interval: number;
    readonly count: number;
  } | null;
  /** Milliseconds. */
  readonly tcpUserTimeout: number | undefined;
  readonly tls: BridgeTls | null;
}

/** TLS on the way to the remote; paths are from the working directory unless absolute. */
export interface BridgeTls {
  readonly caFile: string | undefined;
  readonly caPath: string | undefined;
  readonly useSystemCa: boolean;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly alpn: string | undefined;
  readonly ciphers: string | undefined;
  readonly tls13Ciphers: string | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Whether the name in the remote's certificate may be any. */
  readonly isInsecure: boolean;
  readonly requireOcsp: boolean;
  /** In place of certificates; the key in hexadecimal digits, two a byte. */
  readonly psk: { readonly identity: string; readonly key: string } | null;
}
