/**
 * Bytes on their way out, gathered until the turn ends: many small packets become one write.
 *
 * Everything is copied in, so that what it came from may be written to again. Holds no memory while
 * it is empty.
 *
 * Hot path. Budget: no allocation per packet; one buffer a turn, taken from the pool.
 */

const CHUNK_SIZE = 2048;
const CHUNK_SIZE_MAX = 65_536;
/** Bytes that the pool keeps in all. What is given beyond is left to the garbage collector. */
const POOLED_BYTES_MAX = 16 * 1024 * 1024;

/** Buffers that went out and may be written again, by size. Shared by all links of one process. */
export class BufferPool {
  private readonly bySize = new Map<number, Buffer[]>();
  private bytes = 0;

  take(size: number): Buffer {
    const kept = this.bySize.get(size)?.pop();
    if (kept === undefined) return Buffer.allocUnsafeSlow(size);
    this.bytes -= size;
    return kept;
  }

  /** Gives a buffer back. Nobody may hold a view of it. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (size < CHUNK_SIZE || size > CHUNK_SIZE_MAX || (size & (size - 1)) !== 0) return;
    if (this.bytes + size > POOLED_BYTES_MAX) return;
    this.bytes += size;
    const kept = this.bySize.get(size);
    if (kept === undefined) this.bySize.set(size, [buffer]);
    else kept.push(buffer);
  }
}

/** Takes bytes out. @returns Whether it is done with them: nobody reads them any more. */
export type Drain = (bytes: Buffer) => boolean;

/** A buffer that nothing more fits into. */
interface Full {
  readonly bytes: Buffer;
  readonly used: number;
}

export class OutBuffer {
  /** Where `reserve` made room. Changes with every call of `reserve` and `append`. */
  bytes: Buffer = EMPTY;
  private readonly pool: BufferPool;
  private used = 0;
  /** Buffers that are full, and how much of each is used; mostly there are none. */
  private full: Full[] | null = null;
  private fullSize = 0;

  constructor(pool: BufferPool) {
    this.pool = pool;
  }

  /** Bytes waiting to go out. */
  get length(): number {
    return this.fullSize + this.used;
  }

  /**
   * Makes room for `size` bytes, which the caller writes to `bytes` at once, all of them.
   *
   * @returns Where in `bytes` they are to stand.
   */
  reserve(size: number): number {
    const at = this.used;
    if (at + size > this.bytes.length) return this.grow(size);
    this.used = at + size;
    return at;
  }

  /** Adds a copy of `from[start, end)`. */
  append(from: Buffer, start: number, end: number): void {
    const at = this.reserve(end - start);
    copyRange(from, start, end, this.bytes, at);
  }

  /** Hands everything that waits to `drain`, in order, and is empty. */
  drain(drain: Drain): void {
    if (this.full !== null) this.drainFull(this.full, drain);
    if (this.used === 0) return;
    const { bytes, used } = this;
    this.bytes = EMPTY;
    this.used = 0;
    if (drain(bytes.subarray(0, used))) this.pool.give(bytes);
  }

  /** Adds everything that waits in `other`, which is empty afterwards. */
  appendAll(other: OutBuffer): void {
    other.drain((bytes) => {
      this.append(bytes, 0, bytes.length);
      return true;
    });
  }

  /** An empty one with the same pool. */
  another(): OutBuffer {
    return new OutBuffer(this.pool);
  }

  /** Everything that waits, copied into one buffer of its own; empty afterwards. */
  take(): Buffer {
    const parts: Buffer[] = [];
    this.drain((bytes) => {
      parts.push(bytes);
      return false;
    });
    return Buffer.concat(parts);
  }

  /** Drops everything that waits. */
  clear(): void {
    this.drain(() => true);
  }

  private drainFull(full: readonly Full[], drain: Drain): void {
    this.full = null;
    this.fullSize = 0;
    for (const { bytes, used } of full) {
      if (drain(bytes.subarray(0, used))) this.pool.give(bytes);
    }
  }

  private grow(size: number): number {
    const { used } = this;
    const capacity = this.bytes.length;
    if (used + size <= CHUNK_SIZE_MAX && capacity < CHUNK_SIZE_MAX) {
      let wanted = Math.max(CHUNK_SIZE, capacity * 2);
      while (wanted < used + size) wanted *= 2;
      const grown = this.pool.take(wanted);
      if (used > 0) this.bytes.copy(grown, 0, 0, used);
      this.pool.give(this.bytes);
      this.bytes = grown;
      this.used = used + size;
      return used;
    }
    if (used > 0) {
      this.full ??= [];
      this.full.push({ bytes: this.bytes, used });
      this.fullSize += used;
    }
    this.bytes =
      size > CHUNK_SIZE_MAX ? Buffer.allocUnsafeSlow(size) : this.pool.take(CHUNK_SIZE_MAX);
    this.used = size;
    return 0;
  }
}

/** Bytes up to which a loop beats the call into C++. */
const LOOPED_SIZE_MAX = 24;

/** Copies `from[start, end)` to `out[at…]`. */
export function copyRange(from: Buffer, start: number, end: number, out: Buffer, at: number): void {
  const size = end - start;
  if (size > LOOPED_SIZE_MAX) {
    from.copy(out, at, start, end);
    return;
  }
  for (let i = 0; i < size; i++) out[at + i] = from[start + i]!;
}

const EMPTY = Buffer.alloc(0);
