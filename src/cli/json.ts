/**
 * Messages as JSON for ts-sub's %j and %J, byte for byte as mosquitto_sub prints them with cJSON.
 *
 * Text here is a *byte string*: one character, 0 to 255, for one byte. Payloads need not be UTF-8,
 * and what is not passes through as it came.
 *
 * What cJSON does and a reader of RFC 8259 would not expect: a string ends at its first NUL, all
 * characters up to the space are white space, control characters may stand in strings, numbers are
 * read as strtod reads them and printed with 15 digits when those are near enough.
 */
import type { ReceivedMessage } from "../client/message.ts";
import type { Properties } from "../core/codec/properties.ts";
import { formatGeneral } from "./printf-number.ts";

/** As deep as cJSON reads; deeper is "not valid". */
const NESTING_MAX = 1000;
const SPACE = 0x20;

/** `text` as a byte string of its UTF-8. */
export function utf8Bytes(text: string): string {
  // A plain loop would be slower: the pattern runs over one-byte strings in native code.
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

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

// How cJSON lays it out. `depth` is the count of tabs the opening brace's line begins with.

function object(members: readonly string[], depth: number, isPretty: boolean): string {
  if (!isPretty) return `{${members.join(",")}}`;
  const tabs = "\t".repeat(depth);
  if (members.length === 0) return `{\n${tabs}}`;
  return `{\n${tabs}\t${members.join(`,\n${tabs}\t`)}\n${tabs}}`;
}

function member(quotedKey: string, value: string, isPretty: boolean): string {
  return isPretty ? `${quotedKey}:\t${value}` : `${quotedKey}:${value}`;
}

function array(values: readonly string[], isPretty: boolean): string {
  return `[${values.join(isPretty ? ", " : ",")}]`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** `text` up to its first NUL, as a JSON string. */
function quoted(text: string): string {
  if (!/[\x00-\x1f"\\]/.test(text)) return `"${text}"`;
  const end = text.indexOf("\0");
  const shown = end < 0 ? text : text.slice(0, end);
  const escaped = shown.replace(
    /[\x01-\x1f"\\]/g,
    (char) => SHORT_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

function number(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const short = formatGeneral(value, 15);
  const larger = Math.max(Math.abs(value), Math.abs(Number(short)));
  const isNear = Math.abs(Number(short) - value) <= larger * Number.EPSILON;
  return isNear ? short : formatGeneral(value, 17);
}

/** Thrown inside `Reprinter`, and never out of it. */
const NOT_JSON = new Error("not JSON");

/** Reads a value and prints it again, in one pass and without building it. */
class Reprinter {
  private readonly text: string;
  private readonly isPretty: boolean;
  private at = 0;

  constructor(text: string, isPretty: boolean) {
    this.text = text;
    this.isPretty = isPretty;
  }

  whole(depth: number): string | undefined {
    try {
      if (this.text.startsWith("\xef\xbb\xbf")) this.at = 3;
      this.skipSpace();
      const printed = this.value(0, depth);
      this.skipSpace();
      return this.at === this.text.length ? printed : undefined;
    } catch (error) {
      if (error === NOT_JSON) return undefined;
      throw error;
    }
  }

  /** @param nesting How many arrays and objects are open in the text. */
  private value(nesting: number, depth: number): string {
    const char = this.text[this.at];
    if (char === '"') return quoted(this.string());
    if (char === "{") return this.object(nesting, depth);
    if (char === "[") return this.array(nesting, depth);
    for (const word of ["null", "false", "true"]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return word;
      }
    }
    return number(this.number());
  }

  private object(nesting: number, depth: number): string {
    const members: string[] = [];
    this.each(nesting, "}", () => {
      if (this.text[this.at] !== '"') throw NOT_JSON;
      const key = this.string();
      this.skipSpace();
      if (this.text[this.at++] !== ":") throw NOT_JSON;
      this.skipSpace();
      const value = this.value(nesting + 1, depth + 1);
      members.push(member(quoted(key), value, this.isPretty));
    });
    return object(members, depth, this.isPretty);
  }

  private array(nesting: number, depth: number): string {
    const values: string[] = [];
    this.each(nesting, "]", () => {
      values.push(this.value(nesting + 1, depth + 1));
    });
    return array(values, this.isPretty);
  }

  /** From the opening bracket to the one that closes it, `item` between the commas. */
  private each(nesting: number, close: string, item: () => void): void {
    if (nesting >= NESTING_MAX) throw NOT_JSON;
    this.at++;
    this.skipSpace();
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      this.skipSpace();
      const char = this.text[this.at++];
      if (char === close) return;
      if (char !== ",") throw NOT_JSON;
      this.skipSpace();
    }
  }

  private number(): number {
    const pattern = /-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.at;
    // cJSON gives strtod only what starts with a digit or a minus.
    const found = this.text[this.at] === "." ? null : pattern.exec(this.text);
    if (found === null) throw NOT_JSON;
    this.at += found[0].length;
    return Number(found[0]);
  }

  /** From the opening quote past the closing one; escapes resolved, not cut at NUL. */
  private string(): string {
    const { text } = this;
    const start = this.at + 1;
    let end = start;
    for (; text[end] !== '"'; end++) {
      // An escaped character cannot close the string. Past the end, `text[end]` is undefined.
      if (text[end] === "\\") end++;
      if (end >= text.length || text[end] === "\0") throw NOT_JSON;
    }
    this.at = end + 1;
    const raw = text.slice(start, end);
    return raw.includes("\\") ? unescaped(raw) : raw;
  }

  private skipSpace(): void {
    // A NUL is no white space here: mosquitto hands cJSON the payload up to its first NUL only.
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (!(code <= SPACE && code > 0)) return;
      this.at++;
    }
  }
}

const ESCAPED: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "\\": "\\",
  "/": "/",
};

function unescaped(raw: string): string {
  let out = "";
  for (let at = 0; at < raw.length; ) {
    const char = raw[at]!;
    if (char !== "\\") {
      out += char;
      at++;
      continue;
    }
    const kind = raw[at + 1]!;
    if (kind === "u") {
      const first = hex4(raw, at + 2);
      const isPair = first >= 0xd800 && first <= 0xdbff;
      if (first >= 0xdc00 && first <= 0xdfff) throw NOT_JSON;
      out += isPair
        ? pair(raw, at, first)
        : Buffer.from(String.fromCharCode(first)).toString("latin1");
      at += isPair ? 12 : 6;
    } else {
      const meant = ESCAPED[kind];
      if (meant === undefined) throw NOT_JSON;
      out += meant;
      at += 2;
    }
  }
  return out;
}

/** A character beyond U+FFFF, written as two escapes from `at`; `high` is the first. */
function pair(raw: string, at: number, high: number): string {
  if (raw[at + 6] !== "\\" || raw[at + 7] !== "u") throw NOT_JSON;
  const low = hex4(raw, at + 8);
  if (low < 0xdc00 || low > 0xdfff) throw NOT_JSON;
  return Buffer.from(String.fromCharCode(high, low)).toString("latin1");
}

/** Four hexadecimal digits; 0 for what is none, as in cJSON; but there must be four characters. */
function hex4(raw: string, at: number): number {
  const digits = raw.slice(at, at + 4);
  if (digits.length < 4) throw NOT_JSON;
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : 0;
}
