/**
 * `ts-broker db`: looks into the databases of a broker, ours and mosquitto's.
 *
 * A wrong word is told in one sentence and ends it with status 1. Any order of words does; a word
 * that begins with a dash is an option.
 */
import { flag, type Values } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { type Manners, parseWords } from "./words.ts";

const FORMAT = "Formats of dump";
const HELP = "Help";
const MANNERS: Manners = { unknown: "nothing", missing: "nothing" };

/** What there is to do, and what it does. */
export const DB_ACTIONS = {
  dump: "Print everything in the database FILE",
  check: "Check the database FILE, and say what is wrong with it",
} as const;

export type DbAction = keyof typeof DB_ACTIONS;

export const DB_OPTIONS = {
  stats: flag({
    long: "stats",
    group: FORMAT,
    brief: "Print how much there is of everything",
    text: "Prints only how many entries of each kind there are.",
  }),
  clientStats: flag({
    long: "client-stats",
    group: FORMAT,
    brief: "Print how much each client has",
    text: [
      "Prints a line for each client: the count of its subscriptions (SC) and the bytes of their",
      "filters (SS), the count of its messages (MC) and the bytes of their payloads (MS).",
    ].join(" "),
  }),
  json: flag({
    long: "json",
    group: FORMAT,
    brief: "Print JSON",
    text: [
      "Prints JSON as mosquitto_db_dump(1) does, payloads in base64. As there, storeid of a",
      "client's message is its subscription identifier.",
    ].join(" "),
  }),
  help: flag({
    long: "help",
    short: "h",
    group: HELP,
    brief: "Print this text and exit",
    text: "Prints the usage on standard output and exits with status 0.",
    stops: true,
  }),
} as const;

export type DumpFormat = "text" | "stats" | "clientStats" | "json";

/** What the words after `db` ask for. */
export type DbRequest =
  | { readonly ask: "help" }
  | { readonly ask: "dump"; readonly path: string; readonly format: DumpFormat }
  | { readonly ask: "check"; readonly path: string };

/** @throws {UsageError} for what is wrong with the words. */
export function parseDb(words: readonly string[]): DbRequest {
  const dashed = words.filter((word) => word.startsWith("-"));
  const plain = words.filter((word) => !word.startsWith("-"));
  const { values, stopped } = parseWords(DB_OPTIONS, dashed, MANNERS);
  if (stopped) return { ask: "help" };
  const [action, path, ...others] = plain;
  if (action === undefined) throw refused("incomplete", "Error: db needs a word: dump or check.");
  if (!isAction(action)) {
    throw refused("bad-value", `Error: Unknown db command '${action}', use dump or check.`);
  }
  if (path === undefined) throw refused("incomplete", `Error: db ${action} needs a file.`);
  if (others.length > 0) {
    throw refused("conflict", `Error: db ${action} takes one file, '${others[0]}' is too much.`);
  }
  const formats = formatsIn(values);
  if (action === "dump" && formats.length <= 1) {
    return { ask: "dump", path, format: formats[0] ?? "text" };
  }
  const names = formats.map((format) => `--${DB_OPTIONS[format].long}`);
  if (action === "dump") {
    throw refused("conflict", `Error: ${names.join(" and ")} exclude each other.`);
  }
  if (names.length > 0) throw refused("conflict", `Error: db check does not take ${names[0]}.`);
  return { ask: "check", path };
}

function isAction(word: string): word is DbAction {
  return Object.hasOwn(DB_ACTIONS, word);
}

function formatsIn(values: Values<typeof DB_OPTIONS>) {
  return (["stats", "clientStats", "json"] as const).filter((format) => values[format]);
}

function refused(code: "incomplete" | "bad-value" | "conflict", message: string): UsageError {
  return new UsageError(code, message, "nothing");
}
