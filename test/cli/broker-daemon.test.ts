/** ts-broker -d: the shell goes on when the broker listens, and learns it when it cannot. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { wordsOfProcess } from "../../src/io/process-words.ts";
import { VERSION } from "../../src/options/version.ts";
import { logLines } from "../support/log-lines.ts";
import {
  freePort,
  ourProgram,
  outcome,
  type StartOptions,
  start,
  startOurs,
} from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";
import { connected, subscribe } from "../support/wire-client.ts";

/** Root stays root: the directories of these tests are closed to everybody else. */
const STAY: StartOptions = { env: { PUID: "0", PGID: undefined } };

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-daemon-"));
});
afterEach(() => {
  const pid = pidOf();
  // Only what a failed test has left.
  if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

describe("ts-broker -d", () => {
  it.each(["-d", "--daemon"])("%s returns with status 0 once the broker listens", async (word) => {
    const port = await freePort();
    const path = conf(`listener ${port} 127.0.0.1`, "allow_anonymous true");
    const shell = startOurs("ts-broker", [word, "-c", path], STAY);
    const result = await outcome(shell);
    expect(result).toMatchObject({ status: 0, stdout: "" });
    expect(logLines(result.stderr)).toEqual([
      `ts-broker version ${VERSION} starting`,
      `Config loaded from ${path}.`,
      `Opening ipv4 listen socket on port ${port}.`,
      `ts-broker version ${VERSION} running`,
    ]);
    const pid = pidOf()!;
    expect(pid).not.toBe(shell.pid);
    using client = await connected(port);
    await client.expectNothing();
    await end(pid);
    expect((await client.closed()).toString("hex")).toBe("");
  });

  it("says what is worth knowing about the file once", async () => {
    const port = await freePort();
    const path = conf(`listener ${port} 127.0.0.1`, "allow_duplicate_messages true");
    const { stderr } = await outcome(startOurs("ts-broker", ["-d", "-c", path], STAY));
    const notices = logLines(stderr).filter((line) => line.includes("deprecated"));
    expect(notices).toHaveLength(1);
    await end(pidOf()!);
  });

  it("answers signals, although its terminal is gone", async () => {
    const port = await freePort();
    const log = join(directory, "log");
    const lines = [`listener ${port} 127.0.0.1`, "allow_anonymous true", `log_dest file ${log}`];
    const path = conf(...lines, "log_dest stderr");
    const words = ["--stack-trace-limit=5", ourProgram("ts-broker"), "-d", "-c", path];
    await outcome(start(process.execPath, words, STAY));
    const pid = pidOf()!;
    // What Node.js was told holds there, too.
    expect(wordsOfProcess(pid)).toContain("--stack-trace-limit=5");
    using client = await connected(port);
    await subscribe(client, { a: 0 });
    process.kill(pid, "SIGUSR2");
    process.kill(pid, "SIGUSR1");
    process.kill(pid, "SIGHUP");
    await waitFor("it has read the file", () => readFileSync(log, "utf8").includes("Reloading"));
    await client.expectNothing();
    await end(pid);
    expect(readFileSync(log, "utf8")).toMatch(/terminating\n$|disconnected.*\n$/);
  });

  it("passes the status on when the broker cannot listen", async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const path = conf(`listener ${port} 127.0.0.1`);
    const result = await outcome(startOurs("ts-broker", ["-d", "-c", path], STAY));
    await new Promise((resolve) => server.close(resolve));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("Error: Address already in use");
    expect(pidOf()).toBeUndefined();
  });

  it("refuses a bad file at once", async () => {
    const path = conf("nonsense 1");
    const result = await outcome(startOurs("ts-broker", ["-c", path, "-d"], STAY));
    expect(result.status).toBe(3);
    expect(logLines(result.stderr).filter((line) => /Unknown/.test(line))).toHaveLength(1);
  });
});

/** Writes a configuration file with a pid file. */
function conf(...lines: string[]): string {
  const path = join(directory, "test.conf");
  writeFileSync(path, [...lines, `pid_file ${join(directory, "pid")}`, ""].join("\n"));
  return path;
}

/** The process that the pid file names, if there is one. */
function pidOf(): number | undefined {
  try {
    return Number(readFileSync(join(directory, "pid"), "utf8"));
  } catch {
    // Not there yet, or gone with the broker, which may be between any two looks at it.
    return undefined;
  }
}

/** Ends the broker, which takes its pid file along. */
async function end(pid: number): Promise<void> {
  process.kill(pid, "SIGTERM");
  await waitFor("the pid file is gone", () => pidOf() === undefined);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process.
    return false;
  }
}
