/** The options of ts-broker.conf on logging: where to, what, and how a line begins. */
import { bad, boolean, type Directive, empty, integer, readInteger, text } from "./directive.ts";

const LOGGING = "Logging";

/** Types of log lines by mosquitto's names, in the order of its bits. */
export const LOG_TYPES = [
  "information",
  "notice",
  "warning",
  "error",
  "debug",
  "subscribe",
  "unsubscribe",
  "websockets",
  "internal",
] as const;
export type LogType = (typeof LOG_TYPES)[number];

/** What is logged unless the configuration says. */
export const DEFAULT_LOG_TYPES: readonly LogType[] = ["error", "warning", "notice", "information"];

/** Where log lines go. An empty list of them is silence. */
export type LogDestination =
  | { readonly to: "stderr" | "stdout" | "topic" | "syslog" }
  | { readonly to: "file"; readonly path: string };

export const LOG_DIRECTIVES = {
  logDestinations: {
    name: "log_dest",
    value: "stderr|stdout|topic|syslog|file FILE|none",
    group: LOGGING,
    scope: "general",
    reload: "yes",
    text: [
      "Where log lines go: stderr, the default; stdout; topic, which publishes them below",
      "$SYS/broker/log; syslog, by way of logger(1) of util-linux; file with a path; or none. It may",
      "be given more than once, with one file among them. The file is opened anew at SIGHUP. dlt is",
      "not supported.",
    ].join(" "),
    read: (rest, soFar) => readDestination(rest.word, rest.text, soFar),
    fallback: undefined,
  } as Directive<readonly LogDestination[] | undefined>,
  logTypes: {
    name: "log_type",
    value: "TYPE",
    group: LOGGING,
    scope: "general",
    reload: "yes",
    text: [
      "What is logged: debug, error, warning, notice, information, subscribe, unsubscribe,",
      "websockets, internal, all or none. It may be given more than once.",
      "The default is error, warning, notice and information.",
    ].join(" "),
    read(rest, soFar = []) {
      if (rest.word === "") throw empty("log_type");
      if (rest.word === "none") return [];
      if (rest.word === "all") return LOG_TYPES;
      const type = LOG_TYPES.find((name) => name === rest.word);
      if (type === undefined) throw bad(`Error: Invalid log_type value (${rest.word}).`);
      return soFar.includes(type) ? soFar : [...soFar, type];
    },
    fallback: undefined,
  } as Directive<readonly LogType[] | undefined>,
  logFacility: integer({
    name: "log_facility",
    value: "NUMBER",
    group: LOGGING,
    scope: "general",
    reload: "yes",
    text: "The facility for syslog, local0 to local7 by their number. The default is daemon.",
    min: 0,
    max: 7,
    fallback: undefined,
  }),
  logTimestamp: boolean({
    name: "log_timestamp",
    group: LOGGING,
    scope: "general",
    reload: "yes",
    text: "Whether a line begins with the time. The default is true.",
    fallback: true,
  }),
  logTimestampFormat: text({
    name: "log_timestamp_format",
    value: "FORMAT",
    group: LOGGING,
    scope: "general",
    reload: "yes",
    text: "The time as strftime(3) writes it. Unless given it is the seconds since 1970.",
    fallback: undefined,
  }),
  websocketsLogLevel: {
    name: "websockets_log_level",
    value: "NUMBER",
    group: LOGGING,
    scope: "general",
    reload: "no",
    text: "Accepted and ignored.",
    read(rest) {
      readInteger(rest);
      return undefined;
    },
    fallback: undefined,
  } as Directive<undefined>,
} as const;

function readDestination(
  word: string,
  line: string,
  soFar: readonly LogDestination[] = [],
): readonly LogDestination[] {
  switch (word) {
    case "":
      throw empty("log_dest");
    case "none":
      return [];
    case "file": {
      const path = line.slice("file".length).trim();
      if (path === "") throw empty('"log_dest file"');
      if (soFar.some(({ to }) => to === "file")) {
        throw bad('Error: Duplicate "log_dest file" value.');
      }
      return [...soFar, { to: "file", path }];
    }
    case "stderr":
    case "stdout":
    case "topic":
    case "syslog":
      return soFar.some(({ to }) => to === word) ? soFar : [...soFar, { to: word }];
    case "dlt":
      // mosquitto takes it everywhere, and logs nothing where it has no DLT.
      throw bad("Error: log_dest dlt is not supported. syslog, stderr or a file may serve.");
    default:
      throw bad(`Error: Invalid log_dest value (${word}).`);
  }
}
