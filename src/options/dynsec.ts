/**
 * `ts-broker dynsec`: makes the file that dynamic security can begin with, with the words of
 * `mosquitto_ctrl dynsec init` (mosquitto-2.1 d.2).
 */
import { isValidString } from "../core/codec/utf8.ts";
import { flag } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { type Manners, parseWords } from "./words.ts";

const MANNERS: Manners = { unknown: "hint", missing: "hint" };

/** What there is to do, and what it does. */
export const DYNSEC_ACTIONS = {
  init: "Make FILE with the user ADMIN, who may change it",
} as const;

export const DYNSEC_OPTIONS = {
  help: flag({
    long: "help",
    group: "Help",
    brief: "Print this text and exit",
    text: "Prints the usage on standard output and exits with status 0.",
    stops: true,
  }),
} as const;

/** What the words after `dynsec` ask for. */
export type DynsecRequest =
  | { readonly ask: "help" }
  | {
      readonly ask: "init";
      readonly path: string;
      readonly username: string;
      /** Absent: it is to be asked for. */
      readonly password: string | undefined;
    };

/** @throws {UsageError} for what is wrong with the words. */
export function parseDynsec(words: readonly string[]): DynsecRequest {
  const [action, ...rest] = words;
  // Behind it a password may begin with a dash.
  const options = [action, rest[0]].filter((word) => word?.startsWith("-")) as string[];
  if (parseWords(DYNSEC_OPTIONS, options, MANNERS).stopped) return { ask: "help" };
  if (action === undefined) throw wrong("Error: dynsec needs a word: init.");
  if (action !== "init") throw wrong(`Error: Unknown dynsec command '${action}', use init.`);
  const [path, username, password, ...more] = rest;
  if (path === undefined || username === undefined) {
    throw wrong("dynsec init: Not enough arguments - filename, or admin-user missing.");
  }
  if (more.length > 0) throw wrong("dynsec init: Too many arguments.");
  if (!isValidString(username)) throw wrong("dynsec init: The user name is not valid UTF-8.");
  return { ask: "init", path, username, password };
}

function wrong(message: string): UsageError {
  return new UsageError("incomplete", message, "hint");
}
