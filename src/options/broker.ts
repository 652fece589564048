/**
 * The options of ts-broker, those of mosquitto 2.1. Order here is order in help and man.
 *
 * A mistake other than an unknown word is said through the log, as mosquitto does: hence no hint
 * after it. Configuration files are read by the caller, at the moment -c is met.
 */
import { leadingInteger } from "./numbers.ts";
import { anyWord, flag, type Option, repeated, type Values } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { BROKER_MANNERS, parseWords } from "./words.ts";

const CONFIGURATION = "Configuration";
const LOG = "Log";
const RUNNING = "Running";
const HELP = "Help";

/** As many as mosquitto takes. The eleventh is refused. */
const PORTS_MAX = 10;

export const BROKER_OPTIONS = {
  configFiles: repeated({
    long: "config-file",
    short: "c",
    value: "FILE",
    group: CONFIGURATION,
    brief: "Read the configuration from FILE",
    text: "Reads the configuration, see ts-broker.conf(5). Without it the built-in values count.",
    complete: "file",
    missing: "Error: -c argument given, but no config file specified.",
    parse: anyWord,
  }),
  ports: {
    long: "port",
    short: "p",
    value: "PORT",
    group: CONFIGURATION,
    brief: "Listen on PORT of this machine only; up to ten times",
    text: [
      "Listens on this port of the loopback addresses, 1 to 65535. It may be given ten times.",
      "Without it the port is 1883. A configuration that defines a listener overrides it.",
    ].join(" "),
    standard: "1883",
    repeatable: true,
    missing: "Error: -p argument given, but no port specified.",
    take(operands, soFar) {
      const word = operands.take();
      if (soFar.length === PORTS_MAX) {
        throw refused("Error: Only 10 ports can be specified on the command line.");
      }
      return [...soFar, parsePort(word)];
    },
    fallback: [],
  } as Option<readonly number[]>,
  testConfig: flag({
    long: "test-config",
    group: CONFIGURATION,
    brief: "Check the configuration file and exit",
    text: [
      "Reads the configuration of the config-file option, says whether it is good and exits",
      "with status 0 if so, else 3.",
    ].join(" "),
  }),
  verbose: flag({
    long: "verbose",
    short: "v",
    group: LOG,
    brief: "Log everything, whatever the configuration says",
    text: "Logs messages of every type, as log_type all does, whatever the configuration says.",
  }),
  quiet: flag({
    long: "quiet",
    short: "q",
    group: LOG,
    brief: "Log nothing, whatever the configuration says",
    text: "Logs nothing, as log_type none does. It overrides the verbose option, too.",
  }),
  tlsKeyLog: {
    long: "tls-keylog",
    value: "FILE",
    group: RUNNING,
    brief: "Append the keys of TLS connections to FILE",
    text: [
      "Appends the keys of every TLS connection to FILE, in the format of NSS that Wireshark reads.",
      "Whoever has them can read the connections: FILE must not be a link, and nobody else may have",
      "access to it.",
    ].join(" "),
    complete: "file",
    missing: "Error: --tls-keylog argument given, but no file specified.",
    take: (operands) => operands.take(),
    fallback: undefined,
  } as Option<string | undefined>,
  daemon: flag({
    long: "daemon",
    short: "d",
    group: RUNNING,
    brief: "Go on in the background",
    text: "Goes on in the background once started, away from the terminal.",
  }),
  health: flag({
    long: "health",
    group: RUNNING,
    brief: "Say whether a broker answers, and exit",
    text: [
      "Is no broker but asks one: connects to the port of the port option on this machine, or else",
      "to the first listener with neither TLS nor WebSocket of the configuration, or else to 1883,",
      "and says on one line whether it is answered within five seconds. Needs no login: a broker",
      "that refuses it is healthy. Exits with status 0 when the broker is healthy, else 1.",
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
  printVersion: flag({
    long: "version",
    group: HELP,
    brief: "Print the version and exit",
    text: "Prints the version on standard output and exits with status 0.",
    stops: true,
  }),
} as const;

export type BrokerValues = Values<typeof BROKER_OPTIONS>;

/** What the words ask ts-broker to do. */
export type BrokerRequest =
  | { readonly ask: "help" | "version" }
  | { readonly ask: "run" | "test-config" | "health"; readonly values: BrokerValues };

/**
 * @param onConfigFile Reads a configuration file; what it throws ends the walk.
 * @throws {UsageError} for the first mistake, in mosquitto's order and words.
 */
export function parseBroker(
  words: readonly string[],
  onConfigFile?: (path: string) => void,
): BrokerRequest {
  const onOption = (key: string, value: unknown) => {
    // The row of configFiles makes lists of strings.
    if (key === "configFiles") onConfigFile?.((value as readonly string[]).at(-1)!);
  };
  const { values, stopped } = parseWords(BROKER_OPTIONS, words, BROKER_MANNERS, { onOption });
  if (stopped) return { ask: values.help ? "help" : "version" };
  if (!values.testConfig) return { ask: values.health ? "health" : "run", values };
  if (values.configFiles.length > 0) return { ask: "test-config", values };
  throw refused("Error: --test-config needs a configuration file, given with -c.");
}

function parsePort(word: string): number {
  const port = leadingInteger(word);
  if (port >= 1 && port <= 65_535) return port;
  throw refused(`Error: Invalid port specified (${port}).`);
}

function refused(message: string): UsageError {
  return new UsageError("bad-value", message, "nothing");
}
