/**
 * A table of deadlines: what is to happen when, with time handed in.
 *
 * A binary heap whose entries know their place, so that one can be moved or cancelled. Times are
 * milliseconds of whatever clock the owner goes by.
 */

/** One thing that is due some time. Its owner keeps it, to move or cancel it. */
export interface Deadline {
  /** When it is due. Written by `Deadlines` only. */
  at: number;
  /** Place in the heap, -1 when it is not waiting. Written by `Deadlines` only. */
  place: number;
  onDeadline(now: number): void;
}

export class Deadlines {
  private readonly heap: Deadline[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** When the next one is due; Infinity when none waits. */
  get next(): number {
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Sets `deadline` to `at`, whether it waits already or not. */
  set(deadline: Deadline, at: number): void {
    deadline.at = at;
    if (deadline.place < 0) {
      deadline.place = this.heap.length;
      this.heap.push(deadline);
    }
    this.up(deadline.place);
    this.down(deadline.place);
  }

  /** @param deadline Waiting or not; null for one that has not been made yet. */
  cancel(deadline: Deadline | null): void {
    if (deadline === null || deadline.place < 0) return;
    const { place } = deadline;
    deadline.place = -1;
    const last = this.heap.pop()!;
    if (last === deadline) return;
    this.heap[place] = last;
    last.place = place;
    this.up(place);
    this.down(last.place);
  }

  /** Calls all that is due at `now`, the earliest first. What they set anew may be due too. */
  onTick(now: number): void {
    while (this.heap.length > 0 && this.heap[0]!.at <= now) {
      const due = this.heap[0]!;
      this.cancel(due);
      due.onDeadline(now);
    }
  }

  private up(start: number): void {
    let place = start;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.heap[parent]!.at <= this.heap[place]!.at) return;
      this.swap(place, parent);
      place = parent;
    }
  }

  private down(start: number): void {
    let place = start;
    for (;;) {
      let least = place;
      for (let child = 2 * place + 1; child <= 2 * place + 2; child++) {
        if (child < this.heap.length && this.heap[child]!.at < this.heap[least]!.at) least = child;
      }
      if (least === place) return;
      this.swap(place, least);
      place = least;
    }
  }

  private swap(a: number, b: number): void {
    const first = this.heap[a]!;
    const second = this.heap[b]!;
    this.heap[a] = second;
    this.heap[b] = first;
    second.place = a;
    first.place = b;
  }
}
