/** Names for messages that grow in time and are never given out twice (mosquitto-2.1 g). */
import type { StoreId } from "./rows.ts";

/** Where store_id counts from, in Unix seconds, and how far it goes in one. */
const EPOCH = 1_637_168_273;
const PER_SECOND = 8_388_608;

export class StoreIds {
  private last: number;

  /** @param last The highest in the database. */
  constructor(last: StoreId) {
    // One of another node's is beyond any of ours.
    this.last = typeof last === "number" ? last : 0;
  }

  next(unixMs: number): number {
    const byTime = Math.floor((unixMs / 1000 - EPOCH) * PER_SECOND);
    this.last = Math.max(this.last + 1, byTime);
    return this.last;
  }
}

/** Calls `onRange` for all numbers, those side by side in one range. Sorts them. */
export function forRanges(numbers: number[], onRange: (first: number, last: number) => void): void {
  if (numbers.length === 0) return;
  numbers.sort((a, b) => a - b);
  let first = numbers[0]!;
  let last = first;
  for (const number of numbers) {
    if (number > last + 1) {
      onRange(first, last);
      first = number;
    }
    last = number;
  }
  onRange(first, last);
}
