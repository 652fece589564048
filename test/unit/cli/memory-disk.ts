/** A disk in memory for the tests of the spool: it can be full, and stop amid a write. */
import type { SpoolDisk } from "../../../src/cli/spool.ts";

/** The process ends here. */
export class Crash extends Error {}

export class MemoryDisk implements SpoolDisk {
  /** Bytes that the file may have. */
  room = Infinity;
  refuseReplacing = false;
  private bytes: Buffer;
  private writesLeft = Infinity;
  private tornBytes = 0;

  constructor(text: string) {
    this.bytes = Buffer.from(text);
  }

  get size(): number {
    return this.bytes.length;
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** Ends the process at the write behind the next `writes`, when `tornBytes` of it are done. */
  crashAfter(writes: number, tornBytes: number): void {
    this.writesLeft = writes;
    this.tornBytes = tornBytes;
  }

  read(at: number, length: number): Buffer {
    return Buffer.from(this.bytes.subarray(at, at + length));
  }

  write(at: number, bytes: Buffer): void {
    const isLast = this.writesLeft-- <= 0;
    // As a disk has it: what overwrites within a sector is whole or not there.
    const torn = at === 0 && this.size > 0 ? 0 : this.tornBytes;
    const end = Math.min(isLast ? at + Math.min(torn, bytes.length) : Infinity, this.room);
    const part = bytes.subarray(0, Math.max(0, end - at));
    const behind = this.bytes.subarray(at + part.length);
    this.bytes = Buffer.concat([this.bytes.subarray(0, at), part, behind]);
    if (isLast) throw new Crash();
    if (part.length < bytes.length) throw new Error("ENOSPC");
  }

  truncate(size: number): void {
    if (this.writesLeft-- <= 0) throw new Crash();
    this.bytes = this.bytes.subarray(0, size);
  }

  replace(start: Buffer, from: number): void {
    if (this.refuseReplacing) throw new Error("ENOSPC");
    if (this.writesLeft-- <= 0) throw new Crash();
    this.bytes = Buffer.concat([start, this.bytes.subarray(from)]);
  }
}
