/**
 * A line on standard error for whoever waits at a terminal: that a connection takes long, and how
 * far a long job is. On a terminal only; everything else gets none of it.
 *
 * What draws it is loaded when there is something to draw. It leaves standard input alone: that is
 * the user's.
 */
import type { Ora } from "ora";
import type { Streams } from "./streams.ts";
import { isScreen, wantsColours } from "./terminal.ts";

/** How long somebody waits without wondering. */
const CONNECT_MS = 500;
const JOB_MS = 2000;
const UPDATE_MS = 200;

export class Progress {
  private readonly io: Streams;
  private readonly isWanted: boolean;
  private timer: NodeJS.Timeout | undefined;
  private spinner: Ora | undefined;
  /** Says what is being waited for; undefined while nothing is. */
  private text: (() => string) | undefined;

  /** @param isWanted False: nobody asked, as with --quiet. */
  constructor(io: Streams, isWanted: boolean) {
    this.io = io;
    this.isWanted = isWanted;
  }

  /** A connection is being made, from now on. */
  connecting(target: string): void {
    this.begin(() => `Connecting to ${target}`, CONNECT_MS);
  }

  /** A job is being done, from now on. @param text How far it is, asked several times a second. */
  working(text: () => string): void {
    this.begin(text, JOB_MS);
  }

  /** Nothing is waited for any more: the line is gone. */
  stop(): void {
    this.text = undefined;
    clearTimeout(this.timer);
    this.spinner?.stop();
    this.spinner = undefined;
  }

  private begin(text: () => string, afterMs: number): void {
    this.stop();
    if (!this.isWanted) return;
    this.text = text;
    this.timer = setTimeout(() => void this.show(), afterMs);
  }

  private async show(): Promise<void> {
    // Looked at only now: standard error takes time to open, and most runs are over before.
    if (!isScreen(this.io.stderr, this.io.env)) return;
    const { default: ora } = await import("ora");
    const { text } = this;
    if (text === undefined || this.spinner !== undefined) return;
    const { stderr, env } = this.io;
    this.spinner = ora({
      text: text(),
      stream: stderr as NodeJS.WriteStream,
      isEnabled: true,
      discardStdin: false,
      ...(!wantsColours(stderr, env) && { color: false }),
    }).start();
    this.update();
  }

  private update(): void {
    this.timer = setTimeout(() => {
      if (this.spinner === undefined || this.text === undefined) return;
      this.spinner.text = this.text();
      this.update();
    }, UPDATE_MS);
  }
}
