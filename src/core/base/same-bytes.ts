/** Compares bytes in place. Hot path. Budget: no allocation; short ranges beat a call into C++. */

/** Whether `bytes[start, end)` are the same as all of `known`. */
export function sameBytes(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const size = end - start;
  if (known.length !== size) return false;
  for (let i = 0; i < size; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
