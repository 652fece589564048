/**
 * Memory of this process, for `$SYS/broker/heap`.
 *
 * Asks V8 alone: Node's own `process.memoryUsage` opens a file, and throws when none may be opened
 * any more.
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
