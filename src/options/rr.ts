/**
 * The options of ts-rr, those of mosquitto_rr 2.1: one request, one response. ts-pub with -e is the
 * same program. Order here is order in help and man.
 *
 * The rows are those of ts-pub and ts-sub but for what they exclude, and that MQTT 5.0 is the
 * default.
 */
import { CONNECT_OPTIONS, checkClient, checkConnect, propertiesOf } from "./connect.ts";
import { flag, type Values, valued } from "./option.ts";
import type { PropertiesByCommand } from "./property-option.ts";
import { PUB_OPTIONS, payloadOf, type SinglePayload } from "./pub.ts";
import { SUB_OPTIONS } from "./sub.ts";
import { parsePublishTopic, parseResponseTopic } from "./topic-words.ts";
import { urlOption } from "./url.ts";
import { UsageError } from "./usage-error.ts";
import { CLIENT_MANNERS, parseWords, type Surroundings, scanWords } from "./words.ts";

const REQUEST = "Request";
const RESPONSE = "Response";

/** One way to say the payload, once: a second one of any kind is refused. */
const ONE_SOURCE = {
  keys: ["message", "file", "input", "empty"],
  message: "Error: Only one type of message can be sent at once.",
};

export const RR_OPTIONS = {
  topic: {
    ...PUB_OPTIONS.topic,
    group: REQUEST,
    brief: "Publish the request on TOPIC",
    text: "The topic to publish the request on. It may not contain + and #. Required.",
  },
  responseTopic: valued({
    short: "e",
    value: "TOPIC",
    group: REQUEST,
    brief: "Wait for the response on TOPIC",
    text: [
      "The topic to wait for the response on, without + and #. It is subscribed to before the",
      "request is published, and with MQTT 5.0 goes with the request. Required.",
    ].join(" "),
    missing: "Error: -e argument given but no response topic specified.",
    parse: parseResponseTopic,
    fallback: undefined,
  }),
  message: { ...PUB_OPTIONS.message, group: REQUEST, excludes: ONE_SOURCE },
  file: { ...PUB_OPTIONS.file, group: REQUEST, excludes: ONE_SOURCE },
  input: { ...PUB_OPTIONS.input, group: REQUEST, excludes: ONE_SOURCE },
  empty: { ...PUB_OPTIONS.empty, group: REQUEST, excludes: ONE_SOURCE },
  qos: {
    ...PUB_OPTIONS.qos,
    group: REQUEST,
    brief: "Send and subscribe at LEVEL: 0, 1 or 2",
    text: "The quality of service of the request and of the subscription, 0 unless given.",
  },
  noRetained: {
    ...SUB_OPTIONS.noRetained,
    group: RESPONSE,
    text: [
      "Ignores messages that the broker had retained, which are no responses. With MQTT 5.0 it is",
      "asked not to send them.",
    ].join(" "),
  },
  retainAsPublished: { ...SUB_OPTIONS.retainAsPublished, group: RESPONSE },
  retainHandling: { ...SUB_OPTIONS.retainHandling, group: RESPONSE },
  verbose: { ...SUB_OPTIONS.verbose, group: RESPONSE },
  format: { ...SUB_OPTIONS.format, group: RESPONSE },
  pretty: { ...SUB_OPTIONS.pretty, group: RESPONSE },
  noNewline: { ...SUB_OPTIONS.noNewline, group: RESPONSE },
  latency: flag({
    long: "latency",
    group: RESPONSE,
    brief: "Print how long the response took",
    text: [
      "Prints behind the response how many milliseconds there were between the request and it, on",
      "a line of its own.",
    ].join(" "),
  }),
  timeoutSeconds: { ...SUB_OPTIONS.timeoutSeconds, group: RESPONSE },
  url: urlOption((topic) => ({ topic: parsePublishTopic(topic) })),
  ...CONNECT_OPTIONS,
  version: {
    ...CONNECT_OPTIONS.version,
    text: [
      "The version of the protocol: mqttv31, mqttv311 or mqttv5, or 31, 311 or 5 for short.",
      "It is mqttv5 unless given. Only there the response topic goes with the request.",
    ].join(" "),
    standard: "mqttv5",
    fallback: 5 as const,
  },
} as const;

export type RrValues = Values<typeof RR_OPTIONS>;

/** What the words ask ts-rr to do. */
export type RrRequest =
  | { readonly ask: "help" | "version" }
  | {
      readonly ask: "request";
      readonly topic: string;
      readonly responseTopic: string;
      readonly source: SinglePayload;
      readonly values: RrValues;
      /** With the response topic in those of PUBLISH. */
      readonly properties: PropertiesByCommand;
      /** As SUBSCRIBE is to say it: -R asks for no retained messages at all. */
      readonly retainHandling: 0 | 1 | 2;
    };

/** Whether the words of a ts-pub are those of a ts-rr: they name a response topic. */
export function isRequest(words: readonly string[]): boolean {
  if (!words.includes("-e")) return false;
  // Those that only ts-pub has must be stepped over with what they take, too.
  const all = { ...PUB_OPTIONS, ...RR_OPTIONS };
  let isMet = false;
  scanWords(all, words, (key) => {
    isMet ||= key === "responseTopic";
    return isMet;
  });
  return isMet;
}

/** @throws {UsageError} for the first mistake, in mosquitto_rr's order and words. */
export function parseRr(words: readonly string[], around: Surroundings = {}): RrRequest {
  const { values, stopped } = parseWords(RR_OPTIONS, words, CLIENT_MANNERS, around);
  if (stopped) return { ask: values.help ? "help" : "version" };
  checkConnect(values);
  const properties = propertiesOf(values);
  const source = payloadOf(values);
  const { topic, responseTopic } = values;
  if (topic === undefined || source === undefined || responseTopic === undefined) {
    const message = "Error: All of topic, message, and response topic must be supplied.";
    throw new UsageError("incomplete", message);
  }
  if (properties.publish.responseTopic !== undefined) {
    const message = "Error in PUBLISH properties: Duplicate response topic.";
    throw new UsageError("conflict", message, values.quiet ? "silence" : "nothing");
  }
  checkClient(values, "Invalid id and/or clean_session.");
  return {
    ask: "request",
    topic,
    responseTopic,
    source,
    values,
    properties: { ...properties, publish: { ...properties.publish, responseTopic } },
    retainHandling: values.noRetained ? 2 : values.retainHandling,
  };
}
