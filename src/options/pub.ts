/**
 * The options of ts-pub, those of mosquitto_pub 2.1 and `--summary`. Order here is order in help
 * and man.
 */
import { CONNECT_OPTIONS, checkClient, checkConnect, parseQos, propertiesOf } from "./connect.ts";
import { leadingFraction, leadingInteger } from "./numbers.ts";
import { anyWord, flag, type Values, valued } from "./option.ts";
import type { PropertiesByCommand } from "./property-option.ts";
import { checkLines, LINE_OPTIONS } from "./pub-lines.ts";
import { parsePublishTopic } from "./topic-words.ts";
import { urlOption } from "./url.ts";
import { UsageError } from "./usage-error.ts";
import { CLIENT_MANNERS, parseWords, type Surroundings } from "./words.ts";

const MESSAGE = "Message";

/** One way to say the payload, once: a second one of any kind is refused. */
const ONE_SOURCE = {
  keys: ["message", "file", "lines", "input", "empty", "ndjson"],
  message: "Error: Only one type of message can be sent at once.",
};

/** Longest delay a timer can be set to: about 24 days. A longer one is this. */
const DELAY_SECONDS_MAX = 2_147_483;

export const PUB_OPTIONS = {
  topic: valued({
    long: "topic",
    short: "t",
    value: "TOPIC",
    group: MESSAGE,
    brief: "Publish on TOPIC",
    text: "The topic to publish on. It may not contain the wildcards + and #. Required.",
    missing: "Error: -t argument given but no topic specified.",
    parse: parsePublishTopic,
    fallback: undefined,
  }),
  responseTopic: valued({
    short: "e",
    value: "TOPIC",
    group: MESSAGE,
    brief: "Wait for a response on TOPIC, as ts-rr(1) does",
    text: [
      "Publishes a request and waits for the response on this topic: with this option the program",
      "is ts-rr(1), with its options and defaults. In an option file it is not known.",
    ].join(" "),
    missing: "Error: -e argument given but no response topic specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  message: valued({
    long: "message",
    short: "m",
    value: "TEXT",
    group: MESSAGE,
    brief: "Send TEXT",
    text: "Sends one message with this payload.",
    excludes: ONE_SOURCE,
    missing: "Error: -m argument given but no message specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  file: valued({
    long: "file",
    short: "f",
    value: "FILE",
    group: MESSAGE,
    brief: "Send the contents of FILE as one message",
    text: "Sends the contents of a file as one message. An empty file makes an empty payload.",
    complete: "file",
    excludes: ONE_SOURCE,
    missing: "Error: -f argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  lines: flag({
    long: "stdin-line",
    short: "l",
    group: MESSAGE,
    brief: "Send each line of standard input as a message",
    text: [
      "Reads standard input and sends each line as a message of its own, as soon as it is read and",
      "no faster than it can be sent. Lines may be long, and hold any bytes; the newline is not",
      "sent, and the last line needs none. Empty lines make empty messages. Lines of QoS 1 and 2",
      "survive a lost connection: what was not acknowledged is sent again, in order, for as long as",
      "it takes. With QoS 2 each arrives once, if the broker keeps sessions.",
    ].join(" "),
    excludes: ONE_SOURCE,
  }),
  input: flag({
    long: "stdin-file",
    short: "s",
    group: MESSAGE,
    brief: "Send all of standard input as one message",
    text: "Reads standard input to its end and sends it as one message. It may not be empty.",
    excludes: ONE_SOURCE,
  }),
  empty: flag({
    long: "null-message",
    short: "n",
    group: MESSAGE,
    brief: "Send an empty message",
    text: "Sends a message without payload. Retained, it clears what the broker had retained.",
    excludes: ONE_SOURCE,
  }),
  qos: valued({
    long: "qos",
    short: "q",
    value: "LEVEL",
    group: MESSAGE,
    brief: "Deliver at LEVEL: 0, 1 or 2",
    text: "The quality of service of every message sent, 0 unless given.",
    standard: "0",
    complete: ["0", "1", "2"],
    missing: "Error: -q argument given but no QoS specified.",
    parse: parseQos,
    fallback: 0 as 0 | 1 | 2,
  }),
  retain: flag({
    long: "retain",
    short: "r",
    group: MESSAGE,
    brief: "Ask the broker to retain the message",
    text: "The broker keeps the message as the topic's last known good value.",
  }),
  repeat: valued({
    long: "repeat",
    value: "COUNT",
    group: MESSAGE,
    brief: "Send the message COUNT times",
    text: [
      "Sends the message COUNT times, each when the one before has been acknowledged.",
      "It has no effect on lines of standard input.",
    ].join(" "),
    standard: "1",
    missing: "Error: --repeat argument given but no count specified.",
    parse: parseRepeat,
    fallback: 1,
  }),
  repeatDelaySeconds: valued({
    long: "repeat-delay",
    value: "SECONDS",
    group: MESSAGE,
    brief: "Wait SECONDS between repeats, fractions allowed",
    text: "How many seconds to wait before the message is repeated, 0 unless given.",
    standard: "0",
    missing: "Error: --repeat-delay argument given but no time specified.",
    parse: parseRepeatDelay,
    fallback: 0,
  }),
  ...LINE_OPTIONS,
  ndjson: { ...LINE_OPTIONS.ndjson, excludes: ONE_SOURCE },
  url: urlOption((topic) => ({ topic: parsePublishTopic(topic) })),
  ...CONNECT_OPTIONS,
  summary: flag({
    long: "summary",
    group: CONNECT_OPTIONS.debug.group,
    brief: "Print at the end what was sent, and how fast",
    text: [
      "At the end, prints on standard error how many messages were sent as their QoS asks, how",
      "many of them the broker has acknowledged and how many failed, and in what time. Of lines a",
      "terminal gets that without asking. mosquitto_pub has no such option.",
    ].join(" "),
  }),
} as const;

export type PubValues = Values<typeof PUB_OPTIONS>;

/** Where a single payload comes from. */
export type SinglePayload =
  | { readonly from: "word"; readonly text: string }
  | { readonly from: "file"; readonly path: string }
  | { readonly from: "input" }
  | { readonly from: "nothing" };

/** Where payloads come from: each line may be one, or a message in JSON. */
export type PayloadSource =
  | SinglePayload
  | { readonly from: "lines" }
  | { readonly from: "ndjson" };

/** What the words ask ts-pub to do. */
export type PubRequest =
  | { readonly ask: "help" | "version" }
  | {
      readonly ask: "publish";
      /** Empty where lines of JSON are to have their own. */
      readonly topic: string;
      readonly source: PayloadSource;
      readonly values: PubValues;
      readonly properties: PropertiesByCommand;
    };

/** @throws {UsageError} for the first mistake, in mosquitto_pub's order and words. */
export function parsePub(words: readonly string[], around: Surroundings = {}): PubRequest {
  const { values, stopped } = parseWords(PUB_OPTIONS, words, CLIENT_MANNERS, around);
  if (stopped) return { ask: values.help ? "help" : "version" };
  if (values.responseTopic !== undefined) {
    // On the command line it makes the program a ts-rr: this one stood in an option file.
    throw new UsageError("unknown-option", "Error: Unknown option '-e'.");
  }
  checkConnect(values);
  const properties = propertiesOf(values);
  const source = linesOf(values) ?? payloadOf(values);
  const topic = values.topic ?? (values.ndjson ? "" : undefined);
  checkLines(values);
  if (topic === undefined || source === undefined) {
    const message = "Error: Both topic and message must be supplied.";
    throw new UsageError("incomplete", message, "usage");
  }
  checkClient(values);
  return { ask: "publish", topic, source, values, properties };
}

function linesOf({ lines, ndjson }: PubValues): PayloadSource | undefined {
  if (lines) return { from: "lines" };
  return ndjson ? { from: "ndjson" } : undefined;
}

/** The one payload that is asked for; undefined where none is. */
export function payloadOf(
  values: Pick<PubValues, "message" | "file" | "input" | "empty">,
): SinglePayload | undefined {
  if (values.message !== undefined) return { from: "word", text: values.message };
  if (values.file !== undefined) return { from: "file", path: values.file };
  if (values.input) return { from: "input" };
  return values.empty ? { from: "nothing" } : undefined;
}

function parseRepeat(word: string): number {
  const count = leadingInteger(word);
  if (count > 0) return count;
  throw new UsageError("bad-value", "Error: --repeat argument must be >0.", "far-hint");
}

function parseRepeatDelay(word: string): number {
  const seconds = leadingFraction(word);
  if (seconds >= 0) return Math.min(seconds, DELAY_SECONDS_MAX);
  throw new UsageError("bad-value", "Error: --repeat-delay argument must be >=0.0.", "far-hint");
}
