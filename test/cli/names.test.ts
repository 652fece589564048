/** Which program a process is and how it speaks of itself, by the name it was called. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  freePort,
  type OurProgram,
  type Outcome,
  ourProgram,
  outcome,
  type Program,
  start,
} from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("a link", () => {
  const LINKS: readonly (readonly [name: string, target: OurProgram, is: string])[] = [
    ["mosquitto_pub", "ts-pub", "mosquitto_pub"],
    ["mosquitto_sub", "ts-sub", "mosquitto_sub"],
    ["mosquitto_rr", "ts-rr", "mosquitto_rr"],
    ["mosquitto_sub", "ts-pub", "mosquitto_sub"],
    ["ts-rr", "ts-pub", "ts-rr"],
    ["ts-pub", "ts-sub", "ts-pub"],
    ["publish", "ts-pub", "ts-pub"],
    ["mosquitto_subs", "ts-rr", "ts-rr"],
    ["MOSQUITTO_PUB", "ts-sub", "ts-sub"],
  ];
  it.each(sample(LINKS, 3))("named %s to %s is %s", async (name, target, is) => {
    const [version, help, unknown] = await Promise.all(
      ["--version", "--help", "-Z"].map((word) => run(name, target, [word])),
    );
    expect(version).toMatchObject({ status: 1, stderr: "" });
    expect(version!.stdout).toMatch(new RegExp(`^${is} version \\d+\\.\\d+\\.\\d+ running on `));
    expect(help!.stdout).toMatch(new RegExp(`^Usage: ${is} -t `));
    // Its examples begin with its name.
    expect(help!.stdout).toMatch(new RegExp(`^ {4}${is} -`, "m"));
    const hint = `\nUse '${is} --help' to see usage.\n`;
    const stderr = `Error: Unknown option '-Z'.\n${hint}`;
    expect(unknown).toMatchObject({ status: 1, stdout: "", stderr });
  });

  it("named mosquitto_pub is mosquitto_rr with a response topic", async () => {
    const { status, stderr } = await run("mosquitto_pub", "ts-pub", ["-e", "r", "-t", "a"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/response topic must be supplied\.\n\nUse 'mosquitto_rr --help'/);
  });

  it("named mosquitto to ts-broker is a broker of that name", async () => {
    const [version, help, unknown] = await Promise.all(
      ["--version", "--help", "-Z"].map((word) => run("mosquitto", "ts-broker", [word])),
    );
    expect(version!.stdout).toMatch(/^mosquitto version \d+\.\d+\.\d+ running on /);
    expect(help!.stdout).toMatch(/^Usage: mosquitto \[-c config_file\]/);
    expect(unknown!.stderr).toMatch(/Unknown option '-Z'/);
    await using broker = call("mosquitto", "ts-broker", ["-p", `${await freePort()}`]);
    const log = await broker.untilError(/ running\n/);
    expect(log).toMatch(/: mosquitto version \S+ starting\n/);
    expect(log).toMatch(/: mosquitto version \S+ running\n/);
  });

  it("named mosquitto_passwd to ts-broker keeps passwords", async () => {
    const [help, none] = await Promise.all(
      [["--help"], []].map((words) => run("mosquitto_passwd", "ts-broker", words)),
    );
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help!.stdout).toMatch(/^Usage: mosquitto_passwd \[-H NAME\]/);
    expect(help!.stdout).toMatch(/^ {4}mosquitto_passwd -c users ann$/m);
    expect(none).toMatchObject({ status: 1, stdout: help!.stdout });
    expect(await run("mosquitto_passwd", "ts-broker", ["-b", "file"])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/\n\nUse 'mosquitto_passwd --help' to see usage\.\n$/),
    });
  });

  it("does the work of its program", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "a", "-m", "x"];
    expect(await run("mosquitto_pub", "ts-sub", words)).toMatchObject({ status: 0, stderr: "" });
    expect(broker.all("publish")).toMatchObject([{ topic: "a", payload: "x" }]);
  });

  it.runIf(process.platform === "linux")("is found by its name with ps and killall", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "a"];
    await using program = call("mosquitto_sub", "ts-sub", words);
    await broker.until("subscribe");
    const of = (file: string): string => readFileSync(`/proc/${program.pid}/${file}`, "utf8");
    expect(of("comm")).toBe("mosquitto_sub\n");
    // As much as there is room for where the kernel keeps it.
    expect(of("cmdline").replaceAll("\0", " ")).toMatch(
      /^mosquitto_sub -h 127\.0\.0\.1 -p \d+ -t a/,
    );
  });
});

describe.runIf(process.platform !== "win32")("SIGUSR1, by which Node.js opens its debugger", () => {
  const CLIENTS: readonly (readonly [OurProgram, string])[] = [
    ["ts-pub", "-l"],
    ["ts-sub", "-v"],
    ["ts-rr", "-e b -m c"],
  ];
  it.each(sample(CLIENTS, 2))("ends %s, as it ends mosquitto's clients", async (name, words) => {
    await using broker = await ScriptedBroker.start();
    await using client = call(name, name, [...broker.words, "-t", "a", ...words.split(" ")]);
    await broker.until("connect");
    client.signal("SIGUSR1");
    const { signal, stdout, stderr } = await outcome(client);
    expect(`${signal} ${stdout}${stderr}`).toBe("SIGUSR1 ");
  });
});

function run(name: string, target: OurProgram, words: readonly string[]): Promise<Outcome> {
  return outcome(call(name, target, words));
}

/** Calls it as a shell does, by its link alone. */
function call(name: string, target: OurProgram, words: readonly string[]): Program {
  const folder = mkdtempSync(join(directory, "bin-"));
  const path = join(folder, name);
  symlinkSync(ourProgram(target), path);
  const node = dirname(process.execPath);
  return start(path, words, { env: { PATH: `${node}${delimiter}${process.env.PATH}` } });
}
