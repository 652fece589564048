/**
 * The time of day with nanoseconds, for ts-sub's -F.
 *
 * Node tells the time of day in milliseconds, and finer only that of its own start; a monotonic
 * clock in nanoseconds tells what has gone by since. Where the time of day was set meanwhile, the
 * two are put together anew, to the millisecond.
 */
import type { Instant } from "./format.ts";

const MS = 1_000_000n;
const SECOND = 1_000_000_000n;
/** Further apart than reading two clocks one after the other explains. */
const APART_MAX = 2n * MS;

/** @returns What tells the time, anew at each call. */
export function wallClock(): () => Instant {
  const started = BigInt(Math.round(performance.timeOrigin * 1000)) * 1000n;
  const since = BigInt(Math.round(performance.now() * 1_000_000));
  let offset = started + since - process.hrtime.bigint();
  return () => {
    const monotonic = process.hrtime.bigint();
    const coarse = BigInt(Date.now()) * MS;
    const apart = coarse - (monotonic + offset);
    if (apart > APART_MAX || apart < -APART_MAX) offset = coarse - monotonic;
    const now = monotonic + offset;
    return { seconds: Number(now / SECOND), nanoseconds: Number(now % SECOND) };
  };
}
