/**
 * Standard input of ts-pub, line by line into a job: which lines are messages, and when it is over.
 */
import type { Readable } from "node:stream";
import type { LineJob, LineMessage } from "./line-jobs.ts";
import { LineSource } from "./payloads.ts";

/** What a line is; undefined: nothing, and whoever answers has said so. */
export type LineParser = (line: Buffer, number: number) => LineMessage | undefined;

export class LineInput {
  private readonly job: LineJob;
  private readonly source: LineSource;
  private readonly ended: Promise<Error | undefined>;
  private endNow: (error: Error | undefined) => void = () => {};
  private number = 0;
  private isOver = false;

  /** @param lineBytesMax A longer line ends the input. */
  constructor(stdin: Readable, parse: LineParser, job: LineJob, lineBytesMax: number) {
    this.job = job;
    this.ended = new Promise((resolve) => {
      this.endNow = resolve;
    });
    const owner = {
      onLine: (line: Buffer) => {
        if (this.isOver) return;
        const message = parse(line, ++this.number);
        if (message !== undefined) job.onMessage(message, line);
      },
      room: () => job.room(),
      onEnd: (error: Error | undefined) => this.endNow(error),
    };
    this.source = new LineSource(stdin, owner, lineBytesMax);
  }

  /** Resolves at the end of the input, with what went wrong with it. */
  untilEnd(): Promise<Error | undefined> {
    return this.ended;
  }

  /** Reads no more; what was read is dealt with. */
  end(): void {
    this.isOver = true;
    this.source.stop();
    this.endNow(undefined);
  }

  /** Reads no more, and nothing more is sent. */
  stop(): void {
    this.end();
    this.job.stop();
  }
}

/** Each line is a payload. */
export function asPayload(line: Buffer): LineMessage {
  return { payload: line };
}
