/**
 * Text made fit for a line on a terminal: as wide as told and without what would move the cursor.
 *
 * A width is in columns: most characters have one, those of East Asia and emoji two, combining
 * marks none.
 */
import { isUtf8 } from "node:buffer";

/** A payload in one line: text where it is some, else hexadecimal digits. No longer than needed. */
export function payloadText(payload: Buffer, widthMax: number): string {
  if (payload.length === 0) return "(null)";
  // A character has four bytes at most, and a column seldom more than one character.
  const shown = withoutTornCharacter(payload.subarray(0, widthMax * 4 + 4), payload.length);
  return isUtf8(shown) ? visible(shown.toString()) : `0x${payload.toString("hex", 0, widthMax)}`;
}

/** Without the first bytes of a character that was cut, if `bytes` is not the whole of it. */
function withoutTornCharacter(bytes: Buffer, wholeBytes: number): Buffer {
  if (bytes.length === wholeBytes) return bytes;
  let end = bytes.length;
  // 10xxxxxx goes on with a character, 11xxxxxx begins one: three bytes back at most.
  while (end > bytes.length - 3 && end > 0 && (bytes[end - 1]! & 0xc0) === 0x80) end--;
  if (end > 0 && (bytes[end - 1]! & 0xc0) === 0xc0) return bytes.subarray(0, end - 1);
  return bytes;
}

/** Control characters as pictures of them, so that a payload cannot paint on the screen. */
export function visible(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e]/g, picture);
}

function picture(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}

/** `text` in exactly `width` columns: filled with spaces, or cut and ended with an ellipsis. */
export function fitted(text: string, width: number): string {
  if (width <= 0) return "";
  const wide = widthOf(text, width);
  if (wide <= width) return text + " ".repeat(width - wide);
  let out = "";
  let used = 0;
  for (const char of text) {
    const own = charWidth(char.codePointAt(0)!);
    if (used + own > width - 1) break;
    out += char;
    used += own;
  }
  return `${out}…${" ".repeat(width - 1 - used)}`;
}

/** Columns that `text` takes; it stops counting beyond `enough`. */
export function widthOf(text: string, enough = Infinity): number {
  // Most of what there is: one column for each character.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const char of text) {
    width += charWidth(char.codePointAt(0)!);
    if (width > enough) break;
  }
  return width;
}

/** The first and last of the ranges that take two columns (Unicode's East Asian Width W and F). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23ec],
  [0x25fd, 0x25fe],
  [0x2614, 0x2615],
  [0x2648, 0x2653],
  [0x26a1, 0x26a1],
  [0x26aa, 0x26ab],
  [0x26bd, 0x26be],
  [0x26c4, 0x26c5],
  [0x26d4, 0x26d4],
  [0x26ea, 0x26ea],
  [0x26f2, 0x26f5],
  [0x2705, 0x2705],
  [0x270a, 0x270b],
  [0x2728, 0x2728],
  [0x274c, 0x274e],
  [0x2753, 0x2757],
  [0x2795, 0x2797],
  [0x2b1b, 0x2b1c],
  [0x2b50, 0x2b55],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x1b2ff],
  [0x1f004, 0x1f004],
  [0x1f0cf, 0x1f0cf],
  [0x1f18e, 0x1f18e],
  [0x1f191, 0x1f19a],
  [0x1f200, 0x1f320],
  [0x1f32d, 0x1f64f],
  [0x1f680, 0x1f6fc],
  [0x1f7e0, 0x1f7f0],
  [0x1f90c, 0x1faff],
  [0x20000, 0x3fffd],
];

function charWidth(code: number): number {
  if (code < 0x300) return code === 0xad ? 0 : 1;
  if (/^[\p{Mn}\p{Me}\p{Cf}]$/u.test(String.fromCodePoint(code))) return 0;
  if (code < WIDE[0]![0]) return 1;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}
