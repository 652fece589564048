/**
 * The same configuration given to mosquitto and to our parser: the same lines in the log.
 *
 * Goal: a file that works for mosquitto works here, and one that does not is refused in the same
 * words at the same place. Method: an unknown option as the last line makes mosquitto stop before
 * it listens, so that a file that is good up to there ends in that error on both sides.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigurationReader, type Files } from "../../src/options/conf/conf-file.ts";
import { UsageError } from "../../src/options/usage-error.ts";
import { mosquitto } from "../support/peers.ts";
import { sample } from "../support/set.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const STOP = "stop_here";
const NEAR = /\nDid you mean .*$/;
const WHERE = /\nError found in bridge .*$/;
const L = "listener 31901 127.0.0.1\n";
/** Known to 2.0 by name only: it loads plugins after it has read all lines. */
const STORE = "/usr/lib/mosquitto_persist_sqlite.so";

/** What a `topic` line of a bridge says. */
const TOPICS: readonly string[] = [
  ...["x", "#", "+", "/", "a/+/b", "x out", "x in", "x both", "x OUT", "x y", "x #c", "# #"],
  ...["x out 0", "x out 2", "x out 3", "x out -1", "x  out  1", "$SYS/# in", "é out"],
  ...["x out 1 L/", "x out 1 L/ R/", "x out 1 L/ R/ z", 'x out 1 "" R/', 'x out 1 L/ ""'],
  ...['x out 1 "" ""', '"" out 1 l r', '"" out 1 l ""', '"" out 1 "" r', '"" out 1 "" ""'],
  ...['""', '"" in', '"" in 0 l', "x out #c", "x out 1 #", "x out 1 # R/", "x out 1 L/ #"],
  ...["x out 1 L/+/ R/", "x out 1 L/ R/+", "x out 1 L/ R/#", "x out 1 + r", "x out 0 L/# R"],
  ...["x/# out 1 /", "x in 0 $SYS/ R/", '"" out 0 l+ r', '"" out 0 l+', "a\ntopic a\ntopic b"],
];

/** Files by mosquitto's own sentences, good ones among them. */
const ALL_FILES: readonly string[] = [
  ...bridgeFiles(),
  "foo bar\n",
  "\tfoo\n",
  " foo\n",
  "# x\n #y\n",
  "  \n\n",
  "#port\n",
  "Port 31901\n",
  "port=31901\n",
  "x".repeat(300),
  "port\n",
  "port \n",
  "port 0\n",
  "port 65536\n",
  "port -1\n",
  "port 31901\nport 31902\n",
  "port  31901  \n",
  "port\t31901\n",
  "port 31901 31902\n",
  "port 31901 # c\n",
  "listener\n",
  "listener \n",
  "listener 0\n",
  "listener 65536\n",
  "listener -1\n",
  "listener 31901 127.0.0.1 x\n",
  "listener 31901 127.0.0.1 #x\n",
  "listener 31901 #x\n",
  "listener 31901\nlistener 31901\n",
  "listener 31901\r\n",
  "listener  31901   127.0.0.1  \n",
  "bind_address\n",
  "bind_address 127.0.0.1\n",
  "bind_address 127.0.0.1\nbind_address 127.0.0.1\n",
  "bind_address 127.0.0.1\nport 31901\n",
  ...[
    "allow_anonymous",
    "allow_duplicate_messages",
    "allow_zero_length_clientid",
    "autosave_on_changes",
    "check_retain_source",
    "connection_messages",
    "log_timestamp",
    "queue_qos0_messages",
    "retain_available",
    "set_tcp_nodelay",
    "upgrade_outgoing_qos",
    "use_username_as_clientid",
    "per_listener_settings",
  ].flatMap((name) =>
    [
      "",
      " ",
      " true",
      " false",
      " 1",
      " 0",
      " TRUE",
      " yes",
      " 2",
      " true x",
      " true \r",
      " tru",
    ].map((value) => `${name}${value}\n`),
  ),
  "persistence\n",
  "persistence x\n",
  ...["true", "false", "1", "0", "TRUE", "true x", "true \r"].flatMap((value) => [
    `persistence ${value}\n`,
    `retained_persistence ${value}\n`,
  ]),
  "persistence true\npersistence false\nretained_persistence true\n",
  "persistence true\npersistence_location /a b/ \npersistence_file c d\n",
  "persistence_file a/../b\n",
  "autosave_interval 0x10\n",
  "autosave_interval 2147483648\n",
  "autosave_interval 99999999999999999999\n",
  ...["plugin", "auth_plugin"].flatMap((name) => [
    `${name}\n`,
    `${name} \n`,
    `${name} ${STORE}\n`,
    `${name}  ${STORE} \r\n`,
  ]),
  ...["plugin_opt_", "auth_opt_"].flatMap((prefix) => [
    `${prefix}\n`,
    `${prefix}db_file\n`,
    `${prefix}db_file x\n`,
    `${prefix}no_such x\n`,
    ...["", " ", " x", "a x", "ab", "ab x", "abc", "abc ", "db_file", "sync ", "db_file a b "].map(
      (rest) => `plugin ${STORE}\n${prefix}${rest}\n`,
    ),
    `plugin ${STORE}\n${prefix}db_file x\n${prefix}db_file y\n`,
    `plugin ${STORE}\n${L}${prefix}sync full\n`,
    `per_listener_settings true\nplugin ${STORE}\n${L}${prefix}sync full\n`,
  ]),
  ...["", " ", " true", " 0", " x", " true\nauth_plugin_deny_special_chars false"].flatMap(
    (value) => [
      `auth_plugin_deny_special_chars${value}\n`,
      `plugin ${STORE}\nauth_plugin_deny_special_chars${value}\n`,
    ],
  ),
  "plugin_opt x\n",
  "plugin_optsync x\n",
  `plugin ${STORE}\nper_listener_settings true\n`,
  `plugin ${STORE}\nper_listener_settings false\n`,
  `per_listener_settings true\nplugin ${STORE}\nper_listener_settings true\n`,
  ...[
    "autosave_interval",
    "max_inflight_bytes",
    "max_inflight_messages",
    "max_packet_size",
    "max_queued_bytes",
    "max_queued_messages",
    "message_size_limit",
    "memory_limit",
    "sys_interval",
    "websockets_headers_size",
  ].flatMap((name) =>
    ["", " ", " 20", " 65535", " 65536", " 20 30", "  20  "].map((value) => `${name}${value}\n`),
  ),
  "max_keepalive\n",
  "max_keepalive 10\n",
  "max_keepalive 65535\n",
  "max_keepalive 65536\n",
  "max_keepalive -1\n",
  "max_packet_size 19\n",
  "max_packet_size -1\n",
  "max_queued_messages -1\n",
  "max_inflight_messages -1\n",
  "message_size_limit 268435455\n",
  "message_size_limit 268435456\n",
  "memory_limit -1\n",
  "sys_interval -1\n",
  "autosave_interval -1\n",
  "websockets_headers_size -1\n",
  ...["1h", "1d", "1w", "1m", "1y", "2", "h", "1x", "0d", "-1d", "1dd", "1 d", "1D"].map(
    (value) => `persistent_client_expiration ${value}\n`,
  ),
  ...[
    "pid_file",
    "user",
    "log_timestamp_format",
    "persistence_file",
    "persistence_location",
  ].flatMap((name) => ["", " ", " a b ", ` a\n${name} b`].map((value) => `${name}${value}\n`)),
  "clientid_prefixes\n",
  "clientid_prefixes a\nclientid_prefixes b\n",
  "auto_id_prefix\n",
  "auto_id_prefix a\nauto_id_prefix b\n",
  "retry_interval 5\n",
  "retry_interval\n",
  "include_dir\n",
  "include_dir /nonexistent\n",
  ...["", " x", " stderr", " file", " file ", " none", " STDERR", " android", " stderr x"].map(
    (value) => `log_dest${value}\n`,
  ),
  "log_dest file /tmp/a\nlog_dest file /tmp/b\n",
  "log_dest stderr\nlog_dest stdout\nlog_dest topic\n",
  ...["x", "all", "none", "error", "websockets", "internal", "debug x", "ERROR"].map(
    (value) => `log_type ${value}\n`,
  ),
  ...["", " 0", " 7", " 8", " -1"].map((value) => `log_facility${value}\n`),
  "websockets_log_level 5\n",
  "websockets_log_level\n",
  "websockets_log_level \n",
  `${L}protocol x\n`,
  `${L}protocol mqtt\n`,
  `${L}protocol MQTT\n`,
  `${L}max_connections 5\nmax_connections 6\n`,
  `${L}max_connections -1\n`,
  `${L}max_qos\n`,
  "maximum_qos\n",
  "retained_persistence x\n",
  `${L}max_qos 3\n`,
  `${L}max_qos -1\n`,
  `${L}maximum_qos 1\n`,
  `${L}max_topic_alias\n`,
  `${L}max_topic_alias -1\n`,
  `${L}max_topic_alias 65535\n`,
  `${L}max_topic_alias 65536\n`,
  "psk_hint\n",
  "psk_hint a\npsk_hint b\n",
  "psk_hint a b\n",
  `${L}psk_hint\n`,
  `${L}psk_hint x\npsk_file a\n`,
  "psk_file\n",
  "psk_file a\npsk_file b\n",
  "psk_file /a b\n",
  `per_listener_settings true\n${L}psk_file a\nlistener 31902 127.0.0.1\npsk_file a\n`,
  `psk_file a\nper_listener_settings true\n`,
  "tls_keyform\n",
  "tls_keyform pem\n",
  "tls_engine\n",
  `${L}mount_point\n`,
  `${L}mount_point a/+\n`,
  `${L}mount_point #\n`,
  `${L}mount_point a\nmount_point b\n`,
  `${L}mount_point a b\n`,
  "mount_point a\n",
  "port 31901\nmount_point a\n",
  `${L}socket_domain\n`,
  `${L}socket_domain ipv4\n`,
  `${L}socket_domain IPV4\n`,
  `${L}socket_domain x\n`,
  `${L}bind_interface\n`,
  `${L}bind_interface lo\nbind_interface lo\n`,
  "allow_anonymous true\nper_listener_settings true\n",
  "allow_zero_length_clientid true\nper_listener_settings true\n",
  "auto_id_prefix a\nper_listener_settings true\n",
  "allow_anonymous true\nper_listener_settings false\n",
  "max_connections 5\nper_listener_settings true\n",
  `per_listener_settings true\n${L}auto_id_prefix a\nlistener 31902\nauto_id_prefix a\n`,
  `per_listener_settings true\n${L}auto_id_prefix a\nauto_id_prefix a\n`,
];

/** Of lists with a like number of values for each name, all values come round. */
const FILES = sample(ALL_FILES, 5);

/**
 * Files whose mistakes show when all lines have been read, or that have none: mosquitto ends at
 * the plugin then, which it does not have.
 */
const WHOLE: readonly string[] = [
  "",
  "connection c\n",
  "connection c\naddress 127.0.0.1:9\n",
  "connection c\ntopic a\n",
  ...[
    "",
    "connection d\n",
    "connection d\naddress 127.0.0.1:9\ntopic a\n",
    "local_clientid x\nconnection d\naddress 127.0.0.1:9\ntopic a\nlocal_clientid x\n",
    "remote_clientid x\nconnection d\naddress 127.0.0.1:9\ntopic a\nremote_clientid x\n",
    "remote_clientid x\nconnection d\naddress 127.0.0.1:9\ntopic a\nlocal_clientid local.x\n",
    "remote_clientid x\nlocal_clientid x\n",
    "bridge_psk 12\n",
    "bridge_identity x\n",
    "bridge_psk 123\nbridge_identity x\n",
    "bridge_certfile x\nbridge_keyfile y\nbridge_cafile z\n",
    "bridge_capath z\nbridge_insecure true\n",
    "listener 31901 127.0.0.1\nmax_connections 5\nkeepalive_interval 5\n",
  ].map((lines) => `connection c\naddress 127.0.0.1:9 ::1:9\ntopic a\n${lines}`),
];

/** One shell for all: to fork this process for each would take ten times as long. */
const EACH = 'for path; do "$0" -c "$path" 2> "$path.log"; done; true';

describe.skipIf(mosquitto === undefined)("files that mosquitto reads the same", () => {
  const pathOf = (i: number) => join(directory, `${i}.conf`);
  const wholePathOf = (i: number) => join(directory, `whole-${i}.conf`);

  beforeAll(() => {
    FILES.forEach((text, i) => {
      writeFileSync(pathOf(i), `${text}${text.endsWith("\n") ? "" : "\n"}${STOP} x\n`);
    });
    WHOLE.forEach((text, i) => {
      writeFileSync(wholePathOf(i), `${text}plugin ${directory}/${STORE}\n`);
    });
    const paths = [...FILES.map((_, i) => pathOf(i)), ...WHOLE.map((_, i) => wholePathOf(i))];
    // It ends the one that hangs, too.
    const all = ["100", "sh", "-c", EACH, mosquitto ?? "", ...paths];
    expect(spawnSync("timeout", all).status).toBe(0);
  }, 120_000);

  it.each(WHOLE.map((text, i) => [shown(text), i] as const))("as a whole: %s", (_title, i) => {
    const theirs = withoutTimes(readFileSync(`${wholePathOf(i)}.log`, "utf8"));
    // What it does when it has read the file is not compared.
    expect(ours(wholePathOf(i), true)).toBe(theirs.replace(/^mosquitto version .*/ms, ""));
  });

  it.each(FILES.map((text, i) => [shown(text), i] as const))("%s", (_title, i) => {
    expect(ours(pathOf(i))).toBe(withoutTimes(readFileSync(`${pathOf(i)}.log`, "utf8")));
  });

  it("loads the *.conf files of a directory in its order, and does not follow one within", () => {
    const path = join(directory, "t.conf");
    for (const [name, text] of [
      ["b.conf", "max_qos 1\n"],
      ["A.conf", "max_qos 1\n"],
      ["a.conf", "port 31901\n"],
      ["c.txt", "foo\n"],
      ["d.conf", `include_dir ${directory}/other\n`],
    ] as const) {
      mkdirSync(join(directory, "some"), { recursive: true });
      writeFileSync(join(directory, "some", name), text);
    }
    writeFileSync(path, `include_dir ${directory}/some\n${STOP} x\n`);
    expect(ours(path)).toBe(peer(path));
  });
});

/** The lines that mosquitto logs, without their times. */
function peer(path: string): string {
  const { stderr } = spawnSync(mosquitto ?? "", ["-c", path], {
    encoding: "utf8",
    timeout: 10_000,
  });
  return withoutTimes(stderr);
}

function withoutTimes(log: string): string {
  return log.replace(/^\d+: /gm, "");
}

function ours(path: string, isWhole = false): string {
  const log: string[] = [];
  const files: Files = {
    list: (name) => (existsSync(name) ? readdirSync(name) : undefined),
    read: (name) => readFileSync(name),
  };
  try {
    const reader = new ConfigurationReader(files, (_type, text) => log.push(text));
    reader.readFile(path, readFileSync(path));
    if (isWhole) reader.complete({ ports: [], verbose: false, quiet: false });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    log.push(error.message.replace(NEAR, "").replace(WHERE, ""));
  }
  return log.map((line) => `${line}\n`).join("");
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80)).replaceAll("%", "%%");
}

/** Lines of bridges, in and out of one. */
function bridgeFiles(): string[] {
  const flags = [
    "cleansession",
    "local_cleansession",
    "round_robin",
    "try_private",
    "notifications",
    "bridge_attempt_unsubscribe",
    "bridge_outgoing_retain",
    "bridge_insecure",
  ];
  const texts = [
    ...["remote_clientid", "clientid", "local_clientid", "notification_topic"],
    ...["remote_username", "username", "remote_password", "password"],
    ...["local_username", "local_password", "bridge_bind_address"],
    ...["bridge_cafile", "bridge_capath", "bridge_certfile", "bridge_keyfile", "bridge_alpn"],
    ...["bridge_identity"],
  ];
  const numbers = ["keepalive_interval", "idle_timeout", "threshold", "bridge_max_packet_size"];
  const others = ["address", "addresses", "topic", "bridge_protocol_version", "start_type"];
  const names = [...flags, ...texts, ...numbers, ...others, "restart_timeout"];
  const values = (name: string, ...all: readonly string[]) => all.map((one) => `${name}${one}`);
  const inside = [
    ...names.flatMap((name) => values(name, "", " ")),
    ...flags.flatMap((name) => values(name, " true", " false", " 1", " 0", " TRUE", " 2", " 1 x")),
    ...texts.flatMap((name) => values(name, " 12", " 1 2", `  12  `, ` 12\n${name} 13`)),
    ...numbers.flatMap((name) => values(name, " -1", " 0", " 1", " 5", " 65535", " 7 8", "  9 ")),
    ...values("keepalive_interval", " 4", " 65536", " 99999999999", " 1\nkeepalive_interval 2"),
    ...values("bridge_psk", "", " ", " 12", " 12\nbridge_psk 13"),
    ...values("bridge_require_ocsp", "", " false", " x", " 0"),
    ...values("bridge_tls_version", "", " tlsv1.2", " tlsv1.3\nbridge_tls_version tlsv1.2"),
    ...values("notifications_local_only", "", " true", " x"),
    ...values("start_type", " automatic", " lazy", " once", " manual", " LAZY", " lazy x", " x"),
    ...values("bridge_protocol_version", " mqttv31", " mqttv311", " mqttv50", " mqttv5", " 4"),
    ...values("bridge_protocol_version", " mqttv311 x", " MQTTV31"),
    ...values("restart_timeout", " 1", " 0", " 3600", " 1 2", " 2 1", " 2 2", " 1 7200", " 1 2 3"),
    ...values("restart_timeout", " 0 0", " -5 -6", " 1 0", " 1  2", " 3600 7200", " 1 2 3 4"),
    ...values("address", " 127.0.0.1", " 127.0.0.1:", " 127.0.0.1:0", " 127.0.0.1:65535"),
    ...values("address", " 127.0.0.1:65536", " 127.0.0.1:-1", " ::1:1884", " 127.0.0.1 #x"),
    ...values("address", " 127.0.0.1:4 127.0.0.2 ::1:5", " 127.0.0.1: 1884"),
    ...values("address", " 127.0.0.1\naddress 127.0.0.1", " 127.0.0.1\naddresses 127.0.0.1"),
    ...["cafile", "capath", "certfile", "keyfile"].flatMap((name) => [
      `bridge_${name} x\nbridge_psk 12`,
      `bridge_${name} x\nbridge_identity 12`,
      `bridge_psk 12\nbridge_${name} x`,
      `bridge_identity 12\nbridge_${name}`,
    ]),
    ...TOPICS.map((topic) => `topic ${topic}`),
  ];
  return [
    ...["", " ", " c", " c d", "  c ", " c\nconnection c", " c\nconnection d"].map(
      (value) => `connection${value}\n`,
    ),
    "connection c d\nconnection c\n",
    "connection c\nlistener 31901 127.0.0.1\nnotifications x\n",
    "connection c\nport 31901\nmax_connections 5\naddress 127.0.0.1\n",
    ...names.flatMap((name) => [`${name}\n`, `${name} 1\n`]),
    ...inside.map((lines) => `connection c\n${lines}\n`),
  ];
}
