/**
 * ts-sub --watch on a terminal: draws the table of `watch-table.ts` on the alternate screen, and
 * leaves the terminal as it was.
 *
 * Draws ten times a second at most, however many messages come, and not while the terminal has not
 * taken what was drawn before.
 */
import type { Writable } from "node:stream";
import type { ReceivedMessage } from "../client/message.ts";
import type { Colours } from "./colours.ts";
import { type WatchColours, WatchTable, type WindowSize } from "./watch-table.ts";

/** The alternate screen, no cursor, no wrapping at the right edge; and back. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const BETWEEN_MS = 100;
/** Ages grow also when nothing comes, and what keys have left on the screen goes away. */
const TICK_MS = 1000;

/** What ends the table, and what brings it back after the shell had the terminal. */
const STOP = "SIGTSTP";
const CONTINUE = "SIGCONT";
/** Ctrl-\: ends the program where it stands. */
const QUIT = "SIGQUIT";

export class Watch {
  private readonly stdout: Writable & Partial<WindowSize>;
  private readonly table: WatchTable;
  private timer: NodeJS.Timeout | undefined;
  /** When all of it was drawn. */
  private wholeMs = 0;
  private isOn = false;
  private isDirty = false;
  private isBehind = false;

  constructor(stdout: Writable, colours: Colours & WatchColours) {
    this.stdout = stdout;
    this.table = new WatchTable(colours);
  }

  start(): void {
    this.stdout.on("resize", this.onResize);
    this.stdout.on("drain", this.onDrain);
    process.on("exit", this.leave);
    process.on(STOP, this.onStop);
    process.on(CONTINUE, this.onContinue);
    process.on(QUIT, this.onQuit);
    this.enter();
  }

  /** Gives the terminal back. */
  stop(): void {
    this.leave();
    this.stdout.off("resize", this.onResize);
    this.stdout.off("drain", this.onDrain);
    process.off("exit", this.leave);
    process.off(STOP, this.onStop);
    process.off(CONTINUE, this.onContinue);
    process.off(QUIT, this.onQuit);
  }

  add(message: ReceivedMessage): void {
    this.table.add(message, performance.now());
    this.isDirty = true;
  }

  /** Shows a sentence in the last line. */
  say(sentence: string): void {
    this.table.say(sentence);
    this.isDirty = true;
  }

  /** Shows that the connection is lost, or there again. */
  connected(isConnected: boolean): void {
    this.table.connected(isConnected);
    this.isDirty = true;
  }

  private enter(): void {
    this.isOn = true;
    this.stdout.write(ENTER);
    this.onResize();
    this.timer = setInterval(this.onTick, BETWEEN_MS);
  }

  private readonly leave = (): void => {
    if (!this.isOn) return;
    this.isOn = false;
    clearInterval(this.timer);
    this.stdout.write(LEAVE);
  };

  private readonly onResize = (): void => {
    // A terminal that does not know its size says that it has none.
    this.table.resize({ columns: this.stdout.columns || 80, rows: this.stdout.rows || 24 });
    this.draw(true);
  };

  private readonly onDrain = (): void => {
    this.isBehind = false;
  };

  private readonly onStop = (): void => {
    this.leave();
    // What it would have done, had nobody listened.
    process.kill(process.pid, "SIGSTOP");
  };

  private readonly onQuit = (): void => {
    this.stop();
    process.kill(process.pid, QUIT);
  };

  private readonly onContinue = (): void => {
    if (!this.isOn) this.enter();
  };

  /** Ten times a second: draws what has changed, and everything once a second. */
  private readonly onTick = (): void => {
    if (this.isBehind) return;
    const isWhole = performance.now() - this.wholeMs >= TICK_MS;
    if (this.isDirty || isWhole) this.draw(isWhole);
  };

  private draw(isWhole: boolean): void {
    const nowMs = performance.now();
    this.isDirty = false;
    if (isWhole) this.wholeMs = nowMs;
    const frame = this.table.frame(nowMs, isWhole);
    if (frame !== "") this.isBehind = !this.stdout.write(frame);
  }
}
