/**
 * What lasts, with the programs of others: a mosquitto.db that Debian's mosquitto has left is taken
 * over on its own configuration file, and clients other than ours find their sessions again after a
 * broker was killed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { describe, expect, it } from "vitest";
import { Kept } from "../support/kept.ts";
import { hasMosquitto, mosquitto, mosquittoPub, mosquittoSub } from "../support/peers.ts";
import {
  freePort,
  outcome,
  type Program,
  type RunningBroker,
  start,
  startBroker,
  startOurs,
  untilListening,
} from "../support/programs.ts";
import { isLongSet, sample } from "../support/set.ts";
import { waitFor, within } from "../support/wait-for.ts";

/** Of the broker, in the middle of messages. */
const KILLS = isLongSet ? 3 : 2;

describe.skipIf(!hasMosquitto)("A mosquitto.db of Debian's mosquitto", () => {
  it("is gone on with by ts-broker on the same configuration file", async () => {
    using kept = new Kept();
    const port = await freePort();
    const conf = join(kept.folder, "mosquitto.conf");
    const listener = [`listener ${port} 127.0.0.1`, "allow_anonymous true"];
    writeFileSync(conf, [...listener, ...kept.conf, ""].join("\n"));
    await using theirs = start(mosquitto, ["-c", conf], { cwd: kept.folder });
    await untilListening(theirs, port);
    await leave(port, "-i", "old", "-q", "1", "-t", "a/#");
    await leave(port, "-i", "exact", "-q", "2", "-t", "a/+", "-t", "b/c");
    await leave(port, "-i", "new", "-V", "5", "-x", "3600", "-q", "2", "-t", "b/#");
    await publish(port, "-t", "a/one", "-m", "at 1", "-q", "1");
    await publish(port, "-t", "a/two", "-m", "at 2", "-q", "2");
    const typed = ["-D", "publish", "content-type", "text/plain"];
    await publish(port, "-V", "5", "-t", "b/c", "-m", "typed", "-q", "2", ...typed);
    await publish(port, "-t", "a/kept", "-m", "retained", "-q", "1", "-r");
    await publish(port, "-t", "r/é", "-m", "ünï", "-r");
    await theirs.stop();
    const before = readFileSync(join(kept.folder, "mosquitto.db"));

    {
      await using ours = await oursOn(conf, port);
      await ours.untilError(/Took over \S+: 3 sessions, 4 subscriptions, 8 messages .* 2 retained/);
      // Killed before anybody has come, it still knows everything.
      ours.signal("SIGKILL");
      await within("it is gone", ours.exited);
    }
    await using ours = await oursOn(conf, port);
    const queued = ["a/one at 1", "a/two at 2", "a/kept retained"];
    expect(await take(port, 3, "-i", "old", "-q", "1", "-t", "a/#")).toEqual(queued);
    // mosquitto_sub prints a message of QoS 2 when it is released, behind those of QoS 1.
    const exact = ["a/kept retained", "a/one at 1", "a/two at 2", "b/c typed"];
    const got = await take(port, 4, "-i", "exact", "-q", "2", "-t", "b/c");
    expect(got.sort()).toEqual(exact);
    const lasting = ["-V", "5", "-x", "3600", "-i", "new"];
    const form = ["-F", "%t %p %q %C"];
    expect(await take(port, 1, ...lasting, "-q", "2", "-t", "b/#", ...form)).toEqual([
      "b/c typed 2 text/plain",
    ]);
    expect((await take(port, 2, "-t", "+/kept", "-t", "r/#")).sort()).toEqual([
      "a/kept retained",
      "r/é ünï",
    ]);
    // Subscriptions go on, though nobody subscribes anew.
    await publish(port, "-t", "a/after", "-m", "later", "-q", "2");
    expect(await take(port, 1, "-i", "exact", "-q", "2", "-t", "b/c")).toEqual(["a/after later"]);
    expect((await ours.stop()).status).toBe(0);
    expect(readFileSync(join(kept.folder, "mosquitto.db")).equals(before)).toBe(true);
    expect(kept.rows("SELECT client_id FROM client_msgs WHERE client_id <> 'old'")).toEqual([]);
  });

  it("is still theirs: mosquitto goes on with it where it stopped", async () => {
    using kept = new Kept();
    const port = await freePort();
    const conf = join(kept.folder, "mosquitto.conf");
    const listener = [`listener ${port} 127.0.0.1`, "allow_anonymous true"];
    writeFileSync(conf, [...listener, ...kept.conf, ""].join("\n"));
    {
      await using theirs = start(mosquitto, ["-c", conf], { cwd: kept.folder });
      await untilListening(theirs, port);
      await leave(port, "-i", "old", "-q", "1", "-t", "a/#");
      await publish(port, "-t", "a/one", "-m", "1", "-q", "1");
      await theirs.stop();
    }
    {
      await using ours = await oursOn(conf, port);
      expect(await take(port, 1, "-i", "old", "-q", "1", "-t", "a/#")).toEqual(["a/one 1"]);
      expect((await ours.stop()).status).toBe(0);
    }
    await using theirs = start(mosquitto, ["-c", conf], { cwd: kept.folder });
    await untilListening(theirs, port);
    expect(await take(port, 1, "-i", "old", "-q", "1", "-t", "a/#")).toEqual(["a/one 1"]);
  });
});

describe("MQTT.js with a session, and a ts-broker that is killed", () => {
  const PAIRS = [
    { version: 4, qos: 1 },
    { version: 4, qos: 2 },
    { version: 5, qos: 1 },
    { version: 5, qos: 2 },
  ] as const;
  it.each(sample(PAIRS, 3))(
    "has every message, version $version, QoS $qos",
    async ({ version, qos }) => {
      using kept = new Kept();
      const port = await freePort();
      const got: string[] = [];
      let broker = await startBroker({ conf: kept.conf, port });
      // The same clients all the time: they come back by themselves.
      const sub = await peer(port, version, { clientId: "sub" });
      const pub = await peer(port, version, { clientId: "pub" });
      try {
        sub.on("message", (_, payload) => got.push(`${payload}`));
        await sub.subscribeAsync("a/+", { qos });
        let sent = 0;
        for (let round = 0; round < KILLS; round++) {
          const settled: Promise<unknown>[] = [];
          // Fewer than a Receive Maximum of 20, which MQTT.js does not keep to.
          for (let i = 0; i < 15; i++) settled.push(pub.publishAsync("a/b", `${sent++}`, { qos }));
          // In the middle of it.
          await settled[2 * round];
          await kill(broker);
          broker = await startBroker({ conf: kept.conf, port });
          await within("all are acknowledged", Promise.all(settled));
        }
        await waitFor(
          () => `all ${sent} have come; ${got.join(" ")}`,
          () => new Set(got).size === sent,
        );
        const firsts = [...new Set(got)].map(Number);
        expect(firsts).toEqual(Array.from({ length: sent }, (_, i) => i));
        if (qos === 2) expect(got).toHaveLength(sent);
      } finally {
        await Promise.all([sub.endAsync(true), pub.endAsync(true)]);
        await broker[Symbol.asyncDispose]();
      }
    },
  );

  it("gets what came while both were away", async () => {
    using kept = new Kept();
    const port = await freePort();
    {
      await using broker = await startBroker({ conf: kept.conf, port });
      const sub = await peer(port, 5, { clientId: "sub" });
      await sub.subscribeAsync({ "a/1": { qos: 1 }, "a/2": { qos: 2 } });
      await sub.endAsync();
      const pub = await peer(port, 5, { clientId: "pub" });
      const properties = { userProperties: { k: ["v", "w"] }, correlationData: Buffer.from([1]) };
      await pub.publishAsync("a/1", "one", { qos: 2, properties });
      await pub.publishAsync("a/2", "two", { qos: 2 });
      await pub.endAsync();
      await kill(broker);
    }
    await using _ = await startBroker({ conf: kept.conf, port });
    const got: { topic: string; qos: number; text: string; properties: unknown }[] = [];
    const sub = await peer(port, 5, { clientId: "sub" }, (client) => {
      client.on("message", (topic, payload, { qos, properties }) => {
        got.push({ topic, qos, text: `${payload}`, properties });
      });
    });
    try {
      await waitFor("both have come", () => got.length >= 2);
      expect(got.map(({ topic, qos, text }) => `${topic} ${qos} ${text}`)).toEqual([
        "a/1 1 one",
        "a/2 2 two",
      ]);
      const { userProperties, correlationData } = got[0]!.properties as Record<string, object>;
      expect({ ...userProperties }).toEqual({ k: ["v", "w"] });
      expect(correlationData).toEqual(Buffer.from([1]));
    } finally {
      await sub.endAsync(true);
    }
  });
});

/** Starts ts-broker on somebody's configuration file, and waits until it listens. */
async function oursOn(conf: string, port: number): Promise<Program> {
  const program = startOurs("ts-broker", ["-c", conf]);
  await untilListening(program, port);
  return program;
}

/** Leaves a session with subscriptions. */
async function leave(port: number, ...words: string[]): Promise<void> {
  const program = start(mosquittoSub, ["-p", `${port}`, "-c", "-E", ...words]);
  const { status, stderr } = await outcome(program);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

async function publish(port: number, ...words: string[]): Promise<void> {
  const program = start(mosquittoPub, ["-p", `${port}`, ...words]);
  const { status, stderr } = await outcome(program);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

/** What mosquitto_sub prints of its next messages; with `-i` it goes on with its session. */
async function take(port: number, count: number, ...words: string[]): Promise<string[]> {
  const session = words.includes("-i") ? ["-c"] : [];
  const form = words.includes("-F") ? [] : ["-v"];
  const all = ["-p", `${port}`, "-C", `${count}`, ...session, ...form, ...words];
  const { status, stdout } = await outcome(start(mosquittoSub, all));
  expect(status).toBe(0);
  return stdout.trim().split("\n");
}

async function peer(
  port: number,
  protocolVersion: 4 | 5,
  options: IClientOptions,
  prepare: (client: MqttClient) => void = () => undefined,
): Promise<MqttClient> {
  const lasting = protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {};
  const client = connect(`mqtt://127.0.0.1:${port}`, {
    protocolVersion,
    clean: false,
    reconnectPeriod: 20,
    resubscribe: false,
    ...lasting,
    ...options,
  });
  // While there is no broker it is told so again and again.
  client.on("error", () => undefined);
  prepare(client);
  await within(
    "it is let in",
    new Promise<void>((resolve) => client.once("connect", () => resolve())),
  );
  return client;
}

async function kill({ program, [Symbol.asyncDispose]: dispose }: RunningBroker): Promise<void> {
  program.signal("SIGKILL");
  await within("it is gone", program.exited);
  await dispose();
}
