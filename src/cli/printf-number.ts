/**
 * Numbers in the words of C's printf: `%.*f` and `%.*g`, digit for digit as glibc prints them.
 *
 * JavaScript rounds an exact tie away from zero and glibc to even, and JavaScript turns to
 * exponents at 1e21; so the decimals come from the double's exact value, as a BigInt fraction.
 */

/** Decimals after which every further digit of a double is 0: the smallest is 2^-1074. */
const DECIMALS_MAX = 1074;

/** `%.*f`. `precision` is the count of decimals. */
export function formatFixed(value: number, precision: number): string {
  const sign = isNegative(value) ? "-" : "";
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return `${sign}inf`;
  const decimals = Math.min(precision, DECIMALS_MAX);
  const digits = String(scaled(Math.abs(value), decimals)).padStart(decimals + 1, "0");
  if (precision === 0) return sign + digits;
  const point = digits.length - decimals;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point).padEnd(precision, "0")}`;
}

/** `%.*g`: `precision` digits that count, trailing zeros dropped. Finite values only. */
export function formatGeneral(value: number, precision: number): string {
  const sign = isNegative(value) ? "-" : "";
  const size = Math.abs(value);
  if (size === 0) return `${sign}0`;
  let exponent = Number(size.toExponential(20).split("e")[1]);
  let digits = String(scaled(size, precision - 1 - exponent));
  if (digits.length > precision) {
    // Rounded up to the next power of ten.
    exponent++;
    digits = digits.slice(0, precision);
  }
  if (exponent < -4 || exponent >= precision) {
    const mark = `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
    return sign + trimmed(`${digits[0]!}.${digits.slice(1)}`) + mark;
  }
  if (exponent < 0) return sign + trimmed(`0.${"0".repeat(-1 - exponent)}${digits}`);
  return sign + trimmed(`${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`);
}

/** `size` × 10^`decimals`, rounded to a whole number, exact ties to even. */
function scaled(size: number, decimals: number): bigint {
  let [numerator, denominator] = fraction(size);
  if (decimals >= 0) numerator *= 10n ** BigInt(decimals);
  else denominator *= 10n ** BigInt(-decimals);
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  const isUp = twice > denominator || (twice === denominator && (quotient & 1n) === 1n);
  return isUp ? quotient + 1n : quotient;
}

/** A finite double is a whole number of powers of two: here as a fraction, exactly. */
function fraction(size: number): [numerator: bigint, denominator: bigint] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, size);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const mantissa = (bits & 0xfffffffffffffn) | (biased === 0 ? 0n : 1n << 52n);
  const power = Math.max(biased, 1) - 1075;
  return power >= 0 ? [mantissa << BigInt(power), 1n] : [mantissa, 1n << BigInt(-power)];
}

/** `decimal`, which has a point, without zeros at its end. */
function trimmed(decimal: string): string {
  return decimal.replace(/\.?0*$/, "");
}

function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0);
}
