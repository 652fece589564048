/**
 * Messages as lines of JSON between processes: ts-sub --ndjson into ts-pub --ndjson copies topics,
 * bytes and properties exactly; lines that are no messages are told and passed over; --replay.
 *
 * Replay a failure with SEED=n.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Client, connect, type Properties } from "../../src/client/client.ts";
import type { Qos } from "../../src/core/codec/packets.ts";
import { runOurs } from "../support/in-process.ts";
import { type OurBroker, ourBroker } from "../support/our-broker.ts";
import { hasMosquitto, mosquittoSub } from "../support/peers.ts";
import {
  ourProgram,
  outcome,
  type Program,
  start,
  startBroker,
  startMosquitto,
  startOurs,
} from "../support/programs.ts";
import { replayable, seed } from "../support/seeds.ts";
import { waitFor } from "../support/wait-for.ts";
import { ScriptedBroker } from "./scripted-broker.ts";
import { stands } from "./standstill.ts";

interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
}

const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter((it) => !it.includes("\0"));
const level = text.map((it) => it.replace(/[+#]/g, "_"));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((it) => Buffer.from(it)),
  fc.string({ unit: "binary", maxLength: 60 }).map((it) => Buffer.from(it)),
  fc.constantFrom(Buffer.alloc(0), Buffer.alloc(50_000, 0xc3), Buffer.from("\ufeff\0\r\n\u2028")),
);
const properties: fc.Arbitrary<Properties> = fc.record(
  {
    payloadFormatIndicator: fc.constant(0 as const),
    contentType: text,
    responseTopic: level.map((it) => `answer/${it}`),
    correlationData: bytes.map((it) => it.subarray(0, 1000)),
    userProperties: fc.array(
      fc.tuple(fc.oneof(text, fc.constantFrom("__proto__", "k", "1")), text),
      { minLength: 1, maxLength: 6 },
    ),
  },
  { requiredKeys: [] },
);
const message = fc.record({
  topic: level,
  payload: bytes,
  qos: fc.constantFrom<Qos>(0, 1, 2),
  retain: fc.boolean(),
  properties,
});

const COUNT = 150;

describe.concurrent("ts-sub --ndjson into ts-pub --ndjson", () => {
  const sources = [
    { name: "ts-broker", launch: startBroker, isHere: true },
    { name: "mosquitto", launch: startMosquitto, isHere: hasMosquitto },
  ];
  it.each(sources.filter(({ isHere }) => isHere))("copies what $name has, exactly", ({ launch }) =>
    replayable(seed(), async (number) => {
      await using from = await launch({ conf: ["max_queued_messages 0", "log_type all"] });
      await using to = await ourBroker("max_queued_messages 0");
      const sample = fc.sample(message, { seed: number, numRuns: COUNT });
      // Numbered, for messages of different QoS may overtake each other in a broker.
      const messages = sample.map((it, i) => ({ ...it, topic: `copy/${i}/${it.topic}` }));
      const target = await Receiver.start(to);
      const copy = startCopy(from, to);
      const source = await connect({ host: "127.0.0.1", port: from.port });
      await from.program.untilError("Sending SUBACK to ");
      for (const { topic, payload, ...options } of messages) {
        await source.publish(topic, payload, options);
      }
      await target.has(COUNT);
      const { status, stderr } = await outcome(copy);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(target.inOrder()).toEqual(messages);
      await source.disconnect();
      await target.client.disconnect();
    }),
  );

  it("keeps the seconds that a message has left", async () => {
    await using broker = await ScriptedBroker.start();
    const line = '{"topic":"t","payload":"x","properties":{"message-expiry-interval":4294967295}}';
    const words = [...broker.words, "-i", "me", "--ndjson", "-d"];
    const { status, stdout } = await runOurs("ts-pub", words, line);
    expect(status).toBe(0);
    expect(stdout).toContain("'t', ... (1 bytes)");
    await using real = await ourBroker();
    const target = await Receiver.start(real);
    await runOurs("ts-pub", ["-h", "127.0.0.1", "-p", `${real.port}`, "--ndjson"], line);
    await target.has(1);
    expect(target.got[0]?.properties.messageExpiryInterval).toBeGreaterThan(4_294_967_000);
    await target.client.disconnect();
  });

  it.skipIf(!hasMosquitto)("takes what mosquitto_sub -F %j prints", async () => {
    await using broker = await startMosquitto({ conf: ["log_type all"] });
    const where = ["-h", "127.0.0.1", "-p", `${broker.port}`];
    const theirs = start(mosquittoSub, [...where, "-V", "5", "-t", "j/#", "-C", "1", "-F", "%j"]);
    const source = await connect({ host: "127.0.0.1", port: broker.port });
    await broker.program.untilError("Sending SUBACK to ");
    const userProperties: [string, string][] = [
      ["k", "v"],
      ["k", "w"],
    ];
    const correlationData = Buffer.from("d");
    const properties = { contentType: "c", correlationData, userProperties };
    await source.publish("j/ü", '"q"\t', { qos: 0, properties });
    const { stdout: line } = await outcome(theirs);
    expect(line).toContain('"correlation-data":"d"');
    await using to = await ourBroker();
    const target = await Receiver.start(to);
    const words = ["-h", "127.0.0.1", "-p", `${to.port}`, "--ndjson"];
    expect(await runOurs("ts-pub", words, line)).toMatchObject({ status: 0, stderr: "" });
    await target.has(1);
    const payload = Buffer.from('"q"\t');
    expect(target.got).toEqual([{ topic: "j/ü", payload, qos: 0, retain: false, properties }]);
    await source.disconnect();
    await target.client.disconnect();
  });
});

describe.concurrent("ts-pub --ndjson", () => {
  it("tells each line that is no message by its number, and sends the others", async () => {
    await using broker = await ScriptedBroker.start();
    const input = Buffer.concat([
      Buffer.from('{"payload":"one"}\n'),
      Buffer.from("{\n\n"),
      Buffer.from([0x7b, 0x22, 0xff, 0x0a]),
      Buffer.from('{"payload":"two","topic":"b","qos":1}\r\n'),
      Buffer.from('{"payload":"","topic":"b/#"}\n'),
      Buffer.from('{"payload":"","properties":{"message-expiry-interval":-1}}\n'),
      Buffer.from(`{"payload":"","topic":"${"t".repeat(70_000)}"}\n`),
      Buffer.from('{"payload":{"n":12345678901234567890},"qos":2,"retain":true}'),
    ]);
    const words = [...broker.words, "-i", "me", "-t", "a", "--ndjson", "--summary"];
    const { status, stderr } = await runOurs("ts-pub", words, input);
    expect(status).toBe(1);
    const said = stderr.split("\n").map((it) => it.slice(0, 60));
    expect(said.slice(0, 5)).toEqual([
      "Error: Line 2: it is not JSON.",
      "Error: Line 4: it is not UTF-8.",
      "Error: Line 6: 'b/#' is not a topic name.",
      expect.stringMatching(/^Error: Line 7: .*[^.]/),
      expect.stringMatching(/^Error: Line 8: 'ttt/),
    ]);
    expect(said[5]).toMatch(/^3 sent, 2 acknowledged, 5 failed in /);
    expect(stderr.length).toBeLessThan(1000);
    expect(broker.all("publish")).toMatchObject([
      { topic: "a", payload: "one", qos: 0, retain: false },
      { topic: "b", payload: "two", qos: 1, retain: false },
      { topic: "a", payload: '{"n":12345678901234567890}', qos: 2, retain: true },
    ]);
  });

  it("says that properties need MQTT 5.0, where an option asks for an older one", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "--ndjson", "-V", "311"];
    const input =
      '{"topic":"t","payload":"x"}\n{"topic":"t","payload":"","properties":{"content-type":"c"}}';
    const { status, stderr } = await runOurs("ts-pub", words, input);
    expect(status).toBe(1);
    expect(stderr).toBe("Error: Line 2: properties need MQTT 5.0.\n");
    expect(broker.all("publish")).toHaveLength(1);
  });

  it("has a session that outlives a connection, for lines of QoS 2 (MQTT 3.1.1)", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "--ndjson", "-V", "311"];
    const input = '{"topic":"t","payload":"x","qos":2}';
    const { status, stderr } = await runOurs("ts-pub", words, input);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(broker.all("connect").map(({ cleanStart }) => cleanStart)).toEqual([false, true]);
  });
});

describe.concurrent("ts-pub --replay", () => {
  const recorded = (second: number, payload: string) =>
    `{"tst":"2026-11-22T17:43:0${second}.000000+0000","topic":"t","payload":"${payload}"}\n`;

  it("sends the first at once, and the next when it is due", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-i", "me", "--ndjson", "--replay", "--speed"];
    const input = recorded(0, "one") + recorded(9, "two");
    const fast = await runOurs("ts-pub", [...words, "100"], input);
    expect(fast).toMatchObject({ status: 0, stderr: "" });
    expect(broker.all("publish").map(({ payload }) => payload)).toEqual(["one", "two"]);

    const slow = startOurs("ts-pub", [...words, "1e-9", "--summary"]);
    slow.endInput(input);
    await broker.until("publish", 3);
    slow.signal("SIGINT");
    expect((await slow.untilExit()).status).toBe(130);
    expect(slow.stderr).toMatch(/^1 sent, 0 acknowledged, 1 failed in /);
    expect(broker.all("publish")).toHaveLength(3);
  });

  it("sends a line without a time behind the one before, and says so", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-i", "me", "--ndjson", "--replay"];
    const input = `${recorded(0, "one")}{"topic":"t","payload":"two"}\n`;
    const { status, stderr } = await runOurs("ts-pub", words, input);
    expect(status).toBe(0);
    expect(stderr).toBe("Warning: Line 2 has no time (tst): it is sent at once.\n");
    expect(broker.all("publish")).toHaveLength(2);
  });

  it("holds its input up while the next is not due", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-i", "me", "--ndjson", "--replay", "--speed", "1e-9"];
    await using program = startOurs("ts-pub", words);
    for (let i = 0; i < 100; i++) program.write(recorded(i % 10, "x".repeat(65_536)));
    await broker.until("publish");
    await waitFor(
      "the input is stuck",
      stands(() => program.inputWaiting),
    );
    expect(program.inputWaiting).toBeGreaterThan(50 * 65_536);
  });

  it.each(["0", "-1", "x", "1e999", "NaN", ""])("has no speed %j", async (speed) => {
    const words = ["-t", "a", "--ndjson", "--replay", "--speed", speed];
    const { status, stderr } = await runOurs("ts-pub", words);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Error: --speed argument must be >0\.\n/);
  });
});

/** What arrives at a broker. */
class Receiver {
  readonly got: Message[] = [];
  readonly client: Client;

  private constructor(client: Client) {
    this.client = client;
    client.on("message", ({ packetId: _id, dup: _dup, ...rest }) => this.got.push(rest));
  }

  static async start({ port }: OurBroker): Promise<Receiver> {
    const receiver = new Receiver(await connect({ host: "127.0.0.1", port }));
    await receiver.client.subscribe("#", { qos: 2, retainAsPublished: true });
    return receiver;
  }

  async has(count: number): Promise<void> {
    await waitFor(
      () => `${count} messages arrive; ${this.got.length} have`,
      () => this.got.length >= count,
    );
  }

  /** By the numbers in their topics. */
  inOrder(): Message[] {
    const number = ({ topic }: Message) => Number(topic.split("/")[1]);
    return [...this.got].sort((one, other) => number(one) - number(other));
  }
}

/** The two programs with a pipe between them. */
function startCopy(from: { readonly port: number }, to: OurBroker): Program {
  const sub = `-p ${from.port} -t 'copy/#' -q 2 --retain-as-published --ndjson -C ${COUNT}`;
  const line = `"$0" "$1" -h 127.0.0.1 ${sub} | "$0" "$2" -h 127.0.0.1 -p ${to.port} --ndjson`;
  return start("sh", ["-c", line, process.execPath, ourProgram("ts-sub"), ourProgram("ts-pub")]);
}
