/**
 * ts-pub beside mosquitto_pub: the same words bring the same messages to a subscriber, and the same
 * lines to the terminal; and across a restart of the broker ours lose nothing.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import { runOurs } from "../support/in-process.ts";
import { hasMosquitto, mosquittoPub } from "../support/peers.ts";
import {
  type Outcome,
  outcome,
  type RunningBroker,
  start,
  startMosquitto,
  startOurs,
} from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

/** Those among the words below. */
const FILES = ["file", "empty"];

describe.skipIf(!hasMosquitto)("beside mosquitto_pub, ts-pub", () => {
  let broker: RunningBroker;
  let directory: string;

  beforeAll(async () => {
    broker = await startMosquitto();
    directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    writeFileSync(join(directory, "file"), Buffer.from("a\n\0\xff", "latin1"));
    writeFileSync(join(directory, "empty"), "");
  });
  afterAll(async () => {
    await broker?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const v5 = ["-V", "5"];
  it.each<[words: string[], input: string]>([
    [["-m", "hello é"], ""],
    [["-m", "", "-r"], ""],
    [["-m", "x", "-r", "-q", "1"], ""],
    [["-n", "-q", "2", "-r"], ""],
    [["-f", "file", "-q", "1"], ""],
    [["-f", "empty"], ""],
    [["-s", "-q", "2"], "all\nof it"],
    [["-l", "-q", "1"], "one\r\n\ntwo\nlast"],
    [["-l"], "one\ntwo\n"],
    [["-l", "-q", "2"], "no newline"],
    [["-m", "x", "--repeat", "3", "-q", "1", "--repeat-delay", "0.01"], ""],
    [["-m", "x", "-V", "31", "-q", "2"], ""],
    [[...v5, "-m", "x", "-D", "publish", "content-type", "text/plain"], ""],
    [[...v5, "-m", "x", "-D", "publish", "user-property", "k", "v", "-q", "2"], ""],
    [[...v5, "-m", "x", "-D", "publish", "topic-alias", "4", "--repeat", "3"], ""],
    [[...v5, "-m", "x", "-D", "publish", "correlation-data", "cd", "-q", "1", "-r"], ""],
  ])("sends the same with %j", async (words, input) => {
    const client = await connect({ host: "127.0.0.1", port: broker.port, version: 5 });
    const got: unknown[] = [];
    client.on("message", ({ packetId, dup, ...rest }) => got.push(rest));
    const options = { qos: 2 as const, retainAsPublished: true, retainHandling: 2 as const };
    await client.subscribe("p/a", options);
    const theirs = await left(() => run("theirs", words, input));
    await arrived(client, got);
    const from = got.length;
    const ours = await left(() => run("ours", words, input));
    await arrived(client, got);
    await client.disconnect();
    expect(from).toBeGreaterThan(0);
    expect(got.slice(from)).toEqual(got.slice(0, from));
    expect([ours.status, ours.stdout, ours.stderr]).toEqual([
      theirs.status,
      theirs.stdout,
      theirs.stderr,
    ]);
  });

  it.each(["31", "311", "5"])("prints the same with -d, MQTT %s", async (version) => {
    for (const qos of ["0", "1", "2"]) {
      const words = ["-V", version, "-q", qos, "-d", "-m", "hello", "-i", "me"];
      const theirs = await run("theirs", words);
      const ours = await run("ours", words);
      expect(ours.stdout).toBe(theirs.stdout);
    }
  });

  it("says the same of input that cannot be read", async () => {
    for (const words of [["-f", "/no/such/file"], ["-s"]]) {
      const theirs = await run("theirs", words);
      const ours = await run("ours", words);
      expect([ours.status, ours.stderr]).toEqual([theirs.status, theirs.stderr]);
    }
  });

  it("loses no line of QoS 1 or 2 while the broker restarts", async () => {
    // Started by root it would give its rights up, and could then not write to our directory.
    const conf = ["persistence true", `persistence_location ${directory}/`, "user root"];
    const first = await startMosquitto({ conf });
    const { port } = first;
    const session = { clientId: "keeper", version: 4 as const, cleanStart: false };
    const keeper = await connect({ host: "127.0.0.1", port, ...session });
    const got = new Set<string>();
    keeper.on("message", ({ payload }) => got.add(payload.toString()));
    await keeper.subscribe("p/a", { qos: 2 });
    const publishers = ["1", "2"].map((qos) => {
      const words = ["-h", "127.0.0.1", "-p", `${port}`, "-t", "p/a", "-l", "-q", qos, "--summary"];
      return startOurs("ts-pub", words);
    });
    const feed = (from: number, to: number) => {
      for (const [which, program] of publishers.entries()) {
        for (let i = from; i <= to; i++) program.write(`${which} ${i}\n`);
      }
    };
    feed(1, 20);
    await waitFor("both publish", () => got.has("0 1") && got.has("1 1"));
    await first.stop();
    feed(21, 40);
    await using second = await startMosquitto({ conf, port });
    feed(41, 60);
    for (const program of publishers) {
      const { status, stderr } = await outcome(program);
      expect(stderr).toMatch(/^60 sent, 60 acknowledged, 0 failed in /);
      expect(status).toBe(0);
    }
    const lines = [0, 1].flatMap((which) =>
      Array.from({ length: 60 }, (_, i) => `${which} ${i + 1}`),
    );
    const missing = () => lines.filter((line) => !got.has(line));
    await waitFor(
      () => `every line arrives; missing: ${missing()}`,
      () => missing().length === 0,
    );
    await keeper.disconnect();
    await second.stop();
  });

  /** Runs a publisher, until the broker has seen it leave: it has read by then all that it sent. */
  async function left(publisher: () => Promise<Outcome>): Promise<Outcome> {
    const count = () => broker.program.stderr.match(/ disconnected| closed its/g)?.length ?? 0;
    const before = count();
    const ended = await publisher();
    await waitFor("the broker has seen it leave", () => count() > before);
    return ended;
  }

  function run(whose: "theirs" | "ours", words: readonly string[], input = ""): Promise<Outcome> {
    const place = ["-h", "127.0.0.1", "-p", `${broker.port}`, "-t", "p/a"];
    const all = [...place, ...words.map((it) => (FILES.includes(it) ? join(directory, it) : it))];
    if (whose === "theirs") return outcome(start(mosquittoPub, all), { input });
    return runOurs("ts-pub", all, input);
  }
});

/** Resolves when what was published before this call has come: a message of our own comes last. */
async function arrived(client: Awaited<ReturnType<typeof connect>>, got: unknown[]): Promise<void> {
  await client.publish("p/a", "mark", { qos: 2 });
  const isMark = (one: unknown) => String((one as { payload: Buffer }).payload) === "mark";
  await waitFor("the mark comes", () => isMark(got.at(-1)));
  got.pop();
}
