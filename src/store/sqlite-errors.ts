/** What SQLite throws, in words for whoever runs the broker. */
import { type UnreadableCode, UnreadableDatabase } from "./unreadable.ts";

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const CODES: ReadonlyMap<number, UnreadableCode> = new Map([
  [5, "locked"],
  [6, "locked"],
  [11, "damaged"],
  [26, "notDatabase"],
]);

/** What SQLite threw when it opened or read a database. */
export function unreadable(error: unknown): UnreadableDatabase {
  if (error instanceof UnreadableDatabase) return error;
  const code = codeOf(error);
  const message = code === "locked" ? "another program has it open" : wordsOf(error);
  return new UnreadableDatabase(code ?? "unreachable", message, { cause: error });
}

function codeOf(error: unknown): UnreadableCode | undefined {
  // node:sqlite puts SQLite's extended result code on its errors.
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? CODES.get(code & 0xff) : undefined;
}

function wordsOf(error: unknown): string {
  // Of "EACCES: permission denied, open 'PATH'" the middle; the path is told by whoever asked.
  const isSystemError = typeof (error as { syscall?: unknown } | null)?.syscall === "string";
  const words = sqliteWords(error);
  return isSystemError ? words.replace(/^[A-Z0-9]+: (.*?), \w+.*$/s, "$1") : words;
}

/** What SQLite says is wrong. */
export function sqliteWords(error: unknown): string {
  const general = (error as { errstr?: unknown } | null)?.errstr;
  const message = error instanceof Error ? error.message : String(error);
  return typeof general === "string" && general !== message ? `${message} (${general})` : message;
}
