/** `ts-broker db check`: whether a database is whole, and what is wrong with it if not. */
import { problemsIn } from "../store/findings.ts";
import { readMosquittoDb } from "../store/mosquitto-db.ts";
import type { Contents } from "../store/rows.ts";
import { SCHEMA_VERSION } from "../store/schema.ts";
import { UnreadableDatabase } from "../store/unreadable.ts";
import type { DatabaseFile } from "./db.ts";

export interface Verdict {
  /** For standard output, with its last newline. */
  readonly report: string;
  readonly isGood: boolean;
}

/** @throws {UnreadableDatabase} Where there is no more to say than that. */
export async function checkDatabase(file: DatabaseFile): Promise<Verdict> {
  if (file.kind === "empty") {
    return verdict("An empty file.", undefined, ["it has nothing in it, not even a version"]);
  }
  return file.kind === "sqlite" ? checkSqlite(file) : checkMosquittoDb(file.bytes);
}

/** mosquitto ignores what names something that is not there: here it is a problem all the same. */
function checkMosquittoDb(bytes: Buffer): Verdict {
  const { version, contents, leftOut, warnings } = readMosquittoDb(bytes);
  const isWhole = Object.values(leftOut).every((count) => count === 0);
  const lines = warnings.map((sentence) => sentence.replace(/\.$/, ""));
  return verdict(`mosquitto.db, version ${version}.`, contents, lines, isWhole);
}

async function checkSqlite(file: DatabaseFile & { kind: "sqlite" }): Promise<Verdict> {
  const what = "SQLite database";
  const complaints = await file.complaints();
  let contents: Contents;
  try {
    contents = await file.contents();
  } catch (error) {
    if (!(error instanceof UnreadableDatabase) || complaints.length === 0) throw error;
    return verdict(`${what}.`, undefined, [...complaints, error.message.replace(/\.$/, "")]);
  }
  const version = SCHEMA_VERSION.join(".");
  return verdict(`${what}, schema ${version}.`, contents, [...complaints, ...problemsIn(contents)]);
}

function verdict(
  what: string,
  contents: Contents | undefined,
  problems: readonly string[],
  isGood = problems.length === 0,
): Verdict {
  const counts = contents === undefined ? [] : [countsOf(contents)];
  const word = isGood ? "Warning" : "Problem";
  const lines = problems.map((problem) => `${word}: ${problem}`);
  const end = isGood ? "The database is good." : "The database is not good.";
  return { report: `${[what, ...counts, ...lines, end].join("\n")}\n`, isGood };
}

function countsOf(contents: Contents): string {
  const { clients, subscriptions, baseMessages, clientMessages, retains, wills } = contents;
  return [
    `Clients: ${clients.length}`,
    `subscriptions: ${subscriptions.length}`,
    `messages: ${baseMessages.length}`,
    `waiting for clients: ${clientMessages.length}`,
    `retained: ${retains.length}`,
    `wills: ${wills.length}`,
  ].join(", ");
}
