/**
 * The language of ts-sub's -F: compiled once, run for each message.
 *
 * What comes out is a *byte string*, one character for one byte (see `json.ts`), because payloads
 * are bytes; widths and precisions count bytes, too. Judged whole before anything connects.
 *
 * Kept as mosquitto_sub has it, where one would expect otherwise:
 *   - an absent property is as wide as its width, a number filled with its pad; only %R is not
 *   - a width cuts the payload of %p and %x, and %x then shows half of it, two digits a byte
 *   - "-" without a width puts as many spaces after a payload as it has bytes
 *   - %D, %P, %j and %J take no width, nor do %q, %r and %U
 */
import type { ReceivedMessage } from "../client/message.ts";
import { messageJson, utf8Bytes } from "./json.ts";
import { formatFixed } from "./printf-number.ts";
import { compileStrftime, isoLocal, zoneOffset } from "./strftime.ts";

/** A moment, finer than a Date holds it. */
export interface Instant {
  /** Since 1970, whole. */
  readonly seconds: number;
  /** 0 to 999999999. */
  readonly nanoseconds: number;
}

/** One message in the words of the format, without the newline. `report` gets what went wrong. */
export type Format = (
  message: ReceivedMessage,
  instant: Instant,
  report: (sentence: string) => void,
) => string;

/** The format cannot be understood. The message is mosquitto's sentence about it. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/** A wider column is a slip of the finger, and would fill memory for each message. */
const WIDTH_MAX = 100_000;
/** What may stand before the letter, to part the groups of %x. */
const SEPARATORS = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~";
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "0": "\0",
  a: "\x07",
  e: "\x1b",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** What may stand between % and the letter. */
interface Layout {
  readonly isLeft: boolean;
  readonly pad: " " | "0";
  /** 0: as wide as it is. */
  readonly width: number;
  /** Absent: none given. */
  readonly precision?: number;
  readonly separator: string;
}

/** @throws {FormatError} */
export function compileFormat(text: string, isPretty = false): Format {
  const pieces: Format[] = [];
  let literal = "";
  const add = (piece: Format): void => {
    if (literal !== "") pieces.push(constant(literal));
    literal = "";
    pieces.push(piece);
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\") literal += escaped(text[++at]);
    else if (char === "@") add(moment(characterAt(text, ++at)));
    else if (char === "%") {
      const [layout, letterAt] = readLayout(text, at + 1);
      add(conversion(characterAt(text, letterAt), layout, isPretty));
      at = letterAt;
    } else literal += char;
  }
  if (literal !== "") pieces.push(constant(literal));
  if (pieces.length === 1) return pieces[0]!;
  return (message, instant, report) => {
    let out = "";
    for (const piece of pieces) out += piece(message, instant, report);
    return out;
  };
}

function constant(text: string): Format {
  const bytes = utf8Bytes(text);
  return () => bytes;
}

function escaped(char: string | undefined): string {
  if (char === undefined) throw new FormatError("Incomplete escape specifier.");
  const meant = ESCAPES[char];
  if (meant === undefined) throw new FormatError(`Invalid escape specifier '${char}'.`);
  return meant;
}

function characterAt(text: string, at: number): string {
  const char = text[at];
  if (char === undefined) throw new FormatError("Incomplete format specifier.");
  return char;
}

/** Reads `[-][0][width][.precision][separator]`; also tells where the letter is. */
function readLayout(text: string, start: number): [layout: Layout, letterAt: number] {
  const pattern = /(-?)(0?)(\d*)(?:(\.)(\d*))?/y;
  pattern.lastIndex = start;
  const [all, left, zero, width, point, precision] = pattern.exec(text)!;
  let letterAt = start + all.length;
  const separator = text[letterAt] ?? "";
  const isSeparator = separator !== "" && SEPARATORS.includes(separator);
  if (isSeparator) letterAt++;
  const layout: Layout = {
    isLeft: left !== "",
    pad: zero === "" ? " " : "0",
    width: bounded(width!),
    ...(point === undefined ? {} : { precision: bounded(precision!) }),
    separator: isSeparator ? separator : " ",
  };
  return [layout, letterAt];
}

function bounded(digits: string): number {
  const value = Number(digits);
  if (value > WIDTH_MAX) {
    throw new FormatError(`Format width or precision ${digits} is over ${WIDTH_MAX}.`);
  }
  return value;
}

/** `@` and a letter. */
function moment(letter: string): Format {
  if (letter === "@") return () => "@";
  if (letter === "N") return (_message, instant) => nanoseconds(instant);
  const format = compileStrftime(letter);
  return (_message, instant) => utf8Bytes(format(new Date(instant.seconds * 1000)));
}

/** `%` and a letter. */
function conversion(letter: string, layout: Layout, isPretty: boolean): Format {
  switch (letter) {
    case "%":
      return () => "%";
    case "A":
      return ({ properties }) => integer(properties.topicAlias, layout);
    case "C":
      return ({ properties }) => text(properties.contentType, layout);
    case "D":
      return ({ properties }) => properties.correlationData?.toString("latin1") ?? "";
    case "E":
      return ({ properties }) => integer(properties.messageExpiryInterval, layout);
    case "F":
      return ({ properties }) => integer(properties.payloadFormatIndicator, layout);
    case "I": {
      const time = isoTimes();
      return (_message, instant) => text(time(instant), layout);
    }
    case "P":
      return ({ properties }) =>
        utf8Bytes((properties.userProperties ?? []).map((pair) => pair.join(":")).join(" "));
    case "R":
      return ({ properties: { responseTopic } }) =>
        responseTopic === undefined ? "" : text(responseTopic, layout);
    case "S":
      return ({ properties }) => integer(properties.subscriptionIdentifiers?.[0], layout);
    case "U":
      return (_message, instant) => `${instant.seconds}.${nanoseconds(instant)}`;
    case "d":
    case "f":
      return float(letter, layout);
    case "j":
      return json("string", isPretty);
    case "J":
      return json("json", isPretty);
    case "l":
      return ({ payload }) => integer(payload.length, layout);
    case "m":
      return ({ packetId }) => integer(packetId, layout);
    case "p":
      return ({ payload }) => plain(payload, layout);
    case "q":
      return ({ qos }) => String(qos);
    case "r":
      return ({ retain }) => (retain ? "1" : "0");
    case "t":
      return ({ topic }) => text(topic, layout);
    case "x":
      return ({ payload }) => hex(payload, layout);
    case "X":
      return ({ payload }) => hex(payload, layout).toUpperCase();
    default:
      throw new FormatError(`Invalid format specifier '${letter}'.`);
  }
}

function integer(value: number | undefined, { isLeft, pad, width }: Layout): string {
  if (value === undefined) return pad.repeat(width);
  const digits = String(value);
  return isLeft ? digits.padEnd(width) : digits.padStart(width, pad);
}

function text(value: string | undefined, layout: Layout): string {
  const bytes = utf8Bytes(value ?? "").slice(0, layout.precision ?? Infinity);
  return layout.isLeft ? bytes.padEnd(layout.width) : bytes.padStart(layout.width);
}

function plain(payload: Buffer, { isLeft, pad, width }: Layout): string {
  if (width === 0) return payload.toString("latin1") + (isLeft ? " ".repeat(payload.length) : "");
  const shown = payload.toString("latin1", 0, Math.min(width, payload.length));
  return isLeft ? shown.padEnd(width) : shown.padStart(width, pad);
}

function hex(payload: Buffer, layout: Layout): string {
  const { isLeft, pad, width } = layout;
  if (width === 0) {
    return grouped(payload.toString("hex"), layout) + (isLeft ? " ".repeat(payload.length) : "");
  }
  const bytes = Math.min(width, payload.length) >> 1;
  const shown = grouped(payload.toString("hex", 0, bytes), layout);
  // As wide as the digits need, whatever the separators add.
  const fill = width - bytes * 2;
  return isLeft ? shown + " ".repeat(fill) : pad.repeat(fill) + shown;
}

/** Puts a separator after every `precision` digits. */
function grouped(digits: string, { precision = 0, separator }: Layout): string {
  if (precision === 0) return digits;
  let out = digits.slice(0, precision);
  for (let at = precision; at < digits.length; at += precision) {
    out += separator + digits.slice(at, at + precision);
  }
  return out;
}

/** The payload as a number in the byte order of nearly every machine there is, %f or %d. */
function float(letter: "f" | "d", { isLeft, pad, width, precision = 6 }: Layout): Format {
  const size = letter === "f" ? 4 : 8;
  return ({ payload, topic }, _instant, report) => {
    if (payload.length !== size) {
      report(
        `Error: Message payload is not a ${size}-byte floating point number on topic ${topic}.`,
      );
      return "";
    }
    const value = letter === "f" ? payload.readFloatLE(0) : payload.readDoubleLE(0);
    const digits = formatFixed(value, precision);
    if (isLeft) return digits.padEnd(width);
    if (pad === " " || !Number.isFinite(value)) return digits.padStart(width);
    const sign = digits.startsWith("-") ? "-" : "";
    return sign + digits.slice(sign.length).padStart(width - sign.length, "0");
  };
}

function json(payload: "string" | "json", isPretty: boolean): Format {
  const time = isoTimes();
  return (message, instant, report) => {
    const shown = messageJson(message, time(instant, true), payload, isPretty);
    if (shown === undefined) {
      report(`Error: Message payload is not valid JSON on topic ${message.topic}.`);
    }
    return shown ?? "";
  };
}

/** What tells the local time as `YYYY-MM-DDThh:mm:ss±zzzz`, on request with microseconds. */
export function isoTimes(): (instant: Instant, hasMicroseconds?: boolean) => string {
  // Most messages come in the same second as the one before.
  let seconds = Number.NaN;
  let local = "";
  let zone = "";
  return (instant, hasMicroseconds = false) => {
    if (instant.seconds !== seconds) {
      seconds = instant.seconds;
      const date = new Date(seconds * 1000);
      local = isoLocal(date);
      zone = zoneOffset(date);
    }
    return hasMicroseconds ? `${local}.${nanoseconds(instant).slice(0, 6)}${zone}` : local + zone;
  };
}

function nanoseconds(instant: Instant): string {
  return String(instant.nanoseconds).padStart(9, "0");
}
