/** `ts-broker check-acl`: what a client may do with a topic, and the rule that decides. */
import { wholeLong } from "./numbers.ts";
import { flag, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { type Manners, parseWords } from "./words.ts";

const ASKED = "Who is asked about";
const HELP = "Help";
const MANNERS: Manners = { unknown: "hint", missing: "hint" };

export const CHECK_ACL_OPTIONS = {
  configFile: valued({
    short: "c",
    long: "config-file",
    value: "FILE",
    group: ASKED,
    brief: "Take the rules that the configuration FILE names",
    text: "The configuration whose acl_file is asked.",
    complete: "file",
    missing: "Error: -c argument given, but no config file specified.",
    parse: (word) => word,
    fallback: undefined,
  }),
  clientId: valued({
    short: "i",
    long: "client-id",
    value: "ID",
    group: ASKED,
    brief: "Ask for the client identifier ID",
    text: "The client identifier, for patterns with %c. It is empty unless given.",
    complete: "none",
    missing: "Error: --client-id argument given but no id specified.",
    parse: (word) => word,
    fallback: "",
  }),
  port: valued({
    short: "p",
    long: "port",
    value: "PORT",
    group: ASKED,
    brief: "Ask the listener at PORT",
    text: "The listener, where per_listener_settings gives each rules of its own.",
    complete: "none",
    missing: "Error: -p argument given, but no port specified.",
    parse(word): number {
      const port = wholeLong(word) ?? -1n;
      if (port >= 0n && port <= 65_535n) return Number(port);
      throw new UsageError("bad-value", `Error: Invalid port given: ${word}`, "nothing");
    },
    fallback: undefined,
  }),
  help: flag({
    long: "help",
    group: HELP,
    brief: "Print this text and exit",
    text: "Prints the usage on standard output and exits with status 0.",
    stops: true,
  }),
} as const;

export type CheckAclRequest =
  | { readonly ask: "help" }
  | {
      readonly ask: "check";
      readonly configFile: string;
      /** Null for a client without one. */
      readonly username: string | null;
      readonly topic: string;
      readonly clientId: string;
      readonly port: number | undefined;
    };

/** @throws {UsageError} for what is wrong with the words. */
export function parseCheckAcl(words: readonly string[]): CheckAclRequest {
  const options: string[] = [];
  const plain: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-") || word === "-") plain.push(word);
    else options.push(...(word === "--help" ? [word] : words.slice(at, ++at + 1)));
  }
  const { values, stopped } = parseWords(CHECK_ACL_OPTIONS, options, MANNERS);
  if (stopped) return { ask: "help" };
  const [username, topic, ...more] = plain;
  const { configFile, clientId, port } = values;
  if (configFile === undefined)
    throw incomplete("Error: check-acl needs a configuration file, -c.");
  if (topic === undefined || more.length > 0) {
    throw incomplete("Error: check-acl needs a user name, or - for none, and a topic.");
  }
  return {
    ask: "check",
    configFile,
    username: username === "-" ? null : username!,
    topic,
    clientId,
    port,
  };
}

function incomplete(message: string): UsageError {
  return new UsageError("incomplete", message, "hint");
}
