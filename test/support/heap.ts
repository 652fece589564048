/**
 * What a piece of code takes of the heap, garbage included: how the budgets of hot paths are
 * checked, a few bytes a packet at most.
 */
import { getHeapStatistics } from "node:v8";

/** Rounds before one counts: V8 compiles what is run often. */
const WARM_UP = 20;

/** Bytes that `body` takes: the least of many rounds, for the machine takes some now and then. */
export function heapBytesTaken(body: () => void, rounds = 60): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const before = getHeapStatistics().used_heap_size;
    body();
    const taken = getHeapStatistics().used_heap_size - before;
    // Below 0 the garbage collector came in between.
    if (i >= WARM_UP && taken >= 0 && taken < least) least = taken;
  }
  return least;
}
