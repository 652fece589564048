/** The client library against Debian's mosquitto, over real TCP. */
import { describe, expect, it } from "vitest";
import { type Client, connect, type ReceivedMessage } from "../../src/client/client.ts";
import type { Qos, Version } from "../../src/core/codec/packets.ts";
import { hasMosquitto, mosquittoPub, mosquittoSub } from "../support/peers.ts";
import { freePort, outcome, ROOT, start, startMosquitto } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { waitFor, within } from "../support/wait-for.ts";

const VERSIONS = sample<Version>([3, 4, 5], 2);
const LEVELS: readonly Qos[] = [0, 1, 2];
const WORDS: Readonly<Record<Version, string>> = { 3: "mqttv31", 4: "mqttv311", 5: "mqttv5" };

describe.skipIf(!hasMosquitto)("the client and mosquitto", () => {
  describe.each(VERSIONS)("version %i", (version) => {
    it.each(LEVELS)("publishes and subscribes at QoS %i, in order", async (qos) => {
      await using broker = await startMosquitto();
      await using subscriber = await connect({ port: broker.port, version });
      const messages = subscriber.messages();
      expect(await subscriber.subscribe("a/#", { qos })).toEqual([qos]);
      await using publisher = await connect({ port: broker.port, version });
      const payloads = Array.from({ length: 50 }, (_, i) => `${i}`);
      const results = await Promise.all(
        payloads.map((payload) => publisher.publish("a/b", payload, { qos })),
      );
      expect(results).toEqual(payloads.map(() => ({ reasonCode: 0 })));
      const received = await take(messages, payloads.length);
      expect(received.map(({ payload }) => `${payload}`)).toEqual(payloads);
      expect(received.every((message) => message.qos === qos && !message.retain)).toBe(true);
    });

    it("talks with mosquitto_pub and mosquitto_sub", async () => {
      await using broker = await startMosquitto();
      const common = ["-p", `${broker.port}`, "-V", WORDS[version], "-q", "2"];
      await using client = await connect({ port: broker.port, version });
      const messages = client.messages();
      await client.subscribe("to/us", { qos: 2 });
      // Retained, so that it does not matter when they subscribe.
      await client.publish("to/them", Buffer.from(`hé${"x".repeat(70_000)}`), {
        qos: 2,
        retain: true,
      });
      const sub = start(mosquittoSub, [...common, "-t", "to/them", "-C", "1", "-v"]);
      expect(await outcome(sub)).toMatchObject({
        status: 0,
        stdout: `to/them hé${"x".repeat(70_000)}\n`,
      });
      await outcome(start(mosquittoPub, [...common, "-t", "to/us", "-m", "ça va"]));
      const [message] = await take(messages, 1);
      expect(message).toMatchObject({ topic: "to/us", qos: 2 });
      expect(`${message?.payload}`).toBe("ça va");
    });

    it("gets retained messages, and removes them", async () => {
      await using broker = await startMosquitto();
      await using client = await connect({ port: broker.port, version });
      const messages = client.messages();
      await client.publish("r", "kept", { qos: 1, retain: true });
      await client.subscribe("r");
      expect(await take(messages, 1)).toMatchObject([{ topic: "r", retain: true }]);
      await client.publish("r", "", { qos: 1, retain: true });
      expect(await take(messages, 1)).toMatchObject([{ retain: false }]);
      await client.unsubscribe("r");
      await client.subscribe("#");
      await client.publish("end", "", { qos: 0 });
      expect(await take(messages, 1)).toMatchObject([{ topic: "end" }]);
    });

    it("leaves a will when it is taken over", async () => {
      await using broker = await startMosquitto();
      await using watcher = await connect({ port: broker.port, version });
      const wills = watcher.messages();
      await watcher.subscribe("will", { qos: 1 });
      const first = await connect({
        port: broker.port,
        version,
        clientId: "same",
        // Debian's mosquitto just closes: it could not be told from a broken connection, and two
        // clients that reconnect would evict each other for ever.
        reconnect: false,
        will: { topic: "will", payload: "gone", qos: 1 },
      });
      first.on("error", () => {});
      await using second = await connect({ port: broker.port, version, clientId: "same" });
      const error = await within("the first is closed", first.closed);
      expect(error).toMatchObject({ code: "connectionLost" });
      expect((await take(wills, 1))[0]?.payload.toString()).toBe("gone");
      expect(second.connection).toBeDefined();
    });

    it("leaves no will when it disconnects", async () => {
      await using broker = await startMosquitto();
      await using watcher = await connect({ port: broker.port, version });
      const messages = watcher.messages();
      await watcher.subscribe("#");
      const client = await connect({ port: broker.port, version, will: { topic: "will" } });
      await client.disconnect();
      expect(await client.closed).toBeUndefined();
      await watcher.publish("end", "");
      expect(await take(messages, 1)).toMatchObject([{ topic: "end" }]);
    });

    it("finds its session again, with the messages that waited", async () => {
      await using broker = await startMosquitto();
      const kept = { port: broker.port, version, clientId: "kept", sessionExpiryInterval: 60 };
      const first = await connect({ ...kept, cleanStart: false });
      await first.subscribe("a", { qos: 1 });
      await first.disconnect();
      await using publisher = await connect({ port: broker.port, version });
      for (let i = 0; i < 30; i++) await publisher.publish("a", `${i}`, { qos: 1 });
      await using again = await connect({ ...kept, cleanStart: false });
      // Awaited only now: what came with the CONNACK must not be lost by then.
      const received = await take(again.messages(), 30);
      expect(received.map(({ payload }) => Number(payload))).toEqual(received.map((_, i) => i));
      expect(again.connection?.sessionPresent).toBe(version > 3);
    });

    it("is told why it is not admitted", async () => {
      await using broker = await startMosquitto({ conf: ["allow_anonymous false"] });
      const refused = connect({ port: broker.port, version });
      await expect(refused).rejects.toMatchObject({
        code: "connectRefused",
        reasonCode: version === 5 ? 0x87 : 5,
      });
    });

    it.each([1, 2] as const)(
      "delivers every QoS %i message across restarts of the broker",
      async (qos) => {
        const port = await freePort();
        const received = new Set<string>();
        let broker = await startMosquitto({ port });
        const options = { port, version, reconnect: { delayMinMs: 20, delayMaxMs: 20 } };
        const subscriber = await connect({ ...options, clientId: "s" });
        subscriber.on("message", ({ payload }) => received.add(`${payload}`));
        await subscriber.subscribe("a", { qos: 2 });
        const publisher = await connect({ ...options, clientId: "p" });
        const settled: Promise<unknown>[] = [];
        for (let round = 0; round < 3; round++) {
          for (let i = 0; i < 100; i++) {
            settled.push(publisher.publish("a", `${round}/${i}`, { qos }));
          }
          const back = round < 2 ? [nextConnect(subscriber), nextConnect(publisher)] : [];
          if (round < 2) {
            await broker.program.stop("SIGKILL");
            // While nobody listens at all, the outbox takes them.
            settled.push(publisher.publish("a", `${round}/offline`, { qos }));
            broker = await startMosquitto({ port });
          }
          await within("both are back", Promise.all(back));
        }
        await within("all are acknowledged", Promise.all(settled));
        // A broker that is killed forgets what it acknowledged; ours is to give it all to it. The
        // subscriber hears of what was published while it was there.
        await publisher.publish("a", "end", { qos });
        await waitFor("the end arrives", () => received.has("end"));
        const last = Array.from({ length: 100 }, (_, i) => `2/${i}`);
        expect(last.filter((payload) => !received.has(payload))).toEqual([]);
        await Promise.all([publisher.disconnect(), subscriber.disconnect()]);
        await broker[Symbol.asyncDispose]();
      },
    );
  });

  it("loses no QoS 1 or 2 message that a lasting broker was sent", async () => {
    const port = await freePort();
    const received: string[] = [];
    // As root it would become a user who cannot write to our directory.
    const conf = ["user root", "persistence true", "autosave_interval 1", "max_queued_messages 0"];
    const keepers = { port, sessionExpiryInterval: 600, cleanStart: false } as const;
    let broker = await startMosquitto({ port, conf });
    const lasting = [...conf, `persistence_location ${broker.directory}/`];
    await broker.stop();
    const home = broker;
    broker = await startMosquitto({ port, conf: lasting });
    const reconnect = { delayMinMs: 20, delayMaxMs: 20 };
    const subscriber = await connect({ ...keepers, clientId: "s", reconnect });
    subscriber.on("message", ({ payload }) => received.push(`${payload}`));
    await subscriber.subscribe("a", { qos: 2 });
    const publisher = await connect({ ...keepers, clientId: "p", reconnect });
    const settled: Promise<unknown>[] = [];
    for (let i = 0; i < 1000; i++) {
      settled.push(publisher.publish("a", `${i}`, { qos: i % 2 === 0 ? 1 : 2 }));
      if (i % 400 !== 399) continue;
      // It ends in order, and so saves; what is under way to it then is the client's to repeat.
      const back = [nextConnect(subscriber), nextConnect(publisher)];
      await broker.stop();
      broker = await startMosquitto({ port, conf: lasting });
      await within("both are back", Promise.all(back));
    }
    await within("all are acknowledged", Promise.all(settled));
    await waitFor(
      () => `all have arrived, and not ${new Set(received).size}`,
      () => new Set(received).size === 1000,
    );
    await Promise.all([publisher.disconnect(), subscriber.disconnect()]);
    await broker[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  it("carries the properties of 5.0 both ways", async () => {
    await using broker = await startMosquitto();
    await using client = await connect({ port: broker.port, topicAliasMaximum: 10 });
    const messages = client.messages();
    await client.subscribe("a", { properties: { subscriptionIdentifiers: [9] } });
    const properties = {
      payloadFormatIndicator: 1,
      contentType: "text/plain",
      responseTopic: "b",
      correlationData: Buffer.from("c"),
      userProperties: [
        ["k", "v"],
        ["k", "w"],
      ],
    } as const;
    await client.publish("a", "x", { properties: { ...properties, topicAlias: 3 } });
    expect((await take(messages, 1))[0]?.properties).toMatchObject({
      ...properties,
      subscriptionIdentifiers: [9],
    });
    expect(await client.publish("nobody", "x", { qos: 1 })).toEqual({ reasonCode: 0x10 });
    expect(await client.unsubscribe(["a", "z"])).toEqual([0, 0x11]);
  });

  it("keeps to the broker's smallest limits", async () => {
    await using broker = await startMosquitto({
      conf: ["max_packet_size 200", "retain_available false", "max_qos 1"],
    });
    await using client = await connect({ port: broker.port });
    const refusal = async (payload: string, options: object) =>
      client.publish("a", payload, options).catch((error: { code: string }) => error.code);
    expect(await refusal("x".repeat(300), { qos: 1 })).toBe("packetTooLarge");
    expect(await refusal("x", { retain: true })).toBe("notSupported");
    expect(await refusal("x", { qos: 2 })).toBe("notSupported");
    expect(await refusal("x", { qos: 1 })).toMatchObject({ reasonCode: 0x10 });
  });

  it("slows a fast broker down while its iterator is not read", async () => {
    await using broker = await startMosquitto({ conf: ["max_queued_messages 0"] });
    await using slow = await connect({ port: broker.port });
    const messages = slow.messages({ bufferMax: 10 });
    await slow.subscribe("a", { qos: 1 });
    await using fast = await connect({ port: broker.port });
    const payload = "x".repeat(1000);
    for (let i = 0; i < 5000; i++) {
      if (!fast.publishNow("a", payload, { qos: 1 })) await fast.room();
    }
    await fast.settled();
    expect(await take(messages, 5000)).toHaveLength(5000);
  });

  it("runs the article's tick-tock client", async () => {
    await using broker = await startMosquitto();
    const ticktock = start(process.execPath, [
      ...(process.features.typescript ? [] : ["--experimental-strip-types"]),
      `${ROOT}/src/examples/tick-tock.ts`,
      "-p",
      `${broker.port}`,
    ]);
    await using client = await connect({ port: broker.port });
    const messages = client.messages();
    await client.subscribe("tock/#");
    const { pid } = ticktock;
    // Retained, so that it does not matter when they subscribe.
    await client.publish("tick", "now", { qos: 1, retain: true });
    const [tock] = await take(messages, 1);
    expect(tock?.topic).toBe(`tock/${pid}`);
    expect(`${tock?.payload}`).toMatch(new RegExp(`^${pid} \\d+$`));
    client.publishNow("control/all", "go on");
    client.publishNow(`control/${pid}`, "halt");
    expect(await ticktock.untilExit()).toEqual({ status: 0, signal: null });
    expect(ticktock.stderr).toBe("");
  });
});

describe("without a broker", () => {
  it("says at once that nobody answers", async () => {
    const port = await freePort();
    await expect(connect({ port, host: "127.0.0.1" })).rejects.toMatchObject({
      code: "unreachable",
      cause: { code: "ECONNREFUSED" },
    });
  });

  it("waits for one where that is wanted", async () => {
    const port = await freePort();
    const attempts = new AbortController();
    const client = connect({
      port,
      host: "127.0.0.1",
      reconnect: { initial: true, delayMinMs: 1, delayMaxMs: 1 },
      signal: attempts.signal,
    });
    attempts.abort();
    await expect(client).rejects.toMatchObject({ code: "aborted" });
  });
});

/** The next `count` messages. */
async function take(
  messages: AsyncIterableIterator<ReceivedMessage>,
  count: number,
): Promise<ReceivedMessage[]> {
  const taken: ReceivedMessage[] = [];
  const all = async () => {
    while (taken.length < count) {
      const { value, done } = await messages.next();
      if (done) break;
      taken.push(value);
    }
    return taken;
  };
  return within(() => `${count} messages arrive, and not ${taken.length}`, all());
}

function nextConnect(client: Client): Promise<void> {
  return new Promise((resolve) => {
    const off = client.on("connect", () => {
      off();
      resolve();
    });
  });
}
