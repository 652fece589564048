/**
 * The system's log. Its socket is of a kind that Node.js has none of, so logger(1) hands the lines
 * on: one process, which finds in front of each line what it is. Loaded only for log_dest syslog.
 */
import type { Writable } from "node:stream";
import { HelperProcess } from "./helper-process.ts";

/** Milliseconds that a logger must have lived for another to take its place. */
const LIFE_MS_MIN = 10_000;

export class Syslog {
  private readonly words: readonly string[];
  private readonly onTrouble: (why: string) => void;
  private readonly now: () => number;
  private helper: HelperProcess;
  private since: number;

  /**
   * @param tag What stands before each line, with the process' number.
   * @param onTrouble Told what keeps lines from the log.
   * @param now A clock that only goes forward, in milliseconds.
   */
  constructor(
    tag: string,
    pid: number,
    onTrouble: (why: string) => void,
    now: () => number = () => performance.now(),
  ) {
    this.words = ["--prio-prefix", "-t", tag, `--id=${pid}`];
    this.onTrouble = onTrouble;
    this.now = now;
    this.since = now();
    this.helper = this.start();
  }

  /** Where lines go, each after its priority in angle brackets. */
  get stream(): Writable {
    const hasLived = this.now() - this.since >= LIFE_MS_MIN;
    if (this.helper.isGone && hasLived) this.helper = this.start();
    return this.helper.input;
  }

  /** Resolves when the log has every line, or takes too long. */
  end(): Promise<void> {
    return this.helper.end();
  }

  private start(): HelperProcess {
    this.since = this.now();
    return new HelperProcess('exec logger "$@"', this.words, this.onTrouble);
  }
}
