/**
 * What the client asks of time and chance. `io/clock.ts` and `io/random.ts` have the real ones; a
 * test brings its own and jumps.
 */

export interface Clock {
  /** Milliseconds, on a clock that never goes back. Its zero means nothing. */
  now(): number;
  /** Calls `callback` once in `delayMs` or a little later. @returns What calls it off. */
  after(delayMs: number, callback: () => void): () => void;
  /**
   * Calls `callback` when the current turn's work is done, before anything waits for the network.
   */
  atTurnEnd(callback: () => void): void;
  /** Calls `callback` in the next turn: promises settled in this one have had their say by then. */
  nextTurn(callback: () => void): void;
}

/** A number in [0, 1), anew at each call. Not for secrets. */
export type Chance = () => number;
