/**
 * How many messages came in each second, for ts-sub --message-rate. Time is handed in.
 *
 * Seconds are counted from the start, not from line to line, so that late lines do not add up.
 * Whole seconds that nobody could be told of are told as one, with their average.
 */

const SECOND_MS = 1000;

export class MessageRate {
  private count = 0;
  private sinceMs: number;

  /** @param nowMs When the first second begins. */
  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** A message came. */
  add(): void {
    this.count++;
  }

  /** When the next line is due. */
  get dueMs(): number {
    return this.sinceMs + SECOND_MS;
  }

  /** The line, with its newline, and with it the next second; undefined before it is due. */
  line(nowMs: number): string | undefined {
    const seconds = Math.floor((nowMs - this.sinceMs) / SECOND_MS);
    if (seconds < 1) return undefined;
    const rate = Math.round(this.count / seconds);
    this.sinceMs += seconds * SECOND_MS;
    this.count = 0;
    return `${rate} msgs/s\n`;
  }
}
