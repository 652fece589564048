/**
 * Real processes in tests: started, fed, watched, and ended by their id whatever happens.
 *
 *     const sub = start(mosquittoSub, ["-p", `${broker.port}`, "-t", "a"]);
 *     await sub.untilOutput("hello");
 *     await using broker = await startBroker({ words: ["-v"] });
 *
 * Output is kept as bytes. Everything still alive when a test file ends is killed, and waited for.
 *
 * Standard output is a pipe, of which pieces come when this process gets round to it. Standard
 * error is a file: what a program has said is there for whoever looks, also where a socket tells of
 * what it did next.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { fileURLToPath } from "node:url";
import { mosquitto } from "./peers.ts";
import { type Patience, waitFor, within } from "./wait-for.ts";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** How a program ended. */
export interface Exit {
  /** Its exit status, or null if a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Set beside the test's own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Every process that has not ended. */
const alive = new Set<Program>();

/** A started program. */
export class Program {
  /** Resolves when it has ended and its output is complete. */
  readonly exited: Promise<Exit>;
  private readonly name: string;
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly out: Buffer[] = [];
  private readonly err = new ErrorFile();
  private exit: Exit | undefined;

  constructor(command: string, words: readonly string[], options: StartOptions) {
    this.name = [command, ...words].join(" ");
    const child = spawn(command, words, {
      stdio: ["pipe", "pipe", this.err.descriptor],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // The types know a descriptor among streams as anything.
    this.child = child as ChildProcessByStdio<Writable, Readable, null>;
    this.child.stdout.on("data", (chunk: Buffer) => this.out.push(chunk));
    // A program that does not read its input is what some tests are about.
    this.child.stdin.on("error", () => undefined);
    alive.add(this);
    this.exited = new Promise((resolve, reject) => {
      this.child.on("error", (error) => {
        alive.delete(this);
        this.err.close();
        reject(error);
      });
      this.child.on("close", (status, signal) => {
        alive.delete(this);
        this.err.close();
        this.exit = { status, signal };
        resolve(this.exit);
      });
    });
    // Whoever waits sees the failure; nobody has to.
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`did not start: ${this.name}`);
    return this.child.pid;
  }

  /** How it ended, or undefined while it runs. */
  get ended(): Exit | undefined {
    return this.exit;
  }

  /** What it has written so far, as bytes. */
  get stdoutBytes(): Buffer {
    return Buffer.concat(this.out);
  }

  get stdout(): string {
    return this.stdoutBytes.toString();
  }

  get stderr(): string {
    return this.err.text;
  }

  /** Feeds its standard input. */
  write(input: string | Buffer): void {
    this.child.stdin.write(input);
  }

  /** Bytes of what it was fed that still wait for it to read. */
  get inputWaiting(): number {
    return this.child.stdin.writableLength;
  }

  /** Ends its standard input, after `input` if given. */
  endInput(input: string | Buffer = ""): void {
    this.child.stdin.end(input);
  }

  /** Closes our end of its standard output, as `head` does: its next write fails. */
  closeOutput(): void {
    this.child.stdout.destroy();
  }

  /** Stops reading its standard output, so that the pipe fills; `resumeOutput` goes on. */
  pauseOutput(): void {
    this.child.stdout.pause();
  }

  resumeOutput(): void {
    this.child.stdout.resume();
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves once standard output has `wanted`. */
  untilOutput(wanted: string | RegExp, patience?: Patience): Promise<string> {
    return this.until("stdout", wanted, patience);
  }

  /** Resolves once standard error has `wanted`, with all of it so far. */
  untilError(wanted: string | RegExp, patience?: Patience): Promise<string> {
    return this.until("stderr", wanted, patience);
  }

  /** Resolves when it has ended by itself. */
  untilExit(patience?: Patience): Promise<Exit> {
    return within(() => `${this.name} ends; ${this.soFar()}`, this.exited, patience);
  }

  /** Ends it: politely, then not. Nothing happens if it has ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    this.signal(signal);
    try {
      return await within(`${this.name} ends`, this.exited, { deadlineMs: 5_000 });
    } catch (error) {
      this.signal("SIGKILL");
      await this.exited;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.exit === undefined) {
      this.signal("SIGKILL");
      await this.exited.catch(() => undefined);
    }
  }

  private async until(
    stream: "stdout" | "stderr",
    wanted: string | RegExp,
    patience?: Patience,
  ): Promise<string> {
    const has = (text: string) =>
      typeof wanted === "string" ? text.includes(wanted) : wanted.test(text);
    const found = await waitFor(
      () => `${this.name} writes ${wanted} to ${stream}; ${this.soFar()}`,
      () => {
        // Asked in this order: what is written before the end is there when the end is known.
        const ended = this.exit !== undefined;
        if (has(this[stream])) return this[stream];
        return ended ? { never: true as const } : undefined;
      },
      patience,
    );
    if (typeof found === "string") return found;
    throw new Error(`${this.name} ended without ${wanted} on ${stream}; ${this.soFar()}`);
  }

  private soFar(): string {
    return `stdout: ${JSON.stringify(this.stdout)}, stderr: ${JSON.stringify(this.stderr)}`;
  }
}

/** What is read at once. */
const PIECE = Buffer.alloc(65_536);

/** What a program says on standard error, up to now at every look. */
class ErrorFile {
  /** For the program to write to. */
  readonly descriptor: number;
  private readonly decoder = new StringDecoder("utf8");
  private known = "";
  private size = 0;
  private isOpen = true;

  constructor() {
    const path = join(tmpdir(), `ts-mqtt-stderr-${randomUUID()}`);
    // Several programs may write to it, as a shell does and what it starts: each behind the others.
    this.descriptor = openSync(path, "ax+", 0o600);
    unlinkSync(path);
  }

  get text(): string {
    this.read();
    return this.known;
  }

  /** Keeps what was said. What somebody says who outlives the program is not heard any more. */
  close(): void {
    if (!this.isOpen) return;
    this.read();
    this.known += this.decoder.end();
    this.isOpen = false;
    closeSync(this.descriptor);
  }

  private read(): void {
    while (this.isOpen) {
      const length = readSync(this.descriptor, PIECE, 0, PIECE.length, this.size);
      if (length === 0) return;
      this.known += this.decoder.write(PIECE.subarray(0, length));
      this.size += length;
    }
  }
}

/** Starts a program. */
export function start(
  command: string | undefined,
  words: readonly string[] = [],
  options: StartOptions = {},
): Program {
  if (command === undefined) throw new Error("this machine does not have the program");
  return new Program(command, words, options);
}

export type OurProgram = "ts-broker" | "ts-pub" | "ts-sub" | "ts-rr";

/** A directory of executables that are tested in the place of dist/*.cjs. */
export const EXECUTABLES = process.env.TS_MQTT_EXECUTABLES;

/** Starts one of our own programs, as built: `startOurs("ts-pub", ["-t", "a", "-m", "b"])`. */
export function startOurs(
  name: OurProgram,
  words: readonly string[] = [],
  options: StartOptions = {},
): Program {
  if (EXECUTABLES !== undefined) return start(join(EXECUTABLES, name), words, options);
  return start(process.execPath, [ourProgram(name), ...words], options);
}

/** The built file of a program of ours. */
export function ourProgram(name: OurProgram): string {
  const path = join(ROOT, "dist", `${name}.cjs`);
  if (!existsSync(path)) throw new Error(`${path} is not there: npm run build`);
  return path;
}

/** What a program that has ended left. */
export interface Outcome extends Exit {
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

/** Feeds a program its input, waits for its end and tells all about it. */
export async function outcome(
  program: Program,
  { input = "", ...patience }: Patience & { readonly input?: string | Buffer } = {},
): Promise<Outcome> {
  program.endInput(input);
  const exit = await program.untilExit(patience);
  const { stdout, stdoutBytes, stderr } = program;
  return { ...exit, stdout, stdoutBytes, stderr };
}

/**
 * Where ports for tests are: below those that the system gives to connections, or one of these, of
 * which floods make thousands, takes a port before the broker does that it was chosen for.
 */
const PORTS_START = 12_000;
const PORTS_END = 32_000;
/** Each process of vitest's has its own, to be in nobody's way. */
const PORTS_OF_ONE = 2_000;
const portsStart =
  PORTS_START +
  ((Number(process.env.VITEST_POOL_ID ?? 0) * PORTS_OF_ONE) % (PORTS_END - PORTS_START));
/** Counts up, so that a port given out lately is not given out again. */
let portsGiven = Math.floor(Math.random() * PORTS_OF_ONE);

/** A port of 127.0.0.1 that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS_OF_ONE; tries++) {
    const port = portsStart + (portsGiven++ % PORTS_OF_ONE);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free from ${portsStart} on`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}

export interface BrokerOptions extends StartOptions {
  /** Further words of the command line. */
  readonly words?: readonly string[];
  /**
   * Further lines of the configuration file, which by default opens a listener on 127.0.0.1 and
   * admits anyone. False: no file, only `-p`.
   */
  readonly conf?: readonly string[] | false;
  /** Where to listen; a free port if not given. */
  readonly port?: number;
}

/** A broker that listens. */
export interface RunningBroker {
  readonly port: number;
  readonly program: Program;
  /** A directory of its own, for its files; gone when it is disposed of. */
  readonly directory: string;
  /** Ends it with SIGTERM and waits. */
  stop(): Promise<Exit>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts dist/ts-broker.cjs and waits until it listens. */
export function startBroker(options: BrokerOptions = {}): Promise<RunningBroker> {
  const launch = (words: readonly string[]) => startOurs("ts-broker", words, options);
  return listening(launch, (program) => program.stop(), options);
}

/** Starts Debian's mosquitto and waits until it listens. It works where its database may be. */
export function startMosquitto(options: BrokerOptions = {}): Promise<RunningBroker> {
  const launch = (words: readonly string[], cwd: string) =>
    start(mosquitto, words, { cwd, ...options });
  return listening(launch, stopMosquitto, options);
}

/** It listens before it hears signals: one that comes too early is lost, and has to be repeated. */
async function stopMosquitto(program: Program): Promise<Exit> {
  return waitFor("mosquitto ends", async () => {
    program.signal("SIGTERM");
    return program.untilExit({ deadlineMs: 1_000 }).catch(() => undefined);
  });
}

/** Tries anew where somebody else takes the free port first. */
async function listening(
  launch: (words: readonly string[], directory: string) => Program,
  stop: (program: Program) => Promise<Exit>,
  { words = [], conf = [], port: portAsked }: BrokerOptions,
): Promise<RunningBroker> {
  const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  for (let attempts = portAsked === undefined ? 5 : 1; ; attempts--) {
    const port = portAsked ?? (await freePort());
    const program = launch([...listenerWords(directory, port, conf), ...words], directory);
    const ends = () => program[Symbol.asyncDispose]();
    try {
      await untilListening(program, port);
    } catch (error) {
      await ends();
      if (attempts > 1 && /in use/i.test(program.stderr + program.stdout)) continue;
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    return {
      port,
      program,
      directory,
      stop: () => stop(program),
      [Symbol.asyncDispose]: async () => {
        await ends();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  }
}

function listenerWords(directory: string, port: number, conf: readonly string[] | false): string[] {
  if (conf === false) return ["-p", `${port}`];
  const path = join(directory, "broker.conf");
  const lines = [`listener ${port} 127.0.0.1`, "allow_anonymous true", ...conf, ""];
  writeFileSync(path, lines.join("\n"));
  return ["-c", path];
}

/** Resolves once something accepts connections on the port, unless `program` ends before. */
export async function untilListening(program: Program, port: number): Promise<void> {
  await waitFor(`something listens on ${port}`, () => {
    if (program.ended !== undefined) {
      const { status, signal } = program.ended;
      throw new Error(`ended with ${status ?? signal}: ${program.stderr}${program.stdout}`);
    }
    return accepts(port);
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Ends what tests have left behind. Called after each test file. */
export async function endAll(): Promise<void> {
  await Promise.all([...alive].map((program) => program[Symbol.asyncDispose]()));
}
