/**
 * The language of ts-sub's -F: compiled once, run for each message.
 *
 * What comes out is a *byte string*, one character for one byte (see `json.ts`), because payloads
 * are bytes; widths and precisions count bytes, too. Its grammar is in `options/format.ts`.
 *
 * Kept as mosquitto_sub has it, where one would expect otherwise:
 *   - an absent property is as wide as its width, a number filled with its pad; only %R is not
 *   - a width cuts the payload of %p and %x, and %x then shows half of it, two digits a byte
 *   - "-" without a width puts as many spaces after a payload as it has bytes
 *   - %D, %P, %j and %J take no width, nor do %q, %r and %U
 */
import type { ReceivedMessage } from "../client/message.ts";
import { utf8Bytes } from "../core/base/json-layout.ts";
import { compileStrftime, isoLocal, zoneOffset } from "../core/base/strftime.ts";
import {
  type FieldLetter,
  type FormatLayout,
  type FormatPiece,
  readFormat,
} from "../options/format.ts";
import { messageJson } from "./json.ts";
import { formatFixed } from "./printf-number.ts";

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

/** @throws {UsageError} */
export function compileFormat(text: string, isPretty = false): Format {
  const pieces = readFormat(text).map((piece) => compiled(piece, isPretty));
  if (pieces.length === 1) return pieces[0]!;
  return (message, instant, report) => {
    let out = "";
    for (const piece of pieces) out += piece(message, instant, report);
    return out;
  };
}

function compiled(piece: FormatPiece, isPretty: boolean): Format {
  if (piece.kind === "text") return constant(piece.text);
  if (piece.kind === "moment") return moment(piece.letter);
  return conversion(piece.letter, piece.layout, isPretty);
}

function constant(text: string): Format {
  const bytes = utf8Bytes(text);
  return () => bytes;
}

/** `@` and a letter. */
function moment(letter: string): Format {
  if (letter === "@") return () => "@";
  if (letter === "N") return (_message, instant) => nanoseconds(instant);
  const format = compileStrftime(letter);
  return (_message, instant) => utf8Bytes(format(new Date(instant.seconds * 1000)));
}

/** `%` and a letter. */
function conversion(letter: FieldLetter, layout: FormatLayout, isPretty: boolean): Format {
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
  }
}

function integer(value: number | undefined, { isLeft, pad, width }: FormatLayout): string {
  if (value === undefined) return pad.repeat(width);
  const digits = String(value);
  return isLeft ? digits.padEnd(width) : digits.padStart(width, pad);
}

function text(value: string | undefined, layout: FormatLayout): string {
  const bytes = utf8Bytes(value ?? "").slice(0, layout.precision ?? Infinity);
  return layout.isLeft ? bytes.padEnd(layout.width) : bytes.padStart(layout.width);
}

function plain(payload: Buffer, { isLeft, pad, width }: FormatLayout): string {
  if (width === 0) return payload.toString("latin1") + (isLeft ? " ".repeat(payload.length) : "");
  const shown = payload.toString("latin1", 0, Math.min(width, payload.length));
  return isLeft ? shown.padEnd(width) : shown.padStart(width, pad);
}

function hex(payload: Buffer, layout: FormatLayout): string {
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
function grouped(digits: string, { precision = 0, separator }: FormatLayout): string {
  if (precision === 0) return digits;
  let out = digits.slice(0, precision);
  for (let at = precision; at < digits.length; at += precision) {
    out += separator + digits.slice(at, at + precision);
  }
  return out;
}

/** The payload as a number in the byte order of nearly every machine there is, %f or %d. */
function float(letter: "f" | "d", { isLeft, pad, width, precision = 6 }: FormatLayout): Format {
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
