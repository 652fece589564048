/** The real clock: monotonic time, timers, and the ends of the event loop's turns. */
import type { Clock } from "../client/clock.ts";

/** Node's timers end at 2^31 - 1 ms and fire at once beyond; an early call is harmless here. */
const DELAY_MAX_MS = 2_147_483_647;

export const systemClock: Clock = {
  // Not performance.now(), which loads perf_hooks: 2.5 ms that each start of ts-pub would pay.
  now() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  after(delayMs, callback) {
    // Rounded up: a timer that fires early finds nothing due and only has to be set again.
    const timer = setTimeout(callback, Math.min(Math.ceil(delayMs), DELAY_MAX_MS));
    return () => clearTimeout(timer);
  },
  atTurnEnd: (callback) => process.nextTick(callback),
  nextTurn: (callback) => void setImmediate(callback),
};
