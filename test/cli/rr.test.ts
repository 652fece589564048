/**
 * ts-rr as a process, and ts-pub with -e, which is the same: exit statuses, words, signals, and
 * what mosquitto_rr waits for in vain. Beside mosquitto_rr it is in test/interop/rr.test.ts.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runOurs } from "../support/in-process.ts";
import {
  freePort,
  type Outcome,
  ourProgram,
  outcome,
  type Program,
  start,
  startOurs,
} from "../support/programs.ts";
import { type Published, type Script, ScriptedBroker } from "./scripted-broker.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  writeFileSync(join(directory, "file"), Buffer.from("a\n\0\xff", "latin1"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ASK = ["-i", "me", "-t", "q", "-e", "r"];
/** Answers each request. */
const ANSWERING: Script = {
  onPublish: (peer, message) => {
    peer.acknowledge(message);
    peer.publish("r", Buffer.from(`${message.payload}!`, "latin1"));
  },
};

/** Has a program ask `broker`, and waits for its end. */
function ask(
  broker: ScriptedBroker,
  words: readonly string[],
  { name = "ts-rr", input = "" }: { name?: "ts-rr" | "ts-pub"; input?: string } = {},
): Promise<Outcome> {
  const all = words.map((word) => (word === "file" ? join(directory, word) : word));
  return runOurs(name, [...broker.words, ...ASK, ...all], input);
}

describe.each(["ts-rr", "ts-pub"] as const)("%s with a response topic", (name) => {
  it.each<[words: string[], input: string, sent: Partial<Published>, printed: string]>([
    [["-m", "x"], "", { topic: "q", payload: "x", qos: 0, retain: false }, "x!\n"],
    [["-n", "-v"], "", { payload: "" }, "r !\n"],
    [["-f", "file", "-q", "1"], "", { payload: "a\n\0\xff", qos: 1 }, "a\n\0\xff!\n"],
    [["-s", "-q", "2"], "all\nof it\n", { payload: "all\nof it\n", qos: 2 }, "all\nof it\n!\n"],
    [["-m", "x", "-N", "-F", "%t=%p"], "", { payload: "x" }, "r=x!"],
  ])("sends and prints with %j", async (words, input, sent, printed) => {
    await using broker = await ScriptedBroker.start(ANSWERING);
    const left = await ask(broker, words, { name, input });
    expect(left.stdoutBytes.toString("latin1")).toBe(printed);
    expect(left).toMatchObject({ status: 0, stderr: "" });
    expect(broker.all("publish")).toMatchObject([sent]);
    const types = broker.received.map(({ type }) => type).filter((type) => type !== "pubrel");
    expect(types).toEqual(["connect", "subscribe", "publish", "disconnect"]);
  });
});

describe("ts-rr", () => {
  const rr = (broker: ScriptedBroker, words: readonly string[]): Program =>
    startOurs("ts-rr", [...broker.words, ...ASK, ...words]);

  it("tells with --latency how long the response took", async () => {
    await using broker = await ScriptedBroker.start(ANSWERING);
    const { status, stdout } = await ask(broker, ["-m", "x", "--latency"]);
    expect(stdout).toMatch(/^x!\nLatency: \d+\.\d{3} ms\n$/);
    expect(status).toBe(0);
  });

  it("prints every packet with -d, and the response between them", async () => {
    await using broker = await ScriptedBroker.start(ANSWERING);
    const { stdout } = await ask(broker, ["-m", "x", "-d"]);
    expect(stdout).toMatch(/^Client me sending CONNECT\n/);
    expect(stdout).toMatch(/Client me received PUBLISH \(.*'r'.*\)\nx!\n/);
    expect(stdout).toMatch(/\nClient me sending DISCONNECT\n$/);
  });

  it("asks as --retain-handling and -R say, and does not take what was retained", async () => {
    await using broker = await ScriptedBroker.start({
      onSubscribe: (peer, packetId) => {
        peer.grant(packetId, [0]);
        peer.publish("r", "stale", { retain: true });
      },
      ...ANSWERING,
    });
    const handled = ["-m", "x", "--retain-handling", "new", "--retain-as-published"];
    expect((await ask(broker, handled)).stdout).toBe("stale\n");
    expect((await ask(broker, ["-m", "x", "-R"])).stdout).toBe("x!\n");
    expect(broker.all("subscribe").map(({ subscriptions }) => subscriptions[0])).toMatchObject([
      { filter: "r", retainHandling: 1, retainAsPublished: true },
      { filter: "r", retainHandling: 2, retainAsPublished: false },
    ]);
  });

  it("ends when the subscription is denied, and publishes nothing", async () => {
    await using broker = await ScriptedBroker.start({
      onSubscribe: (peer, packetId) => peer.grant(packetId, [0x87]),
    });
    const stderr = [
      "Warning: Subscription to 'r' was denied: Not authorized.",
      "All subscription requests were denied.\n",
    ].join("\n");
    const denied = await ask(broker, ["-m", "x"]);
    expect(denied).toMatchObject({ status: 0x87, stdout: "", stderr });
    const compatible = await ask(broker, ["-m", "x", "--compat-exit", "--quiet"]);
    expect(compatible).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(broker.all("publish")).toEqual([]);
  });

  it("ends when the request is refused", async () => {
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => peer.acknowledge(message, 0x87),
    });
    const stderr = "Warning: Publish 1 failed: Not authorized.\n";
    expect(await ask(broker, ["-m", "x", "-q", "1"])).toMatchObject({
      status: 0x87,
      stderr,
    });
    const compatible = await ask(broker, ["-m", "x", "-q", "1", "--compat-exit"]);
    expect(compatible).toMatchObject({ status: 0, stderr });
  });

  it("does not ask again when the connection is lost", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: (peer) => peer.hangUp() });
    const stderr = "Error: The connection was lost.\n";
    expect(await ask(broker, ["-m", "x"])).toMatchObject({ status: 7, stderr });
    expect(broker.peers).toHaveLength(1);
  });

  it("exits with 27 after -W, with 255 when the broker has not answered by then", async () => {
    await using silent = await ScriptedBroker.start();
    await using mute = await ScriptedBroker.start({ onConnect: () => undefined });
    const [late, early] = await Promise.all(
      [silent, mute].map((broker) => ask(broker, ["-m", "x", "-W", "1"])),
    );
    expect(late).toMatchObject({ status: 27, stderr: "Timed out\n" });
    expect(silent.received.at(-1)).toMatchObject({ type: "disconnect", reasonCode: 4 });
    expect(early).toMatchObject({ status: 255, stderr: "" });
  });

  it.each(["SIGINT", "SIGTERM"] as const)("disconnects and exits with 0 at %s", async (signal) => {
    await using broker = await ScriptedBroker.start();
    const program = rr(broker, ["-m", "x"]);
    await broker.until("publish");
    program.signal(signal);
    expect(await program.untilExit()).toEqual({ status: 0, signal: null });
    const [disconnect] = await broker.until("disconnect");
    expect(disconnect?.reasonCode).toBe(4);
  });

  it.each([
    [["-f", "nothing"], /^Error: Unable to open file "nothing"\./],
    [["-f", "."], /^Error: .*directory/i],
    [["-s"], /^Error: /],
  ])("refuses to send %j before it connects", async (words, sentence) => {
    await using broker = await ScriptedBroker.start();
    const { status, stdout, stderr } = await ask(broker, words);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(sentence);
    expect(broker.received).toEqual([]);
  });

  it("speaks of itself as what it was called", async () => {
    const hint = (name: string): string => `\nUse '${name} --help' to see usage.\n`;
    const sentence = "Error: All of topic, message, and response topic must be supplied.\n";
    expect(await run("ts-rr", [])).toMatchObject({ status: 1, stderr: sentence + hint("ts-rr") });
    const pub = await run("ts-pub", ["-e", "r"]);
    expect(pub).toMatchObject({ status: 1, stderr: sentence + hint("ts-rr") });
    expect((await run("ts-rr", ["--help"])).stdout).toMatch(/^Usage: ts-rr -t TOPIC -e /);
    expect((await run("ts-rr", ["--version"])).stdout).toMatch(/^ts-rr version \d/);
  });

  it("says why it cannot connect", async () => {
    const words = ["-h", "127.0.0.1", "-p", `${await freePort()}`, ...ASK, "-n"];
    const stderr = "Error: Connection refused\n";
    expect(await run("ts-rr", words)).toMatchObject({ status: 1, stderr });
  });

  it("exits with the code of CONNACK", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: (peer) => peer.accept(0x87) });
    const stderr = "Connection error: Not authorized\n";
    const words = [...broker.words, ...ASK, "-n"];
    expect(await run("ts-rr", words)).toMatchObject({ status: 0x87, stderr });
  });

  it.runIf(existsSync("/dev/full"))("says when it cannot write, and exits with 1", async () => {
    await using broker = await ScriptedBroker.start(ANSWERING);
    const words = [process.execPath, ourProgram("ts-rr"), ...broker.words, ...ASK, "-n"];
    const left = await outcome(start("sh", ["-c", 'exec "$0" "$@" >/dev/full', ...words]));
    const stderr = "Error: Unable to write to stdout: No space left on device.\n";
    expect(left).toMatchObject({ status: 1, stderr });
  });

  it("ends quietly when the reader has gone", async () => {
    await using broker = await ScriptedBroker.start(ANSWERING);
    const program = startOurs("ts-rr", [...broker.words, ...ASK, "-n"]);
    program.closeOutput();
    expect(await program.untilExit()).toEqual({ status: 0, signal: null });
    expect(program.stderr).toBe("");
  });
});

function run(name: "ts-rr" | "ts-pub", words: readonly string[]): Promise<Outcome> {
  return runOurs(name, words);
}
