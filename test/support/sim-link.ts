/**
 * A simulated connection between two ends: carries calls, in order each way, after delays that one
 * generator decides. Stalls now and then, and loses what is under way when it is cut. Time is a
 * counter that moves with `tick`.
 */
import type { Prng } from "../../src/core/base/prng.ts";

export interface SimLinkLimits {
  /** Most ticks that a call is under way, unless it waits behind another or the link stalls. */
  readonly delayTicksMax: number;
  /** Chance a tick that a direction stops for a while. */
  readonly stallChance?: number;
  readonly stallTicksMax?: number;
}

interface Call {
  readonly due: number;
  readonly arrive: () => void;
}

/** One way: what was sent first arrives first. */
interface Lane {
  calls: Call[];
  /** Nothing arrives before. */
  stalledUntil: number;
}

export class SimLink {
  private readonly prng: Prng;
  private readonly limits: Required<SimLinkLimits>;
  private readonly there: Lane = { calls: [], stalledUntil: 0 };
  private readonly back: Lane = { calls: [], stalledUntil: 0 };
  private now = 0;

  constructor(prng: Prng, limits: SimLinkLimits) {
    this.prng = prng;
    this.limits = { stallChance: 0, stallTicksMax: 1, ...limits };
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.there.calls.length + this.back.calls.length === 0;
  }

  send(arrive: () => void): void {
    this.put(this.there, arrive);
  }

  sendBack(arrive: () => void): void {
    this.put(this.back, arrive);
  }

  /** The connection breaks: what is under way, either way, is lost. */
  cut(): void {
    this.there.calls = [];
    this.back.calls = [];
  }

  /** Time goes on by one: what is due arrives. */
  tick(): void {
    this.now++;
    for (const lane of this.prng.chance(0.5) ? [this.there, this.back] : [this.back, this.there]) {
      if (this.prng.chance(this.limits.stallChance)) {
        lane.stalledUntil = this.now + this.prng.between(1, this.limits.stallTicksMax);
      }
      while (lane.stalledUntil <= this.now && (lane.calls[0]?.due ?? Infinity) <= this.now) {
        lane.calls.shift()!.arrive();
      }
    }
  }

  private put(lane: Lane, arrive: () => void): void {
    const before = lane.calls.at(-1)?.due ?? 0;
    const due = Math.max(before, this.now + this.prng.between(1, this.limits.delayTicksMax));
    lane.calls.push({ due, arrive });
  }
}
