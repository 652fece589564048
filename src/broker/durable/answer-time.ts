/**
 * How long a client takes to acknowledge: whether its next message is worth waiting for before it
 * is written.
 *
 * One message at a time is timed, from when it was added until it was settled, so that nothing is
 * kept for the others. It is the way and the client that are measured, not what the store did: a
 * client whose messages were written shows itself quick again all the same.
 */

/** The weight of the last message is one in so many. */
const WEIGHT = 4;
/** However long a client was away, a few quick answers make up for it. */
const SAMPLE_MS_MAX = 60;

export class AnswerTime {
  private timed: object | null = null;
  private since = 0;
  /** Milliseconds, the newest weighing most. A client is taken for a quick one at first. */
  private meanMs = 0;

  onAdded(queued: object, now: number): void {
    if (this.timed !== null) return;
    this.timed = queued;
    this.since = now;
  }

  onSettled(queued: object, now: number): void {
    if (queued !== this.timed) return;
    this.timed = null;
    const ms = Math.min(now - this.since, SAMPLE_MS_MAX);
    this.meanMs += (ms - this.meanMs) / WEIGHT;
  }

  /** Whether an answer within `ms` is to be expected. */
  isWithin(ms: number, now: number): boolean {
    return this.meanMs < ms && (this.timed === null || now - this.since < ms);
  }
}
