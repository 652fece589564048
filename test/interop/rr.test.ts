/**
 * ts-rr, and ts-pub with -e, beside mosquitto_rr: the same words ask the same, and what comes back
 * leaves the same bytes and the same status.
 *
 * Method: all three run at once against one mosquitto, ours without a process of their own, each
 * with topics of its own, and a responder that hands back what it was sent. What 2.0.11 has not, or
 * does not do (-f and -s send nothing), is in test/cli/rr.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, connect, type ReceivedMessage } from "../../src/client/client.ts";
import { runHere } from "../support/in-process.ts";
import { hasMosquitto, mosquittoRr } from "../support/peers.ts";
import {
  type Outcome,
  outcome,
  type RunningBroker,
  start,
  startMosquitto,
  startOurs,
} from "../support/programs.ts";

type Who = "mosquitto_rr" | "ts-rr" | "ts-pub";

/** What a program asked, and what it left. */
interface Asked {
  readonly requests: readonly unknown[];
  readonly left: Pick<Outcome, "status" | "signal" | "stdout" | "stderr">;
}

/** In the directory of the test. */
const FILES = ["empty", "socket"];
const JSON_PAYLOAD = '{ "b" : [1, 2.50, "é"], "a": {} }';
const V5_PROPERTIES = [
  ...["-D", "publish", "content-type", "text/plain"],
  ...["-D", "publish", "user-property", "k", "v"],
  ...["-D", "PUBLISH", "Correlation-Data", "cd"],
  ...["-D", "publish", "message-expiry-interval", "300"],
  ...["-D", "publish", "payload-format-indicator", "1"],
];

describe.skipIf(!hasMosquitto || mosquittoRr === undefined)("beside mosquitto_rr", () => {
  let broker: RunningBroker;
  let client: Client;
  let directory: string;
  let runs = 0;
  const requests: ReceivedMessage[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    // As it was started: another user could not make the socket here.
    const conf = ["user root", `listener 0 ${join(directory, "socket")}`];
    broker = await startMosquitto({ conf });
    writeFileSync(join(directory, "empty"), "");
    client = await connect({ host: "127.0.0.1", port: broker.port, version: 5 });
    client.on("message", (message) => {
      requests.push(message);
      if (!message.topic.includes("/silent")) void respond(client, message);
    });
    await client.subscribe("rr/+/+/request/#", { qos: 2 });
  });
  afterAll(async () => {
    await client?.disconnect();
    await broker?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each<[words: string[]]>([
    [["-m", "x"]],
    [["-m", "x", "-v"]],
    [["-m", "x", "-N"]],
    [["-m", "x", "-v", "-N"]],
    [["--message", "é", "-q", "1"]],
    [["-m", "x", "-q", "2", "-F", "%t %p %q %r %l %m"]],
    [["-n"]],
    [["-n", "-v"]],
    [["-n", "-F", "[%p]"]],
    [["-f", "empty", "-v"]],
    [["-m", JSON_PAYLOAD, "-F", "%J"]],
    [["-m", JSON_PAYLOAD, "-F", "%J", "--pretty"]],
    [["-m", JSON_PAYLOAD, "-V", "311", "-v"]],
    [["-m", "x", "-V", "mqttv31"]],
    [["-m", "x", ...V5_PROPERTIES, "-F", "%C|%P|%D|%F|%p"]],
    [["-m", "x", "-D", "subscribe", "subscription-identifier", "7", "-F", "%S"]],
    [["-m", "x", "-i", "ID", "-c"]],
    [["-m", "x", "-i", "ID", "-x", "1", "-k", "30", "-M", "3"]],
    [["-m", "x", "-I", "pre"]],
    [["-m", "x", "-u", "joe", "-P", "secret", "--nodelay", "-A", "127.0.0.1"]],
    [["-m", "x", "-R", "--retain-as-published", "--quiet"]],
    [["-m", "x", "--will-topic", "w", "--will-payload", "p", "--will-qos", "1", "--will-retain"]],
    [["-m", "x", "--unix", "socket"]],
  ])("asks and prints the same with %j", async (words) => {
    const [theirs, ours, pub] = await everybody(words);
    expect(theirs.left).toMatchObject({ status: 0, stderr: "" });
    expect(theirs.requests).toHaveLength(1);
    expect(ours).toEqual(theirs);
    expect(pub).toEqual(theirs);
  });

  it.each([[[]], [["-V", "311"]], [["--retain-as-published"]]])(
    "takes what was retained for the response with %j",
    async (words) => {
      const prepare = async (responseTopic: string): Promise<void> => {
        await client.publish(responseTopic, "stale", { retain: true, qos: 1 });
      };
      const all = ["-m", "x", "-F", "%r %p", ...words];
      const [theirs, ours, pub] = await everybody(all, { prepare, silent: "/silent" });
      expect(theirs.left.stdout).toBe("1 stale\n");
      expect(ours.left).toEqual(theirs.left);
      expect(pub.left).toEqual(theirs.left);
    },
  );

  it.concurrent.each([[["-W", "1"]], [["-W", "1", "-V", "311", "--quiet"]]])(
    "gives up in the same way with %j",
    async (words) => {
      const [theirs, ours, pub] = await everybody(["-m", "x", ...words], { silent: "/silent" });
      expect(theirs.left.status).toBe(27);
      expect(ours).toEqual(theirs);
      expect(pub).toEqual(theirs);
    },
  );

  /** Runs all three with topics of their own. */
  async function everybody(
    words: readonly string[],
    options: {
      silent?: string;
      prepare?: (responseTopic: string) => Promise<void>;
    } = {},
  ): Promise<[theirs: Asked, ours: Asked, pub: Asked]> {
    const who = ["mosquitto_rr", "ts-rr", "ts-pub"] as const;
    return Promise.all(who.map((one) => ask(one, words, options))) as never;
  }

  async function ask(
    who: Who,
    words: readonly string[],
    { silent = "", prepare }: Parameters<typeof everybody>[1] & object,
  ): Promise<Asked> {
    const own = `rr/${who}/${++runs}`;
    const [topic, responseTopic] = [`${own}/request${silent}`, `${own}/response`];
    await prepare?.(responseTopic);
    const all = words.map((word) => (word === "ID" ? own.replaceAll("/", "") : word));
    const asking = [...place(words), "-t", topic, "-e", responseTopic, ...all];
    const { status, signal, stdout, stderr } = await run(who, asking);
    // The time, and what 2.1 has otherwise than the 2.0.11 that is the peer here.
    const plain = (text: string): string =>
      text
        .replaceAll(own, "OWN")
        .replace(/("tst":\t?")[^"]*/, "$1TIME")
        .replace(/("retain":\t?)0/, "$1false");
    const asked = requests.filter((request) => request.topic === topic);
    return {
      requests: asked.map(({ topic, payload, qos, retain, properties }) => ({
        topic: plain(topic),
        payload: payload.toString("latin1"),
        qos,
        retain,
        properties: JSON.parse(plain(JSON.stringify(properties))),
      })),
      left: { status, signal, stdout: plain(stdout), stderr },
    };
  }

  function place(words: readonly string[] = []): string[] {
    return words.includes("--unix") ? [] : ["-h", "127.0.0.1", "-p", `${broker.port}`];
  }

  async function run(who: Who, words: readonly string[]): Promise<Asked["left"]> {
    const all = words.map((word) => (FILES.includes(word) ? join(directory, word) : word));
    if (who === "mosquitto_rr") return outcome(start(mosquittoRr, all));
    // Two of one process would have the same name.
    if (words.includes("-I")) return outcome(startOurs(who, all));
    return { ...(await runHere(who, all)), signal: null };
  }
});

/** Hands back what it was sent; before MQTT 5.0 nobody says where to. */
async function respond(client: Client, { topic, payload, qos, properties }: ReceivedMessage) {
  const { responseTopic = topic.replace("/request", "/response"), ...rest } = properties;
  const { contentType, userProperties, correlationData, payloadFormatIndicator } = rest;
  const given = { contentType, userProperties, correlationData, payloadFormatIndicator };
  const back = Object.fromEntries(Object.entries(given).filter(([, it]) => it !== undefined));
  await client.publish(responseTopic, payload, { qos, properties: back });
}
