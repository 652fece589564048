import { describe, expect, it } from "vitest";
import { BRIDGE_EXAMPLE } from "../../../../src/options/conf/bridge-text.ts";
import { ConfigurationReader } from "../../../../src/options/conf/conf-file.ts";
import type { NoteType } from "../../../../src/options/conf/directive.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

const NEEDED = "address a\ntopic a\n";
const TOGETHER = "encryption in a single bridge.";

function read(text: string, files: Readonly<Record<string, string>> = {}) {
  const notes: [NoteType, string][] = [];
  const reader = new ConfigurationReader(
    {
      list: () => Object.keys(files),
      read: (path) => Buffer.from(files[path.replace(/^.*\//, "")] ?? ""),
    },
    (type, note) => notes.push([type, note]),
  );
  reader.readFile("t.conf", Buffer.from(text));
  const { bridges } = reader.complete({ ports: [], verbose: false, quiet: false });
  return { bridges, notes };
}

describe("bridges", () => {
  it("are none unless there is a connection line", () => {
    expect(read("").bridges).toEqual([]);
  });

  it("have mosquitto's defaults", () => {
    expect(read(`connection c\n${NEEDED}`).bridges).toEqual([
      {
        name: "c",
        addresses: [{ host: "a", port: 1883 }],
        topics: [{ pattern: "a", direction: "out", qos: 0, localPrefix: "", remotePrefix: "" }],
        protocolVersion: 4,
        remoteClientid: undefined,
        localClientid: undefined,
        remoteUsername: undefined,
        remotePassword: undefined,
        localUsername: undefined,
        localPassword: undefined,
        cleanSession: false,
        localCleanSession: false,
        keepaliveInterval: 60,
        idleTimeout: 60,
        threshold: 10,
        startType: "automatic",
        restart: { base: 5, cap: 30, stable: 0 },
        roundRobin: false,
        tryPrivate: true,
        notifications: true,
        notificationsLocalOnly: false,
        notificationTopic: undefined,
        attemptUnsubscribe: true,
        bindAddress: undefined,
        outgoingRetain: true,
        maxPacketSize: 0,
        maxTopicAlias: 10,
        receiveMaximum: undefined,
        sessionExpiryInterval: undefined,
        reloadType: "lazy",
        tcpKeepalive: null,
        tcpUserTimeout: undefined,
        tls: null,
      },
    ]);
  });

  it("have defaults of TLS once they speak it", () => {
    expect(read(`connection c\n${NEEDED}bridge_capath /a\n`).bridges[0]?.tls).toEqual({
      caFile: undefined,
      caPath: "/a",
      useSystemCa: false,
      certFile: undefined,
      keyFile: undefined,
      alpn: undefined,
      ciphers: undefined,
      tls13Ciphers: undefined,
      minVersion: "TLSv1.2",
      isInsecure: false,
      requireOcsp: false,
      psk: null,
    });
  });

  it("have the lines below their own, whatever stands between, in whatever file", () => {
    const { bridges } = read(
      "connection a\naddress a\ntopic a\ntopic b\nlistener 1\nthreshold 3\ninclude_dir d\ntopic c\n",
      { "b.conf": "keepalive_interval 7\nconnection b\naddress b\ntopic b\n" },
    );
    const brief = bridges.map(({ name, topics, threshold, keepaliveInterval }) => [
      name,
      topics.map(({ pattern }) => pattern).join(),
      threshold,
      keepaliveInterval,
    ]);
    expect(brief).toEqual([
      ["a", "a,b", 3, 7],
      ["b", "b,c", 10, 60],
    ]);
  });

  it("pass over a topic that is there already, and nothing else", () => {
    const lines = [
      ...["a out 1 l/ r/", "a out 1 l/ r/", 'a OUT 1 "l/" r/ #c', "a in 1 l/ r/", "a out 0 l/ r/"],
      ...["a out 1 l/ s/", "a out 1 m/ r/", "b out 1 l/ r/", "b out 1 l/ r/"],
    ];
    const text = lines.map((line) => `topic ${line}\n`).join("");
    const { bridges } = read(`connection c\naddress a\n${text}`);
    expect(bridges[0]?.topics).toHaveLength(6);
  });

  it("have as many topics as there are lines, without taking long", () => {
    const count = 20_000;
    const text = Array.from({ length: count }, (_, i) => `topic a/${i} both 1 l/ r/\n`).join("");
    const { bridges } = read(`connection c\naddress a\n${text}connection d\n${NEEDED}`);
    expect(bridges.map(({ topics }) => topics.length)).toEqual([count, 1]);
  });

  it.each([
    ["", "no remote addresses defined."],
    ["address a\n", "no topics defined."],
    ["topic a\n", "no remote addresses defined."],
    [`${NEEDED}bridge_psk 12\n`, "missing bridge_identity."],
    [`${NEEDED}bridge_identity a\n`, "missing bridge_psk."],
    [`${NEEDED}remote_password a\n`, "remote_password needs remote_username."],
    [
      `${NEEDED}remote_clientid a/+\n`,
      "'a/+' in the topic of notifications would be a wildcard. Try setting notification_topic.",
    ],
  ])("are refused as a whole, by name: %j", (lines, sentence) => {
    const text = `connection other\n${NEEDED}connection c\n${lines}`;
    expect(() => read(text)).toThrow(
      refusal(`Error: Invalid bridge configuration: ${sentence}\nError found in bridge "c".`),
    );
  });

  it("need no user name for a password with MQTT 5.0", () => {
    const text = `connection c\n${NEEDED}remote_password a\nbridge_protocol_version mqttv50\n`;
    expect(read(text).bridges[0]?.remotePassword).toBe("a");
  });

  it.each(["notifications false\n", "notification_topic a\n", "remote_clientid a\n"])(
    "may have a name that is no part of a topic with %j",
    (line) => {
      expect(() => read(`connection #\n${NEEDED}`)).toThrow("'#' in the topic of notifications");
      expect(read(`connection #\n${NEEDED}${line}`).bridges[0]?.name).toBe("#");
    },
  );

  it.each([
    ["local_clientid x\n", "local_clientid x\n", "x"],
    ["remote_clientid x\n", "remote_clientid x\n", "local.x"],
    ["remote_clientid x\n", "local_clientid local.x\n", "local.x"],
  ])("are refused when two are the same client here: %j %j", (one, other, clientid) => {
    const text = `connection a\n${NEEDED}${one}connection b\n${NEEDED}${other}`;
    expect(() => read(text)).toThrow(
      refusal(
        `Error: Bridge local_clientid '${clientid}' is not unique. ` +
          "Try changing or setting the local_clientid value for one of the bridges.",
      ),
    );
  });

  it("may be the same client at two other brokers", () => {
    const lines = (name: string) =>
      `connection ${name}\n${NEEDED}local_clientid ${name}\nclientid x\n`;
    expect(read(lines("a") + lines("b")).bridges).toHaveLength(2);
    expect(read(`connection a\n${NEEDED}connection b\n${NEEDED}`).bridges).toHaveLength(2);
  });
});

describe("TLS of a bridge", () => {
  it.each(["bridge_cafile", "bridge_capath", "bridge_certfile", "bridge_keyfile"])(
    "is by certificates or by a shared key, not both: %s",
    (name) => {
      const refused = (text: string, what: string) =>
        expect(() => read(`connection c\n${text}`)).toThrow(
          refusal(
            `Error: Cannot use both certificate and ${what} ${TOGETHER}\nError found at t.conf:3.`,
          ),
        );
      refused(`${name} /a\nbridge_psk 12\n`, "psk");
      refused(`${name} /a\nbridge_identity a\n`, "identity");
      refused(`bridge_psk 12\n${name} /a\n`, "psk");
      refused(`bridge_identity a\n${name} /a\n`, "psk");
    },
  );

  it("is by the authorities of this machine or by a shared key, not both", () => {
    const key = `connection c\n${NEEDED}bridge_identity a\nbridge_psk 12\n`;
    const sentence = `Error: Cannot use both certificate and psk ${TOGETHER}`;
    expect(() => read(`${key}bridge_tls_use_os_certs true\n`)).toThrow(sentence);
    const { tls } = read(`${key}bridge_tls_use_os_certs false\n`).bridges[0]!;
    expect(tls?.psk).toEqual({ identity: "a", key: "12" });
  });

  it.each(["bridge_certfile /a\n", "bridge_keyfile /a\n"])(
    "has a certificate with its key, or neither: %j",
    (line) => {
      const text = `connection c\n${NEEDED}bridge_cafile /a\n${line}`;
      expect(() => read(text)).toThrow(
        "Error: Both bridge_certfile and bridge_keyfile must be provided if one of them is set.",
      );
    },
  );

  it.each([
    "bridge_certfile /a\nbridge_keyfile /b\n",
    "bridge_alpn a\n",
    "bridge_ciphers a\n",
    "bridge_ciphers_tls1.3 a\n",
  ])("is not spoken for these alone, which is logged: %j", (lines) => {
    const { bridges, notes } = read(`connection c\n${NEEDED}${lines}`);
    expect(bridges[0]?.tls).toBe(null);
    expect(notes).toEqual([
      [
        "warning",
        "Warning: Bridge c does not speak TLS, whose options it has: bridge_cafile, " +
          "bridge_capath or bridge_tls_use_os_certs is missing.",
      ],
    ]);
  });
});

describe("the example of the man page", () => {
  it("does what is said of it", () => {
    const { bridges, notes } = read(`${BRIDGE_EXAMPLE.command}\n`);
    expect(notes).toEqual([]);
    expect(bridges).toMatchObject([
      {
        name: "street",
        cleanSession: false,
        topics: [
          { direction: "out", localPrefix: "", pattern: "measured/#", remotePrefix: "street/7/" },
          { direction: "in", localPrefix: "", pattern: "news", remotePrefix: "street/" },
        ],
        tls: { useSystemCa: true },
      },
    ]);
  });
});

function refusal(message: string): UsageError {
  return new UsageError("bad-configuration", message, "nothing");
}
