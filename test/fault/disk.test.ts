/**
 * Databases that a broker cannot use, or can only in part: each is told in one sentence, and what
 * is somebody else's stays as it was.
 */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Kept } from "../support/kept.ts";
import { logLines } from "../support/log-lines.ts";
import { freePort, type Outcome, outcome, startBroker, startOurs } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { connected, publishBytes, subscribe } from "../support/wire-client.ts";
import { retainedBelow } from "./crash-clients.ts";
import { DISKS } from "./small-disk.ts";

const REFUSED = 3;
/** The last line of a start: what comes before is there when it is. */
const RUNNING = / running$/m;

describe("A database that cannot be used", () => {
  it("is refused while another ts-broker has it, which goes on", async () => {
    using kept = new Kept();
    await using first = await startBroker({ conf: kept.conf });
    using writer = await connected(first.port);
    writer.send(publishBytes("a", "1", { qos: 1, retain: true }));
    await writer.expectBytes("40020001");
    await refused(kept, "another program has it open");
    writer.send(publishBytes("a", "2", { qos: 1, retain: true }));
    await writer.expectBytes("40020001");
    first.program.signal("SIGKILL");
    await first.program.exited;
    // What held it is gone with its process.
    await using second = await startBroker({ conf: kept.conf });
    expect(await retainedBelow(second.port, "#")).toEqual(new Map([["a", "2"]]));
  });

  it("is refused where its schema is of another version, and stays as it was", async () => {
    using kept = new Kept();
    await keepSomething(kept);
    const database = new DatabaseSync(kept.database);
    database.exec("UPDATE version_info SET major = 1, minor = 2, patch = 0");
    database.close();
    const before = readFileSync(kept.database);
    await refused(kept, "its schema is 1.2.0, and this broker knows 1.1.0 alone");
    expect(readFileSync(kept.database).equals(before)).toBe(true);
    expect(kept.files).toEqual(["mosquitto.sqlite3"]);
  });

  it("is refused where it is somebody else's altogether, and stays as it was", async () => {
    using kept = new Kept();
    const database = new DatabaseSync(kept.database);
    database.exec("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')");
    database.close();
    const before = readFileSync(kept.database);
    await refused(kept, "it is no broker's database");
    expect(readFileSync(kept.database).equals(before)).toBe(true);
  });

  it("is refused where it is no database, and stays as it was", async () => {
    using kept = new Kept();
    writeFileSync(kept.database, "Dear diary,\n".repeat(1_000));
    await refused(kept, "file is not a database");
    expect(readFileSync(kept.database, "utf8")).toBe("Dear diary,\n".repeat(1_000));
    expect(kept.files).toEqual(["mosquitto.sqlite3"]);
  });

  it("is refused where a folder is in its place", async () => {
    using kept = new Kept();
    mkdirSync(kept.database);
    await refused(kept, "unable to open database file");
    expect(statSync(kept.database).isDirectory()).toBe(true);
  });

  it("is refused where its folder is missing", async () => {
    using parent = new Kept();
    const kept = new Kept(join(parent.folder, "none"));
    await refused(kept, "no such file or directory");
    expect(parent.files).toEqual([]);
  });

  // Root may write anywhere; whom it becomes may not.
  const DENIALS = [
    ["its folder may not be written", 0o555, 0o666],
    ["its file may not be written", 0o777, 0o444],
    ["a folder without one may not be written", 0o555, undefined],
    ["its file may not be read", 0o777, 0o000],
  ] as const;
  it.each(sample(DENIALS, 2))("is refused where %s", async (_, folderMode, fileMode) => {
    using kept = new Kept();
    if (fileMode !== undefined) {
      await keepSomething(kept);
      chmodSync(kept.database, fileMode);
    }
    const before = kept.files;
    chmodSync(kept.folder, folderMode);
    try {
      const conf = kept.conf.filter((line) => line !== "user root");
      await refused(kept, "ermission denied", conf);
    } finally {
      chmodSync(kept.folder, 0o777);
    }
    expect(kept.files).toEqual(before);
  });

  it.each(DISKS.slice(0, 1))("is not made where there is no room: $name", async (kind) => {
    using disk = kind.open();
    const kept = new Kept(disk.folder);
    // A limit on files is one on a process, and there is none yet.
    if (!disk.isOnAll) return;
    disk.fill(0);
    await refused(kept, "database or disk is full");
    disk.makeRoom(0);
    expect(kept.files).toEqual([]);
  });
});

describe("A damaged database", () => {
  it("is set aside at the start, and what can be read of it is kept", async () => {
    using kept = new Kept();
    await keepMuch(kept);
    // A page in the middle, as a bad block would leave it.
    overwrite(kept.database, 40 * 4096, 2 * 4096);
    const damaged = readFileSync(kept.database);
    await using broker = await startBroker({ conf: kept.conf });
    await broker.program.untilError(RUNNING);
    const lines = logLines(broker.program.stderr);
    const line = lines.find((text) => text.startsWith("Error: "));
    const stamp = String.raw`\d{8}T\d{6}Z`;
    const path = kept.database.replace(/[.]/g, "\\.");
    expect(line).toMatch(
      new RegExp(
        `^Error: ${path} is damaged \\(.+\\)\\. It was set aside as ${path}\\.damaged-${stamp};`,
      ),
    );
    const aside = kept.files.find((name) => name.includes(".damaged-"));
    expect(readFileSync(join(kept.folder, aside!)).equals(damaged)).toBe(true);
    const retained = await retainedBelow(broker.port, "#");
    // Two pages are gone, out of hundreds.
    expect(retained.size).toBeGreaterThan(MANY / 2);
    expect(retained.size).toBeLessThan(MANY);
    for (const [topic, text] of retained) expect(text.startsWith(`${topic} `)).toBe(true);
    expect((await broker.stop()).status).toBe(0);
    // The next start finds nothing wrong.
    await using again = await startBroker({ conf: kept.conf });
    await again.program.untilError(RUNNING);
    expect(again.program.stderr).not.toMatch(/Error/);
    expect((await retainedBelow(again.port, "#")).size).toBe(retained.size);
  });

  it("whose write-ahead log ends in the middle has all up to there", async () => {
    using kept = new Kept();
    {
      await using broker = await startBroker({ conf: kept.conf });
      using writer = await connected(broker.port);
      for (let i = 1; i <= 20; i++) {
        writer.send(publishBytes(`t/${i}`, "x".repeat(5_000), { qos: 1, retain: true }));
        await writer.expectBytes("40020001");
      }
      broker.program.signal("SIGKILL");
      await broker.program.exited;
    }
    const log = `${kept.database}-wal`;
    // As a disk leaves it that had not written the end when the power went.
    const bytes = readFileSync(log);
    writeFileSync(log, bytes.subarray(0, bytes.length - 30_000));
    await using again = await startBroker({ conf: kept.conf });
    await again.program.untilError(RUNNING);
    expect(again.program.stderr).not.toMatch(/Error/);
    const retained = await retainedBelow(again.port, "#");
    expect(retained.size).toBeGreaterThan(5);
    expect(retained.size).toBeLessThan(20);
    const topics = [...retained.keys()];
    expect(topics).toEqual(topics.map((_, i) => `t/${i + 1}`));
  });
});

const MANY = 400;

/** Starts a broker that must not come up, and looks at what it says. */
async function refused(
  kept: Kept,
  why: string | RegExp,
  conf: readonly string[] = kept.conf,
): Promise<Outcome> {
  // Not where the databases are: whoever it becomes must be able to read it.
  const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-refused-"));
  chmodSync(directory, 0o755);
  try {
    const path = join(directory, "broker.conf");
    const listener = [`listener ${await freePort()} 127.0.0.1`, "allow_anonymous true"];
    writeFileSync(path, [...listener, ...conf, ""].join("\n"));
    const ended = await outcome(startOurs("ts-broker", ["-c", path]));
    const lines = logLines(ended.stderr);
    expect(ended.status, ended.stderr).toBe(REFUSED);
    const begin = `Error: Couldn't open database ${kept.database}: `;
    const sentences = lines.filter((line) => line.startsWith("Error"));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]!.slice(0, begin.length)).toBe(begin);
    expect(sentences[0]!.slice(begin.length)).toMatch(why);
    expect(lines.at(-1)).toMatch(/terminating$/);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    return ended;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

let something: Promise<Buffer> | undefined;

/** Leaves a database with a session and a retained message, which is made once. */
async function keepSomething(kept: Kept): Promise<void> {
  something ??= databaseOfSomething();
  writeFileSync(kept.database, await something, { mode: 0o600 });
}

async function databaseOfSomething(): Promise<Buffer> {
  using kept = new Kept();
  await using broker = await startBroker({ conf: kept.conf });
  using client = await connected(broker.port, { clientId: "session", cleanStart: false });
  await subscribe(client, { "a/#": 1 });
  client.send(publishBytes("a", "kept", { qos: 1, retain: true, packetId: 2 }));
  await client.packetOfType(4);
  // A stop waits a moment for whoever is there.
  client.send("e000");
  await client.closed();
  expect((await broker.stop()).status).toBe(0);
  return readFileSync(kept.database);
}

/** Leaves a database of many pages. */
async function keepMuch(kept: Kept): Promise<void> {
  await using broker = await startBroker({ conf: kept.conf });
  using client = await connected(broker.port);
  for (let i = 0; i < MANY; i++) {
    const topic = `many/${i}`;
    const text = `${topic} ${"x".repeat(1_000)}`;
    client.send(publishBytes(topic, text, { qos: 1, retain: true, packetId: i + 1 }));
  }
  await client.packets(MANY);
  client.send("e000");
  await client.closed();
  expect((await broker.stop()).status).toBe(0);
}

/** Writes what no page begins with. */
function overwrite(path: string, start: number, length: number): void {
  const file = openSync(path, "r+");
  try {
    const there = Buffer.alloc(length);
    expect(readSync(file, there, 0, length, start)).toBe(length);
    writeSync(file, Buffer.alloc(length, 0xa5), 0, length, start);
  } finally {
    closeSync(file);
  }
}
