/**
 * The option files of ts-pub, ts-sub and ts-rr, which are those of mosquitto's programs (c.1): one
 * option a line, the rest of the line behind the first space its value, whatever is in it.
 *
 *     # a comment
 *     -h broker.example.org
 *     -u me
 *
 * ~ A line may have any length; mosquitto's programs cut it after 1023 bytes and take the rest for
 * an option.
 */
import { UsageError } from "./usage-error.ts";

const NEWLINE = 0x0a;
const HASH = 0x23;

/**
 * The words of each line: the option's name, and its value where there is one.
 *
 * @throws {UsageError} for a value that is no UTF-8, which no word can be.
 */
export function readOptionFile(bytes: Buffer): string[][] {
  const lines: string[][] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const words = wordsOf(bytes.subarray(start, end));
    if (words.length > 0) lines.push(words);
    start = end + 1;
  }
  return lines;
}

function wordsOf(line: Buffer): string[] {
  if (line[0] === HASH) return [];
  // What stands behind a NUL does not count: the programs it was written for cannot see it.
  const nul = line.indexOf(0);
  const seen = nul < 0 ? line : line.subarray(0, nul);
  const text = seen.toString("utf8");
  // The groups may be empty, and so always match.
  const [, name, value] = /^ *([^ \r]*) ?(.*?)\r*$/s.exec(text)!;
  if (!Buffer.from(text, "utf8").equals(seen)) {
    throw new UsageError("bad-value", `Error: Malformed UTF-8 in ${name} argument.`, "far-hint");
  }
  return [name!, value!].filter((word) => word !== "");
}
