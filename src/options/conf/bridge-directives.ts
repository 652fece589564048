/**
 * The options of ts-broker.conf about bridges: the line that begins one, and what stands below it
 * (mosquitto-2.1 b.10). Those of TLS are in `bridge-tls-directives.ts`; `bridge-lines.ts` gathers
 * what each bridge is told and refuses what does not go together.
 */
import { isValidString } from "../../core/codec/utf8.ts";
import { isTopicName } from "../../core/topic/name.ts";
import { wholeLong } from "../numbers.ts";
import { readBridgeAddresses } from "./bridge-address.ts";
import type { BridgeAddress, BridgeConfiguration, BridgeTopic } from "./bridge-configuration.ts";
import { BRIDGE_TLS_DIRECTIVES } from "./bridge-tls-directives.ts";
import { readBridgeTopic } from "./bridge-topic.ts";
import {
  bad,
  boolean,
  type Directive,
  empty,
  integer,
  limit,
  malformed,
  type Note,
  type Rest,
  readInteger,
  readText,
} from "./directive.ts";

const BRIDGES = "Bridges";

/** Seconds and counts are kept in 32 bits, as mosquitto keeps them. */
const INTEGER_MAX = 2_147_483_647;
const KEEP_ALIVE_MIN = 5;
const KEEP_ALIVE_MAX = 65_535;
const RESTART_BASE_MAX = 3600;
const RESTART_CAP_MAX = 7200;

export const CONNECTION_DIRECTIVES = {
  connection: {
    name: "connection",
    value: "NAME",
    group: BRIDGES,
    scope: "connection",
    reload: "yes",
    text: [
      "Begins a bridge to another broker, to which the options of this section and the next belong",
      "that stand below it. Each bridge has a name of its own. SIGHUP begins, ends and changes",
      "bridges; see bridge_reload_type.",
    ].join(" "),
    read({ name, word, isMalformed }) {
      if (word === "") throw empty(name);
      if (isMalformed || !isValidString(word)) throw malformed();
      return word;
    },
    fallback: undefined,
  } as Directive<string | undefined>,
} as const;

export const BRIDGE_DIRECTIVES = {
  addresses: {
    name: "address",
    aliases: ["addresses"],
    value: "HOST[:PORT]...",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "Where the other broker is; several, with blanks between them, are tried in turn, see",
      "round_robin. The port is 1883 unless given. An IPv6 address needs a port, or brackets around",
      "it. Every bridge needs an address.",
    ].join(" "),
    read(rest) {
      if (rest.again) throw bad("Error: Invalid bridge configuration.");
      if (rest.isMalformed) throw malformed();
      return readBridgeAddresses(rest);
    },
    fallback: [],
  } as Directive<readonly BridgeAddress[]>,
  topics: {
    name: "topic",
    value: "PATTERN [out|in|both [QOS [LOCAL [REMOTE]]]]",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "Messages on topics that match PATTERN are sent to the other broker (out, the default), taken",
      "from it (in), or both, with quality of service 0 unless given. The topic here is PATTERN with",
      "LOCAL before it, the topic there PATTERN with REMOTE before it; see REMAPPING. A prefix that",
      'is not given, or "", is nothing. A PATTERN with blanks stands in quotation marks. Every',
      "bridge needs a topic, and may have many; a line that is there already is passed over.",
    ].join(" "),
    read(rest, soFar = new Map()) {
      const topic = readBridgeTopic(rest);
      const key = JSON.stringify(topic);
      // Grows in place: there may be thousands of lines.
      return soFar.has(key) ? soFar : (soFar as Map<string, BridgeTopic>).set(key, topic);
    },
    fallback: new Map(),
  } as Directive<ReadonlyMap<string, BridgeTopic>>,
  protocolVersion: {
    name: "bridge_protocol_version",
    value: "mqttv31|mqttv311|mqttv50",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: "The version of MQTT that is spoken: 3.1, 3.1.1, which is the default, or 5.0.",
    read({ name, text }) {
      if (text === "") throw empty(name);
      if (text === "mqttv31") return 3;
      if (text === "mqttv311") return 4;
      if (text === "mqttv50") return 5;
      throw bad(`Error: Invalid ${name} value (${text}).`);
    },
    fallback: 4,
  } as Directive<3 | 4 | 5>,
  remoteClientid: words(
    "remote_clientid",
    "IDENTIFIER",
    [
      "The client identifier that the bridge has at the other broker. The default is the name of",
      "this machine, a full stop and the name of the bridge.",
    ].join(" "),
    { alias: "clientid", called: "bridge remote clientid" },
  ),
  localClientid: words(
    "local_clientid",
    "IDENTIFIER",
    [
      "The client identifier that it has at this broker, under which messages wait for it. The",
      "default is local. and the remote one. No two bridges may have the same.",
    ].join(" "),
    // As mosquitto spells it.
    { called: "bridge local clientd" },
  ),
  remoteUsername: words(
    "remote_username",
    "NAME",
    "The user name with which the bridge logs in at the other broker.",
    { alias: "username", called: "bridge remote_username" },
  ),
  remotePassword: words(
    "remote_password",
    "PASSWORD",
    "The password for that. Before MQTT 5.0 there is none without a user name.",
    { alias: "password", called: "bridge remote_password" },
  ),
  localUsername: words(
    "local_username",
    "NAME",
    "The user name that the bridge has at this broker, in logs. It needs no access here.",
    { called: "bridge local_username" },
  ),
  localPassword: words(
    "local_password",
    "PASSWORD",
    "The password for that, which is not looked at.",
    { called: "bridge local_password" },
  ),
  cleanSession: flag(
    "cleansession",
    [
      "Whether the other broker forgets the bridge with the connection: its subscriptions, and",
      "messages that come meanwhile. The default is false. With false, a topic that is taken out of",
      "the configuration stays subscribed to there.",
    ].join(" "),
    false,
  ),
  localCleanSession: flag(
    "local_cleansession",
    [
      "Whether messages for the other broker that come while there is no connection are given up.",
      "The default is what cleansession says.",
    ].join(" "),
    undefined,
  ),
  keepaliveInterval: {
    name: "keepalive_interval",
    value: "SECONDS",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: "After so many seconds without a message a ping is sent: 5 to 65535. The default is 60.",
    notes: lowNotes(KEEP_ALIVE_MIN, "keepalive interval too low, using 5 seconds."),
    read(rest) {
      const seconds = readInteger(rest);
      if (seconds > KEEP_ALIVE_MAX) throw bad("Error: Bridge keepalive value too high.");
      return Math.max(KEEP_ALIVE_MIN, seconds);
    },
    fallback: 60,
  } as Directive<number>,
  startType: {
    name: "start_type",
    value: "automatic|lazy|once",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "When the bridge connects: with the broker, and again whenever the connection is lost",
      "(automatic, the default); when there are messages to send, see threshold and idle_timeout",
      "(lazy); or once, with the broker.",
    ].join(" "),
    read({ name, word }) {
      if (word === "") throw empty(name);
      if (word === "automatic" || word === "lazy" || word === "once") return word;
      if (word === "manual") throw bad("Error: Manual start_type not supported.");
      throw bad(`Error: Invalid start_type value in configuration (${word}).`);
    },
    fallback: "automatic",
  } as Directive<BridgeConfiguration["startType"]>,
  threshold: atLeastOne(
    "threshold",
    "COUNT",
    "A lazy bridge connects when so many messages wait for it. The default is 10.",
    "threshold too low, using 1 message.",
    10,
  ),
  idleTimeout: atLeastOne(
    "idle_timeout",
    "SECONDS",
    "A lazy bridge disconnects after so many seconds without a message. The default is 60.",
    "idle_timeout interval too low, using 1 second.",
    60,
  ),
  restart: {
    name: "restart_timeout",
    value: "BASE [CAP [STABLE]]",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "How many seconds the bridge waits before it tries again to connect. BASE alone, 1 to 3600, is",
      "what it always waits. With CAP, up to 7200, the time is BASE at first and grows up to CAP, in",
      "part by chance, so that many bridges do not come back at once. It begins anew after a",
      "connection that has held for STABLE seconds; after any, without STABLE. The default is 5 30.",
    ].join(" "),
    notes: restartNotes,
    read: readRestart,
    fallback: { base: 5, cap: 30, stable: 0 },
  } as Directive<BridgeConfiguration["restart"]>,
  roundRobin: flag(
    "round_robin",
    [
      "Whether all addresses are equal, so that a connection is kept wherever it is. With false, the",
      "default, the first is tried again meanwhile, and the bridge goes back to it.",
    ].join(" "),
    false,
  ),
  tryPrivate: flag(
    "try_private",
    [
      "Whether the other broker is told that this is a bridge, so that messages do not come back and",
      "retained ones stay retained. One that does not know of bridges is asked again without. The",
      "default is true.",
    ].join(" "),
    true,
  ),
  notifications: flag(
    "notifications",
    [
      "Whether both brokers have a retained message that says 1 while the bridge is connected and 0",
      "while it is not. The default is true.",
    ].join(" "),
    true,
  ),
  notificationsLocalOnly: flag(
    "notifications_local_only",
    "Whether only this broker has it. The default is false.",
    false,
  ),
  notificationTopic: words(
    "notification_topic",
    "TOPIC",
    [
      "The topic of that message. The default is $SYS/broker/connection/IDENTIFIER/state, with the",
      "remote client identifier.",
    ].join(" "),
    {
      // ~ mosquitto starts with a wildcard there, and never connects.
      check(topic) {
        if (isTopicName(topic)) return;
        throw bad(`Error: Invalid notification_topic value (${topic}).`);
      },
    },
  ),
  attemptUnsubscribe: flag(
    "bridge_attempt_unsubscribe",
    [
      "Whether the bridge unsubscribes at the other broker from topics that only go out, in case",
      "they came in before. The default is true.",
    ].join(" "),
    true,
  ),
  bindAddress: words(
    "bridge_bind_address",
    "ADDRESS",
    "The address of this machine from which the bridge connects.",
  ),
  outgoingRetain: flag(
    "bridge_outgoing_retain",
    [
      "With false, messages are sent without the retain flag, for brokers that do not take retained",
      "ones. The default is true.",
    ].join(" "),
    true,
  ),
  maxPacketSize: limit({
    name: "bridge_max_packet_size",
    value: "BYTES",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "Messages that make a larger packet are not sent; what the other broker says counts if it is",
      "less. 0, the default, is no limit.",
    ].join(" "),
    max: INTEGER_MAX,
    fallback: 0,
  }),
  maxTopicAlias: integer({
    name: "bridge_max_topic_alias",
    value: "COUNT",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "The highest topic alias in either direction with MQTT 5.0, up to 65535. The default is 10; 0",
      "is none.",
    ].join(" "),
    min: 0,
    max: 65_535,
    fallback: 10,
  }) as Directive<number>,
  receiveMaximum: integer({
    name: "bridge_receive_maximum",
    value: "COUNT",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "How many messages of quality of service 1 and 2 the other broker may send before the first is",
      "acknowledged, with MQTT 5.0: 1 to 65535. It is told nothing unless given.",
    ].join(" "),
    min: 1,
    max: 65_535,
    fallback: undefined,
  }),
  sessionExpiryInterval: integer({
    name: "bridge_session_expiry_interval",
    value: "SECONDS",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "How long the other broker keeps the session after a connection with MQTT 5.0, up to",
      "4294967295, which is for ever. The default is for ever, and 0 with cleansession true, as",
      "with the versions before 5.0.",
    ].join(" "),
    min: 0,
    max: 4_294_967_295,
    fallback: undefined,
  }) as Directive<number | undefined>,
  reloadType: {
    name: "bridge_reload_type",
    value: "lazy|immediate",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "Whether a bridge whose options SIGHUP changes uses them when it next connects (lazy, the",
      "default), or ends its connection for it (immediate).",
    ].join(" "),
    read({ name, word }) {
      if (word === "") throw empty(name);
      if (word === "lazy" || word === "immediate") return word;
      throw bad(`Error: Invalid ${name} value (${word}).`);
    },
    fallback: "lazy",
  } as Directive<BridgeConfiguration["reloadType"]>,
  tcpKeepalive: {
    name: "bridge_tcp_keepalive",
    value: "IDLE INTERVAL COUNT",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "Has the operating system ask after IDLE seconds of silence whether the other side is there",
      "still. How often, and for how long, is as the machine has it: Node.js cannot set INTERVAL and",
      "COUNT.",
    ].join(" "),
    notes: [{ type: "notice", text: "bridge_tcp_keepalive sets the idle time only." }],
    read(rest) {
      if (rest.text === "") throw empty(rest.name);
      const [idle, interval, count] = wordsOf(rest).map((word) => {
        const value = wholeLong(word);
        if (value !== undefined && value >= 1n && value <= INTEGER_MAX) return Number(value);
        throw bad(`Error: Invalid ${rest.name} value (${word}).`);
      });
      if (idle !== undefined && interval !== undefined && count !== undefined) {
        return { idle, interval, count };
      }
      throw bad(`Error: Invalid ${rest.name} value (${rest.text}).`);
    },
    fallback: null,
  } as Directive<BridgeConfiguration["tcpKeepalive"]>,
  tcpUserTimeout: integer({
    name: "bridge_tcp_user_timeout",
    value: "MILLISECONDS",
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: [
      "How long what has been sent may stay unacknowledged by the other machine. It is read and has",
      "no effect, because Node.js cannot set it; keepalive_interval finds out as well.",
    ].join(" "),
    notes: [{ type: "warning", text: "Warning: bridge_tcp_user_timeout has no effect here." }],
    min: 0,
    max: INTEGER_MAX,
    fallback: undefined,
  }),
  ...BRIDGE_TLS_DIRECTIVES,
} as const;

/** Text with its blanks, once only. */
function words(
  name: string,
  value: string,
  what: string,
  more: {
    readonly alias?: string;
    /** What sentences call it. */
    readonly called?: string;
    readonly check?: (text: string) => void;
  } = {},
): Directive<string | undefined> {
  const { alias, called = name, check } = more;
  return {
    name,
    ...(alias === undefined ? {} : { aliases: [alias] }),
    value,
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: what,
    read(rest) {
      const text = readText({ ...rest, name: called });
      check?.(text);
      return text;
    },
    fallback: undefined,
  };
}

function flag<Fallback extends boolean | undefined>(
  name: string,
  what: string,
  fallback: Fallback,
) {
  return boolean({
    name,
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: what,
    fallback,
  }) as Directive<Fallback extends boolean ? boolean : boolean | undefined>;
}

/** A number that is 1 instead when it is less. */
function atLeastOne(
  name: string,
  value: string,
  what: string,
  note: string,
  fallback: number,
): Directive<number> {
  return {
    name,
    value,
    group: BRIDGES,
    scope: "bridge",
    reload: "yes",
    text: what,
    notes: lowNotes(1, note),
    read: (rest) => clamped(readInteger(rest), 1, INTEGER_MAX),
    fallback,
  };
}

/** What is said of a first number below `min`; one that cannot be is refused by its row. */
function lowNotes(min: number, text: string): (rest: Rest) => readonly Note[] {
  return ({ word }) => {
    const value = wholeLong(word);
    return value !== undefined && value < min ? [{ type: "notice", text }] : [];
  };
}

function restartNotes(rest: Rest): readonly Note[] {
  const [, cap = ""] = wordsOf(rest);
  const tooHigh = (what: string, word: string, max: number): readonly Note[] => {
    const value = wholeLong(word);
    const text = `restart_timeout ${what} too high, using ${max} seconds.`;
    return value !== undefined && value > max ? [{ type: "notice", text }] : [];
  };
  return [
    ...lowNotes(1, "restart_timeout interval too low, using 1 second.")(rest),
    ...tooHigh("interval", rest.word, RESTART_BASE_MAX),
    ...tooHigh("cap", cap, RESTART_CAP_MAX),
  ];
}

function readRestart(rest: Rest): BridgeConfiguration["restart"] {
  const base = clamped(readInteger(rest), 1, RESTART_BASE_MAX);
  const [, capWord, stableWord] = wordsOf(rest);
  if (capWord === undefined) return { base, cap: undefined, stable: 0 };
  const cap = Math.min(readInteger({ ...rest, word: capWord }), RESTART_CAP_MAX);
  if (cap < base) throw bad("Error: backoff cap is lower than the base in restart_timeout.");
  if (stableWord === undefined) return { base, cap, stable: 0 };
  const stable = readInteger({ ...rest, word: stableWord });
  return { base, cap, stable: clamped(stable, 0, INTEGER_MAX) };
}

/** No option has more than three; what follows is not looked at, as in mosquitto. */
function wordsOf({ text }: Rest): string[] {
  return text.split(/ +/, 3);
}

function clamped(value: number, min: number, max: number): number {
  return Math.min(Math.max(min, value), max);
}
