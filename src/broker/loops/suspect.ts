/**
 * A topic on trial: whether its messages come of their own accord, or come back because they went
 * out.
 *
 * While the bridges are held it counts what comes all the same. Then what one of them holds goes
 * out at once, the pulse, and it looks at what comes back of exactly that, by which bridge, after
 * what time, and how often: as often as it went out.
 */

export interface SuspectParts<Bridge> {
  readonly topic: string;
  /** The bridge that repeats a message of it, which message, and the longest time between two. */
  readonly origin: Bridge;
  readonly digest: number;
  readonly gapMs: number;
  /**
   * Milliseconds that its way takes where it is known to loop, and on trial is whether it still
   * does; 0 where it is not.
   */
  readonly knownLagMs: number;
}

/** A way that has been found: out by `feeder`, back by `origin`. */
export interface Finding<Bridge> {
  readonly feeder: Bridge;
  readonly origin: Bridge;
}

/** What came back of the pulse by one bridge. */
interface Return {
  /** Milliseconds until half of them had come: one may come by chance before the others. */
  lagMs: number;
  count: number;
  /** Those that came when all should have been back. */
  strays: number;
}

/** Pulses in a row that came back after about the same time. */
interface Proof {
  readonly lagMs: number;
  /** One for each pulse, two where many came back and none was missing. */
  readonly weight: number;
}

/** Of what came in the first half, the share that comes in the second where nothing is amiss. */
const WENT_ON_SHARE = 0.5;
/** What has to come back of what went out, and what at most: each comes once. */
const BACK_SHARE_MIN = 0.5;
const BACK_SHARE_MAX = 1.5;
/** Of what comes back, the share that may come of its own accord. */
const STRAY_SHARE = 1 / 6;
/** The way takes about the same time each time, but for a share of it and some milliseconds. */
const LAG_SHARE = 0.3;
const LAG_SLACK_MS = 20;
/** Pulses that came back in disorder. */
const DISORDER_MAX = 2;
/** As many have to go out for their staying away to mean that nothing comes back. */
const REFUTING = 4;
/** So many hardly come back by chance, each once and none beside them. */
const MANY = 8;

export class Suspect<Bridge> implements SuspectParts<Bridge> {
  readonly topic: string;
  readonly origin: Bridge;
  readonly digest: number;
  readonly gapMs: number;
  readonly knownLagMs: number;
  /** Whether it was known to loop, and does not. */
  isRefuted = false;
  /** How often the repeated message came in either half of the time that all is held. */
  private early = 0;
  private late = 0;
  /** How often it comes of its own accord, in all likelihood. */
  private ratePerMs = 0;
  /** What bridges hold: how often each message. */
  private readonly held = new Map<Bridge, Map<number, number>>();
  /** What went out with the pulse, and how many that are. */
  private pulsed: Map<number, number> | null = null;
  private pulsedCount = 0;
  private readonly returns = new Map<Bridge, Return>();
  /** What speaks for a way, by the bridge it begins with and the one it ends with. */
  private readonly proofs = new Map<Bridge, Map<Bridge, Proof>>();
  /** Bridges of whose pulse nothing came back. */
  private readonly innocent = new Set<Bridge>();
  /** What speaks against any. */
  private disorder = 0;

  constructor({ topic, origin, digest, gapMs, knownLagMs }: SuspectParts<Bridge>) {
    this.topic = topic;
    this.origin = origin;
    this.digest = digest;
    this.gapMs = gapMs;
    this.knownLagMs = knownLagMs;
  }

  /** A message came while everything is held. */
  onHeldArrival(origin: Bridge, digest: number, isLate: boolean): void {
    if (origin !== this.origin || digest !== this.digest) return;
    if (isLate) this.late++;
    else this.early++;
  }

  /**
   * All has been held for long.
   *
   * @param lateMs Milliseconds of the second half of it.
   * @returns Whether it went on coming, and so comes of its own accord.
   */
  endHold(lateMs: number): boolean {
    this.ratePerMs = this.late / lateMs;
    // Where a loop is cut, what comes of its own accord is all that still comes.
    if (this.knownLagMs > 0) return false;
    return this.late > 0 && this.late >= this.early * WENT_ON_SHARE;
  }

  /** Whether too much comes of its own accord for a pulse to say anything. */
  get isInDisorder(): boolean {
    return this.disorder >= DISORDER_MAX;
  }

  /** `bridge` holds a message of the topic. */
  onHeld(bridge: Bridge, digest: number): void {
    let messages = this.held.get(bridge);
    if (messages === undefined) {
      messages = new Map();
      this.held.set(bridge, messages);
    }
    messages.set(digest, (messages.get(digest) ?? 0) + 1);
  }

  /** What `bridge` holds of it goes out. */
  onPulse(bridge: Bridge): void {
    this.pulsed = this.held.get(bridge) ?? null;
    this.held.delete(bridge);
    this.returns.clear();
    this.pulsedCount = 0;
    for (const count of this.pulsed?.values() ?? []) this.pulsedCount += count;
  }

  /**
   * A message came after a pulse of another bridge.
   *
   * @param lagMs Milliseconds since the pulse.
   * @param isStray Whether all that can come back should be here by now.
   * @returns Whether it is of what went out, and half of that is back by `origin` now.
   */
  onReturn(origin: Bridge, digest: number, lagMs: number, isStray: boolean): boolean {
    if (this.pulsed?.has(digest) !== true) return false;
    let back = this.returns.get(origin);
    if (back === undefined) {
      back = { lagMs, count: 0, strays: 0 };
      this.returns.set(origin, back);
    }
    if (isStray) back.strays++;
    else back.count++;
    const isHalf = back.count + back.strays === Math.ceil(this.pulsedCount / 2);
    if (isHalf) back.lagMs = lagMs;
    return isHalf;
  }

  /** Whether anything of the pulse has come back. */
  get hasReturns(): boolean {
    return this.returns.size > 0;
  }

  /** Whether nothing of the pulse of `feeder` is still to come, as far as earlier ones tell. */
  isAllBack(feeder: Bridge): boolean {
    if (this.pulsed === null) return true;
    const proofs = this.proofs.get(feeder);
    if (this.knownLagMs > 0 || this.disorder > 0 || proofs === undefined || proofs.size === 0)
      return false;
    const origins = [...proofs.keys(), ...this.returns.keys()];
    return origins.every((one) => (this.returns.get(one)?.count ?? 0) >= this.pulsedCount);
  }

  /**
   * The time for returns of the pulse of `feeder` is over, and the quiet after it.
   *
   * @param isKnown Whether it was known that what goes out by `feeder` comes back.
   * @param backMs Milliseconds that there were for it.
   */
  judge(feeder: Bridge, isKnown: boolean, backMs: number): void {
    if (this.pulsed === null) return;
    if (isKnown) this.judgeKnown(feeder, backMs);
    else this.judgeNew(feeder);
  }

  /** Whether what was known is still so: as much comes back as went out, whatever else comes. */
  private judgeKnown(feeder: Bridge, backMs: number): void {
    const { pulsedCount } = this;
    this.pulsed = null;
    const expected = this.ratePerMs * backMs;
    const proofs = new Map<Bridge, Proof>();
    this.proofs.set(feeder, proofs);
    for (const [origin, { count, lagMs }] of this.returns) {
      if (count - expected < pulsedCount * BACK_SHARE_MIN) continue;
      proofs.set(origin, { lagMs, weight: Number.POSITIVE_INFINITY });
    }
    if (proofs.size > 0) return;
    this.innocent.add(feeder);
    if (pulsedCount >= REFUTING) this.isRefuted = true;
  }

  private judgeNew(feeder: Bridge): void {
    this.pulsed = null;
    if (this.returns.size === 0) {
      this.innocent.add(feeder);
      this.proofs.delete(feeder);
      return;
    }
    const before = this.proofs.get(feeder);
    const proofs = new Map<Bridge, Proof>();
    this.proofs.set(feeder, proofs);
    for (const [origin, back] of this.returns) {
      if (!this.isOrderly(back)) continue;
      const { lagMs } = back;
      const proof = before?.get(origin);
      const isSame = proof !== undefined && isAbout(proof.lagMs, lagMs);
      const isExact = back.count === this.pulsedCount && back.count >= MANY;
      proofs.set(origin, { lagMs, weight: (isSame ? proof.weight : 0) + (isExact ? 2 : 1) });
    }
  }

  /** Whether a pulse of `bridge` would say more: it holds something, and is not found out. */
  isOpen(bridge: Bridge, proofsWanted: number): boolean {
    if (this.innocent.has(bridge) || !this.held.has(bridge)) return false;
    const proofs = this.proofs.get(bridge);
    if (proofs === undefined || proofs.size === 0) return true;
    for (const [origin, { weight }] of proofs) {
      if (weight < this.wanted(bridge, origin, proofsWanted)) return true;
    }
    return false;
  }

  isInnocent(bridge: Bridge): boolean {
    return this.innocent.has(bridge);
  }

  *findings(proofsWanted: number): Generator<Finding<Bridge>> {
    for (const [feeder, proofs] of this.proofs) {
      for (const [origin, { weight }] of proofs) {
        if (weight >= this.wanted(feeder, origin, proofsWanted)) yield { feeder, origin };
      }
    }
  }

  /** The messages that `bridge` holds, each as often as it does. */
  *heldBy(bridge: Bridge): Generator<number> {
    for (const [digest, count] of this.held.get(bridge) ?? []) {
      for (let i = 0; i < count; i++) yield digest;
    }
  }

  /** Proofs that it takes: where there is a way there, one back is no wonder. */
  private wanted(feeder: Bridge, origin: Bridge, proofsWanted: number): number {
    const back = this.proofs.get(origin)?.get(feeder)?.weight ?? 0;
    return back >= proofsWanted ? proofsWanted - 1 : proofsWanted;
  }

  private isOrderly({ count, strays }: Return): boolean {
    // A longer way than was waited for: the next pulse is given more time.
    if (count === 0) return false;
    if (strays > count * STRAY_SHARE) {
      // What comes when nothing can come back comes of its own accord.
      this.disorder += strays < count ? 1 : DISORDER_MAX;
      return false;
    }
    const { pulsedCount } = this;
    if (count >= pulsedCount * BACK_SHARE_MIN && count <= pulsedCount * BACK_SHARE_MAX) return true;
    this.disorder++;
    return false;
  }
}

function isAbout(oneMs: number, otherMs: number): boolean {
  return Math.abs(oneMs - otherMs) <= LAG_SLACK_MS + LAG_SHARE * Math.max(oneMs, otherMs);
}
