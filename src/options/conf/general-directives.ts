/**
 * The options of ts-broker.conf that are the broker's: running, limits and access.
 * Defaults are those of mosquitto 2.1. Keys and units are those of the broker's settings.
 */
import {
  bad,
  boolean,
  type Directive,
  deprecated,
  empty,
  ignored,
  integer,
  limit,
  readBoolean,
  readInteger,
  text,
} from "./directive.ts";
import { OWN_LIMIT_ROWS } from "./limit-directives.ts";

const GENERAL = "General options";
const LIMITS = "Limits";
const ACCESS = "Access";

/** Packet identifiers end there, so that more cannot be under way (MQTT 5.0 §2.2.1). */
const INFLIGHT_MAX = 65_535;

/** Seconds in the units of persistent_client_expiration; a month is 30 days. */
const UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  h: 3600,
  d: 86_400,
  w: 604_800,
  m: 2_592_000,
  y: 31_536_000,
};

const RUNNING_ROWS = {
  allowDuplicateMessages: boolean({
    name: "allow_duplicate_messages",
    group: GENERAL,
    scope: "general",
    reload: "yes",
    notes: deprecated("allow_duplicate_messages", "The behaviour will default to true."),
    text: [
      "Whether a client before MQTT 5.0 gets one copy of a message for each of its subscriptions",
      "that match. The default is true. Deprecated.",
    ].join(" "),
    fallback: true,
  }),
  checkRetainSource: boolean({
    name: "check_retain_source",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: [
      "Whether a retained message is delivered only while its publisher may still write to its",
      "topic. The default is false.",
    ].join(" "),
    fallback: false,
  }),
  connectionMessages: boolean({
    name: "connection_messages",
    group: GENERAL,
    scope: "general",
    reload: "yes",
    text: "Whether connects and disconnects are logged. The default is true.",
    fallback: true,
  }),
  enableControlApi: boolean({
    name: "enable_control_api",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: [
      "Whether $CONTROL/broker/v1 answers what listens and which plugins there are. Who may ask is",
      "for the rules on topics to say. The default is false.",
    ].join(" "),
    fallback: false,
  }),
  perListenerSettings: boolean({
    name: "per_listener_settings",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: [
      "Whether options on access belong to the listener above them. The default is false.",
      "It must come before all such options. Deprecated.",
    ].join(" "),
    fallback: false,
  }),
  pidFile: text({
    name: "pid_file",
    value: "FILE",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: "Writes the process id to FILE at the start, and removes it at the end.",
    fallback: undefined,
  }),
  user: text({
    name: "user",
    value: "NAME",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: [
      "The user to become when started as root: mosquitto unless given, and nobody if there is",
      "no such user.",
    ].join(" "),
    fallback: undefined,
  }),
  setTcpNodelay: boolean({
    name: "set_tcp_nodelay",
    group: GENERAL,
    scope: "general",
    reload: "no",
    // mosquitto's default is false. It writes packet by packet; we write once a turn, so that
    // holding back small segments would gain nothing and cost up to 40 ms.
    text: "Whether small packets are sent at once (TCP_NODELAY). The default is true.",
    fallback: true,
  }),
  sysInterval: integer({
    name: "sys_interval",
    value: "SECONDS",
    group: GENERAL,
    scope: "general",
    reload: "yes",
    text: "How often the topics below $SYS are brought up to date; 0 for never. The default is 10.",
    min: 0,
    max: 65_535,
    fallback: 10,
  }),
  retainAvailable: boolean({
    name: "retain_available",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: "Whether clients may have messages retained. The default is true.",
    fallback: true,
  }),
  retainExpiryIntervalMs: {
    name: "retain_expiry_interval",
    value: "MINUTES",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: [
      "How often expired retained messages are looked for, 1 to 10000000 minutes.",
      "Unless given, they are removed when somebody would get them.",
    ].join(" "),
    read(rest) {
      const minutes = readInteger(rest);
      if (minutes >= 1 && minutes <= 10_000_000) return minutes * 60_000;
      throw bad(`Error: Invalid retain_expiry_interval value (${rest.word}).`);
    },
    fallback: 0,
  } as Directive<number>,
  queueQos0Messages: boolean({
    name: "queue_qos0_messages",
    group: GENERAL,
    scope: "general",
    reload: "yes",
    text: [
      "Whether messages of QoS 0 are kept for clients that are away, too.",
      "The default is false.",
    ].join(" "),
    fallback: false,
  }),
  upgradeOutgoingQos: boolean({
    name: "upgrade_outgoing_qos",
    group: GENERAL,
    scope: "general",
    reload: "yes",
    text: [
      "Whether messages are delivered at the QoS of the subscription even where they were",
      "published with a lower one, which the standard does not have. The default is false.",
    ].join(" "),
    fallback: false,
  }),
  packetBufferSize: integer({
    name: "packet_buffer_size",
    aliases: ["websockets_headers_size"],
    value: "BYTES",
    group: GENERAL,
    scope: "general",
    reload: "no",
    text: "The longest header of an HTTP upgrade, up to 65535 bytes. The default is 4096.",
    min: 0,
    max: 65_535,
    refusal: "Error: Websockets headers size must be between 0 and 65535 inclusive.",
    fallback: 4096,
  }),
  retryInterval: ignored({
    name: "retry_interval",
    value: "SECONDS",
    group: GENERAL,
    scope: "general",
    reload: "no",
    notes: gone("retry_interval"),
    text: "Accepted and ignored: messages are repeated when a client comes back.",
  }),
  dhparamfile: ignored({
    name: "dhparamfile",
    value: "FILE",
    group: GENERAL,
    scope: "general",
    reload: "no",
    notes: gone("dhparamfile"),
    text: "Accepted and ignored.",
  }),
} as const;

const LIMIT_ROWS = {
  globalMaxClients: unlimited(
    "global_max_clients",
    "How many sessions there may be, connected or not; -1, the default, for no limit.",
  ),
  globalMaxConnections: unlimited(
    "global_max_connections",
    "How many connections there may be on all listeners; -1, the default, for no limit.",
  ),
  maxInflightMessages: {
    name: "max_inflight_messages",
    value: "COUNT",
    group: LIMITS,
    scope: "general",
    reload: "no",
    text: [
      "How many messages of QoS 1 and 2 may be under way to or from one client at once, up to",
      "65535; 0 for no limit. The default is 20. It is also the Receive Maximum of MQTT 5.0.",
    ].join(" "),
    read(rest) {
      const count = Math.max(0, readInteger(rest));
      if (count > INFLIGHT_MAX) throw bad("Error: max_inflight_messages must be <= 65535.");
      return count === INFLIGHT_MAX ? 0 : count;
    },
    fallback: 20,
  } as Directive<number>,
  maxInflightBytes: counted(
    "max_inflight_bytes",
    "BYTES",
    0,
    [
      "How many bytes of payload may be under way to one client at once; 0, the default, for no",
      "limit. A single message may exceed it.",
    ].join(" "),
  ),
  maxQueuedMessages: counted(
    "max_queued_messages",
    "COUNT",
    1000,
    [
      "How many messages of QoS 1 and 2 wait for one client beside those under way; 0 for no",
      "limit. The default is 1000. Further ones are dropped.",
    ].join(" "),
  ),
  maxQueuedBytes: counted(
    "max_queued_bytes",
    "BYTES",
    0,
    [
      "How many bytes of payload wait for one client; 0, the default, for no limit.",
      "Of this and max_queued_messages the first one reached counts.",
    ].join(" "),
  ),
  maxKeepalive: integer({
    name: "max_keepalive",
    value: "SECONDS",
    group: LIMITS,
    scope: "general",
    reload: "no",
    text: [
      "The longest keep alive a client may have, up to 65535 seconds; 0, the default, for no",
      "limit. A longer one is shortened with MQTT 5.0 and refused before.",
    ].join(" "),
    min: 0,
    max: 65_535,
    fallback: 0,
  }),
  maxPacketSize: integer({
    name: "max_packet_size",
    value: "BYTES",
    group: LIMITS,
    scope: "general",
    reload: "no",
    text: [
      "The longest packet a client may send, at least 20 bytes. The default is 2000000.",
      "A longer one ends its connection.",
    ].join(" "),
    min: 20,
    fallback: 2_000_000,
  }),
  messageSizeLimit: integer({
    name: "message_size_limit",
    value: "BYTES",
    group: LIMITS,
    scope: "general",
    reload: "yes",
    notes: [
      {
        type: "notice",
        text: "Note: It is recommended to replace `message_size_limit` with `max_packet_size`.",
      },
    ],
    text: [
      "The longest payload, up to 268435455 bytes; 0, the default, for no limit.",
      "A message with a longer one is acknowledged and dropped.",
    ].join(" "),
    min: 0,
    max: 268_435_455,
    fallback: 0,
  }),
  memoryLimit: integer({
    name: "memory_limit",
    value: "BYTES",
    group: LIMITS,
    scope: "general",
    reload: "yes",
    text: [
      "How much memory the broker may use, as $SYS/broker/heap/current shows it; 0, the default,",
      "for no limit. Above it messages are handed on and no longer queued or retained, and new",
      "clients and subscriptions are refused, until there is memory again.",
    ].join(" "),
    min: 0,
    fallback: 0,
  }),
  persistentClientExpiration: {
    name: "persistent_client_expiration",
    value: "DURATION",
    group: LIMITS,
    scope: "general",
    reload: "yes",
    text: [
      "How long any session is kept at most after its connection has ended: a number and one of",
      "s, h, d, w, m and y for seconds, hours, days, weeks, months of 30 days and years.",
      "Unless given, sessions last as long as their clients asked for.",
    ].join(" "),
    read(rest) {
      if (rest.word === "") throw empty("persistent_client_expiration");
      const [, count, unit] = /^(\d+)([shdwmy])/.exec(rest.word) ?? [];
      const seconds = Number(count) * (UNIT_SECONDS[unit ?? ""] ?? 0);
      if (seconds > 0) return seconds;
      throw bad("Error: Invalid persistent_client_expiration duration in configuration.");
    },
    fallback: 0,
  } as Directive<number>,
} as const;

const ACCESS_ROWS = {
  clientidPrefixes: text({
    name: "clientid_prefixes",
    value: "PREFIX",
    group: ACCESS,
    scope: "general",
    reload: "yes",
    notes: deprecated("clientid_prefixes", ""),
    text: "Lets in only clients whose identifier begins with PREFIX. Deprecated.",
    fallback: "",
  }),
  authPluginDenySpecialChars: {
    name: "auth_plugin_deny_special_chars",
    value: "true|false",
    group: ACCESS,
    scope: "general",
    reload: "no",
    needsPlugin: true,
    text: [
      "Accepted below a plugin and without effect: it is for plugins of mosquitto's interfaces 2 to",
      "4, and none that is built in is one of those.",
    ].join(" "),
    read(rest) {
      readBoolean(rest);
      return undefined;
    },
    fallback: undefined,
  } as Directive<undefined>,
} as const;

/** What per_listener_settings makes the listener's. */
export const SECURITY_DIRECTIVES = {
  aclFile: text({
    name: "acl_file",
    value: "FILE",
    group: ACCESS,
    scope: "security",
    reload: "yes",
    text: [
      "The rules by which clients may publish and receive. Each line is topic",
      "[read|write|readwrite|deny] FILTER, user NAME, whose rules follow, or pattern with the same",
      "words, where a level may be %c for the client identifier and %u for the user name.",
      "What stands before the first user is for clients without one. What no rule allows is denied.",
    ].join(" "),
    fallback: undefined,
  }),
  allowAnonymous: boolean({
    name: "allow_anonymous",
    group: ACCESS,
    scope: "security",
    reload: "yes",
    text: [
      "Whether clients without a user name are let in. The default is false, but true where no",
      "listener is defined and only this machine can connect.",
    ].join(" "),
    fallback: undefined,
  }),
  allowZeroLengthClientid: boolean({
    name: "allow_zero_length_clientid",
    group: ACCESS,
    scope: "security",
    reload: "yes",
    text: [
      "Whether a client may leave its identifier empty, to be given one. The default is true.",
      "MQTT 3.1 has no such thing.",
    ].join(" "),
    fallback: true,
  }),
  autoIdPrefix: text({
    name: "auto_id_prefix",
    value: "PREFIX",
    group: ACCESS,
    scope: "security",
    reload: "yes",
    text: [
      "What the identifiers that the broker makes up begin with, at most 50 characters.",
      "The default is auto-. Deprecated in favour of listener_auto_id_prefix.",
    ].join(" "),
    check: (prefix) => refuseLongPrefix("auto_id_prefix", prefix),
    fallback: undefined,
  }),
  passwordFile: text({
    name: "password_file",
    value: "FILE",
    group: ACCESS,
    scope: "security",
    reload: "yes",
    text: [
      "Users and their hashed passwords, as ts-broker passwd and mosquitto_passwd write them.",
      "A client that names a user is let in with that user's password only. On a reload, clients",
      "whose line has changed or gone are disconnected, those with a new hash of the same password",
      "too: it is not kept once it has been checked.",
    ].join(" "),
    fallback: undefined,
  }),
  pskFile: text({
    name: "psk_file",
    value: "FILE",
    group: ACCESS,
    scope: "security",
    reload: "yes",
    text: [
      "The keys that clients of listeners with psk_hint share with the broker: lines with an",
      "identity, a colon and the key in hexadecimal. On a reload, clients whose line has changed or",
      "gone are disconnected.",
    ].join(" "),
    fallback: undefined,
  }),
} as const;

export const GENERAL_DIRECTIVES = {
  ...RUNNING_ROWS,
  ...LIMIT_ROWS,
  ...OWN_LIMIT_ROWS,
  ...ACCESS_ROWS,
} as const;

/** Prefixes of made-up identifiers are short, so that the whole is. */
export function refuseLongPrefix(name: string, prefix: string): void {
  if (prefix.length > 50) throw bad(`Error: ${name} length must be <= 50.`);
}

function unlimited(name: string, sentence: string): Directive<number> {
  return integer({
    name,
    value: "COUNT",
    group: LIMITS,
    scope: "general",
    reload: "no",
    text: sentence,
    min: -1,
    fallback: -1,
  });
}

function counted(name: string, value: string, fallback: number, sentence: string) {
  return limit({
    name,
    value,
    group: LIMITS,
    scope: "general",
    reload: "no",
    text: sentence,
    fallback,
  });
}

function gone(name: string) {
  const line = `Warning: The ${name} option is no longer available.`;
  return [{ type: "warning", text: line }] as const;
}
