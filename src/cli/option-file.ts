/**
 * Which option file a program reads, and what is in it (c.1): that of -o, or the one of mosquitto's
 * program of the same kind.
 */
import type { OptionTable } from "../options/option.ts";
import { readOptionFile } from "../options/option-file.ts";
import { UsageError } from "../options/usage-error.ts";
import { type Surroundings, scanWords } from "../options/words.ts";
import { beginOfFile } from "./file-begin.ts";
import { type Streams, wordsOf } from "./streams.ts";
import { systemText } from "./trouble.ts";

/**
 * What goes with the words of a program.
 *
 * @param name Of mosquitto's program whose file is read when there is no -o: "mosquitto_pub".
 * @throws {UsageError} when the file of -o cannot be read, or holds what no words can be.
 */
export function surroundingsOf(io: Streams, table: OptionTable, name: string): Surroundings {
  const words = wordsOf(io);
  let asked: string | undefined;
  if (words.includes("-o")) {
    scanWords(table, words, (key, value) => {
      // The row of -o takes a word.
      if (key === "optionFile") asked = value as string;
      return asked !== undefined;
    });
  }
  const bytes = asked === undefined ? readDefault(io.env, name) : readAsked(asked);
  const lines = bytes.length === 0 ? [] : readOptionFile(bytes);
  if (lines.some(([option]) => option === "-o")) {
    const message = "Error: An options file cannot name another one with -o.";
    throw new UsageError("bad-value", message, "nothing");
  }
  return {
    lines,
    // Opens standard input, which costs time: only done when it matters.
    canAsk: () => (io.stdin as Partial<NodeJS.ReadStream>).isTTY === true,
  };
}

const NOTHING = Buffer.alloc(0);
/** No options take that much: somebody has named another file. */
const BYTES_MAX = 1 << 20;

function readDefault(env: Streams["env"], name: string): Buffer {
  const folder =
    env.XDG_CONFIG_HOME ?? (env.HOME === undefined ? undefined : `${env.HOME}/.config`);
  if (folder === undefined) return NOTHING;
  let bytes: Buffer;
  try {
    bytes = beginOfFile(`${folder}/${name}`, BYTES_MAX + 1);
  } catch {
    // None there, or not for us: mosquitto's programs do without it, too.
    return NOTHING;
  }
  return checkedSize(bytes, `${folder}/${name}`);
}

function readAsked(path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = beginOfFile(path, BYTES_MAX + 1);
  } catch (error) {
    const message = `Error: Unable to open options file "${path}": ${systemText(error)}.`;
    throw new UsageError("bad-value", message, "nothing");
  }
  return checkedSize(bytes, path);
}

function checkedSize(bytes: Buffer, path: string): Buffer {
  if (bytes.length <= BYTES_MAX) return bytes;
  const message = `Error: The options file "${path}" is larger than ${BYTES_MAX} bytes.`;
  throw new UsageError("bad-value", message, "nothing");
}
