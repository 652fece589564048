/** One ts-broker, seen by those who run it: health, reload, signals, HTTP, and its log's file. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../src/options/version.ts";
import {
  freePort,
  outcome,
  type Program,
  type RunningBroker,
  startBroker,
  startOurs,
} from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

let directory = "";
let broker: RunningBroker;
let program: Program;
let api = 0;
let conf = "";
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-operation-"));
  api = await freePort();
  const lines = [
    "user root",
    "sys_interval 0",
    `pid_file ${join(directory, "pid")}`,
    `log_dest file ${join(directory, "log")}`,
    "log_dest stderr",
    `listener ${api} 127.0.0.1`,
    "protocol http_api",
  ];
  broker = await startBroker({ conf: lines });
  program = broker.program;
  conf = join(broker.directory, "broker.conf");
  await program.untilError(" running\n");
});
afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const ours = (...words: readonly string[]) => outcome(startOurs("ts-broker", words));
const logOf = (name: string) => readFileSync(join(directory, name), "utf8");

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
    writeFileSync(other, `listener ${port}\nprotocol websockets\n`);
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
    const late = await ours("signal", "shutdown", "-c", conf);
    expect(late.status).toBe(1);
    expect(late.stderr).toContain("No such file or directory. Does the broker run?");
  });
});
