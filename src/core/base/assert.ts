/** Assertions about our own code. A failure is a defect here, never a peer's: nobody catches it. */

/** Thrown by `assert`. Left uncaught on purpose, so that a wrong state stops the process. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops the process unless `condition` holds. `why` states what must hold, not what failed. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new AssertionError(why);
}
