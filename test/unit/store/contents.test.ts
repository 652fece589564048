/** What is in a database of mosquitto's plugin, read without touching it. */
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sqlite, { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { integrityComplaints, readContents } from "../../../src/store/contents.ts";
import { UnreadableDatabase } from "../../../src/store/unreadable.ts";
import { damageIndex, PLUGIN_DATABASE, pluginDatabase } from "../../support/plugin-database.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-contents-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const path = (name = "a database#1?.sqlite3") => join(directory, name);

describe("readContents", () => {
  it("reads what a mosquitto 2.1 left", () => {
    const contents = readContents(sqlite, PLUGIN_DATABASE);
    expect(contents.clients.map(({ clientId }) => clientId)).toEqual(["s1", "s2", "s3"]);
    expect(contents.clients[0]).toEqual({
      clientId: "s1",
      username: null,
      connectionTime: 1795365201,
      willDelayTime: 0,
      sessionExpiryTime: 0,
      listenerPort: 18861,
      maxPacketSize: 0,
      maxQos: 2,
      retainAvailable: 1,
      sessionExpiryInterval: 0xffff_ffff,
      willDelayInterval: 0,
    });
    expect(contents.subscriptions).toEqual([
      { clientId: "s1", topic: "a/#", options: 2, identifier: 7 },
      { clientId: "s2", topic: "a/b", options: 1, identifier: 0 },
      { clientId: "s2", topic: "x/+/y", options: 1, identifier: 0 },
      { clientId: "s3", topic: "$share/g/a/+", options: 1, identifier: 0 },
    ]);
    expect(contents.baseMessages[0]).toMatchObject({
      ...{ storeId: 1327052017728446, expiryTime: 0, topic: "a/b", sourceId: "pubber" },
      ...{ sourceUsername: null, sourceMid: 1, sourcePort: 18861, qos: 1, retain: 1 },
      payload: Buffer.from("hello"),
    });
    expect(contents.baseMessages.map(({ properties }) => properties?.slice(0, 30))).toEqual([
      ...['[{"identifier":"content-type",', undefined, undefined, undefined],
    ]);
    expect(contents.clientMessages.map((row) => [row.clientId, row.cmsgId, row.qos])).toEqual([
      ...[
        ["s1", 1, 1],
        ["s1", 2, 2],
        ["s2", 1, 1],
        ["s3", 1, 1],
        ["s3", 2, 1],
      ],
    ]);
    expect(contents.clientMessages[0]).toEqual({
      ...{ clientId: "s1", cmsgId: 1, storeId: 1327052017728446, dup: 0, direction: 1, mid: 1 },
      ...{ qos: 1, retain: 0, state: 11, subscriptionIdentifier: 7 },
    });
    expect(contents.retains[1]).toEqual({ topic: "ret/é", storeId: 1327052017779528 });
    expect(contents.wills).toEqual([]);
  });

  it("leaves no file beside it, and its bytes as they were", () => {
    const before = readFileSync(pluginDatabase(path()));
    readContents(sqlite, path());
    integrityComplaints(sqlite, path());
    expect(readdirSync(directory)).toEqual([path().slice(directory.length + 1)]);
    expect(readFileSync(path())).toEqual(before);
  });

  it("reads what has only reached the -wal beside it", () => {
    const writer = new DatabaseSync(pluginDatabase(path()));
    writer.exec("DELETE FROM subscriptions");
    expect(readContents(sqlite, path()).subscriptions).toEqual([]);
    // As after a kill: the file and its -wal, and nobody who has them open.
    copyFileSync(path(), path("copy"));
    copyFileSync(`${path()}-wal`, path("copy-wal"));
    expect(readContents(sqlite, path("copy")).subscriptions).toEqual([]);
    writer.close();
  });

  it("reads text as text where it looks like a number, and large store identifiers exactly", () => {
    pluginDatabase(
      path(),
      "UPDATE base_msgs SET topic = '12', source_id = '34', source_username = '5'",
      "UPDATE base_msgs SET store_id = 9007199254740993 WHERE qos = 2 AND retain = 0",
      "UPDATE base_msgs SET store_id = -9223372036854775803 WHERE qos = 0",
      "UPDATE retains SET topic = '99' WHERE topic = 'a/b'",
      "INSERT INTO wills VALUES ('s1', x'00ff', '7', 2, 1, 1, NULL)",
    );
    const { baseMessages, retains, wills } = readContents(sqlite, path());
    expect(baseMessages.map(({ topic }) => topic)).toEqual(["12", "12", "12", "12"]);
    expect(baseMessages[0]).toMatchObject({ sourceId: "34", sourceUsername: "5" });
    const ids = baseMessages.map(({ storeId }) => storeId);
    expect(ids).toContain(9007199254740993n);
    expect(ids).toContain(-9223372036854775803n);
    expect(retains[0]!.topic).toBe("99");
    expect(wills).toEqual([
      {
        ...{ clientId: "s1", payload: Buffer.from([0, 255]), topic: "7", qos: 1, retain: 1 },
        properties: null,
      },
    ]);
  });

  it("reads a session expiry interval that the plugin stored as if it had a sign", () => {
    pluginDatabase(path(), "UPDATE clients SET session_expiry_interval = -294967296");
    expect(readContents(sqlite, path()).clients[0]!.sessionExpiryInterval).toBe(4_000_000_000);
  });

  it("takes NULL for nothing: no payload, no source", () => {
    pluginDatabase(path(), "UPDATE base_msgs SET payload = NULL, source_id = NULL");
    expect(readContents(sqlite, path()).baseMessages[0]).toMatchObject({
      ...{ payload: Buffer.alloc(0), sourceId: "" },
    });
  });
});

describe("a database that cannot be read", () => {
  it.each([
    [
      "UPDATE version_info SET minor = 0",
      "unsupportedVersion",
      /version 1\.0\.0.* mosquitto 2\.1 /,
    ],
    ["UPDATE version_info SET major = 0, minor = 9", "unsupportedVersion", /version 0\.9\.0.*mosq/],
    [
      "UPDATE version_info SET major = 2",
      "unsupportedVersion",
      /version 2\.1\.0, .* 1\.1\.0 is read\./,
    ],
    ["UPDATE version_info SET patch = 1", "unsupportedVersion", /version 1\.1\.1, and only/],
    ["DELETE FROM version_info", "notDatabase", /none of a broker/],
    ["DROP TABLE version_info", "notDatabase", /none of a broker/],
    ["DROP TABLE wills", "damaged", /no such table: wills/],
    ["ALTER TABLE retains DROP COLUMN topic", "damaged", /no such column/],
  ])("is one after %s", (statement, code, sentence) => {
    const undo = statement.startsWith("ALTER")
      ? ["DROP TABLE retains", "CREATE TABLE retains (store_id INT64)"]
      : [statement];
    expect(refusal(pluginDatabase(path(), ...undo))).toEqual({
      code,
      message: expect.stringMatching(sentence),
    });
  });

  it("is something else", () => {
    writeFileSync(path(), "hello, this is no database at all".repeat(100));
    expect(refusal(path())).toEqual({ code: "notDatabase", message: "It is no SQLite database." });
    writeFileSync(path("empty"), "");
    expect(refusal(path("empty"))?.code).toBe("notDatabase");
  });

  it("is not there", () => {
    expect(refusal(path())?.code).toBe("unreachable");
  });

  it("is open for one program alone", () => {
    const owner = new DatabaseSync(pluginDatabase(path()));
    owner.exec("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM subscriptions");
    expect(refusal(path())).toEqual({
      code: "locked",
      message: "Another program has it open for itself, such as a broker that runs.",
    });
    owner.close();
  });

  it("is damaged in one sentence, wherever it is cut off", () => {
    const whole = readFileSync(PLUGIN_DATABASE);
    // Of the last page, which is an empty index, a part is enough.
    for (let cut = 100; cut <= whole.length - 4_096; cut += 2_048) {
      writeFileSync(path(), whole.subarray(0, cut));
      expect(refusal(path()), `cut at ${cut}`).toEqual({
        code: "damaged",
        message: "It is damaged: database disk image is malformed.",
      });
      expect(integrityComplaints(sqlite, path())).toEqual(["database disk image is malformed"]);
    }
  });

  it("makes nothing but an UnreadableDatabase, whatever its bytes", () => {
    const whole = readFileSync(PLUGIN_DATABASE);
    for (let at = 0; at < whole.length; at += 331) {
      const bytes = Buffer.from(whole);
      bytes.fill(at & 0xff, at, at + 7);
      writeFileSync(path(), bytes);
      refusal(path());
    }
  });
});

describe("integrityComplaints", () => {
  it("has none for a good database", () => {
    expect(integrityComplaints(sqlite, PLUGIN_DATABASE)).toEqual([]);
  });

  it("has SQLite's for an index that says something else than its table", () => {
    copyFileSync(PLUGIN_DATABASE, path());
    damageIndex(path(), "client_msgs_client_id", "s1", "s0");
    const lines = integrityComplaints(sqlite, path());
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/client_msgs_client_id$/);
  });
});

/** Why it is refused; undefined when it is not. Any other error is thrown on. */
function refusal(file: string) {
  try {
    readContents(sqlite, file);
    return undefined;
  } catch (error) {
    if (error instanceof UnreadableDatabase) return { code: error.code, message: error.message };
    throw error;
  }
}
