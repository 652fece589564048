/**
 * Log lines about limits that are reached, once an episode: an attack reaches them with every
 * packet, and must not fill the log as well.
 *
 * An episode is over when the limit has not been reached for a minute.
 */
import type { Log } from "./world.ts";

/** Milliseconds of quiet that end an episode. */
const EPISODE_MS = 60_000;

export class Complaints {
  private readonly log: Log;
  private readonly time: { readonly now: number };
  /** When each limit was last reached, by its name. */
  private readonly reachedAt = new Map<string, number>();

  /** @param time Whoever knows the time, in milliseconds. */
  constructor(log: Log, time: { readonly now: number }) {
    this.log = log;
    this.time = time;
  }

  /**
   * @param limit As the configuration has it, or the settings.
   * @param what What was done about it: a sentence that follows the limit's name.
   */
  reached(limit: string, what: string): void {
    if (!this.isNews(limit)) return;
    this.log.write("warning", `Warning: ${limit} reached: ${what}`);
  }

  /** For what has words of its own: whether an episode begins here. */
  isNews(limit: string): boolean {
    const { now } = this.time;
    const before = this.reachedAt.get(limit) ?? Number.NEGATIVE_INFINITY;
    this.reachedAt.set(limit, now);
    return now - before >= EPISODE_MS;
  }
}
