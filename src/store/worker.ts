/**
 * The database's thread: does what it is asked, one thing after the other, and says how it went.
 * Nothing is decided here; `journal.ts` does that, in the broker's thread.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Database } from "./database.ts";
import type { FetchRequest } from "./journal.ts";
import { type Note, type OpenOptions, openDatabase } from "./open-database.ts";
import type { Recovered } from "./recovery.ts";
import type { Sqlite } from "./sqlite.ts";
import { sqliteWords } from "./sqlite-errors.ts";
import { type UnreadableCode, UnreadableDatabase } from "./unreadable.ts";

/** What the thread is asked. Bytes change hands with the message. */
export type Ask =
  | { readonly ask: "commit"; readonly bytes: Uint8Array }
  | { readonly ask: "fetch"; readonly request: FetchRequest }
  | { readonly ask: "checkpoint" | "close" };

/** What it says. */
export type Tell =
  | { readonly tell: "opened"; readonly recovered: Recovered; readonly notes: readonly Note[] }
  | { readonly tell: "refused"; readonly code: UnreadableCode; readonly why: string }
  | { readonly tell: "committed"; readonly bytes: Uint8Array }
  | { readonly tell: "failed"; readonly bytes: Uint8Array; readonly why: string }
  | { readonly tell: "fetched"; readonly bytes: Uint8Array }
  | { readonly tell: "unfetched"; readonly why: string }
  | { readonly tell: "closed"; readonly why: string | null };

function main(port: MessagePort, options: OpenOptions): void {
  let database: Database;
  try {
    const opened = openDatabase(sqliteModule(), options);
    database = opened.database;
    const { recovered, notes } = opened;
    tell(port, { tell: "opened", recovered, notes });
  } catch (error) {
    if (!(error instanceof UnreadableDatabase)) throw error;
    tell(port, { tell: "refused", code: error.code, why: error.message });
    port.close();
    return;
  }
  port.on("message", (message: Ask) => answer(port, database, message));
}

function answer(port: MessagePort, database: Database, message: Ask): void {
  switch (message.ask) {
    case "commit":
      commit(port, database, message.bytes);
      break;
    case "fetch":
      fetch(port, database, message.request);
      break;
    case "checkpoint":
      quietly(() => database.checkpoint());
      break;
    case "close": {
      // The last one to close it leaves one file, if the disk lets it.
      const why = quietly(() => database.close());
      tell(port, { tell: "closed", why });
      port.close();
    }
  }
}

function commit(port: MessagePort, database: Database, bytes: Uint8Array): void {
  let why: string | null = null;
  try {
    database.apply(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    why = sqliteWords(error);
  }
  const told: Tell = why === null ? { tell: "committed", bytes } : { tell: "failed", bytes, why };
  port.postMessage(told, [bytes.buffer as ArrayBuffer]);
}

function fetch(port: MessagePort, database: Database, request: FetchRequest): void {
  let bytes: Uint8Array;
  try {
    bytes = database.fetch(request);
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    tell(port, { tell: "unfetched", why: sqliteWords(error) });
    return;
  }
  port.postMessage({ tell: "fetched", bytes } satisfies Tell, [bytes.buffer as ArrayBuffer]);
}

/** What SQLite says is the world's; anything else is ours, and ends the broker. */
function isSqliteError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_SQLITE_ERROR";
}

function quietly(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    return sqliteWords(error);
  }
}

function tell(port: MessagePort, message: Tell): void {
  port.postMessage(message);
}

/** @throws {UnreadableDatabase} In a Node.js that is too old. */
function sqliteModule(): Sqlite {
  const module = process.getBuiltinModule?.("node:sqlite");
  if (module !== undefined) return module as unknown as Sqlite;
  throw new UnreadableDatabase(
    "unreachable",
    `Node.js ${process.versions.node} has no SQLite; version 22.13 and later have`,
  );
}

if (parentPort !== null) main(parentPort, workerData as OpenOptions);
