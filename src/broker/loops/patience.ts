/**
 * When a bridge is next looked into: what it brings has been found honest, or nothing was found,
 * and the more often so the longer it is left alone.
 *
 * It is not left alone when it repeats itself far more quickly than anything that was honest, for
 * that is what loops do: they may begin somewhere else at any time.
 */

/** Milliseconds it is left alone after its first finding, by what was found, and at most. */
const HONEST_MS = 10_000;
const NOTHING_MS = 2_000;
const LONGEST_MS = 3_600_000;
/** How many times longer after each further finding. */
const HONEST_FACTOR = 4;
const NOTHING_FACTOR = 2;
/** Most beats that are waited for by chance, and after how many without a question. */
const WAIT_BEATS = 6;
const STALE_BEATS = 3;
const STALE_MS = 100;
/** Quicker by this than anything honest, it is looked into all the same. */
const HASTE = 4;

export class Patience {
  /** How often in a row what it brings was found honest. */
  honestCount = 0;
  private pauseMs = 0;
  private until = Number.NEGATIVE_INFINITY;
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** The least of those of messages that were honest. */
  private honestMs = Number.POSITIVE_INFINITY;
  /** Until when it is waited by chance, and when that was last asked for. */
  private waitUntil = 0;
  private askedAt = Number.NEGATIVE_INFINITY;

  /** Whether it may be looked into because of a message that never stays away longer. */
  isOver(gapMs: number, now: number): boolean {
    if (now >= this.until) return true;
    return gapMs * HASTE < this.honestMs && now - this.lookedAt >= HONEST_MS;
  }

  /**
   * Whether it has been waited long enough, a few beats by chance: where several brokers see the
   * same loop, the first one has the others see none.
   *
   * @param fraction A number in [0, 1).
   */
  hasWaited(gapMs: number, fraction: () => number, now: number): boolean {
    if (now - this.askedAt > STALE_BEATS * gapMs + STALE_MS) {
      this.waitUntil = now + WAIT_BEATS * gapMs * fraction();
    }
    this.askedAt = now;
    return now >= this.waitUntil;
  }

  /** It sends something of its own accord, and never stays away longer than `gapMs`. */
  onHonest(gapMs: number, now: number): void {
    this.honestCount++;
    this.honestMs = Math.min(this.honestMs, gapMs);
    this.pause(Math.max(HONEST_MS, this.pauseMs * HONEST_FACTOR), now);
  }

  /** It goes on looping, as was known. */
  onConfirmed(now: number): void {
    this.pause(Math.max(HONEST_MS, this.pauseMs * HONEST_FACTOR), now);
  }

  /**
   * It could not be said, as when another broker has everything held at the same time.
   *
   * @param fraction A number in [0, 1), so that the other does not come back at the same time.
   */
  onNothing(fraction: number, now: number): void {
    this.pause(Math.max(NOTHING_MS, this.pauseMs * NOTHING_FACTOR), now);
    this.until -= (this.pauseMs / 2) * fraction;
  }

  /** It is part of a loop that was not known: there may be more of them. */
  onLoop(now: number): void {
    this.honestCount = 0;
    this.pauseMs = 0;
    this.until = now;
    this.lookedAt = now;
    this.askedAt = Number.NEGATIVE_INFINITY;
  }

  private pause(pauseMs: number, now: number): void {
    this.pauseMs = Math.min(pauseMs, LONGEST_MS);
    this.until = now + this.pauseMs;
    this.lookedAt = now;
    this.askedAt = Number.NEGATIVE_INFINITY;
  }
}
