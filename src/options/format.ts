/**
 * The grammar of -F, which is judged as it is met, like every other value (c.5):
 *
 *     %[-][0][width][.precision][separator]letter      @letter      \letter
 *
 * What the letters make of a message is for `cli/format.ts`.
 */
import { UsageError } from "./usage-error.ts";

/** A format in order: text as it is, a moment for strftime, or something of the message. */
export type FormatPiece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "moment"; readonly letter: string }
  | { readonly kind: "field"; readonly letter: FieldLetter; readonly layout: FormatLayout };

/** What may stand between % and the letter. */
export interface FormatLayout {
  readonly isLeft: boolean;
  readonly pad: " " | "0";
  /** 0: as wide as it is. */
  readonly width: number;
  /** Absent: none given. */
  readonly precision?: number;
  readonly separator: string;
}

const FIELD_LETTERS = "%ACDEFIJPRSUXdfjlmpqrtx";
export type FieldLetter =
  | ("%" | "A" | "C" | "D" | "E" | "F" | "I" | "J" | "P" | "R" | "S" | "U" | "X")
  | ("d" | "f" | "j" | "l" | "m" | "p" | "q" | "r" | "t" | "x");

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

/** The word of -F as it stands. @throws {UsageError} when it cannot be understood. */
export function parseFormat(word: string): string {
  readFormat(word);
  return word;
}

/** @throws {UsageError} in mosquitto's words. */
export function readFormat(format: string): readonly FormatPiece[] {
  const pieces: FormatPiece[] = [];
  let text = "";
  const add = (piece: FormatPiece): void => {
    if (text !== "") pieces.push({ kind: "text", text });
    text = "";
    pieces.push(piece);
  };
  for (let at = 0; at < format.length; at++) {
    const char = format[at]!;
    if (char === "\\") text += escaped(characterAt(format, ++at, "escape"));
    else if (char === "@") {
      const letter = characterAt(format, at + 1, "format");
      at += letter.length;
      add({ kind: "moment", letter });
    } else if (char === "%") {
      const [layout, letterAt] = readLayout(format, at + 1);
      at = letterAt;
      add({ kind: "field", letter: fieldLetter(characterAt(format, letterAt, "format")), layout });
    } else text += char;
  }
  if (text !== "") pieces.push({ kind: "text", text });
  return pieces;
}

function escaped(char: string): string {
  const meant = ESCAPES[char];
  if (meant === undefined) throw wrong(`Invalid escape specifier '${char}'.`);
  return meant;
}

function fieldLetter(char: string): FieldLetter {
  if (!FIELD_LETTERS.includes(char)) throw wrong(`Invalid format specifier '${char}'.`);
  return char as FieldLetter; // One of them.
}

function characterAt(format: string, at: number, kind: "escape" | "format"): string {
  const code = format.codePointAt(at);
  if (code === undefined) throw wrong(`Incomplete ${kind} specifier.`);
  return String.fromCodePoint(code);
}

/** Reads `[-][0][width][.precision][separator]`; also tells where the letter is. */
function readLayout(format: string, start: number): [layout: FormatLayout, letterAt: number] {
  const pattern = /(-?)(0?)(\d*)(?:(\.)(\d*))?/y;
  pattern.lastIndex = start;
  const [all, left, zero, width, point, precision] = pattern.exec(format)!;
  let letterAt = start + all.length;
  const separator = format[letterAt] ?? "";
  const isSeparator = separator !== "" && SEPARATORS.includes(separator);
  if (isSeparator) letterAt++;
  const layout: FormatLayout = {
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
  if (value <= WIDTH_MAX) return value;
  throw wrong(`Format width or precision ${digits} is over ${WIDTH_MAX}.`);
}

function wrong(what: string): UsageError {
  return new UsageError("bad-value", `Error: ${what}`);
}
