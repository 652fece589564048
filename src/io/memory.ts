/**
 * Memory and processor time of this process, for `$SYS/broker/heap`, memory_limit and metrics.
 *
 * The heap is asked of V8 alone: Node's own `process.memoryUsage` opens a file, and throws when
 * none may be opened any more.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Memory } from "../broker/broker.ts";

/** Milliseconds from one collection to the next, at least. */
const PAUSE_MS_MIN = 1000;
/** So many times as long as the last one took: they are to take a twentieth of the time at most. */
const PAUSE_FACTOR = 20;

export class ProcessMemory implements Memory {
  private highest = 0;
  private gc: (() => void) | null = null;
  private collectsFrom = 0;

  current(): number {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    this.highest = Math.max(this.highest, heap + external);
    return heap + external;
  }

  peak(): number {
    return this.highest;
  }

  collect(): boolean {
    const begin = performance.now();
    if (begin < this.collectsFrom) return false;
    this.gc ??= collector();
    this.gc();
    const end = performance.now();
    this.collectsFrom = end + Math.max(PAUSE_MS_MIN, PAUSE_FACTOR * (end - begin));
    return true;
  }
}

/** V8's own, which Node shows to those who ask for it by a flag; a context made then has it. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

/** Bytes of memory that the process has; undefined when it cannot be found out. */
export function residentBytes(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch {
    // Too many open files, most likely.
    return undefined;
  }
}

/** Seconds of processor time since the start, of all threads, for the program and in the kernel. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
