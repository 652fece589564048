/** ts-broker's words: what it prints and how it ends before it is a broker. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VERSION } from "../../src/options/version.ts";
import { type Ended, runBrokerHere } from "../support/in-process.ts";
import { outcome, startOurs } from "../support/programs.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-words-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const TERMINATING = `ts-broker version ${VERSION} terminating`;

describe("ts-broker", () => {
  it.each(["-h", "--help"])("explains itself on %s, with status 0", async (word) => {
    const { status, stdout, stderr } = await broker(word);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(
      /^Usage: ts-broker \[-c config_file\] \[-d\] \[-h\] \[-p port\] \[-v\]\n/,
    );
    const options = ["-c", "--config-file", "-p", "--port", "--test-config", "-v", "--verbose"];
    const others = ["-q", "--quiet", "-d", "--daemon", "-h", "--help", "--version", "ts-broker -v"];
    for (const option of [...options, ...others]) expect(stdout).toContain(option);
  });

  it("says its version with status 0", async () => {
    const { status, stdout, stderr } = await broker("--version");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain(`ts-broker version ${VERSION}`);
  });

  it.each(["-x", "--nonsense", "word"])("refuses %s with status 3 and the usage", async (word) => {
    const { status, stdout, stderr } = await broker(word);
    expect({ status, stderr }).toEqual({ status: 3, stderr: `Error: Unknown option '${word}'.\n` });
    expect(stdout).toMatch(/^Usage: ts-broker /);
  });

  it.each([
    [["-p"], "Error: -p argument given, but no port specified."],
    [["-p", "0"], "Error: Invalid port specified (0)."],
    [["-p", "70000"], "Error: Invalid port specified (70000)."],
    [["-p", "x"], "Error: Invalid port specified (0)."],
    [
      Array(11).fill(["-p", "1"]).flat(),
      "Error: Only 10 ports can be specified on the command line.",
    ],
    [["-c"], "Error: -c argument given, but no config file specified."],
    [["-c", "/nonexistent"], "Error: Unable to open config file /nonexistent."],
    [["-c", "/"], "Error: Config file / is a directory."],
    [["--test-config"], "Error: --test-config needs a configuration file, given with -c."],
  ])("refuses %j with status 3, through the log", async (words, sentence) => {
    const result = await broker(...words);
    expect(result).toMatchObject({ status: 3, stdout: "" });
    expect(linesOf(result)).toEqual([sentence, TERMINATING]);
    expect(result.stderr).toMatch(/^\d+: Error/);
  });

  it("ends as a process with that status, when all is said", async () => {
    const path = conf("nonsense 1");
    for (const words of [["-x"], ["-c", path], ["-c", path, "--test-config"], ["--version"]]) {
      const { status, stdout, stderr } = await outcome(startOurs("ts-broker", words));
      const here = await broker(...words);
      const undated = stderr.replace(/^\d+: /gm, "");
      const undatedHere = here.stderr.replace(/^\d+: /gm, "");
      expect([status, stdout, undated]).toEqual([here.status, here.stdout, undatedHere]);
    }
  });

  it("reads a file when it meets it, so that the first mistake is the one it tells", async () => {
    const path = conf("nonsense 1");
    const [first] = linesOf(await broker("-c", path, "-x"));
    expect(first).toBe('Error: Unknown configuration variable "nonsense".');
    expect((await broker("-x", "-c", path)).stderr).toBe("Error: Unknown option '-x'.\n");
  });

  it.each([
    ["nonsense", 'Error: Unknown configuration variable "nonsense".'],
    ["listener", "Error: Empty listener value in configuration."],
    ["listener 70000", "Error: Invalid port value (70000)."],
    ["retain_available x", "Error: Invalid retain_available value (x)."],
    ["max_inflight_messages x", "Error: Invalid max_inflight_messages value (x)."],
    ["log_type loud", "Error: Invalid log_type value (loud)."],
    ["remote_clientid x", "Error: Invalid bridge configuration."],
  ])("refuses a file with the line %j, and says where", async (line, sentence) => {
    const path = conf("# first", line);
    const result = await broker("-c", path);
    expect(result).toMatchObject({ status: 3, stdout: "" });
    expect(linesOf(result).slice(0, 2)).toEqual([sentence, `Error found at ${path}:2.`]);
    expect(linesOf(result).at(-1)).toBe(TERMINATING);
  });

  it("refuses a bridge that lacks what it needs, and says which", async () => {
    const path = conf("connection a", "address localhost", "topic a", "connection b", "topic a");
    for (const words of [
      ["-c", path],
      ["-c", path, "--test-config"],
    ]) {
      const result = await broker(...words);
      expect(result).toMatchObject({ status: 3, stdout: "" });
      expect(linesOf(result).slice(0, 2)).toEqual([
        "Error: Invalid bridge configuration: no remote addresses defined.",
        'Error found in bridge "b".',
      ]);
    }
  });

  it("finds a mistake in a file of include_dir", async () => {
    const path = conf(`include_dir ${join(directory, "more")}`);
    mkdirSync(join(directory, "more"));
    writeFileSync(join(directory, "more", "a.conf"), "max_qos 1\n");
    const bad = join(directory, "more", "b.conf");
    writeFileSync(bad, "\nmax_qos 5\n");
    expect(linesOf(await broker("-c", path))).toEqual([
      `Loading config file ${join(directory, "more", "a.conf")}`,
      `Loading config file ${bad}`,
      "Error: max_qos must be between 0 and 2 inclusive.",
      `Error found at '${bad}:2'.`,
      `Error found at ${path}:1.`,
      TERMINATING,
    ]);
  });
});

describe("ts-broker --test-config", () => {
  it("says that a file is good, and starts nothing", async () => {
    const result = await broker(
      "-c",
      conf("listener 1883 192.0.2.1", "max_qos 1"),
      "--test-config",
    );
    expect(result).toMatchObject({ status: 0, stdout: "Configuration file is OK.\n", stderr: "" });
  });

  it("logs what is worth knowing about it", async () => {
    const result = await broker("--test-config", "-c", conf("port 1883"));
    expect(result).toMatchObject({ status: 0, stdout: "Configuration file is OK.\n" });
    expect(linesOf(result)[0]).toContain("The 'port' option is now deprecated");
  });

  it("takes a bridge", async () => {
    const path = conf("listener 1", "connection a", "address localhost", "topic a");
    const result = await broker("-c", path, "--test-config");
    expect(result).toEqual({ status: 0, stdout: "Configuration file is OK.\n", stderr: "" });
  });

  it("warns of files that it names, and is about its own text", async () => {
    const result = await broker("-c", conf("listener 1", "acl_file /nowhere"), "--test-config");
    expect(result).toMatchObject({ status: 0, stdout: "Configuration file is OK.\n" });
    expect(linesOf(result)).toEqual([
      "Warning: With this configuration a broker would not start:",
      'Error: Unable to open acl_file "/nowhere". No such file or directory.',
      'Error opening acl file "/nowhere".',
    ]);
  });

  it("warns of a bridge that could not connect", async () => {
    const bridge = ["connection a", "address localhost", "topic a", "bridge_cafile /nowhere"];
    const result = await broker("-c", conf("listener 1", ...bridge), "--test-config");
    expect(result).toMatchObject({ status: 0, stdout: "Configuration file is OK.\n" });
    expect(linesOf(result)).toEqual([
      "Warning: With this configuration a bridge would not connect:",
      "Bridge a: cannot read /nowhere: no such file or directory",
    ]);
  });

  it("refuses a bad one with status 3", async () => {
    const path = conf("max_qos 5");
    const result = await broker("-c", path, "--test-config");
    expect(result).toMatchObject({ status: 3, stdout: "" });
    expect(linesOf(result)[1]).toBe(`Error found at ${path}:1.`);
  });
});

function broker(...words: string[]): Promise<Ended> {
  return runBrokerHere(words);
}

/** Writes a configuration file. */
function conf(...lines: string[]): string {
  const path = join(directory, "test.conf");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** Log lines without their timestamps. */
function linesOf({ stderr }: Ended): string[] {
  return stderr
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^\d+: /, ""));
}
