/**
 * Logins by address: whoever names a wrong password again and again has to wait, and one after the
 * other, so that more connections do not guess faster. Pure.
 *
 * Remembers as many addresses as its limit says: beyond it the one that failed longest ago goes.
 */

export interface AttemptLimits {
  /** Wrong passwords that cost nothing: people mistype. */
  readonly freeFailures: number;
  /** Milliseconds after the first that is not free; doubled with each further one. */
  readonly delayMs: number;
  readonly delayMsMax: number;
  /** Milliseconds without a failure after which an address is forgotten. */
  readonly forgetMs: number;
  readonly addressesMax: number;
}

const LIMITS: AttemptLimits = {
  freeFailures: 5,
  delayMs: 100,
  delayMsMax: 5_000,
  forgetMs: 60_000,
  addressesMax: 10_000,
};

interface Record {
  failures: number;
  failedAt: number;
  /** When the next attempt may begin. */
  openAt: number;
}

export class Attempts {
  private readonly limits: AttemptLimits;
  /** The one that failed longest ago first. */
  private readonly records = new Map<string, Record>();

  constructor(limits: Partial<AttemptLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
  }

  /** Milliseconds that an attempt from `address` has to wait; its turn is taken by asking. */
  takeTurn(address: string, now: number): number {
    const record = this.current(address, now);
    if (record === undefined) return 0;
    const { delayMs, delayMsMax, freeFailures } = this.limits;
    const excess = record.failures - freeFailures;
    if (excess < 0) return 0;
    const at = Math.max(now, record.openAt);
    record.openAt = at + Math.min(delayMs * 2 ** excess, delayMsMax);
    return record.openAt - now;
  }

  onFailure(address: string, now: number): void {
    const record = this.current(address, now) ?? { failures: 0, failedAt: 0, openAt: 0 };
    record.failures++;
    record.failedAt = now;
    this.records.delete(address);
    this.records.set(address, record);
    if (this.records.size > this.limits.addressesMax) {
      const [oldest] = this.records.keys();
      this.records.delete(oldest!);
    }
  }

  /** A right password makes up for the wrong ones. */
  onSuccess(address: string): void {
    this.records.delete(address);
  }

  private current(address: string, now: number): Record | undefined {
    const record = this.records.get(address);
    if (record === undefined || now - record.failedAt < this.limits.forgetMs) return record;
    this.records.delete(address);
    return undefined;
  }
}
