import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigurationReader, type Files } from "../../../../src/options/conf/conf-file.ts";
import type { CommandLine } from "../../../../src/options/conf/configuration.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

const PLAIN: CommandLine = { ports: [], verbose: false, quiet: false };
const NO_FILES: Files = { list: () => undefined, read: () => undefined };

describe("a configuration without a listener", () => {
  it("is for this machine only, on 1883 of both loopback addresses, and lets anybody in", () => {
    const { localOnly, listeners } = read("").configuration;
    expect(localOnly).toBe(true);
    expect(listeners.map(({ host, port }) => [host, port])).toEqual([
      ["127.0.0.1", 1883],
      ["::1", 1883],
    ]);
    expect(listeners.every(({ allowAnonymous }) => allowAnonymous)).toBe(true);
  });

  it("takes the ports of the command line", () => {
    const { listeners } = read("", { ...PLAIN, ports: [1, 2] }).configuration;
    expect(listeners.map(({ host, port }) => `${host} ${port}`)).toEqual([
      "127.0.0.1 1",
      "::1 1",
      "127.0.0.1 2",
      "::1 2",
    ]);
  });

  it("heeds what is said of access, family and limits", () => {
    const text = "socket_domain ipv6\nallow_anonymous false\nmax_connections 5\nmax_qos 1\n";
    const { localOnly, listeners } = read(text).configuration;
    expect(localOnly).toBe(true);
    expect(listeners).toHaveLength(1);
    expect(listeners[0]).toMatchObject({
      host: "::1",
      allowAnonymous: false,
      maxConnections: 5,
      maxQos: 1,
    });
  });

  it("has mosquitto's defaults", () => {
    const { general, log, allowZeroLengthClientid, listeners } = read("").configuration;
    expect(general).toMatchObject({
      allowDuplicateMessages: true,
      checkRetainSource: false,
      clientidPrefixes: "",
      connectionMessages: true,
      globalMaxClients: -1,
      maxInflightMessages: 20,
      maxKeepalive: 0,
      maxPacketSize: 2_000_000,
      maxQueuedMessages: 1000,
      packetBufferSize: 4096,
      persistentClientExpiration: 0,
      queueQos0Messages: false,
      retainAvailable: true,
      retainExpiryIntervalMs: 0,
      sysInterval: 10,
      user: undefined,
    });
    expect(log).toEqual({
      destinations: [{ to: "stderr" }],
      types: ["error", "warning", "notice", "information"],
      facility: undefined,
      timestamp: true,
      timestampFormat: undefined,
    });
    expect(allowZeroLengthClientid).toBe(true);
    expect(listeners[0]).toMatchObject({
      acceptProtocolVersions: [3, 4, 5],
      autoIdPrefix: "auto-",
      maxConnections: -1,
      maxQos: 2,
      maxTopicAlias: 10,
      maxTopicAliasBroker: 10,
      mountPoint: "",
      protocol: "mqtt",
      useUsernameAsClientid: false,
    });
  });
});

describe("listeners", () => {
  it("stand on all addresses unless one is named, and let nobody in without a name", () => {
    const { localOnly, listeners } = read("listener 1884\nlistener 1885 ::1\n").configuration;
    expect(localOnly).toBe(false);
    expect(listeners.map(({ host, port, allowAnonymous }) => [host, port, allowAnonymous])).toEqual(
      [
        [undefined, 1884, false],
        ["::1", 1885, false],
      ],
    );
    expect(read("listener 1884 * # all\n").configuration.listeners[0]).not.toHaveProperty("host");
  });

  it("put the ports of the command line out of force", () => {
    const { listeners } = read("listener 1884\n", { ...PLAIN, ports: [1] }).configuration;
    expect(listeners.map(({ port }) => port)).toEqual([1884]);
  });

  it("own the options below them", () => {
    const text = [
      "listener 1",
      "max_connections 5",
      "accept_protocol_versions 3, 5",
      "listener 2",
      "listener_allow_anonymous true",
      "listener_auto_id_prefix two-",
      "mount_point  in the house/ ",
      "max_topic_alias_broker 0",
    ].join("\n");
    const [one, two] = read(text).configuration.listeners;
    expect(one).toMatchObject({
      maxConnections: 5,
      acceptProtocolVersions: [3, 5],
      mountPoint: "",
    });
    expect(two).toMatchObject({
      maxConnections: -1,
      allowAnonymous: true,
      autoIdPrefix: "two-",
      mountPoint: "in the house/",
      maxTopicAliasBroker: 0,
    });
  });

  it("end with the default one, when a port or an address makes it", () => {
    const { listeners } = read("port 1\nbind_address ::1\nlistener 2\n").configuration;
    expect(listeners.map(({ host, port }) => [host, port])).toEqual([
      [undefined, 2],
      ["::1", 1],
    ]);
    const later = read("listener 2\nmax_qos 1\nport 1\nmax_qos 0\n").configuration.listeners;
    expect(later.map(({ port, maxQos }) => [port, maxQos])).toEqual([
      [2, 1],
      [1, 0],
    ]);
  });

  it("are joined by a default one when options come before the first, and that is said", () => {
    const { configuration, notes } = read("max_connections 5\nlistener 2\n");
    expect(configuration.listeners.map(({ port }) => port)).toEqual([2, 1883]);
    expect(notes).toHaveLength(1);
    expect(read("max_connections -1\nlistener 2\n").configuration.listeners).toHaveLength(1);
  });

  it("share what is said of access, unless it is theirs", () => {
    const shared = read("listener 1\nallow_anonymous true\nlistener 2\n").configuration;
    expect(shared.listeners.map(({ allowAnonymous }) => allowAnonymous)).toEqual([true, true]);
    const own = read(
      "per_listener_settings true\nlistener 1\nallow_anonymous true\n" +
        "auto_id_prefix a\nlistener 2\n",
    ).configuration;
    expect(own.listeners.map(({ allowAnonymous }) => allowAnonymous)).toEqual([true, false]);
    expect(own.listeners.map(({ autoIdPrefix }) => autoIdPrefix)).toEqual(["a", "auto-"]);
  });
});

describe("TLS and proxies", () => {
  const only = (text: string) => read(`listener 1\n${text}\n`).configuration.listeners[0]!;

  it("take certificates, or keys that clients share, whose file may be each listener's", () => {
    expect(only("certfile c\nkeyfile k").tls).toMatchObject({ certFile: "c", psk: null });
    const text =
      "per_listener_settings true\nlistener 1\npsk_hint h\npsk_file one\nlistener 2\npsk_hint i\n" +
      "tls_keyform pem\n";
    const psks = read(text).configuration.listeners.map(({ tls }) => tls?.psk);
    expect(psks).toEqual([
      { hint: "h", file: "one" },
      { hint: "i", file: undefined },
    ]);
    expect(only("psk_file f").tls).toBeNull();
  });

  it("go by what the proxy says only with PROXY protocol 2", () => {
    const asked = "require_certificate true\nuse_identity_as_username true";
    expect(only(`enable_proxy_protocol 2\n${asked}`).proxy).toEqual({
      version: 2,
      requiresTls: false,
      requiresCertificate: true,
      identifies: true,
    });
    expect(only(`enable_proxy_protocol 1\n${asked}`).proxy).toMatchObject({
      requiresCertificate: false,
      identifies: false,
    });
    expect(only("").proxy).toBeNull();
  });

  it.each([
    ["certfile c", "Both certfile and keyfile must be provided if one of them is set."],
    ["keyfile k", "Both certfile and keyfile must be provided if one of them is set."],
    ["certfile c\nkeyfile k\npsk_hint x", "A listener has either psk_hint, or certfile and"],
    ["enable_proxy_protocol 2\ncertfile c\nkeyfile k", "certfile, keyfile and psk_hint cannot be"],
    ["enable_proxy_protocol 2\npsk_hint h", "certfile, keyfile and psk_hint cannot be used with"],
    ["enable_proxy_protocol 2\nuse_subject_as_username true", "use_subject_as_username cannot be"],
    ["enable_proxy_protocol 1\nproxy_protocol_v2_require_tls true", "proxy_protocol_v2_require_t"],
    ["enable_proxy_protocol 3", "Invalid enable_proxy_protocol value (3), it must be 1 or 2."],
    ["tls_keyform engine", "'tls_keyform engine' cannot be carried out: Node.js has no OpenSSL"],
    ["tls_keyform der", "Invalid tls_keyform value (der)."],
    ["tls_engine pkcs11", "'tls_engine' cannot be carried out: Node.js has no OpenSSL engines."],
    ["tls_engine_kpass_sha1 x", "'tls_engine_kpass_sha1' cannot be carried out: Node.js has no"],
    ["tls_version tlsv1", 'Unsupported tls_version "tlsv1".'],
  ])("are refused where lines do not go together: %j", (text, sentence) => {
    expect(() => only(text)).toThrow(`Error: ${sentence}`);
  });
});

describe("logging", () => {
  it("gathers destinations and types, and starts anew at none", () => {
    const text = "log_dest stdout\nlog_dest file /a b\nlog_type error\nlog_type debug\n";
    expect(read(text).configuration.log).toMatchObject({
      destinations: [{ to: "stdout" }, { to: "file", path: "/a b" }],
      types: ["error", "debug"],
    });
    expect(read("log_dest stderr\nlog_dest none\n").configuration.log.destinations).toEqual([]);
    expect(read("log_type all\nlog_type none\n").configuration.log.types).toEqual([]);
    expect(read("log_type none\nlog_type all\n").configuration.log.types).toHaveLength(9);
  });

  it("is overridden by -v, and that by -q", () => {
    const types = (commandLine: Partial<CommandLine>) =>
      read("log_type error\n", { ...PLAIN, ...commandLine }).configuration.log.types;
    expect(types({ verbose: true })).toHaveLength(9);
    expect(types({ verbose: true, quiet: true })).toEqual([]);
  });
});

describe("values", () => {
  it.each([
    ["max_inflight_messages 65535", "maxInflightMessages", 0],
    ["max_inflight_messages -1", "maxInflightMessages", 0],
    ["max_queued_messages -1", "maxQueuedMessages", 0],
    ["max_queued_messages 0x10", "maxQueuedMessages", 16],
    ["max_keepalive 0", "maxKeepalive", 0],
    ["retain_expiry_interval 2", "retainExpiryIntervalMs", 120_000],
    ["persistent_client_expiration 90s", "persistentClientExpiration", 90],
    ["persistent_client_expiration 2m", "persistentClientExpiration", 5_184_000],
    ["user  a b ", "user", "a b"],
    ["websockets_headers_size 100", "packetBufferSize", 100],
    ["global_max_clients 7", "globalMaxClients", 7],
  ])("%s", (line, key, value) => {
    expect(read(`${line}\r\n`).configuration.general).toHaveProperty(key, value);
  });
});

describe("a line that cannot be", () => {
  it("is refused with its place", () => {
    expect(refusalOf("# a comment\n\nmax_packet_size 19\n")).toBe(
      "Error: Invalid max_packet_size value (19).\nError found at t.conf:3.",
    );
  });

  it.each([
    ["max_queued_messages 1x", "Error: Invalid max_queued_messages value (1x)."],
    ["retain_expiry_interval 0", "Error: Invalid retain_expiry_interval value (0)."],
    ["accept_protocol_versions 3", "Error: You must use create a listener before using the"],
    [
      "listener 1\naccept_protocol_versions 6",
      "Error: Invalid accept_protocol_versions value (6).",
    ],
    ["listener 1\naccept_protocol_versions ", "Error: Empty accept_protocol_versions value"],
    ["listener 1\nlistener_auto_id_prefix", "Error: Empty listener_auto_id_prefix value"],
    ["log_type", "Error: Empty log_type value in configuration."],
    ["listener 1\nprotocol", "Error: Empty protocol value in configuration."],
    [`auto_id_prefix ${"x".repeat(51)}`, "Error: auto_id_prefix length must be <= 50."],
    ["listener 1.5", "Error: Invalid port value (1.5)."],
    ["listener 12ab", "Error: Invalid port value (12ab)."],
    ["max_packet_size 99999999999999999999", "Error: Invalid max_packet_size value"],
  ])("%s", (text, start) => expect(refusalOf(`${text}\n`)).toContain(start));

  it("names the option that was meant", () => {
    expect(refusalOf("max_conections 5\n")).toBe(
      'Error: Unknown configuration variable "max_conections".\n' +
        'Error found at t.conf:1.\nDid you mean "max_connections"?',
    );
    expect(refusalOf("lisetner 1883\n")).toContain('Did you mean "listener"?');
    expect(refusalOf("pasword_file x\n")).toContain('Did you mean "password_file"?');
    expect(refusalOf("frobnicate x\n")).not.toContain("Did you mean");
    expect(refusalOf(`${"x".repeat(100_000)}\n`)).not.toContain("Did you mean");
  });
});

describe("include_dir", () => {
  const files: Files = {
    list: (name) => (name === "d" ? ["b.conf", "a.conf", "B.conf", "x.txt", "c.conf"] : undefined),
    read: (path) => Buffer.from(path === "d/c.conf" ? "include_dir gone\n" : "sys_interval 3\n"),
  };

  it("reads *.conf in the order of the alphabet, upper case first between equals", () => {
    const { notes, configuration } = read("include_dir d\n", PLAIN, files);
    expect(notes).toEqual([
      "information: Loading config file d/a.conf",
      "information: Loading config file d/B.conf",
      "information: Loading config file d/b.conf",
      "information: Loading config file d/c.conf",
    ]);
    expect(configuration.general.sysInterval).toBe(3);
  });

  it("gives both places of a mistake", () => {
    const bad = { list: () => ["a.conf"], read: () => Buffer.from("\nfoo_bar 1\n") };
    expect(refusalOf("include_dir d\n", bad)).toBe(
      'Error: Unknown configuration variable "foo_bar".\n' +
        "Error found at 'd/a.conf:2'.\nError found at t.conf:1.",
    );
  });

  it("refuses what cannot be read", () => {
    expect(refusalOf("include_dir gone\n", files)).toContain("Unable to open include_dir 'gone'.");
    const unreadable = { list: () => ["a.conf"], read: () => undefined };
    expect(refusalOf("include_dir d\n", unreadable)).toContain(
      "Unable to open config file d/a.conf",
    );
    expect(refusalOf("include_dir d\n", { list: () => ["a.conf"], read: () => "directory" })).toBe(
      "Error: Config file d/a.conf is a directory.\nError found at t.conf:1.",
    );
  });
});

describe("the text of a file", () => {
  const MALFORMED = "Error: Malformed UTF-8 in configuration.\nError found at t.conf:1.";

  it("may have a byte order mark of UTF-8, and lines of any kind and length", () => {
    const long = "x".repeat(65_535);
    const text = `\ufeff# hello\r\n\r\n\t\r\n${"#".repeat(300_000)}\npid_file ${long}`;
    expect(read(text).configuration.general.pidFile).toBe(long);
    expect(read("").configuration.general.pidFile).toBeUndefined();
    // Not in the middle, where it is a letter like others.
    expect(refusalOf("\n\ufeffport 1\n")).toContain('variable "\ufeffport"');
  });

  it("may be anything in a comment, and must be UTF-8 in a value", () => {
    expect(refusalOf(Buffer.from("# caf\xe9\nuser a\n", "latin1"))).toBeUndefined();
    for (const line of ["user caf\xe9", "log_dest file /tmp/\xe9", "listener 1 caf\xe9"]) {
      expect(refusalOf(Buffer.from(line, "latin1")), line).toBe(MALFORMED);
    }
    const twice = "Error: Duplicate user value in configuration.\nError found at t.conf:2.";
    expect(refusalOf(Buffer.from("user a\nuser \xe9\n", "latin1"))).toBe(twice);
    expect(refusalOf("user \ufffd\n")).toBeUndefined();
  });

  it("has values that are strings of MQTT", () => {
    const values = ["a\x01b", "a\tb", "a\x7f", "a\x80b", "a\uffff", "a\ufdd0", "x".repeat(65_536)];
    for (const value of values) expect(refusalOf(`user ${value}\n`)).toBe(MALFORMED);
  });

  it.each([
    ["\xff\xfep\0o\0r\0t\0", "UTF-16"],
    ["\xfe\xff\0p\0o\0r\0t", "UTF-16"],
    ["p\0o\0r\0t\0 \x001\0\n\0", "UTF-16LE"],
    ["\0p\0o\0r\0t\0 \x001\0\n", "UTF-16BE"],
  ])("is not UTF-16, as %j is", (text, encoding) => {
    expect(refusalOf(Buffer.from(text, "latin1"))).toBe(
      `Error: The configuration file is in ${encoding} and must be in UTF-8: convert it, for ` +
        `instance with \`iconv -f ${encoding} -t UTF-8\`.\nError found at t.conf:1.`,
    );
  });

  it.each(["#\0", "user a\0b", "\0", "max_qos 1\0"])("holds no NUL, as %j does", (line) => {
    const refusal = "Error: NUL byte in configuration file.\nError found at t.conf:2.";
    expect(refusalOf(`# one\n${line}\nuser b\n`)).toBe(refusal);
  });
});

describe("several files", () => {
  it("add up", () => {
    const reader = new ConfigurationReader(NO_FILES, () => {});
    reader.readFile("a", Buffer.from("listener 1\n"));
    reader.readFile("b", Buffer.from("max_qos 1\nlistener 2\n"));
    const { listeners } = reader.complete(PLAIN);
    expect(listeners.map(({ port, maxQos }) => [port, maxQos])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});

describe("any input", () => {
  const whole = Buffer.from(
    "# é\r\nlistener 1883 ::1\r\nmount_point é/\nmax_qos 1\nlog_dest file /x y\nport 12\nuser ü\n",
  );

  it("is read or refused wherever it is cut", () => {
    for (let cut = 0; cut <= whole.length; cut++) refusalOf(whole.subarray(0, cut));
  });

  it("causes nothing but UsageError", () => {
    const name = fc.constantFrom("listener", "port", "log_type", "max_qos", "user", "mount_point");
    const line = fc.oneof(
      fc.string(),
      fc.tuple(name, fc.string()).map((words) => words.join(" ")),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => void refusalOf(lines.join("\n"))),
      { seed: 1 },
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => void refusalOf(Buffer.from(bytes))),
      { seed: 1 },
    );
  });
});

function read(text: string, commandLine = PLAIN, files = NO_FILES) {
  const notes: string[] = [];
  const reader = new ConfigurationReader(files, (type, note) => notes.push(`${type}: ${note}`));
  reader.readFile("t.conf", Buffer.from(text));
  return { configuration: reader.complete(commandLine), notes };
}

/** What a file is refused with; undefined when it is good. Any other error escapes. */
function refusalOf(text: string | Buffer, files: Files = NO_FILES): string | undefined {
  try {
    new ConfigurationReader(files, () => {}).readFile("t.conf", Buffer.from(text as string));
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message;
  }
}
