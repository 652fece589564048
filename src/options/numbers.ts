/**
 * Numbers as C programs read them, because that is what scripts written for mosquitto rely on:
 * leading blanks and a sign are fine, reading stops at the first other character, and no digits
 * at all make 0.
 */

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

/** atol: decimal, saturating at 64 bits. */
export function leadingLong(word: string): bigint {
  const digits = /^[ \t-\r]*([+-]?\d+)/.exec(word)?.[1];
  return digits === undefined ? 0n : clampLong(BigInt(digits.replace("+", "")));
}

/** atoi: what fits 32 bits of `leadingLong`, wrapping. */
export function leadingInteger(word: string): number {
  return Number(BigInt.asIntN(32, leadingLong(word)));
}

/** atof, as far as option values go: not a number becomes 0. */
export function leadingFraction(word: string): number {
  const value = Number.parseFloat(word);
  return Number.isNaN(value) ? 0 : value;
}

/** strtol with base 0 over all of the word: decimal, 0x hexadecimal, 0 octal; else undefined. */
export function wholeLong(word: string): bigint | undefined {
  const parts = /^[ \t-\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9]\d*))$/.exec(word);
  if (parts === null) return undefined;
  const [, sign, hex, octal, decimal] = parts;
  const text = hex !== undefined ? `0x${hex}` : octal !== undefined ? `0o0${octal}` : decimal!;
  const size = BigInt(text);
  return clampLong(sign === "-" ? -size : size);
}

function clampLong(value: bigint): bigint {
  if (value > LONG_MAX) return LONG_MAX;
  return value < LONG_MIN ? LONG_MIN : value;
}
