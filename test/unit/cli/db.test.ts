/** ts-broker db: what it prints of databases of both kinds, and how it ends. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PassThrough, Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runDb } from "../../../src/cli/db.ts";
import type { Streams } from "../../../src/cli/streams.ts";
import { hex } from "../../support/hex.ts";
import { type DbChunk, mosquittoDb } from "../../support/mosquitto-db-writer.ts";
import { damageIndex, PLUGIN_DATABASE, pluginDatabase } from "../../support/plugin-database.ts";
import { ROOT } from "../../support/programs.ts";

const OLD_DATABASE = join(ROOT, "test/data/mosquitto.db");
const WHOLE: readonly DbChunk[] = [
  { type: "cfg", lastId: 9n },
  {
    ...{ type: "base", id: 2n ** 63n + 1n, topic: "t", payload: "a\tb", qos: 1, username: "u" },
    properties: hex`26 0001 6b 0001 76`,
  },
  { type: "client", client: "c\x1b[31m", lastMid: 1, username: "u" },
  {
    type: "message",
    client: "c\x1b[31m",
    id: 2n ** 63n + 1n,
    mid: 1,
    qos: 1,
    state: 3,
    dup: 1,
    direction: 1,
  },
  { type: "sub", client: "c\x1b[31m", topic: "ü", qos: 1, options: 0x2c },
  { type: "retain", id: 2n ** 63n + 1n },
];

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-db-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const path = (name = "x") => join(directory, name);

describe("ts-broker db dump", () => {
  it("prints JSON as mosquitto's own program does, byte for byte", async () => {
    const { status, stdout, stderr } = await db("dump", "--json", OLD_DATABASE);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toBe(readFileSync(`${OLD_DATABASE}.json`, "utf8"));
  });

  it("prints the same JSON of an SQLite database, but for what is not kept there", async () => {
    const { status, stdout } = await db("dump", "--json", PLUGIN_DATABASE);
    expect(status).toBe(0);
    const old = JSON.parse(readFileSync(`${OLD_DATABASE}.json`, "utf8"));
    const json = JSON.parse(stdout);
    expect(Object.keys(json)).toEqual(Object.keys(old));
    expect(json["base-messages"][0].properties).toEqual(old["base-messages"][0].properties);
    expect(json["client-messages"]).toEqual(old["client-messages"]);
    expect(json.subscriptions).toEqual([
      ...old.subscriptions,
      { clientid: "s3", topic: "$share/g/a/+", qos: 1, options: 0, identifier: 0 },
    ]);
    expect(json.clients[0]).toEqual({
      ...{ clientid: "s1", "session-expiry-time": 0, "session-expiry-interval": 4294967295 },
      "listener-port": 18861,
    });
  });

  it("prints JSON with empty arrays of nothing, exact names of messages, and wills", async () => {
    writeFileSync(path(), mosquittoDb(6, []));
    expect((await db("dump", "--json", path())).stdout).toBe(
      '{\n\t"base-messages":\t[],\n\t"clients":\t[],\n\t"client-messages":\t[],\n' +
        '\t"retained-messages":\t[],\n\t"subscriptions":\t[]\n}\n',
    );
    writeFileSync(path(), mosquittoDb(6, WHOLE));
    const { stdout } = await db("dump", "--json", path());
    expect(stdout).toContain('"storeid":\t9223372036854775809');
    expect(stdout).toContain('"clientid":\t"c\\u001b[31m"');
    expect(JSON.parse(stdout)["base-messages"][0]).toMatchObject({ username: "u" });
    pluginDatabase(path(), "INSERT INTO wills VALUES ('s1', 'x', 'w', 1, 1, 0, '[broken')");
    expect(JSON.parse((await db("dump", "--json", path())).stdout).wills).toEqual([
      { clientid: "s1", topic: "w", qos: 1, retain: 0, payload: "eA==" },
    ]);
  });

  it("prints every chunk with its fields", async () => {
    writeFileSync(path(), mosquittoDb(6, WHOLE));
    const { status, stdout } = await db("dump", path());
    expect(status).toBe(0);
    expect(stdout.split("\n").slice(0, 24)).toEqual([
      "Mosquitto DB dump",
      "CRC: 0",
      "DB version: 6",
      "DB_CHUNK_CFG:",
      "\tLength: 16",
      "\tShutdown: 1",
      "\tDB ID size: 8",
      "\tLast DB ID: 9",
      "DB_CHUNK_BASE_MSG:",
      "\tLength: 45",
      "\tStore ID: 9223372036854775809",
      "\tSource ID: ",
      "\tSource Username: u",
      "\tSource Port: 0",
      "\tSource MID: 0",
      "\tTopic: t",
      "\tQoS: 1",
      "\tRetain: 0",
      "\tExpiry Time: 0",
      "\tPayload Length: 3",
      "\tPayload (hex): 610962",
      "\tProperties:",
      "\t\tuser-property: k: v",
      "DB_CHUNK_CLIENT:",
    ]);
    expect(stdout).toContain("\tClient ID: c\\x1b[31m\n");
    expect(stdout).toContain("DB_CHUNK_SUB:\n\tLength: 20\n");
    expect(stdout).toContain("\tTopic: ü\n\tQoS: 1\n\tSubscription ID: 0\n\tOptions: 0x2C\n");
    expect(
      stdout.endsWith("DB_CHUNK_RETAIN:\n\tLength: 8\n\tStore ID: 9223372036854775809\n"),
    ).toBe(true);
  });

  it("prints an SQLite database in the same way", async () => {
    pluginDatabase(
      path(),
      "INSERT INTO wills VALUES ('s1', 'late', 'w', 4, 1, 0, '[broken')",
      "UPDATE client_msgs SET client_id = 'gone' WHERE client_id = 's3'",
    );
    const { status, stdout } = await db("dump", path());
    expect(status).toBe(0);
    expect(stdout.startsWith("Mosquitto DB dump\nDB_CHUNK_BASE_MSG:\n\tStore ID: 1327")).toBe(true);
    expect(stdout).toContain("\tPayload: naïve ✓\n");
    expect(stdout).toContain("DB_WILL:\n\tClient ID: s1\n\tTopic: w\n");
    expect(stdout).toContain("\tPayload: late\n\tProperties: [broken\n");
    expect(stdout.match(/Client ID: gone/g)).toHaveLength(2);
  });

  it("counts the six kinds of chunks with --stats", async () => {
    const { stdout } = await db("dump", "--stats", OLD_DATABASE);
    expect(stdout).toBe(
      "DB_CHUNK_CFG:        1\nDB_CHUNK_BASE_MSG:   4\nDB_CHUNK_CLIENT_MSG: 5\n" +
        "DB_CHUNK_RETAIN:     3\nDB_CHUNK_SUB:        3\nDB_CHUNK_CLIENT:     3\n",
    );
  });

  it("says what each client has with --client-stats", async () => {
    const { stdout } = await db("dump", "--client-stats", OLD_DATABASE);
    expect(stdout).toBe(
      "SC: 1 SS: 3 MC: 2 MS: 8   s1\nSC: 2 SS: 8 MC: 1 MS: 5   s2\nSC: 0 SS: 0 MC: 2 MS: 8   s3\n",
    );
  });

  it.each(["dump", "--stats", "--client-stats", "--json"])(
    "skips a chunk that is not known with a warning (%s)",
    async (format) => {
      const unknown: DbChunk = { type: "raw", number: 77, body: Buffer.alloc(3) };
      writeFileSync(path("plain"), mosquittoDb(6, WHOLE));
      writeFileSync(path(), mosquittoDb(6, [...WHOLE, unknown]));
      const words = format === "dump" ? [] : [format];
      expect(await db("dump", ...words, path())).toEqual({
        status: 0,
        stdout: (await db("dump", ...words, path("plain"))).stdout,
        stderr: 'Warning: Unsupported chunk "77" in persistent database file. Ignoring.\n',
      });
    },
  );

  it("says that a file is missing, with status 0 as in mosquitto", async () => {
    expect(await db("dump", path())).toEqual({
      status: 0,
      stdout: "",
      stderr: `Error: Unable to open ${path()}: No such file or directory.\n`,
    });
  });

  it("says that a file is none, with status 1", async () => {
    writeFileSync(path(), "hello");
    const stderr = `Error: ${path()}: Unrecognised file format.\n`;
    expect(await db("dump", path())).toEqual({ status: 1, stdout: "", stderr });
    mkdirSync(path("folder"));
    expect((await db("dump", path("folder"))).status).toBe(1);
  });

  it("prints what comes before a damaged place, and fails", async () => {
    writeFileSync(path(), readFileSync(OLD_DATABASE).subarray(0, 200));
    const { status, stdout, stderr } = await db("dump", path());
    expect(status).toBe(1);
    expect(stdout.match(/^DB_CHUNK/gm)).toHaveLength(2);
    expect(stderr).toBe(
      `Error: ${path()}: The database is damaged at byte 136: ` +
        "the chunk has 79 bytes by its length, and 56 are left.\n",
    );
    expect(await db("dump", "--json", path())).toMatchObject({ status: 1, stdout: "" });
  });

  it("finds nothing in an empty file", async () => {
    writeFileSync(path(), "");
    const { status, stdout, stderr } = await db("dump", path());
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: "Warning: Persistence file is empty.\n",
    });
    expect(stdout).toBe("Mosquitto DB dump\n");
  });

  it("prints a large database whole, to a reader that is slow", async () => {
    const many = Array.from({ length: 2_000 }, (_, i): DbChunk => {
      return { type: "base", id: BigInt(i), topic: `t/${i}`, payload: "x".repeat(200), qos: 0 };
    });
    writeFileSync(path(), mosquittoDb(6, many));
    const { stdout } = await db("dump", path());
    expect(stdout.match(/^\tTopic: t\//gm)).toHaveLength(2_000);
    const json = JSON.parse((await db("dump", "--json", path())).stdout);
    expect(json["base-messages"]).toHaveLength(2_000);
  });

  it("ends when nobody reads any more", async () => {
    const many = Array.from({ length: 2_000 }, (_, i): DbChunk => {
      return { type: "base", id: BigInt(i), topic: `t/${i}`, payload: "x".repeat(200), qos: 0 };
    });
    writeFileSync(path(), mosquittoDb(6, many));
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    const status = await runDb(streams(stdout, new PassThrough()), ["dump", path()]);
    expect(status).toBe(0);
  });
});

describe("ts-broker db check", () => {
  it("finds nothing wrong with good databases", async () => {
    expect(await db("check", OLD_DATABASE)).toEqual({
      status: 0,
      stdout: [
        "mosquitto.db, version 6.",
        "Clients: 3, subscriptions: 3, messages: 4, waiting for clients: 5, retained: 3, wills: 0",
        "The database is good.\n",
      ].join("\n"),
      stderr: "",
    });
    const { status, stdout } = await db("check", PLUGIN_DATABASE);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^SQLite database, schema 1\.1\.0\.\nClients: 3, subscriptions: 4, /);
  });

  it("tells each problem of an SQLite database in a line", async () => {
    pluginDatabase(
      path(),
      "DELETE FROM clients WHERE client_id = 's2'",
      "DELETE FROM base_msgs WHERE topic = 'a/c'",
      "DELETE FROM retains WHERE topic = 'ret/bin'",
      "INSERT INTO retains VALUES ('gone', 5)",
    );
    const { status, stdout } = await db("check", path());
    expect(status).toBe(1);
    expect(stdout.match(/^Problem: .*$/gm)).toEqual([
      'Problem: message 1327052017728446 is for client "s2", which is not there',
      'Problem: client "s1" is to get message 1327052017757963, which is not there',
      'Problem: client "s3" is to get message 1327052017757963, which is not there',
      'Problem: topic "gone" retains message 5, which is not there',
      'Problem: subscription "a/b" is of client "s2", which is not there',
      'Problem: subscription "x/+/y" is of client "s2", which is not there',
      "Problem: message 1327052017809769 is for no client and no topic retains it",
    ]);
    expect(stdout.endsWith("The database is not good.\n")).toBe(true);
  });

  it("tells what SQLite finds", async () => {
    pluginDatabase(path());
    damageIndex(path(), "client_msgs_client_id", "s1", "s0");
    const { status, stdout } = await db("check", path());
    expect(status).toBe(1);
    expect(stdout).toMatch(/^Problem: .*client_msgs_client_id$/m);
    writeFileSync(path("cut"), readFileSync(PLUGIN_DATABASE).subarray(0, 30_000));
    expect(await db("check", path("cut"))).toEqual({
      status: 1,
      stdout: [
        "SQLite database.",
        "Problem: database disk image is malformed",
        "Problem: It is damaged: database disk image is malformed",
        "The database is not good.\n",
      ].join("\n"),
      stderr: "",
    });
  });

  it("refuses another schema, and a database that somebody has", async () => {
    pluginDatabase(path(), "UPDATE version_info SET minor = 0");
    const { status, stderr } = await db("check", path());
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^Error: .*: Its schema has version 1\.0\.0, and only 1\.1\.0 [^\n]*\.\n$/,
    );
    const owner = new DatabaseSync(pluginDatabase(path("held")));
    owner.exec("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM wills");
    expect((await db("check", path("held"))).stderr).toMatch(/^Error: .* has it open for itself/);
    owner.close();
  });

  it("counts what names something that is not there in a mosquitto.db", async () => {
    writeFileSync(path(), mosquittoDb(6, [...WHOLE, { type: "retain", id: 4n }]));
    const { status, stdout } = await db("check", path());
    expect(status).toBe(1);
    expect(stdout).toContain(
      "Problem: 1 retained messages have no base message and are ignored\nThe database is not good.",
    );
  });

  it("warns of a chunk that is not known, which is no problem", async () => {
    writeFileSync(path(), mosquittoDb(5, [{ type: "raw", number: 9, body: Buffer.alloc(0) }]));
    const { status, stdout } = await db("check", path());
    expect(status).toBe(0);
    expect(stdout).toContain(
      '\nWarning: Unsupported chunk "9" in persistent database file. Ignoring\n',
    );
  });

  it("says what is no good at all in one sentence, with status 1", async () => {
    const missing = await db("check", path());
    expect(missing).toMatchObject({ status: 1, stdout: "" });
    expect(missing.stderr).toMatch(/^Error: Unable to open [^\n]*\.\n$/);
    writeFileSync(path(), readFileSync(OLD_DATABASE).subarray(0, 30));
    const cut = await db("check", path());
    expect(cut.status).toBe(1);
    expect(cut.stderr).toMatch(/^Error: [^\n]* damaged at byte 23: [^\n]*\.\n$/);
    writeFileSync(path(), "");
    expect(await db("check", path())).toMatchObject({ status: 1, stderr: "" });
  });
});

describe("ts-broker db", () => {
  it.each([["--help"], ["dump", "-h"]])("teaches with %j", async (...words) => {
    const { status, stdout, stderr } = await db(...words);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(
      /^Usage: ts-broker db dump \[--stats \| --client-stats \| --json\] FILE\n/,
    );
    for (const word of ["check FILE", "--client-stats", "dump ", "Examples:"]) {
      expect(stdout).toContain(word);
    }
  });

  it("refuses wrong words in one sentence, with status 1", async () => {
    const stderr = "Error: Unknown db command 'drop', use dump or check.\n";
    expect(await db("drop", "x")).toEqual({ status: 1, stdout: "", stderr });
  });
});

async function db(...words: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [gathered(stdout), gathered(stderr)];
  const status = await runDb(streams(stdout, stderr), words);
  stdout.end();
  stderr.end();
  return { status, stdout: await out, stderr: await err };
}

async function gathered(stream: PassThrough): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function streams(stdout: Writable, stderr: Writable): Streams {
  return {
    ...{ argv: [], env: {}, pid: 1, stdin: new PassThrough(), stdout, stderr },
    on: () => undefined,
    off: () => undefined,
  };
}
