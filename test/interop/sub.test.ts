/**
 * ts-sub beside mosquitto_sub: the same words, the same messages, the same bytes.
 *
 * Goal: whoever parses mosquitto_sub's output parses ours. Method: both subscribe to one mosquitto
 * with random formats and get random messages; what they print is compared byte for byte. What 2.1
 * changed since the 2.0.11 that is the peer here is brought to one form first, and what is the time
 * by shape. Replay a failure with SEED=n.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, connect } from "../../src/client/client.ts";
import { Prng } from "../../src/core/base/prng.ts";
import type { Qos } from "../../src/core/codec/packets.ts";
import type { Properties } from "../../src/core/codec/properties.ts";
import { type EndedExactly, runHere, runHereExactly } from "../support/in-process.ts";
import { hasMosquitto, mosquittoSub } from "../support/peers.ts";
import {
  type Outcome,
  outcome,
  type Program,
  type RunningBroker,
  start,
  startMosquitto,
} from "../support/programs.ts";
import { seeds } from "../support/seeds.ts";
import { waitFor } from "../support/wait-for.ts";

const MESSAGES = 40;
const FORMATS = 4;
/** Stands behind each message, which may have newlines of its own. */
const END = "<END>";

interface Sent {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly properties?: Properties;
}

describe.skipIf(!hasMosquitto)("beside mosquitto_sub, ts-sub prints the same", () => {
  let broker: RunningBroker;
  let client: Client;

  beforeAll(async () => {
    broker = await startMosquitto({ conf: ["log_type subscribe", "max_queued_messages 0"] });
    client = await connect({ host: "127.0.0.1", port: broker.port, version: 5 });
  });
  afterAll(async () => {
    await client?.disconnect();
    await broker?.[Symbol.asyncDispose]();
  });

  describe.each(seeds(3))("for random messages, seed %i", (seed) => {
    it("in any format", async () => {
      const prng = new Prng(seed);
      const formats = Array.from({ length: FORMATS }, () => anyFormat(prng));
      const qos = anyQos(prng);
      const messages = Array.from({ length: MESSAGES }, () => ({
        ...anyMessage(prng, anyBytes(prng)),
        qos,
      }));
      await compare(formats, [], messages);
    });

    it("as JSON", async () => {
      const prng = new Prng(seed);
      const pretty = prng.chance(0.5) ? ["--pretty"] : [];
      const qos = anyQos(prng);
      const messages = Array.from({ length: MESSAGES }, () => ({
        ...anyMessage(prng, Buffer.from(mutated(prng, anyJson(prng, 0)))),
        qos,
      }));
      await compare(["%J", "%j"], pretty, messages);
    });
  });

  it("of every conversion of @", async () => {
    const letters = [..."aAbBcCdDeFgGhHIjklmMnopPqrRStTuUVwWxXyYz@EO0123456789!é"];
    const format = letters.map((letter) => `@${letter}`).join("|");
    // The time is the same second for both in one of a few attempts.
    await waitFor("both print in one second", async () => {
      const printed = await both(["-F", format, "-C", "1"], [{ topic: "d/a", payload: text("x") }]);
      return printed.theirs.stdout === printed.ours.stdout;
    });
  });

  it.each([["%I"], ["%30I|"], ["%-30I|"], ["%.4I"], ["%U"], ["@N"], ["@s.@N"]])(
    "in the shape of %s",
    async (format) => {
      const sent = [{ topic: "d/a", payload: text("x") }];
      const { theirs, ours } = await both(["-F", format, "-C", "1"], sent);
      const shape = (printed: string) => printed.replace(/\d/g, "9");
      expect(shape(ours.stdout)).toBe(shape(theirs.stdout));
    },
  );

  it.each([[[]], [["-v"]], [["-N"]], [["-v", "-N"]], [["-V", "5", "-v"]], [["-V", "31", "-v"]]])(
    "with %j",
    async (words) => {
      const prng = new Prng(1);
      const messages = Array.from({ length: 20 }, () => anyMessage(prng, anyBytes(prng)));
      const { theirs, ours } = await both([...words, "-C", "20"], messages);
      expect(ours.stdoutBytes.toString("latin1")).toBe(theirs.stdoutBytes.toString("latin1"));
      expect({ status: ours.status, stderr: ours.stderr }).toEqual({ status: 0, stderr: "" });
    },
  );

  it.each([
    [["-R", "-C", "1"]],
    [["--retained-only"]],
    [["--retained-only", "-v", "-T", "d/+/x"]],
    [["-T", "d/a/#", "-C", "2", "-v"]],
    [["-E"]],
    [["-U", "x/#", "-C", "3", "-v"]],
    [["-F", "%t %r", "-C", "3"]],
  ])("of retained messages with %j, and with the same status", async (words) => {
    const retained = ["d/a", "d/b/x", "d/c"];
    for (const topic of retained) await client.publish(topic, "old", { retain: true, qos: 1 });
    const live = [{ topic: "d/a", payload: text("new") }];
    const { theirs, ours } = await both(words, live);
    for (const topic of retained) await client.publish(topic, "", { retain: true, qos: 1 });
    const lines = (it: { readonly stdout: string }) => it.stdout.split("\n").sort();
    expect(lines(ours)).toEqual(lines(theirs));
    expect([ours.status, ours.stderr]).toEqual([theirs.status, theirs.stderr]);
  });

  it.each(["31", "311", "5"])(
    "with -d, but for its place of acknowledgements, MQTT %s",
    async (v) => {
      const messages = [0, 1, 2].map((qos) => ({
        topic: "d/a",
        payload: text("hello"),
        qos: qos as Qos,
      }));
      const { theirs, ours } = await both(["-V", v, "-d", "-C", "3", "-v", "-U", "x"], messages);
      // We acknowledge what standard output has taken, so that the line comes a little later. The
      // third message may end either program before its UNSUBACK has come.
      const lines = (text: string) =>
        unnamed(text)
          .filter((line) => !line.endsWith("received UNSUBACK"))
          .sort();
      expect(lines(ours.stdout)).toEqual(lines(theirs.stdout));
    },
  );

  it("of words that cannot be", async () => {
    for (const format of ["%", "%z", "%-", "%.5", "\\q", "\\", "@", "% l"]) {
      const words = ["-p", `${broker.port}`, "-t", "d/#", "-F", format];
      const theirs = await outcome(start(mosquittoSub, words));
      const ours = await runHere("ts-sub", words);
      expect([ours.status, ours.stderr]).toEqual([
        theirs.status,
        theirs.stderr.replaceAll("mosquitto_sub", "ts-sub"),
      ]);
    }
  });

  it("when the time of -W is over", async () => {
    const words = ["-p", `${broker.port}`, "-t", "d/#", "-W", "1"];
    const [theirs, ours] = await Promise.all([
      outcome(start(mosquittoSub, words)),
      runHere("ts-sub", words),
    ]);
    expect([ours.status, ours.stderr]).toEqual([theirs.status, theirs.stderr]);
  });

  /** Lets pairs of subscribers print the same messages, and holds them to the same bytes. */
  async function compare(
    formats: readonly string[],
    words: readonly string[],
    messages: readonly Sent[],
  ): Promise<void> {
    const pairs = formats.map((format) => {
      const all = [...words, "-F", `${format}${END}`, "-C", `${messages.length}`, "-V", "5"];
      return pair([...all, "-D", "subscribe", "subscription-identifier", "7"]);
    });
    await untilSubscribed(pairs.length * 2);
    for (const message of messages) await publish(message);
    for (const [i, { theirs, ours }] of pairs.entries()) {
      const their = messagesIn(await outcome(theirs));
      const our = messagesIn(await ours);
      const told = messages.map(({ payload }) => payload.toString("latin1"));
      for (const [at, printed] of their.entries()) {
        expect(our[at], `${formats[i]} of ${told[at]}`).toBe(printed);
      }
      expect(our.length).toBe(their.length);
    }
  }

  async function both(
    words: readonly string[],
    messages: readonly Sent[],
  ): Promise<{ theirs: Outcome; ours: EndedExactly }> {
    const { theirs, ours } = pair(words);
    await untilSubscribed(2);
    for (const message of messages) await publish(message);
    const [their, our] = await Promise.all([outcome(theirs), ours]);
    return { theirs: their, ours: our };
  }

  function pair(words: readonly string[]): { theirs: Program; ours: Promise<EndedExactly> } {
    const all = ["-p", `${broker.port}`, "-h", "127.0.0.1", "-q", "1", "-t", "d/#", ...words];
    return { theirs: start(mosquittoSub, all), ours: runHereExactly("ts-sub", all) };
  }

  /** Subscriptions that the broker had logged when somebody last waited for some. */
  let subscribedBefore = 0;
  async function untilSubscribed(count: number): Promise<void> {
    const subscribed = () => broker.program.stderr.match(/ 1 d\/#$/gm)?.length ?? 0;
    subscribedBefore += count;
    await waitFor("all are subscribed", () => subscribed() >= subscribedBefore);
  }

  async function publish({ topic, payload, ...options }: Sent): Promise<void> {
    await client.publish(topic, payload, options);
  }
});

/** What one program printed of each message, what differs between 2.0 and 2.1 in one form. */
function messagesIn({ stdoutBytes }: Pick<EndedExactly, "stdoutBytes">): string[] {
  return stdoutBytes
    .toString("latin1")
    .split(`${END}\n`)
    .map((printed) =>
      printed
        .replace(/("tst":\t?"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z?[+-]\d{4}"/, "TIME")
        .replace(/("retain":\t?)(\w+)/, (_, key, value) => `${key}${["1", "true"].includes(value)}`)
        .replace(/"user-properties":\t?(\{[^}]*\}|\[[^\]]*\])/, (_, pairs: string) =>
          // An object of all, or an array of objects of one each: the members are the same.
          pairs.replace(/\}, ?\{/g, ",").replace(/[[\]{}\s]/g, ""),
        ),
    );
}

/** Lines without the identifiers that each program has of its own. */
function unnamed(stdout: string): string[] {
  return stdout.split("\n").map((line) => line.replace(/^Client \S+/, "Client ID"));
}

function text(of: string): Buffer {
  return Buffer.from(of);
}

function pick<Value>(prng: Prng, values: readonly Value[]): Value {
  return values[prng.between(0, values.length - 1)]!;
}

function anyFormat(prng: Prng): string {
  const pieces = Array.from({ length: prng.between(5, 15) }, () => {
    if (prng.chance(0.1)) return `\\${pick(prng, [..."\\0aenrtv"])}`;
    if (prng.chance(0.1)) return pick(prng, ["é", "x", "@@"]);
    // Not %A: a subscriber that offers no aliases gets none. Not %E: the seconds may differ.
    const letter = pick(prng, [..."ACDFlmPpppqRrSttxxxX%"]);
    const width = prng.chance(0.6) ? prng.between(1, 25) : "";
    // 2.0 has no groups of hexadecimal digits.
    const mayCut = !"xX".includes(letter);
    const precision = mayCut && prng.chance(0.3) ? `.${prng.between(0, 12)}` : "";
    const flags = (prng.chance(0.4) ? "-" : "") + (prng.chance(0.3) ? "0" : "");
    return `[%${flags}${width}${precision}${letter}]`;
  });
  return pieces.join("");
}

function anyBytes(prng: Prng): Buffer {
  const size = pick(prng, [0, 1, 2, 3, 5, 8, 13, 30]);
  const byte = () => (prng.chance(0.7) ? prng.between(32, 126) : prng.between(0, 255));
  return Buffer.from(Array.from({ length: size }, byte));
}

/** One for a whole run: QoS 0 overtakes what waits for the acknowledgement of others. */
function anyQos(prng: Prng): Qos {
  return prng.between(0, 1) as Qos;
}

function anyMessage(prng: Prng, payload: Buffer): Sent {
  const words = () => pick(prng, ["a", "text/plain", "é", "x y", '"q"', "long string of text"]);
  const some: [keyof Properties, unknown][] = [
    ["contentType", words()],
    ["responseTopic", `re/${words()}`],
    ["correlationData", Buffer.from(words())],
    ["payloadFormatIndicator", prng.between(0, 1)],
    [
      "userProperties",
      [
        ["k1", words()],
        ["k2", words()],
        ["k2", words()],
      ],
    ],
  ];
  return {
    topic: pick(prng, ["d/a", "d/é/x", "d/longer/topic/name"]),
    payload,
    properties: Object.fromEntries(some.filter(() => prng.chance(0.4))),
  };
}

function anyJson(prng: Prng, depth: number): string {
  const kind = prng.between(0, depth > 3 ? 3 : 6);
  const space = () => pick(prng, ["", "", "", " ", "\n", "\t"]);
  const list = (item: () => string) =>
    Array.from({ length: prng.between(0, 4) }, item).join(`${space()},${space()}`);
  if (kind <= 1) return anyNumber(prng);
  if (kind === 2) return anyString(prng);
  if (kind === 3) return pick(prng, ["null", "true", "false"]);
  if (kind <= 5) return `[${space()}${list(() => anyJson(prng, depth + 1))}${space()}]`;
  const member = () => `${anyString(prng)}${space()}:${space()}${anyJson(prng, depth + 1)}`;
  return `{${space()}${list(member)}${space()}}`;
}

function anyNumber(prng: Prng): string {
  return pick(prng, [
    () => String(prng.between(-5, 5)),
    () => String(prng.fraction()),
    () => String((prng.fraction() - 0.5) * 10 ** prng.between(-30, 30)),
    () => prng.fraction().toFixed(prng.between(0, 18)),
    () => String(prng.between(0, 2 ** 31) * prng.between(0, 2 ** 31)),
    () => String((prng.between(0, 2 ** 30) * 2 ** 20) / 2 ** prng.between(0, 60)),
    () => `1e${prng.between(-330, 330)}`,
    () => pick(prng, ["1.e5", "0012", "-0.0", "123456789012345.125", "1E+5"]),
  ])();
}

function anyString(prng: Prng): string {
  const parts = [
    ...["a", " ", "é", "😀", "\x01", "\x7f", "\\n", "\\b", '\\"', "\\/", "\\u000b"],
    ...["\\u0041", "\\u00e9", "\\u20ac", "\\ud83d\\ude00"],
  ];
  return `"${Array.from({ length: prng.between(0, 6) }, () => pick(prng, parts)).join("")}"`;
}

/** `json`, in four of ten cases with a character too many or too few. */
function mutated(prng: Prng, json: string): string {
  if (prng.chance(0.6)) return json;
  const at = prng.between(0, json.length - 1);
  const [before, after] = [json.slice(0, at), json.slice(at)];
  return pick(prng, [
    before + after.slice(1),
    before,
    before + pick(prng, [...'"{}[],:\\e.-+0 u']) + after,
  ]);
}
