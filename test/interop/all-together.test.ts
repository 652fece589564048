/**
 * One broker with everything that its configuration can ask for, and our clients and our library on
 * each way to it: TCP, a unix socket, TLS by name and password, by certificate and by shared key,
 * WebSocket plain and secure. Who may do what is for dynamic security to say, which they are told
 * by ts-rr and by the library itself.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, type ClientOptions, connect } from "../../src/client/client.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { runHere } from "../support/in-process.ts";
import { freePort } from "../support/programs.ts";
import { type Served, serveWith } from "../support/served.ts";
import { waitFor } from "../support/wait-for.ts";

const ADMIN = "correct horse battery";
const CONTROL = "$CONTROL/dynamic-security/v1";

/** A way to the broker: words for ts-pub and ts-sub, and the same for the library. */
interface Way {
  readonly words: readonly string[];
  readonly options: ClientOptions;
}

let made: Certificates;
let folder: string;
let broker: Served;
let ways: Readonly<Record<string, Way>>;

beforeAll(async () => {
  if (!hasOpenssl) return;
  made = makeCertificates();
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-all-"));
  writeFileSync(join(folder, "psk"), "press:0a0b0c\n", { mode: 0o600 });
  const [tcp, tls, certificates, psk, ws, wss] = await freePorts(6);
  const own = [`certfile ${made.certificate("server")}`, `keyfile ${made.key("server")}`];
  const identity = "use_identity_as_username true";
  broker = await serveWith(
    { env: { MOSQUITTO_DYNSEC_PASSWORD: ADMIN } },
    "plugin mosquitto_dynamic_security.so",
    `plugin_opt_config_file ${join(folder, "dynsec.json")}`,
    ...["error", "warning", "notice", "information", "subscribe"].map((it) => `log_type ${it}`),
    `psk_file ${join(folder, "psk")}`,
    ...[`listener ${tcp} 127.0.0.1`, `listener 0 ${join(folder, "socket")}`],
    ...[`listener ${tls} 127.0.0.1`, ...own],
    ...[`listener ${certificates} 127.0.0.1`, ...own, `cafile ${made.ca}`],
    ...["require_certificate true", identity],
    ...[`listener ${psk} 127.0.0.1`, "psk_hint hint", identity],
    ...[`listener ${ws} 127.0.0.1`, "protocol websockets"],
    ...[`listener ${wss} 127.0.0.1`, "protocol websockets", ...own],
  );
  ways = waysTo({ tcp, tls, certificates, psk, ws, wss });
});
afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
  made?.[Symbol.dispose]();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function freePorts(count: number): Promise<[number, number, number, number, number, number]> {
  const found = new Set<number>();
  while (found.size < count) found.add(await freePort());
  return [...found] as [number, number, number, number, number, number]; // As many as asked for.
}

function waysTo(ports: Record<"tcp" | "tls" | "certificates" | "psk" | "ws" | "wss", number>) {
  const at = (port: number) => ["-h", "localhost", "-p", `${port}`];
  const login = ["-u", "ann", "-P", "secret"];
  const user = { username: "ann", password: "secret" };
  const ca = ["--cafile", made.ca];
  const [cert, key] = [made.certificate("client"), made.key("client")];
  const socketPath = join(folder, "socket");
  return {
    tcp: { words: [...at(ports.tcp), ...login], options: { port: ports.tcp, ...user } },
    unix: { words: ["--unix", socketPath, ...login], options: { socketPath, ...user } },
    tls: {
      words: [...at(ports.tls), ...ca, ...login],
      options: { port: ports.tls, tls: { caFile: made.ca }, ...user },
    },
    certificate: {
      words: [...at(ports.certificates), ...ca, "--cert", cert, "--key", key],
      options: {
        port: ports.certificates,
        tls: { caFile: made.ca, certFile: cert, keyFile: key },
      },
    },
    "shared key": {
      words: [...at(ports.psk), "--psk", "0a0b0c", "--psk-identity", "press"],
      options: {
        port: ports.psk,
        tls: { psk: { identity: "press", key: Buffer.of(10, 11, 12) } },
      },
    },
    WebSocket: {
      words: [...at(ports.ws), "--ws", ...login],
      options: { port: ports.ws, webSocket: true, ...user },
    },
    "secure WebSocket": {
      words: [...at(ports.wss), "--ws", ...ca, ...login],
      options: { port: ports.wss, webSocket: true, tls: { caFile: made.ca }, ...user },
    },
  };
}

const admin = () => ({ username: "admin", password: ADMIN });

/** What dynamic security answers to `commands`, asked through the library. */
async function administer(...commands: readonly object[]): Promise<unknown[]> {
  await using client = await connect({ ...ways.tcp!.options, ...admin() });
  await client.subscribe(`${CONTROL}/response`);
  const messages = client.messages();
  await client.publish(CONTROL, JSON.stringify({ commands }), { qos: 1 });
  const { value } = await messages.next();
  return JSON.parse(value.payload.toString()).responses;
}

const rule = (acltype: string, topic: string) => ({ acltype, topic, allow: true });
const ROLES = [
  {
    command: "createRole",
    rolename: "talks",
    acls: [
      rule("publishClientSend", "t/#"),
      rule("publishClientReceive", "t/#"),
      rule("subscribePattern", "t/#"),
    ],
  },
  ...[["ann", "secret"], ["client"], ["press"]].map(([username, password]) => ({
    command: "createClient",
    username,
    ...(password !== undefined && { password }),
    roles: [{ rolename: "talks" }],
  })),
];

describe.skipIf(!hasOpenssl)("everything together", () => {
  it("is told by the library who may do what", async () => {
    const done = await administer(...ROLES);
    expect(done).toEqual(ROLES.map(({ command }) => ({ command })));
  });

  it("is told by ts-rr, too", async () => {
    const request = JSON.stringify({ commands: [{ command: "listClients" }] });
    const topics = ["-t", CONTROL, "-e", `${CONTROL}/response`, "-m", request];
    const words = [...ways.tcp!.words.slice(0, 4), "-u", "admin", "-P", ADMIN, ...topics];
    const { status, stdout } = await runHere("ts-rr", words);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).responses[0].data.clients).toEqual([
      "admin",
      "ann",
      "client",
      "press",
    ]);
  });

  it("carries from ts-pub on each way to ts-sub and the library on each way", async () => {
    const names = Object.keys(ways);
    const clients: Client[] = [];
    const got = new Map<string, string[]>();
    for (const name of names) {
      const client = await connect(ways[name]!.options);
      clients.push(client);
      got.set(name, []);
      client.on("message", ({ topic }) => void got.get(name)!.push(topic));
      await client.subscribe("t/#", { qos: 1 });
    }
    const subscribers = names.map((name) => {
      const words = ["-t", "t/#", "-q", "1", "-v", "-C", `${names.length}`, "-W", "30"];
      return runHere("ts-sub", [...ways[name]!.words, ...words]);
    });
    const subscriptions = () => broker.log.match(/^\S+ 1 t\/#$/gm)?.length ?? 0;
    await waitFor("all have subscribed", () => subscriptions() === 2 * names.length);
    for (const name of names) {
      const words = ["-t", `t/${name}`, "-m", name, "-q", "1", "-V", "5"];
      expect((await runHere("ts-pub", [...ways[name]!.words, ...words])).status, name).toBe(0);
    }
    const topics = names.map((name) => `t/${name}`);
    for (const ended of await Promise.all(subscribers)) {
      expect(ended.stdout).toBe(names.map((name) => `t/${name} ${name}\n`).join(""));
    }
    for (const name of names) {
      await waitFor(`${name} has all`, () => got.get(name)!.length === topics.length);
      expect(got.get(name)).toEqual(topics);
    }
    await Promise.all(clients.map((client) => client.disconnect()));
  });

  it("refuses each way what nobody has allowed", async () => {
    for (const [name, { words }] of Object.entries(ways)) {
      const denied = await runHere("ts-sub", [...words, "-t", "other", "-W", "30"]);
      expect(denied.stderr, name).toContain("All subscription requests were denied.\n");
      const refused = ["-t", "other", "-m", "x", "-q", "1", "-V", "5"];
      const { stderr } = await runHere("ts-pub", [...words, ...refused]);
      expect(stderr, name).toContain("Publish 1 failed: Not authorized.");
    }
    const nobody = await runHere("ts-pub", [...ways.tcp!.words.slice(0, 4), "-t", "t/a", "-n"]);
    expect([nobody.status, nobody.stderr]).toEqual([5, expect.stringContaining("refused")]);
  });

  it("ends the connection of whose account is closed, and lets nobody in by it", async () => {
    const client = await connect({ ...ways.WebSocket!.options, reconnect: false });
    const why: (string | undefined)[] = [];
    client.on("error", () => undefined);
    client.on("close", ({ error }) => why.push(error?.message));
    expect(await administer({ command: "disableClient", username: "ann" })).toEqual([
      { command: "disableClient" },
    ]);
    await waitFor("it is told", () => why.length > 0);
    expect(why).toEqual([expect.stringContaining("Administrative action")]);
    await expect(connect({ ...ways.tls!.options, reconnect: false })).rejects.toThrow();
    await expect(connect({ ...ways.certificate!.options })).resolves.toSatisfy(closed);
  });
});

/** Closes a client that has come in. */
function closed(client: Client): boolean {
  void client.disconnect();
  return true;
}
