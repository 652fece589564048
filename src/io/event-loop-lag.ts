/** How late the event loop is: how long what is due has to wait for what runs. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** Milliseconds between looks. */
const RESOLUTION_MS = 20;
const NS_PER_S = 1e9;

/** In seconds, since it was last asked. */
export interface Lag {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class EventLoopLag {
  private readonly histogram: IntervalHistogram;

  constructor() {
    this.histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.histogram.enable();
  }

  /** What it was since the last call. */
  take(): Lag {
    const { histogram } = this;
    const none = histogram.count === 0;
    // What is measured is the whole time between looks.
    const late = (ns: number) => (none ? 0 : Math.max(0, ns / NS_PER_S - RESOLUTION_MS / 1000));
    const lag: Lag = {
      mean: late(histogram.mean),
      p50: late(histogram.percentile(50)),
      p99: late(histogram.percentile(99)),
      max: late(histogram.max),
    };
    histogram.reset();
    return lag;
  }
}
