/**
 * A program without a process of its own: its main function, with words and streams of a test. Ten
 * times as fast as a spawned one, for tables of many rows; what a process adds (exit, signals,
 * pipes) is spawned in test/cli. `runOurs` leaves it to the set that runs.
 */
import { PassThrough, type Readable } from "node:stream";
import { type BrokerStreams, main as broker } from "../../src/cli/broker.ts";
import { main as pub } from "../../src/cli/pub.ts";
import { main as rr } from "../../src/cli/rr.ts";
import type { Streams } from "../../src/cli/streams.ts";
import { main as sub } from "../../src/cli/sub.ts";
import { EXECUTABLES, type Outcome, outcome, startOurs } from "./programs.ts";
import { isLongSet } from "./set.ts";
import { type Patience, within } from "./wait-for.ts";

export type ClientProgram = "ts-pub" | "ts-sub" | "ts-rr";

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAINS = { "ts-pub": pub, "ts-sub": sub, "ts-rr": rr };

export interface HereOptions extends Patience {
  /** Nothing, unless given. */
  readonly stdin?: Readable;
  /** Nothing, unless given: the test's own environment is not looked at. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told of what is written to standard error, as it comes. */
  readonly onComplaint?: (text: string) => void;
}

/** The same, with what need not be text. */
export interface EndedExactly extends Ended {
  readonly stdoutBytes: Buffer;
}

/** Runs a program to its end. */
export function runHere(
  program: ClientProgram,
  words: readonly string[],
  options: HereOptions = {},
): Promise<Ended> {
  return runMain(program, words, (io) => MAINS[program](io, program), options);
}

/**
 * Runs a program to its end where it does not matter whether it is a process: as built in the long
 * set, and without one in the short set. Of both it has the test's own environment.
 */
export async function runOurs(
  program: ClientProgram,
  words: readonly string[],
  input: string | Buffer = "",
): Promise<Outcome> {
  if (isLongSet || EXECUTABLES !== undefined) return outcome(startOurs(program, words), { input });
  const options = { stdin: new PassThrough().end(input), env: process.env };
  const main = (io: Streams) => MAINS[program](io, program);
  return { signal: null, ...(await runExactly(program, words, main, options)) };
}

/** Runs ts-broker with such words where it does not matter whether it is a process. */
export function runBrokerOurs(...words: readonly string[]): Promise<Ended> {
  if (!isLongSet && EXECUTABLES === undefined) return runBrokerHere(words);
  return outcome(startOurs("ts-broker", words)).then(({ status, stdout, stderr }) => ({
    status: status ?? -1,
    stdout,
    stderr,
  }));
}

/** Runs ts-broker with words that do not start it, so that it asks for no signals. */
export function runBrokerHere(words: readonly string[]): Promise<Ended> {
  const { execPath, platform } = process;
  return runMain("ts-broker", words, (io) =>
    broker({ ...io, execPath, platform, execArgv: [] } as unknown as BrokerStreams),
  );
}

/** As `runHere`, to compare output byte by byte. */
export function runHereExactly(
  program: ClientProgram,
  words: readonly string[],
): Promise<EndedExactly> {
  return runExactly(program, words, (io) => MAINS[program](io, program));
}

/** Runs what `main` does with its words and streams to its end. */
export async function runMain(
  program: string,
  words: readonly string[],
  main: (io: Streams) => Promise<number>,
  options: HereOptions = {},
): Promise<Ended> {
  const { status, stdout, stderr } = await runExactly(program, words, main, options);
  return { status, stdout, stderr };
}

async function runExactly(
  program: string,
  words: readonly string[],
  main: (io: Streams) => Promise<number>,
  { stdin = new PassThrough().end(), env = {}, onComplaint, ...patience }: HereOptions = {},
): Promise<EndedExactly> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io: Streams = {
    argv: ["node", program, ...words],
    env,
    pid: process.pid,
    stdin,
    stdout,
    stderr,
    on: () => undefined,
    off: () => undefined,
  };
  const said: Buffer[] = [];
  const printed: Buffer[] = [];
  stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  stderr.on("data", (chunk: Buffer) => {
    said.push(chunk);
    onComplaint?.(`${chunk}`);
  });
  const status = await within(`${program} ${words.join(" ")} ends`, main(io), patience);
  const stdoutBytes = Buffer.concat(printed);
  return { status, stdout: `${stdoutBytes}`, stdoutBytes, stderr: `${Buffer.concat(said)}` };
}
