/**
 * ts-pub -l as a process, where it keeps its word or says that it could not: bytes, windows,
 * brokers that stay away, signals, and messages that are refused.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import type { Qos } from "../../src/core/codec/packets.ts";
import { runOurs } from "../support/in-process.ts";
import { hasMosquitto, mosquittoPub } from "../support/peers.ts";
import {
  type Outcome,
  ourProgram,
  outcome,
  type Program,
  type RunningBroker,
  start,
  startMosquitto,
  startOurs,
} from "../support/programs.ts";
import { PublishSink } from "../support/publish-sink.ts";
import { packet } from "../support/raw-packets.ts";
import { Relay } from "../support/relay.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Script, ScriptedBroker } from "./scripted-broker.ts";
import { stands } from "./standstill.ts";

describe.skipIf(!hasMosquitto)("beside mosquitto_pub, ts-pub -l", () => {
  let broker: RunningBroker;
  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker?.[Symbol.asyncDispose]());

  it.each([
    ["lines that end in CR LF", "one\r\ntwo\r\n"],
    ["empty lines", "\n\none\n\n\r\n"],
    ["no newline at the end", "one\ntwo"],
    ["nothing but a newline", "\n"],
    ["bytes that are no UTF-8", "\xff\xfe\n\xc3\n"],
    ["a line of 5 MB between short ones", `a\n${"0123456789".repeat(500_000)}\nb\n`],
  ])("sends the same for %s", async (_title, text) => {
    const input = Buffer.from(text, "latin1");
    const client = await connect({ host: "127.0.0.1", port: broker.port });
    const got: Buffer[] = [];
    client.on("message", ({ payload }) => got.push(payload));
    await client.subscribe("bytes", { qos: 1 });
    const words = ["-h", "127.0.0.1", "-p", `${broker.port}`, "-t", "bytes", "-l", "-q", "1"];
    const sentBy = async (run: Promise<Outcome>): Promise<Buffer[]> => {
      expect(await run).toMatchObject({ status: 0, stderr: "" });
      await client.publish("bytes", "end", { qos: 1 });
      await waitFor("the last one comes", () => got.at(-1)?.toString() === "end");
      return got.splice(0).slice(0, -1);
    };
    const theirs = await sentBy(outcome(start(mosquittoPub, words), { input }));
    const ours = await sentBy(runOurs("ts-pub", words, input));
    expect(theirs.length).toBeGreaterThan(0);
    expect(ours.length).toBe(theirs.length);
    expect(ours.every((payload, i) => payload.equals(theirs[i]!))).toBe(true);
    await client.disconnect();
  });
});

describe.concurrent("ts-pub -l", () => {
  it("sends NUL bytes, at which mosquitto_pub ends a line", async () => {
    await using broker = await ScriptedBroker.start();
    const result = await pub([...broker.words, "-q", "2"], "\0\n\0a\0\nb\0");
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(payloads(broker)).toEqual(["\0", "\0a\0", "b\0"]);
  });

  it("has no more under way than the broker's Receive Maximum", async () => {
    await using sink = await PublishSink.start(undefined, packet(0x20, "00 00 03 21 0007"));
    await windowOf(sink, ["-V", "5", "-i", "me"], 7);
  });

  it.each([
    [["-M", "3"], 3],
    [["-V", "5", "-i", "me", "-M", "3"], 3],
    [[], 20],
  ])("has no more under way than %j says", async (words, count) => {
    const isV5 = words.includes("5");
    await using sink = await PublishSink.start(undefined, packet(0x20, isV5 ? "000000" : "0000"));
    await windowOf(sink, words, count);
  });

  it("says what it waits for when the broker stays away, and counts what failed", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: () => undefined });
    await using relay = await Relay.start(broker.port);
    const words = ["-h", "127.0.0.1", "-p", `${relay.port}`, "-q", "1", "--summary"];
    await using program = lines(words);
    program.endInput("one\ntwo\n");
    await broker.until("publish", 2);
    relay.isDown = true;
    relay.cut();
    const warning =
      "Warning: No connection (The connection was lost): trying until the broker is back.\n";
    await program.untilError(warning);
    expect(program.stderr).toBe(warning);
    program.signal("SIGTERM");
    expect((await program.untilExit()).status).toBe(143);
    expect(program.stderr.slice(warning.length)).toMatch(/^0 sent, 0 acknowledged, 2 failed in /);
  });

  it("ends when a broker that came back does not want it any more", async () => {
    const codes = [0, 0x87];
    await using broker = await ScriptedBroker.start({
      onConnect: (peer) => peer.accept(codes.shift()),
      onPublish: (peer) => peer.hangUp(),
    });
    const words = [...broker.words, "-V", "5", "-i", "me", "-q", "1", "--summary"];
    const { status, stderr } = await pub(words, "one\ntwo\nthree\n");
    expect(status).toBe(0x87);
    const said = "Connection error: Not authorized\nError: The connection was refused.\n";
    expect(stderr.slice(0, said.length)).toBe(said);
    expect(stderr.slice(said.length)).toMatch(/^0 sent, 0 acknowledged, 3 failed in [^\n]+\n$/);
  });

  it("exits with 7 when lines of QoS 0 were lost with their connection", async () => {
    await using sink = await PublishSink.start();
    sink.pausesAfter = 1;
    await using program = lines([...sink.words, "--summary"]);
    const line = `${"x".repeat(9_999)}\n`;
    program.write(line.repeat(5_000));
    // A program that is still loading does not read either, and has nothing to lose.
    await waitFor("the first line comes", () => sink.messages > 0);
    await waitFor(
      "it is stuck",
      stands(() => program.inputWaiting),
    );
    await sink[Symbol.asyncDispose]();
    // A signal that comes first would be the reason why the lines are lost.
    await program.untilError("lost");
    program.signal("SIGINT");
    expect((await program.untilExit()).status).toBe(7);
    expect(program.stderr).toMatch(/^Error: The connection was lost\.\n/);
    const [sent, failed] = /(\d+) sent, 0 acknowledged, (\d+) failed/
      .exec(program.stderr)!
      .slice(1)
      .map(Number) as [number, number];
    expect(sent).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(0);
    expect(sent + failed).toBeLessThanOrEqual(5_000);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("sends a goodbye with its will at %s, and a summary", async (signal, status) => {
    const answered: number[] = [];
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => {
        if (answered.push(message.packetId) <= 2) peer.acknowledge(message);
      },
    });
    const words = [...broker.words, "-V", "5", "-i", "me", "-q", "1", "-M", "1", "--summary"];
    await using program = lines(words);
    program.write("one\ntwo\nthree\n");
    await broker.until("publish", 3);
    program.signal(signal);
    expect((await program.untilExit()).status).toBe(status);
    expect(program.stderr).toMatch(/^2 sent, 2 acknowledged, 1 failed in /);
    const [goodbye] = await broker.until("disconnect");
    expect(goodbye).toMatchObject({ reasonCode: 0x04 });
  });

  it("takes its session of QoS 2 away, whether all arrived or not (MQTT 3.1.1)", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: () => undefined });
    await using program = lines([...broker.words, "-q", "2"]);
    program.write("one\n");
    await broker.until("publish");
    program.signal("SIGTERM");
    expect((await program.untilExit()).status).toBe(143);
    const [first, second, ...more] = broker.all("connect");
    expect(first?.cleanStart).toBe(false);
    expect(second).toMatchObject({ cleanStart: true, clientId: first?.clientId });
    expect(more).toEqual([]);
  });

  it("ends quietly without input, and without a reader of its summary", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "a", "-l", "--summary"].join(" ");
    const program = ourProgram("ts-pub");
    const shell = start("sh", ["-c", `"$0" "$1" ${words} <&- 2>&-`, process.execPath, program]);
    expect(await outcome(shell)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });
});

const REFUSALS: [version: "311" | "5", qos: Qos, code: number, words: string][] = [
  ["5", 1, 0x87, "Not authorized"],
  ["5", 2, 0x87, "Not authorized"],
  ["5", 1, 0x97, "Quota exceeded"],
  ["5", 2, 0x99, "Payload format invalid"],
];

describe.concurrent("denied is not delivered", () => {
  it.each(REFUSALS)("MQTT %s, QoS %i, code %i", async (version, qos, code, text) => {
    await using broker = await ScriptedBroker.start(refusing("two", code));
    const words = [...broker.words, "-V", version, "-i", "me", "-q", `${qos}`, "--summary"];
    const said = `Warning: Publish 2 failed: ${text}.\n`;
    const summary = /2 sent, 2 acknowledged, 1 failed in [^\n]+\n$/;
    const plain = await pub(words, "one\ntwo\nthree\n");
    expect(plain.status).toBe(code);
    expect(plain.stderr.replace(summary, "")).toBe(said);
    const compat = await pub([...words, "--compat-exit"], "one\ntwo\nthree\n");
    expect(compat.status).toBe(0);
    expect(compat.stderr.replace(summary, "")).toBe(said);
    const quiet = await pub([...words, "--quiet"], "one\ntwo\nthree\n");
    expect(quiet.status).toBe(code);
    expect(quiet.stderr.replace(summary, "")).toBe("");
    expect(quiet.stderr).toMatch(summary);
  });

  it.each([1, 2] as const)("is no answer of MQTT 3.1.1, QoS %i", async (qos) => {
    await using broker = await ScriptedBroker.start(refusing("two", 0x87));
    const words = [...broker.words, "-q", `${qos}`, "-M", "1", "--summary"];
    const { status, stderr } = await pub(words, "one\ntwo\nthree\n");
    expect(status).toBe(2);
    expect(stderr).toMatch(/^Error: A network protocol error occurred when communicating with/);
    expect(stderr).toMatch(/\n1 sent, 1 acknowledged, 2 failed in /);
  });

  it.each([
    ["311", 0x80, ""],
    ["5", 0x87, ": Not authorized"],
    ["5", 0x80, ": Unspecified error"],
  ])("SUBACK, MQTT %s, code %i", async (v, code, why) => {
    await using broker = await ScriptedBroker.start({
      onSubscribe: (peer, packetId, filters) => {
        peer.grant(
          packetId,
          filters.map((filter) => (filter === "no" ? code : 0)),
        );
        if (filters.length > 1) peer.publish("yes", "x");
      },
    });
    const run = (...words: string[]) =>
      runOurs("ts-sub", [...broker.words, "-V", v, "-i", "me", ...words]);
    const warning = `Warning: Subscription to 'no' was denied${why}.\n`;
    const all = `${warning}All subscription requests were denied.\n`;
    expect(await run("-t", "no")).toMatchObject({ status: code, stderr: all, stdout: "" });
    expect(await run("-t", "no", "--compat-exit")).toMatchObject({ status: 0, stderr: all });
    expect(await run("-t", "no", "--quiet")).toMatchObject({ status: code, stderr: "" });
    const some = ["-t", "no", "-t", "yes", "-C", "1"];
    expect(await run(...some)).toMatchObject({ status: code, stderr: warning, stdout: "x\n" });
    expect(await run(...some, "--compat-exit")).toMatchObject({ status: 0, stderr: warning });
  });
});

const LINES = ["-t", "a", "-l"];

function lines(words: readonly string[]): Program {
  return startOurs("ts-pub", [...LINES, ...words]);
}

function pub(words: readonly string[], input: string): Promise<Outcome> {
  return runOurs("ts-pub", [...LINES, ...words], input);
}

/** Feeds forty lines to see how many are under way at once, and that all arrive. */
async function windowOf(sink: PublishSink, words: readonly string[], count: number) {
  sink.answers = false;
  await using program = lines([...sink.words, ...words, "-q", "1"]);
  program.endInput("x\n".repeat(40));
  await waitFor("the window is full", () => sink.messages === count);
  while (sink.messages < 40) {
    const before = sink.messages;
    sink.acknowledge(1);
    await waitFor("the next one comes", () => sink.messages > before);
  }
  sink.answers = true;
  sink.acknowledge(count);
  expect((await program.untilExit()).status).toBe(0);
  expect(sink.unacknowledgedMax).toBe(count);
}

function refusing(payload: string, code: number): Script {
  return {
    onPublish: (peer, message) => peer.acknowledge(message, message.payload === payload ? code : 0),
  };
}

function payloads(broker: ScriptedBroker): string[] {
  return broker.all("publish").map(({ payload }) => payload);
}
