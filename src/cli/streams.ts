/**
 * The terminal as a program sees it: words, input, output, signals. `process` is one; tests bring
 * another.
 *
 * Nothing here is touched before it is used: process.stdin and process.stdout cost time to open.
 */
import type { Readable, Writable } from "node:stream";

export type EndSignal = "SIGINT" | "SIGTERM";

/** What a program is given. `process` fits. */
export interface Streams {
  /** The interpreter and the program's path, then the words. */
  readonly argv: readonly string[];
  /** The environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  on(signal: EndSignal, listener: () => void): unknown;
  off(signal: EndSignal, listener: () => void): unknown;
}

/** The words after the program's name. */
export function wordsOf(io: Streams): readonly string[] {
  return io.argv.slice(2);
}

/** Calls `listener` at the first SIGINT or SIGTERM. @returns What stops listening. */
export function onEndSignal(io: Streams, listener: (signal: EndSignal) => void): () => void {
  const onInt = (): void => told("SIGINT");
  const onTerm = (): void => told("SIGTERM");
  let isTold = false;
  const stop = (): void => {
    io.off("SIGINT", onInt);
    io.off("SIGTERM", onTerm);
  };
  const told = (signal: EndSignal): void => {
    if (isTold) return;
    isTold = true;
    // A second one has its ordinary effect, should the orderly end take too long. Not before this
    // turn is over: signal-exit, which comes with ora, kills the process unless others listen.
    setImmediate(stop);
    listener(signal);
  };
  io.on("SIGINT", onInt);
  io.on("SIGTERM", onTerm);
  return stop;
}

/** Streams whose errors `say` hears: once each, however much is said. */
const heard = new WeakSet<Writable>();

/** Writes `text` and resolves when the operating system has it, or will never take it. */
export function say(stream: Writable, text: string): Promise<void> {
  if (!heard.has(stream)) {
    heard.add(stream);
    // A reader that has gone away is no trouble of ours: there is nobody left to tell.
    stream.on("error", () => {});
  }
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}

/** Standard error for the sentences of a running program, which --quiet keeps back. */
export class Complaints {
  private readonly io: Streams;
  private readonly isQuiet: boolean;
  private last: Promise<void> = Promise.resolve();
  private listener: ((sentence: string) => void) | undefined;

  constructor(io: Streams, isQuiet: boolean) {
    this.io = io;
    this.isQuiet = isQuiet;
  }

  /** Prints a sentence on a line of its own. */
  add(sentence: string): void {
    if (this.isQuiet) return;
    if (this.listener === undefined) this.last = say(this.io.stderr, `${sentence}\n`);
    else this.listener(sentence);
  }

  /** Has sentences told to `listener` instead of printing them; to nobody any more: printed. */
  divert(listener: ((sentence: string) => void) | undefined): void {
    this.listener = listener;
  }

  /** Resolves when all is written. */
  flushed(): Promise<void> {
    return this.last;
  }
}
