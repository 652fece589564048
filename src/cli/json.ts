/**
 * Messages as JSON for ts-sub's %j and %J, byte for byte as mosquitto_sub prints them with cJSON.
 *
 * Text here is a *byte string* (`core/base/json-layout.ts`). Payloads need not be UTF-8, and what
 * is not passes through as it came. Numbers are printed with 15 digits when those are near enough.
 */
import type { ReceivedMessage } from "../client/message.ts";
import { array, member, object, quoted, utf8Bytes } from "../core/base/json-layout.ts";
import { JsonScanner, NOT_JSON } from "../core/base/json-scan.ts";
import type { Properties } from "../core/codec/properties.ts";
import { formatGeneral } from "./printf-number.ts";

/**
 * The message as a JSON object.
 *
 * @param time What `tst` says.
 * @param payload How the payload stands in it: a string, or itself as JSON.
 * @returns undefined when the payload was to be JSON and is not.
 */
export function messageJson(
  message: ReceivedMessage,
  time: string,
  payload: "string" | "json",
  isPretty: boolean,
): string | undefined {
  const members: string[] = [];
  const add = (key: string, value: string): void => {
    members.push(member(quoted(key), value, isPretty));
  };
  add("tst", quoted(time));
  add("topic", quoted(utf8Bytes(message.topic)));
  add("qos", String(message.qos));
  add("retain", String(message.retain));
  add("payloadlen", String(message.payload.length));
  if (message.qos > 0) add("mid", String(message.packetId));
  const properties = propertyMembers(message.properties, isPretty);
  if (properties.length > 0) add("properties", object(properties, 1, isPretty));
  const value = payloadValue(message.payload, payload, isPretty);
  if (value === undefined) return undefined;
  add("payload", value);
  return object(members, 0, isPretty);
}

/** The JSON in `text`, printed anew at `depth` tabs; undefined when it is none. */
export function reprintJson(text: string, depth: number, isPretty: boolean): string | undefined {
  return new Reprinter(text, isPretty).whole(depth);
}

/** The name each property has in JSON and with -D. What a PUBLISH cannot carry is not here. */
const PROPERTY_NAMES: { readonly [Name in keyof Properties]: string } = {
  payloadFormatIndicator: "payload-format-indicator",
  messageExpiryInterval: "message-expiry-interval",
  contentType: "content-type",
  responseTopic: "response-topic",
  correlationData: "correlation-data",
  subscriptionIdentifiers: "subscription-identifier",
  topicAlias: "topic-alias",
  userProperties: "user-properties",
};

/** In the order they stood in the packet: the codec puts them into the object in that order. */
function propertyMembers(properties: Properties, isPretty: boolean): string[] {
  const members: string[] = [];
  for (const [name, value] of Object.entries(properties) as [keyof Properties, unknown][]) {
    const key = PROPERTY_NAMES[name];
    if (key === undefined || value === undefined) continue;
    if (name === "subscriptionIdentifiers") {
      for (const id of value as number[]) members.push(member(quoted(key), String(id), isPretty));
    } else {
      members.push(member(quoted(key), propertyValue(name, value, isPretty), isPretty));
    }
  }
  return members;
}

function propertyValue(name: keyof Properties, value: unknown, isPretty: boolean): string {
  if (name === "userProperties") {
    const pairs = value as NonNullable<Properties["userProperties"]>;
    const objects = pairs.map(([key, text]) =>
      object([member(quoted(utf8Bytes(key)), quoted(utf8Bytes(text)), isPretty)], 3, isPretty),
    );
    return array(objects, isPretty);
  }
  if (Buffer.isBuffer(value)) return quoted(value.toString("latin1"));
  return typeof value === "string" ? quoted(utf8Bytes(value)) : String(value);
}

function payloadValue(
  payload: Buffer,
  as: "string" | "json",
  isPretty: boolean,
): string | undefined {
  if (payload.length === 0) return "null";
  const text = payload.toString("latin1");
  return as === "string" ? quoted(text) : reprintJson(text, 1, isPretty);
}

function number(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const short = formatGeneral(value, 15);
  const larger = Math.max(Math.abs(value), Math.abs(Number(short)));
  const isNear = Math.abs(Number(short) - value) <= larger * Number.EPSILON;
  return isNear ? short : formatGeneral(value, 17);
}

/** Reads a value and prints it again, in one pass and without building it. */
class Reprinter {
  private readonly scanner: JsonScanner;
  private readonly isPretty: boolean;

  constructor(text: string, isPretty: boolean) {
    this.scanner = new JsonScanner(text);
    this.isPretty = isPretty;
  }

  whole(depth: number): string | undefined {
    const { scanner } = this;
    try {
      scanner.skipSpace();
      const printed = this.value(0, depth);
      scanner.skipSpace();
      return scanner.next === undefined ? printed : undefined;
    } catch (error) {
      if (error === NOT_JSON) return undefined;
      throw error;
    }
  }

  /** @param nesting How many arrays and objects are open in the text. */
  private value(nesting: number, depth: number): string {
    const { scanner } = this;
    if (scanner.next === '"') return quoted(scanner.string());
    if (scanner.next === "{") return this.object(nesting, depth);
    if (scanner.next === "[") return this.array(nesting, depth);
    return scanner.word() ?? number(scanner.number());
  }

  private object(nesting: number, depth: number): string {
    const members: string[] = [];
    this.scanner.each(nesting, "}", () => {
      const key = this.scanner.key();
      const value = this.value(nesting + 1, depth + 1);
      members.push(member(quoted(key), value, this.isPretty));
    });
    return object(members, depth, this.isPretty);
  }

  private array(nesting: number, depth: number): string {
    const values: string[] = [];
    this.scanner.each(nesting, "]", () => {
      values.push(this.value(nesting + 1, depth + 1));
    });
    return array(values, this.isPretty);
  }
}
