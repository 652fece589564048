/**
 * The trial by which a loop is told from somebody who says the same again and again. In MQTT 3.1.1
 * a message carries no mark, so that nothing but an experiment can tell.
 *
 *     hold ──▶ pulse ──▶ quiet ──▶ pulse … ──▶ over
 *
 * 1. *Hold*: nothing goes out by the bridges that have to do with the suspects. Who speaks of his
 *    own accord goes on, and is honest; a loop falls silent once what was under way is here.
 * 2. *Pulse*: what one bridge holds goes out at once, while all else stays held. If just that comes
 *    back, and nothing more in the *quiet* that follows, it went round. A few times in a row are
 *    a proof. Since the bridge by which it comes back is held as well, nobody behind it can have
 *    sent it in answer to something: who asks the next question when he has his answer is silent
 *    while all is held, too.
 *
 * What is held waits as for a client that reads slowly: at QoS 1 and 2 in its session, stored if
 * the session is, and in its order. A trial ends when it takes too long, when too much waits, or
 * when one of its bridges goes; then nothing is held against anybody.
 */
import type { Deadline, Deadlines } from "../../core/base/deadlines.ts";
import { Suspect, type SuspectParts } from "./suspect.ts";

/** What is held and released. */
export interface Held {
  readonly isHeld: boolean;
  /** Bytes that wait because of it. */
  readonly heldBytes: number;
  hold(): void;
  release(): void;
  pulse(): void;
}

/** What a trial has found. */
export interface Verdict<Bridge> {
  /** Ways that messages go round, with the milliseconds that the longest of them takes. */
  readonly loops: readonly {
    readonly topic: string;
    readonly feeder: Bridge;
    readonly origin: Bridge;
  }[];
  readonly lagMs: number;
  /** Topics whose messages go on of their own accord. */
  readonly honest: readonly SuspectParts<Bridge>[];
  /** Bridges that it was about. */
  readonly origins: ReadonlySet<Bridge>;
}

export interface TrialLimits {
  /** Milliseconds that everything is held at first, beside a share of chance. */
  readonly holdMs: number;
  /** Milliseconds in all: nothing is held longer. */
  readonly loopTrialMsMax: number;
  /** Topics that one trial is about. Those beyond it wait for another. */
  readonly loopSuspectsMax: number;
  /** Bytes that may wait. Above, the trial ends without a verdict. */
  readonly loopHeldBytesMax: number;
}

export interface TrialParts<Bridge> {
  readonly limits: TrialLimits;
  readonly deadlines: Deadlines;
  readonly now: number;
  /** A number in [0, 1), anew at each call: other brokers are not to keep step. */
  fraction(): number;
  /** Whether it is known that what goes out by `feeder` on `topic` comes back. */
  isKnown(feeder: Bridge, topic: string): boolean;
  /** Told once, while everything is held still. */
  onVerdict(verdict: Verdict<Bridge>): void;
  /** A held message of a topic on trial is about to go out. */
  onReleased(bridge: Bridge, topic: string, digest: number): void;
  /** Nothing is held any more. */
  onOver(): void;
}

/** Pulses in a row that have to come back. */
const PROOFS = 3;
/** Milliseconds that the way of a message varies by, beside a share of its length. */
const SLACK_MS = 20;
const DRAIN_LAGS = 1.5;
const QUIET_LAGS = 1.25;
/** Gaps in which who speaks of his own accord would have done so. */
const QUIET_GAPS = 1.1;
const TIMEOUT_LAGS = 3;
/** Pulses of one bridge: as many as it takes, and two that went wrong. */
const PULSES_MAX = 5;

export class Trial<Bridge extends Held> {
  private readonly parts: TrialParts<Bridge>;
  private readonly deadline: Deadline;
  private readonly startedAt: number;
  private readonly halfAt: number;
  private readonly endAt: number;
  private stage: "hold" | "pulse" | "quiet" | "over" = "hold";
  private readonly suspects = new Map<string, Suspect<Bridge>>();
  private readonly origins = new Set<Bridge>();
  private readonly honest: Suspect<Bridge>[] = [];
  /** How often each bridge that is held has been pulsed. */
  private readonly held = new Map<Bridge, number>();
  /** Whose pulse it is. */
  private pulsing: Bridge | null = null;
  private pulsedAt = 0;
  /** When the time for returns was over. */
  private quietAt = 0;
  /** Milliseconds that the longest way has taken; 0 before anything has come back. */
  private lagMsMax = 0;

  constructor(parts: TrialParts<Bridge>, first: SuspectParts<Bridge>) {
    this.parts = parts;
    const { now, limits } = parts;
    const holdMs = limits.holdMs * (1 + parts.fraction() / 4);
    this.startedAt = now;
    this.halfAt = now + holdMs / 2;
    this.endAt = now + holdMs;
    this.deadline = { at: 0, place: -1, onDeadline: (at) => this.onDeadline(at) };
    this.wait(this.endAt);
    this.add(first);
  }

  /** Milliseconds for which everything is held at first. */
  get holdMs(): number {
    return this.endAt - this.startedAt;
  }

  /** Whether a message of this topic concerns it. */
  concerns(topic: string): boolean {
    return this.suspects.has(topic);
  }

  /** Whether more topics that `origin` brings may be put on trial. */
  isGathering(origin: Bridge, now: number): boolean {
    return this.stage === "hold" && now < this.halfAt && this.hasRoom && this.held.has(origin);
  }

  /** Puts a topic on trial. */
  add(parts: SuspectParts<Bridge>): void {
    if (this.suspects.has(parts.topic) || !this.hasRoom) return;
    this.suspects.set(parts.topic, new Suspect(parts));
    this.lagMsMax = Math.max(this.lagMsMax, parts.knownLagMs);
    this.origins.add(parts.origin);
    this.hold(parts.origin);
  }

  /** `bridge` is to get a message of a topic on trial: it is held, unless nothing comes of it. */
  onRecipient(bridge: Bridge, topic: string): void {
    if (this.stage === "over" || this.held.has(bridge)) return;
    if (this.suspects.get(topic)?.isInnocent(bridge) !== false) return;
    this.hold(bridge);
  }

  /** A message of a topic on trial came from a bridge. */
  onArrival(origin: Bridge, topic: string, digest: number, now: number): void {
    const suspect = this.suspects.get(topic);
    if (suspect === undefined) return;
    if (this.stage === "hold") {
      suspect.onHeldArrival(origin, digest, now >= this.halfAt);
      return;
    }
    if (origin === this.pulsing) return;
    const isStray = this.stage === "quiet";
    const lagMs = Math.max(1, now - this.pulsedAt);
    const isHalf = suspect.onReturn(origin, digest, lagMs, isStray);
    if (isHalf) this.lagMsMax = Math.max(this.lagMsMax, lagMs);
    if (isStray) return;
    if (suspect.isAllBack(this.pulsing!) && this.isAllBack) this.wait(now);
    else if (isHalf) this.wait(this.pulsedAt + this.drainMs);
  }

  /** A message has been written to what `bridge` holds. */
  onHeld(bridge: Bridge, topic: string, digest: number): void {
    this.suspects.get(topic)?.onHeld(bridge, digest);
  }

  /** One more message waits for `bridge`. */
  checkRoom(bridge: Bridge): void {
    if (bridge.heldBytes > this.parts.limits.loopHeldBytesMax) this.abort();
  }

  /** Ends it without a verdict. */
  abort(): void {
    if (this.stage !== "over") this.finish([]);
  }

  /** Whether `bridge` has a part in it. */
  involves(bridge: Bridge): boolean {
    return this.held.has(bridge) || this.origins.has(bridge);
  }

  private get isAllBack(): boolean {
    for (const suspect of this.suspects.values()) {
      if (!suspect.isAllBack(this.pulsing!)) return false;
    }
    return true;
  }

  private get hasRoom(): boolean {
    return this.suspects.size < this.parts.limits.loopSuspectsMax;
  }

  private get drainMs(): number {
    return DRAIN_LAGS * this.lagMsMax + SLACK_MS;
  }

  /** Milliseconds in which what went out has to come back. */
  private get timeoutMs(): number {
    if (this.lagMsMax === 0) return this.holdMs / 2 + SLACK_MS;
    return TIMEOUT_LAGS * this.lagMsMax + SLACK_MS;
  }

  private get quietMs(): number {
    const share = QUIET_LAGS + this.parts.fraction() / 2;
    // Each that has come back must have had the time to come of its own accord.
    let gapMs = 0;
    for (const suspect of this.suspects.values()) {
      if (suspect.hasReturns) gapMs = Math.max(gapMs, suspect.gapMs);
    }
    return Math.max(share * this.lagMsMax, QUIET_GAPS * gapMs) + SLACK_MS;
  }

  private hold(bridge: Bridge): void {
    if (this.held.has(bridge)) return;
    this.held.set(bridge, 0);
    bridge.hold();
  }

  /** Waits until `at`, but not longer than a trial may take. */
  private wait(at: number): void {
    const { deadlines, limits } = this.parts;
    deadlines.set(this.deadline, Math.min(at, this.startedAt + limits.loopTrialMsMax));
  }

  private onDeadline(now: number): void {
    if (now >= this.startedAt + this.parts.limits.loopTrialMsMax) {
      this.finish(this.findings());
    } else if (this.stage === "hold") {
      this.judgeHold(now);
      this.goOn(now);
    } else if (this.stage === "pulse") {
      this.stage = "quiet";
      this.quietAt = now;
      this.wait(now + this.quietMs);
    } else {
      this.judgePulse(this.pulsing!);
      this.goOn(now);
    }
  }

  /** Who went on is honest. */
  private judgeHold(now: number): void {
    for (const [topic, suspect] of this.suspects) {
      if (!suspect.endHold(Math.max(1, now - this.halfAt))) continue;
      this.suspects.delete(topic);
      this.honest.push(suspect);
    }
  }

  private judgePulse(feeder: Bridge): void {
    for (const [topic, suspect] of this.suspects) {
      suspect.judge(feeder, this.parts.isKnown(feeder, topic), this.quietAt - this.pulsedAt);
      if (suspect.isRefuted) this.honest.push(suspect);
      if (suspect.isRefuted || suspect.isInDisorder) this.suspects.delete(topic);
    }
    this.letGo(feeder);
  }

  /** Pulses the next bridge, if there is one that has something to show. */
  private goOn(now: number): void {
    const next = this.nextBridge();
    const { loopTrialMsMax } = this.parts.limits;
    const isFirst = this.lagMsMax === 0;
    const needMs = isFirst ? this.timeoutMs : this.drainMs + QUIET_LAGS * this.lagMsMax;
    if (next === null || now + needMs > this.startedAt + loopTrialMsMax) {
      this.finish(this.findings());
    } else this.pulse(next, now);
  }

  /** The one whose turn it was goes on until it is found out, so that nobody waits for long. */
  private nextBridge(): Bridge | null {
    if (this.pulsing !== null && this.isOpen(this.pulsing, false)) return this.pulsing;
    for (const isNew of [true, false]) {
      for (const bridge of this.held.keys()) if (this.isOpen(bridge, isNew)) return bridge;
    }
    return null;
  }

  /** @param isNew Whether what is known already does not count. */
  private isOpen(bridge: Bridge, isNew: boolean): boolean {
    if ((this.held.get(bridge) ?? PULSES_MAX) >= PULSES_MAX) return false;
    for (const suspect of this.suspects.values()) {
      if (isNew && this.parts.isKnown(bridge, suspect.topic)) continue;
      if (suspect.isOpen(bridge, PROOFS)) return true;
    }
    return false;
  }

  private pulse(bridge: Bridge, now: number): void {
    this.stage = "pulse";
    this.pulsing = bridge;
    this.pulsedAt = now;
    this.held.set(bridge, this.held.get(bridge)! + 1);
    for (const suspect of this.suspects.values()) suspect.onPulse(bridge);
    this.wait(now + this.timeoutMs);
    bridge.pulse();
  }

  /** Who is innocent of everything and sent nothing on trial has not to wait any longer. */
  private letGo(bridge: Bridge): void {
    if (this.origins.has(bridge)) return;
    for (const suspect of this.suspects.values()) if (!suspect.isInnocent(bridge)) return;
    this.held.delete(bridge);
    bridge.release();
  }

  private findings(): Verdict<Bridge>["loops"] {
    return [...this.suspects.values()].flatMap((suspect) =>
      [...suspect.findings(PROOFS)].map((found) => ({ topic: suspect.topic, ...found })),
    );
  }

  private finish(loops: Verdict<Bridge>["loops"]): void {
    const { parts, held, suspects, origins, honest, lagMsMax } = this;
    this.stage = "over";
    parts.deadlines.cancel(this.deadline);
    parts.onVerdict({ loops, honest, origins, lagMs: lagMsMax });
    for (const bridge of held.keys()) {
      for (const suspect of suspects.values()) {
        for (const digest of suspect.heldBy(bridge)) {
          parts.onReleased(bridge, suspect.topic, digest);
        }
      }
      bridge.release();
    }
    parts.onOver();
  }
}
