/**
 * Topic names and filters given as words, refused in mosquitto's sentences (MQTT 5.0 §4.7).
 *
 * As strict as mosquitto's own programs, which refuse more than the standard: control characters
 * and non-characters too, which a receiver may refuse (5.0 §1.5.4). ~ An empty topic or one of
 * more than 200 slashes passes there, to fail at the broker with exit status 0; here it is
 * refused at once.
 *
 * Does not see bytes that are no UTF-8: the runtime has replaced them before a program starts.
 */
import { isValidString } from "../core/codec/utf8.ts";
import { isTopicFilter } from "../core/topic/filter.ts";
import { isTopicName, TOPIC_BYTES_MAX } from "../core/topic/name.ts";
import { type Aftermath, UsageError } from "./usage-error.ts";

export function parsePublishTopic(word: string): string {
  refuseMalformed(word, "-t");
  if (isTopicName(word)) return word;
  throw invalid(`Error: Invalid publish topic '${word}', does it contain '+' or '#'?`, "hint");
}

export function parseResponseTopic(word: string): string {
  refuseMalformed(word, "-e");
  if (isTopicName(word)) return word;
  throw invalid(`Error: Invalid response topic '${word}', does it contain '+' or '#'?`, "hint");
}

export function parseWillTopic(word: string): string {
  refuseMalformed(word, "--will-topic");
  if (isTopicName(word)) return word;
  throw invalid(`Error: Invalid will topic '${word}', does it contain '+' or '#'?`, "hint");
}

export function parseSubscriptionFilter(word: string): string {
  return parseFilter(word, "-t", "subscription topic");
}

export function parseUnsubscribeFilter(word: string): string {
  return parseFilter(word, "-U", "unsubscribe topic");
}

export function parseFilterOut(word: string): string {
  // An empty one matches nothing: a script's empty variable does no harm.
  if (word === "") return word;
  return parseFilter(word, "-T", "filter topic");
}

function parseFilter(word: string, option: string, kind: string): string {
  refuseMalformed(word, option);
  if (isTopicFilter(word)) return word;
  throw invalid(`Error: Invalid ${kind} '${word}', are all '+' and '#' wildcards correct?`, "hint");
}

/** One byte too long is called invalid, more than that malformed: so says mosquitto. */
function refuseMalformed(word: string, option: string): void {
  const size = Buffer.byteLength(word);
  if (size > TOPIC_BYTES_MAX + 1 || (size <= TOPIC_BYTES_MAX && !isValidString(word))) {
    throw invalid(`Error: Malformed UTF-8 in ${option} argument.`, "far-hint");
  }
}

function invalid(message: string, aftermath: Aftermath): UsageError {
  return new UsageError("bad-value", message, aftermath);
}
