/**
 * The bytes of a configuration file as lines of text.
 *
 * It is UTF-8, as mosquitto has it, which looks at values only: a comment may be in anything. A
 * byte order mark of UTF-8 is passed over, ~ which mosquitto takes for a part of the first name.
 * ~ UTF-16 and NUL are refused: at a NUL mosquitto loses what follows, without a word, and starts.
 */
import { bad } from "./directive.ts";

export interface ConfLine {
  /** Without its newline. What is no UTF-8 is U+FFFD. */
  readonly text: string;
  /** Whether something in it is no UTF-8. */
  readonly isMalformed: boolean;
}

const NEWLINE = 0x0a;
/** So many bytes tell whether every other one is 0, as in English in UTF-16. */
const UTF16_SAMPLE_BYTES = 8;

/** @throws {UsageError} for UTF-16, without the place, which is line 1. */
export function* confLines(bytes: Buffer): Generator<ConfLine> {
  const encoding = utf16In(bytes);
  if (encoding !== undefined) {
    throw bad(
      `Error: The configuration file is in ${encoding} and must be in UTF-8: convert it, for ` +
        `instance with \`iconv -f ${encoding} -t UTF-8\`.`,
    );
  }
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  for (let start = hasMark ? 3 : 0; start < bytes.length; ) {
    const found = bytes.indexOf(NEWLINE, start);
    const end = found < 0 ? bytes.length : found;
    yield lineOf(bytes.subarray(start, end));
    start = end + 1;
  }
}

/** @throws {UsageError} for a NUL, without the place. */
export function refuseNul({ text }: ConfLine): void {
  if (text.includes("\0")) throw bad("Error: NUL byte in configuration file.");
}

function lineOf(bytes: Buffer): ConfLine {
  const text = bytes.toString("utf8");
  // A replacement character may stand there as such.
  const isMalformed = text.includes("\ufffd") && !Buffer.from(text).equals(bytes);
  return { text, isMalformed };
}

/** With a byte order mark or without. */
function utf16In(bytes: Buffer): "UTF-16" | "UTF-16LE" | "UTF-16BE" | undefined {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return "UTF-16";
  if (first === 0xfe && second === 0xff) return "UTF-16";
  if (bytes.length < UTF16_SAMPLE_BYTES) return undefined;
  const zeros = [...bytes.subarray(0, UTF16_SAMPLE_BYTES)].map((byte) => byte === 0);
  if (zeros.every((isZero, at) => isZero === (at % 2 === 1))) return "UTF-16LE";
  if (zeros.every((isZero, at) => isZero === (at % 2 === 0))) return "UTF-16BE";
  return undefined;
}
