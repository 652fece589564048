/**
 * Echoes that one bridge brings: what has gone out by others and is known to come back by this one.
 *
 * Whatever goes out on a topic that loops is expected back once, within a while that follows the
 * time its way takes. What then comes back is an echo, and the next one like it is none: whoever
 * publishes the same again and again is heard as often as he speaks, even though nobody can tell
 * which of two equal messages was the echo.
 *
 * Knowledge ages. It is proven anew by echoes of what this bridge itself did not send before, and
 * given up when what goes out does not come back any more, or when nothing has proven it for long.
 */
import { Ring } from "../../core/base/ring.ts";

export interface EchoLimits {
  /** Topics known to loop. Above, the oldest is forgotten, to be found again. */
  readonly loopTopicsMax: number;
  /** Messages expected back at once. Above, the oldest is expected no longer. */
  readonly loopEchoesMax: number;
  /** Milliseconds without a proof after which a loop is no longer known. */
  readonly loopMemoryMs: number;
}

/** A way that messages of one topic take: out by `Feeder`, and back by the bridge this is about. */
interface KnownLoop<Feeder> {
  readonly topic: string;
  readonly feeders: Set<Feeder>;
  provenAt: number;
  /** Messages in a row that did not come back. */
  missing: number;
}

interface Expected<Feeder> {
  readonly digest: number;
  readonly at: number;
  readonly loop: KnownLoop<Feeder>;
  hasCome: boolean;
}

/** So many in a row that do not come back: the loop is no more. */
const MISSING_MAX = 8;
/** Milliseconds that an echo may be late beside twice the time its way takes. */
const LATE_MS = 100;
/** How much of the longest way is forgotten with each echo. */
const LAG_FADING = 1 / 64;

/** Why a loop is known no longer. */
export type Forgetting = "gone" | "old";

export class Echoes<Feeder> {
  private readonly limits: EchoLimits;
  private readonly onForgotten: (topic: string, feeder: Feeder, why: Forgetting) => void;
  private readonly loops = new Map<string, KnownLoop<Feeder>>();
  /** What is expected, oldest first, and the same by digest. */
  private readonly order = new Ring<Expected<Feeder>>();
  private readonly byDigest = new Map<number, Expected<Feeder>[]>();
  /** Milliseconds that the longest way has taken lately. */
  private lagMs = 0;

  constructor(
    limits: EchoLimits,
    onForgotten: (topic: string, feeder: Feeder, why: Forgetting) => void,
  ) {
    this.limits = limits;
    this.onForgotten = onForgotten;
  }

  /** Topics known to loop. */
  get topicCount(): number {
    return this.loops.size;
  }

  /** Messages expected back. */
  get expectedCount(): number {
    return this.order.length;
  }

  /** Milliseconds that an echo is waited for. */
  get patienceMs(): number {
    return 2 * this.lagMs + LATE_MS;
  }

  /** Milliseconds that the way of what comes back on `topic` takes at most; 0 if none is known. */
  lagOf(topic: string): number {
    return this.loops.has(topic) ? this.lagMs : 0;
  }

  /** Whether any message that goes out by `feeder` is known to come back. */
  hasFeeder(feeder: Feeder): boolean {
    for (const { feeders } of this.loops.values()) if (feeders.has(feeder)) return true;
    return false;
  }

  /** What goes out by `feeder` on `topic` comes back, `lagMs` later. */
  know(topic: string, feeder: Feeder, lagMs: number, now: number): void {
    let loop = this.loops.get(topic);
    if (loop === undefined) {
      if (this.loops.size >= this.limits.loopTopicsMax) this.forgetOldest();
      loop = { topic, feeders: new Set(), provenAt: now, missing: 0 };
      this.loops.set(topic, loop);
    }
    loop.feeders.add(feeder);
    loop.provenAt = now;
    loop.missing = 0;
    this.lagMs = Math.max(this.lagMs, lagMs, 1);
  }

  /** A message on `topic` goes out by `feeder` at `now`. */
  expect(topic: string, feeder: Feeder, digest: number, now: number): void {
    this.expire(now);
    const loop = this.loops.get(topic);
    if (loop === undefined || !loop.feeders.has(feeder) || this.isOld(loop, now)) return;
    if (this.order.length >= this.limits.loopEchoesMax) this.dropOldest();
    const expected = { digest, at: now, loop, hasCome: false };
    this.order.push(expected);
    const same = this.byDigest.get(digest);
    if (same === undefined) this.byDigest.set(digest, [expected]);
    else same.push(expected);
  }

  /**
   * A message came.
   *
   * @param isNews Whether it is not known from before that this bridge sends it.
   * @returns Whether it is an echo: of the like of it, one is expected no longer.
   */
  take(digest: number, isNews: boolean, now: number): boolean {
    if (this.order.length === 0) return false;
    this.expire(now);
    const same = this.byDigest.get(digest);
    if (same === undefined) return false;
    const expected = same.shift()!;
    if (same.length === 0) this.byDigest.delete(digest);
    expected.hasCome = true;
    const { loop } = expected;
    if (this.loops.get(loop.topic) !== loop) return false;
    loop.missing = 0;
    if (isNews) loop.provenAt = now;
    const lagMs = now - expected.at;
    this.lagMs = Math.max(lagMs, this.lagMs * (1 - LAG_FADING));
    return true;
  }

  /** Nothing that goes out on `topic` comes back any more, as far as is known. */
  forget(topic: string, why: Forgetting): void {
    const loop = this.loops.get(topic);
    if (loop === undefined) return;
    this.loops.delete(topic);
    for (const feeder of loop.feeders) this.onForgotten(topic, feeder, why);
  }

  /** `feeder` is no more. */
  dropFeeder(feeder: Feeder): void {
    for (const [topic, { feeders }] of [...this.loops]) {
      if (!feeders.delete(feeder)) continue;
      this.onForgotten(topic, feeder, "old");
      if (feeders.size === 0) this.loops.delete(topic);
    }
  }

  private isOld(loop: KnownLoop<Feeder>, now: number): boolean {
    if (now - loop.provenAt <= this.limits.loopMemoryMs) return false;
    this.forget(loop.topic, "old");
    return true;
  }

  private forgetOldest(): void {
    for (const topic of this.loops.keys()) {
      this.forget(topic, "old");
      return;
    }
  }

  /** What is waited for too long will not come. */
  private expire(now: number): void {
    const { order } = this;
    const before = now - this.patienceMs;
    for (let oldest = order.at(0); oldest !== undefined; oldest = order.at(0)) {
      if (!oldest.hasCome && oldest.at > before) return;
      order.shift();
      if (oldest.hasCome) continue;
      this.withdraw(oldest);
      const { loop } = oldest;
      if (++loop.missing >= MISSING_MAX) this.forget(loop.topic, "gone");
    }
  }

  private dropOldest(): void {
    const oldest = this.order.shift();
    if (oldest !== undefined && !oldest.hasCome) this.withdraw(oldest);
  }

  private withdraw(expected: Expected<Feeder>): void {
    const same = this.byDigest.get(expected.digest);
    if (same === undefined) return;
    const rest = same.filter((one) => one !== expected);
    if (rest.length === 0) this.byDigest.delete(expected.digest);
    else this.byDigest.set(expected.digest, rest);
  }
}
