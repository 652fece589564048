/**
 * A small program beside ours for what Node.js cannot do by itself, such as sending on a unix
 * datagram socket: it reads lines from us, and ends when we do. Loaded only where one is needed.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";

/** Milliseconds that it has to work off what it was given when it is to end. */
const END_MS_MAX = 1_000;
/** Of what it complains about. */
const COMPLAINT_CHARACTERS_MAX = 300;
/**
 * What ends us must not end it before it has had our last lines. What is ignored stays so in a
 * program that the shell becomes.
 */
const TRAP = 'trap "" HUP INT TERM; ';

export class HelperProcess {
  /** What it reads. Writing is harmless when it has gone. */
  readonly input: Writable;
  private readonly gone: Promise<void>;
  private hasGone = false;
  private isEnding = false;
  private isTold = false;
  /** The beginning of a line that it has not ended. */
  private complaint = "";
  private readonly onTrouble: (why: string) => void;

  /**
   * @param script For sh(1), with `words` as its "$@".
   * @param onTrouble Told once, in the helper's own words, what keeps it from its work.
   */
  constructor(script: string, words: readonly string[], onTrouble: (why: string) => void) {
    this.onTrouble = onTrouble;
    // With a session of its own no terminal's signal reaches it.
    const child = spawn("sh", ["-c", TRAP + script, "sh", ...words], {
      stdio: ["pipe", "ignore", "pipe"],
      detached: true,
    });
    this.input = child.stdin;
    child.stdin.on("error", () => undefined);
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.complain(text));
    this.gone = new Promise((resolve) => {
      child.on("error", (error) => {
        this.hasGone = true;
        this.trouble(error.message);
        resolve();
      });
      child.on("close", (status, signal) => {
        this.hasGone = true;
        this.trouble(this.complaint);
        if (!this.isEnding) this.trouble(`it ended with ${signal ?? `status ${status}`}`);
        resolve();
      });
    });
    child.unref();
    // They are sockets, although their type does not say so.
    for (const stream of [child.stdin, child.stderr]) (stream as unknown as Socket).unref?.();
  }

  get isGone(): boolean {
    return this.hasGone;
  }

  /** It gets nothing more. Resolves when it has worked off what it got, or takes too long. */
  async end(): Promise<void> {
    this.isEnding = true;
    this.input.end();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_MS_MAX);
    });
    await Promise.race([this.gone, late]);
    clearTimeout(timer);
  }

  /** A shell writes a line in pieces. */
  private complain(piece: string): void {
    if (this.isTold) return;
    this.complaint = (this.complaint + piece).trimStart();
    const isWhole = this.complaint.includes("\n");
    if (isWhole || this.complaint.length > COMPLAINT_CHARACTERS_MAX) this.trouble(this.complaint);
  }

  private trouble(text: string): void {
    if (this.isTold) return;
    const [line = ""] = text.trim().split("\n");
    if (line === "") return;
    this.isTold = true;
    this.onTrouble(line.slice(0, COMPLAINT_CHARACTERS_MAX));
  }
}
