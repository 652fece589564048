/**
 * The options of ts-broker.conf that belong to one listener: the one above them, or the default
 * listener before the first. The lines that make a listener (`listener`, `port`) and name its
 * address are here too, as rows for the man page; `conf-file.ts` carries them out.
 */

import { wholeLong } from "../numbers.ts";
import {
  bad,
  boolean,
  type Directive,
  deprecated,
  empty,
  integer,
  type Rest,
  readInteger,
  text,
} from "./directive.ts";
import { refuseLongPrefix } from "./general-directives.ts";
import { TLS_DIRECTIVES } from "./tls-directives.ts";

const LISTENERS = "Listeners";

export const LISTENER_DIRECTIVES = {
  bindInterface: text({
    name: "bind_interface",
    value: "INTERFACE",
    group: LISTENERS,
    scope: "listener",
    reload: "no",
    text: "Listens on the addresses of this network interface only.",
    fallback: undefined,
  }),
  socketDomain: {
    name: "socket_domain",
    value: "ipv4|ipv6",
    group: LISTENERS,
    scope: "listener",
    reload: "no",
    text: "Listens on addresses of this family only.",
    read({ word }) {
      if (word === "") throw empty("socket_domain");
      if (word === "ipv4" || word === "ipv6") return word;
      throw bad(`Error: Invalid socket_domain value "${word}" in configuration.`);
    },
    fallback: undefined,
  } as Directive<"ipv4" | "ipv6" | undefined>,
  acceptProtocolVersions: {
    name: "accept_protocol_versions",
    value: "VERSIONS",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "The versions of MQTT that are let in: 3, 4 and 5 for 3.1, 3.1.1 and 5.0, with commas or",
      "blanks between them. The default is all.",
    ].join(" "),
    read(rest) {
      if (rest.text === "") throw empty("accept_protocol_versions");
      const versions = rest.text.split(/[ ,]+/).filter((word) => word !== "");
      return versions.map((word) => {
        if (word === "3" || word === "4" || word === "5") return Number(word) as 3 | 4 | 5;
        throw bad(`Error: Invalid accept_protocol_versions value (${word}).`);
      });
    },
    fallback: [3, 4, 5],
  } as Directive<readonly (3 | 4 | 5)[]>,
  listenerAllowAnonymous: boolean({
    name: "listener_allow_anonymous",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: "Overrides allow_anonymous for this listener.",
    fallback: undefined,
  }),
  listenerAutoIdPrefix: text({
    name: "listener_auto_id_prefix",
    value: "PREFIX",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "What the identifiers that the broker makes up for this listener begin with, at most 50",
      "characters. The default is auto-.",
    ].join(" "),
    check: (prefix) => refuseLongPrefix("listener_auto_id_prefix", prefix),
    fallback: undefined,
  }),
  maxConnections: {
    name: "max_connections",
    value: "COUNT",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    text: [
      "How many connections this listener may have at once; -1, the default, for no limit.",
      "Further ones are closed.",
    ].join(" "),
    read: (rest) => Math.max(-1, readInteger(rest)),
    fallback: -1,
  } as Directive<number>,
  maxQos: integer({
    name: "max_qos",
    aliases: ["maximum_qos"],
    value: "LEVEL",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    text: "The highest quality of service for clients of this listener: 0, 1 or 2, the default.",
    min: 0,
    max: 2,
    refusal: "Error: max_qos must be between 0 and 2 inclusive.",
    fallback: 2,
  }) as Directive<0 | 1 | 2>, // Its bounds say so.
  maxTopicAlias: alias(
    "max_topic_alias",
    "The highest topic alias that a client may send, up to 65535. The default is 10; 0 is none.",
  ),
  maxTopicAliasBroker: alias(
    "max_topic_alias_broker",
    [
      "The highest topic alias that the broker sends, up to 65535 and what the client takes.",
      "The default is 10; 0 is none.",
    ].join(" "),
  ),
  mountPoint: text({
    name: "mount_point",
    value: "PREFIX",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "Stands before every topic that clients of this listener name, without their seeing it.",
      "It may not contain wildcards.",
    ].join(" "),
    check(prefix) {
      if (!/[+#]/.test(prefix)) return;
      throw bad(`Error: Invalid mount_point '${prefix}'. Does it contain a wildcard character?`);
    },
    fallback: "",
  }),
  protocol: {
    name: "protocol",
    value: "mqtt|websockets|http_api",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    text: [
      "What this listener speaks: mqtt, the default; websockets, which is MQTT over WebSocket at any",
      "path; or http_api. That one answers GET for /api/v1/version, /api/v1/systree and",
      "/api/v1/listeners, for /metrics, which is for Prometheus, and for the files of http_dir. Who",
      "asks logs in with HTTP Basic as a client would, and rules see a client called http-api that",
      "reads the path, such as /api/v1/systree. Besides, /healthz answers 200 while the broker runs,",
      "and /readyz 200 while it can serve clients, else 503 and why not; both to everybody.",
    ].join(" "),
    read({ word }) {
      if (word === "") throw empty("protocol");
      if (word === "mqtt" || word === "websockets" || word === "http_api") return word;
      throw bad(`Error: Invalid protocol value (${word}).`);
    },
    fallback: "mqtt",
  } as Directive<"mqtt" | "websockets" | "http_api">,
  httpDir: text({
    name: "http_dir",
    value: "DIRECTORY",
    group: LISTENERS,
    scope: "listener",
    reload: "no",
    needsListener: true,
    text: [
      "Files of this directory are served by the http_api listener, index.html for /. What a link",
      "leads to outside of it is not.",
    ].join(" "),
    fallback: undefined,
  }),
  proxyProtocol: {
    name: "enable_proxy_protocol",
    value: "1|2",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "Whether every connection begins with a header of PROXY protocol 1, or of 2, in which a",
      "proxy such as HAProxy says for whom it speaks. Connections without one are closed. The",
      "address in the log is the client's then. With 2 the proxy may tell of the client's TLS:",
      "use_identity_as_username and require_certificate go by what it says. Only a proxy may be",
      "able to reach such a listener.",
    ].join(" "),
    read({ word }) {
      if (word === "") throw empty("enable_proxy_protocol");
      if (word === "1" || word === "2") return word === "1" ? 1 : 2;
      throw bad(`Error: Invalid enable_proxy_protocol value (${word}), it must be 1 or 2.`);
    },
    fallback: undefined,
  } as Directive<1 | 2 | undefined>,
  proxyV2RequireTls: boolean({
    name: "proxy_protocol_v2_require_tls",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "With enable_proxy_protocol 2, whether clients must have come to the proxy by TLS. The",
      "default is false.",
    ].join(" "),
    fallback: false,
  }),
  websocketsOrigin: {
    name: "websockets_origin",
    value: "ORIGIN",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "Pages from ORIGIN, such as https://example.com, may connect with WebSocket. May be given",
      "several times; unless it is given, pages from anywhere may.",
    ].join(" "),
    read(rest, soFar) {
      if (rest.text === "") throw empty("websockets_origin");
      return [...(soFar ?? []), rest.text];
    },
    fallback: undefined,
  } as Directive<readonly string[] | undefined>,
  useUsernameAsClientid: boolean({
    name: "use_username_as_clientid",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    text: [
      "Whether the user name replaces the client identifier; a client without one is then not",
      "let in. The default is false.",
    ].join(" "),
    fallback: false,
  }),
  ...TLS_DIRECTIVES,
} as const;

/** An address to listen on, as a line names it. */
export interface Address {
  readonly port: number;
  /** A name or address; absent for all of the machine's. */
  readonly host?: string;
  /** Of a unix socket; `port` is 0 then. */
  readonly path?: string;
}

/** The lines that make a listener. Their values are the parser's to keep. */
export const ADDRESS_DIRECTIVES = {
  listener: {
    name: "listener",
    value: "PORT [HOST] | 0 PATH",
    group: LISTENERS,
    scope: "address",
    reload: "no",
    text: [
      "Begins a listener on this TCP port, 1 to 65535, and this name or address; on all addresses",
      "of the machine unless given; or, with 0, on a unix socket at PATH. What follows up to the",
      "next listener line belongs to it.",
    ].join(" "),
    read: readListener,
    fallback: undefined,
  } as Directive<Address | undefined>,
  port: {
    name: "port",
    value: "PORT",
    group: LISTENERS,
    scope: "address",
    reload: "no",
    notes: deprecated("port", "Please use 'listener' instead."),
    text: "The port of the default listener. Deprecated.",
    read: (rest) => readPort(rest),
    fallback: undefined,
  } as Directive<number | undefined>,
  bindAddress: {
    name: "bind_address",
    value: "HOST",
    group: LISTENERS,
    scope: "address",
    reload: "no",
    notes: deprecated("bind_address", "The behaviour will default to true."),
    text: "The name or address of the default listener. Deprecated.",
    read(rest) {
      if (rest.text === "") throw empty("default listener bind_address");
      if (!rest.again) return rest.text;
      throw bad("Error: Duplicate default listener bind_address value in configuration.");
    },
    fallback: undefined,
  } as Directive<string | undefined>,
} as const;

function readListener(rest: Rest): Address {
  const [word = "", host, ...more] = rest.text.split(/ +/);
  if (word === "") throw empty("listener");
  if (word === "0") {
    if (host === undefined || host.startsWith("#")) {
      throw bad("Error: A listener with port 0 must provide a Unix socket path.");
    }
    // A path may hold blanks, and a comment may follow it.
    const path = [host, ...more].join(" ").replace(/ #.*$/, "");
    return { port: 0, path };
  }
  const port = readPort(rest);
  // A comment may follow, and mosquitto takes * for all addresses.
  if (host === undefined || host.startsWith("#") || host === "*") return { port };
  return { port, host };
}

function readPort(rest: Rest): number {
  if (rest.word === "") throw empty(rest.name);
  const port = wholeLong(rest.word) ?? 0n;
  if (port >= 1n && port <= 65_535n) return Number(port);
  throw bad(`Error: Invalid port value (${rest.word}).`);
}

function alias(name: string, sentence: string): Directive<number> {
  return integer({
    name,
    value: "COUNT",
    group: LISTENERS,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: sentence,
    min: 0,
    max: 65_535,
    refusal: `Error: Invalid ${name} value in configuration.`,
    fallback: 10,
  });
}
