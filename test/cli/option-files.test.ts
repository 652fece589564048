/**
 * Option files of ts-pub, ts-sub and ts-rr: which one is read, and what becomes of its lines (c.1).
 *
 * How single lines are judged beside mosquitto_pub is in test/interop/usage.test.ts.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClientProgram, type Ended, runHere } from "../support/in-process.ts";
import { hasMosquitto, mosquittoSub } from "../support/peers.ts";
import { outcome, type StartOptions, start, startOurs } from "../support/programs.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Where no file is found unless the test puts it there. */
const NOWHERE = { XDG_CONFIG_HOME: undefined, HOME: "/nonexistent" };
const HINT = "\nUse 'ts-pub --help' to see usage.\n";

describe("the option file", () => {
  it("is that of mosquitto's program, in XDG_CONFIG_HOME", async () => {
    const folder = folderWith("mosquitto_pub", "-t xdg\n-m x\n-q 1\n");
    expect(await published([], { XDG_CONFIG_HOME: folder })).toMatchObject([
      { topic: "xdg", payload: "x", qos: 1 },
    ]);
  });

  it("is else in .config of HOME, which XDG_CONFIG_HOME stands before", async () => {
    const home = folderWith(".config/mosquitto_pub", "-t home\n-m x\n");
    const other = folderWith("mosquitto_sub", "-t other\n");
    expect(await published([], { HOME: home })).toMatchObject([{ topic: "home" }]);
    // An XDG_CONFIG_HOME without a file is not made up for.
    const { status, stderr } = await pub(["-m", "x"], { HOME: home, XDG_CONFIG_HOME: other });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Error: Both topic and message must be supplied/);
  });

  it("is that of -o instead, wherever -o stands", async () => {
    const folder = folderWith("mosquitto_pub", "-t default\n-r\n");
    const file = join(folderWith("mine", "-t asked\n-m x\n"), "mine");
    for (const words of [
      ["-o", file],
      ["-q", "1", "-o", file],
      ["-o", file, "-d"],
    ]) {
      expect(await published(words, { XDG_CONFIG_HOME: folder })).toMatchObject([
        { topic: "asked", retain: false },
      ]);
    }
  });

  it("comes before the words, which count for more", async () => {
    const file = join(folderWith("mine", "-t file\n-m x\n-q 2\n-r\n"), "mine");
    expect(await published(["-q", "0", "-t", "word", "-o", file])).toMatchObject([
      { topic: "word", payload: "x", qos: 0, retain: true },
    ]);
  });

  it("adds its topics to those of the words", async () => {
    const folder = folderWith("mosquitto_sub", "# mine\n-t a\n\n-t b\n-T a/x\n");
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "c", "-E"];
    const env = { ...NOWHERE, XDG_CONFIG_HOME: folder };
    expect(await outcome(startOurs("ts-sub", words, { env }))).toMatchObject({ status: 0 });
    expect(broker.all("subscribe")[0]?.subscriptions.map(({ filter }) => filter)).toEqual([
      ...["a", "b", "c"],
    ]);
  });

  it("takes lines of any length, with Windows' ends and without the last", async () => {
    const long = "x".repeat(100_000);
    const folder = folderWith("mosquitto_pub", `-t a b\r\n# no\r\n\r\n-m ${long}`);
    expect(await published([], { XDG_CONFIG_HOME: folder })).toMatchObject([
      { topic: "a b", payload: long },
    ]);
  });

  it("of ts-rr is mosquitto_rr's, of ts-pub with -e, too", async () => {
    const folder = folderWith("mosquitto_rr", "-t q\n-n\n-i me\n-W 10\n");
    writeFileSync(join(folder, "mosquitto_pub"), "-Z\n");
    for (const name of ["ts-rr", "ts-pub"] as const) {
      await using broker = await ScriptedBroker.start({
        onPublish: (peer) => peer.publish("r", "answer"),
      });
      const words = [...broker.words, "-e", "r"];
      const left = await run(name, words, { XDG_CONFIG_HOME: folder });
      expect(left).toMatchObject({ status: 0, stdout: "answer\n", stderr: "" });
    }
  });

  it("holds a password that the list of processes does not show", async () => {
    const folder = folderWith("mosquitto_pub", "-t a\n-m b\n-u joe\n-P  a b \n");
    await using broker = await ScriptedBroker.start();
    const env = { ...NOWHERE, XDG_CONFIG_HOME: folder };
    await outcome(startOurs("ts-pub", broker.words, { env }));
    expect(broker.all("connect")[0]?.password?.toString()).toBe(" a b ");
  });
});

describe("an option file that cannot be", () => {
  it.each([
    ["that is not there", "-o nothing", /^Error: Unable to open options file "nothing": No such f/],
    [
      "that is a directory",
      "-o .",
      /^Error: Unable to open options file "\.": Is a directory\.\n$/,
    ],
    ["that never ends", "-o /dev/zero", /^Error: The options file "\/dev\/zero" is larger than/],
    ["asked for twice", "-o /dev/null -o /dev/null", /^Error: Only one -o argument can be given\./],
    ["without a name", "-o", /^Error: -o argument given but no options file specified\./],
  ])("is refused: one %s", async (_title, words, sentence) => {
    const { status, stdout, stderr } = await pub(["-t", "a", "-m", "b", ...words.split(" ")]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(sentence);
  });

  it.each([
    ["-Z", `Error: Unknown option '-Z'.\n${HINT}`],
    ["-q 3", `Error: Invalid QoS given: 3\n${HINT}`],
    ["-t a/+", `Error: Invalid publish topic 'a/+', does it contain '+' or '#'?\n${HINT}`],
    ["-m", `Error: -m argument given but no message specified.\n\n${HINT}`],
    ["-P", `Error: -P argument given but no password specified.\n\n${HINT}`],
    ["-D publish content-type x", /^Error: --property argument given but not enough/],
    ["-m \xff", /^Error: Malformed UTF-8 in -m argument\.\n/],
    ["-o other", "Error: An options file cannot name another one with -o.\n"],
  ])("is refused with the words of its line: %j", async (line, sentence) => {
    const folder = folderWith("mosquitto_pub", `-t a\n${line}\n`);
    const { status, stderr } = await pub(["-p", "1", "-n"], { XDG_CONFIG_HOME: folder });
    expect(status).toBe(1);
    if (typeof sentence === "string") expect(stderr).toBe(sentence);
    else expect(stderr).toMatch(sentence);
  });

  it.skipIf(!hasMosquitto)("says with ts-sub what mosquitto_sub says", async () => {
    const folder = folderWith("mosquitto_sub", "-t a\n-C 0\n");
    const env = { ...NOWHERE, XDG_CONFIG_HOME: folder };
    const theirs = await outcome(start(mosquittoSub, ["-p", "1"], { env }));
    const ours = await outcome(startOurs("ts-sub", ["-p", "1"], { env }));
    expect(ours.stderr).toBe(theirs.stderr.replace("mosquitto_sub", "ts-sub"));
    expect(ours.status).toBe(theirs.status);
  });
});

type Environment = StartOptions["env"];

function run(name: ClientProgram, words: readonly string[], env: Environment): Promise<Ended> {
  return runHere(name, words, { env: { ...NOWHERE, ...env } });
}

function pub(words: readonly string[], env: Environment = {}): Promise<Ended> {
  return run("ts-pub", words, env);
}

/** What ts-pub publishes, which ends well. */
async function published(words: readonly string[], env: Environment = {}) {
  await using broker = await ScriptedBroker.start();
  expect(await pub([...broker.words, ...words], env)).toMatchObject({ status: 0, stderr: "" });
  return broker.all("publish");
}

/** A folder of its own with a file in it. */
function folderWith(name: string, text: string): string {
  const folder = mkdtempSync(join(directory, "config-"));
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), text, "latin1");
  return folder;
}
