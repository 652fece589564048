/**
 * Logins by who asks, such as an address with a user name: whoever names a wrong password again and
 * again has to wait, and one attempt after the other, so that more connections do not guess faster.
 * Pure.
 *
 * Remembers as many as its limit says: beyond it the one that failed longest ago goes.
 */

export interface AttemptLimits {
  /** Wrong passwords that cost nothing: people mistype. */
  readonly freeFailures: number;
  /** Milliseconds after the first that is not free; doubled with each further one. */
  readonly delayMs: number;
  readonly delayMsMax: number;
  /** Milliseconds without a failure after which one is forgotten. */
  readonly forgetMs: number;
  readonly sourcesMax: number;
}

const LIMITS: AttemptLimits = {
  freeFailures: 5,
  delayMs: 100,
  delayMsMax: 5_000,
  forgetMs: 60_000,
  sourcesMax: 10_000,
};

interface Failures {
  failures: number;
  failedAt: number;
  /** When the next attempt may begin. */
  openAt: number;
}

export class Attempts {
  private readonly limits: AttemptLimits;
  /** The one that failed longest ago first. */
  private readonly records = new Map<string, Failures>();

  constructor(limits: Partial<AttemptLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
  }

  /** Milliseconds that an attempt from `source` has to wait; its turn is taken by asking. */
  takeTurn(source: string, now: number): number {
    const record = this.current(source, now);
    if (record === undefined) return 0;
    const { delayMs, delayMsMax, freeFailures } = this.limits;
    const excess = record.failures - freeFailures;
    if (excess < 0) return 0;
    const at = Math.max(now, record.openAt);
    record.openAt = at + Math.min(delayMs * 2 ** excess, delayMsMax);
    return record.openAt - now;
  }

  /** Whether `source` has failed, and not too long ago. */
  hasFailed(source: string, now: number): boolean {
    return this.current(source, now) !== undefined;
  }

  onFailure(source: string, now: number): void {
    const record = this.current(source, now) ?? { failures: 0, failedAt: 0, openAt: 0 };
    record.failures++;
    record.failedAt = now;
    this.records.delete(source);
    this.records.set(source, record);
    if (this.records.size > this.limits.sourcesMax) {
      const [oldest] = this.records.keys();
      this.records.delete(oldest!);
    }
  }

  /** A right password makes up for the wrong ones. */
  onSuccess(source: string): void {
    this.records.delete(source);
  }

  private current(source: string, now: number): Failures | undefined {
    const record = this.records.get(source);
    if (record === undefined || now - record.failedAt < this.limits.forgetMs) return record;
    this.records.delete(source);
    return undefined;
  }
}
