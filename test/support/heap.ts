/**
 * What a piece of code takes of the heap, garbage included: how the budgets of hot paths are
 * checked, a few bytes a packet at most.
 */
import { getHeapStatistics } from "node:v8";

const BATCH = 15;
/** V8 has compiled by then what it compiles. */
const BATCHES_MAX = 60;

/**
 * Bytes that `body` takes once it is compiled: the median of a batch of rounds, for the garbage
 * collector comes in between now and then.
 *
 * @param enough Whether it takes less is not asked.
 */
export function heapBytesTaken(enough: number, body: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < BATCHES_MAX && least > enough; batch++) {
    const taken = Array.from({ length: BATCH }, () => {
      const before = getHeapStatistics().used_heap_size;
      body();
      return getHeapStatistics().used_heap_size - before;
    });
    taken.sort((a, b) => a - b);
    least = Math.min(least, taken[(BATCH - 1) / 2]!);
  }
  return least;
}
