/**
 * Memory and processor time of this process, for `$SYS/broker/heap` and metrics.
 *
 * The heap is asked of V8 alone: Node's own `process.memoryUsage` opens a file, and throws when
 * none may be opened any more.
 */
import { getHeapStatistics } from "node:v8";
import type { Memory } from "../broker/broker.ts";

export class ProcessMemory implements Memory {
  private highest = 0;

  current(): number {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    this.highest = Math.max(this.highest, heap + external);
    return heap + external;
  }

  peak(): number {
    return this.highest;
  }
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
