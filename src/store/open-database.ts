/**
 * Opens the broker's database, whatever state it is in: makes one where there is none and fills it
 * from an old mosquitto.db, sets a damaged one aside and saves what can be read of it.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { Database, type DatabaseOptions } from "./database.ts";
import { readMosquittoDb } from "./mosquitto-db.ts";
import type { Recovered } from "./recovery.ts";
import { salvage } from "./salvage.ts";
import type { Sqlite } from "./sqlite.ts";
import { unreadable } from "./sqlite-errors.ts";
import { UnreadableDatabase } from "./unreadable.ts";

export interface OpenOptions extends DatabaseOptions {
  /** A mosquitto.db, which is read when there is no database yet; it may be missing. */
  readonly oldPath: string;
  /** Unix milliseconds, for the name of a damaged database. */
  readonly now: number;
}

export interface Opened {
  readonly database: Database;
  readonly recovered: Recovered;
  /** What whoever runs the broker should know, in whole sentences. */
  readonly notes: readonly Note[];
}

export interface Note {
  readonly type: "notice" | "warning" | "error";
  readonly text: string;
}

/** What belongs to a database beside its file. */
const COMPANIONS = ["-wal", "-shm"];

/** @throws {UnreadableDatabase} It is not ours, somebody has it, or the system refuses it. */
export function openDatabase(module: Sqlite, options: OpenOptions): Opened {
  const notes: Note[] = [];
  try {
    if (isMissing(options.path)) makeNew(module, options, notes);
  } catch (error) {
    // Whatever is damaged here is an old mosquitto.db, which stays where it is.
    throw unreadable(error);
  }
  try {
    return { ...openExisting(module, options), notes };
  } catch (error) {
    const reason = unreadable(error);
    if (reason.code !== "damaged") throw reason;
    try {
      notes.push(replaceDamaged(module, options, reason));
      return { ...openExisting(module, options), notes };
    } catch (failure) {
      throw unreadable(failure);
    }
  }
}

function openExisting(module: Sqlite, options: OpenOptions): Omit<Opened, "notes"> {
  checkAccess(options.path);
  const database = Database.open(module, options);
  try {
    return { database, recovered: database.recover() };
  } catch (error) {
    try {
      database.close();
    } catch {
      // A damaged one may not close well either.
    }
    throw error;
  }
}

/** SQLite says it in words such as "disk I/O error". */
function checkAccess(path: string): void {
  accessSync(path, constants.R_OK | constants.W_OK);
  try {
    // The write-ahead log is beside it.
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    const { message } = unreadable(error);
    throw new UnreadableDatabase("unreachable", `its folder may not be written: ${message}`);
  }
}

/** An empty file is what a start leaves that was cut short, or what was made for its rights. */
function isMissing(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined || (stat.isFile() && stat.size === 0);
}

/**
 * Makes the database under another name first: were the start cut short, half of an old
 * mosquitto.db would count as all of it.
 */
function makeNew(module: Sqlite, options: OpenOptions, notes: Note[]): void {
  const { path } = options;
  const draft = draftOf(path);
  removeWithCompanions(draft);
  try {
    // Messages and user names are nobody else's business, as with mosquitto.
    writeFileSync(draft, "", { mode: 0o600 });
    const database = Database.open(module, { ...options, path: draft });
    try {
      importOld(database, options, notes);
    } finally {
      database.close();
    }
    // Those of another one would be taken for its own.
    for (const companion of COMPANIONS) rmSync(path + companion, { force: true });
    renameSync(draft, path);
    syncFolder(path);
  } catch (error) {
    removeWithCompanions(draft);
    throw error;
  }
}

/** A start with an empty database would look like success, and lose everything at the next one. */
function importOld(database: Database, { oldPath }: OpenOptions, notes: Note[]): void {
  if (!existsSync(oldPath)) return;
  try {
    const { contents, leftOut, warnings } = readMosquittoDb(readFileSync(oldPath));
    database.import(contents);
    const { clients, clientMessages, retains, subscriptions } = contents;
    notes.push({
      type: "notice",
      text: [
        `Took over ${oldPath}: ${clients.length} sessions, ${subscriptions.length} subscriptions,`,
        `${clientMessages.length} messages for them and ${retains.length} retained messages.`,
        "The file is as it was.",
      ].join(" "),
    });
    for (const text of warnings) notes.push({ type: "warning", text: `${oldPath}: ${text}` });
    const left = Object.values(leftOut).reduce((sum, count) => sum + count, 0);
    if (left > 0) {
      const text = `${oldPath}: ${left} entries name others that are not there, and were left out.`;
      notes.push({ type: "warning", text });
    }
  } catch (error) {
    const { code, message } = unreadable(error);
    throw new UnreadableDatabase(code, `${oldPath} cannot be taken over: ${message}`, {
      cause: error,
    });
  }
}

/** What could be saved is in the damaged one's place. @returns What there is to say of it. */
function replaceDamaged(module: Sqlite, options: OpenOptions, reason: UnreadableDatabase): Note {
  const { path, now } = options;
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  const aside = `${path}.damaged-${stamp}`;
  const draft = draftOf(path);
  removeWithCompanions(draft);
  const saved = salvage(module, path, { ...options, path: draft });
  for (const companion of COMPANIONS) {
    if (existsSync(path + companion)) renameSync(path + companion, aside + companion);
  }
  renameSync(path, aside);
  renameSync(draft, path);
  syncFolder(path);
  const text = [
    `Error: ${path} is damaged (${reason.message}). It was set aside as ${aside};`,
    `${saved.rows} rows could be read and were kept, ${saved.tables} tables could not be read to`,
    "their end.",
  ].join(" ");
  return { type: "error", text };
}

function draftOf(path: string): string {
  return `${path}.new`;
}

function removeWithCompanions(path: string): void {
  for (const name of [path, ...COMPANIONS.map((companion) => path + companion)]) {
    rmSync(name, { force: true });
  }
}

/** A new name is on disk only when its folder is. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch {
    // Some systems do not open folders, and see to it themselves.
  }
}
