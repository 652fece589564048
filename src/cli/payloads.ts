/**
 * Where ts-pub's payloads come from: a word, a file, all of standard input, or each of its lines.
 *
 * Standard input as lines is read no faster than it can be sent: `LineSource` stops reading when
 * its owner says so. What is read whole is refused as soon as it is longer than a message can be.
 */
import { createReadStream, fstatSync, openSync, type ReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import type { SinglePayload } from "../options/pub.ts";
import { LineSplitter } from "./lines.ts";
import { systemText } from "./trouble.ts";

/** The largest remaining length: no payload can be longer (MQTT 5.0 §1.5.5). */
export const PAYLOAD_BYTES_MAX = 268_435_455;

/** The payload cannot be had. The message is all that standard error gets, without last newline. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** The one payload that `source` is. @throws {InputError} */
export async function loadPayload(source: SinglePayload, stdin: () => Readable): Promise<Buffer> {
  switch (source.from) {
    case "word":
      return Buffer.from(source.text);
    case "nothing":
      return Buffer.alloc(0);
    case "file":
      return readFile(source.path);
    case "input":
      return readAll(stdin());
  }
}

async function readFile(path: string): Promise<Buffer> {
  const failure = (why: string): InputError =>
    new InputError(`${why}\nError loading input file "${path}".`);
  const tooLarge = (): InputError => failure(tooLong("File"));
  let stream: ReadStream;
  try {
    stream = createReadStream(path, { fd: openSync(path, "r") });
  } catch {
    throw failure(`Error: Unable to open file "${path}".`);
  }
  try {
    if (statSync(path).size > PAYLOAD_BYTES_MAX) throw tooLarge();
    // Counted all the same: what is no regular file has no size, and may never end.
    return await gather(stream, tooLarge);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw failure(`Error: Unable to read file "${path}": ${systemText(error)}.`);
  } finally {
    stream.destroy();
  }
}

async function readAll(stdin: Readable): Promise<Buffer> {
  const failure = (why: string): InputError =>
    new InputError(`${why}\nError loading input from stdin.`);
  let input: Buffer;
  try {
    refuseDirectory(stdin);
    input = await gather(stdin, () => failure(tooLong("Input")));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw failure(`Error: Unable to read from stdin: ${systemText(error)}.`);
  }
  if (input.length === 0) throw failure("Error: Zero length input.");
  return input;
}

/** Of a directory Node.js makes an empty input. */
function refuseDirectory(stdin: Readable): void {
  const { fd } = stdin as { readonly fd?: unknown };
  if (typeof fd !== "number" || !fstatSync(fd).isDirectory()) return;
  throw Object.assign(new Error("it is a directory"), { code: "EISDIR" });
}

async function gather(stream: Readable, failure: () => InputError): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > PAYLOAD_BYTES_MAX) throw failure();
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
}

function tooLong(what: string): string {
  return `Error: ${what} must be less than ${PAYLOAD_BYTES_MAX} bytes.\n`;
}

/** Told of the lines of a stream. */
export interface LineOwner {
  /** The next line, without its newline. */
  onLine(line: Buffer): void;
  /** Asked after each chunk: when more lines are wanted, or undefined for now. Never rejects. */
  room(): Promise<void> | undefined;
  /** There are no more lines: the stream has ended, or failed, or a line was too long. */
  onEnd(error: Error | undefined): void;
}

/** The lines of a stream, as they come, and no faster than its owner takes them. */
export class LineSource {
  private readonly stream: Readable;
  private readonly owner: LineOwner;
  private readonly splitter: LineSplitter;
  private isOver = false;

  constructor(stream: Readable, owner: LineOwner, lineBytesMax = PAYLOAD_BYTES_MAX) {
    this.stream = stream;
    this.owner = owner;
    this.splitter = new LineSplitter(lineBytesMax);
    try {
      refuseDirectory(stream);
    } catch (error) {
      queueMicrotask(() => this.finish(error as Error));
      return;
    }
    stream.on("data", (chunk: Buffer) => this.onChunk(chunk));
    stream.once("end", () => this.onEnd());
    stream.once("error", (error) => this.finish(error));
    // It stands still where a password was read from it before.
    stream.resume();
  }

  /** No more lines are wanted: lets go of the stream, so that it holds the process no longer. */
  stop(): void {
    this.isOver = true;
    this.stream.pause();
    this.stream.destroy();
  }

  private onChunk(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      this.splitter.push(chunk, (line) => this.owner.onLine(line));
    } catch (error) {
      this.finish(error as Error);
      return;
    }
    const room = this.owner.room();
    if (room === undefined || this.isOver) return;
    this.stream.pause();
    void room.then(() => {
      if (!this.isOver) this.stream.resume();
    });
  }

  private onEnd(): void {
    const last = this.splitter.end();
    if (last !== undefined && !this.isOver) this.owner.onLine(last);
    this.finish(undefined);
  }

  private finish(error: Error | undefined): void {
    if (this.isOver) return;
    this.stop();
    this.owner.onEnd(error);
  }
}
