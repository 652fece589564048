/** From configuration files to what the broker and its listeners are told. */
import { describe, expect, it } from "vitest";
import { DEFAULT_LISTENER, DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";
import type { Configuration } from "../../../src/options/conf/configuration.ts";
import { DIRECTIVES } from "../../../src/options/conf/directives.ts";
import { reloaded } from "../../../src/server/reload.ts";
import { brokerSettings, listenerSettings } from "../../../src/server/settings.ts";

const NO_FILES = { list: () => undefined, read: () => undefined };

function configurationOf(...lines: string[]): Configuration {
  const reader = new ConfigurationReader(NO_FILES, () => undefined);
  reader.readFile("test.conf", Buffer.from(lines.join("\n")));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

/** An option, its line with a value that is not the default, and the setting it becomes. */
const LINES = [
  ["allow_duplicate_messages", "false", { allowDuplicateMessages: false }],
  ["check_retain_source", "true", { checkRetainSource: true }],
  ["clientid_prefixes", "ok-", { clientidPrefixes: "ok-" }],
  ["connection_messages", "false", { connectionMessages: false }],
  ["global_max_clients", "7", { globalMaxClients: 7 }],
  ["global_max_connections", "7", { globalMaxConnections: 7 }],
  ["max_inflight_messages", "7", { maxInflightMessages: 7 }],
  ["max_inflight_bytes", "7", { maxInflightBytes: 7 }],
  ["max_queued_messages", "7", { maxQueuedMessages: 7 }],
  ["max_queued_bytes", "7", { maxQueuedBytes: 7 }],
  ["max_keepalive", "7", { maxKeepalive: 7 }],
  ["max_packet_size", "70", { maxPacketSize: 70 }],
  ["max_pending_connections", "7", { pendingConnectionsMax: 7 }],
  ["max_retained_bytes", "7", { retainedBytesMax: 7 }],
  ["max_retained_messages", "7", { retainedMessagesMax: 7 }],
  ["max_subscriptions", "7", { subscriptionsMax: 7 }],
  ["bridge_loop_repeats", "0", { loopRepeats: 0 }],
  ["memory_limit", "7", { memoryLimit: 7 }],
  ["message_size_limit", "7", { messageSizeLimit: 7 }],
  ["persistent_client_expiration", "7h", { persistentClientExpiration: 25_200 }],
  ["queue_qos0_messages", "true", { queueQos0Messages: true }],
  ["retain_available", "false", { retainAvailable: false }],
  ["retain_expiry_interval", "7", { retainExpiryIntervalMs: 420_000 }],
  ["sys_interval", "7", { sysInterval: 7 }],
  ["upgrade_outgoing_qos", "true", { upgradeOutgoingQos: true }],
] as const;

describe("brokerSettings", () => {
  it("is mosquitto's defaults for an empty file", () => {
    expect(brokerSettings(configurationOf())).toEqual(DEFAULT_SETTINGS);
  });

  it.each(LINES)("hands on %s", (name, value, wanted) => {
    const settings = brokerSettings(configurationOf(`${name} ${value}`));
    expect(settings).toEqual({ ...DEFAULT_SETTINGS, ...wanted });
    expect(settings).not.toEqual(DEFAULT_SETTINGS);
  });
});

describe("listenerSettings", () => {
  it("is mosquitto's defaults for a listener that says nothing, where anonymous is refused", () => {
    const [listener] = configurationOf("listener 1883").listeners;
    expect(listenerSettings(listener!)).toMatchObject({
      ...DEFAULT_LISTENER,
      name: "1883 * 1",
      allowAnonymous: false,
    });
  });

  it.each([
    ["listener_allow_anonymous true", { allowAnonymous: true }],
    ["allow_zero_length_clientid false", { allowZeroLengthClientid: false }],
    ["accept_protocol_versions 3,5", { acceptProtocolVersions: [3, 5] }],
    ["listener_auto_id_prefix x-", { autoIdPrefix: "x-" }],
    ["max_qos 1", { maxQos: 1 }],
    ["max_topic_alias 5", { maxTopicAlias: 5 }],
    ["max_topic_alias_broker 6", { maxTopicAliasBroker: 6 }],
    ["mount_point m/", { mountPoint: "m/" }],
    ["use_username_as_clientid true", { useUsernameAsClientid: true }],
  ])("hands on %s", (line, wanted) => {
    const [listener] = configurationOf("listener 1883", line).listeners;
    expect(listenerSettings(listener!)).toMatchObject(wanted);
  });
});

describe("reloaded", () => {
  /** What SIGHUP changes and what it does not, as the columns of mosquitto-2.1 b.1 and b.2 say. */
  const RELOADED = [
    "allow_duplicate_messages",
    "clientid_prefixes",
    "connection_messages",
    "max_pending_connections",
    "max_retained_bytes",
    "max_retained_messages",
    "bridge_loop_repeats",
    "max_subscriptions",
    "memory_limit",
    "message_size_limit",
    "persistent_client_expiration",
    "queue_qos0_messages",
    "sys_interval",
    "upgrade_outgoing_qos",
  ];

  it.each(LINES)("takes over %s if SIGHUP does", (name, value, wanted) => {
    const next = reloaded(configurationOf(), configurationOf(`${name} ${value}`));
    const changes = RELOADED.includes(name) ? wanted : {};
    expect(brokerSettings(next)).toEqual({ ...DEFAULT_SETTINGS, ...changes });
  });

  it.each(LINES)("takes %s back if SIGHUP does", (name, value, wanted) => {
    const next = reloaded(configurationOf(`${name} ${value}`), configurationOf());
    const stays = RELOADED.includes(name) ? {} : wanted;
    expect(brokerSettings(next)).toEqual({ ...DEFAULT_SETTINGS, ...stays });
  });

  it("takes over what belongs to listeners and the log", () => {
    const before = configurationOf("listener 1883");
    const after = configurationOf("log_type debug", "listener 1883", "max_qos 0");
    const next = reloaded(before, after);
    expect(next.listeners[0]?.maxQos).toBe(0);
    expect(next.log.types).toEqual(["debug"]);
  });

  it("keeps pid file and user", () => {
    const before = configurationOf("pid_file /a", "user x");
    const { general } = reloaded(before, configurationOf("pid_file /b", "user y"));
    expect(general).toMatchObject({ pidFile: "/a", user: "x" });
  });

  it("knows all that the table calls reloadable", () => {
    const rows = DIRECTIVES.filter(({ row }) => row.scope === "general" && row.reload === "yes");
    const names = rows.map(({ row }) => row.name);
    // These tell the broker nothing: they are the log's and the store's.
    const others = names.filter((name) => !RELOADED.includes(name));
    expect(others.sort()).toEqual([
      "autosave_interval",
      "autosave_on_changes",
      "log_dest",
      "log_facility",
      "log_timestamp",
      "log_timestamp_format",
      "log_type",
    ]);
    expect(names).toEqual(expect.arrayContaining(RELOADED));
  });
});
