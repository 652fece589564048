/**
 * mosquitto.db between Debian's mosquitto and our reader: what it writes we read, and files of old
 * versions mean to it what they mean to us.
 *
 * For the second, mosquitto is given a made-up file, and what it saves at its end, in the version
 * of today, is compared with the file it was given.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMosquittoDb } from "../../src/store/mosquitto-db.ts";
import type { Contents } from "../../src/store/rows.ts";
import { type DbChunk, mosquittoDb } from "../support/mosquitto-db-writer.ts";
import { hasMosquitto, mosquittoPub, mosquittoSub } from "../support/peers.ts";
import { outcome, type RunningBroker, start, startMosquitto } from "../support/programs.ts";
import { connected } from "../support/wire-client.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-interop-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const OLD: readonly DbChunk[] = [
  { type: "cfg", lastId: 9n },
  { type: "base", id: 7n, topic: "a/é", payload: "hello", qos: 1, sourceId: "p", sourceMid: 258 },
  { type: "base", id: 8n, topic: "r", payload: "kept", qos: 0, retain: 1 },
  { type: "base", id: 9n, topic: "a/two", payload: "two", qos: 2, sourceId: "q", sourceMid: 3 },
  { type: "client", client: "one", lastMid: 513 },
  { type: "message", client: "one", id: 7n, mid: 513, qos: 1, state: 3, direction: 1 },
  { type: "message", client: "one", id: 9n, mid: 2, qos: 2, state: 7, direction: 0 },
  { type: "sub", client: "one", topic: "a/#", qos: 2 },
  { type: "sub", client: "one", topic: "b/+", qos: 1 },
  { type: "retain", id: 8n },
];

describe.skipIf(!hasMosquitto)("mosquitto.db", () => {
  it("of Debian's mosquitto has sessions, queues and retained messages for us", async () => {
    await using broker = await keeper();
    await subscribe(broker, "-i", "one", "-q", "2", "-t", "a/#", "-t", "b/+/c");
    const identified = ["-D", "subscribe", "subscription-identifier", "77"];
    const lasting = ["-V", "5", "-x", "3600", "-i", "two"];
    await subscribe(broker, ...lasting, "-q", "1", "-t", "a/b", ...identified);
    await publish(broker, "-t", "a/b", "-m", "first", "-q", "1", "-i", "pub");
    const typed = ["-D", "publish", "content-type", "text/é"];
    const named = ["-D", "publish", "user-property", "k", "v"];
    await publish(broker, "-V", "5", "-t", "a/b", "-m", "second", "-q", "2", ...typed, ...named);
    await publish(broker, "-t", "a/c", "-m", "third", "-q", "2", "-r");
    await publish(broker, "-t", "ret/é", "-m", "é", "-r");

    const { version, contents, leftOut, warnings } = await savedBy(broker);
    expect({ version, warnings }).toEqual({ version: 6, warnings: [] });
    expect(Object.values(leftOut)).toEqual([0, 0, 0, 0, 0]);
    const [one, two] = ["one", "two"].map((id) =>
      contents.clients.find(({ clientId }) => clientId === id),
    );
    expect(contents.clients).toHaveLength(2);
    expect(one).toMatchObject({ sessionExpiryInterval: 0xffff_ffff, listenerPort: broker.port });
    expect(two!.sessionExpiryInterval).toBe(3600);
    expect(two!.sessionExpiryTime).toBeGreaterThan(1_500_000_000);
    expect(queueOf(contents, "one")).toEqual([
      "1 a/b first 1 11 0",
      "2 a/b second 2 11 0",
      "3 a/c third 2 11 0",
    ]);
    expect(queueOf(contents, "two")).toEqual(["1 a/b first 1 11 77", "2 a/b second 1 11 77"]);
    const { subscriptions, retains, baseMessages } = contents;
    expect(
      subscriptions
        .map((row) => [row.clientId, row.topic, row.options, row.identifier].join(" "))
        .sort(),
    ).toEqual(["one a/# 2 0", "one b/+/c 2 0", "two a/b 1 77"]);
    expect(retains.map(({ topic }) => topic).sort()).toEqual(["a/c", "ret/é"]);
    const kept = (payload: string) =>
      baseMessages.find((row) => Buffer.from(row.payload).toString() === payload);
    expect(kept("first")).toMatchObject({ sourceId: "pub", sourcePort: broker.port });
    expect(kept("first")!.properties).toBeNull();
    expect(kept("second")!.properties).toBe(
      '[{"identifier":"content-type","value":"text/é"},' +
        '{"identifier":"user-property","name":"k","value":"v"}]',
    );
  });

  it.each([2, 3, 4, 5, 6])(
    "of version %i means to mosquitto what it means to us",
    async (version) => {
      const file = mosquittoDb(version, OLD);
      writeFileSync(join(directory, "mosquitto.db"), file);
      await using broker = await keeper();
      const theirs = await savedBy(broker);
      expect(gist(theirs.contents)).toEqual(gist(readMosquittoDb(file).contents));
    },
  );
});

/** A mosquitto that keeps its state in `directory`. */
function keeper(): Promise<RunningBroker> {
  // As root it would become a user who cannot write there.
  const conf = ["user root", "persistence true", `persistence_location ${directory}/`];
  return startMosquitto({ conf });
}

/** What it leaves when it is ended. */
async function savedBy(broker: RunningBroker) {
  // One that has served a client hears the signal.
  (await connected(broker.port)).destroy();
  expect((await broker.stop()).status).toBe(0);
  return readMosquittoDb(readFileSync(join(directory, "mosquitto.db")));
}

/** Leaves a session with subscriptions. */
async function subscribe({ port }: RunningBroker, ...words: string[]): Promise<void> {
  const { status, stderr } = await outcome(
    start(mosquittoSub, ["-p", `${port}`, "-c", "-E", ...words]),
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

async function publish({ port }: RunningBroker, ...words: string[]): Promise<void> {
  const { status, stderr } = await outcome(start(mosquittoPub, ["-p", `${port}`, ...words]));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

/** A client's messages in their order: identifier, topic, payload, QoS, state, subscription. */
function queueOf({ clientMessages, baseMessages }: Contents, clientId: string): string[] {
  return clientMessages
    .filter((row) => row.clientId === clientId)
    .map(({ mid, storeId, qos, state, subscriptionIdentifier }) => {
      const { topic, payload } = baseMessages.find((row) => row.storeId === storeId)!;
      return [mid, topic, Buffer.from(payload), qos, state, subscriptionIdentifier].join(" ");
    });
}

/** What two databases have in common whose messages have other names. */
function gist(contents: Contents) {
  const { clients, subscriptions, retains } = contents;
  return {
    clients: clients.map(({ clientId }) => clientId),
    queues: clients.map(({ clientId }) => queueOf(contents, clientId).sort()),
    subscriptions: [...subscriptions].sort((a, b) => (a.topic < b.topic ? -1 : 1)),
    retains: retains.map(({ topic }) => topic),
    messages: contents.baseMessages
      .map(({ topic, payload, qos, retain, sourceId, sourceMid }) =>
        [topic, Buffer.from(payload), qos, retain, sourceId, sourceMid].join(" "),
      )
      .sort(),
  };
}
