/**
 * Whole configurations as people have them, given to mosquitto and to ts-broker: the same clients
 * come in, may publish the same and receive the same.
 *
 * Each configuration starts both brokers once. In its files DIR stands for a folder of its own, and
 * P1, P2, P3 for ports; the clients are the library's, in this process.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, ClientError, connect } from "../../src/client/client.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { find, mosquitto } from "../support/peers.ts";
import { freePort, type Program, start, startOurs, untilListening } from "../support/programs.ts";
import { sample } from "../support/set.ts";

type Port = "P1" | "P2" | "P3";

/** Somebody who comes to a broker. */
interface Person {
  readonly at: Port;
  readonly user?: string;
  /** The user's own, unless given. */
  readonly password?: string;
  readonly clientId?: string;
  readonly version?: 3 | 4 | 5;
  readonly over?: "ws" | "tls" | "wss";
  /** Whether a certificate is shown. */
  readonly certificate?: boolean;
}

interface Corpus {
  readonly title: string;
  /** `main.conf` is the one that is named. */
  readonly files: Readonly<Record<string, readonly string[]>>;
  readonly words?: readonly string[];
  readonly people: Readonly<Record<string, Person>>;
  readonly topics: readonly string[];
}

const PASSWORDS: Readonly<Record<string, string>> = { ann: "an#n ä", bob: "bob", hass: "h:a:s:s" };
const USERS = Object.keys(PASSWORDS);
/** A user each with the right password, and those who should not come in. */
const LOGINS = (at: Port): Record<string, Person> => ({
  ...Object.fromEntries(USERS.map((user) => [user, { at, user }])),
  old: { at, user: "ann", version: 4 },
  oldest: { at, user: "bob", version: 3 },
  wrong: { at, user: "ann", password: "an#n" },
  oldWrong: { at, user: "ann", password: "", version: 4 },
  nobody: { at, user: "nobody", password: "x" },
  anonymous: { at },
  oldAnonymous: { at, version: 4 },
});

const CORPUS: readonly Corpus[] = [
  {
    title: "Debian's, as it is installed",
    files: {
      "main.conf": [
        "# Place your local configuration in DIR/conf.d/",
        "#",
        "",
        "pid_file DIR/mosquitto.pid",
        "",
        "persistence true",
        "persistence_location DIR/data/",
        "",
        "log_dest file DIR/mosquitto.log",
        "",
        "include_dir DIR/conf.d",
      ],
      "conf.d/README": ["Any files placed in this directory that have a .conf ending are loaded."],
    },
    words: ["-p", "P1"],
    people: {
      someone: { at: "P1" },
      old: { at: "P1", version: 4 },
      named: { at: "P1", user: "x" },
    },
    topics: ["a", "a/b", "$SYS/broker/x", "$odd"],
  },
  {
    title: "a container's, with passwords",
    files: {
      "main.conf": [
        "# Config file for mosquitto",
        "listener P1",
        "  allow_anonymous   false  ",
        "password_file DIR/passwd",
        "persistence true",
        "persistence_location DIR/data/",
        "log_dest stdout",
        "log_type error",
        "log_type warning",
        "connection_messages true",
      ],
    },
    people: LOGINS("P1"),
    topics: ["home/light", "$SYS/broker/load"],
  },
  {
    title: "a home's, with rules, WebSocket and TLS",
    files: {
      "main.conf": [
        "log_dest stdout\r",
        "persistence true\r",
        "persistence_location DIR/data/\r",
        "max_queued_messages 8192\r",
        "include_dir DIR/share\r",
        "listener P1\r",
        "protocol mqtt\r",
        "listener P2 127.0.0.1\r",
        "protocol websockets\r",
        "listener P3\r",
        "protocol mqtt\r",
        "cafile DIR/ca.crt\r",
        "certfile DIR/server.crt\r",
        "keyfile DIR/server.key\r",
        "require_certificate false",
      ],
      "share/acl.conf": ["acl_file DIR/accesscontrollist", "password_file DIR/passwd"],
      accesscontrollist: [
        "# everybody else",
        "topic read public/#",
        "",
        "user hass",
        "topic readwrite #",
        "user ann",
        "topic zigbee2mqtt/#",
        "topic deny zigbee2mqtt/bridge/request/#",
        "pattern write tele/%u/%c/#",
        "pattern read stat/%u/#",
      ],
    },
    people: {
      ...LOGINS("P1"),
      page: { at: "P2", user: "hass", over: "ws" },
      pageWrong: { at: "P2", user: "hass", password: "no", over: "ws" },
      secured: { at: "P3", user: "ann", over: "tls", clientId: "dev1" },
      securedAnonymous: { at: "P3", over: "tls" },
    },
    topics: [
      "public/a",
      "zigbee2mqtt/lamp",
      "zigbee2mqtt/bridge/request/x",
      "tele/ann/dev1/x",
      "tele/ann/dev2/x",
      "stat/ann/x",
      "stat/bob/x",
    ],
  },
  {
    title: "certificates as users, and anybody's pages",
    files: {
      "main.conf": [
        "per_listener_settings true",
        "listener P1 127.0.0.1",
        "certfile DIR/server.crt",
        "keyfile DIR/server.key",
        "cafile DIR/ca.crt",
        "require_certificate true",
        "use_identity_as_username true",
        "acl_file DIR/rules",
        "listener P2 127.0.0.1",
        "protocol websockets",
        "certfile DIR/server.crt",
        "keyfile DIR/server.key",
        "allow_anonymous true",
        "listener P3 127.0.0.1",
      ],
      rules: ["user client", "topic machine/#"],
    },
    people: {
      machine: { at: "P1", over: "tls", certificate: true },
      named: { at: "P1", over: "tls", certificate: true, user: "other", password: "x" },
      without: { at: "P1", over: "tls", user: "client", password: "x" },
      plain: { at: "P1" },
      page: { at: "P2", over: "wss" },
      nobody: { at: "P3" },
    },
    topics: ["machine/a", "other"],
  },
  {
    title: "listeners with settings of their own",
    files: {
      "main.conf": [
        "per_listener_settings true",
        "max_inflight_messages 0",
        "listener P1 127.0.0.1",
        "allow_anonymous true",
        "acl_file DIR/readers",
        "listener P2 127.0.0.1",
        "password_file DIR/passwd",
        "acl_file DIR/writers",
        "max_qos 1",
        "listener P3 127.0.0.1",
        "allow_anonymous true",
        "use_username_as_clientid true",
      ],
      readers: ["topic read sensors/#"],
      writers: ["pattern readwrite sensors/%u/#", "user hass", "topic read #"],
    },
    people: {
      anybody: { at: "P1" },
      anybodyNamed: { at: "P1", user: "ann" },
      ...LOGINS("P2"),
      named: { at: "P3", user: "m" },
      nameless: { at: "P3" },
      oldNamed: { at: "P3", user: "n", version: 4 },
    },
    topics: ["sensors/ann/1", "sensors/bob/1", "a"],
  },
  {
    title: "a folder of files",
    files: {
      "main.conf": ["include_dir DIR/conf.d", "log_type all"],
      "conf.d/10-listeners.conf": ["listener P1", "listener P2 localhost", "max_connections 100"],
      "conf.d/20-auth.conf": ["allow_anonymous true", "password_file DIR/passwd"],
      "conf.d/B.conf": ["allow_zero_length_clientid false"],
      "conf.d/a.conf": ["acl_file DIR/rules"],
      "conf.d/zz.conf.off": ["nonsense"],
      rules: ["topic write drop/#", "topic read news", "user ann", "topic news"],
    },
    people: { ...LOGINS("P1"), other: { at: "P2" }, otherNamed: { at: "P2", user: "ann" } },
    topics: ["drop/x", "news"],
  },
  {
    title: "one of before version 2",
    files: {
      "main.conf": [
        "# Default listener",
        "port P1",
        "bind_address 127.0.0.1",
        "max_connections -1",
        "allow_anonymous true",
        "clientid_prefixes dev-",
        "acl_file DIR/rules",
        "password_file DIR/passwd",
        "max_queued_messages 1000",
        "retained_persistence false",
        "autosave_interval 1800",
        "persistent_client_expiration 2m",
        "message_size_limit 0",
        "retry_interval 20",
        "listener P2 127.0.0.1",
        "maximum_qos 0",
      ],
      rules: ["topic read dev/#", "user bob", "topic dev/#", "pattern write dev/%c"],
    },
    people: {
      ...LOGINS("P1"),
      good: { at: "P1", clientId: "dev-1" },
      bob1: { at: "P1", clientId: "dev-2", user: "bob" },
      ann1: { at: "P1", clientId: "dev-3", user: "ann" },
      low: { at: "P2", clientId: "dev-4", user: "bob", version: 4 },
      stranger: { at: "P2", clientId: "x", user: "bob" },
    },
    topics: ["dev/dev-1", "dev/x", "x"],
  },
];

const mosquittoPasswd = find("mosquitto_passwd");

describe.skipIf(mosquitto === undefined || mosquittoPasswd === undefined || !hasOpenssl)(
  "configurations as people have them",
  () => {
    let made: Certificates;
    let directory = "";
    beforeAll(() => {
      made = makeCertificates();
      directory = mkdtempSync(join(tmpdir(), "ts-mqtt-corpus-"));
      const lines = USERS.map((user) => `${user}:${PASSWORDS[user]}\n`);
      writeFileSync(join(directory, "passwd"), lines.join(""));
      const { status } = spawnSync(mosquittoPasswd!, ["-U", join(directory, "passwd")]);
      expect(status).toBe(0);
    });
    afterAll(() => {
      made?.[Symbol.dispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    it.each(sample(CORPUS, 2).map((corpus) => [corpus.title, corpus] as const))(
      "give the same answers: %s",
      async (_title, corpus) => {
        const sides = (["theirs", "ours"] as const).map(async (whose) => {
          await using broker = await begun(corpus, whose);
          return await answers(corpus, broker, made);
        });
        const [theirs, ours] = await Promise.all(sides);
        expect(ours).toEqual(theirs);
        // Somebody comes in, or nothing is shown.
        expect(Object.values(theirs!).some(({ comesIn }) => comesIn === "yes")).toBe(true);
      },
    );

    /** A broker with this configuration, in a folder of its own. */
    async function begun({ files, words = [] }: Corpus, whose: "theirs" | "ours") {
      const folder = mkdtempSync(join(directory, `${whose}-`));
      const ports = { P1: await freePort(), P2: await freePort(), P3: await freePort() };
      const filled = (text: string) =>
        text.replaceAll("DIR", folder).replace(/\bP[123]\b/g, (port) => `${ports[port as Port]}`);
      for (const [name, lines] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), filled(lines.map((line) => `${line}\n`).join("")));
      }
      copyFileSync(join(directory, "passwd"), join(folder, "passwd"));
      copyFileSync(made.ca, join(folder, "ca.crt"));
      copyFileSync(made.certificate("server"), join(folder, "server.crt"));
      copyFileSync(made.key("server"), join(folder, "server.key"));
      mkdirSync(join(folder, "data"));
      // Both give up root before they read or write there.
      spawnSync("chmod", ["-R", "a+rwX", folder]);
      chmodSync(directory, 0o755);
      const all = ["-c", join(folder, "main.conf"), ...words.map(filled)];
      const program: Program =
        whose === "ours" ? startOurs("ts-broker", all) : start(mosquitto, all);
      await untilListening(program, ports.P1);
      return { ports, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
    }
  },
);

interface Answer {
  comesIn: string;
  subscribes?: string;
  publishes?: Record<string, string>;
  receives?: string[];
}

/** What each person is told and gets. */
async function answers(
  { people, topics }: Corpus,
  { ports }: { readonly ports: Readonly<Record<Port, number>> },
  made: Certificates,
): Promise<Record<string, Answer>> {
  const said: Record<string, Answer> = {};
  const inside: { client: Client; answer: Answer; name: string }[] = [];
  for (const [name, person] of Object.entries(people)) {
    const answer: Answer = { comesIn: "yes" };
    said[name] = answer;
    try {
      const client = await connect(optionsOf(name, person, ports, made));
      answer.receives = [];
      // Where a connection ends early, what is asked of it next fails and says so.
      client.on("error", () => undefined);
      client.on("message", ({ topic, payload, qos }) => {
        answer.receives?.push(`${topic} of ${payload} at ${qos}`);
      });
      inside.push({ client, answer, name });
    } catch (error) {
      answer.comesIn = wordsFor(error);
    }
  }
  for (const { client, answer } of inside) {
    const codes = await client.subscribe(["#", "$odd/#"], { qos: 2 }).catch(wordsFor);
    answer.subscribes = `${codes}`;
  }
  for (const { client, answer, name } of inside) {
    answer.publishes = {};
    for (const topic of topics) {
      const sent = client.publish(topic, name, { qos: client.connection === undefined ? 0 : 1 });
      answer.publishes[topic] = await sent.then(
        ({ reasonCode }) => `reason ${reasonCode}`,
        wordsFor,
      );
    }
  }
  for (const { client, answer } of inside) {
    // Its answer comes behind all that was on its way.
    await client.unsubscribe("nothing").catch(wordsFor);
    answer.receives?.sort();
  }
  await Promise.all(inside.map(({ client }) => client.disconnect().catch(wordsFor)));
  return said;
}

function optionsOf(
  name: string,
  { at, user, password, clientId, version = 5, over, certificate }: Person,
  ports: Readonly<Record<Port, number>>,
  made: Certificates,
) {
  const own = certificate === true && {
    certFile: made.certificate("client"),
    keyFile: made.key("client"),
  };
  return {
    host: "127.0.0.1",
    port: ports[at],
    version,
    clientId: clientId ?? name,
    reconnect: false as const,
    ...(user !== undefined && { username: user, password: password ?? PASSWORDS[user] ?? "none" }),
    ...((over === "tls" || over === "wss") && { tls: { caFile: made.ca, ...own } }),
    ...((over === "ws" || over === "wss") && { webSocket: true as const }),
  };
}

/** An error in words that do not depend on when a connection was seen to end. */
function wordsFor(error: unknown): string {
  if (!(error instanceof ClientError)) throw error;
  return error.reasonCode === undefined ? error.code : `${error.code} ${error.reasonCode}`;
}
