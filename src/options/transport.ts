/** The way to the broker: the options of ts-pub, ts-sub and ts-rr about it, but for TLS. */
import { anyWord, flag, valued } from "./option.ts";
import { parseProxyUrl } from "./proxy-option.ts";

const CONNECTION = "Connection";

/** What a unix socket's path may have in bytes, as the system keeps it. */
export const SOCKET_PATH_BYTES_MAX = 107;

export const TRANSPORT_OPTIONS = {
  localAddress: valued({
    short: "A",
    value: "ADDRESS",
    group: CONNECTION,
    brief: "Connect from ADDRESS, one of this machine's",
    text: "The address of this machine to connect from, and so which network to use.",
    missing: "Error: -A argument given but no address specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  unixSocket: {
    ...valued({
      long: "unix",
      value: "PATH",
      group: CONNECTION,
      brief: "Connect to the unix socket PATH",
      text: "Connects to a unix socket instead of a host and port.",
      complete: "file",
      missing: "Error: --unix argument given but no socket path specified.",
      parse: anyWord,
      fallback: undefined,
    }),
    // Host and port are one place with it: a later -h or -p names another.
    sets: (path: string | undefined) => ({ host: path, port: 0 }),
  },
  webSocket: flag({
    long: "ws",
    group: CONNECTION,
    brief: "Speak MQTT over WebSocket",
    text: [
      "Speaks MQTT over WebSocket, with the path /mqtt; together with TLS over secure WebSocket.",
      "The default port stays the same.",
    ].join(" "),
  }),
  srv: flag({
    short: "S",
    group: CONNECTION,
    brief: "Look up which host serves MQTT for HOST (SRV)",
    text: [
      "Asks the domain name system which hosts serve MQTT for the host given: the SRV records of",
      "_mqtt._tcp, or with TLS of _secure-mqtt._tcp. The port is theirs, too. The certificate must",
      "be for the host given, because nothing vouches for the answer.",
    ].join(" "),
  }),
  proxy: valued({
    long: "proxy",
    value: "URL",
    group: CONNECTION,
    brief: "Connect through socks5h://USER:PASSWORD@HOST:PORT",
    text: [
      "A SOCKS5 proxy to connect through: socks5h://user:password@host:port. User name and",
      "password may be left out, as may the port, which is 1080 then. In them %25, %3A and %40",
      "stand for %, : and @. The proxy looks up the broker's name. The brackets of an IPv6",
      "address are needed.",
    ].join(" "),
    missing: "Error: --proxy argument given but no proxy url specified.",
    parse: parseProxyUrl,
    fallback: undefined,
  }),
} as const;
