/**
 * The options of ts-sub, those of mosquitto_sub 2.1. Order here is order in help and man.
 */
import { CONNECT_OPTIONS, checkClient, checkConnect, parseQos, propertiesOf } from "./connect.ts";
import { parseFormat } from "./format.ts";
import { leadingFraction, leadingInteger } from "./numbers.ts";
import { flag, repeated, type Values, valued } from "./option.ts";
import type { PropertiesByCommand } from "./property-option.ts";
import { checkShowing, PEOPLE_OPTIONS } from "./sub-people.ts";
import { parseFilterOut, parseSubscriptionFilter, parseUnsubscribeFilter } from "./topic-words.ts";
import { urlOption } from "./url.ts";
import { UsageError } from "./usage-error.ts";
import { CLIENT_MANNERS, parseWords, type Surroundings } from "./words.ts";

const SUBSCRIPTION = "Subscription";
const RETAINED = "Retained messages";
const OUTPUT = "Output";
const END = "When to end";

/** With fewer messages to wait for than a client takes at once, it asks for no more (MQTT 5.0). */
const DEFAULT_RECEIVE_MAXIMUM = 20;

export const SUB_OPTIONS = {
  topics: repeated({
    long: "topic",
    short: "t",
    value: "FILTER",
    group: SUBSCRIPTION,
    brief: "Subscribe to FILTER; may be repeated",
    text: [
      "A topic filter to subscribe to, with + for any one level and # at the end for any number",
      "of levels. It may be given more than once. Required, unless only unsubscribing.",
    ].join(" "),
    missing: "Error: -t argument given but no topic specified.",
    parse: parseSubscriptionFilter,
  }),
  qos: valued({
    long: "qos",
    short: "q",
    value: "LEVEL",
    group: SUBSCRIPTION,
    brief: "Subscribe at LEVEL: 0, 1 or 2",
    text: "The quality of service asked for with every subscription, 0 unless given.",
    standard: "0",
    complete: ["0", "1", "2"],
    missing: "Error: -q argument given but no QoS specified.",
    parse: parseQos,
    fallback: 0 as 0 | 1 | 2,
  }),
  unsubscribes: repeated({
    long: "unsubscribe",
    short: "U",
    value: "FILTER",
    group: SUBSCRIPTION,
    brief: "Unsubscribe from FILTER; may be repeated",
    text: [
      "A topic filter to unsubscribe from, once connected. It may be given more than once.",
      "It makes sense for a session that was kept, see the -c option.",
    ].join(" "),
    missing: "Error: -U argument given but no unsubscribe topic specified.",
    parse: parseUnsubscribeFilter,
  }),
  filtersOut: repeated({
    long: "filter-out",
    short: "T",
    value: "FILTER",
    group: SUBSCRIPTION,
    brief: "Ignore messages on topics matching FILTER; may be repeated",
    text: [
      "Ignores messages on topics that match this filter. It may be given more than once.",
      "The broker sends them all the same.",
    ].join(" "),
    missing: "Error: -T argument given but no topic filter specified.",
    parse: parseFilterOut,
  }),
  randomFilter: valued({
    long: "random-filter",
    value: "PERCENT",
    group: SUBSCRIPTION,
    brief: "Print only PERCENT of the messages, at random",
    text: "How much of what arrives is printed, in percent: 0.1 to 100, and 100 unless given.",
    standard: "100",
    missing: "Error: --random-filter argument given but no chance specified.",
    parse: parseRandomFilter,
    fallback: 100,
  }),
  noRetained: flag({
    short: "R",
    group: RETAINED,
    brief: "Ignore retained messages",
    text: [
      "Ignores messages that the broker had retained. With MQTT 5.0 it is asked not to send them.",
      "It excludes the retained-only option.",
    ].join(" "),
  }),
  retainedOnly: flag({
    long: "retained-only",
    group: RETAINED,
    brief: "Take retained messages only, then exit",
    text: "Exits when the first message arrives that is not retained. It excludes the -R option.",
  }),
  removeRetained: flag({
    long: "remove-retained",
    group: RETAINED,
    brief: "Clear each retained message that arrives",
    text: [
      "Has the broker forget each retained message that arrives and is not filtered out by the",
      "filter-out option.",
    ].join(" "),
  }),
  retainAsPublished: flag({
    long: "retain-as-published",
    group: RETAINED,
    brief: "Keep the retain flag as the publisher set it (MQTT 5.0)",
    text: "Subscribes with Retain As Published: the retain flag comes as it was published.",
  }),
  retainHandling: valued({
    long: "retain-handling",
    value: "WHEN",
    group: RETAINED,
    brief: "Get retained messages always, when new or never (MQTT 5.0)",
    text: [
      "When the broker is to send retained messages: always, at every subscription; new, when",
      "there was no such subscription; or never. It is always unless given.",
    ].join(" "),
    standard: "always",
    complete: ["always", "new", "never"],
    missing: "Error: --retain-handling argument given but no value specified.",
    parse: parseRetainHandling,
    fallback: 0 as 0 | 1 | 2,
  }),
  verbose: flag({
    long: "verbose",
    short: "v",
    group: OUTPUT,
    brief: "Print the topic before each payload",
    text: "Prints topic and payload, and (null) for an empty payload.",
  }),
  format: valued({
    short: "F",
    value: "FORMAT",
    group: OUTPUT,
    brief: "Print each message as FORMAT says",
    text: [
      "Prints each message in this format, instead of payload or topic and payload. %t is the topic,",
      "%p the payload, %I the time, %j the message as JSON: see FORMAT.",
    ].join(" "),
    missing: "Error: -F argument given but no format specified.",
    parse: parseFormat,
    fallback: undefined,
  }),
  pretty: flag({
    long: "pretty",
    group: OUTPUT,
    brief: "Print JSON over several lines",
    text: [
      "Indents the JSON of %j and %J instead of printing it in one line; on a terminal, and without",
      "-F, also payloads that are JSON.",
    ].join(" "),
  }),
  ...PEOPLE_OPTIONS,
  noNewline: flag({
    short: "N",
    group: OUTPUT,
    brief: "End no message with a newline",
    text: "Prints no newline after each message.",
  }),
  count: valued({
    short: "C",
    value: "COUNT",
    group: END,
    brief: "Exit after COUNT messages",
    text: "Disconnects and exits with status 0 after this many messages.",
    missing: "Error: -C argument given but no count specified.",
    parse: parseCount,
    fallback: undefined,
  }),
  timeoutSeconds: valued({
    short: "W",
    value: "SECONDS",
    group: END,
    brief: "Exit with status 27 after SECONDS",
    text: "Disconnects after this many seconds and exits with status 27.",
    missing: "Error: -W argument given but no timeout specified.",
    parse: parseTimeout,
    fallback: undefined,
  }),
  exitAfterSubscribe: flag({
    short: "E",
    group: END,
    brief: "Exit as soon as the subscriptions are acknowledged",
    text: "Exits once the broker has acknowledged every subscription. With -c they remain.",
  }),
  messageRate: flag({
    long: "message-rate",
    group: OUTPUT,
    brief: "Print each second how many messages have come",
    text: [
      "Prints every second, from the first connection on, a line with the number of messages of the",
      "last second between the messages themselves: 12 msgs/s. The table of the watch option shows",
      "it in any case.",
    ].join(" "),
  }),
  url: urlOption((topic, { topics }) => ({
    // The row of topics makes lists of strings.
    topics: [...(topics as readonly string[]), parseSubscriptionFilter(topic)],
  })),
  ...CONNECT_OPTIONS,
} as const;

export type SubValues = Values<typeof SUB_OPTIONS>;

/** What the words ask ts-sub to do. */
export type SubRequest =
  | { readonly ask: "help" | "version" }
  | {
      readonly ask: "subscribe";
      readonly values: SubValues;
      readonly properties: PropertiesByCommand;
      /** As SUBSCRIBE is to say it: -R asks for no retained messages at all. */
      readonly retainHandling: 0 | 1 | 2;
    };

/** @throws {UsageError} for the first mistake, in mosquitto_sub's order and words. */
export function parseSub(words: readonly string[], around: Surroundings = {}): SubRequest {
  const { values, stopped } = parseWords(SUB_OPTIONS, words, CLIENT_MANNERS, around);
  if (stopped) return { ask: values.help ? "help" : "version" };
  checkConnect(values);
  if (values.topics.length === 0 && values.unsubscribes.length === 0) {
    throw new UsageError("incomplete", "Error: You must specify a topic to subscribe to.");
  }
  checkShowing(values);
  const properties = withReceiveMaximum(propertiesOf(values), values);
  if (values.noRetained && values.retainedOnly) {
    const message = "\nError: Combining '-R' and '--retained-only' makes no sense.";
    throw new UsageError("conflict", message, "nothing");
  }
  checkClient(values);
  const retainHandling = values.noRetained ? 2 : values.retainHandling;
  return { ask: "subscribe", values, properties, retainHandling };
}

/** A subscriber that ends after a few messages does not ask for more of them at once. */
function withReceiveMaximum(all: PropertiesByCommand, values: SubValues): PropertiesByCommand {
  const { count, version } = values;
  if (version !== 5 || count === undefined || count >= DEFAULT_RECEIVE_MAXIMUM) return all;
  if (all.connect.receiveMaximum !== undefined) return all;
  return { ...all, connect: { ...all.connect, receiveMaximum: count } };
}

function parseCount(word: string): number {
  const count = leadingInteger(word);
  if (count >= 1) return count;
  throw new UsageError("bad-value", `Error: Invalid message count "${count}".`, "far-hint");
}

function parseTimeout(word: string): number {
  const seconds = leadingInteger(word);
  if (seconds >= 1) return seconds;
  throw new UsageError("bad-value", `Error: Invalid timeout "${seconds}".`, "far-hint");
}

function parseRandomFilter(word: string): number {
  const percent = leadingFraction(word);
  if (percent >= 0.1 && percent <= 100) return percent;
  const message = "Error: --random-filter chance must be between 0.1-100.0";
  throw new UsageError("bad-value", message, "far-hint");
}

function parseRetainHandling(word: string): 0 | 1 | 2 {
  if (word === "always") return 0;
  if (word === "new") return 1;
  if (word === "never") return 2;
  throw new UsageError("bad-value", `Error: Invalid retain handling given: ${word}`, "far-hint");
}
