import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Prng } from "../../../src/core/base/prng.ts";
import { ByteReader, ByteWriter } from "../../../src/store/bytes.ts";
import { Database, type DatabaseOptions } from "../../../src/store/database.ts";
import { readDelivery } from "../../../src/store/records.ts";
import { DIRECTION, STATE } from "../../../src/store/rows.ts";
import { stringColumn } from "../../../src/store/statements.ts";
import { UnreadableDatabase } from "../../../src/store/unreadable.ts";
import { ROOT } from "../../support/programs.ts";
import { seed } from "../../support/seeds.ts";
import {
  JournalWorld,
  messageWith,
  openStore,
  rowsOf,
  SQLITE,
  stateOf,
} from "../../support/store-world.ts";

const SEEN = join(ROOT, "test/data/mosquitto.sqlite3");
/** Text that SQLite would make a number of, or something near it. */
const NUMERIC = [
  ...["007", "1e5", " 12", "12 ", "5.0", "12345678901234567890", "", "0", "5", "-5", "+5", "-0"],
  ...[".5", "5.", "1e999", "0x10", "9007199254740993", "9223372036854775807", "1_000", "Infinity"],
  ...["nan", "\t7", "7\n", "٣", "1e", "e1", "--1", "5/6", "1 2", "é"],
];

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "mosquitto.sqlite3");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(options: Partial<DatabaseOptions> = {}): Database {
  return Database.open(SQLITE, { path, sync: "off", pageSize: 4096, ...options });
}

function refusal(): UnreadableDatabase {
  try {
    open().close();
  } catch (error) {
    if (error instanceof UnreadableDatabase) return error;
    throw error;
  }
  throw new Error("it was opened");
}

/** What `work` finds in the file, which nobody else has open. */
function inFile<Found>(work: (sqlite: DatabaseSync) => Found): Found {
  const sqlite = new DatabaseSync(path);
  try {
    return work(sqlite);
  } finally {
    sqlite.close();
  }
}

function pragma(sqlite: { prepare(sql: string): { get(): unknown } }, name: string): unknown {
  return Object.values(sqlite.prepare(`PRAGMA ${name}`).get() as object)[0];
}

describe("the tables", () => {
  it("are those of mosquitto's own database", () => {
    copyFileSync(SEEN, join(folder, "seen"));
    const seen = new DatabaseSync(join(folder, "seen"));
    const { database, sqlite } = openStore({ path });
    const names = "SELECT type, name, tbl_name FROM sqlite_master ORDER BY name";
    const entries = sqlite.prepare(names).all() as { type: string; name: string }[];
    expect(entries).toEqual(seen.prepare(names).all());
    for (const { type, name } of entries) {
      const sql = type === "table" ? `PRAGMA table_info(${name})` : `PRAGMA index_xinfo(${name})`;
      expect(sqlite.prepare(sql).all(), name).toEqual(seen.prepare(sql).all());
    }
    const version = "SELECT * FROM version_info";
    expect(sqlite.prepare(version).all()).toEqual(seen.prepare(version).all());
    for (const name of ["journal_mode", "page_size", "encoding", "auto_vacuum", "user_version"]) {
      expect(pragma(sqlite, name), name).toBe(pragma(seen, name));
    }
    expect(pragma(sqlite, "foreign_keys")).toBe(1);
    seen.close();
    database.close();
  });

  it("are taken as they are where mosquitto made them", () => {
    copyFileSync(SEEN, path);
    const before = inFile((sqlite) => sqlite.prepare("SELECT sql FROM sqlite_master").all());
    open().close();
    expect(inFile((sqlite) => sqlite.prepare("SELECT sql FROM sqlite_master").all())).toEqual(
      before,
    );
  });

  it.each([512, 4096, 65_536])("have pages of %i bytes as asked", (pageSize) => {
    open({ pageSize }).close();
    expect(inFile((sqlite) => pragma(sqlite, "page_size"))).toBe(pageSize);
    // What is there already keeps its pages.
    const { database, sqlite } = openStore({ path, pageSize: 1024 });
    expect(pragma(sqlite, "page_size")).toBe(pageSize);
    database.close();
  });

  it.each([
    ["off", 0],
    ["normal", 1],
    ["full", 2],
    ["extra", 3],
  ] as const)("are synced as asked: %s", (sync, number) => {
    const { database, sqlite } = openStore({ path, sync });
    expect(pragma(sqlite, "synchronous")).toBe(number);
    database.close();
  });
});

describe("a database of another version", () => {
  it.each([
    [0, 9, 0],
    [1, 0, 0],
    [1, 1, 1],
    [1, 2, 0],
    [2, 1, 0],
  ])("%i.%i.%i is refused and stays as it is", (...version) => {
    copyFileSync(SEEN, path);
    inFile((sqlite) =>
      sqlite.prepare("UPDATE version_info SET major = ?, minor = ?, patch = ?").run(...version),
    );
    const before = readFileSync(path);
    const { code, message } = refusal();
    expect(code).toBe("unsupportedVersion");
    expect(message).toBe(`its schema is ${version.join(".")}, and this broker knows 1.1.0 alone`);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(["mosquitto.sqlite3"]);
  });

  it.each([
    "DELETE FROM version_info",
    "DROP TABLE version_info",
    "DROP TABLE version_info; CREATE TABLE version_info (name TEXT, number INTEGER)",
  ])("that does not say which is refused and stays as it is: %s", (sql) => {
    copyFileSync(SEEN, path);
    inFile((sqlite) => sqlite.exec(sql));
    const before = readFileSync(path);
    expect(refusal().code).toBe("notDatabase");
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe("a file that is no database", () => {
  it("is refused and stays as it is", () => {
    writeFileSync(path, "hello");
    const { code, message } = refusal();
    expect(code).toBe("notDatabase");
    expect(message).toMatch(/not a database/);
    expect(readFileSync(path, "utf8")).toBe("hello");
    expect(readdirSync(folder)).toEqual(["mosquitto.sqlite3"]);
  });
});

describe("a database that somebody has", () => {
  it("is refused, and goes on as it was", () => {
    const { database, sqlite } = openStore({ path });
    const size = statSync(`${path}-wal`).size;
    const { code, message } = refusal();
    expect([code, message]).toEqual(["locked", "another program has it open"]);
    expect(statSync(`${path}-wal`).size).toBe(size);
    sqlite.exec("INSERT INTO clients (client_id) VALUES ('still there')");
    database.close();
    open().close();
  });
});

describe("text that looks like a number", () => {
  it("comes back as it was, as topic, client identifier and user name", () => {
    const world = new JournalWorld(openStore({ path }));
    NUMERIC.forEach((text, i) => {
      const session = world.session(text);
      session.source = { ...session.source, username: text };
      session.will = {
        topic: text,
        payload: Buffer.from(`${i}`),
        qos: 1,
        retain: false,
        properties: {},
        delay: 0,
      };
      world.journal.putSession(session);
      const options = { clientId: text, username: text, retain: true };
      const message = world.message(text, `${i}`, options);
      world.send(session, message);
      if (text !== "") world.journal.putRetained(message, undefined);
    });
    world.settle();
    world.store.database.close();
    const database = open();
    const { sessions, retained } = stateOf(database.recover());
    expect(sessions.map(({ clientId }) => clientId)).toEqual(NUMERIC);
    expect(sessions.map(({ username }) => username)).toEqual(NUMERIC);
    expect(sessions.map(({ will }) => will?.topic)).toEqual(NUMERIC);
    const named = NUMERIC.filter((text) => text !== "");
    expect(retained.map(({ topic }) => topic)).toEqual(named);
    expect(retained.map(({ sourceId }) => sourceId)).toEqual(named);
    expect(retained.map(({ sourceUsername }) => sourceUsername)).toEqual(named);
    expect(fetched(database, "5.0").map(({ message }) => message.topic)).toEqual(["5.0"]);
    database.close();
  });

  it("names one retained message and no other", () => {
    const world = new JournalWorld();
    const twins = ["5", "5.0", "05", " 5", "5e0", "+5", "5 "];
    const messages = twins.map((topic) => world.message(topic, topic, { retain: true }));
    for (const message of messages) world.journal.putRetained(message, undefined);
    world.settle();
    expect(world.count("retains")).toBe(twins.length);
    messages.forEach((message, i) => {
      world.journal.removeRetained(message);
      world.settle();
      expect(world.count("retains")).toBe(twins.length - 1 - i);
    });
    expect(world.count("base_msgs")).toBe(0);
  });

  it("goes in as text wherever it would come back the same", () => {
    const asText = ["a/b", "", "0", "5", "-5", "0x10", "1e", "5/6", "é", "9007199254740991"];
    for (const text of asText) expect(stringColumn(text)).toBe(text);
    for (const text of ["007", "5.0", "1e5", " 12", "9007199254740993", "+5", "-0", "5."]) {
      expect(stringColumn(text)).toEqual(Buffer.from(text));
    }
  });

  it("that mosquitto has made a number of is read as that number", () => {
    copyFileSync(SEEN, path);
    inFile((sqlite) => {
      sqlite.exec("UPDATE base_msgs SET topic = '007' WHERE topic = 'a/b'");
      sqlite.exec("UPDATE base_msgs SET topic = '9007199254740993' WHERE topic = 'a/c'");
      sqlite.exec("UPDATE base_msgs SET source_id = 12345678901234567, source_username = '1.50'");
    });
    const database = open();
    const { retained } = stateOf(database.recover());
    expect(retained[0]).toMatchObject({
      topic: "7",
      sourceId: "12345678901234567",
      sourceUsername: "1.5",
    });
    const topics = fetched(database, "s1").map(({ message }) => message.topic);
    expect(topics).toEqual(["7", "9007199254740993"]);
    database.close();
  });
});

describe("a store_id", () => {
  const IDS = ["1", "9007199254740991", "9007199254740993", "90071992547409930", "-5", "-1"];

  it.each([...IDS, "9223372036854775807", "-9223372036854775808"])(
    "of another node is the same everywhere: %s",
    (id) => {
      copyFileSync(SEEN, path);
      const old = "1327052017728446";
      inFile((sqlite) => {
        for (const table of ["base_msgs", "client_msgs", "retains"]) {
          sqlite.exec(`UPDATE ${table} SET store_id = ${id} WHERE store_id = ${old}`);
        }
      });
      const store = openStore({ path });
      const recovered = store.database.recover();
      const { retained } = stateOf(recovered);
      const exact = (value: number | bigint | undefined) => String(value);
      expect(exact(retained.find(({ topic }) => topic === "a/b")?.storeId)).toBe(id);
      expect(exact(fetched(store.database, "s1")[0]?.message.storeId)).toBe(id);
      expect(Number.isSafeInteger(recovered.lastStoreId)).toBe(true);
      // It goes when the last row that names it goes.
      const { lastRow, lastStoreId } = recovered;
      const world = new JournalWorld(store, { lastRow, lastStoreId });
      const sessions = ["s1", "s2", "s3"].map((clientId) => world.session(clientId));
      sessions.forEach((session, i) => {
        session.parked = { count: [2, 1, 2][i]!, bytes: 0, qos0: 0 };
        world.journal.fetchOutgoing(session);
      });
      world.settle();
      const count = `SELECT count(*) AS count FROM base_msgs WHERE store_id = ${id}`;
      for (const session of sessions) {
        for (const queued of [...session.outgoing.deliveries()]) world.acknowledge(session, queued);
        world.settle();
      }
      expect(rowsOf(store.sqlite, count)).toEqual([{ count: 1 }]);
      const value = retained.find(({ topic }) => topic === "a/b")!;
      const message = messageWith("a/b", value.payload, { retain: true });
      Object.assign(message.store(), { storeId: value.storeId, isShared: true, rows: 1 });
      world.journal.removeRetained(message);
      world.settle();
      expect(rowsOf(store.sqlite, count)).toEqual([{ count: 0 }]);
      store.database.close();
    },
  );
});

/** The next messages of a queue. */
function fetched(database: Database, clientId: string, after = 0, max = 1_000) {
  const bytes = database.fetch({ clientId, after, max, bytesMax: 1_000_000 });
  const deliveries = [];
  for (const from = new ByteReader(bytes); !from.isOver; ) deliveries.push(readDelivery(from));
  return deliveries;
}

/** One session with one message, whose row is as `columns` say. */
function withRow(columns: string): { database: Database; sqlite: ReturnType<typeof openStore> } {
  const world = new JournalWorld(openStore({ path }));
  const session = world.session("reader");
  world.journal.putSession(session);
  world.send(session, world.message("a/b", "hello", { qos: 2, packetId: 33 }));
  world.settle();
  world.store.sqlite.exec(`UPDATE client_msgs SET ${columns}`);
  return { database: world.store.database, sqlite: world.store };
}

describe("a message to a client", () => {
  it.each([
    [STATE.publishQos0, 0, 0],
    [STATE.publishQos1, 1, 0],
    [STATE.publishQos2, 2, 0],
    [STATE.queued, 2, 0],
    [STATE.waitForPuback, 1, 1],
    [STATE.waitForPubrec, 2, 1],
    [STATE.resendPubrel, 2, 2],
    [STATE.waitForPubcomp, 2, 2],
    // Those of messages from a client, and what is none, begin anew.
    [STATE.waitForPubrel, 2, 0],
    [STATE.resendPubcomp, 2, 0],
    [STATE.sendPubrec, 2, 0],
    [0, 1, 0],
    [99, 1, 0],
    ["NULL", 1, 0],
  ])("in state %s is taken up there", (state, qos, phase) => {
    const { database } = withRow(`state = ${state}, qos = ${qos}, mid = 12, retain = 1`);
    const [session] = stateOf(database.recover()).sessions;
    const waiting = fetched(database, "reader");
    const delivery = { qos, retain: true, phase, place: 1, row: 1, identifier: 0 };
    if (phase === 0) {
      expect(session!.outgoing).toEqual([]);
      expect(session!.parked).toEqual({ count: 1, bytes: 5, qos0: qos === 0 ? 1 : 0 });
      expect(waiting).toMatchObject([delivery]);
      expect(waiting[0]!.message.payload.toString()).toBe("hello");
    } else {
      expect(session!.outgoing).toMatchObject([{ ...delivery, packetId: 12 }]);
      expect(session!.parked.count).toBe(0);
      expect(waiting).toEqual([]);
    }
    expect(session!.lastPlace).toBe(1);
    expect(session!.incoming).toEqual([]);
    database.close();
  });

  it.each(["0", "65536", "-1", "NULL"])("under the identifier %s begins anew", (mid) => {
    const { database } = withRow(`state = ${STATE.waitForPuback}, qos = 1, mid = ${mid}`);
    expect(stateOf(database.recover()).sessions[0]!.outgoing).toEqual([]);
    expect(fetched(database, "reader")).toMatchObject([{ phase: 0, qos: 1 }]);
    database.close();
  });

  it.each(Object.entries(STATE))("from a client is held until PUBREL, state %s", (_name, state) => {
    const { database } = withRow(`direction = ${DIRECTION.in}, state = ${state}, mid = 44`);
    const [session] = stateOf(database.recover()).sessions;
    expect(session!.incoming).toMatchObject([
      { row: 1, message: { topic: "a/b", sourcePacketId: 44, qos: 2 } },
    ]);
    expect(session!.outgoing).toEqual([]);
    expect(session!.parked.count).toBe(0);
    expect(fetched(database, "reader")).toEqual([]);
    database.close();
  });

  it("is shared when another of its rows comes in the same fetch", () => {
    const { database, sqlite } = withRow(`state = ${STATE.queued}, qos = 1, mid = 1`);
    const isShared = () => fetched(database, "reader").map(({ message }) => message.isShared);
    expect(isShared()).toEqual([false]);
    // Overlapping subscriptions: the end of the one must not take the other's message along.
    sqlite.sqlite.exec("INSERT INTO client_msgs SELECT * FROM client_msgs");
    expect(isShared()).toEqual([true, true]);
    database.close();
  });

  it("comes without properties that are none", () => {
    for (const json of ["'hello'", "'{}'", "X'00'", "5", "'[{\"identifier\":1}]'"]) {
      const { database, sqlite } = withRow("mid = 1");
      sqlite.sqlite.exec(`UPDATE base_msgs SET properties = ${json}`);
      sqlite.sqlite.exec("INSERT INTO retains SELECT topic, store_id FROM base_msgs");
      expect(fetched(database, "reader")[0]!.message.properties).toHaveLength(0);
      expect(stateOf(database.recover()).retained).toHaveLength(1);
      database.close();
      rmSync(path);
    }
  });
});

describe("numbers that nobody writes", () => {
  it("do not keep the rest from being read", () => {
    const { database, sqlite } = withRow("cmsg_id = 1");
    for (const value of [
      "NULL",
      "-1",
      "9223372036854775807",
      "-9223372036854775808",
      "'x'",
      "1.5",
    ]) {
      sqlite.sqlite.exec(`UPDATE clients SET connection_time = ${value},
        will_delay_time = ${value}, session_expiry_time = ${value}, listener_port = ${value},
        session_expiry_interval = ${value}, will_delay_interval = ${value}`);
      sqlite.sqlite.exec(`UPDATE base_msgs SET payloadlen = ${value}, source_mid = ${value},
        source_port = ${value}, qos = ${value}, retain = ${value}`);
      sqlite.sqlite.exec(`UPDATE client_msgs SET qos = ${value}, dup = ${value},
        retain = ${value}, subscription_identifier = ${value}`);
      const { sessions } = stateOf(database.recover());
      expect(sessions.map(({ parked }) => parked.count)).toEqual([1]);
      const [delivery] = fetched(database, "reader");
      expect([0, 1, 2]).toContain(delivery!.qos);
      expect(delivery!.message.payload.toString()).toBe("hello");
    }
    database.close();
  });
});

describe("rows of nobody", () => {
  it("go when the database is read", () => {
    const { database, sqlite } = openStore({ path });
    sqlite.exec(`
      INSERT INTO clients (client_id) VALUES ('here');
      INSERT INTO base_msgs (store_id, topic) VALUES (1, 'owed'), (2, 'kept'), (3, 'unused');
      INSERT INTO client_msgs (client_id, cmsg_id, store_id, direction, state)
        VALUES ('here', 1, 1, 1, 11), ('here', 2, 9, 1, 11), ('gone', 1, 1, 1, 11);
      INSERT INTO retains VALUES ('kept', 2), ('empty', 8);
      INSERT INTO subscriptions VALUES ('here', 'a', 1, 0), ('gone', 'b', 1, 0);
      INSERT INTO wills (client_id, topic) VALUES ('here', 'w'), ('gone', 'w');
    `);
    const { sessions } = stateOf(database.recover());
    expect(sessions).toMatchObject([{ clientId: "here", parked: { count: 1 } }]);
    expect(rowsOf(sqlite, "SELECT store_id FROM base_msgs")).toEqual([
      { store_id: 1 },
      { store_id: 2 },
    ]);
    const tables = ["client_msgs", "retains", "subscriptions", "wills"];
    expect(tables.map((table) => rowsOf(sqlite, table).length)).toEqual([1, 1, 1, 1]);
    database.close();
  });
});

describe("a batch", () => {
  it("that holds what nobody knows is undone, and the next one is taken", () => {
    const world = new JournalWorld();
    world.journal.putSession(world.session("reader"));
    world.turn();
    const [good] = world.pending as { batch: Buffer }[];
    const out = new ByteWriter();
    out.byte(200);
    const bad = Buffer.concat([good!.batch, out.take()]);
    expect(() => world.store.database.apply(bad)).toThrow();
    expect(world.count("clients")).toBe(0);
    world.commit();
    expect(world.count("clients")).toBe(1);
  });

  it("that SQLite refuses is undone whole, rows that waited for company too", () => {
    const world = new JournalWorld();
    const session = world.session("reader");
    world.journal.putSession(session);
    for (let i = 0; i < 20; i++) world.send(session, world.message("a", `${i}`));
    world.turn();
    world.store.sqlite.exec("INSERT INTO client_msgs (rowid, client_id) VALUES (19, 'x')");
    const [pending] = world.pending as { batch: Buffer }[];
    expect(() => world.store.database.apply(pending!.batch)).toThrow(/UNIQUE/);
    expect([world.count("base_msgs"), world.count("client_msgs")]).toEqual([0, 1]);
    world.store.sqlite.exec("DELETE FROM client_msgs");
    world.commit();
    expect([world.count("base_msgs"), world.count("client_msgs")]).toEqual([20, 20]);
  });

  it("can be empty", () => {
    const { database } = openStore();
    database.apply(Buffer.alloc(0));
    expect(database.fetch({ clientId: "", after: 0, max: 1, bytesMax: 1 })).toHaveLength(0);
    expect(database.fetch({ clientId: "", after: 0, max: 1, bytesMax: 1 })).toHaveLength(0);
    database.close();
  });
});

/** Batches with what a crash must not tear: each turn is a message to two sessions and a value. */
function* turns(world: JournalWorld): Generator<void> {
  const [one, two] = ["one", "two"].map((clientId) => world.session(clientId));
  world.journal.putSession(one!);
  world.journal.putSession(two!);
  yield;
  let previous: ReturnType<typeof messageWith> | undefined;
  for (let i = 1; i <= 12; i++) {
    const payload = `${i} ${"x".repeat((i % 4) * 2_000)}`;
    const message = world.message("t", payload, { retain: true, qos: 1 });
    const queued = world.send(one!, message);
    world.send(two!, message);
    world.journal.putRetained(message, previous);
    previous = message;
    // The first one's queue is only its last three.
    if (i > 3) world.acknowledge(one!, [...one!.outgoing.deliveries()][0]!);
    expect(queued.place).toBe(i);
    yield;
  }
}

describe("a crash", () => {
  /** What there is, in a word for each batch: its messages to the second session, and the value. */
  function stateIn(file: string): { batches: number; files: string[] } {
    const store = openStore({ path: file });
    const { sessions, retained } = stateOf(store.database.recover());
    const owed = sessions.map(({ parked }) => parked.count);
    const value = Number(retained[0]?.payload.toString().split(" ")[0] ?? 0);
    const bases = rowsOf(store.sqlite, "base_msgs").length;
    store.database.close();
    if (sessions.length === 0) return { batches: 0, files: readdirSync(folder) };
    expect(owed).toEqual([Math.min(value, 3), value]);
    expect(bases).toBe(value);
    return { batches: 1 + value, files: readdirSync(folder) };
  }

  it("leaves whole batches, and every one that was on disk", () => {
    const world = new JournalWorld(openStore({ path, pageSize: 1024 }));
    world.store.sqlite.exec("PRAGMA wal_autocheckpoint = 0");
    const ends = [statSync(`${path}-wal`).size];
    for (const _ of turns(world)) {
      world.turn();
      world.commit();
      ends.push(statSync(`${path}-wal`).size);
    }
    const wal = readFileSync(`${path}-wal`);
    const file = readFileSync(path);
    world.store.database.close();
    const prng = new Prng(seed());
    const frame = 1024 + 24;
    const cuts = new Set<number>([0, 1, 31, 32, wal.length]);
    for (let at = 32; at <= wal.length; at += frame) {
      if (ends.includes(at) || prng.between(0, 3) === 0) {
        for (const cut of [at - 1, at, at + 1]) if (cut <= wal.length) cuts.add(cut);
      }
    }
    for (let i = 0; i < 40; i++) cuts.add(prng.between(0, wal.length));
    const cutPath = join(folder, "cut.sqlite3");
    const counts = new Set<number>();
    const check = (tail: Buffer, whole: number, most: number) => {
      writeFileSync(cutPath, file);
      writeFileSync(`${cutPath}-wal`, tail);
      const { batches } = stateIn(cutPath);
      expect(batches).toBeGreaterThanOrEqual(whole);
      expect(batches).toBeLessThanOrEqual(most);
      counts.add(batches);
      rmSync(cutPath);
      rmSync(`${cutPath}-wal`, { force: true });
    };
    for (const cut of cuts) {
      const whole = ends.filter((end) => end <= cut).length - 1;
      check(wal.subarray(0, cut), Math.max(0, whole), Math.max(0, whole));
    }
    expect(counts.size).toBe(ends.length);
    // Bytes that were never on disk as they were written.
    for (let i = 0; i < 40; i++) {
      const at = prng.between(32, wal.length - 1);
      const torn = Buffer.from(wal);
      torn[at] = torn[at]! ^ (1 << prng.between(0, 7));
      const whole = ends.filter((end) => end <= at).length - 1;
      check(torn, Math.max(0, whole), Math.max(0, whole));
    }
  });
});
