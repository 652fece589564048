/**
 * The options of ts-broker.conf on persistence, and those of the plugin that asks for it.
 *
 * mosquitto keeps its state in a database either itself (`persistence true`) or by a plugin,
 * persist-sqlite. Our store is that plugin's database and needs nobody to load it, so that both
 * ways ask for the same thing; only the options of the plugin are left to the second.
 */
import { bad, boolean, type Directive, limit, type Rest, readInteger, text } from "./directive.ts";

const PERSISTENCE = "Persistence";

/** What mosquitto's counts and times hold. */
const INT_MAX = 2_147_483_647;

/** How SQLite waits for the disk: its own words for PRAGMA synchronous. */
const SYNCS = ["extra", "full", "normal", "off"] as const;
export type Sync = (typeof SYNCS)[number];

/** SQLite's own bounds for a page, in bytes. */
const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 65_536;

/**
 * mosquitto reads file and location again on SIGHUP, for it only writes there, as a whole and from
 * memory. Our database is open for as long as the broker runs, so that it is told once.
 */
export const PERSISTENCE_DIRECTIVES = {
  persistence: boolean({
    name: "persistence",
    aliases: ["retained_persistence"],
    group: PERSISTENCE,
    scope: "general",
    reload: "no",
    text: [
      "Whether sessions with their subscriptions and messages, retained messages and Wills outlast",
      "the broker. The default is false. With true, every change that is acknowledged is on disk",
      "before its acknowledgement leaves; changes that come together are written together.",
      "The database is mosquitto.sqlite3 in persistence_location, the one of mosquitto's",
      "persist-sqlite plugin. A change takes effect at the next start.",
    ].join(" "),
    fallback: false,
  }),
  persistenceLocation: text({
    name: "persistence_location",
    value: "DIRECTORY",
    group: PERSISTENCE,
    scope: "general",
    reload: "no",
    text: [
      "Where the databases are: in the working directory unless given. The environment variable",
      "MOSQUITTO_PERSISTENCE_LOCATION overrides it. A change takes effect at the next start.",
    ].join(" "),
    fallback: "",
  }),
  persistenceFile: text({
    name: "persistence_file",
    value: "NAME",
    group: PERSISTENCE,
    scope: "general",
    reload: "no",
    text: [
      "The name of the database that a mosquitto without the plugin has saved, mosquitto.db unless",
      "given. It is read at the first start, when there is no mosquitto.sqlite3 yet, and left as it",
      "is.",
    ].join(" "),
    fallback: "mosquitto.db",
  }),
  autosaveInterval: limit({
    name: "autosave_interval",
    value: "SECONDS",
    group: PERSISTENCE,
    scope: "general",
    reload: "yes",
    text: [
      "The seconds between checkpoints, which move changes from the write-ahead log, where they are",
      "safe already, into the database file. The default is 1800; 0 leaves it to when the log has",
      "grown and to the stop.",
    ].join(" "),
    max: INT_MAX,
    fallback: 1800,
  }),
  autosaveOnChanges: boolean({
    name: "autosave_on_changes",
    group: PERSISTENCE,
    scope: "general",
    reload: "yes",
    text: [
      "Whether autosave_interval is a number of changes between checkpoints instead of seconds.",
      "The default is false.",
    ].join(" "),
    fallback: false,
  }),
} as const;

/** What the plugin is told by plugin_opt_ lines. The last one counts, as for every plugin. */
export const STORE_DIRECTIVES = {
  dbFile: option({
    name: "db_file",
    value: "FILE",
    text: [
      "The path of the database, mosquitto.sqlite3 in persistence_location unless given.",
      "This and the next options come below a plugin line.",
    ].join(" "),
    read: (rest) => rest.text,
    fallback: undefined as string | undefined,
  }),
  sync: option({
    name: "sync",
    value: SYNCS.join("|"),
    text: [
      "How far a change must be before its acknowledgement leaves. With full, the default, it is on",
      "disk; extra adds nothing where there is a write-ahead log. With normal and off it need not",
      "be, which is faster: when the power fails, what was acknowledged last may be lost, and with",
      "off the whole database may be damaged.",
    ].join(" "),
    read(rest) {
      const sync = SYNCS.find((word) => word === rest.text);
      if (sync !== undefined) return sync;
      throw wrong(rest, "extra, full, normal or off");
    },
    fallback: "full" as Sync,
  }),
  flushPeriod: option({
    name: "flush_period",
    value: "SECONDS",
    text: [
      "The longest time in seconds that changes may wait before they are written, with sync normal",
      "or off. The default is 5. With full and extra it is accepted and has nothing left to do:",
      "changes are written at once.",
    ].join(" "),
    read: (rest) => number(rest, "a number of seconds", (value) => value >= 0 && value <= INT_MAX),
    fallback: 5,
  }),
  pageSize: option({
    name: "page_size",
    value: "BYTES",
    text: [
      "The size of a page of a new database: a power of two from 512 to 65536 bytes, 4096 unless",
      "given. One that exists keeps its own.",
    ].join(" "),
    read: (rest) => number(rest, "a power of two from 512 to 65536", isPageSize),
    fallback: 4096,
  }),
} as const;

function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_SIZE_MIN && bytes <= PAGE_SIZE_MAX && Number.isInteger(Math.log2(bytes));
}

function option<Value>(
  row: Pick<Directive<Value>, "name" | "value" | "text" | "read" | "fallback">,
): Directive<Value> {
  const { name } = row;
  return {
    ...row,
    name: `plugin_opt_${name}`,
    aliases: [`auth_opt_${name}`],
    group: PERSISTENCE,
    scope: "plugin",
    reload: "no",
  };
}

/** The whole text as a number, for which `fits`. */
function number(rest: Rest, what: string, fits: (value: number) => boolean): number {
  const value = readInteger({ ...rest, word: rest.text });
  if (fits(value)) return value;
  throw wrong(rest, what);
}

function wrong({ name, text: words }: Rest, what: string) {
  return bad(`Error: Invalid ${name} value (${words}): it must be ${what}.`);
}
