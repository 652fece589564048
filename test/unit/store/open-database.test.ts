import {
  copyFileSync,
  existsSync,
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
import { type Opened, type OpenOptions, openDatabase } from "../../../src/store/open-database.ts";
import { UnreadableDatabase } from "../../../src/store/unreadable.ts";
import { ROOT } from "../../support/programs.ts";
import { seeds } from "../../support/seeds.ts";
import {
  JournalWorld,
  openStore,
  SQLITE,
  stateOf,
  WatchedSqlite,
} from "../../support/store-world.ts";

const OLD = join(ROOT, "test/data/mosquitto.db");
const NOW = Date.UTC(2027, 0, 2, 3, 4, 5, 678);

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "mosquitto.sqlite3");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function optionsWith(options: Partial<OpenOptions> = {}): OpenOptions {
  const oldPath = join(folder, "mosquitto.db");
  return { path, oldPath, sync: "off", pageSize: 4096, now: NOW, ...options };
}

function open(options: Partial<OpenOptions> = {}): Opened {
  return openDatabase(SQLITE, optionsWith(options));
}

function refusal(options: Partial<OpenOptions> = {}): UnreadableDatabase {
  try {
    open(options).database.close();
  } catch (error) {
    if (error instanceof UnreadableDatabase) return error;
    throw error;
  }
  throw new Error("it was opened");
}

describe("a database that is not there yet", () => {
  it("is made, for its owner's eyes alone", () => {
    const { database, recovered, notes } = open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(stateOf(recovered)).toEqual({ sessions: [], retained: [] });
    expect(recovered).toMatchObject({ lastRow: 0, lastStoreId: 0 });
    expect(notes).toEqual([]);
    database.close();
    expect(readdirSync(folder)).toEqual(["mosquitto.sqlite3"]);
  });

  it("is one file when it is closed, which opens again", () => {
    open().database.close();
    open().database.close();
    expect(readdirSync(folder)).toEqual(["mosquitto.sqlite3"]);
  });

  it("is refused where the folder does not exist, in one sentence", () => {
    const reason = refusal({ path: join(folder, "none/mosquitto.sqlite3") });
    expect(reason.code).toBe("unreachable");
    expect(reason.message).toMatch(/no such file or directory/);
    expect(reason.message).not.toMatch(/\n/);
  });

  it("is refused where a folder stands in its place", () => {
    expect(refusal({ path: folder }).code).toBe("unreachable");
  });
});

describe("an old mosquitto.db", () => {
  it("is taken over whole and stays as it is", () => {
    const oldPath = join(folder, "mosquitto.db");
    copyFileSync(OLD, oldPath);
    const { database, recovered, notes } = open();
    const { sessions, retained } = stateOf(recovered);
    expect(sessions.map(({ clientId }) => clientId).sort()).toEqual(["s1", "s2", "s3"]);
    expect(retained.map(({ topic }) => topic).sort()).toEqual(["a/b", "ret/bin", "ret/é"]);
    const messages = sessions.reduce(
      (sum, { parked, outgoing, incoming }) =>
        sum + parked.count + outgoing.length + incoming.length,
      0,
    );
    const subscriptions = sessions.reduce((sum, it) => sum + it.subscriptions.length, 0);
    expect(notes[0]).toEqual({
      type: "notice",
      text: [
        `Took over ${oldPath}: 3 sessions, ${subscriptions} subscriptions,`,
        `${messages} messages for them and 3 retained messages. The file is as it was.`,
      ].join(" "),
    });
    database.close();
    expect(readFileSync(oldPath).equals(readFileSync(OLD))).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["mosquitto.db", "mosquitto.sqlite3"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("is not looked at where a database is", () => {
    open().database.close();
    copyFileSync(OLD, join(folder, "mosquitto.db"));
    const { database, recovered, notes } = open();
    expect(stateOf(recovered)).toEqual({ sessions: [], retained: [] });
    expect(notes).toEqual([]);
    database.close();
  });

  it("that is damaged keeps the broker from starting, and leaves no database behind", () => {
    writeFileSync(join(folder, "mosquitto.db"), readFileSync(OLD).subarray(0, 200));
    const reason = refusal();
    expect(reason.code).toBe("damaged");
    expect(reason.message).toMatch(/mosquitto\.db cannot be taken over: /);
    expect(readdirSync(folder)).toEqual(["mosquitto.db"]);
    // The next start is not taken in either.
    expect(refusal().code).toBe("damaged");
  });

  it("that is something else keeps the broker from starting", () => {
    writeFileSync(join(folder, "mosquitto.db"), "hello");
    expect(refusal().code).toBe("notDatabase");
    expect(readdirSync(folder)).toEqual(["mosquitto.db"]);
  });

  it("that is a folder keeps the broker from starting, in one sentence", () => {
    expect(refusal({ oldPath: folder }).code).toBe("unreachable");
    expect(existsSync(path)).toBe(false);
  });

  it("is taken over by the next start when the first one was cut short", () => {
    copyFileSync(OLD, join(folder, "mosquitto.db"));
    // As a start leaves it that makes the database and is killed before it has written any row.
    const cut = new CutShort("INSERT INTO base_msgs");
    expect(() => openDatabase(cut, optionsWith())).toThrow("killed");
    cut.release();
    expect(existsSync(path)).toBe(false);
    // And as a version before left it.
    writeFileSync(path, "");
    const { database, recovered } = open();
    expect(stateOf(recovered).sessions).toHaveLength(3);
    database.close();
    expect(readdirSync(folder).sort()).toEqual(["mosquitto.db", "mosquitto.sqlite3"]);
  });
});

describe("another program's file", () => {
  it.each(["hello", "\0".repeat(5000), "SQLite format 3\0 and no more"])(
    "is refused: %j",
    (text) => {
      writeFileSync(path, text);
      const { code, message } = refusal();
      expect(["notDatabase", "damaged"]).toContain(code);
      expect(message).not.toMatch(/\n/);
      if (code === "notDatabase") expect(readFileSync(path, "utf8")).toBe(text);
    },
  );

  it("is refused though it is SQLite's, and stays as it is", () => {
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE songs (name TEXT); INSERT INTO songs VALUES ('yesterday')");
    other.close();
    const before = readFileSync(path);
    expect(refusal().code).toBe("notDatabase");
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(["mosquitto.sqlite3"]);
  });
});

/** A database with some hundred messages, on several pages of each table. */
function fill(): void {
  const world = new JournalWorld(openStore({ path }));
  const { journal } = world;
  for (let i = 0; i < 40; i++) {
    const session = world.session(`client-${i}`);
    journal.putSession(session);
    journal.putSubscription(session, {
      session,
      filter: `some/filter/${i}/#`,
      share: null,
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      identifier: 0,
    });
    for (let n = 0; n < 10; n++) {
      const payload = `${i}.${n}.${"x".repeat(n === 0 ? 9000 : 100)}`;
      world.send(session, world.message(`some/topic/${i}`, payload));
    }
    const retained = world.message(`retained/${i}`, `value ${i}`, { retain: true });
    journal.putRetained(retained, undefined);
  }
  world.settle();
  world.store.database.close();
}

describe("a damaged database", () => {
  it.each(seeds(30))("is read, or set aside and saved as far as it goes (%i)", (seed) => {
    fill();
    const prng = new Prng(seed);
    const bytes = readFileSync(path);
    const pages = bytes.length / 4096;
    for (let hits = prng.between(1, 4); hits > 0; hits--) {
      // Not the first, without which it is no database.
      const at = prng.between(1, pages - 1) * 4096 + prng.between(0, 40);
      const end = Math.min(at + prng.between(1, 4096), bytes.length);
      for (let i = at; i < end; i++) bytes[i] = prng.between(0, 255);
    }
    writeFileSync(path, bytes);
    const { database, recovered, notes } = open();
    const { sessions } = stateOf(recovered);
    database.close();
    const files = readdirSync(folder).sort();
    if (notes.length === 0) {
      expect(files).toEqual(["mosquitto.sqlite3"]);
      return;
    }
    const aside = `${path}.damaged-20270102T030405Z`;
    expect(files).toEqual(["mosquitto.sqlite3", "mosquitto.sqlite3.damaged-20270102T030405Z"]);
    expect(readFileSync(aside).equals(bytes)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(notes).toHaveLength(1);
    expect(notes[0]!.type).toBe("error");
    const said = /It was set aside as (\S+); (\d+) rows could be read/.exec(notes[0]!.text);
    expect(said?.[1]).toBe(aside);
    expect(sessions.length).toBeLessThanOrEqual(40);
    expect(Number(said?.[2])).toBeGreaterThan(0);
  });

  it("loses nothing when only an index is damaged", () => {
    fill();
    const bytes = readFileSync(path);
    const root = rootOf("client_msgs_client_id");
    bytes.fill(0xff, (root - 1) * 4096, root * 4096);
    writeFileSync(path, bytes);
    const { database, recovered, notes } = open();
    expect(notes[0]!.text).toMatch(/960 rows could be read and were kept, 0 tables/);
    const { sessions, retained } = stateOf(recovered);
    expect(sessions.map(({ parked }) => parked.count)).toEqual(Array(40).fill(10));
    expect(retained).toHaveLength(40);
    database.close();
  });

  it("is saved with what its write-ahead log has", () => {
    fill();
    const bytes = readFileSync(path);
    const root = rootOf("client_msgs_client_id");
    bytes.fill(0xff, (root - 1) * 4096, root * 4096);
    // Written by another program, which crashed: it took no notice of the damage.
    const other = new DatabaseSync(path);
    other.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
    other.exec("INSERT INTO clients (client_id, session_expiry_interval) VALUES ('late', -1)");
    const wal = readFileSync(`${path}-wal`);
    other.close();
    rmSync(`${path}-wal`, { force: true });
    writeFileSync(path, bytes);
    writeFileSync(`${path}-wal`, wal);
    const { database, recovered } = open();
    expect(stateOf(recovered).sessions.map(({ clientId }) => clientId)).toContain("late");
    database.close();
  });
});

function rootOf(index: string): number {
  const sqlite = new DatabaseSync(path);
  const row = sqlite.prepare("SELECT rootpage FROM sqlite_master WHERE name = ?").get(index);
  sqlite.close();
  return row!.rootpage as number;
}

/** The process is killed at a statement: nothing runs any more, no clean-up either. */
class CutShort extends WatchedSqlite {
  private isDead = true;
  constructor(sql: string) {
    super();
    const { DatabaseSync: Real } = this;
    const dead = () => this.isDead;
    Object.assign(this, {
      DatabaseSync: class extends Real {
        override prepare(text: string) {
          const statement = super.prepare(text);
          if (text.startsWith(sql)) {
            statement.run = () => {
              throw new Error("killed");
            };
          }
          return statement;
        }
        override close() {
          if (!dead()) super.close();
        }
      },
    });
  }
  /** What its death would have let go. */
  release(): void {
    this.isDead = false;
    this.last!.close();
  }
}
