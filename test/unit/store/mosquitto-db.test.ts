/** mosquitto.db, whole and chunk by chunk. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readMosquittoDb } from "../../../src/store/mosquitto-db.ts";
import {
  isMosquittoDb,
  mosquittoDbChunks,
  readHeader,
} from "../../../src/store/mosquitto-db-chunks.ts";
import { UnreadableDatabase } from "../../../src/store/unreadable.ts";
import { hex } from "../../support/hex.ts";
import { type DbChunk, mosquittoDb } from "../../support/mosquitto-db-writer.ts";
import { ROOT } from "../../support/programs.ts";

const SEEN = readFileSync(join(ROOT, "test/data/mosquitto.db"));
const SEEN_JSON = JSON.parse(readFileSync(join(ROOT, "test/data/mosquitto.db.json"), "utf8"));
const VERSIONS = [2, 3, 4, 5, 6];

/** One of everything that every version has. */
const PLAIN: readonly DbChunk[] = [
  { type: "cfg", lastId: 9n },
  { type: "base", id: 7n, topic: "a/é", payload: "hello", qos: 1, sourceId: "p", sourceMid: 258 },
  { type: "base", id: 8n, topic: "r", payload: Buffer.from([0, 255]), qos: 0, retain: 1 },
  { type: "client", client: "one", lastMid: 513 },
  { type: "message", client: "one", id: 7n, mid: 513, qos: 1, state: 3, dup: 1, direction: 1 },
  { type: "message", client: "one", id: 8n, mid: 2, qos: 2, state: 7, retain: 1, direction: 0 },
  { type: "sub", client: "one", topic: "a/#", qos: 2 },
  { type: "retain", id: 8n },
];

describe("readMosquittoDb", () => {
  it("reads a file of mosquitto 2.1 as mosquitto's own dump has it", () => {
    const { version, contents, leftOut, warnings } = readMosquittoDb(SEEN);
    expect({ version, warnings }).toEqual({ version: 6, warnings: [] });
    expect(Object.values(leftOut).every((count) => count === 0)).toBe(true);
    const json = SEEN_JSON;
    expect(
      contents.baseMessages.map((row) => ({
        storeid: row.storeId,
        "expiry-time": row.expiryTime,
        "source-mid": row.sourceMid,
        "source-port": row.sourcePort,
        qos: row.qos,
        retain: row.retain,
        topic: row.topic,
        clientid: row.sourceId,
        payload: Buffer.from(row.payload).toString("base64"),
        ...(row.properties === null ? {} : { properties: JSON.parse(row.properties) }),
      })),
    ).toEqual(json["base-messages"]);
    expect(contents.baseMessages.every((row) => row.sourceUsername === null)).toBe(true);
    expect(
      contents.clientMessages.map(({ clientId, mid, qos, state, ...row }) => [
        ...[clientId, mid, qos, state, row.direction, row.retain, row.dup],
        row.subscriptionIdentifier,
      ]),
    ).toEqual(
      json["client-messages"].map((it: Record<string, unknown>) => [
        ...[it.clientid, it.mid, it.qos, it.state, it.direction, 0, 0],
        it["subscription-identifier"],
      ]),
    );
    expect(contents.clientMessages.map(({ cmsgId }) => cmsgId)).toEqual([1, 2, 1, 1, 2]);
    expect(contents.retains.map(({ topic }) => topic)).toEqual(["a/b", "ret/é", "ret/bin"]);
    expect(
      contents.subscriptions.map(({ clientId, topic, options, identifier }) => ({
        ...{ clientid: clientId, topic, qos: options & 3, options: options & 0xfc, identifier },
      })),
    ).toEqual(json.subscriptions);
    expect(contents.wills).toEqual([]);
  });

  it("has for a client what the database of today asks for", () => {
    expect(readMosquittoDb(SEEN).contents.clients[0]).toEqual({
      clientId: "s1",
      username: null,
      connectionTime: 0,
      willDelayTime: 0,
      sessionExpiryTime: 0,
      listenerPort: 18862,
      maxPacketSize: 0,
      maxQos: 2,
      retainAvailable: 1,
      sessionExpiryInterval: 0xffff_ffff,
      willDelayInterval: 0,
    });
  });

  it.each(VERSIONS)("reads version %i", (version) => {
    const { contents, warnings, version: found } = readMosquittoDb(mosquittoDb(version, PLAIN));
    expect({ found, warnings }).toEqual({ found: version, warnings: [] });
    expect(contents.baseMessages).toMatchObject([
      { storeId: 7, topic: "a/é", payload: Buffer.from("hello"), qos: 1, retain: 0 },
      { storeId: 8, topic: "r", payload: Buffer.from([0, 255]), qos: 0, retain: 1 },
    ]);
    expect(contents.baseMessages[0]).toMatchObject({
      ...{ sourceId: "p", sourceUsername: null, sourceMid: 258, sourcePort: 0, expiryTime: 0 },
      properties: null,
    });
    expect(contents.clients).toMatchObject([
      { clientId: "one", username: null, sessionExpiryInterval: 0xffff_ffff },
    ]);
    expect(contents.clientMessages).toEqual([
      {
        ...{ clientId: "one", cmsgId: 1, storeId: 7, mid: 513, qos: 1, state: 3, retain: 0 },
        ...{ dup: 1, direction: 1, subscriptionIdentifier: 0 },
      },
      {
        ...{ clientId: "one", cmsgId: 2, storeId: 8, mid: 2, qos: 2, state: 7, retain: 1 },
        ...{ dup: 0, direction: 0, subscriptionIdentifier: 0 },
      },
    ]);
    expect(contents.subscriptions).toEqual([
      { clientId: "one", topic: "a/#", options: 2, identifier: 0 },
    ]);
    expect(contents.retains).toEqual([{ topic: "r", storeId: 8 }]);
  });

  it("reads what version 4 adds: who published, and where", () => {
    const chunk = { ...PLAIN[1]!, username: "u", port: 1883 } as DbChunk;
    const { contents } = readMosquittoDb(mosquittoDb(4, [chunk]));
    expect(contents.baseMessages[0]).toMatchObject({ sourceUsername: "u", sourcePort: 1883 });
  });

  it.each([5, 6])("reads what version %i has of MQTT 5.0", (version) => {
    const { contents } = readMosquittoDb(
      mosquittoDb(version, [
        {
          ...{ type: "base", id: 7n, topic: "a", payload: "", qos: 2, expiry: 1_800_000_000n },
          ...{ sourceId: "p", username: "u", port: 1, properties: hex`01 01 26 0001 61 0000` },
        },
        { type: "client", client: "c", lastMid: 1, expiryInterval: 60, expiryTime: 5_000_000_000n },
        {
          type: "message",
          client: "c",
          id: 7n,
          mid: 1,
          qos: 2,
          state: 11,
          direction: 1,
          subscription: 9,
        },
        { type: "sub", client: "c", topic: "a", qos: 1, options: 0x2c, identifier: 268_435_455 },
      ]),
    );
    expect(contents.baseMessages[0]).toMatchObject({
      ...{ expiryTime: 1_800_000_000, sourceUsername: "u", sourcePort: 1 },
      properties:
        '[{"identifier":"payload-format-indicator","value":1},' +
        '{"identifier":"user-property","name":"a","value":""}]',
    });
    expect(contents.clients[0]).toMatchObject({
      ...{ sessionExpiryInterval: 60, sessionExpiryTime: 5_000_000_000 },
    });
    expect(contents.clientMessages[0]!.subscriptionIdentifier).toBe(9);
    expect(contents.subscriptions).toEqual([
      { clientId: "c", topic: "a", options: 0x2d, identifier: 268_435_455 },
    ]);
  });

  it("reads what version 6 adds: the client's listener and user", () => {
    const file = mosquittoDb(6, [
      { type: "client", client: "c", lastMid: 1, port: 8883, username: "u" },
    ]);
    expect(readMosquittoDb(file).contents.clients[0]).toMatchObject({
      ...{ clientId: "c", listenerPort: 8883, username: "u" },
    });
  });

  it("keeps store identifiers exact, as bigint where a number is not, signed as in SQLite", () => {
    const ids = [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n + 5n];
    const file = mosquittoDb(
      6,
      ids.map((id) => ({ type: "base", id, topic: `${id}`, payload: "", qos: 0 })),
    );
    expect(readMosquittoDb(file).contents.baseMessages.map(({ storeId }) => storeId)).toEqual([
      ...[2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n) + 5n],
    ]);
  });

  it("leaves out and counts what names something that is not there", () => {
    const { contents, leftOut, warnings } = readMosquittoDb(
      mosquittoDb(6, [
        ...PLAIN,
        { type: "message", client: "one", id: 99n, mid: 3, qos: 1, state: 11, direction: 1 },
        { type: "message", client: "two", id: 7n, mid: 3, qos: 1, state: 11, direction: 1 },
        { type: "sub", client: "two", topic: "a", qos: 0 },
        { type: "retain", id: 98n },
        { type: "client", client: "one", lastMid: 3, expiryInterval: 1 },
        { type: "base", id: 7n, topic: "other", payload: "", qos: 0 },
      ]),
    );
    expect(leftOut).toEqual({
      messagesWithoutBase: 1,
      messagesWithoutClient: 1,
      subscriptionsWithoutClient: 1,
      retainsWithoutBase: 1,
      duplicates: 2,
    });
    expect(warnings).toHaveLength(5);
    expect(warnings[0]).toBe("1 messages of clients have no base message and are ignored.");
    expect(contents).toEqual(readMosquittoDb(mosquittoDb(6, PLAIN)).contents);
  });

  it("takes the last of subscriptions that are one, and of a topic's retained messages", () => {
    const { contents } = readMosquittoDb(
      mosquittoDb(6, [
        ...PLAIN,
        { type: "sub", client: "one", topic: "a/#", qos: 0, identifier: 4 },
        { type: "base", id: 10n, topic: "r", payload: "new", qos: 0, retain: 1 },
        { type: "retain", id: 10n },
      ]),
    );
    expect(contents.subscriptions).toEqual([
      { clientId: "one", topic: "a/#", options: 0, identifier: 4 },
    ]);
    expect(contents.retains).toEqual([{ topic: "r", storeId: 10 }]);
  });

  it("does not ask for an order: a message may come before its client", () => {
    const backwards = mosquittoDb(6, [...PLAIN].reverse());
    expect(readMosquittoDb(backwards).contents.clientMessages).toHaveLength(2);
    expect(readMosquittoDb(backwards).warnings).toEqual([]);
  });

  it.each(VERSIONS)(
    "skips a chunk that version %i does not know, in mosquitto's words",
    (version) => {
      const unknown: DbChunk = { type: "raw", number: 99, body: Buffer.from("whatever") };
      const { contents, warnings } = readMosquittoDb(mosquittoDb(version, [unknown, ...PLAIN]));
      expect(warnings).toEqual(['Unsupported chunk "99" in persistent database file. Ignoring.']);
      expect(contents).toEqual(readMosquittoDb(mosquittoDb(version, PLAIN)).contents);
    },
  );

  it("finds nothing in an empty file, as mosquitto does", () => {
    const { version, contents, warnings } = readMosquittoDb(Buffer.alloc(0));
    expect({ version, warnings }).toEqual({ version: 0, warnings: ["Persistence file is empty."] });
    expect(Object.values(contents).flat()).toEqual([]);
  });
});

describe("a mosquitto.db that cannot be read", () => {
  it.each([
    [Buffer.from("SQLite format 3\0"), "notDatabase", "Unrecognised file format."],
    [SEEN.subarray(0, 14), "notDatabase", "Unrecognised file format."],
    [mosquittoDb(1, []), "unsupportedVersion", "Unsupported persistent database format version 1"],
    [mosquittoDb(7, []), "unsupportedVersion", "Unsupported persistent database format version 7"],
    [
      mosquittoDb(6, [{ type: "cfg", dbIdBytes: 4 }]),
      "unsupportedVersion",
      "Incompatible database configuration (dbid size is 4 bytes, expected 8).",
    ],
    [
      mosquittoDb(3, [{ type: "cfg", dbIdBytes: 4 }]),
      "unsupportedVersion",
      "Incompatible database configuration (dbid size is 4 bytes, expected 8).",
    ],
    [SEEN.subarray(0, 20), "damaged", "damaged at byte 20: the file ends in its header."],
    [
      SEEN.subarray(0, 26),
      "damaged",
      "damaged at byte 23: the file ends in a chunk's type and length.",
    ],
    [
      SEEN.subarray(0, 40),
      "damaged",
      "damaged at byte 23: the chunk has 16 bytes by its length, and 9 are left.",
    ],
    [
      mosquittoDb(6, [{ type: "raw", number: 4, body: Buffer.alloc(7) }]),
      "damaged",
      "damaged at byte 31: a chunk is too short for what it holds.",
    ],
    [
      mosquittoDb(2, [{ type: "raw", number: 6, body: hex`0002 c3 28 0000` }]),
      "damaged",
      "damaged at byte 31: a text there is not UTF-8.",
    ],
    [
      mosquittoDb(6, [
        { type: "base", id: 1n, topic: "a", payload: "", qos: 0, properties: hex`01` },
      ]),
      "damaged",
      "damaged at byte 64: the properties there cannot be read.",
    ],
  ] as const)("is refused in one sentence (%#)", (bytes, code, sentence) => {
    const error = refusal(bytes);
    expect(error?.code).toBe(code);
    expect(error?.message).toContain(sentence);
    expect(error?.message).toMatch(/^[A-Z][^\n]*\.$/);
    expect(error?.offset).toBeTypeOf("number");
  });

  it.each([
    ...VERSIONS.map((version) => [`of version ${version}`, mosquittoDb(version, PLAIN)] as const),
    ["of mosquitto 2.1", SEEN] as const,
  ])("is one %s that ends anywhere but between chunks", (_, whole) => {
    const ends = new Set([0, readable(whole).start]);
    for (const { end } of readable(whole).chunks) ends.add(end);
    for (let cut = 0; cut <= whole.length; cut++) {
      const error = refusal(Buffer.from(whole.subarray(0, cut)));
      if (ends.has(cut)) expect(error, `cut at ${cut}`).toBeUndefined();
      else expect(error, `cut at ${cut}`).toBeInstanceOf(UnreadableDatabase);
    }
  });

  it("is told as such whatever the bytes are", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...VERSIONS),
        fc.uint8Array({ maxLength: 200 }),
        (version, tail) => {
          refusal(Buffer.concat([mosquittoDb(version, []), tail]));
        },
      ),
    );
  });

  it("is told as such whichever bytes of a good file are others", () => {
    const change = fc.tuple(fc.nat({ max: SEEN.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(
        fc.constantFrom(...VERSIONS),
        fc.array(change, { minLength: 1 }),
        (version, changes) => {
          const bytes = mosquittoDb(version, PLAIN);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          refusal(bytes);
        },
      ),
    );
  });
});

describe("mosquittoDbChunks", () => {
  it("tells the header, and of each chunk where it stands", () => {
    expect(readHeader(SEEN)).toEqual({ crc: 0, version: 6 });
    const placed = [...mosquittoDbChunks(SEEN)];
    expect(placed[0]).toEqual({
      offset: 23,
      length: 16,
      chunk: {
        kind: "configuration",
        lastStoreId: 1327052000787528,
        shutdown: 1,
        storeIdBytes: 8,
      },
    });
    expect(placed.at(-1)).toMatchObject({ offset: SEEN.length - 16, length: 8 });
    expect(placed).toHaveLength(19);
  });

  it("knows a mosquitto.db by its first bytes", () => {
    expect(isMosquittoDb(SEEN)).toBe(true);
    expect(isMosquittoDb(SEEN.subarray(0, 14))).toBe(false);
  });
});

/** Where the chunks of a good file end. */
function readable(bytes: Buffer) {
  const head = readHeader(bytes).version >= 5 ? 8 : 6;
  const chunks = [...mosquittoDbChunks(bytes)].map(({ offset, length }) => ({
    end: offset + head + length,
  }));
  return { start: 23, chunks };
}

/** Why it is refused; undefined when it is good. Any other error is thrown on. */
function refusal(bytes: Buffer): UnreadableDatabase | undefined {
  try {
    readMosquittoDb(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof UnreadableDatabase) return error;
    throw error;
  }
}
