/**
 * Messages as lines of JSON that lose nothing: what ts-sub --ndjson prints, ts-pub --ndjson sends.
 *
 * The shape is that of ts-sub's -F %j. What %j cannot say without loss has a key of its own: a
 * payload, or correlation data, that is no UTF-8 or very long stands in base64 under
 * `payload-base64` or `correlation-data-base64`. Topic aliases and subscription identifiers belong
 * to one connection: the first are not printed, neither is sent on.
 *
 * Reading also takes what -F %j and %J print, and what people write by hand.
 */
import { constants, isUtf8 } from "node:buffer";
import type { ReceivedMessage } from "../client/message.ts";
import type { Qos } from "../core/codec/packets.ts";
import type { Properties } from "../core/codec/properties.ts";

/** What a line says about a message. Absent is what it does not say. */
export interface NdjsonMessage {
  readonly topic?: string;
  readonly payload: Buffer;
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** Of a PUBLISH, with shapes checked; bounds are the client's to check. */
  readonly properties: Properties;
  /** When it was received, as ISO 8601. */
  readonly tst?: string;
}

/** The longest line that can be read: as long as a string can be. */
export const LINE_BYTES_MAX = constants.MAX_STRING_LENGTH;
/** Longer bytes stand in base64, for each of them may be six as text: a string has an end. */
const TEXT_BYTES_MAX = 67_108_864;

/** A line is no message. The message is a phrase that follows "Line 7: ". */
export class NdjsonError extends Error {
  override readonly name = "NdjsonError";
}

type Json = null | boolean | number | string | readonly Json[] | JsonObject;
type JsonObject = { readonly [key: string]: Json };

/** The message as one line of JSON without its newline. @param tst When it was received. */
export function ndjsonLine(message: ReceivedMessage, tst: string): string {
  const { topic, qos, retain, payload } = message;
  const properties = propertiesObject(message.properties);
  return JSON.stringify({
    tst,
    topic,
    qos,
    retain,
    payloadlen: payload.length,
    ...(qos > 0 && { mid: message.packetId }),
    ...(properties !== undefined && { properties }),
    ...(payload.length === 0 ? { payload: null } : bytesMember("payload", payload)),
  });
}

function propertiesObject(properties: Properties): JsonObject | undefined {
  const members: [string, Json][] = [];
  // In the order they stood in the packet: the codec puts them into the object in that order.
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    switch (name as keyof Properties) {
      case "payloadFormatIndicator":
        members.push(["payload-format-indicator", value]);
        break;
      case "messageExpiryInterval":
        members.push(["message-expiry-interval", value]);
        break;
      case "contentType":
        members.push(["content-type", value]);
        break;
      case "responseTopic":
        members.push(["response-topic", value]);
        break;
      case "correlationData":
        members.push(...Object.entries(bytesMember("correlation-data", value as Buffer)));
        break;
      case "subscriptionIdentifiers": {
        const ids = value as number[];
        members.push(["subscription-identifier", ids.length === 1 ? ids[0]! : ids]);
        break;
      }
      case "userProperties":
        members.push(["user-properties", pairObjects(value as [string, string][])]);
        break;
    }
  }
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

function pairObjects(pairs: readonly (readonly [string, string])[]): Json {
  return pairs.map(([key, value]) => Object.fromEntries([[key, value]]));
}

function bytesMember(key: string, bytes: Buffer): Record<string, string> {
  return bytes.length <= TEXT_BYTES_MAX && isUtf8(bytes)
    ? { [key]: bytes.toString("utf8") }
    : { [`${key}-base64`]: bytes.toString("base64") };
}

/**
 * The message that a line is; undefined for a line of white space, which is none.
 * @throws {NdjsonError}
 */
export function parseNdjson(line: Buffer): NdjsonMessage | undefined {
  if (!isUtf8(line)) throw new NdjsonError("it is not UTF-8");
  const text = line.toString("utf8");
  if (text.trim() === "") return undefined;
  const { topic, qos, retain, tst, properties, ...rest } = objectIn(text);
  return {
    payload: payloadOf(rest, text),
    properties: propertiesOf(properties, text),
    ...(isGiven(topic) && { topic: string("topic", topic) }),
    ...(isGiven(qos) && { qos: qosOf(qos) }),
    ...(isGiven(retain) && { retain: switchOf(retain) }),
    ...(isGiven(tst) && { tst: string("tst", tst) }),
  };
}

function objectIn(text: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new NdjsonError("it is not JSON");
  }
  if (!isObject(value)) throw new NdjsonError("it is no JSON object");
  return value;
}

/** @param text The line that the members stand in. */
function payloadOf(members: JsonObject, text: string): Buffer {
  const { payload } = members;
  const coded = members["payload-base64"];
  if (coded !== undefined) {
    if (payload !== undefined) throw new NdjsonError("it has payload and payload-base64");
    return base64("payload-base64", coded);
  }
  if (payload === undefined) throw new NdjsonError("it has no payload");
  if (payload === null) return Buffer.alloc(0);
  if (typeof payload === "string") return Buffer.from(string("payload", payload));
  // A payload that is JSON, as -F %J prints it, goes out as it stands there: printed anew, a long
  // number would be another one.
  return Buffer.from(memberText(text, "payload"));
}

/** The value of a member without white space. @param text An object, known to be JSON. */
function memberText(text: string, wanted: string): string {
  let value = "";
  let depth = 0;
  /** The token before, which is a key where a colon follows it. */
  let before = "";
  let isIn = false;
  for (let at = 0; at < text.length; ) {
    const end = tokenEnd(text, at);
    const token = text.slice(at, end);
    at = end;
    if (token.trim() === "") continue;
    if (token === "}" || token === "]") depth--;
    if (depth === 0 || (depth === 1 && token === ",")) isIn = false;
    if (isIn) value += token;
    if (token === "{" || token === "[") depth++;
    if (token === ":" && depth === 1 && JSON.parse(before) === wanted) {
      isIn = true;
      // Of two the last one counts, as everywhere.
      value = "";
    }
    before = token;
  }
  return value;
}

/** What ends a number or a word. */
const BREAK = /[\s"{}[\],:]/g;

/** Where the token at `at` ends: a string, a number, a word, or one character that is neither. */
function tokenEnd(text: string, at: number): number {
  const first = text[at]!;
  if (first === '"') return stringEnd(text, at);
  BREAK.lastIndex = at;
  const found = BREAK.exec(text)?.index ?? text.length;
  return found === at ? at + 1 : found;
}

function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    // An escaped quote does not end it.
    if (slashes % 2 === 0) return end + 1;
  }
}

/** How each property is read. Those that are not sent on are here, too: they are no mistake. */
const READERS: Readonly<Record<string, (key: string, value: Json, text: string) => Properties>> = {
  "payload-format-indicator": (key, value) => ({ payloadFormatIndicator: bit(key, value) }),
  "message-expiry-interval": (key, value) => ({ messageExpiryInterval: number(key, value) }),
  "content-type": (key, value) => ({ contentType: string(key, value) }),
  "response-topic": (key, value) => ({ responseTopic: string(key, value) }),
  "correlation-data": (key, value) => ({ correlationData: Buffer.from(string(key, value)) }),
  "correlation-data-base64": (key, value) => ({ correlationData: base64(key, value) }),
  "user-properties": (key, value, text) => ({
    userProperties: isObject(value) ? pairsIn(key, text) : pairs(key, value),
  }),
  "subscription-identifier": () => ({}),
  "topic-alias": () => ({}),
};

/** @param text The line that the properties stand in. */
function propertiesOf(value: Json | undefined, text: string): Properties {
  if (!isGiven(value)) return {};
  if (!isObject(value)) throw new NdjsonError("properties is no JSON object");
  let properties: Properties = {};
  for (const [key, member] of Object.entries(value)) {
    const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
    if (read === undefined) throw new NdjsonError(`there is no property ${shown(key)}`);
    properties = { ...properties, ...read(key, member, text) };
  }
  return properties;
}

/**
 * As mosquitto_sub before 2.1 prints them: one object, in which a name may stand more than once.
 * What JSON.parse makes of it would have each name once.
 */
function pairsIn(key: string, text: string): [string, string][] {
  const object = memberText(memberText(text, "properties"), key);
  const strings: string[] = [];
  for (let at = 1; at < object.length - 1; ) {
    const end = tokenEnd(object, at);
    const token = object.slice(at, end);
    at = end;
    if (token === ":" || token === ",") continue;
    if (!token.startsWith('"')) throw new NdjsonError(`${key} is no string`);
    strings.push(string(key, JSON.parse(token) as Json));
  }
  return Array.from({ length: strings.length / 2 }, (_, i) => [
    strings[2 * i]!,
    strings[2 * i + 1]!,
  ]);
}

/** Objects in a list, each with any number of names: [{"a":"1"},{"a":"2"}]. */
function pairs(key: string, value: Json): [string, string][] {
  if (!Array.isArray(value)) throw new NdjsonError(`${key} is no list`);
  return value.flatMap((item: Json) => {
    if (!isObject(item)) throw new NdjsonError(`${key} is no list of objects`);
    return Object.entries(item).map(([name, text]): [string, string] => [
      string(key, name),
      string(key, text),
    ]);
  });
}

function qosOf(value: Json): Qos {
  if (value === 0 || value === 1 || value === 2) return value;
  throw new NdjsonError("qos is not 0, 1 or 2");
}

/** mosquitto_sub before 2.1 printed 0 and 1. */
function switchOf(value: Json): boolean {
  if (typeof value === "boolean") return value;
  if (value === 0 || value === 1) return value === 1;
  throw new NdjsonError("retain is not true or false");
}

function string(key: string, value: Json): string {
  if (typeof value !== "string") throw new NdjsonError(`${key} is no string`);
  // Half of a character: UTF-8 has no bytes for it, and others would be sent instead.
  if (/\p{Surrogate}/u.test(value)) throw new NdjsonError(`${key} is no Unicode text`);
  return value;
}

function number(key: string, value: Json): number {
  if (typeof value === "number") return value;
  throw new NdjsonError(`${key} is no number`);
}

function bit(key: string, value: Json): 0 | 1 {
  if (value === 0 || value === 1) return value;
  throw new NdjsonError(`${key} is not 0 or 1`);
}

function base64(key: string, value: Json): Buffer {
  const text = string(key, value);
  const bytes = Buffer.from(text, "base64");
  // Node passes over what is no base64, which would send something else.
  if (bytes.toString("base64") === text.padEnd(Math.ceil(text.length / 4) * 4, "=")) return bytes;
  throw new NdjsonError(`${key} is no base64`);
}

function isGiven(value: Json | undefined): value is Exclude<Json, null> {
  return value !== undefined && value !== null;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** At most a few words of a key, so that a sentence stays one. */
function shown(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}
