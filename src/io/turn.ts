/**
 * The broker's turn on Node's event loop: chunks first, then the store and the acknowledgements,
 * then one write for each socket that has something to send.
 *
 * A turn begins with the first event after the last one ended, and ends when the sockets that were
 * ready have all been read: `setImmediate` runs right after that phase of the loop. Between turns
 * one timer waits for the broker's next deadline.
 */

/** What is driven: the broker. */
export interface Driven {
  readonly deadlines: { readonly next: number };
  now: number;
  onTick(now: number): void;
  onTurnEnd(): void;
  /** Whether another turn is to follow at once. */
  readonly isUnfinished: boolean;
}

/** What is flushed at the end of a turn: a link. */
export interface Flushed {
  flush(): void;
}

/** Node's timers fire at once beyond this. */
const DELAY_MS_MAX = 2_147_483_647;

export class TurnLoop {
  private readonly driven: Driven;
  /** Two arrays that take turns, so that none is made for each. */
  private woken: Flushed[] = [];
  private flushing: Flushed[] = [];
  private isScheduled = false;
  private timer: NodeJS.Timeout | null = null;
  private timerAt = Number.POSITIVE_INFINITY;
  private isFinished = false;
  private readonly endTurn = () => this.onEnd();
  private readonly onTimer = () => this.onDeadline();

  constructor(driven: Driven) {
    this.driven = driven;
  }

  /** Something happened: the turn begins, if it has not. */
  begin(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.driven.now = performance.now();
    setImmediate(this.endTurn);
  }

  /** `link` has something to send at the end of this turn. Said once a turn. */
  wake(link: Flushed): void {
    this.woken.push(link);
    this.begin();
  }

  /** Ends the turn at once, as an orderly stop does: no deadline is waited for any more. */
  finish(): void {
    this.isFinished = true;
    this.onEnd();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.timerAt = Number.POSITIVE_INFINITY;
  }

  private onEnd(): void {
    this.isScheduled = false;
    this.driven.onTurnEnd();
    const { woken } = this;
    if (woken.length > 0) {
      this.woken = this.flushing;
      this.flushing = woken;
      for (let i = 0; i < woken.length; i++) woken[i]!.flush();
      woken.length = 0;
    }
    if (this.driven.isUnfinished && !this.isFinished) this.begin();
    this.setTimer();
  }

  private onDeadline(): void {
    this.timer = null;
    this.timerAt = Number.POSITIVE_INFINITY;
    this.begin();
    this.driven.onTick(performance.now());
  }

  private setTimer(): void {
    const { next } = this.driven.deadlines;
    if (next >= this.timerAt || next === Number.POSITIVE_INFINITY || this.isFinished) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timerAt = next;
    const delay = Math.max(0, Math.ceil(next - performance.now()));
    this.timer = setTimeout(this.onTimer, Math.min(delay, DELAY_MS_MAX));
  }
}
