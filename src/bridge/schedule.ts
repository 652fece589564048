/**
 * When a bridge tries again, and where: delays that grow by chance up to a cap, and one address
 * after the other (mosquitto-2.1 b.10, restart_timeout and round_robin).
 *
 * "Decorrelated jitter": each delay lies between the base and three times the one before it, so
 * that the bridges of many brokers do not come back in step. Pure: chance is handed in.
 */
import type { RestartPolicy } from "./settings.ts";

export class Schedule {
  private readonly policy: RestartPolicy;
  private readonly addressCount: number;
  private readonly fraction: () => number;
  /** The last delay, in seconds. */
  private delay: number;
  private at = 0;
  private failures = 0;
  private openedAt: number | null = null;

  /** @param fraction A number in [0, 1), anew at each call. */
  constructor(policy: RestartPolicy, addressCount: number, fraction: () => number) {
    this.policy = policy;
    this.addressCount = addressCount;
    this.fraction = fraction;
    this.delay = policy.base;
  }

  /** Which of the addresses is the next one's, or the present one's. */
  get address(): number {
    return this.at;
  }

  /** Failures in a row. */
  get failureCount(): number {
    return this.failures;
  }

  /** Has the next attempt go to the first address: the connection there was is none of failure. */
  returnToFirst(): void {
    this.at = 0;
    this.openedAt = null;
  }

  /** The remote has accepted. @param now Milliseconds. */
  onOpen(now: number): void {
    this.openedAt = now;
    this.failures = 0;
    if (this.policy.stable === 0) this.delay = this.policy.base;
  }

  /** A connection has ended or not come about. @returns Milliseconds until the next attempt. */
  onOver(now: number): number {
    const { policy, openedAt } = this;
    const held = openedAt === null ? 0 : now - openedAt;
    const wasStable = openedAt !== null && held >= policy.stable * 1000;
    this.openedAt = null;
    this.failures++;
    this.at = (this.at + 1) % this.addressCount;
    if (wasStable) this.delay = policy.base;
    if (policy.cap === undefined) return policy.base * 1000;
    const most = Math.max(policy.base, this.delay * 3);
    const next = policy.base + this.fraction() * (most - policy.base);
    this.delay = Math.min(policy.cap, next);
    return Math.max(policy.base, this.delay) * 1000;
  }
}
