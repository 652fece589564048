/**
 * How often each message has come lately: a table of a fixed size, in which those that come often
 * outlive those that came once.
 *
 * It is the beat that counts. When it is interrupted, the count begins anew: most likely another
 * broker has everything held, to find out about the same loop (`trial.ts`).
 *
 * Hot path. Budget: no allocation; four places are looked at.
 */

/** Places that one number may stand in. */
const WAYS = 4;
/** What has come as often has a beat, and with a far longer gap in it, it begins anew. */
const STEADY = 4;
const GAP_SHARE = 1.5;
const GAP_MS = 50;
/** What begins anew has not come for the first time. */
const RESUMED = 3;

export class Repeats {
  private readonly windowMs: number;
  private readonly sets: number;
  private readonly numbers: Float64Array;
  private readonly counts: Uint32Array;
  private readonly since: Float64Array;
  private readonly last: Float64Array;
  /** The longest time between two in a row. */
  private readonly gaps: Float64Array;
  /** Where the number stands that was last noted. */
  private place = 0;

  /**
   * @param entriesMax Numbers that are remembered; beyond it the rarest gives way.
   * @param windowMs Milliseconds that count. After so many in a row, the count is halved.
   */
  constructor(entriesMax: number, windowMs: number) {
    this.windowMs = windowMs;
    this.sets = Math.max(1, Math.floor(entriesMax / WAYS));
    const places = this.sets * WAYS;
    this.numbers = new Float64Array(places).fill(-1);
    this.counts = new Uint32Array(places);
    this.since = new Float64Array(places);
    this.last = new Float64Array(places).fill(Number.NEGATIVE_INFINITY);
    this.gaps = new Float64Array(places);
  }

  /**
   * Notes that `number` came.
   *
   * @returns How often it has come, this time included. Once it has come oftener than twice it is
   *   more than two until it stays away.
   */
  note(number: number, now: number): number {
    const first = (number % this.sets) * WAYS;
    let place = first;
    for (let at = first; at < first + WAYS; at++) {
      if (this.numbers[at] === number) return this.again(at, now);
      if (this.isRarer(at, place, now)) place = at;
    }
    this.numbers[place] = number;
    return this.begin(place, now);
  }

  /** Milliseconds that what was last noted has come for. */
  get spanMs(): number {
    return this.last[this.place]! - this.since[this.place]!;
  }

  /** The longest time in milliseconds that what was last noted has stayed away lately. */
  get gapMs(): number {
    return this.gaps[this.place]!;
  }

  private again(place: number, now: number): number {
    const { windowMs } = this;
    const gap = now - this.last[place]!;
    if (gap > windowMs) return this.begin(place, now);
    this.place = place;
    let count = this.counts[place]! + 1;
    const span = now - this.since[place]!;
    const longest = this.gaps[place]!;
    if (count > STEADY && gap > longest * GAP_SHARE + GAP_MS) {
      this.since[place] = now;
      this.gaps[place] = 0;
      count = RESUMED;
    } else {
      this.gaps[place] = Math.max(gap, longest);
      if (span > windowMs) {
        // It stays what it was: a second half as rich as the first.
        count = Math.max(RESUMED, count >> 1);
        this.since[place] = now - span / 2;
      }
    }
    this.last[place] = now;
    this.counts[place] = count;
    return count;
  }

  private begin(place: number, now: number): number {
    this.place = place;
    this.counts[place] = 1;
    this.since[place] = now;
    this.last[place] = now;
    this.gaps[place] = 0;
    return 1;
  }

  /** Whether what stands at `at` is to give way rather than what stands at `than`. */
  private isRarer(at: number, than: number, now: number): boolean {
    const isOver = now - this.last[at]! > this.windowMs;
    if (isOver !== now - this.last[than]! > this.windowMs) return isOver;
    if (this.counts[at] !== this.counts[than]) return this.counts[at]! < this.counts[than]!;
    return this.last[at]! < this.last[than]!;
  }
}
