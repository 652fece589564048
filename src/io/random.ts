/** Chance for jitter and made-up identifiers. Not for secrets. */

/** A number in [0, 1). */
export function fraction(): number {
  return Math.random();
}
