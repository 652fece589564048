/**
 * Packets of one chunk that go on as they are: neighbours leave as one slice.
 *
 * Hot path. Budget: no allocation; one copy a slice.
 */
import type { OutBuffer } from "../core/base/out-buffer.ts";

export class Slices {
  private readonly out: OutBuffer;
  private from = 0;
  private to = 0;

  constructor(out: OutBuffer) {
    this.out = out;
  }

  /** Lets the packet `bytes[start, end)` go on, together with those before it. */
  pass(bytes: Buffer, start: number, end: number): void {
    if (this.to !== start || this.to === this.from) {
      this.flush(bytes);
      this.from = start;
    }
    this.to = end;
    // A packet that was gathered stands in a buffer of its own.
    if (start === 0) this.flush(bytes);
  }

  /** What has been let go on goes: before anything else is written, and at the chunk's end. */
  flush(bytes: Buffer): void {
    if (this.to > this.from) this.out.append(bytes, this.from, this.to);
    this.from = 0;
    this.to = 0;
  }
}
