/**
 * The options that ts-pub, ts-sub and ts-rr share: whom to connect to, as whom, with which session
 * and will. Words, bounds and sentences are those of mosquitto's programs 2.1.
 */
import type { Qos, Version } from "../core/codec/packets.ts";
import { isValidString } from "../core/codec/utf8.ts";
import { leadingInteger, wholeLong } from "./numbers.ts";
import { anyWord, flag, type Option, type Values, valued } from "./option.ts";
import {
  checkedProperties,
  type GivenProperty,
  type PropertiesByCommand,
  propertyNamed,
  propertyWords,
  takeProperty,
} from "./property-option.ts";
import { checkTls, TLS_OPTIONS, tlsFault } from "./tls.ts";
import { parseWillTopic } from "./topic-words.ts";
import { SOCKET_PATH_BYTES_MAX, TRANSPORT_OPTIONS } from "./transport.ts";
import { UsageError } from "./usage-error.ts";

/** Instead of a password: it is to be asked for. */
export const ASK: unique symbol = Symbol("ask");

/** Session expiry that never comes (MQTT 5.0 §3.1.2.11.2). */
export const NEVER = 0xffff_ffff;

const CONNECTION = "Connection";
const SESSION = "Session";
const WILL = "Will";
const HELP = "Help and diagnostics";

export const CONNECT_OPTIONS = {
  host: valued({
    long: "host",
    short: "h",
    value: "HOST",
    group: CONNECTION,
    brief: "Connect to HOST, a name or an address",
    text: "The broker's host name or address, localhost unless given.",
    standard: "localhost",
    complete: "host",
    missing: "Error: -h argument given but no host specified.",
    parse: anyWord,
    fallback: "localhost",
  }),
  port: valued({
    long: "port",
    short: "p",
    value: "PORT",
    group: CONNECTION,
    brief: "Connect to PORT",
    text: [
      "The broker's TCP port, 0 to 65535. It is 1883 unless given, or 8883 with the cafile, capath",
      "or psk option. With 8883 TLS is spoken in any case. With 0 the host is the path of a unix",
      "socket.",
    ].join(" "),
    standard: "1883",
    missing: "Error: -p argument given but no port specified.",
    parse: parsePort,
    fallback: undefined,
  }),
  username: valued({
    long: "username",
    short: "u",
    value: "NAME",
    group: CONNECTION,
    brief: "Log in as NAME",
    text: "The user name to authenticate with. See also the password option.",
    missing: "Error: -u argument given but no username specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  password: {
    long: "pw",
    short: "P",
    value: "PASSWORD",
    group: CONNECTION,
    brief: "Log in with PASSWORD, asked for if it is not there",
    text: [
      "The password to authenticate with. Before MQTT 5.0 it needs a user name.",
      "Other users of the machine can see it in the list of processes: as the last word on a",
      "terminal, -P without a password asks for it. See also the pw-file option.",
    ].join(" "),
    implies: { passwordFile: undefined },
    missing: "Error: -P argument given but no password specified.",
    // Any next word is the password, whatever it begins with: only the last one can be without.
    take: (operands) => (operands.left === 0 && operands.canAsk() ? ASK : operands.take()),
    fallback: undefined,
  } as Option<string | typeof ASK | undefined>,
  passwordFile: valued({
    long: "pw-file",
    value: "FILE",
    group: CONNECTION,
    brief: "Log in with the password in the first line of FILE",
    text: [
      "The file whose first line is the password to authenticate with. mosquitto's programs have",
      "no such option.",
    ].join(" "),
    complete: "file",
    implies: { password: undefined },
    missing: "Error: --pw-file argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  version: valued({
    long: "protocol-version",
    short: "V",
    value: "VERSION",
    group: CONNECTION,
    brief: "Speak mqttv31, mqttv311 or mqttv5 (31, 311 and 5 for short)",
    text: [
      "The version of the protocol: mqttv31, mqttv311 or mqttv5, or 31, 311 or 5 for short.",
      "It is mqttv311 unless given, and mqttv5 from the first property option on.",
    ].join(" "),
    standard: "mqttv311",
    complete: ["mqttv31", "mqttv311", "mqttv5"],
    missing: "Error: --protocol-version argument given but no version specified.",
    parse: parseVersion,
    fallback: 4 as Version,
  }),
  keepAlive: valued({
    long: "keepalive",
    short: "k",
    value: "SECONDS",
    group: CONNECTION,
    brief: "Show a sign of life at least every SECONDS",
    text: [
      "The keep alive in seconds, 5 to 65535 and 60 unless given: with nothing else to send for",
      "that long, a ping is sent; the broker ends a connection that is silent half as long again.",
    ].join(" "),
    standard: "60",
    missing: "Error: -k argument given but no keepalive specified.",
    parse: parseKeepAlive,
    fallback: 60,
  }),
  noDelay: flag({
    long: "nodelay",
    group: CONNECTION,
    brief: "Send small packets at once (TCP_NODELAY)",
    text: [
      "Switches off Nagle's algorithm: less delay, at the price of more packets. It is off here in",
      "any case.",
    ].join(" "),
  }),
  ...TRANSPORT_OPTIONS,
  property: {
    long: "property",
    short: "D",
    value: "CMD NAME VALUE",
    group: CONNECTION,
    brief: "Add an MQTT 5.0 property to a packet",
    text: [
      "Adds the property NAME with VALUE to every packet of the kind CMD, one of connect,",
      "publish, subscribe, unsubscribe, disconnect and will, and switches to MQTT 5.0.",
      "A user property has two values: CMD user-property KEY VALUE.",
      "It may be given more than once.",
    ].join(" "),
    complete: ["connect", "publish", "subscribe", "unsubscribe", "disconnect", "will"],
    completeSecond: propertyWords(),
    repeatable: true,
    implies: { version: 5 },
    take: (operands, soFar) => [...soFar, takeProperty(operands)],
    fallback: [],
  } as Option<readonly GivenProperty[]>,
  id: valued({
    long: "id",
    short: "i",
    value: "ID",
    group: SESSION,
    brief: "Use the client identifier ID",
    text: [
      "The client identifier, by which the broker knows the session.",
      "Unless given, the broker makes one up. It excludes the id-prefix option.",
    ].join(" "),
    excludes: { keys: ["idPrefix"], message: bothIds() },
    missing: "Error: -i argument given but no id specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  idPrefix: valued({
    long: "id-prefix",
    short: "I",
    value: "PREFIX",
    group: SESSION,
    brief: "Use PREFIX and the process id as client identifier",
    text: [
      "The client identifier is PREFIX followed by the process id, for brokers that only let in",
      "certain prefixes. It excludes the id option.",
    ].join(" "),
    excludes: { keys: ["id"], message: bothIds() },
    missing: "Error: -I argument given but no id prefix specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  keepSession: flag({
    long: "disable-clean-session",
    short: "c",
    group: SESSION,
    brief: "Take up the session again and keep it afterwards",
    text: [
      "The broker keeps subscriptions and queued messages for this client identifier while it is",
      "away, and for ever unless -x says how long. It needs the id option.",
    ].join(" "),
  }),
  sessionExpiry: valued({
    short: "x",
    value: "SECONDS",
    group: SESSION,
    brief: "Let the broker keep the session for SECONDS (MQTT 5.0)",
    text: [
      "How many seconds the broker keeps the session after the connection has ended, 0 to",
      "4294967294, or -1, 4294967295 or ∞ for ever. It is 0 unless given, and for ever with",
      "the -c option. For ever needs the id option. MQTT 5.0 only.",
    ].join(" "),
    standard: "0",
    missing: "Error: -x argument given but no session expiry interval specified.",
    parse: parseSessionExpiry,
    fallback: undefined,
  }),
  maxInflight: valued({
    short: "M",
    value: "COUNT",
    group: SESSION,
    brief: "Have at most COUNT messages under way (QoS 1 and 2)",
    text: "How many messages of QoS 1 and 2 may be unacknowledged at once, 20 unless given.",
    standard: "20",
    missing: "Error: -M argument given but max_inflight not specified.",
    parse: parseMaxInflight,
    fallback: undefined,
  }),
  willTopic: valued({
    long: "will-topic",
    value: "TOPIC",
    group: WILL,
    brief: "Leave a will on TOPIC",
    text: "If the connection ends badly, the broker publishes the will on this topic.",
    missing: "Error: --will-topic argument given but no will topic specified.",
    parse: parseWillTopic,
    fallback: undefined,
  }),
  willPayload: valued({
    long: "will-payload",
    value: "TEXT",
    group: WILL,
    brief: "Make TEXT the will's payload",
    text: "The payload of the will, empty unless given. It needs the will-topic option.",
    missing: "Error: --will-payload argument given but no will payload specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  willQos: valued({
    long: "will-qos",
    value: "LEVEL",
    group: WILL,
    brief: "Publish the will at LEVEL: 0, 1 or 2",
    text: "The quality of service of the will, 0 unless given.",
    standard: "0",
    complete: ["0", "1", "2"],
    missing: "Error: --will-qos argument given but no will QoS specified.",
    parse: parseWillQos,
    fallback: 0 as Qos,
  }),
  willRetain: flag({
    long: "will-retain",
    group: WILL,
    brief: "Make the will a retained message",
    text: "The broker retains the will. It needs the will-topic option.",
  }),
  ...TLS_OPTIONS,
  optionFile: valued({
    short: "o",
    value: "FILE",
    group: HELP,
    brief: "Read options from FILE first",
    text: [
      "Reads options from this file, before those of the command line: one a line, the rest of the",
      "line behind the first space its value. A line that begins with # is a comment. Without it",
      "mosquitto's own file is read if there is one, see FILES.",
    ].join(" "),
    complete: "file",
    excludes: { keys: ["optionFile"], message: "Error: Only one -o argument can be given." },
    missing: "Error: -o argument given but no options file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  compatExit: flag({
    long: "compat-exit",
    group: HELP,
    brief: "Exit with 0 as mosquitto's programs do when refused",
    text: [
      "Exits with status 0 when the broker has refused a message or a subscription, as mosquitto's",
      "programs do. They have no such option.",
    ].join(" "),
  }),
  debug: flag({
    long: "debug",
    short: "d",
    group: HELP,
    brief: "Print every packet sent and received",
    text: "Prints one line on standard output for each packet sent and received.",
  }),
  quiet: flag({
    long: "quiet",
    group: HELP,
    brief: "Print no errors but those of usage",
    text: "Keeps errors that happen at run time off standard error. The exit status remains.",
  }),
  help: flag({
    long: "help",
    group: HELP,
    brief: "Print this text and exit with status 1",
    text: "Prints the usage on standard output and exits with status 1.",
    stops: true,
  }),
  printVersion: flag({
    long: "version",
    group: HELP,
    brief: "Print the version and exit with status 1",
    text: "Prints the version on standard output and exits with status 1.",
    stops: true,
  }),
} as const;

export type ConnectValues = Values<typeof CONNECT_OPTIONS>;

/** Checks what the shared options only show together, before the programs' own checks. */
export function checkConnect(values: ConnectValues): void {
  if (values.willTopic === undefined) {
    if (values.willPayload !== undefined) {
      throw incomplete("Error: Will payload given, but no will topic given.");
    }
    if (values.willRetain) throw incomplete("Error: Will retain given, but no will topic given.");
  }
  checkTls(values);
  if (values.id !== undefined) return;
  if (values.version === 5 && sessionExpiryOf(values) === NEVER) {
    throw incomplete(
      "Error: You must provide a client id if you are using an infinite session expiry interval.",
    );
  }
  if (values.version !== 5 && values.keepSession) {
    throw incomplete("Error: You must provide a client id if you are using the -c option.");
  }
}

/**
 * The properties of every packet, with the session expiry of -c and -x in CONNECT.
 *
 * @throws {UsageError} when -D contradicts itself, -x or the standard.
 */
export function propertiesOf(values: ConnectValues): PropertiesByCommand {
  const expiry = values.version === 5 ? sessionExpiryOf(values) : 0;
  if (expiry === 0) return checkedProperties(values.property);
  const row = propertyNamed("session-expiry-interval")!;
  return checkedProperties([...values.property, { command: "connect", row, value: expiry }]);
}

/**
 * Checks what mosquitto's programs find when they make the client, after all other checks. Like any
 * other error at run time, --quiet keeps it back.
 */
export function checkClient(values: ConnectValues, wrongId = "Invalid id."): void {
  const { id, username, version } = values;
  const refused = (message: string): UsageError =>
    new UsageError("bad-value", message, values.quiet ? "silence" : "nothing");
  const unnamed =
    id === "" || (id === undefined && values.keepSession && values.idPrefix === undefined);
  if (unnamed || !isValidString(id ?? "") || !isValidString(values.idPrefix ?? "")) {
    throw refused(`Error: ${wrongId}`);
  }
  const password = typeof values.password === "string" ? values.password : "";
  const hasPassword = values.password !== undefined || values.passwordFile !== undefined;
  const nameless = hasPassword && username === undefined && version !== 5;
  if (nameless || !isValidString(username ?? "") || Buffer.byteLength(password) > 0xffff) {
    throw refused("Error: Problem setting username and/or password.");
  }
  const fault = values.noTls ? undefined : tlsFault(values);
  if (fault !== undefined) throw refused(fault);
  const unreachable = placeFault(values);
  if (unreachable !== undefined) throw refused(`Unable to connect (${unreachable}).`);
  if (values.property.length > 0 && version !== 5) {
    throw refused("Unable to connect (This feature is not supported.).");
  }
}

/** Whether the broker is at a unix socket, whose path the host is then. */
export function isUnixSocket(values: ConnectValues): boolean {
  return values.port === 0;
}

/** What keeps host and port from being a place, in mosquitto's words. */
function placeFault(values: ConnectValues): string | undefined {
  const { host, port = 1, localAddress, proxy, srv } = values;
  const isUnix = isUnixSocket(values);
  const isFit = isUnix
    ? host !== "" && Buffer.byteLength(host) <= SOCKET_PATH_BYTES_MAX
    : port > 0 && port <= 65_535;
  if (!isFit) return "Invalid function arguments provided.";
  if (host === "" || localAddress === "") return "Lookup error.";
  if (!isUnix) return undefined;
  if (proxy !== undefined) return "A unix socket is not reached through a proxy.";
  return srv ? "A unix socket is not looked up." : undefined;
}

/** Seconds the session is to be kept: -x, or for ever with -c alone. */
function sessionExpiryOf(values: ConnectValues): number {
  return values.sessionExpiry ?? (values.keepSession ? NEVER : 0);
}

/** A QoS as -q has it. Anything that is no number is 0, as with mosquitto. */
export function parseQos(word: string): Qos {
  const level = leadingInteger(word);
  if (isQos(level)) return level;
  throw new UsageError("bad-value", `Error: Invalid QoS given: ${level}`);
}

function parseWillQos(word: string): Qos {
  const level = leadingInteger(word);
  if (isQos(level)) return level;
  throw badValue(`Error: Invalid will QoS ${level}.`);
}

function isQos(level: number): level is Qos {
  return level === 0 || level === 1 || level === 2;
}

function parsePort(word: string): number {
  const port = leadingInteger(word);
  if (port >= 0 && port <= 65_535) return port;
  throw new UsageError("bad-value", `Error: Invalid port given: ${port}`);
}

function parseVersion(word: string): Version {
  if (word === "mqttv31" || word === "31") return 3;
  if (word === "mqttv311" || word === "311") return 4;
  if (word === "mqttv5" || word === "5") return 5;
  throw badValue("Error: Invalid protocol version argument given.");
}

function parseKeepAlive(word: string): number {
  const seconds = leadingInteger(word);
  if (seconds >= 5 && seconds <= 65_535) return seconds;
  throw badValue("Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.");
}

function parseMaxInflight(word: string): number {
  const count = leadingInteger(word);
  // No more can be told apart on the wire, so a larger wish is this one.
  if (count > 0) return Math.min(count, 65_535);
  throw badValue("Error: Maximum inflight messages must be greater than 0.");
}

function parseSessionExpiry(word: string): number {
  if (word === "∞") return NEVER;
  const seconds = wholeLong(word);
  if (seconds === undefined) throw badValue("Error: session-expiry-interval not a number.");
  if (seconds === -1n) return NEVER;
  if (seconds >= 0n && seconds <= BigInt(NEVER)) return Number(seconds);
  throw badValue("Error: session-expiry-interval out of range.");
}

function bothIds(): string {
  return "Error: -i and -I argument cannot be used together.";
}

function incomplete(message: string): UsageError {
  return new UsageError("incomplete", message);
}

function badValue(message: string): UsageError {
  return new UsageError("bad-value", message, "far-hint");
}
