/**
 * Passwords: given, in the first line of a file, or asked for on the terminal.
 *
 * Loaded only when there is one to read or to ask for.
 */
import type { ReadStream } from "node:tty";
import { ASK, type ConnectValues } from "../options/connect.ts";
import { UsageError } from "../options/usage-error.ts";
import { beginOfFile } from "./file-begin.ts";
import { type Streams, say } from "./streams.ts";
import { systemText } from "./trouble.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** As long as MQTT can carry it. */
const PASSWORD_BYTES_MAX = 65_535;

/**
 * The password that the words want.
 *
 * @throws {UsageError} when the file cannot be read, or nobody answered.
 */
export async function readPassword(
  io: Streams,
  { password, passwordFile }: ConnectValues,
): Promise<Buffer | string | undefined> {
  if (passwordFile !== undefined) return firstLineOf(passwordFile);
  if (password !== ASK) return password;
  return ask(io, "Password: ");
}

/** The bytes before the first newline, which may be the one of Windows. */
function firstLineOf(path: string): Buffer {
  let bytes: Buffer;
  try {
    // Line and newline, of Windows at that: with one byte more it is too long.
    bytes = beginOfFile(path, PASSWORD_BYTES_MAX + 2, (bytes) => bytes.includes(NEWLINE));
  } catch (error) {
    throw refused(`Error: Unable to open password file "${path}": ${systemText(error)}.`);
  }
  if (bytes.length === 0) throw refused(`Error: The password file "${path}" is empty.`);
  const newline = bytes.indexOf(NEWLINE);
  const line = newline < 0 ? bytes : bytes.subarray(0, newline);
  const password = line.at(-1) === RETURN ? line.subarray(0, -1) : line;
  if (password.length <= PASSWORD_BYTES_MAX) return password;
  throw refused(`Error: The first line of "${path}" is too long for a password.`);
}

/**
 * Asks on the terminal that standard input is, without showing what is typed. The question goes to
 * standard error, so that it is no part of the output.
 *
 * @throws {UsageError} when the answer is broken off: Ctrl-C, Ctrl-D on an empty line, or the end.
 */
export async function ask(io: Streams, question: string): Promise<string> {
  const stdin = io.stdin as ReadStream;
  if (!stdin.isTTY) throw refused("Error: There is no terminal to ask on.");
  await say(io.stderr, question);
  stdin.setRawMode(true);
  try {
    return await typedLine(stdin);
  } finally {
    stdin.setRawMode(false);
    await say(io.stderr, "\n");
  }
}

/**
 * What opens the key in a file, or asks for it. Asked for at once where that can be told: whoever
 * types is not to be hurried by a connection that waits, nor is the question to be drawn over.
 */
export async function passphraseFor(
  io: Streams,
  keyFile: string,
): Promise<string | (() => Promise<string>)> {
  const { isEncryptedKey } = await import("../io/credentials.ts");
  const asked = (): Promise<string> => askPassphrase(io, keyFile);
  if (!(await isEncryptedKey(keyFile))) return asked;
  try {
    return await asked();
  } catch (error) {
    return () => Promise.reject(error);
  }
}

/** @throws {Error} with words that go behind "no passphrase: ". */
async function askPassphrase(io: Streams, keyFile: string): Promise<string> {
  try {
    return await ask(io, `Passphrase of ${keyFile}: `);
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    const { isTTY } = io.stdin as Partial<ReadStream>;
    throw new Error(isTTY ? "none was given" : "there is no terminal to ask on", { cause });
  }
}

/** Leaves what was typed behind the line to the next reader. */
function typedLine(stdin: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const line = new TypedLine();
    const done = (): void => {
      stdin.off("data", onData);
      stdin.off("end", onEnd);
      stdin.pause();
    };
    const onEnd = (): void => {
      done();
      reject(refused("Error: No password was given."));
    };
    const onData = (chunk: Buffer): void => {
      const outcome = line.push(chunk);
      if (outcome === undefined) return;
      if (outcome === "broken off") {
        onEnd();
        return;
      }
      done();
      if (outcome.rest.length > 0) stdin.unshift(outcome.rest);
      resolve(outcome.text);
    };
    stdin.on("data", onData);
    stdin.once("end", onEnd);
    // An answer before this one has paused it.
    stdin.resume();
  });
}

/** What the keys of a terminal in raw mode make of a line: bytes in, a line out. */
export class TypedLine {
  private bytes: number[] = [];

  /** The line, and the bytes behind it, once it has ended. */
  push(chunk: Buffer): { text: string; rest: Buffer } | "broken off" | undefined {
    for (const [at, byte] of chunk.entries()) {
      switch (byte) {
        case NEWLINE:
        case RETURN:
          return this.ended(chunk.subarray(at + 1));
        case 0x03: // Ctrl-C
          return "broken off";
        case 0x04: // Ctrl-D
          return this.bytes.length === 0 ? "broken off" : this.ended(chunk.subarray(at + 1));
        case 0x08: // Backspace, either of them
        case 0x7f:
          this.rubOut();
          break;
        case 0x15: // Ctrl-U
          this.bytes = [];
          break;
        default:
          this.bytes.push(byte);
      }
    }
    return undefined;
  }

  private ended(rest: Buffer): { text: string; rest: Buffer } {
    // As the terminal itself would have handed on what was typed too early.
    for (let at = rest.indexOf(RETURN); at >= 0; at = rest.indexOf(RETURN)) rest[at] = NEWLINE;
    return { text: Buffer.from(this.bytes).toString("utf8"), rest };
  }

  /** Takes the last character away, however many bytes it has. */
  private rubOut(): void {
    while (this.bytes.length > 0 && (this.bytes.pop()! & 0xc0) === 0x80);
  }
}

function refused(message: string): UsageError {
  return new UsageError("bad-value", message, "nothing");
}
