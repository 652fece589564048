/** ts-broker with persistence: what it says, what it leaves on disk, and what a restart keeps. */
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { type Client, type ClientOptions, connect } from "../../src/client/client.ts";
import type { Will } from "../../src/core/codec/packets.ts";
import { Kept } from "../support/kept.ts";
import { logLines } from "../support/log-lines.ts";
import { ROOT, type RunningBroker, startBroker } from "../support/programs.ts";
import type { RawClient } from "../support/raw-client.ts";
import { sample } from "../support/set.ts";
import { waitFor, within } from "../support/wait-for.ts";
import { connected, publishBytes, readMessage, subscribe } from "../support/wire-client.ts";

/** What a mosquitto left when it was stopped. */
const OLD_DATABASE = join(ROOT, "test/data/mosquitto.db");
/** The last line of a start: what comes before is there when it is. */
const RUNNING = / running$/m;
const DISCONNECT = "e000";

describe("The log of a start", () => {
  const PROMISES = [
    ["extra", "what is acknowledged is on disk, the folder's entry included"],
    ["full", "what is acknowledged is on disk"],
    ["normal", "what is acknowledged survives a crash of the broker, not of the machine"],
    ["off", "what is acknowledged may be lost in a crash"],
  ] as const;
  it.each(sample(PROMISES, 3))("says what is promised with sync %s", async (sync, promise) => {
    using kept = new Kept();
    const conf = ["user root", `persistence_location ${kept.folder}`];
    const plugin = ["plugin /usr/lib/mosquitto_persist_sqlite.so", `plugin_opt_sync ${sync}`];
    await using broker = await startBroker({ conf: [...conf, ...plugin] });
    await broker.program.untilError(RUNNING);
    expect(logLines(broker.program.stderr)).toContain(
      `Persistence in ${kept.database}, sync ${sync}: ${promise}.`,
    );
    expect(broker.program.stderr).not.toMatch(/Restored/);
  });

  it("says how much was restored", async () => {
    using kept = new Kept();
    {
      await using broker = await startBroker({ conf: kept.conf });
      await leaveSession(broker, "one", { "a/#": 1 });
      await leaveSession(broker, "two", { "a/#": 2 });
      await publish(broker, "a/1", "kept", { retain: true });
      await publish(broker, "a/2", "not kept");
      await kill(broker);
    }
    await using broker = await startBroker({ conf: kept.conf });
    await broker.program.untilError(RUNNING);
    const lines = logLines(broker.program.stderr);
    const [persistence, restored] = ["Persistence in ", "Restored "].map((begin) => {
      return lines.findIndex((line) => line.startsWith(begin));
    });
    expect(restored).toBe(persistence! + 1);
    expect(lines[restored!]).toBe("Restored 2 sessions with 4 messages, and 1 retained messages.");
  });
});

describe("What is on disk", () => {
  it("is for its owner alone, and one file after a clean stop", async () => {
    using kept = new Kept();
    await using broker = await startBroker({ conf: kept.conf });
    await publish(broker, "a", "kept", { retain: true });
    for (const name of kept.files) {
      expect(statSync(join(kept.folder, name)).mode & 0o777, name).toBe(0o600);
    }
    expect((await broker.stop()).status).toBe(0);
    expect(kept.files).toEqual(["mosquitto.sqlite3"]);
    expect(statSync(kept.database).mode & 0o777).toBe(0o600);
    expect(kept.rows("SELECT topic FROM retains")).toEqual([{ topic: "a" }]);
  });

  it("goes into the database file at SIGUSR1", async () => {
    using kept = new Kept();
    await using broker = await startBroker({ conf: kept.conf });
    await publish(broker, "a", "x".repeat(10_000), { retain: true });
    expect(logBytes(kept)).toBeGreaterThan(0);
    broker.program.signal("SIGUSR1");
    await waitFor("the write-ahead log is empty", () => logBytes(kept) === 0);
    expect(readFileSync(kept.database).includes("x".repeat(1_000))).toBe(true);
  });

  it("goes there every autosave_interval seconds by itself", async () => {
    using kept = new Kept();
    await using broker = await startBroker({ conf: [...kept.conf, "autosave_interval 1"] });
    for (const text of ["first", "second"]) {
      await publish(broker, "a", text, { retain: true });
      await waitFor("the write-ahead log is empty", () => logBytes(kept) === 0);
      expect(readFileSync(kept.database).includes(text)).toBe(true);
    }
  });

  it("is nothing with persistence false", async () => {
    using kept = new Kept();
    const conf = [...kept.conf.filter((line) => !/^persistence /.test(line)), "persistence false"];
    await using broker = await startBroker({ conf });
    await leaveSession(broker, "one", { a: 1 });
    await publish(broker, "a", "kept", { retain: true });
    broker.program.signal("SIGUSR1");
    expect((await broker.stop()).status).toBe(0);
    expect(kept.files).toEqual([]);
    expect(broker.program.stderr).not.toMatch(/Persistence|Restored/);
  });
});

describe("A mosquitto.db", () => {
  it("is taken over at the first start, not at the second, and stays as it was", async () => {
    using kept = new Kept();
    const old = join(kept.folder, "mosquitto.db");
    copyFileSync(OLD_DATABASE, old);
    const { mtimeMs } = statSync(old);
    const bytes = readFileSync(old);
    {
      await using broker = await startBroker({ conf: kept.conf });
      await broker.program.untilError(RUNNING);
      const line = logLines(broker.program.stderr).find((it) => it.startsWith("Took over"));
      expect(line).toMatch(/^Took over \S+mosquitto\.db: [1-9]\d* sessions, \d+ subscriptions, /);
      expect(line).toMatch(/, \d+ messages for them and [1-9]\d* retained messages\. /);
      expect(line).toMatch(/ The file is as it was\.$/);
      await publish(broker, "since", "then", { retain: true });
      await kill(broker);
    }
    {
      await using broker = await startBroker({ conf: kept.conf });
      await broker.program.untilError(RUNNING);
      expect(broker.program.stderr).not.toMatch(/Took over/);
      const restored = /Restored [1-9]\d* sessions with \d+ messages, and [1-9]/;
      expect(broker.program.stderr).toMatch(restored);
      expect(await retained(broker, "since")).toEqual(["since then"]);
      expect((await broker.stop()).status).toBe(0);
    }
    expect(readFileSync(old).equals(bytes)).toBe(true);
    expect(statSync(old).mtimeMs).toBe(mtimeMs);
    expect(kept.files).toEqual(["mosquitto.db", "mosquitto.sqlite3"]);
  });

  it("is taken over by the next start when the first was killed on the way", async () => {
    using kept = new Kept();
    copyFileSync(OLD_DATABASE, join(kept.folder, "mosquitto.db"));
    // As a start leaves it that was cut short.
    writeFileSync(kept.database, "");
    await using broker = await startBroker({ conf: kept.conf });
    await broker.program.untilError("Took over");
  });

  it("that is damaged keeps the broker from starting and from making one", async () => {
    using kept = new Kept();
    const bytes = readFileSync(OLD_DATABASE);
    writeFileSync(join(kept.folder, "mosquitto.db"), bytes.subarray(0, bytes.length - 10));
    const words = /ended with 3: .*Error: Couldn't open database \S+: \S+ cannot be taken over: /s;
    await expect(startBroker({ conf: kept.conf })).rejects.toThrow(words);
    expect(kept.files).toEqual(["mosquitto.db"]);
  });
});

describe("A Will", () => {
  it("of a stored session goes out once after a crash, one that waits when it is due", async () => {
    using kept = new Kept();
    {
      await using broker = await startBroker({ conf: kept.conf });
      await leaveSession(broker, "heir", { "will/#": 1 });
      await connected(broker.port, { ...LASTING, clientId: "now", will: willOn("will/now", 0) });
      await connected(broker.port, { ...LASTING, clientId: "late", will: willOn("will/late", 1) });
      const long = willOn("will/long", 1000);
      await connected(broker.port, { ...LASTING, clientId: "long", will: long });
      const back = willOn("will/back", 1000);
      await connected(broker.port, { ...LASTING, clientId: "back", will: back });
      // A session that does not outlive its connection does not outlive the broker either.
      await connected(broker.port, {
        version: 5,
        clientId: "brief",
        will: willOn("will/brief", 0),
      });
      await kill(broker);
    }
    {
      await using broker = await startBroker({ conf: kept.conf });
      using heir = await comeBack(broker, "heir");
      expect(await nextMessages(heir, 2)).toEqual(["will/now gone", "will/late gone"]);
      // Who comes back in time has none any more.
      using back = await connected(broker.port, {
        ...LASTING,
        cleanStart: false,
        clientId: "back",
      });
      back.send("c000");
      await back.packetOfType(13);
      await kill(broker);
    }
    {
      await using broker = await startBroker({ conf: kept.conf });
      await publish(broker, "will/marker", "last");
      using heir = await comeBack(broker, "heir");
      expect(await nextMessages(heir, 1)).toEqual(["will/marker last"]);
      // At a clean stop those go out that wait.
      expect((await broker.stop()).status).toBe(0);
    }
    expect(kept.rows("SELECT client_id FROM wills")).toEqual([]);
  });
});

describe("Time goes on while there is no broker", () => {
  it("for sessions", async () => {
    using kept = new Kept();
    {
      await using broker = await startBroker({ conf: kept.conf });
      for (const clientId of ["over", "short", "long"]) {
        using client = await connected(broker.port, { ...LASTING, clientId });
        client.send(DISCONNECT);
        await client.closed();
      }
      await leaveSession(broker, "ever", { a: 1 });
      await kill(broker);
    }
    // As if it had been away for long.
    change(kept, "UPDATE clients SET session_expiry_time = 1000 WHERE client_id = 'over'");
    const soon = Math.floor(Date.now() / 1000) + 2;
    change(kept, `UPDATE clients SET session_expiry_time = ${soon} WHERE client_id = 'short'`);
    await using broker = await startBroker({ conf: kept.conf });
    await broker.program.untilError("Expiring client over due to timeout.");
    await broker.program.untilError("Expiring client short due to timeout.");
    expect((await broker.stop()).status).toBe(0);
    const rows = kept.rows("SELECT client_id, session_expiry_time AS at FROM clients");
    expect(rows.map(({ client_id }) => client_id).sort()).toEqual(["ever", "long"]);
    const long = Number(rows.find(({ client_id }) => client_id === "long")?.at);
    // A day, from when its client went.
    expect(Math.abs(long - Date.now() / 1000 - DAY)).toBeLessThan(60);
  });

  it("for messages, retained and queued", async () => {
    using kept = new Kept();
    {
      await using broker = await startBroker({ conf: kept.conf });
      await leaveSession(broker, "queue", { "a/#": 1 });
      await using writer = await client(broker, { clientId: "writer" });
      for (const topic of ["a/over", "a/short", "a/ever"]) {
        const properties = topic === "a/ever" ? {} : { messageExpiryInterval: 1000 };
        await writer.publish(topic, "x", { qos: 1, retain: true, properties });
      }
      await kill(broker);
    }
    const now = Math.floor(Date.now() / 1000);
    change(kept, `UPDATE base_msgs SET expiry_time = 1000 WHERE topic = 'a/over'`);
    change(kept, `UPDATE base_msgs SET expiry_time = ${now + 100} WHERE topic = 'a/short'`);
    await using broker = await startBroker({ conf: kept.conf });
    for (const clientId of ["queue", "new"]) {
      const got: [string, number | undefined][] = [];
      await using reader = await client(broker, { clientId, cleanStart: false }, (topic, left) => {
        got.push([topic, left]);
      });
      if (clientId === "new") await reader.subscribe("a/#", { qos: 1 });
      await waitFor("both have come", () => got.length >= 2);
      expect(got.map(([topic]) => topic).sort()).toEqual(["a/ever", "a/short"]);
      const left = new Map(got);
      expect(left.get("a/ever")).toBeUndefined();
      expect(left.get("a/short")).toBeGreaterThan(50);
      expect(left.get("a/short")).toBeLessThanOrEqual(100);
    }
  });
});

describe("$SYS", () => {
  it("counts what was restored", async () => {
    using kept = new Kept();
    {
      await using broker = await startBroker({ conf: kept.conf });
      await leaveSession(broker, "one", { "a/#": 1, "b/#": 1 });
      await leaveSession(broker, "two", { "$share/g/a/#": 1, "$share/g/c/#": 1 });
      await publish(broker, "b/1", "kept", { retain: true });
      await publish(broker, "b/2", "queued");
      await kill(broker);
    }
    await using broker = await startBroker({ conf: [...kept.conf, "sys_interval 1"] });
    // The reader's own five are among the subscriptions.
    const wanted = new Map([
      ["clients/disconnected", 2],
      ["subscriptions/count", 2 + 5],
      ["shared_subscriptions/count", 2],
    ]);
    using reader = await connected(broker.port, { clientId: "reader" });
    const topics = [...wanted.keys(), ...OWN_TOPICS];
    const seen = new Map<string, number>();
    await subscribe(reader, Object.fromEntries(topics.map((it) => [`$SYS/broker/${it}`, 0])));
    const areRight = () => {
      // One of the two is queued only; the other may be counted for its topic and for its queue.
      const [retained = 0, stored = 0] = OWN_TOPICS.map((topic) => seen.get(topic));
      const isMore = stored > retained && stored <= retained + 2;
      return isMore && [...wanted].every(([topic, count]) => seen.get(topic) === count);
    };
    while (!areRight()) {
      const text = readMessage(await reader.packetOfType(3));
      const at = text.lastIndexOf(" ");
      seen.set(text.slice("$SYS/broker/".length, at), Number(text.slice(at + 1)));
    }
  });
});

const OWN_TOPICS = ["retained messages/count", "store/messages/count"];

const DAY = 86_400;
const LASTING = { version: 5, properties: { sessionExpiryInterval: DAY } } as const;

/** A client that subscribes for good, and goes. */
async function leaveSession(
  { port }: RunningBroker,
  clientId: string,
  filters: Readonly<Record<string, 0 | 1 | 2>>,
): Promise<void> {
  using client = await connected(port, { clientId, cleanStart: false });
  await subscribe(client, filters);
  client.send(DISCONNECT);
  await client.closed();
}

function comeBack({ port }: RunningBroker, clientId: string): Promise<RawClient> {
  return connected(port, { clientId, cleanStart: false });
}

/** Publishes at QoS 1, and waits for the acknowledgement. */
async function publish(
  { port }: RunningBroker,
  topic: string,
  text: string,
  { retain = false } = {},
): Promise<void> {
  using client = await connected(port, { clientId: "publisher" });
  client.send(publishBytes(topic, text, { qos: 1, retain }));
  await client.expectBytes("40020001");
  client.send(DISCONNECT);
  await client.closed();
}

/** The next messages, each acknowledged; and no more than those. */
async function nextMessages(client: RawClient, count: number): Promise<string[]> {
  const got: string[] = [];
  while (got.length < count) {
    const bytes = await client.packetOfType(3);
    got.push(readMessage(bytes));
    const end = 4 + bytes.readUInt16BE(2);
    client.send(Buffer.from([0x40, 2, ...bytes.subarray(end, end + 2)]));
  }
  await client.expectNothing();
  return got;
}

async function retained({ port }: RunningBroker, filter: string): Promise<string[]> {
  using client = await connected(port, { clientId: "observer" });
  await subscribe(client, { [filter]: 0 });
  const got = [readMessage(await client.packet())];
  await client.expectNothing();
  return got;
}

async function client(
  { port }: RunningBroker,
  options: ClientOptions,
  onMessage?: (topic: string, expiry: number | undefined) => void,
): Promise<Client> {
  const made = await connect({ host: "127.0.0.1", port, reconnect: false, ...options });
  made.on("error", () => undefined);
  made.on("message", ({ topic, properties }) => {
    onMessage?.(topic, properties.messageExpiryInterval);
  });
  return made;
}

async function kill({ program }: RunningBroker): Promise<void> {
  program.signal("SIGKILL");
  await within("it is gone", program.exited);
}

function willOn(topic: string, willDelayInterval: number): Will {
  const properties = willDelayInterval === 0 ? {} : { willDelayInterval };
  return { topic, payload: Buffer.from("gone"), qos: 1, retain: false, properties };
}

/** Changes the database of a broker that is not there. */
function change(kept: Kept, sql: string): void {
  const database = new DatabaseSync(kept.database);
  const { changes } = database.prepare(sql).run();
  database.close();
  expect(changes, sql).toBe(1);
}

function logBytes(kept: Kept): number {
  return statSync(`${kept.database}-wal`).size;
}
