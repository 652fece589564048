/**
 * What ts-pub does with the lines of standard input: sends them at once, when they are due, or from
 * a spool. Each way stops the input while it has enough.
 */
import type { Clock } from "../client/clock.ts";
import type { ClientError } from "../client/errors.ts";
import { Ring } from "../core/base/ring.ts";
import type { NdjsonMessage } from "./ndjson.ts";
import type { Replay } from "./replay.ts";
import { type Spool, SpoolError, type SpooledLine } from "./spool.ts";
import type { SpoolFile } from "./spool-file.ts";
import { isRefusal, systemText } from "./trouble.ts";

/** A message as its line has it. */
export type LineMessage = Pick<NdjsonMessage, "payload"> &
  Partial<NdjsonMessage> & {
    /** Its number in the input, from 1; 0 where that was another run's. */
    readonly line?: number;
  };

/** Who sends the messages. */
export interface Sender {
  /** Sends a message. @param onSettled Told once how that ended, perhaps before it returns. */
  send(message: LineMessage, onSettled?: (error: ClientError | undefined) => void): void;
  /** When to go on sending; undefined: now. Never rejects. */
  room(): Promise<void> | undefined;
}

/** One way to deal with lines. */
export interface LineJob {
  /** A message that was read. */
  onMessage(message: LineMessage, line: Buffer): void;
  /** Asked after each chunk of input: when more is wanted, or undefined for now. Never rejects. */
  room(): Promise<void> | undefined;
  /** Resolves when all that was read has been handed to the sender, or `stop` was called. */
  finished(): Promise<void>;
  stop(): void;
}

/** Sends every line as it comes. */
export function directly(sender: Sender): LineJob {
  return {
    onMessage: (message) => sender.send(message),
    room: () => sender.room(),
    finished: () => Promise.resolve(),
    stop: () => {},
  };
}

/** What a replay asks of time. It may call a little early: what is due is asked again. */
export type ReplayClock = Pick<Clock, "now" | "after">;

export interface ReplaySender extends Sender {
  /** So many messages were read, and will not be sent any more. */
  onUnsent(count: number): void;
}

/** Sends each line when it is due. */
export class Replaying implements LineJob {
  private readonly sender: ReplaySender;
  private readonly replay: Replay;
  private readonly clock: ReplayClock;
  private readonly recordedMs: (message: LineMessage) => number | undefined;
  private readonly queue = new Ring<LineMessage>();
  private idle: Promise<void> | undefined;
  private wake: () => void = () => {};
  private isStopped = false;

  constructor(
    sender: ReplaySender,
    replay: Replay,
    clock: ReplayClock,
    recordedMs: (message: LineMessage) => number | undefined,
  ) {
    this.sender = sender;
    this.replay = replay;
    this.clock = clock;
    this.recordedMs = recordedMs;
  }

  onMessage(message: LineMessage): void {
    this.queue.push(message);
    this.idle ??= this.work();
  }

  room(): Promise<void> | undefined {
    return this.idle;
  }

  finished(): Promise<void> {
    return this.idle ?? Promise.resolve();
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.wake();
    if (this.queue.length > 0) this.sender.onUnsent(this.queue.length);
  }

  private async work(): Promise<void> {
    for (let next = this.queue.at(0); next !== undefined; next = this.queue.at(0)) {
      const recordedMs = this.recordedMs(next);
      for (;;) {
        const delayMs = this.replay.delayMs(recordedMs, this.clock.now());
        if (delayMs === 0 || this.isStopped) break;
        await this.pause(delayMs);
      }
      await this.sender.room();
      if (this.isStopped) return;
      this.queue.shift();
      this.sender.send(next);
    }
    this.idle = undefined;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const callOff = this.clock.after(ms, resolve);
      this.wake = () => {
        callOff();
        resolve();
      };
    });
  }
}

/** Told what goes wrong with the file. */
export interface SpoolOwner {
  /** Nothing more can be read into it, or taken out: the sentence says why. */
  onSpoolFailed(sentence: string): void;
  /** The message of a line from the file. Those of before this run are read anew. */
  parse(line: Buffer): LineMessage | undefined;
}

const NEWLINE = Buffer.from("\n");

/** Sends lines from a file into which they go first. */
export class Spooling implements LineJob {
  private readonly sender: Sender;
  private readonly owner: SpoolOwner;
  private readonly file: SpoolFile;
  private readonly spool: Spool;
  /** Lines of the chunk that is being read, each with its newline. */
  private batch: Buffer[] = [];
  /** Not arrived, and to be sent again. */
  private readonly again = new Ring<SpooledLine>();
  /** Until there is room again. */
  private isWaiting = false;
  private isFlushDue = false;
  private isStopped = false;
  private hasFailed = false;
  private onIdle: () => void = () => {};

  constructor(sender: Sender, owner: SpoolOwner, file: SpoolFile, spool: Spool) {
    this.sender = sender;
    this.owner = owner;
    this.file = file;
    this.spool = spool;
    // Not before whoever makes this has it in hand.
    setImmediate(() => this.go());
  }

  onMessage(_message: LineMessage, line: Buffer): void {
    this.batch.push(line, NEWLINE);
  }

  room(): Promise<void> | undefined {
    if (!this.store()) return undefined;
    this.go();
    return this.file.sync().catch((error) => this.fail(error));
  }

  async finished(): Promise<void> {
    if (this.store()) {
      this.go();
      await this.file.sync().catch((error) => this.fail(error));
    }
    if (this.isStopped || (this.spool.isEmpty && this.again.length === 0)) return;
    await new Promise<void>((resolve) => {
      this.onIdle = resolve;
    });
  }

  stop(): void {
    this.isStopped = true;
    this.onIdle();
  }

  /** Lets go of the file. @returns How many lines are left for the next run. */
  async close(): Promise<number> {
    this.flush();
    let left = 0;
    try {
      left = this.spool.countLeft();
    } catch (error) {
      this.fail(error);
    }
    await this.file.close();
    return left;
  }

  /** Puts what was read into the file. @returns Whether there was anything. */
  private store(): boolean {
    if (this.batch.length === 0 || this.hasFailed) return false;
    const { batch } = this;
    this.batch = [];
    try {
      this.spool.append(Buffer.concat(batch));
      return true;
    } catch (error) {
      this.fail(error, ` The last ${batch.length / 2} lines read are not in it.`);
      return false;
    }
  }

  /** Sends as much as there is room for. */
  private go(): void {
    if (this.isWaiting || this.isStopped) return;
    let room = this.sender.room();
    for (; room === undefined; room = this.sender.room()) {
      const line = this.next();
      if (line === undefined) return;
      const message = this.owner.parse(line.bytes);
      if (message === undefined) this.done(line);
      else this.sender.send(message, (error) => this.onSettled(line, error));
    }
    this.isWaiting = true;
    void room.then(() => {
      this.isWaiting = false;
      this.go();
    });
  }

  private next(): SpooledLine | undefined {
    try {
      return this.again.shift() ?? this.spool.take();
    } catch (error) {
      this.fail(error);
      this.stop();
      return undefined;
    }
  }

  private onSettled(line: SpooledLine, error: ClientError | undefined): void {
    if (error === undefined || isRefusal(error)) {
      this.done(line);
      return;
    }
    // The client is closed: it is for the next run.
    if (error.code === "closed" || this.isStopped) return;
    // QoS 0, and it had not left. Should the client be closing, this job is stopped by then.
    this.again.push(line);
    setImmediate(() => this.go());
  }

  /** The line has arrived, or was refused: it would be again. */
  private done(line: SpooledLine): void {
    this.spool.finish(line);
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.isFlushDue = false;
    try {
      this.spool.flush();
    } catch (error) {
      this.fail(error);
      this.stop();
    }
    if (this.spool.isEmpty) this.onIdle();
  }

  private fail(error: unknown, more = ""): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.owner.onSpoolFailed(spoolSentence(this.file.name, error, "write to") + more);
  }
}

/** The sentence for a spool that cannot be used. */
export function spoolSentence(name: string, error: unknown, doing: "open" | "write to"): string {
  if (error instanceof SpoolError) return `Error: The spool "${name}" ${error.message}.`;
  return `Error: Unable to ${doing} spool "${name}": ${systemText(error as Error)}.`;
}
