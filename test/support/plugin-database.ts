/** Databases of mosquitto's persist-sqlite plugin for tests, changed at will. */

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ROOT } from "./programs.ts";

/** The database that a mosquitto 2.1 left. */
export const PLUGIN_DATABASE = join(ROOT, "test/data/mosquitto.sqlite3");

/** A copy of it at `path`, after the statements: closed, and so without files beside it. */
export function pluginDatabase(path: string, ...statements: readonly string[]): string {
  copyFileSync(PLUGIN_DATABASE, path);
  const sqlite = new DatabaseSync(path);
  for (const statement of statements) sqlite.exec(statement);
  sqlite.close();
  return path;
}

/** Overwrites a text in the first page of an index, as a bad disk might: `to` is as long. */
export function damageIndex(path: string, index: string, from: string, to: string): void {
  const sqlite = new DatabaseSync(path);
  const row = sqlite.prepare("SELECT rootpage FROM sqlite_master WHERE name = ?").get(index);
  const size = sqlite.prepare("PRAGMA page_size").get();
  sqlite.close();
  const bytes = readFileSync(path);
  const start = (Number(row?.rootpage) - 1) * Number(size?.page_size);
  const at = bytes.indexOf(from, start);
  if (at < start || at >= start + Number(size?.page_size))
    throw new Error(`no ${from} in ${index}`);
  bytes.write(to, at);
  writeFileSync(path, bytes);
}
