/** Every option of a bridge, with values that it takes and values that are refused. */
import { describe, expect, it } from "vitest";
import type { BridgeConfiguration } from "../../../../src/options/conf/bridge-configuration.ts";
import {
  BRIDGE_DIRECTIVES,
  CONNECTION_DIRECTIVES,
} from "../../../../src/options/conf/bridge-directives.ts";
import { ConfigurationReader } from "../../../../src/options/conf/conf-file.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

const NEEDED = ["connection c", "address c", "topic c"];

/** A bridge of these lines, which stand for others of the same name, and what is logged. */
function bridgeOf(...lines: readonly string[]) {
  const notes: string[] = [];
  const reader = new ConfigurationReader(
    { list: () => undefined, read: () => undefined },
    (type, text) => notes.push(`${type}: ${text}`),
  );
  const names = lines.map((line) => line.split(" ", 1)[0]?.replace("addresses", "address"));
  const needed = NEEDED.filter((line) => !names.includes(line.split(" ", 1)[0]));
  const before = names.includes("connection") ? [] : needed.slice(0, 1);
  const all = [...before, ...lines, ...needed.slice(before.length)];
  reader.readFile("t.conf", Buffer.from(all.map((line) => `${line}\n`).join("")));
  const { bridges } = reader.complete({ ports: [], verbose: false, quiet: false });
  return { notes, bridge: bridges[0]! };
}

type Told = Partial<Omit<BridgeConfiguration, "tls">> & {
  readonly tls?: Partial<BridgeConfiguration["tls"]>;
};

const TLS = "bridge_cafile /ca";
const USER = "remote_username u";

const GOOD: readonly (readonly [lines: string, told: Told])[] = [
  ["connection d e", { name: "d" }],
  ["address a b:2", { addresses: [host("a"), { host: "b", port: 2 }] }],
  ["addresses a", { addresses: [host("a")] }],
  ["topic a in 1", { topics: [{ ...noPrefixes(), pattern: "a", direction: "in", qos: 1 }] }],
  ["bridge_protocol_version mqttv31", { protocolVersion: 3 }],
  ["bridge_protocol_version mqttv311", { protocolVersion: 4 }],
  ["bridge_protocol_version mqttv50", { protocolVersion: 5 }],
  ["remote_clientid a b", { remoteClientid: "a b" }],
  ["clientid a", { remoteClientid: "a" }],
  ["local_clientid a b", { localClientid: "a b" }],
  ["remote_username a b", { remoteUsername: "a b" }],
  ["username a", { remoteUsername: "a" }],
  [`remote_password a b\n${USER}`, { remotePassword: "a b" }],
  [`password a\n${USER}`, { remotePassword: "a" }],
  ["local_username a b", { localUsername: "a b" }],
  ["local_password a b", { localPassword: "a b" }],
  ["cleansession true", { cleanSession: true, localCleanSession: true }],
  ["local_cleansession true", { cleanSession: false, localCleanSession: true }],
  ["cleansession 1\nlocal_cleansession 0", { cleanSession: true, localCleanSession: false }],
  ["keepalive_interval 5", { keepaliveInterval: 5 }],
  ["keepalive_interval 65535", { keepaliveInterval: 65_535 }],
  ["start_type automatic", { startType: "automatic" }],
  ["start_type lazy", { startType: "lazy" }],
  ["start_type once", { startType: "once" }],
  ["threshold 1", { threshold: 1 }],
  ["threshold 99999999999", { threshold: 2_147_483_647 }],
  ["idle_timeout 1", { idleTimeout: 1 }],
  ["idle_timeout 99999999999", { idleTimeout: 2_147_483_647 }],
  ["restart_timeout 1", { restart: { base: 1, cap: undefined, stable: 0 } }],
  ["restart_timeout 3600", { restart: { base: 3600, cap: undefined, stable: 0 } }],
  ["restart_timeout 2 2", { restart: { base: 2, cap: 2, stable: 0 } }],
  ["restart_timeout 1  7200   60 x", { restart: { base: 1, cap: 7200, stable: 60 } }],
  ["restart_timeout 1 2 -1", { restart: { base: 1, cap: 2, stable: 0 } }],
  ["round_robin true", { roundRobin: true }],
  ["try_private false", { tryPrivate: false }],
  ["notifications false", { notifications: false }],
  ["notifications_local_only true", { notificationsLocalOnly: true }],
  ["notification_topic a b/c", { notificationTopic: "a b/c" }],
  ["bridge_attempt_unsubscribe false", { attemptUnsubscribe: false }],
  ["bridge_bind_address 192.168.1.10", { bindAddress: "192.168.1.10" }],
  ["bridge_outgoing_retain false", { outgoingRetain: false }],
  ["bridge_max_packet_size 100", { maxPacketSize: 100 }],
  ["bridge_max_packet_size -1", { maxPacketSize: 0 }],
  ["bridge_max_topic_alias 0", { maxTopicAlias: 0 }],
  ["bridge_max_topic_alias 65535", { maxTopicAlias: 65_535 }],
  ["bridge_receive_maximum 1", { receiveMaximum: 1 }],
  ["bridge_receive_maximum 65535", { receiveMaximum: 65_535 }],
  ["bridge_session_expiry_interval 4294967295", { sessionExpiryInterval: 4_294_967_295 }],
  ["bridge_reload_type lazy", { reloadType: "lazy" }],
  ["bridge_reload_type immediate", { reloadType: "immediate" }],
  ["bridge_tcp_keepalive 1  2 3 x", { tcpKeepalive: { idle: 1, interval: 2, count: 3 } }],
  ["bridge_tcp_user_timeout 0", { tcpUserTimeout: 0 }],
  ["bridge_tcp_user_timeout 7000", { tcpUserTimeout: 7000 }],
  ["bridge_cafile /a b", { tls: { caFile: "/a b" } }],
  ["bridge_capath /a b", { tls: { caPath: "/a b" } }],
  ["bridge_tls_use_os_certs true", { tls: { useSystemCa: true } }],
  [`${TLS}\nbridge_certfile /a b\nbridge_keyfile /k`, { tls: { certFile: "/a b" } }],
  [`${TLS}\nbridge_certfile /c\nbridge_keyfile /a b`, { tls: { keyFile: "/a b" } }],
  [`${TLS}\nbridge_alpn a b`, { tls: { alpn: "a b" } }],
  [`${TLS}\nbridge_alpn ${"é".repeat(127)}`, { tls: { alpn: "é".repeat(127) } }],
  [`${TLS}\nbridge_ciphers A:B`, { tls: { ciphers: "A:B" } }],
  [`${TLS}\nbridge_ciphers_tls1.3 A:B`, { tls: { tls13Ciphers: "A:B" } }],
  [`${TLS}\nbridge_tls_version tlsv1.2`, { tls: { minVersion: "TLSv1.2" } }],
  [`${TLS}\nbridge_tls_version tlsv1.3`, { tls: { minVersion: "TLSv1.3" } }],
  [`${TLS}\nbridge_tls_version tlsv1.1`, { tls: { minVersion: "TLSv1.2" } }],
  [`${TLS}\nbridge_insecure true`, { tls: { isInsecure: true } }],
  [`${TLS}\nbridge_require_ocsp false`, { tls: { requireOcsp: false } }],
  ["bridge_identity a b\nbridge_psk 0F", { tls: { psk: { identity: "a b", key: "0F" } } }],
  ["bridge_psk 123\nbridge_identity a", { tls: { psk: { identity: "a", key: "0123" } } }],
];

/** What is logged of lines that are good. */
const LOGGED: readonly (readonly [name: string, note: string])[] = [
  ["bridge_insecure", "warning: Warning: Bridge c using insecure mode."],
  ["bridge_tcp_keepalive", "notice: bridge_tcp_keepalive sets the idle time only."],
  ["bridge_tcp_user_timeout", "warning: Warning: bridge_tcp_user_timeout has no effect here."],
];

const BAD: readonly (readonly [lines: string, sentence: string])[] = [
  ["connection", "Error: Empty connection value in configuration."],
  ["connection c\nconnection c", 'Error: Duplicate bridge name "c".'],
  ["connection a\u0001", "Error: Malformed UTF-8 in configuration."],
  ["address", "Error: Empty address value in configuration."],
  ["addresses", "Error: Empty address value in configuration."],
  ["address a\naddresses b", "Error: Invalid bridge configuration."],
  ["address a:0", "Error: Invalid port value (0)."],
  ["topic", "Error: Empty topic value in configuration."],
  ["topic a x", "Error: Invalid bridge topic direction 'x'."],
  ["bridge_protocol_version", "Error: Empty bridge_protocol_version value in configuration."],
  ["bridge_protocol_version 5", "Error: Invalid bridge_protocol_version value (5)."],
  [
    "bridge_protocol_version mqttv50 x",
    "Error: Invalid bridge_protocol_version value (mqttv50 x).",
  ],
  ...once("remote_clientid", "bridge remote clientid"),
  ...once("clientid", "bridge remote clientid"),
  ...once("local_clientid", "bridge local clientd"),
  ...once("remote_username", "bridge remote_username"),
  ...once("username", "bridge remote_username"),
  ...once("remote_password", "bridge remote_password"),
  ...once("password", "bridge remote_password"),
  ...once("local_username", "bridge local_username"),
  ...once("local_password", "bridge local_password"),
  ...once("notification_topic"),
  ["notification_topic a/#", "Error: Invalid notification_topic value (a/#)."],
  ...once("bridge_bind_address"),
  ...flag("cleansession"),
  ...flag("local_cleansession"),
  ...flag("round_robin"),
  ...flag("try_private"),
  ...flag("notifications"),
  ...flag("notifications_local_only"),
  ...flag("bridge_attempt_unsubscribe"),
  ...flag("bridge_outgoing_retain"),
  ...flag("bridge_tls_use_os_certs"),
  ...flag("bridge_insecure"),
  ...flag("bridge_require_ocsp"),
  [
    "bridge_require_ocsp true",
    "Error: 'bridge_require_ocsp true' cannot be carried out: Node.js does not check OCSP.",
  ],
  ...number("keepalive_interval"),
  ["keepalive_interval 65536", "Error: Bridge keepalive value too high."],
  ["start_type", "Error: Empty start_type value in configuration."],
  ["start_type manual", "Error: Manual start_type not supported."],
  ["start_type LAZY", "Error: Invalid start_type value in configuration (LAZY)."],
  ...number("threshold"),
  ...number("idle_timeout"),
  ...number("restart_timeout"),
  ["restart_timeout 1 x", "Error: Invalid restart_timeout value (x)."],
  ["restart_timeout 1 2 x", "Error: Invalid restart_timeout value (x)."],
  ["restart_timeout 2 1", "Error: backoff cap is lower than the base in restart_timeout."],
  ...number("bridge_max_packet_size"),
  ...number("bridge_max_topic_alias"),
  ["bridge_max_topic_alias -1", "Error: Invalid bridge_max_topic_alias value (-1)."],
  ["bridge_max_topic_alias 65536", "Error: Invalid bridge_max_topic_alias value (65536)."],
  ...number("bridge_receive_maximum"),
  ["bridge_receive_maximum 0", "Error: Invalid bridge_receive_maximum value (0)."],
  ["bridge_receive_maximum 65536", "Error: Invalid bridge_receive_maximum value (65536)."],
  ...number("bridge_session_expiry_interval"),
  [
    "bridge_session_expiry_interval 4294967296",
    "Error: Invalid bridge_session_expiry_interval value (4294967296).",
  ],
  ["bridge_reload_type", "Error: Empty bridge_reload_type value in configuration."],
  ["bridge_reload_type now", "Error: Invalid bridge_reload_type value (now)."],
  ["bridge_tcp_keepalive", "Error: Empty bridge_tcp_keepalive value in configuration."],
  ["bridge_tcp_keepalive 1 2", "Error: Invalid bridge_tcp_keepalive value (1 2)."],
  ["bridge_tcp_keepalive 1 0 3", "Error: Invalid bridge_tcp_keepalive value (0)."],
  ["bridge_tcp_keepalive 1 2 x", "Error: Invalid bridge_tcp_keepalive value (x)."],
  ...number("bridge_tcp_user_timeout"),
  ["bridge_tcp_user_timeout -1", "Error: Invalid bridge_tcp_user_timeout value (-1)."],
  ...once("bridge_cafile"),
  ...once("bridge_capath"),
  ...once("bridge_certfile"),
  ...once("bridge_keyfile"),
  ...once("bridge_alpn"),
  [`bridge_alpn ${"é".repeat(128)}`, "Error: bridge_alpn is longer than 255 bytes."],
  ...once("bridge_ciphers"),
  ...once("bridge_ciphers_tls1.3"),
  ["bridge_tls_version", "Error: Empty bridge_tls_version value in configuration."],
  ["bridge_tls_version tlsv1", 'Error: Unsupported bridge_tls_version "tlsv1".'],
  ...once("bridge_identity"),
  ...once("bridge_psk"),
  ["bridge_psk 0x12", "Error: bridge_psk is not in hexadecimal digits."],
  [`bridge_psk ${"0".repeat(513)}`, "Error: bridge_psk is longer than 256 bytes."],
];

describe("an option of a bridge", () => {
  it.each(GOOD)("is read: %s", (lines, told) => {
    const { bridge, notes } = bridgeOf(...lines.split("\n"));
    expect(bridge).toMatchObject(told);
    const logged = LOGGED.filter(([name]) => lines.includes(name));
    expect(notes).toEqual(logged.map(([, note]) => note));
  });

  it.each(BAD)("is refused: %s", (lines, sentence) => {
    // Below the line that begins the bridge, unless it is that.
    const at = lines.split("\n").length + (lines.startsWith("connection") ? 0 : 1);
    expect(() => bridgeOf(...lines.split("\n"))).toThrow(
      refusal(`${sentence}\nError found at t.conf:${at}.`),
    );
  });

  it.each([
    ["keepalive_interval 4", "keepalive interval too low, using 5 seconds."],
    ["keepalive_interval -1", "keepalive interval too low, using 5 seconds."],
    ["idle_timeout 0", "idle_timeout interval too low, using 1 second."],
    ["threshold 0", "threshold too low, using 1 message."],
    ["restart_timeout 0 5", "restart_timeout interval too low, using 1 second."],
    ["restart_timeout 3601", "restart_timeout interval too high, using 3600 seconds."],
    ["restart_timeout 1 7201", "restart_timeout cap too high, using 7200 seconds."],
  ])("is made to fit, which is logged: %s", (line, note) => {
    const { bridge, notes } = bridgeOf(line);
    expect(notes).toEqual([`notice: ${note}`]);
    const { keepaliveInterval, idleTimeout, threshold, restart } = bridge;
    const values = [keepaliveInterval, idleTimeout, threshold, restart.base, restart.cap];
    expect(values).toContain(Number(/using (\d+)/.exec(note)?.[1]));
  });

  it.each(["local_clientid a", "topic a", "username a", "bridge_psk 12", "start_type lazy"])(
    "is refused before there is a bridge: %s",
    (line) => {
      const reader = new ConfigurationReader({ list: () => [], read: () => undefined }, () => {});
      expect(() => reader.readFile("t.conf", Buffer.from(`listener 1\n${line}\n`))).toThrow(
        refusal("Error: Invalid bridge configuration.\nError found at t.conf:2."),
      );
    },
  );

  it("is in both lists above, by each of its names", () => {
    const rows = Object.values({ ...CONNECTION_DIRECTIVES, ...BRIDGE_DIRECTIVES });
    const names = rows.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    const inLines = (list: typeof GOOD | typeof BAD) =>
      new Set(list.flatMap(([lines]) => lines.split("\n").map((line) => line.split(" ", 1)[0])));
    for (const list of [inLines(GOOD), inLines(BAD)]) {
      expect(names.filter((name) => !list.has(name))).toEqual([]);
    }
  });
});

function host(name: string) {
  return { host: name, port: 1883 };
}

function noPrefixes() {
  return { localPrefix: "", remotePrefix: "" };
}

/** What is said of text that is missing, or there twice. */
function once(name: string, called = name): [string, string][] {
  return [
    [name, `Error: Empty ${called} value in configuration.`],
    [`${name} 12\n${name} 12`, `Error: Duplicate ${called} value in configuration.`],
    [`${name} a\u0001`, "Error: Malformed UTF-8 in configuration."],
  ];
}

function flag(name: string): [string, string][] {
  return [
    [name, `Error: Empty ${name} value in configuration.`],
    [`${name} yes`, `Error: Invalid ${name} value (yes).`],
  ];
}

function number(name: string): [string, string][] {
  return [
    [name, `Error: Empty ${name} value in configuration.`],
    [`${name} x`, `Error: Invalid ${name} value (x).`],
  ];
}

function refusal(message: string): UsageError {
  return new UsageError("bad-configuration", message, "nothing");
}
