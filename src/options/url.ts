/**
 * The -L option: user, password, host, port and topic in one word (c.3).
 *
 *     scheme://[user[:password]@]host[:port]/topic    scheme: mqtt, mqtts, ws or wss
 *
 * Nothing is percent-decoded, and everything behind the first slash is the topic, as mosquitto's
 * programs have it. An IPv6 address may stand in brackets, which they do not know.
 */
import { leadingInteger } from "./numbers.ts";
import { type Option, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";

export interface BrokerUrl {
  readonly isSecure: boolean;
  readonly isWebSocket: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly host: string;
  /** As given; may be out of range. */
  readonly port: number;
  readonly topic: string;
}

/** By its scheme: TLS, and WebSocket. */
const SCHEMES: Readonly<Record<string, readonly [isSecure: boolean, isWebSocket: boolean]>> = {
  mqtt: [false, false],
  mqtts: [true, false],
  ws: [false, true],
  wss: [true, true],
};
/** The same for WebSocket: that is what the programs do, whatever their man page says. */
const PORT = 1883;
const TLS_PORT = 8883;

/** @throws {UsageError} when it is no such URL. */
export function parseUrl(word: string): BrokerUrl {
  const scheme = /^([a-z]+):\/\//i.exec(word)?.[1] ?? "";
  const kind = Object.hasOwn(SCHEMES, scheme.toLowerCase())
    ? SCHEMES[scheme.toLowerCase()]
    : undefined;
  if (kind === undefined) {
    throw new UsageError("bad-value", "Error: unsupported URL scheme.", "far-hint");
  }
  const rest = word.slice(scheme.length + "://".length);
  const slash = rest.indexOf("/");
  if (slash < 0) {
    const message = "Error: Invalid URL for -L argument specified - topic missing.";
    throw new UsageError("bad-value", message);
  }
  const [isSecure, isWebSocket] = kind;
  const server = rest.slice(0, slash);
  const at = server.indexOf("@");
  const user = at < 0 ? undefined : server.slice(0, at);
  const colon = user?.indexOf(":") ?? -1;
  // Both groups may be empty, and so always match.
  const [, inBrackets, name, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?/s.exec(
    server.slice(at + 1),
  )!;
  return {
    isSecure,
    isWebSocket,
    username: colon < 0 ? user : user?.slice(0, colon),
    password: colon < 0 ? undefined : user?.slice(colon + 1),
    host: inBrackets ?? name ?? "",
    port: port === undefined ? (isSecure ? TLS_PORT : PORT) : leadingInteger(port),
    topic: rest.slice(slash + 1),
  };
}

/**
 * The row of -L. It stands for -h, -p and -t, and where they are in it for -u, -P, --ws and
 * --tls-use-os-certs.
 *
 * @param topicOf What it makes of the topic, by the keys of the program's own table.
 */
export function urlOption(
  topicOf: (topic: string, soFar: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Option<BrokerUrl | undefined> {
  return {
    ...valued({
      long: "url",
      short: "L",
      value: "URL",
      group: "Connection",
      brief: "Connect as mqtt://USER:PASSWORD@HOST:PORT/TOPIC says",
      text: [
        "Says scheme, user name, password, host, port and topic at once, as in",
        "mqtt://user:password@host:port/topic. The user name, the password and the port may be",
        "left out. The scheme is mqtt, mqtts for TLS, ws for WebSocket or wss for both; with TLS",
        "the authorities that the operating system trusts are trusted. The port is 1883 or, with",
        "TLS, 8883. Nothing in it is percent-decoded.",
      ].join(" "),
      missing: "Error: -L argument given but no URL specified.",
      parse: parseUrl,
      fallback: undefined,
    }),
    sets(url, soFar) {
      if (url === undefined) return {};
      const { host, port, username, password, isSecure, isWebSocket, topic } = url;
      return {
        host,
        port,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password, passwordFile: undefined }),
        ...(isSecure && { systemCa: true }),
        ...(isWebSocket && { webSocket: true }),
        ...topicOf(topic, soFar),
      };
    },
  };
}
