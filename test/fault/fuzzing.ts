/**
 * Fuzzes a running broker: many connections at a time send random and mutated packets in random
 * chunks, read or do not, and end in every way there is; a well-behaved pair beside them must lose
 * nothing. The broker must neither end, nor hang, nor take memory without bound.
 *
 * What connection `n` of a seed sends is always the same; when it is sent is not.
 */
import { connect, type Socket } from "node:net";
import { Prng } from "../../src/core/base/prng.ts";
import { type RunningBroker, startBroker } from "../support/programs.ts";
import { spell } from "../support/raw-client.ts";
import { waitFor } from "../support/wait-for.ts";
import { randomChunks, randomStream } from "./fuzz-streams.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";
import { Witness } from "./witness.ts";

/** Connections that send at the same time. */
const SENDERS = 12;
/** Connections that are left standing when they have sent everything; the oldest goes first. */
const LEFT_STANDING = 40;
/** Generous: the load below needs a third of it. */
const MEMORY_MAX = 600 * MIB;
/** Connections that are shown after a failure, the one that sent last first. */
const SUSPECTS = 4;
/** A round that takes longer makes the senders wait for its end. */
const ROUND_MS_MAX = 3_000;
/** How many of its bytes: what `spell` shows. */
const SUSPECT_BYTES = 200;

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Sends only what the connection of this number sends, once. */
  readonly only?: number;
  /** Told now and then how far it is. */
  readonly onProgress?: (text: string) => void;
}

/** A connection that has sent something, for whoever looks for the guilty. */
interface Suspect {
  readonly number: number;
  last: Buffer;
  /** Counts all writes of all connections. */
  at: number;
}

/**
 * Runs it. Resolves with one line that sums it up.
 *
 * @throws {Error} With the seed and what the last connections sent, when the broker failed.
 */
export async function fuzz(options: FuzzOptions): Promise<string> {
  // With every second seed the log is asked for everything, and thrown away.
  const conf = ["max_queued_messages 100", "global_max_clients 1000", "sys_interval 1"];
  if (options.seed % 2 === 1) conf.push("log_type all", "log_dest file /dev/null");
  await using broker = await startBroker({ conf });
  const run = new FuzzRun(options, broker);
  try {
    await run.toEnd();
  } catch (error) {
    throw run.failure(error);
  }
  return run.summary();
}

class FuzzRun {
  private readonly options: FuzzOptions;
  private readonly broker: RunningBroker;
  private readonly suspects: Suspect[] = [];
  private readonly opening = new Set<Socket>();
  private readonly standing: Socket[] = [];
  private connections = 0;
  private bytesSent = 0;
  private writes = 0;
  private rounds = 0;
  /** When the pair beside last had all its messages. */
  private lastRound = Date.now();
  /** As it was last seen. */
  private memoryPeak = 0;
  private isOver = false;

  constructor(options: FuzzOptions, broker: RunningBroker) {
    this.options = options;
    this.broker = broker;
  }

  async toEnd(): Promise<void> {
    const { port, program } = this.broker;
    const { only } = this.options;
    const senders =
      only === undefined ? Array.from({ length: SENDERS }, () => this.send()) : [this.play(only)];
    try {
      await this.watch(only === undefined ? Promise.resolve() : Promise.all(senders));
    } finally {
      this.isOver = true;
      // A broker that hangs lets nobody in.
      for (const socket of this.opening) socket.destroy();
      await Promise.all(senders);
      for (const socket of this.standing) socket.destroy();
    }
    // Whoever comes afterwards is served as well.
    const after = await Witness.start(port, 4, "after");
    await after.round();
    await after[Symbol.asyncDispose]();
    this.check();
    const exit = await program.stop();
    if (exit.status !== 0) throw new Error(`it ended with ${exit.status ?? exit.signal}`);
  }

  summary(): string {
    const { seed, seconds } = this.options;
    return [
      `fuzz: ${seconds} s with seed ${seed}`,
      `${this.connections} connections sent ${(this.bytesSent / 1e6).toFixed(1)} MB`,
      `the pair beside them exchanged ${this.rounds * 30} messages and lost none`,
      `the broker took ${this.peak()} at most`,
    ].join(", ");
  }

  failure(error: unknown): Error {
    const { seed, seconds } = this.options;
    const { ended, stderr } = this.broker.program;
    const latest = this.suspects.sort((a, b) => b.at - a.at).slice(0, SUSPECTS);
    const lines = [
      `fuzz failed with seed ${seed}: ${error instanceof Error ? error.message : error}`,
      ended === undefined ? "" : `the broker ended with ${ended.status ?? ended.signal}:`,
      // Its last words, of which a stack trace would be part.
      ended === undefined ? "" : stderr.slice(-3_000),
      "sent last, the last bytes of each connection:",
      ...latest.map(({ number, last }) => `  connection ${number}: … ${spell(last)}`),
      `again: npm run fuzz -- --seed ${seed} --seconds ${seconds}; one connection: --only NUMBER`,
    ];
    return new Error(lines.filter((line) => line !== "").join("\n"));
  }

  /** Rounds of the pair until the time is over, and `atLeast` done. */
  private async watch(atLeast: Promise<unknown>): Promise<void> {
    await using witness = await Witness.start(this.broker.port);
    const end = Date.now() + this.options.seconds * 1000;
    await atLeast;
    do {
      await witness.round();
      this.rounds++;
      this.lastRound = Date.now();
      this.check();
      const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      this.options.onProgress?.(`${left} s left, ${this.connections} connections, ${this.peak()}`);
    } while (Date.now() < end);
  }

  private check(): void {
    const { ended, pid } = this.broker.program;
    if (ended !== undefined) throw new Error("the broker has ended");
    if (tellsProcesses) this.memoryPeak = peakMemory(pid);
    if (this.memoryPeak > MEMORY_MAX) {
      throw new Error(`the broker took ${this.peak()}, and ${MEMORY_MAX / MIB} MiB is the most`);
    }
  }

  private peak(): string {
    return `${Math.round(this.memoryPeak / MIB)} MiB`;
  }

  /** One connection after the other. */
  private async send(): Promise<void> {
    while (!this.isOver) {
      // Where nothing goes on any more, the guilty is among the last: it is not to be buried.
      if (Date.now() - this.lastRound > ROUND_MS_MAX) {
        const goesOn = () => this.isOver || Date.now() - this.lastRound <= ROUND_MS_MAX;
        await waitFor("the pair goes on", goesOn, { deadlineMs: Number.POSITIVE_INFINITY });
      }
      await this.play(this.connections++);
    }
  }

  /** What the connection of this number does. Whatever becomes of it is not its business. */
  private async play(number: number): Promise<void> {
    const prng = new Prng(Math.imul(this.options.seed, 1_000_003) + number);
    const chunks = randomChunks(prng, Buffer.concat(randomStream(prng)));
    const pauses = prng.chance(0.3);
    const reads = prng.chance(0.8);
    const ending = prng.pick(["end", "destroy", "reset", "stay", "stay"] as const);
    const socket = await this.opened();
    if (socket === undefined) return;
    if (reads) socket.resume();
    const suspect: Suspect = { number, last: Buffer.alloc(0), at: 0 };
    this.suspects.push(suspect);
    if (this.suspects.length > SENDERS * 20) this.suspects.splice(0, SENDERS);
    for (const chunk of chunks) {
      if (socket.destroyed || this.isOver) break;
      suspect.last = Buffer.concat([suspect.last, chunk]).subarray(-SUSPECT_BYTES);
      suspect.at = ++this.writes;
      this.bytesSent += chunk.length;
      socket.write(chunk);
      if (pauses) await new Promise((resolve) => setImmediate(resolve));
    }
    // What was sent is to arrive, where the broker takes it.
    await new Promise((resolve) => setImmediate(resolve));
    this.leave(socket, ending);
  }

  /** A connection that reads nothing yet; undefined when the broker takes none. */
  private opened(): Promise<Socket | undefined> {
    const { opening } = this;
    return new Promise((resolve) => {
      const { port } = this.broker;
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      opening.add(socket);
      socket.setNoDelay(true);
      socket.once("connect", () => {
        opening.delete(socket);
        resolve(socket);
      });
      socket.on("error", () => undefined);
      socket.once("close", () => {
        opening.delete(socket);
        resolve(undefined);
      });
    });
  }

  private leave(socket: Socket, ending: "end" | "destroy" | "reset" | "stay"): void {
    if (ending === "reset") socket.resetAndDestroy();
    else if (ending === "destroy") socket.destroy();
    else if (ending === "end") socket.end();
    if (socket.destroyed) return;
    this.standing.push(socket);
    if (this.standing.length > LEFT_STANDING) this.standing.shift()?.destroy();
  }
}
