/** When something that was moving has come to rest: for back-pressure, whose sign is that. */

/** Looks in a row that see the same number before it counts as standing still. */
const LOOKS = 40;

/** A condition for `waitFor`: that `measure` is above 0 and has stopped changing. */
export function stands(measure: () => number): () => boolean {
  let before = 0;
  let looks = 0;
  return () => {
    const now = measure();
    looks = now === before && now > 0 ? looks + 1 : 0;
    before = now;
    return looks >= LOOKS;
  };
}
