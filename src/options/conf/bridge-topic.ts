/**
 * One `topic` line of a bridge: PATTERN [out|in|both [QOS [LOCAL [REMOTE]]]] (mosquitto-2.1 b.10).
 *
 * A word that begins with a quotation mark runs to the next one, so that `""` is an empty prefix
 * and a pattern may hold blanks. Behind the direction, a word that begins with # makes the rest a
 * comment, as mosquitto has it. Topics that could not be subscribed to at either side are refused:
 * the remote would end the connection over them, again and again.
 *
 * Does not compare topics with each other: which messages two of them share is the bridge's.
 */
import { isValidString } from "../../core/codec/utf8.ts";
import { isTopicFilter, parseFilter } from "../../core/topic/filter.ts";
import type { BridgeTopic } from "./bridge-configuration.ts";
import { bad, empty, malformed, type Rest } from "./directive.ts";

/** Pattern and direction come first, and are no comment with a # before them. */
const COMMENT_FROM = 2;

/** @throws {UsageError} for a topic that cannot be. */
export function readBridgeTopic(rest: Rest): BridgeTopic {
  if (rest.text === "") throw empty(rest.name);
  if (rest.isMalformed || !isValidString(rest.text)) throw malformed();
  const words = wordsOf(rest.text);
  const end = words.findIndex((word, i) => i >= COMMENT_FROM && word.startsWith("#"));
  const [pattern = "", direction = "out", qos = "0", localPrefix = "", remotePrefix = ""] =
    end < 0 ? words : words.slice(0, end);
  const topic: BridgeTopic = {
    pattern,
    direction: readDirection(direction),
    qos: readQos(qos),
    localPrefix,
    remotePrefix,
  };
  refuseUnusable(topic);
  return topic;
}

function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length; ) {
    const quoted = text[at] === '"';
    const from = quoted ? at + 1 : at;
    const found = text.indexOf(quoted ? '"' : " ", from);
    if (quoted && found < 0) {
      throw bad(`Error: The quotation mark of bridge topic '${text.slice(at)}' is not closed.`);
    }
    const end = found < 0 ? text.length : found;
    words.push(text.slice(from, end));
    at = quoted ? end + 1 : end;
    if (at < text.length && text[at] !== " ") {
      throw bad(`Error: A blank must follow the closing quotation mark of bridge topic '${text}'.`);
    }
    while (text[at] === " ") at++;
  }
  return words;
}

function readDirection(word: string): BridgeTopic["direction"] {
  const direction = word.toLowerCase();
  if (direction === "out" || direction === "in" || direction === "both") return direction;
  throw bad(`Error: Invalid bridge topic direction '${word}'.`);
}

function readQos(word: string): BridgeTopic["qos"] {
  if (word === "0" || word === "1" || word === "2") return Number(word) as BridgeTopic["qos"];
  throw bad(`Error: Invalid bridge QoS level '${word}'.`);
}

function refuseUnusable({ pattern, localPrefix, remotePrefix }: BridgeTopic): void {
  for (const [side, prefix] of [
    ["local", localPrefix],
    ["remote", remotePrefix],
  ] as const) {
    if (!/[+#]/.test(prefix)) continue;
    throw bad(`Error: Invalid bridge topic ${side} prefix '${prefix}'.`);
  }
  if (pattern === "" && (localPrefix === "" || remotePrefix === "")) {
    throw bad("Error: Invalid bridge remapping.");
  }
  for (const [side, prefix] of [
    ["local", localPrefix],
    ["remote", remotePrefix],
  ] as const) {
    const filter = prefix + pattern;
    if (isTopicFilter(filter) && parseFilter(filter) !== null) continue;
    // ~ mosquitto says that of prefixes only, and starts with a pattern that is never let in.
    if (prefix === "") throw bad(`Error: Invalid bridge topic '${pattern}'.`);
    const what = `${side} prefix and pattern combination`;
    throw bad(`Error: Invalid bridge topic ${what} '${filter}'.`);
  }
}
