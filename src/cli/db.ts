/**
 * `ts-broker db`: prints and checks databases, mosquitto.db and SQLite alike. Loaded only when the
 * words ask for it.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { Writable } from "node:stream";
import { type DbRequest, type DumpFormat, parseDb } from "../options/db.ts";
import { UsageError } from "../options/usage-error.ts";
import { codeOf, systemWords } from "../server/failure.ts";
import { unknownChunk } from "../store/mosquitto-db.ts";
import { type Header, isMosquittoDb, readHeader } from "../store/mosquitto-db-chunks.ts";
import type { Contents } from "../store/rows.ts";
import { UnreadableDatabase } from "../store/unreadable.ts";
import { entriesOfContents, entriesOfFile, type PlacedEntry } from "./db-entries.ts";
import { clientStatsText, entryText, headText, statsText } from "./db-text.ts";
import { type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;
/** Characters gathered before they are written. */
const PIECE_MIN = 64 * 1024;
const SQLITE_MAGIC = Buffer.from("SQLite format 3\0", "latin1");

/**
 * @param words Those after `db`.
 * @returns The exit status.
 */
export async function runDb(io: Streams, words: readonly string[]): Promise<number> {
  let request: DbRequest;
  try {
    request = parseDb(words);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await say(io.stderr, error.textFor("ts-broker"));
    return FAILURE;
  }
  if (request.ask === "help") {
    const { commandUsageText } = await import("./help.ts");
    await say(io.stdout, commandUsageText("db"));
    return OK;
  }
  try {
    const { path } = request;
    if (request.ask === "dump") return await dump(io, path, request.format);
    const { checkDatabase } = await import("./db-check.ts");
    const { report, isGood } = await checkDatabase(await whatIs(path));
    await say(io.stdout, report);
    return isGood ? OK : FAILURE;
  } catch (error) {
    return refuse(io, request, error);
  }
}

/** A file that is a database, by its first bytes. */
export type DatabaseFile =
  | { readonly kind: "empty"; readonly path: string }
  | { readonly kind: "mosquittoDb"; readonly path: string; readonly bytes: Buffer }
  | {
      readonly kind: "sqlite";
      readonly path: string;
      readonly contents: () => Promise<Contents>;
      readonly complaints: () => Promise<string[]>;
    };

/** @throws {UnreadableDatabase} It is neither kind. What the system says when it cannot be read. */
async function whatIs(path: string): Promise<DatabaseFile> {
  const head = headOf(path);
  if (head.length === 0) return { kind: "empty", path };
  if (isMosquittoDb(head)) return { kind: "mosquittoDb", path, bytes: readFileSync(path) };
  if (!head.equals(SQLITE_MAGIC)) {
    throw new UnreadableDatabase("notDatabase", "Unrecognised file format.", { offset: 0 });
  }
  const load = () => Promise.all([import("node:sqlite"), import("../store/contents.ts")]);
  return {
    kind: "sqlite",
    path,
    contents: async () => {
      const [sqlite, { readContents }] = await load();
      return readContents(sqlite, path);
    },
    complaints: async () => {
      const [sqlite, { integrityComplaints }] = await load();
      return integrityComplaints(sqlite, path);
    },
  };
}

/** The first bytes of a file, as many as tell what it is. */
function headOf(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(SQLITE_MAGIC.length);
    return head.subarray(0, readSync(file, head));
  } finally {
    closeSync(file);
  }
}

async function dump(io: Streams, path: string, format: DumpFormat): Promise<number> {
  const file = await whatIs(path);
  if (file.kind === "empty") await say(io.stderr, "Warning: Persistence file is empty.\n");
  const isSqlite = file.kind === "sqlite";
  const bytes = file.kind === "mosquittoDb" ? file.bytes : Buffer.alloc(0);
  const header = file.kind === "mosquittoDb" ? readHeader(bytes) : undefined;
  const warnings: string[] = [];
  const entries = isSqlite ? entriesOfContents(await file.contents()) : entriesOfFile(bytes);
  const known = withoutUnknown(entries, (type) => {
    warnings.push(`Warning: ${unknownChunk(type)}\n`);
  });
  try {
    await sayPieces(io.stdout, await piecesOf(known, header, format));
  } finally {
    if (warnings.length > 0) await say(io.stderr, warnings.join(""));
  }
  return OK;
}

function* withoutUnknown(
  entries: Iterable<PlacedEntry>,
  onUnknown: (type: number) => void,
): Generator<PlacedEntry, void> {
  for (const placed of entries) {
    if (placed.entry.kind === "unknown") onUnknown(placed.entry.type);
    else yield placed;
  }
}

async function piecesOf(
  entries: Iterable<PlacedEntry>,
  header: Header | undefined,
  format: DumpFormat,
): Promise<Iterable<string>> {
  switch (format) {
    case "stats":
      return [statsText(entries)];
    case "clientStats":
      return [clientStatsText(entries)];
    case "json": {
      const { jsonPieces } = await import("./db-json.ts");
      return jsonPieces(entries);
    }
    case "text":
      return textPieces(entries, header);
  }
}

function* textPieces(
  entries: Iterable<PlacedEntry>,
  header: Header | undefined,
): Generator<string, void> {
  yield headText(header);
  for (const placed of entries) yield entryText(placed);
}

/** Writes what comes, no faster than it is read; ends early when nobody reads any more. */
async function sayPieces(stream: Writable, pieces: Iterable<string>): Promise<void> {
  let isGone = false;
  // Stays on: the error of the last write may come after its callback.
  stream.on("error", () => {
    isGone = true;
  });
  let gathered = "";
  const write = () => new Promise<void>((resolve) => stream.write(gathered, () => resolve()));
  try {
    for (const piece of pieces) {
      gathered += piece;
      if (gathered.length < PIECE_MIN) continue;
      await write();
      if (isGone) return;
      gathered = "";
    }
  } finally {
    // Also what came before a damaged place.
    if (!isGone && gathered !== "") await write();
  }
}

/** Says why it could not be. A missing file to dump is no failure, as in mosquitto (d.3). */
async function refuse(io: Streams, request: DbRequest, error: unknown): Promise<number> {
  const path = request.ask === "help" ? "" : request.path;
  if (error instanceof UnreadableDatabase) {
    await say(io.stderr, `Error: ${path}: ${error.message}\n`);
    return FAILURE;
  }
  const code = codeOf(error);
  if (code === undefined) throw error;
  await say(io.stderr, `Error: Unable to open ${path}: ${systemWords(error)}.\n`);
  return request.ask === "dump" && code === "ENOENT" ? OK : FAILURE;
}
