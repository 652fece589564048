/**
 * Copies of small pieces of bytes, side by side in blocks, for what outlives the buffer it came in
 * by a moment. A block lasts as long as any piece in it is in use.
 *
 * Hot path. Budget: no allocation per piece, but one block for many.
 */
import { copyRange } from "./out-buffer.ts";

const BLOCK_SIZE = 65_536;
/** What is larger has a buffer of its own, so that little of a block is ever left over. */
const PIECE_SIZE_MAX = 4096;

const NO_BLOCK = Buffer.alloc(0);

export class Slab {
  /** Where the last piece stands. Changes with every `put`. */
  bytes: Buffer = NO_BLOCK;
  private block: Buffer = NO_BLOCK;
  private used = 0;

  /** Copies `from[start, end)`. @returns Where in `bytes` the copy begins. */
  put(from: Buffer, start: number, end: number): number {
    const size = end - start;
    if (size > PIECE_SIZE_MAX) {
      this.bytes = Buffer.allocUnsafeSlow(size);
      from.copy(this.bytes, 0, start, end);
      return 0;
    }
    if (this.used + size > this.block.length) {
      this.block = Buffer.allocUnsafeSlow(BLOCK_SIZE);
      this.used = 0;
    }
    const at = this.used;
    this.used = at + size;
    this.bytes = this.block;
    copyRange(from, start, end, this.block, at);
    return at;
  }
}
