/**
 * `ts-broker reload` and `ts-broker signal`: what a running broker is told, and which one. The
 * names are those of mosquitto_signal (mosquitto-2.1 d.4).
 */
import { wholeLong } from "./numbers.ts";
import { flag, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { type Manners, parseWords } from "./words.ts";

const WHICH = "Which broker";
const HELP = "Help";
const MANNERS: Manners = { unknown: "hint", missing: "hint" };
/** As large as a process id of any system. */
const PID_MAX = 4_294_967_295n;

/** What a broker can be told, with what it means for whoever reads the help. */
export const SIGNAL_ACTIONS = {
  "config-reload": "Read the configuration again, and open the log file anew",
  "log-rotate": "The same",
  shutdown: "Stop in good order",
  "tree-print": "Print the tree of subscriptions on its standard output",
} as const;

export type SignalAction = keyof typeof SIGNAL_ACTIONS;

export const SIGNAL_OPTIONS = {
  pid: valued({
    short: "p",
    long: "pid",
    value: "PID",
    group: WHICH,
    brief: "Tell the process PID",
    text: "The process by its number.",
    complete: "none",
    missing: "Error: -p argument given, but no process id specified.",
    parse(word): number {
      const pid = wholeLong(word) ?? 0n;
      if (pid >= 1n && pid <= PID_MAX) return Number(pid);
      throw new UsageError("bad-value", `Error: Invalid process id given: ${word}`, "nothing");
    },
    fallback: undefined,
  }),
  pidFile: valued({
    long: "pid-file",
    value: "FILE",
    group: WHICH,
    brief: "Tell the process whose number is in FILE",
    text: "The process whose number is in this file, which the pid_file option has it write.",
    complete: "file",
    missing: "Error: --pid-file argument given but no file specified.",
    parse: (word) => word,
    fallback: undefined,
  }),
  configFile: valued({
    short: "c",
    long: "config-file",
    value: "FILE",
    group: WHICH,
    brief: "Tell the process of the configuration FILE",
    text: [
      "The process that the pid_file of this configuration names. The configuration is read first;",
      "a broker is not told to read one that cannot be.",
    ].join(" "),
    complete: "file",
    missing: "Error: -c argument given, but no config file specified.",
    parse: (word) => word,
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

/** How the broker is named. */
export type SignalTarget =
  | { readonly pid: number }
  | { readonly pidFile: string }
  | { readonly configFile: string };

export type SignalRequest =
  | { readonly ask: "help" }
  | { readonly ask: "tell"; readonly action: SignalAction; readonly target: SignalTarget };

/**
 * @param command `reload` is `signal config-reload`.
 * @param words Those after it.
 * @throws {UsageError} for what is wrong with them.
 */
export function parseSignal(command: "reload" | "signal", words: readonly string[]): SignalRequest {
  const [first, ...rest] = words;
  const isNamed = command === "signal" && first !== undefined && !first.startsWith("-");
  const { values, stopped } = parseWords(SIGNAL_OPTIONS, isNamed ? rest : words, MANNERS);
  if (stopped) return { ask: "help" };
  const action = command === "reload" ? "config-reload" : actionOf(isNamed ? first : undefined);
  const { pid, pidFile, configFile } = values;
  const targets: SignalTarget[] = [
    ...(pid === undefined ? [] : [{ pid }]),
    ...(pidFile === undefined ? [] : [{ pidFile }]),
    ...(configFile === undefined ? [] : [{ configFile }]),
  ];
  const [target, ...others] = targets;
  if (target !== undefined && others.length === 0) return { ask: "tell", action, target };
  const sentence = `Error: ${command} needs one of -p, --pid-file and -c to know which broker.`;
  throw new UsageError("incomplete", sentence, "hint");
}

function actionOf(word: string | undefined): SignalAction {
  if (word !== undefined && Object.hasOwn(SIGNAL_ACTIONS, word)) return word as SignalAction;
  const names = Object.keys(SIGNAL_ACTIONS).join(", ");
  const sentence =
    word === undefined
      ? `Error: signal needs to know what to tell: ${names}.`
      : `Error: Unknown signal '${word}': it is one of ${names}.`;
  throw new UsageError("incomplete", sentence, "hint");
}
