/**
 * What SIGHUP changes: every row of the directive table, with two values, and a broker that runs.
 * The columns are those of mosquitto-2.1 b: Y for what is read again, L for what a listener takes
 * over as it is, n for what waits for the next start.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DEFAULT_LISTENER, DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";
import type { Configuration } from "../../../src/options/conf/configuration.ts";
import { DIRECTIVES } from "../../../src/options/conf/directives.ts";
import { OWN_LIMIT_ROWS } from "../../../src/options/conf/limit-directives.ts";
import { LogSinks } from "../../../src/server/log-sinks.ts";
import { reloaded, waitingIn } from "../../../src/server/reload.ts";
import { RunningServer } from "../../../src/server/server.ts";
import { waitFor } from "../../support/wait-for.ts";

type Column = "Y" | "L" | "n";
type Row = readonly [name: string, column: Column, before: string, after: string];

const GENERAL: readonly Row[] = [
  ["allow_duplicate_messages", "Y", "true", "false"],
  ["check_retain_source", "n", "false", "true"],
  ["clientid_prefixes", "Y", "a", "b"],
  ["connection_messages", "Y", "true", "false"],
  ["enable_control_api", "n", "false", "true"],
  ["pid_file", "n", "/a", "/b"],
  ["user", "n", "a", "b"],
  ["set_tcp_nodelay", "n", "true", "false"],
  ["sys_interval", "Y", "10", "20"],
  ["retain_available", "n", "true", "false"],
  ["retain_expiry_interval", "n", "1", "2"],
  ["queue_qos0_messages", "Y", "false", "true"],
  ["upgrade_outgoing_qos", "Y", "false", "true"],
  ["packet_buffer_size", "n", "4096", "8192"],
  ["global_max_clients", "n", "-1", "7"],
  ["global_max_connections", "n", "-1", "7"],
  ["max_inflight_messages", "n", "20", "7"],
  ["max_inflight_bytes", "n", "0", "7"],
  ["max_queued_messages", "n", "1000", "7"],
  ["max_queued_bytes", "n", "0", "7"],
  ["max_keepalive", "n", "0", "7"],
  ["max_packet_size", "n", "2000000", "70"],
  ["message_size_limit", "Y", "0", "7"],
  ["memory_limit", "Y", "0", "7"],
  ["persistent_client_expiration", "Y", "1h", "1d"],
  ["log_dest", "Y", "stderr", "stdout"],
  ["log_facility", "Y", "0", "7"],
  ["log_timestamp", "Y", "true", "false"],
  ["log_timestamp_format", "Y", "%s", "%H"],
  ["log_type", "Y", "error", "debug"],
];

const ACCESS: readonly Row[] = [
  ["acl_file", "Y", "/a", "/b"],
  ["allow_anonymous", "Y", "false", "true"],
  ["allow_zero_length_clientid", "Y", "true", "false"],
  ["auto_id_prefix", "Y", "auto-", "x-"],
  ["password_file", "Y", "/a", "/b"],
];

const LISTENER: readonly Row[] = [
  ["bind_interface", "n", "lo", "eth0"],
  ["socket_domain", "n", "ipv4", "ipv6"],
  ["accept_protocol_versions", "L", "3,4,5", "4"],
  ["listener_allow_anonymous", "L", "false", "true"],
  ["listener_auto_id_prefix", "L", "auto-", "x-"],
  ["max_connections", "L", "-1", "7"],
  ["max_qos", "L", "2", "1"],
  ["max_topic_alias", "L", "10", "7"],
  ["max_topic_alias_broker", "L", "10", "7"],
  ["mount_point", "L", "a/", "b/"],
  ["http_dir", "n", "/a", "/b"],
  ["websockets_origin", "L", "a", "b"],
  ["use_username_as_clientid", "L", "false", "true"],
  ["protocol", "L", "mqtt", "websockets"],
  ["enable_proxy_protocol", "L", "1", "2"],
  ["proxy_protocol_v2_require_tls", "L", "false", "true"],
];

/** On a listener that speaks TLS. */
const TLS: readonly Row[] = [
  ["certfile", "L", "/a", "/b"],
  ["keyfile", "L", "/a", "/b"],
  ["cafile", "L", "/a", "/b"],
  ["capath", "L", "/a", "/b"],
  ["crlfile", "L", "/a", "/b"],
  ["require_certificate", "L", "false", "true"],
  ["ciphers", "L", "a", "b"],
  ["ciphers_tls1.3", "L", "a", "b"],
  ["tls_version", "n", "tlsv1.2", "tlsv1.3"],
  ["use_identity_as_username", "L", "false", "true"],
  ["use_subject_as_username", "L", "false", "true"],
  ["disable_client_cert_date_checks", "L", "false", "true"],
];

/** On a listener that speaks TLS with keys that are shared. */
const PSK: readonly Row[] = [
  ["psk_hint", "L", "a", "b"],
  ["psk_file", "Y", "/a", "/b"],
];

/** ~ mosquitto writes its database as a whole each time; ours stays open, where it is. */
const STORE: readonly Row[] = [
  ["persistence_location", "n", "/a", "/b"],
  ["persistence_file", "n", "a.db", "b.db"],
  ["autosave_interval", "Y", "1800", "7"],
  ["autosave_on_changes", "Y", "false", "true"],
];

/** Of a bridge, which is told of them; when it uses them is said by its own tests. */
const BRIDGE: readonly Row[] = [
  ["connection", "Y", "a", "b"],
  ["address", "Y", "a", "b:1884"],
  ["topic", "Y", "a", "b"],
  ["bridge_protocol_version", "Y", "mqttv311", "mqttv50"],
  ["remote_clientid", "Y", "a", "b"],
  ["local_clientid", "Y", "a", "b"],
  ["remote_username", "Y", "a", "b"],
  ["remote_password", "Y", "a", "b"],
  ["local_username", "Y", "a", "b"],
  ["local_password", "Y", "a", "b"],
  ["cleansession", "Y", "false", "true"],
  ["local_cleansession", "Y", "false", "true"],
  ["keepalive_interval", "Y", "60", "7"],
  ["start_type", "Y", "automatic", "lazy"],
  ["threshold", "Y", "10", "7"],
  ["idle_timeout", "Y", "60", "7"],
  ["restart_timeout", "Y", "5 30", "7"],
  ["round_robin", "Y", "false", "true"],
  ["try_private", "Y", "true", "false"],
  ["notifications", "Y", "true", "false"],
  ["notifications_local_only", "Y", "false", "true"],
  ["notification_topic", "Y", "a", "b"],
  ["bridge_attempt_unsubscribe", "Y", "true", "false"],
  ["bridge_bind_address", "Y", "a", "b"],
  ["bridge_outgoing_retain", "Y", "true", "false"],
  ["bridge_max_packet_size", "Y", "0", "70"],
  ["bridge_max_topic_alias", "Y", "10", "7"],
  ["bridge_receive_maximum", "Y", "20", "7"],
  ["bridge_session_expiry_interval", "Y", "0", "7"],
  ["bridge_reload_type", "Y", "lazy", "immediate"],
  ["bridge_tcp_keepalive", "Y", "1 2 3", "4 5 6"],
  ["bridge_tcp_user_timeout", "Y", "8000", "7000"],
];

/** On a bridge that speaks TLS. */
const BRIDGE_TLS: readonly Row[] = [
  ["bridge_cafile", "Y", "/a", "/b"],
  ["bridge_capath", "Y", "/a", "/b"],
  ["bridge_certfile", "Y", "/a", "/b"],
  ["bridge_keyfile", "Y", "/a", "/b"],
  ["bridge_alpn", "Y", "a", "b"],
  ["bridge_ciphers", "Y", "a", "b"],
  ["bridge_ciphers_tls1.3", "Y", "a", "b"],
  ["bridge_tls_version", "Y", "tlsv1.2", "tlsv1.3"],
  ["bridge_tls_use_os_certs", "Y", "false", "true"],
  ["bridge_insecure", "Y", "false", "true"],
];

/** On a bridge that speaks TLS with a key that both sides have. */
const BRIDGE_PSK: readonly Row[] = [
  ["bridge_identity", "Y", "a", "b"],
  ["bridge_psk", "Y", "a", "b"],
];

/** Limits of ours, which mosquitto lacks. */
const OWN: readonly Row[] = Object.values(OWN_LIMIT_ROWS).map(({ name }) => [name, "Y", "7", "8"]);

/** What those that are in no list above do is said by a test of their own, or is nothing. */
const OTHERS = [
  "persistence",
  "per_listener_settings",
  // Refused but for one value.
  "tls_engine",
  "tls_engine_kpass_sha1",
  "tls_keyform",
  "bridge_require_ocsp",
  "retry_interval",
  "dhparamfile",
  "websockets_log_level",
  "auth_plugin_deny_special_chars",
];

/** As the table writes them. */
const COLUMNS = { yes: "Y", listener: "L", no: "n" } as const;

function configured(...lines: readonly string[]): Configuration {
  const reader = new ConfigurationReader(
    { list: () => undefined, read: () => undefined },
    () => undefined,
  );
  reader.readFile("t.conf", Buffer.from(lines.join("\n")));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

describe("the table", () => {
  const known = [
    ...[...GENERAL, ...OWN, ...ACCESS, ...LISTENER, ...TLS, ...PSK, ...STORE],
    ...[...BRIDGE, ...BRIDGE_TLS, ...BRIDGE_PSK],
  ];

  it("has the reload column of mosquitto's", () => {
    const columns = new Map(DIRECTIVES.map(({ row }) => [row.name, COLUMNS[row.reload]]));
    for (const [name, column] of known) expect([name, columns.get(name)]).toEqual([name, column]);
  });

  it("has no option whose reload is not tested here", () => {
    const names = DIRECTIVES.filter(({ row }) => !["address", "plugin"].includes(row.scope));
    const tested = new Set([...known.map(([name]) => name), ...OTHERS]);
    expect(names.map(({ row }) => row.name).filter((name) => !tested.has(name))).toEqual([]);
  });
});

describe("a reload", () => {
  const listener = ["listener 1883"];
  const tls = (name: string) =>
    ["certfile /c", "keyfile /k"].filter((line) => !line.startsWith(`${name} `));
  const hint = (name: string) => (name === "psk_hint" ? [] : ["psk_hint c"]);
  const CERTIFICATES = ["bridge_cafile /c", "bridge_certfile /c", "bridge_keyfile /k"];
  const KEYS = ["bridge_identity c", "bridge_psk c"];
  /** A whole bridge with `line`, which stands for the one of the same name. */
  const bridge = (line: string, ...more: readonly string[]) => {
    const needed = ["connection c", "address c", "topic c", "remote_username c", ...more];
    const isOther = (one: string) => one.split(" ", 1)[0] !== line.split(" ", 1)[0];
    const [first, rest] = isOther("connection") ? ["connection c", [line]] : [line, []];
    return [first, ...rest, ...needed.slice(1).filter(isOther)];
  };
  const rows = [
    ...[...GENERAL, ...OWN].map((row) => [...row, (line: string) => [line, ...listener]] as const),
    ...ACCESS.map((row) => [...row, (line: string) => [line, ...listener]] as const),
    ...LISTENER.map((row) => [...row, (line: string) => [...listener, line]] as const),
    ...TLS.map((row) => [...row, (line: string) => [...listener, line, ...tls(row[0])]] as const),
    ...PSK.map((row) => [...row, (line: string) => [...listener, line, ...hint(row[0])]] as const),
    ...STORE.map((row) => [...row, (line: string) => ["persistence true", line]] as const),
    ...BRIDGE.map((row) => [...row, bridge] as const),
    ...BRIDGE_TLS.map((row) => [...row, (line: string) => bridge(line, ...CERTIFICATES)] as const),
    ...BRIDGE_PSK.map((row) => [...row, (line: string) => bridge(line, ...KEYS)] as const),
  ];

  it.each(rows)("of %s is as its column says: %s", (name, column, before, after, lines) => {
    const then = configured(...lines(`${name} ${before}`));
    const now = configured(...lines(`${name} ${after}`));
    expect(now).not.toEqual(then);
    expect(reloaded(then, now)).toEqual(column === "n" ? then : now);
    expect(reloaded(now, then)).toEqual(column === "n" ? now : then);
    const waits = STORE.some(([one]) => one === name) ? "persistence" : name;
    expect(waitingIn(then, now)).toEqual(column === "n" ? [waits] : []);
    expect(waitingIn(then, then)).toEqual([]);
  });

  it("has no listener's value taken over by another in the same place", () => {
    const two = (first: string, second: string) =>
      configured("listener 1", "bind_interface a", first, "listener 1", "bind_interface b", second);
    const next = reloaded(two("max_qos 0", "max_qos 1"), two("max_qos 1", "max_qos 2"));
    expect(next.listeners.map(({ bindInterface, maxQos }) => [bindInterface, maxQos])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });

  it("neither begins nor ends persistence", () => {
    const [without, having] = [configured("listener 1"), configured("listener 1", "persistence 1")];
    expect(reloaded(without, having)).toEqual(without);
    expect(reloaded(having, without)).toEqual(having);
    expect(waitingIn(without, having)).toEqual(["persistence"]);
  });

  it("does not change whose access options are", () => {
    const [all, each] = [configured(""), configured("per_listener_settings true")];
    const refusal = "Error: per_listener_settings cannot be changed by a reload.";
    expect(() => reloaded(all, each)).toThrow(refusal);
    expect(() => reloaded(each, all)).toThrow(refusal);
  });
});

describe("a running broker", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "ts-mqtt-reload-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let stop: (() => Promise<void>) | undefined;
  afterEach(async () => {
    await stop?.();
    stop = undefined;
  });

  async function started(...lines: readonly string[]) {
    const path = join(directory, "socket");
    const configuration = configured(`listener 0 ${path}`, ...lines);
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const log = new LogSinks(configuration.log, { stdout, stderr }, () => () => "");
    const server = await RunningServer.start({ configuration, log, version: "1.2.3", env: {} });
    stop = () => server.stop();
    const reload = (...more: string[]) => server.reload(configured(`listener 0 ${path}`, ...more));
    const accept = vi.spyOn(server.broker, "accept");
    /** What a new connection is told. */
    const settings = async () => {
      accept.mockClear();
      const socket = connect(path);
      await waitFor("it is accepted", () => accept.mock.calls.length > 0);
      socket.destroy();
      return accept.mock.calls[0]?.[1];
    };
    const logged = () => {
      log.flush();
      return `${(stderr.read() as Buffer | null) ?? ""}`;
    };
    return { server, reload, settings, logged };
  }

  const NEW = [
    ...GENERAL.filter(([name]) => !/^(log|pid|user|clientid)/.test(name)),
    ...ACCESS.filter(([name]) => !name.endsWith("_file")),
    ...LISTENER.filter(([name]) => !/^(bind_|socket_|http_|protocol|enable_|proxy_)/.test(name)),
  ].map(([name, , , after]) => `${name} ${after}`);

  it("uses what may change, and says what has to wait", async () => {
    const { server, reload, settings, logged } = await started();
    const name = expect.stringMatching(/^0 .*socket 1$/);
    const defaults = { ...DEFAULT_LISTENER, name, port: 0, allowAnonymous: false };
    expect(await settings()).toMatchObject(defaults);
    await reload(...NEW);
    expect(server.broker.settings).toEqual({
      ...DEFAULT_SETTINGS,
      allowDuplicateMessages: false,
      connectionMessages: false,
      sysInterval: 20,
      queueQos0Messages: true,
      upgradeOutgoingQos: true,
      messageSizeLimit: 7,
      memoryLimit: 7,
      persistentClientExpiration: 86_400,
    });
    expect(await settings()).toMatchObject({
      port: 0,
      allowAnonymous: true,
      allowZeroLengthClientid: false,
      acceptProtocolVersions: [4],
      autoIdPrefix: "x-",
      maxQos: 1,
      maxTopicAlias: 7,
      maxTopicAliasBroker: 7,
      mountPoint: "b/",
      useUsernameAsClientid: true,
    });
    const said = logged();
    const waiting = [...said.matchAll(/The new value of (\w+) takes effect at the next start/g)];
    const unchanged = GENERAL.filter(([name, column]) => {
      return column === "n" && NEW.some((line) => line.startsWith(`${name} `));
    });
    expect(waiting.map(([, name]) => name).sort()).toEqual(unchanged.map(([name]) => name).sort());
  });

  it("does not say once more what the reader has said of a bridge", async () => {
    const bridge = ["connection c", "address c", "topic c", "start_type lazy"];
    const { logged } = await started(...bridge, "bridge_cafile /a", "bridge_insecure true");
    expect(logged()).not.toContain("insecure");
  });

  it.each([
    ["an ACL file is wrong", "acl_file DIR/bad.acl", "Error opening acl file"],
    ["an ACL file is gone", "acl_file DIR/gone", "Error: Unable to open acl_file"],
    ["a password file is wrong", "password_file DIR/bad.users", "Error opening password file"],
    ["a password file is a folder", "password_file DIR/folder", "Error: Unable to open pwfile"],
    ["the log cannot be written", "log_dest file DIR/gone/log", "Error: Unable to open log file"],
    ["a listener has come", "listener 31999 127.0.0.1", "Error: Listeners cannot be added"],
    ["whose options are has changed", "per_listener_settings true", "cannot be changed"],
  ])("is as it was when %s", async (_title, line, sentence) => {
    writeFileSync(join(directory, "acl"), "topic read a\n");
    writeFileSync(join(directory, "bad.acl"), "topic\n");
    writeFileSync(join(directory, "bad.users"), "ann:$9$x\n");
    mkdirSync(join(directory, "folder"), { recursive: true });
    const lines = [`acl_file ${join(directory, "acl")}`, "allow_anonymous true", "log_type error"];
    const { server, reload, settings, logged } = await started(...lines);
    const access = vi.spyOn(server.broker, "onAccessChanged");
    const before = [server.broker.settings, await settings()];
    const changed = ["sys_interval 20", "listener_allow_anonymous false", "log_type debug"];
    await expect(reload(...changed, line.replace("DIR", directory))).rejects.toThrow(sentence);
    expect([server.broker.settings, await settings()]).toEqual(before);
    expect(access).not.toHaveBeenCalled();
    expect(logged()).not.toContain("next start");
  });
});
