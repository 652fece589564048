/** ts-broker reload and signal, on machines of the test's making. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Machine, runSignal } from "../../../src/cli/signal.ts";
import type { Streams } from "../../../src/cli/streams.ts";
import { controlPipe, listenControl } from "../../../src/io/control-pipe.ts";
import { wordsOfProcess } from "../../../src/io/process-words.ts";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-signal-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const BROKER = ["/usr/bin/node", "/opt/ts-mqtt/dist/ts-broker.cjs", "-c", "x.conf"];

/** What happens on a machine that has one process, 41. */
async function told(
  words: readonly string[],
  { conf = "", fails, ...over }: Partial<Machine> & { conf?: string; fails?: string } = {},
) {
  const sent: string[] = [];
  const machine: Machine = {
    platform: "linux",
    kill(pid, signal) {
      const code = pid === 41 ? fails : "ESRCH";
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      sent.push(`${signal}`);
    },
    wordsOf: () => BROKER,
    ...over,
  };
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io: Streams = {
    argv: [],
    env: {},
    pid: 1,
    stdin: new PassThrough(),
    stdout,
    stderr,
    on: () => undefined,
    off: () => undefined,
  };
  const configured = () => {
    const files = { list: () => undefined, read: () => undefined };
    const reader = new ConfigurationReader(files, () => undefined);
    reader.readFile("t.conf", Buffer.from(conf));
    return reader.complete({ ports: [], verbose: false, quiet: false });
  };
  const [command, ...rest] = words as ["reload" | "signal", ...string[]];
  const status = await runSignal(io, command, rest, configured, machine);
  const text = (stream: PassThrough) => `${stream.read() ?? ""}`;
  return { status, sent, stdout: text(stdout), stderr: text(stderr) };
}

function pidFile(text: string): string {
  const path = join(directory, "pid");
  writeFileSync(path, text);
  return path;
}

describe("ts-broker signal", () => {
  it.each([
    [["reload"], "SIGHUP"],
    [["signal", "config-reload"], "SIGHUP"],
    [["signal", "log-rotate"], "SIGHUP"],
    [["signal", "shutdown"], "SIGINT"],
    [["signal", "tree-print"], "SIGUSR2"],
  ])("%j sends %s", async (words, signal) => {
    expect(await told([...words, "-p", "41"])).toEqual({
      status: 0,
      sent: ["0", signal],
      stdout: `Process 41 was sent ${signal}.\n`,
      stderr: "",
    });
  });

  it("finds the process by its file, and by the configuration that names it", async () => {
    const path = pidFile("41\n");
    expect((await told(["reload", "--pid-file", path])).sent).toEqual(["0", "SIGHUP"]);
    const conf = `pid_file ${path}\n`;
    expect((await told(["reload", "-c", "t.conf"], { conf })).sent).toEqual(["0", "SIGHUP"]);
  });

  it.each([
    [["reload"], "Error: reload needs one of -p, --pid-file and -c to know which broker."],
    [["signal", "shutdown"], "Error: signal needs one of -p, --pid-file and -c to know"],
    [["reload", "-p", "41", "-c", "x"], "Error: reload needs one of -p"],
    [["signal", "-p", "41"], "Error: signal needs to know what to tell: config-reload, "],
    [["signal", "stop", "-p", "41"], "Error: Unknown signal 'stop': it is one of config-reload"],
    [["signal", "toString", "-p", "41"], "Error: Unknown signal 'toString'"],
    [["reload", "-p", "0"], "Error: Invalid process id given: 0"],
    [["reload", "-p", "-1"], "Error: Invalid process id given: -1"],
    [["reload", "-p", "41x"], "Error: Invalid process id given: 41x"],
    [["reload", "-p"], "Error: -p argument given, but no process id specified."],
    [["reload", "41"], "Error: Unknown option '41'."],
  ])("%j is refused, and nobody is told anything", async (words, sentence) => {
    const { status, sent, stderr } = await told(words);
    expect({ status, sent }).toEqual({ status: 1, sent: [] });
    expect(stderr).toContain(sentence);
  });

  it("does not tell a process that is no broker, or that is not there, or not ours", async () => {
    const path = pidFile("41");
    const other = await told(["reload", "--pid-file", path], {
      wordsOf: () => ["vi", "broker.md"],
    });
    expect(other.stderr).toBe(`Error: Process 41 (from ${path}) is no ts-broker.\n`);
    expect(other.sent).toEqual(["0"]);
    expect((await told(["reload", "-p", "40"])).stderr).toBe(
      "Error: There is no ts-broker with the process id 40.\n",
    );
    expect((await told(["reload", "-p", "41"], { fails: "EPERM" })).stderr).toBe(
      "Error: Process 41 is another user's. Permission denied.\n",
    );
  });

  it("trusts the number where the machine does not say what a process is", async () => {
    const { sent } = await told(["reload", "-p", "41"], { wordsOf: () => undefined });
    expect(sent).toEqual(["0", "SIGHUP"]);
  });

  it.each(["", "x", "-1", "0", "41 42", "99999999999"])("finds no number in %j", async (text) => {
    const path = pidFile(text);
    const { status, sent, stderr } = await told(["reload", "--pid-file", path]);
    expect({ status, sent }).toEqual({ status: 1, sent: [] });
    expect(stderr).toBe(`Error: There is no process id in ${path}.\n`);
  });

  it("says that there is no file, or no word of one", async () => {
    const path = join(directory, "none");
    expect((await told(["reload", "--pid-file", path])).stderr).toBe(
      `Error: Unable to read pid file ${path}. No such file or directory. Does the broker run?\n`,
    );
    expect((await told(["reload", "-c", "t.conf"])).stderr).toBe(
      "Error: t.conf has no pid_file. Name the process with -p.\n",
    );
    const conf = `pid_file ${pidFile("41")}\nnonsense\n`;
    const bad = await told(["reload", "-c", "t.conf"], { conf });
    expect(bad.sent).toEqual([]);
    expect(bad.stderr).toContain('Error: Unknown configuration variable "nonsense".');
  });

  it("explains itself", async () => {
    const { status, stdout } = await told(["reload", "--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain("--pid-file");
    expect((await told(["signal", "--help"])).stdout).toContain("config-reload");
  });
});

describe("on Windows", () => {
  it("asks the broker's pipe, and hands on what it says", async () => {
    const before = process.cwd();
    // There the name is a path like any other here.
    process.chdir(directory);
    const pid = 4_000_000_000;
    try {
      const words: string[] = [];
      const server = await listenControl(controlPipe(pid), async (word) => {
        words.push(word);
        return word === "shutdown" ? "Error: No." : "Done.";
      });
      const windows = { platform: "win32" as const };
      const done = await told(["reload", "-p", `${pid}`], windows);
      expect(done).toMatchObject({ status: 0, stdout: "Done.\n", sent: [] });
      const refused = await told(["signal", "shutdown", "-p", `${pid}`], windows);
      expect(refused).toMatchObject({ status: 1, stderr: "Error: No.\n" });
      expect(words).toEqual(["config-reload", "shutdown"]);
      server.close();
      const gone = await told(["reload", "-p", `${pid}`], windows);
      expect(gone.stderr).toBe(`Error: There is no ts-broker with the process id ${pid}.\n`);
    } finally {
      process.chdir(before);
    }
  });
});

describe("the words of a process", () => {
  it("are those that it was started with", () => {
    const words = wordsOfProcess(process.pid);
    expect(words?.some((word) => word.includes("node"))).toBe(true);
    expect(wordsOfProcess(4_000_000_000)).toBeUndefined();
  });
});
