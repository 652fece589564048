import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readMosquittoDb } from "../../../src/store/mosquitto-db.ts";
import { type Contents, NEVER, STATE } from "../../../src/store/rows.ts";
import { ROOT } from "../../support/programs.ts";
import { openStore, rowsOf } from "../../support/store-world.ts";

const EMPTY: Contents = {
  clients: [],
  subscriptions: [],
  baseMessages: [],
  clientMessages: [],
  retains: [],
  wills: [],
};

/** Text in all of it that SQLite would make a number of. */
const CLIENT = {
  clientId: "007",
  username: "1e5",
  connectionTime: 1,
  willDelayTime: 2,
  sessionExpiryTime: 3,
  listenerPort: 1883,
  maxPacketSize: 0,
  maxQos: 2,
  retainAvailable: 1,
  sessionExpiryInterval: NEVER,
  willDelayInterval: 4,
};

describe("the rows of another database", () => {
  it("go in as they are", () => {
    const { database, sqlite } = openStore();
    const { contents } = readMosquittoDb(readFileSync(join(ROOT, "test/data/mosquitto.db")));
    database.import(contents);
    const tables = ["clients", "subscriptions", "base_msgs", "client_msgs", "retains", "wills"];
    expect(tables.map((table) => rowsOf(sqlite, table).length)).toEqual([
      contents.clients.length,
      contents.subscriptions.length,
      contents.baseMessages.length,
      contents.clientMessages.length,
      contents.retains.length,
      contents.wills.length,
    ]);
    const ids = rowsOf(sqlite, "SELECT store_id FROM base_msgs ORDER BY rowid");
    expect(ids.map((row) => row.store_id)).toEqual(
      contents.baseMessages.map(({ storeId }) => storeId),
    );
    const queue = rowsOf(sqlite, "SELECT client_id, store_id, state, mid FROM client_msgs");
    expect(queue).toEqual(
      contents.clientMessages.map(({ clientId, storeId, state, mid }) => {
        return { client_id: clientId, store_id: storeId, state, mid };
      }),
    );
    database.close();
  });

  it("have -1 for an interval that never ends, and text for what looks like a number", () => {
    const { database, sqlite } = openStore();
    const payload = Buffer.from([0, 255]);
    const storeId = (1n << 54n) + 5n;
    database.import({
      clients: [CLIENT, { ...CLIENT, clientId: "8", sessionExpiryInterval: NEVER - 1 }],
      subscriptions: [{ clientId: "007", topic: "05", options: 2, identifier: 9 }],
      baseMessages: [
        {
          storeId,
          expiryTime: 6,
          topic: "007",
          payload,
          sourceId: "5.0",
          sourceUsername: " 12",
          sourceMid: 7,
          sourcePort: 8,
          qos: 2,
          retain: 1,
          properties: null,
        },
      ],
      clientMessages: [
        {
          clientId: "007",
          cmsgId: 3,
          storeId,
          dup: 1,
          direction: 1,
          mid: 44,
          qos: 2,
          retain: 1,
          state: STATE.waitForPubrec,
          subscriptionIdentifier: 9,
        },
      ],
      retains: [{ topic: "007", storeId }],
      wills: [{ clientId: "007", payload, topic: "1.0", qos: 1, retain: 0, properties: null }],
    });
    const intervals = "SELECT client_id, username, session_expiry_interval AS i FROM clients";
    expect(rowsOf(sqlite, intervals)).toEqual([
      { client_id: "007", username: "1e5", i: -1 },
      { client_id: "8", username: "1e5", i: NEVER - 1 },
    ]);
    expect(rowsOf(sqlite, "SELECT client_id, topic FROM subscriptions")).toEqual([
      { client_id: "007", topic: "05" },
    ]);
    const texts = `SELECT CAST(b.topic AS TEXT) AS topic, CAST(source_id AS TEXT) AS source,
      CAST(source_username AS TEXT) AS user, CAST(w.topic AS TEXT) AS will,
      CAST(r.topic AS TEXT) AS retained, b.payloadlen AS size, CAST(m.store_id AS TEXT) AS id
      FROM base_msgs b, wills w, retains r, client_msgs m`;
    expect(rowsOf(sqlite, texts)).toEqual([
      {
        topic: "007",
        source: "5.0",
        user: " 12",
        will: "1.0",
        retained: "007",
        size: 2,
        id: String(storeId),
      },
    ]);
    database.close();
  });

  it("are all there or none of them", () => {
    const { database, sqlite } = openStore();
    const { contents } = readMosquittoDb(readFileSync(join(ROOT, "test/data/mosquitto.db")));
    const twice = {
      ...contents,
      baseMessages: [...contents.baseMessages, contents.baseMessages[0]!],
    };
    expect(() => database.import(twice)).toThrow(/UNIQUE/);
    expect([rowsOf(sqlite, "clients"), rowsOf(sqlite, "base_msgs")]).toEqual([[], []]);
    database.import(contents);
    expect(rowsOf(sqlite, "clients")).toHaveLength(3);
    database.close();
  });

  it("can be none", () => {
    const { database, sqlite } = openStore();
    database.import(EMPTY);
    expect(rowsOf(sqlite, "clients")).toEqual([]);
    database.close();
  });
});
