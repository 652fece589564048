/** A whole broker with http_api listeners, in this process: logins, rules, TLS, limits, health. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type RequestOptions, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { passwordLine } from "../../../src/broker/access/passwords.ts";
import { hashPassword } from "../../../src/io/hash.ts";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";
import type { Configuration } from "../../../src/options/conf/configuration.ts";
import { LogSinks } from "../../../src/server/log-sinks.ts";
import { RunningServer } from "../../../src/server/server.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "../../support/certificates.ts";
import { freePort } from "../../support/programs.ts";
import { waitFor } from "../../support/wait-for.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-api-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const running = new Set<RunningServer>();
afterEach(async () => {
  await Promise.all([...running].map((server) => server.stop()));
  running.clear();
});

function configured(lines: readonly string[]): Configuration {
  const files = { list: () => undefined, read: () => undefined };
  const reader = new ConfigurationReader(files, () => undefined);
  reader.readFile("t.conf", Buffer.from(lines.map((line) => `${line}\n`).join("")));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

/** A broker with one listener for MQTT and one for HTTP, which has these lines. */
async function started(...lines: readonly string[]) {
  const [mqtt, port] = [await freePort(), await freePort()];
  const all = [`listener ${mqtt} 127.0.0.1`, `listener ${port} 127.0.0.1`, "protocol http_api"];
  const configuration = configured([...all, ...lines]);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said: Buffer[] = [];
  stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const log = new LogSinks(configuration.log, { stdout, stderr }, () => () => "");
  const server = await RunningServer.start({ configuration, log, version: "1.2.3", env: {} });
  running.add(server);
  const reload = (...more: readonly string[]) => server.reload(configured([...all, ...more]));
  return { server, port, mqtt, reload, logged: () => `${Buffer.concat(said)}` };
}

type Asked = Pick<RequestOptions, "auth"> & { ca?: string; cert?: string; key?: string };

/** What comes for GET: status and body. */
function get(port: number, path: string, asked: Asked & { tls?: boolean } = {}): Promise<string> {
  const { tls = false, ...options } = asked;
  return new Promise((resolve, reject) => {
    const all = { host: "127.0.0.1", port, path, agent: false, ...options };
    const request = (tls ? requestSecure : requestPlain)(all, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(`${response.statusCode} ${Buffer.concat(chunks)}`));
    });
    request.on("error", reject);
    request.end();
  });
}

describe("an http_api listener", () => {
  it("answers for the broker that it belongs to", async () => {
    const { port, mqtt } = await started("allow_anonymous true");
    expect(await get(port, "/api/v1/version")).toBe("200 1.2.3");
    const tree = JSON.parse((await get(port, "/api/v1/systree")).slice(4));
    expect(tree["$SYS/broker/connections/socket/count"]).toBe(0);
    expect(tree["$SYS/broker/uptime"]).toBe(0);
    const listeners = JSON.parse((await get(port, "/api/v1/listeners")).slice(4));
    expect(listeners.listeners.map((one: { port: number }) => one.port)).toEqual([mqtt, port]);
    const metrics = await get(port, "/metrics");
    expect(metrics).toMatch(/^mqtt_sockets_accepted_total 0$/m);
    expect(metrics).toMatch(/^ts_broker_ready 1$/m);
    expect(metrics).toMatch(/^ts_broker_store_enabled 0$/m);
    expect(metrics).toMatch(/^ts_broker_resident_memory_bytes [1-9]\d{6,}$/m);
  });

  it("asks the files of the configuration who may see what", async () => {
    const users = join(directory, "users");
    const acl = join(directory, "acl");
    const line = async (user: string) =>
      passwordLine(user, await hashPassword("pbkdf2", Buffer.from("pw"), 1));
    writeFileSync(users, `${await line("ann")}\n${await line("bob")}\n`, { mode: 0o600 });
    const rules = ["topic read /api/v1/version", "user ann", "topic read /#"];
    writeFileSync(acl, [...rules, "pattern read /%c/x", ""].join("\n"), { mode: 0o600 });
    const lines = [`password_file ${users}`, `acl_file ${acl}`, `http_dir ${directory}`];
    const { port, reload } = await started("allow_anonymous true", ...lines);
    expect(await get(port, "/api/v1/version")).toMatch(/^200/);
    expect(await get(port, "/api/v1/systree")).toMatch(/^401/);
    expect(await get(port, "/api/v1/systree", { auth: "ann:pw" })).toMatch(/^200/);
    expect(await get(port, "/metrics", { auth: "ann:pw" })).toMatch(/^200/);
    expect(await get(port, "/metrics", { auth: "ann:wrong" })).toMatch(/^401/);
    expect(await get(port, "/metrics", { auth: "bob:pw" })).toMatch(/^401/);
    expect(await get(port, "/acl", { auth: "ann:pw" })).toContain("200 topic read");
    expect(await get(port, "/acl")).toMatch(/^401/);
    // No such file, but it may be asked for.
    expect(await get(port, "/http-api/x", { auth: "bob:pw" })).toMatch(/^404/);
    await reload("allow_anonymous false", ...lines);
    expect(await get(port, "/api/v1/version")).toMatch(/^401/);
    expect(await get(port, "/healthz")).toBe("200 ok\n");
  });

  it("has no more connections than it may, and says so", async () => {
    const { port, logged } = await started("max_connections 2", "allow_anonymous true");
    const idle = connect(port, "127.0.0.1");
    const other = connect(port, "127.0.0.1");
    await waitFor("both are there", () => !idle.connecting && !other.connecting);
    await expect(get(port, "/healthz")).rejects.toThrow();
    await waitFor("it is said", () => logged().includes("denied: max_connections exceeded"));
    idle.destroy();
    await waitFor("there is room", () => get(port, "/healthz").catch(() => undefined));
    other.destroy();
  });

  it("takes no part in counting clients", async () => {
    const { port, server } = await started("allow_anonymous true");
    await get(port, "/");
    expect(server.broker.counters.socketsAccepted).toBe(0);
    expect(server.broker.connectionCount).toBe(0);
  });

  it("listens on a unix socket as well", async () => {
    const path = join(directory, "api.sock");
    const { server } = await started(
      `listener 0 ${path}`,
      "protocol http_api",
      "allow_anonymous true",
    );
    const body = await new Promise<string>((resolve) => {
      requestPlain({ socketPath: path, path: "/api/v1/listeners", agent: false }, (response) => {
        response.on("data", (chunk) => resolve(`${chunk}`));
      }).end();
    });
    expect(JSON.parse(body).listeners.at(-1)).toMatchObject({ path, protocol: "httpapi" });
    expect(server.unready()).toBeNull();
  });

  it.each([
    ["none", "No such file or directory"],
    ["file", "Not a directory"],
  ])("needs a directory that is one: %s", async (name, why) => {
    const path = join(directory, name);
    if (name === "file") writeFileSync(path, "");
    await expect(started(`http_dir ${path}`)).rejects.toMatchObject({
      status: 1,
      message: `Error: Unable to open http_dir "${path}". ${why}.`,
    });
  });
});

describe("readiness", () => {
  it("ends with the broker", async () => {
    const { port, server } = await started(
      "persistence true",
      `persistence_location ${directory}`,
      "allow_anonymous true",
    );
    expect(await get(port, "/readyz")).toBe("200 ready\n");
    expect(await get(port, "/metrics")).toMatch(/^ts_broker_store_writable 1$/m);
    const stopped = server.stop();
    expect(server.unready()).toBe("The broker is stopping.");
    running.delete(server);
    await stopped;
  });
});

describe.skipIf(!hasOpenssl)("with a certificate", () => {
  let made: Certificates;
  beforeAll(() => {
    made = makeCertificates();
  });
  afterAll(() => made[Symbol.dispose]());

  const ca = () => `${readText(made.ca)}`;
  const shown = (name: "client" | "expired") => ({
    cert: readText(made.certificate(name)),
    key: readText(made.key(name)),
  });

  it("is asked over HTTPS, and takes a new certificate at a reload", async () => {
    const [cert, key] = [join(directory, "c.crt"), join(directory, "c.key")];
    copyFileSync(made.certificate("server"), cert);
    copyFileSync(made.key("server"), key);
    const lines = ["allow_anonymous true", `certfile ${cert}`, `keyfile ${key}`];
    const { port, reload, logged } = await started(...lines);
    const asked = { tls: true, ca: ca() };
    expect(await get(port, "/healthz", asked)).toBe("200 ok\n");
    await expect(get(port, "/healthz")).rejects.toThrow();
    await waitFor("it is said", () => logged().includes("failed: error:"));
    copyFileSync(made.certificate("elsewhere"), cert);
    copyFileSync(made.key("elsewhere"), key);
    await reload(...lines);
    await expect(get(port, "/healthz", asked)).rejects.toThrow(/altnames/);
  });

  it("knows who asks by theirs, and asks no password then", async () => {
    const lines = [
      `certfile ${made.certificate("server")}`,
      `keyfile ${made.key("server")}`,
      `cafile ${made.ca}`,
      "use_identity_as_username true",
    ];
    const { port, reload } = await started(...lines, "require_certificate true");
    const asked = { tls: true, ca: ca(), ...shown("client") };
    expect(await get(port, "/api/v1/version", asked)).toBe("200 1.2.3");
    // Nobody looks at certificates any more, and so none is a name.
    await reload(...lines);
    expect(await get(port, "/api/v1/version", { ...asked, auth: "a:b" })).toMatch(/^401/);
  });

  it("refuses who has none where one is required, whatever the dates in it", async () => {
    const { port } = await started(
      "allow_anonymous true",
      `certfile ${made.certificate("server")}`,
      `keyfile ${made.key("server")}`,
      `cafile ${made.ca}`,
      "require_certificate true",
      "disable_client_cert_date_checks true",
    );
    const asked = { tls: true, ca: ca() };
    expect(await get(port, "/healthz", { ...asked, ...shown("expired") })).toBe("200 ok\n");
    await expect(get(port, "/healthz", asked)).rejects.toThrow();
  });
});

function readText(path: string): string {
  return readFileSync(path, "utf8");
}
