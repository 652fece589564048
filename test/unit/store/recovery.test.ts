import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NEVER } from "../../../src/store/rows.ts";
import { DurableWorld } from "../../support/durable-world.ts";
import { hex } from "../../support/hex.ts";
import { ROOT } from "../../support/programs.ts";
import { openStore, stateOf } from "../../support/store-world.ts";

/** Written by mosquitto 2.1 and its persist-sqlite plugin. */
const SEEN = join(ROOT, "test/data/mosquitto.sqlite3");

const PROPERTIES = {
  contentType: "text/plain",
  correlationData: Buffer.from("abc"),
  payloadFormatIndicator: 1,
  responseTopic: "r/t",
  userProperties: [["k", "v"]],
};

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "mosquitto.sqlite3");
  copyFileSync(SEEN, path);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a database of mosquitto's", () => {
  it("is read whole", () => {
    const { database } = openStore({ path });
    const recovered = database.recover();
    const { sessions, retained } = stateOf(recovered);
    expect(recovered).toMatchObject({ lastRow: 5, lastStoreId: 1327052017809769 });
    const base = {
      username: null,
      port: 18861,
      expiryInterval: NEVER,
      expiresAt: 0,
      will: null,
      incoming: [],
      outgoing: [],
    };
    const option = { noLocal: false, retainAsPublished: false, retainHandling: 0, identifier: 0 };
    expect(sessions).toEqual([
      {
        ...base,
        clientId: "s1",
        subscriptions: [{ ...option, filter: "a/#", qos: 2, identifier: 7 }],
        parked: { count: 2, bytes: 8, qos0: 0 },
        lastPlace: 2,
      },
      {
        ...base,
        clientId: "s2",
        subscriptions: [
          { ...option, filter: "a/b", qos: 1 },
          { ...option, filter: "x/+/y", qos: 1 },
        ],
        parked: { count: 1, bytes: 5, qos0: 0 },
        lastPlace: 1,
      },
      {
        ...base,
        clientId: "s3",
        subscriptions: [{ ...option, filter: "$share/g/a/+", qos: 1 }],
        parked: { count: 2, bytes: 8, qos0: 0 },
        lastPlace: 2,
      },
    ]);
    const seen = retained.map(({ topic, payload, qos, retain, storeId, sourceId }) => {
      return [topic, payload.toString("hex"), qos, retain, storeId, sourceId];
    });
    expect(seen).toEqual([
      ["a/b", "68656c6c6f", 1, true, 1327052017728446, "pubber"],
      [
        "ret/é",
        Buffer.from("naïve ✓").toString("hex"),
        0,
        true,
        1327052017779528,
        "auto-099ED618-0FBF-528E-C3CD-06100F2E0438",
      ],
      ["ret/bin", "0001ff", 2, true, 1327052017809769, "auto-DC16A35B-58AC-A75A-E244-02D36269EA5B"],
    ]);
    expect(retained[0]).toMatchObject({ sourcePacketId: 1, sourcePort: 18861, expiresAt: 0 });
    // As they stand in a PUBLISH, in the order that they came in.
    expect(retained[0]!.properties).toEqual(
      hex`03 000a 746578742f706c61696e  26 0001 6b 0001 76  09 0003 616263  01 01  08 0003 722f74`,
    );
    expect(retained[1]!.properties).toHaveLength(0);
    database.close();
  });

  it.each([
    [0, [0, false, false, 0]],
    [1, [1, false, false, 0]],
    [2 | 4, [2, true, false, 0]],
    [1 | 8, [1, false, true, 0]],
    [2 | 16, [2, false, false, 1]],
    [1 | 32 | 8 | 4, [1, true, true, 2]],
    // What no subscription can be.
    [3 | 48, [2, false, false, 2]],
  ])("has the options of a subscription in bits: %i", (options, read) => {
    const { database, sqlite } = openStore({ path });
    sqlite.exec(`UPDATE subscriptions SET subscription_options = ${options}`);
    for (const { subscriptions } of stateOf(database.recover()).sessions) {
      for (const { qos, noLocal, retainAsPublished, retainHandling } of subscriptions) {
        expect([qos, noLocal, retainAsPublished, retainHandling]).toEqual(read);
      }
    }
    database.close();
  });

  it("has times in seconds, and intervals that never end as -1", () => {
    const { database, sqlite } = openStore({ path });
    sqlite.exec(`UPDATE clients SET session_expiry_interval = 77, session_expiry_time = 1800000100,
      will_delay_time = 1800000005, will_delay_interval = 5, username = 'somebody'`);
    sqlite.exec(`INSERT INTO wills VALUES ('s2', X'00ff', 'w/t', 2, 1, 1,
      '[{"identifier":"message-expiry-interval","value":60},
        {"identifier":"content-type","value":"c"}]')`);
    sqlite.exec("UPDATE base_msgs SET expiry_time = 1800000200");
    const { sessions, retained } = stateOf(database.recover());
    for (const session of sessions) {
      expect(session).toMatchObject({
        expiryInterval: 77,
        expiresAt: 1_800_000_100_000,
        username: "somebody",
      });
    }
    expect(sessions.map(({ will }) => will)).toEqual([
      null,
      {
        topic: "w/t",
        payload: Buffer.from([0, 255]),
        qos: 1,
        retain: true,
        properties: { messageExpiryInterval: 60, contentType: "c" },
        delay: 5,
        dueAt: 1_800_000_005_000,
      },
      null,
    ]);
    expect(retained[0]!.expiresAt).toBe(1_800_000_200_000);
    database.close();
  });
});

describe("a broker that takes a database over from mosquitto", () => {
  it("delivers what waits, in order and with its properties, and has nothing left", () => {
    const durable = new DurableWorld(path);
    const clients = ["s1", "s2", "s3"].map((clientId) => {
      const client = durable.connect({
        clientId,
        cleanStart: false,
        properties: { sessionExpiryInterval: 3600 },
      });
      client.acknowledges = true;
      return client;
    });
    const connacks = clients.map((client) => client.received()[0]);
    for (const connack of connacks) expect(connack).toMatchObject({ sessionPresent: true });
    durable.settle();
    const [s1, s2, s3] = clients.map((client) => client.takePublishes());
    const first = { topic: "a/b", qos: 1, retain: false, dup: false, properties: PROPERTIES };
    expect(s1).toMatchObject([
      { ...first, properties: { ...PROPERTIES, subscriptionIdentifiers: [7] } },
      { topic: "a/c", qos: 2 },
    ]);
    expect(s2).toMatchObject([first]);
    expect(s3).toMatchObject([first, { topic: "a/c", qos: 1, dup: false }]);
    expect([s1, s2, s3].map((them) => them!.map(({ payload }) => payload.toString()))).toEqual([
      ["hello", "two"],
      ["hello"],
      ["hello", "two"],
    ]);
    clients[0]!.puback(s1![0]!.packetId);
    clients[0]!.pubrec(s1![1]!.packetId);
    durable.settle();
    clients[0]!.pubcomp(s1![1]!.packetId);
    clients[1]!.puback(s2![0]!.packetId);
    for (const { packetId } of s3!) clients[2]!.puback(packetId);
    durable.settle();
    expect(durable.rows("client_msgs")).toEqual([]);
    // What is retained still is.
    expect(durable.rows("base_msgs").map(({ topic }) => topic)).toEqual([
      "a/b",
      "ret/é",
      "ret/bin",
    ]);
    const { kept } = durable.broker;
    expect([kept.count, kept.bytes]).toEqual([3, 18]);
    durable.store.database.close();
  });

  it("knows the subscriptions and the retained messages", () => {
    const durable = new DurableWorld(path);
    const writer = durable.world.client();
    for (const topic of ["a/x", "x/1/y", "x/y"]) writer.publish(topic, topic, { qos: 1 });
    durable.settle();
    const owed = durable.rows(`SELECT client_id, CAST(payload AS TEXT) AS payload
      FROM client_msgs JOIN base_msgs USING (store_id) WHERE cmsg_id > 2 OR client_id = 's2'`);
    expect(owed.map(({ client_id, payload }) => `${client_id} ${payload}`).sort()).toEqual([
      "s1 a/x",
      "s2 hello",
      "s2 x/1/y",
      "s3 a/x",
    ]);
    writer.take();
    writer.subscribe("#", 2);
    const retained = writer.takePublishes();
    expect(retained.map(({ topic, qos, retain }) => [topic, qos, retain])).toEqual(
      expect.arrayContaining([
        ["a/b", 1, true],
        ["ret/é", 0, true],
        ["ret/bin", 2, true],
      ]),
    );
    expect(retained.find(({ topic }) => topic === "a/b")!.properties).toMatchObject(PROPERTIES);
    durable.store.database.close();
  });

  it("writes what mosquitto can read: the same columns, filled as it does", () => {
    const durable = new DurableWorld(path);
    const client = durable.connect({ clientId: "new", version: 4, cleanStart: false });
    client.take();
    client.subscribe("x/+/y", 1);
    durable.settle();
    client.drop();
    durable.world.client({ clientId: "w" }).publish("x/1/y", "again", { qos: 1 });
    durable.settle();
    const [seen] = durable.rows("SELECT * FROM client_msgs WHERE client_id = 's2' AND cmsg_id = 1");
    const [ours] = durable.rows("SELECT * FROM client_msgs WHERE client_id = 'new'");
    expect({ ...ours, client_id: "s2", store_id: seen!.store_id }).toEqual(seen);
    const clients = durable.rows("SELECT * FROM clients");
    const own = clients.find(({ client_id }) => client_id === "new")!;
    expect({ ...own, client_id: "s1", connection_time: 0, listener_port: 18861 }).toEqual({
      ...clients[0],
      connection_time: 0,
    });
    const types = durable.rows(`SELECT typeof(topic) AS topic, typeof(payload) AS payload,
      typeof(source_username) AS user, typeof(properties) AS properties FROM base_msgs`);
    expect(types.at(-1)).toEqual({
      topic: "text",
      payload: "blob",
      user: "null",
      properties: "null",
    });
    durable.store.database.close();
  });
});
