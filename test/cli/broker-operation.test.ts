/** One ts-broker, seen by those who run it: health, reload, signals, HTTP, systemd, its logs. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../src/options/version.ts";
import { runBrokerOurs } from "../support/in-process.ts";
import { find, logger, systemdNotify } from "../support/peers.ts";
import {
  freePort,
  ourProgram,
  type Program,
  ROOT,
  type RunningBroker,
  start,
  startBroker,
} from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

let directory = "";
let broker: RunningBroker;
let program: Program;
let api = 0;
let conf = "";
/** What systemd would have heard, where this machine has what that takes. */
let heard: Program | undefined;

const compiler = find("cc");
const canNotify = compiler !== undefined && systemdNotify !== undefined;

/** What the system's log would have heard. */
let syslog = "";
const syslogSocket = createSocket("udp4");

/** The machine's own logger, which sends to us. */
async function divertedLogger(): Promise<void> {
  syslogSocket.on("message", (message) => {
    syslog += `${message}\n`;
  });
  await new Promise<void>((resolve) => syslogSocket.bind(0, "127.0.0.1", resolve));
  const path = join(directory, "logger");
  const way = `--server 127.0.0.1 --udp --port ${syslogSocket.address().port} --rfc3164`;
  writeFileSync(path, `#!/bin/sh\nexec ${logger} ${way} "$@"\n`);
  chmodSync(path, 0o755);
}

/** Listens as systemd does, at an address without a file. */
async function listening(): Promise<{ receiver: Program; address: string }> {
  const program = join(directory, "notify-receiver");
  const source = join(ROOT, "test/support/notify-receiver.c");
  execFileSync(compiler!, ["-o", program, source]);
  const address = `@ts-mqtt-test-${process.pid}`;
  const receiver = start(program, [address]);
  await receiver.untilOutput("listening");
  return { receiver, address };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-operation-"));
  api = await freePort();
  const lines = [
    "user root",
    "sys_interval 0",
    `pid_file ${join(directory, "pid")}`,
    `log_dest file ${join(directory, "log")}`,
    "log_dest stderr",
    ...(logger === undefined ? [] : ["log_dest syslog", "log_facility 1", "log_timestamp false"]),
    `listener ${api} 127.0.0.1`,
    "protocol http_api",
  ];
  const env: Record<string, string> = { PATH: `${directory}:${process.env.PATH}` };
  if (logger !== undefined) await divertedLogger();
  if (canNotify) {
    const { receiver, address } = await listening();
    heard = receiver;
    Object.assign(env, { NOTIFY_SOCKET: address, WATCHDOG_USEC: "400000" });
  }
  broker = await startBroker({ conf: lines, env });
  program = broker.program;
  conf = join(broker.directory, "broker.conf");
  await program.untilError(" running\n");
});
afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
  syslogSocket.close();
  rmSync(directory, { recursive: true, force: true });
});

const ours = runBrokerOurs;
const logOf = (name: string) => readFileSync(join(directory, name), "utf8");

describe("a broker that is asked for nothing rare", () => {
  it("has nothing of it loaded", async () => {
    const file = join(directory, "loaded.json");
    const hook = join(ROOT, "test/support/loaded.cjs");
    const words = ["-r", hook, ourProgram("ts-broker"), "-p", `${await freePort()}`];
    // Root stays root, to write there.
    const stay = { PUID: "0", PGID: undefined };
    const env = { LOADED_TO: file, NODE_OPTIONS: undefined, ...stay };
    await using plain = start(process.execPath, words, { env });
    await plain.untilError(" running\n");
    await plain.stop();
    const parts: string[] = JSON.parse(readFileSync(file, "utf8"));
    const rare = /^(package:|src\/)|^NativeModule (http|https|worker_threads)$/;
    expect(parts.filter((part) => rare.test(part))).toEqual([]);
  });
});

describe("ts-broker --health", () => {
  it("finds the broker by its configuration, and by its port", async () => {
    const answer = {
      status: 0,
      stdout: `The broker at 127.0.0.1 port ${broker.port} is healthy: it answers.\n`,
      stderr: "",
    };
    const both = [ours("--health", "-c", conf), ours("--health", "-p", `${broker.port}`)];
    expect(await Promise.all(both)).toEqual([
      expect.objectContaining(answer),
      expect.objectContaining(answer),
    ]);
  });

  it("says with status 1 that there is none, or no broker, or nothing to ask", async () => {
    const port = await freePort();
    const other = join(directory, "web.conf");
    const proxied = `listener ${broker.port}\nenable_proxy_protocol 1\n`;
    writeFileSync(other, `listener ${port}\nprotocol websockets\n${proxied}`);
    const [none, http, web] = await Promise.all([
      ours("--health", "-p", `${port}`),
      ours("--health", "-p", `${api}`),
      ours("-c", other, "--health"),
    ]);
    const sick = (at: number) => `Error: The broker at 127.0.0.1 port ${at} is not healthy: `;
    expect(none).toMatchObject({ status: 1, stderr: `${sick(port)}Connection refused.\n` });
    const why = "what answers there does not speak MQTT.\n";
    expect(http).toMatchObject({ status: 1, stderr: sick(api) + why, stdout: "" });
    expect(web).toMatchObject({
      status: 1,
      stderr:
        "Error: No listener of the configuration is plain MQTT. Name a port that is with -p.\n",
    });
  });
});

describe.skipIf(!canNotify)("systemd", () => {
  it("hears that the broker is ready, and then that it goes on", async () => {
    await heard!.untilOutput(/WATCHDOG=1[\s\S]*WATCHDOG=1/);
    const lines = heard!.stdout.split("\n").filter((line) => line.includes("MAINPID"));
    expect(lines[0]).toMatch(new RegExp(`^\\d+ MAINPID=${program.pid} READY=1$`));
    expect(lines[1]).toMatch(new RegExp(`^\\d+ MAINPID=${program.pid} WATCHDOG=1$`));
    expect(lines.filter((line) => line.includes("READY"))).toHaveLength(1);
    // In the name of the main process, which is all that systemd listens to unless told otherwise.
    if (process.getuid?.() === 0) expect(lines[0]).toMatch(new RegExp(`^${program.pid} `));
  });

  it("hears nothing from a broker that hangs", async () => {
    program.signal("SIGSTOP");
    let last = "";
    let since = Date.now();
    // Twice its period.
    await waitFor("it is silent", () => {
      if (heard!.stdout !== last) since = Date.now();
      last = heard!.stdout;
      return Date.now() - since > 400;
    });
    program.signal("SIGCONT");
    await waitFor("it is heard again", () => heard!.stdout !== last);
  });
});

describe.skipIf(logger === undefined)("log_dest syslog", () => {
  it("has every line with its level and facility, under the broker's number", async () => {
    await waitFor("the line is there", () => syslog.includes(" running\n"));
    const [line = ""] = syslog.split("\n");
    const { pid } = program;
    expect(line).toMatch(new RegExp(`^<142>.* ts-broker\\[${pid}\\]: ts-broker .* starting$`));
    // A notice.
    await waitFor("a client is there", () => /^<141>.*: New connection from /m.test(syslog));
  });
});

describe("the http_api listener", () => {
  it("answers out of the built program", async () => {
    const url = `http://127.0.0.1:${api}`;
    expect(await (await fetch(`${url}/api/v1/version`)).text()).toBe(VERSION);
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).toMatch(/^mqtt_sockets_accepted_total [1-9]/m);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });
});

describe("ts-broker reload and signal", () => {
  it("have it read its configuration and open its log file again", async () => {
    renameSync(join(directory, "log"), join(directory, "log.1"));
    const { status, stdout } = await ours("reload", "-c", conf);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: `Process ${program.pid} was sent SIGHUP.\n`,
    });
    await program.untilError("Reloading config.");
    expect((await ours("--health", "-p", `${broker.port}`)).status).toBe(0);
    await waitFor("the new file has a line", () => logOf("log").includes("New client connected"));
    expect(logOf("log.1")).toContain("Reloading config.");
  });

  it("leave alone a configuration that cannot be, and a process that is no broker", async () => {
    const bad = join(directory, "bad.conf");
    writeFileSync(bad, `pid_file ${join(directory, "pid")}\nnonsense 1\n`);
    const path = join(directory, "old.pid");
    writeFileSync(path, `${process.pid}`);
    const [refused, foreign] = await Promise.all([
      ours("reload", "-c", bad),
      ours("signal", "shutdown", "--pid-file", path),
    ]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('Error: Unknown configuration variable "nonsense".');
    expect(foreign).toMatchObject({
      status: 1,
      stderr: `Error: Process ${process.pid} (from ${path}) is no ts-broker.\n`,
    });
    expect(program.stderr.match(/Reloading/g)).toHaveLength(1);
  });

  it("print the tree, and stop it", async () => {
    const told = await ours("signal", "tree-print", "-p", `${program.pid}`);
    expect(told.status).toBe(0);
    await program.untilOutput("$SYS");
    expect((await ours("signal", "shutdown", "-c", conf)).status).toBe(0);
    expect(await program.untilExit()).toEqual({ status: 0, signal: null });
    // What was logged last is there, too.
    if (logger !== undefined) {
      await waitFor("the last line is there", () => syslog.includes(" terminating\n"));
    }
    const late = await ours("signal", "shutdown", "-c", conf);
    expect(late.status).toBe(1);
    expect(late.stderr).toContain("No such file or directory. Does the broker run?");
  });
});
