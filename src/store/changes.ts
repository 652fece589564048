/**
 * Changes on their way to the database, in the order they were noted. Each has a position; one may
 * be taken back before it is handed over; a batch of them ends where a turn ended, so that no turn
 * is torn.
 *
 * Hot path. Budget: three slots in arrays for a change.
 */

/** In the place of a change that is gone: what waits for it need wait no longer. */
const GONE = null;

export class Changes<Session> {
  /** Of the change noted last. */
  position = 0;
  private kinds: number[] = [];
  private subjects: unknown[] = [];
  private sessions: (Session | null)[] = [];
  /** The position before the first in the arrays. */
  private origin = 0;
  /** Where the first stands that is neither handed over nor gone. */
  private live = 0;
  /** Where turns ended, and when each did. */
  private ends: number[] = [];
  private endTimes: number[] = [];
  private readonly compactAt: number;

  /** @param compactAt More than these that are settled are forgotten. */
  constructor(compactAt: number) {
    this.compactAt = compactAt;
  }

  /** Those neither handed over nor gone, with what is gone between them. */
  get count(): number {
    return this.kinds.length - this.live;
  }

  /** Up to here all are handed over or gone. */
  get settled(): number {
    return this.origin + this.live;
  }

  /** When the turn ended in which the oldest of them was noted; undefined while it goes on. */
  get oldest(): number | undefined {
    this.dropEnds();
    return this.endTimes[0];
  }

  /** @returns Its position. */
  note(kind: number, subject: unknown, session: Session | null): number {
    if (this.count === 0 && this.live > 0) this.compact();
    this.kinds.push(kind);
    this.subjects.push(subject);
    this.sessions.push(session);
    return ++this.position;
  }

  subjectAt(position: number): unknown {
    return this.subjects[position - this.origin - 1];
  }

  /** Another change takes the place of the one at `position`. */
  replace(position: number, kind: number, subject: unknown): void {
    const at = position - this.origin - 1;
    this.kinds[at] = kind;
    this.subjects[at] = subject;
  }

  /** The change at `position` need not be written. */
  cancel(position: number): void {
    const at = position - this.origin - 1;
    this.subjects[at] = GONE;
    this.sessions[at] = null;
    if (at === this.live) this.skipGone();
  }

  /** A batch may end here from now on. */
  endTurn(now: number): void {
    if (this.live > this.compactAt) this.compact();
    const { length } = this.kinds;
    if (this.count === 0 || this.ends.at(-1) === length) return;
    this.ends.push(length);
    this.endTimes.push(now);
  }

  /** The position of the last end of a turn at `time` or before. */
  endBefore(time: number): number {
    const at = this.ends.findLast((_end, i) => this.endTimes[i]! <= time);
    return at === undefined ? this.settled : this.origin + at;
  }

  /** Position of the last end of a turn within `max` changes, or of the first if that is beyond. */
  endWithin(max: number): number {
    if (this.count <= max) return this.position;
    const { ends, live } = this;
    const within = ends.findLast((end) => end > live && end - live <= max);
    const end = within ?? ends.find((at) => at > live);
    return end === undefined ? this.position : this.origin + end;
  }

  /** Visits those up to `position` that are not gone. */
  forEach(position: number, visit: (kind: number, subject: unknown) => void): void {
    const end = position - this.origin;
    for (let at = this.live; at < end; at++) {
      if (this.subjects[at] !== GONE) visit(this.kinds[at]!, this.subjects[at]);
    }
  }

  /** Hands over those up to `position`. */
  take(
    position: number,
    write: (kind: number, subject: unknown, session: Session | null) => void,
  ): void {
    const end = position - this.origin;
    for (let at = this.live; at < end; at++) {
      const subject = this.subjects[at];
      if (subject !== GONE) write(this.kinds[at]!, subject, this.sessions[at]!);
      this.subjects[at] = GONE;
      this.sessions[at] = null;
    }
    this.live = Math.max(this.live, end);
    this.skipGone();
  }

  private skipGone(): void {
    while (this.live < this.subjects.length && this.subjects[this.live] === GONE) this.live++;
  }

  /** Forgets what is handed over or gone. */
  private compact(): void {
    const { live } = this;
    this.origin += live;
    this.live = 0;
    this.kinds = this.kinds.slice(live);
    this.subjects = this.subjects.slice(live);
    this.sessions = this.sessions.slice(live);
    this.ends = this.ends.map((end) => end - live);
    this.dropEnds();
  }

  /** No batch ends before what is left. */
  private dropEnds(): void {
    let count = 0;
    while (count < this.ends.length && this.ends[count]! <= this.live) count++;
    if (count === 0) return;
    this.ends.splice(0, count);
    this.endTimes.splice(0, count);
  }
}
