/**
 * What a client can be asked to do: the options, their defaults and their bounds.
 *
 * Everything is checked once, when the client is made: a wrong value throws `ClientError`
 * "invalidArgument" there, and nothing later has to doubt it.
 */
import type { Qos, Version, Will } from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../core/codec/properties.ts";
import { isValidString } from "../core/codec/utf8.ts";
import { isTopicName } from "../core/topic/name.ts";
import { checkProperties } from "./check-properties.ts";
import { ClientError } from "./errors.ts";
import type { Dial } from "./link.ts";
import type { OutboxLimits } from "./outbox.ts";
import { DEFAULT_RECONNECT_POLICY, type ReconnectPolicy } from "./reconnect.ts";
import type { Trace } from "./trace.ts";
import type { TransportOptions } from "./transport.ts";

/** Published by the server if the connection ends without a DISCONNECT that cancels it. */
export interface WillOptions {
  readonly topic: string;
  /** Default empty. A string is sent as UTF-8. */
  readonly payload?: Uint8Array | string;
  /** Default 0. */
  readonly qos?: Qos;
  /** Default false. */
  readonly retain?: boolean;
  /** MQTT 5.0 only: `willDelayInterval`, `messageExpiryInterval`, `userProperties`… */
  readonly properties?: Properties;
}

/** What may wait in the client's memory to be sent. */
export interface OutboxOptions {
  /** Messages that may wait; one more is refused with "outboxFull". Default 100 000. */
  readonly messagesMax?: number;
  /** Bytes of topics and payloads that may wait, likewise. Default 67 108 864 (64 MiB). */
  readonly bytesMax?: number;
  /**
   * Whether QoS 0 messages wait too while offline; if not, "offline" refuses them. Default true.
   */
  readonly qos0?: boolean;
}

/** The server's side of an authentication exchange (MQTT 5.0 §4.12). */
export interface AuthenticationStep {
  readonly method: string;
  /** What the server sent; undefined where it sent none. */
  readonly data: Buffer | undefined;
}

export interface ClientOptions extends TransportOptions {
  /** A transport of your own, in place of what the options about the way to the server say. */
  readonly dial?: Dial;
  /** MQTT 3.1 (3), 3.1.1 (4) or 5.0 (5). Default 5. mosquitto's own clients default to 3.1.1. */
  readonly version?: Version;
  /**
   * Default empty: the server makes one up, which is kept for reconnects in MQTT 5.0. MQTT 3.1 has
   * no such thing, there a random one is made here.
   */
  readonly clientId?: string;
  /**
   * True, the default: the first connection starts without the session that the server may still
   * have under this identifier. Later connections of this client take its session up again where it
   * outlives the connection: with a `sessionExpiryInterval` above 0, or before 5.0 with false here.
   *
   * False says that a session under this identifier is this client's to go on with.
   */
  readonly cleanStart?: boolean;
  /**
   * Seconds that the session outlives a connection, 0 to 0xFFFFFFFF (never ends). MQTT 5.0. Default
   * 0.
   */
  readonly sessionExpiryInterval?: number;
  /** Seconds, 0 (off) to 65535. The server may replace it (MQTT 5.0). Default 60. */
  readonly keepAlive?: number;
  /** Milliseconds that the server may stay silent after a PINGREQ. Default 10 000. */
  readonly pingTimeoutMs?: number;
  readonly username?: string;
  /** Before MQTT 5.0 only together with a `username`. */
  readonly password?: Uint8Array | string;
  readonly will?: WillOptions;
  /**
   * MQTT 5.0: further properties of CONNECT: `userProperties`, `requestResponseInformation`,
   * `requestProblemInformation`, `authenticationMethod`, `authenticationData`, `maximumPacketSize`.
   * Those that have an option of their own belong there.
   */
  readonly properties?: Properties;
  /**
   * QoS 1 and 2 messages that the server may send before the first of them is acknowledged, 1 to
   * 65535. MQTT 5.0. Default 65535. With `acknowledge: "manual"` it bounds what piles up here.
   */
  readonly receiveMaximum?: number;
  /** Topic aliases that the server may use towards this client, 0 to 65535. MQTT 5.0. Default 0. */
  readonly topicAliasMaximum?: number;
  /**
   * Whether topics are replaced by aliases as far as the server takes them, first come first
   * served. MQTT 5.0. Default false. Otherwise a `topicAlias` in a message's properties counts.
   */
  readonly aliasTopics?: boolean;
  /**
   * Own QoS 1 and 2 messages that may be unacknowledged at once, 1 to 64511; the server's Receive
   * Maximum bounds it too. Default 64511, and 20 before MQTT 5.0, where a server cannot say how
   * much it takes (mosquitto acknowledges and drops what is above its own 20).
   */
  readonly inflightMax?: number;
  /**
   * Bytes of topics and payloads of those. They stay in memory until they are acknowledged. A
   * single message may have more. Default Infinity.
   */
  readonly inflightBytesMax?: number;
  /** "manual": messages count as unacknowledged until `client.acknowledge`. Default "automatic". */
  readonly acknowledge?: "automatic" | "manual";
  /** Answers AUTH packets, where `properties.authenticationMethod` begins such an exchange. */
  readonly authenticate?: (step: AuthenticationStep) => Uint8Array | Promise<Uint8Array>;
  /** False: a lost connection is the end. Otherwise parts of the default policy to replace. */
  readonly reconnect?: Partial<ReconnectPolicy> | false;
  /** Whether subscriptions are renewed when the server has not kept the session. Default true. */
  readonly resubscribe?: boolean;
  readonly outbox?: OutboxOptions;
  /** Milliseconds from dialling to CONNACK. Default 30 000. */
  readonly connectTimeoutMs?: number;
  /** Told of every packet sent and received, for debugging. It must not throw. */
  readonly trace?: Trace;
  /** Aborting it closes the client at once, and everything pending rejects with "aborted". */
  readonly signal?: AbortSignal;
}

/** The options with every default filled in. */
export interface Settings {
  readonly version: Version;
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly sessionExpiryInterval: number;
  readonly keepAlive: number;
  readonly pingTimeoutMs: number;
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  readonly will: Will | undefined;
  /** Every property of CONNECT, those with an option of their own included. */
  readonly properties: Properties;
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
  /** Bytes of the largest packet that the server may send. */
  readonly maximumPacketSize: number;
  readonly aliasTopics: boolean;
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
  readonly acknowledge: "automatic" | "manual";
  readonly resubscribe: boolean;
  readonly outbox: OutboxLimits;
  readonly outboxQos0: boolean;
  readonly connectTimeoutMs: number;
  readonly trace: Trace | undefined;
  /** 65535 outside tests, which shrink it to see identifiers wrap. */
  readonly packetIdMax: number;
  /** SUBSCRIBE and UNSUBSCRIBE under way at once; their identifiers are kept free of messages. */
  readonly requestsMax: number;
}

const PACKET_ID_MAX = 65_535;
const REQUESTS_MAX = 1024;
/** The most that a remaining length can say, and the header before it (MQTT 5.0 §2.1.4). */
const PACKET_BYTES_MAX = 268_435_455 + 5;
const NEVER = 0xffff_ffff;

/**
 * Fills in the defaults.
 *
 * @throws {ClientError} invalidArgument, saying which option and why.
 */
export function settingsOf(options: ClientOptions): Settings {
  const version = options.version ?? 5;
  check(version === 3 || version === 4 || version === 5, "version must be 3, 4 or 5");
  const before5 = version < 5;
  checkProperties(options.properties ?? NO_PROPERTIES, "connect", version);
  const receiveMaximum = bounded("receiveMaximum", options.receiveMaximum ?? 65_535, 1, 65_535);
  const topicAliasMaximum = bounded("topicAliasMaximum", options.topicAliasMaximum ?? 0, 0, 65_535);
  const inflightMax = options.inflightMax ?? (before5 ? 20 : PACKET_ID_MAX - REQUESTS_MAX);
  const expiry = before5 ? 0 : (options.sessionExpiryInterval ?? 0);
  const settings: Settings = {
    version,
    clientId: text("clientId", options.clientId ?? ""),
    cleanStart: options.cleanStart ?? true,
    sessionExpiryInterval: bounded("sessionExpiryInterval", expiry, 0, NEVER),
    keepAlive: bounded("keepAlive", options.keepAlive ?? 60, 0, 65_535),
    pingTimeoutMs: atLeast("pingTimeoutMs", options.pingTimeoutMs ?? 10_000, 1),
    username: options.username === undefined ? undefined : text("username", options.username),
    password: options.password === undefined ? undefined : bytesOf(options.password),
    will: options.will === undefined ? undefined : willOf(options.will, version),
    properties: before5
      ? NO_PROPERTIES
      : connectProperties(options, { expiry, receiveMaximum, topicAliasMaximum }),
    receiveMaximum: before5 ? 65_535 : receiveMaximum,
    topicAliasMaximum: before5 ? 0 : topicAliasMaximum,
    maximumPacketSize: before5
      ? PACKET_BYTES_MAX
      : (options.properties?.maximumPacketSize ?? PACKET_BYTES_MAX),
    aliasTopics: !before5 && (options.aliasTopics ?? false),
    inflightMax: bounded("inflightMax", inflightMax, 1, PACKET_ID_MAX - REQUESTS_MAX),
    inflightBytesMax: atLeast(
      "inflightBytesMax",
      options.inflightBytesMax ?? Number.POSITIVE_INFINITY,
      1,
    ),
    acknowledge: options.acknowledge ?? "automatic",
    resubscribe: options.resubscribe ?? true,
    outbox: {
      messagesMax: atLeast("outbox.messagesMax", options.outbox?.messagesMax ?? 100_000, 0),
      bytesMax: atLeast("outbox.bytesMax", options.outbox?.bytesMax ?? 67_108_864, 0),
    },
    outboxQos0: options.outbox?.qos0 ?? true,
    connectTimeoutMs: atLeast("connectTimeoutMs", options.connectTimeoutMs ?? 30_000, 1),
    trace: options.trace,
    packetIdMax: PACKET_ID_MAX,
    requestsMax: REQUESTS_MAX,
  };
  checkTogether(settings);
  return settings;
}

/**
 * The reconnect policy with every default filled in; undefined when there is to be none.
 *
 * @throws {ClientError} invalidArgument, for a number out of bounds.
 */
export function reconnectPolicyOf(options: ClientOptions): ReconnectPolicy | undefined {
  if (options.reconnect === false) return undefined;
  const { delayMinMs = DEFAULT_RECONNECT_POLICY.delayMinMs } = options.reconnect ?? {};
  // A first delay beyond the longest by default is meant, and not a mistake.
  const delayMaxMs = Math.max(delayMinMs, DEFAULT_RECONNECT_POLICY.delayMaxMs);
  const policy = { ...DEFAULT_RECONNECT_POLICY, delayMaxMs, ...options.reconnect };
  atLeast("reconnect.delayMinMs", policy.delayMinMs, 0);
  atLeast("reconnect.delayMaxMs", policy.delayMaxMs, policy.delayMinMs);
  atLeast("reconnect.factor", policy.factor, 1);
  atLeast("reconnect.stableAfterMs", policy.stableAfterMs, 0);
  atLeast("reconnect.attemptsMax", policy.attemptsMax, 0);
  check(policy.jitter >= 0 && policy.jitter <= 1, "reconnect.jitter must be from 0 to 1");
  return policy;
}

/** Throws `ClientError` "invalidArgument" unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ClientError("invalidArgument", message);
}

/** Bytes as a Buffer over the same memory; a string as its UTF-8. */
export function bytesOf(value: Uint8Array | string): Buffer {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (Buffer.isBuffer(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function willOf(will: WillOptions, version: Version): Will {
  check(isValidString(will.topic) && isTopicName(will.topic), "will.topic is not a topic name");
  const payload = bytesOf(will.payload ?? "");
  check(payload.length <= 65_535, "will.payload must be at most 65535 bytes");
  const properties = will.properties ?? NO_PROPERTIES;
  checkProperties(properties, "will", version);
  return {
    topic: will.topic,
    payload,
    qos: bounded("will.qos", will.qos ?? 0, 0, 2) as Qos,
    retain: will.retain ?? false,
    properties,
  };
}

function connectProperties(
  options: ClientOptions,
  own: { expiry: number; receiveMaximum: number; topicAliasMaximum: number },
): Properties {
  // A property at its default is left out: the packet stays short, and as mosquitto sends it.
  return {
    ...options.properties,
    ...(own.expiry === 0 ? {} : { sessionExpiryInterval: own.expiry }),
    ...(own.receiveMaximum === 65_535 ? {} : { receiveMaximum: own.receiveMaximum }),
    ...(own.topicAliasMaximum === 0 ? {} : { topicAliasMaximum: own.topicAliasMaximum }),
  };
}

function checkTogether(settings: Settings): void {
  const { version, properties } = settings;
  if (version < 5 && settings.password !== undefined) {
    check(settings.username !== undefined, "a password needs a username before MQTT 5.0");
  }
  if (version === 4 && settings.clientId === "") {
    check(settings.cleanStart, "cleanStart false needs a clientId"); // [MQTT-3.1.3-7]
  }
  check((settings.password?.length ?? 0) <= 65_535, "password must be at most 65535 bytes");
  if (properties.authenticationData !== undefined) {
    const named = properties.authenticationMethod !== undefined;
    check(named, "authenticationData needs an authenticationMethod");
  }
}

function text(name: string, value: string): string {
  check(isValidString(value), `${name} is not a string that MQTT can carry`);
  return value;
}

function bounded(name: string, value: number, low: number, high: number): number {
  const within = Number.isInteger(value) && value >= low && value <= high;
  check(within, `${name} must be a whole number from ${low} to ${high}`);
  return value;
}

function atLeast(name: string, value: number, low: number): number {
  check(value >= low, `${name} must be at least ${low}`);
  return value;
}
