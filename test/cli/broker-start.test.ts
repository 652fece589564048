/** ts-broker as a process: how it starts, where it listens, as whom, and what it leaves behind. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VERSION } from "../../src/options/version.ts";
import { logLines } from "../support/log-lines.ts";
import {
  freePort,
  type Outcome,
  outcome,
  type Program,
  type StartOptions,
  startBroker,
  startOurs,
  untilListening,
} from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { connectBytes, connected } from "../support/wire-client.ts";

const STARTING = `ts-broker version ${VERSION} starting`;
const RUNNING = `ts-broker version ${VERSION} running`;
const TERMINATING = `ts-broker version ${VERSION} terminating`;
const LOCAL_ONLY = [
  "Starting in local only mode. Connections will only be possible from clients running on this machine.",
  "Create a configuration file which defines a listener to allow remote access.",
];
const IN_USE = "Error: Address already in use";

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);
const isRoot = process.getuid?.() === 0;
/** Root stays root: the directories of these tests are closed to everybody else. */
const STAY: StartOptions = { env: { PUID: "0", PGID: undefined } };

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-start-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("ts-broker without a configuration", () => {
  it("listens on this machine only, and says so", async () => {
    await using broker = await startBroker({ conf: false });
    await using client = await hello(broker.port);
    expect(client.accepted).toBe(true);
    expect(await broker.stop()).toEqual({ status: 0, signal: null });
    const ipv6 = `Opening ipv6 listen socket on port ${broker.port}.`;
    expect(logLines(broker.program.stderr).filter((line) => !/^(New|Client)/.test(line))).toEqual([
      STARTING,
      "Using default config.",
      ...LOCAL_ONLY,
      `Opening ipv4 listen socket on port ${broker.port}.`,
      ipv6,
      ...(hasIpv6 ? [] : [expect.stringMatching(/^Error: /)]),
      RUNNING,
      TERMINATING,
    ]);
    expect(broker.program.stdout).toBe("");
  });

  it("admits anonymous clients, and listens on ten ports if told so", async () => {
    const ports = await Promise.all(Array.from({ length: 10 }, freePort));
    const words = ports.flatMap((port) => ["-p", `${port}`]);
    await using program = startOurs("ts-broker", words);
    await program.untilError(RUNNING);
    for (const port of ports) {
      await using client = await hello(port);
      expect(client.accepted).toBe(true);
    }
  });

  it.skipIf(!hasIpv6)("listens on the loopback address of IPv6, too", async () => {
    await using broker = await startBroker({ conf: false });
    // IPv4 comes first.
    await broker.program.untilError(RUNNING);
    await using client = await hello(broker.port, "::1");
    expect(client.accepted).toBe(true);
  });

  it.skipIf(!hasIpv6)("goes on with the one family where the other is taken", async () => {
    const port = await freePort();
    await using _other = await occupied(port);
    await using program = startOurs("ts-broker", ["-p", `${port}`]);
    await program.untilError(RUNNING);
    expect(logLines(program.stderr)).toEqual(expect.arrayContaining([IN_USE]));
    await using client = await hello(port, "::1");
    expect(client.accepted).toBe(true);
  });

  it("ends with status 1 where both are taken", async () => {
    const port = await freePort();
    await using _ipv4 = await occupied(port);
    await using _ipv6 = hasIpv6 ? await occupied(port, "::1") : undefined;
    const result = await outcome(startOurs("ts-broker", ["-p", `${port}`]));
    expect(result).toMatchObject({ status: 1, stdout: "" });
    expect(logLines(result.stderr).at(-1)).toBe(
      "Error: Unable to start any listening sockets, exiting.",
    );
  });
});

describe("ts-broker with a configuration", () => {
  it("listens where it is told, and nowhere else", async () => {
    await using broker = await startBroker({ words: ["-p", "1"] });
    await using client = await hello(broker.port);
    expect(client.accepted).toBe(true);
    if (hasIpv6) await expect(RawClient.connect(broker.port, "::1")).rejects.toThrow(/REFUSED/);
    await broker.stop();
    expect(logLines(broker.program.stderr).filter((line) => !/^(New|Client)/.test(line))).toEqual([
      STARTING,
      `Config loaded from ${join(broker.directory, "broker.conf")}.`,
      `Opening ipv4 listen socket on port ${broker.port}.`,
      RUNNING,
      TERMINATING,
    ]);
  });

  it("listens in both families where no host is named, and refuses the anonymous", async () => {
    const port = await freePort();
    await using program = startOurs("ts-broker", ["-c", conf(`listener ${port}`)]);
    await program.untilError(RUNNING);
    for (const host of hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]) {
      await using client = await hello(port, host);
      expect(client.connack).toBe("20020005");
    }
  });

  it.each(sample(hasIpv6 ? (["ipv6", "ipv4"] as const) : (["ipv4"] as const), 2))(
    "keeps to socket_domain %s",
    async (family) => {
      const port = await freePort();
      const path = conf(`listener ${port}`, `socket_domain ${family}`);
      await using program = startOurs("ts-broker", ["-c", path]);
      await program.untilError(RUNNING);
      const opened = logLines(program.stderr).filter((line) => line.startsWith("Opening"));
      expect(opened).toEqual([`Opening ${family} listen socket on port ${port}.`]);
    },
  );

  it("listens on the addresses of an interface", async () => {
    const port = await freePort();
    const lo = Object.entries(networkInterfaces()).find(([, all]) =>
      all?.some(({ address }) => address === "127.0.0.1"),
    );
    const path = conf(`listener ${port}`, `bind_interface ${lo?.[0]}`, "socket_domain ipv4");
    await using program = startOurs("ts-broker", ["-c", path]);
    await program.untilError(RUNNING);
    await untilListening(program, port);
  });

  it("serves several listeners, each with its own options", async () => {
    const [a, b] = [await freePort(), await freePort()];
    const path = conf(
      `listener ${a} 127.0.0.1`,
      "listener_allow_anonymous true",
      `listener ${b} 127.0.0.1`,
    );
    await using program = startOurs("ts-broker", ["-c", path]);
    await program.untilError(RUNNING);
    await using admitted = await hello(a);
    await using refused = await hello(b);
    expect([admitted.connack, refused.connack]).toEqual(["20020000", "20020005"]);
  });

  const HOSTS: readonly (readonly [string, string | RegExp])[] = [
    ["127.0.0.1", IN_USE],
    ["192.0.2.1", "Error: Cannot assign requested address"],
    ["no.such.host.invalid", /^Error creating listener: (Name or service not known|Temporary)/],
  ];
  it.each(sample(HOSTS, 2))(
    "ends with status 1 and one sentence when it cannot listen on %s",
    async (host, sentence) => {
      const port = await freePort();
      await using _other = await occupied(port);
      const path = conf(`listener ${port} ${host}`);
      const result = await outcome(startOurs("ts-broker", ["-c", path]));
      expect(result).toMatchObject({ status: 1, stdout: "" });
      const errors = logLines(result.stderr).filter((line) => line.startsWith("Error"));
      expect(errors).toHaveLength(1);
      expect(errors[0]).toEqual(
        typeof sentence === "string" ? sentence : expect.stringMatching(sentence),
      );
      expect(logLines(result.stderr)).not.toContain(RUNNING);
    },
  );

  it("ends with status 1 when there is no such interface", async () => {
    const result = await outcome(
      startOurs("ts-broker", ["-c", conf(`listener ${await freePort()}`, "bind_interface none0")]),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("none0");
  });

  it("reads include_dir in the order of names", async () => {
    const port = await freePort();
    const more = join(directory, "more");
    mkdirSync(more);
    writeFileSync(join(more, "b.conf"), `listener ${port} 127.0.0.1\n`);
    writeFileSync(join(more, "c.conf"), "allow_anonymous true\n");
    writeFileSync(join(more, "A.conf"), "max_inflight_messages 3\n");
    writeFileSync(join(more, "not-this.txt"), "nonsense\n");
    await using program = startOurs("ts-broker", ["-c", conf(`include_dir ${more}`)]);
    await program.untilError(RUNNING);
    const loading = logLines(program.stderr).filter((line) => line.startsWith("Loading"));
    expect(loading).toEqual(
      ["A.conf", "b.conf", "c.conf"].map((name) => `Loading config file ${join(more, name)}`),
    );
    await using client = await hello(port, "127.0.0.1", 5);
    // Receive Maximum, 0x21, of 3.
    expect(client.connack).toMatch(/210003$/);
  });
});

describe("the pid file", () => {
  it("names the process while it runs", async () => {
    const path = join(directory, "pid");
    await using broker = await startBroker({ conf: [`pid_file ${path}`], ...STAY });
    expect(readFileSync(path, "utf8")).toBe(`${broker.program.pid}`);
    await broker.stop();
    expect(existsSync(path)).toBe(false);
  });

  it("is gone when the broker could not start", async () => {
    const port = await freePort();
    await using _other = await occupied(port);
    const path = join(directory, "pid");
    const lines = conf(`listener ${port} 127.0.0.1`, `pid_file ${path}`);
    const result = await outcome(startOurs("ts-broker", ["-c", lines], STAY));
    expect(result.status).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it("ends the start with status 1, and before it begins, where it cannot be written", async () => {
    const path = join(directory, "none", "pid");
    const result = await outcome(startOurs("ts-broker", ["-c", conf(`pid_file ${path}`)], STAY));
    expect(result.status).toBe(1);
    expect(logLines(result.stderr)).toEqual([
      "Error: Unable to write pid file. No such file or directory.",
    ]);
  });
});

describe("ts-broker started by root", () => {
  it.skipIf(!isRoot)("goes on as another user, and warns nobody", async () => {
    await using broker = await startBroker({ env: { PUID: undefined, PGID: undefined } });
    expect(ownerOf(broker.program)).not.toBe(0);
    expect(broker.program.stderr).not.toContain("Warning");
  });

  it.skipIf(!isRoot)("becomes PUID and PGID", async () => {
    await using broker = await startBroker({ env: { PUID: "12345", PGID: "23456" } });
    const status = readFileSync(`/proc/${broker.program.pid}/status`, "utf8");
    expect(status).toMatch(/^Uid:\t12345\t12345/m);
    expect(status).toMatch(/^Gid:\t23456\t23456/m);
    expect(status).toMatch(/^Groups:\t23456 ?$/m);
  });

  it.skipIf(!isRoot)("stays root when told so, with a warning", async () => {
    await using broker = await startBroker({
      conf: ["user root"],
      env: { PUID: undefined, PGID: undefined },
    });
    expect(ownerOf(broker.program)).toBe(0);
    expect(logLines(broker.program.stderr)[0]).toBe(
      "Warning: ts-broker should not be run as root/administrator.",
    );
  });

  it.skipIf(!isRoot)("ends with status 1 when there is no such user", async () => {
    const env = { PUID: undefined, PGID: undefined };
    const result = await run(["user nosuchuser"], { env });
    expect(result.status).toBe(1);
    expect(logLines(result.stderr)).toEqual([
      "Error: Unable to drop privileges to 'nosuchuser' because this user does not exist.",
    ]);
  });

  it.skipIf(!isRoot)("refuses a PUID that is no number with status 3", async () => {
    const result = await run([], { env: { PUID: "me" } });
    expect(result.status).toBe(3);
    expect(logLines(result.stderr)).toEqual(["Error: Invalid PUID value (me).", TERMINATING]);
  });
});

describe("UMASK_SET", () => {
  it("is the umask of the files that it writes", async () => {
    const path = join(directory, "pid");
    await using broker = await startBroker({
      conf: [`pid_file ${path}`],
      env: { ...STAY.env, UMASK_SET: "0077" },
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await broker.stop();
  });

  it("is refused with status 3 unless it is octal", async () => {
    const result = await run([], { env: { ...STAY.env, UMASK_SET: "9" } });
    expect(result.status).toBe(3);
    expect(logLines(result.stderr)).toEqual(["Error: Invalid UMASK_SET value (9).", TERMINATING]);
  });
});

describe("limits on connections", () => {
  it("closes the connection that exceeds max_connections, until another has gone", async () => {
    await using broker = await startBroker({ conf: ["max_connections 2"] });
    const first = await connected(broker.port, { clientId: "a" });
    using _second = await connected(broker.port, { clientId: "b" });
    const third = await RawClient.connect(broker.port);
    expect(await third.closed()).toEqual(Buffer.alloc(0));
    await broker.program.untilError(
      "Client connection from 127.0.0.1 denied: max_connections exceeded.",
    );
    first.destroy();
    await broker.program.untilError(/Client a \[127\.0\.0\.1:\d+\] disconnected/);
    using _fourth = await waitFor("there is room again", () =>
      connected(broker.port, { clientId: "d" }).catch(() => undefined),
    );
  });

  it("counts connections of all listeners for global_max_connections", async () => {
    const other = await freePort();
    const conf = ["global_max_connections 2", `listener ${other} 127.0.0.1`];
    await using broker = await startBroker({ conf });
    using _first = await connected(broker.port, { clientId: "a" });
    using _second = await connected(other, { clientId: "b" });
    const third = await RawClient.connect(broker.port);
    expect(await third.closed()).toEqual(Buffer.alloc(0));
    await broker.program.untilError("denied: global_max_connections exceeded.");
  });
});

/** A client that has said CONNECT, with the answer. */
async function hello(port: number, host = "127.0.0.1", version: 4 | 5 = 4) {
  const client = await RawClient.connect(port, host);
  client.send(connectBytes({ version }));
  const connack = (await client.packet()).toString("hex");
  return {
    connack,
    accepted: connack === "20020000",
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

/** A port that somebody else listens on. */
async function occupied(port: number, host = "127.0.0.1"): Promise<AsyncDisposable> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen({ port, host, ipv6Only: true }, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function run(lines: readonly string[], options: StartOptions): Promise<Outcome> {
  const path = conf(`listener ${await freePort()} 127.0.0.1`, ...lines);
  return outcome(startOurs("ts-broker", ["-c", path], options));
}

/** Writes a configuration file. */
function conf(...lines: string[]): string {
  const path = join(directory, "test.conf");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** The user id that a process has. */
function ownerOf(program: Program): number {
  return statSync(`/proc/${program.pid}`).uid;
}
