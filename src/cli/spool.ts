/**
 * Lines that outlive ts-pub: the file of --spool.
 *
 *     ts-pub spool 1 00000000000000000063      where the first line that is left stands
 *     {"kind":"lines","topic":"a/b"}           what the lines are for
 *     first line that is left …                each ends in a newline
 *
 * What holds at every moment, so that the process may end at any:
 *   - a line counts as read once it is in the file with its newline; what stands behind the last
 *     newline was cut off by a crash, did not count, and is dropped when the file is opened
 *   - lines are removed in order, once they and all before them are done with
 *   - a line is never removed that was not; one that was may come again after a crash
 *
 * Pure: the disk is handed in. What fails there is thrown as it comes.
 */
import { Ring } from "../core/base/ring.ts";

/** A file, as the spool needs it. Every call may throw what the system says. */
export interface SpoolDisk {
  /** Bytes. */
  readonly size: number;
  /** Up to `length` bytes from `at`, fewer only at the end of the file. */
  read(at: number, length: number): Buffer;
  write(at: number, bytes: Buffer): void;
  truncate(size: number): void;
  /** Puts `start` and all bytes from `from` in the place of everything, wholly or not at all. */
  replace(start: Buffer, from: number): void;
}

/** Tests shrink them. */
export interface SpoolLimits {
  /** Removed bytes that are worth a smaller file, if they are as many as those that are left. */
  readonly garbageBytes: number;
  /** Bytes read at once. */
  readonly blockBytes: number;
}

/** The file cannot be used. The message is a phrase that follows the name of the file. */
export class SpoolError extends Error {
  override readonly name = "SpoolError";
}

/** A line on its way. */
export interface SpooledLine {
  /** Without its newline. */
  readonly bytes: Buffer;
  /** Where the line after it stands. Written by `Spool` only, like `isDone`. */
  end: number;
  isDone: boolean;
}

export const SPOOL_LIMITS: SpoolLimits = { garbageBytes: 1_048_576, blockBytes: 65_536 };

const MAGIC = "ts-pub spool 1 ";
const DIGITS = 20;
const HEADER_BYTES = MAGIC.length + DIGITS + 1;
/** The second line is a topic in JSON, each byte of which is six at most. */
const PURPOSE_BYTES_MAX = 6 * 65_535 + 100;
const NEWLINE = 0x0a;

export class Spool {
  /** Bytes of a line that a crash had cut off, and that are dropped. */
  readonly droppedBytes: number;
  private readonly disk: SpoolDisk;
  private readonly limits: SpoolLimits;
  private readonly purpose: Buffer;
  /** Where the lines begin. */
  private readonly start: number;
  /** Where the first line stands that is not done with. */
  private head: number;
  /** What the file says of `head`. */
  private headWritten: number;
  /** Where the line stands that is taken next. */
  private cursor: number;
  /** Where the file ends. */
  private end: number;
  /** Taken and not removed, in order. */
  private readonly taken = new Ring<SpooledLine>();
  /** Bytes of the file from `blockAt`. */
  private block: Buffer = Buffer.alloc(0);
  private blockAt = 0;
  /** Where `head` must be before a smaller file is tried for. */
  private shrinkFrom = 0;

  /**
   * @param purpose What the lines are for: one line of JSON. The lines of another purpose are not
   *   sent.
   * @throws {SpoolError} the file is no spool, is damaged, or has lines for another purpose.
   */
  constructor(disk: SpoolDisk, purpose: string, limits: SpoolLimits = SPOOL_LIMITS) {
    this.disk = disk;
    this.limits = limits;
    this.purpose = Buffer.from(`${purpose}\n`);
    this.start = HEADER_BYTES + this.purpose.length;
    const found = readStart(disk);
    this.droppedBytes = found === undefined ? 0 : dropTornLine(disk, found.start);
    const isEmpty = found === undefined || found.head >= disk.size;
    if (isEmpty) this.begin();
    else if (found.purpose !== purpose) throw new SpoolError(`has lines for ${found.purpose}`);
    else if (!isLineStart(disk, found.head)) throw new SpoolError("is damaged");
    this.head = isEmpty ? this.start : found.head;
    this.headWritten = this.head;
    this.cursor = this.head;
    this.end = disk.size;
  }

  /** Nothing is left to be taken or done with. */
  get isEmpty(): boolean {
    return this.head === this.end;
  }

  /** Every line has been taken. */
  get isAllTaken(): boolean {
    return this.cursor === this.end;
  }

  /** Puts lines into the file, each with its newline. All are in it when this returns, or none. */
  append(lines: Buffer): void {
    try {
      this.disk.write(this.end, lines);
    } catch (error) {
      // What was written of them must not become a line together with what comes next.
      this.disk.truncate(this.end);
      throw error;
    }
    this.end += lines.length;
  }

  /**
   * The next line to send, undefined when all have been taken.
   * @throws {SpoolError} somebody else has written to the file.
   */
  take(): SpooledLine | undefined {
    if (this.isAllTaken) return undefined;
    const from = this.cursor - this.blockAt;
    const found = from < this.block.length ? this.block.indexOf(NEWLINE, from) : -1;
    const newline = found < 0 ? this.readOn() : found;
    const bytes = this.block.subarray(this.cursor - this.blockAt, newline);
    const line = { bytes, end: this.blockAt + newline + 1, isDone: false };
    this.cursor = line.end;
    this.taken.push(line);
    return line;
  }

  /** The line has arrived, or will never be wanted. `flush` tells the file. */
  finish(line: SpooledLine): void {
    line.isDone = true;
    while (this.taken.at(0)?.isDone) this.head = this.taken.shift()!.end;
  }

  /** Writes down how far lines are done with. To be called after `finish`, once for many. */
  flush(): void {
    if (this.head === this.headWritten) return;
    if (this.isEmpty) this.clear();
    else if (this.isWorthShrinking()) this.shrink();
    else this.writeHead();
  }

  /** How many lines are left. Reads all of them. */
  countLeft(): number {
    let count = 0;
    for (let at = this.head; at < this.end; ) {
      const block = this.disk.read(at, this.limits.blockBytes);
      if (block.length === 0) break;
      for (let found = block.indexOf(NEWLINE); found >= 0; count++) {
        found = block.indexOf(NEWLINE, found + 1);
      }
      at += block.length;
    }
    return count;
  }

  private begin(): void {
    // Emptied first: a crash in between leaves an empty file, which is a spool too.
    if (this.disk.size > 0) this.disk.truncate(0);
    this.disk.write(0, Buffer.concat([headerOf(this.start), this.purpose]));
  }

  /** Reads on from the cursor. @returns Where in `block` its line ends. */
  private readOn(): number {
    const left = this.end - this.cursor;
    this.blockAt = this.cursor;
    // Of a line that is longer than a block twice as much each time, so that it is not read often.
    for (let wanted = this.limits.blockBytes; ; wanted *= 2) {
      this.block = this.disk.read(this.cursor, Math.min(wanted, left));
      const newline = this.block.indexOf(NEWLINE);
      if (newline >= 0) return newline;
      if (wanted >= left) throw new SpoolError("was changed by another program");
    }
  }

  private clear(): void {
    // The size first: a head beyond the end of the file says that nothing is left.
    this.disk.truncate(this.start);
    this.head = this.start;
    this.cursor = this.start;
    this.end = this.start;
    this.block = Buffer.alloc(0);
    this.shrinkFrom = 0;
    this.writeHead();
  }

  private isWorthShrinking(): boolean {
    const garbage = this.head - this.start;
    const least = Math.max(this.limits.garbageBytes, this.end - this.head);
    return garbage >= least && this.head >= this.shrinkFrom;
  }

  private shrink(): void {
    try {
      this.disk.replace(Buffer.concat([headerOf(this.start), this.purpose]), this.head);
    } catch {
      // No room for a copy, most likely. The file does as it is, and has room again when empty.
      this.shrinkFrom = this.head + this.limits.garbageBytes;
      this.writeHead();
      return;
    }
    const shift = this.head - this.start;
    for (let i = 0; i < this.taken.length; i++) this.taken.at(i)!.end -= shift;
    this.head = this.start;
    this.headWritten = this.start;
    this.cursor -= shift;
    this.end -= shift;
    this.blockAt -= shift;
    this.shrinkFrom = 0;
  }

  private writeHead(): void {
    this.disk.write(0, headerOf(this.head));
    this.headWritten = this.head;
  }
}

/** All of one length, so that a new one goes over the old in one write within one sector. */
function headerOf(head: number): Buffer {
  return Buffer.from(`${MAGIC}${String(head).padStart(DIGITS, "0")}\n`);
}

/** What the file says of itself; undefined when it is new. @throws {SpoolError} */
function readStart(
  disk: SpoolDisk,
): { readonly head: number; readonly purpose: string; readonly start: number } | undefined {
  const found = disk.read(0, HEADER_BYTES + PURPOSE_BYTES_MAX).toString("latin1");
  const fields = /^ts-pub spool 1 (\d{20})\n([^\n]*)\n/.exec(found);
  if (fields === null) {
    // A crash at its making: no line can have been put into it.
    if (isBeginning(found)) return undefined;
    throw new SpoolError("is no spool of ts-pub");
  }
  const [all, digits, purpose] = fields as unknown as [string, string, string];
  const head = Number(digits);
  const start = all.length;
  // Only `clear` leaves it so, which takes all lines away.
  if (head > disk.size && disk.size !== start) throw new SpoolError("is damaged");
  return { head, purpose: Buffer.from(purpose, "latin1").toString(), start };
}

function isBeginning(found: string): boolean {
  if (found.length <= MAGIC.length) return MAGIC.startsWith(found);
  return /^ts-pub spool 1 \d{0,20}$|^ts-pub spool 1 \d{20}\n(\{[^\n]*)?$/.test(found);
}

/** Cuts off what stands behind the last newline. @returns How many bytes those were. */
function dropTornLine(disk: SpoolDisk, start: number): number {
  const { size } = disk;
  let end = size;
  while (end > start) {
    const from = Math.max(start, end - SPOOL_LIMITS.blockBytes);
    const newline = disk.read(from, end - from).lastIndexOf(NEWLINE);
    end = newline < 0 ? from : from + newline + 1;
    if (newline >= 0) break;
  }
  if (end < size) disk.truncate(end);
  return size - end;
}

function isLineStart(disk: SpoolDisk, at: number): boolean {
  return at > HEADER_BYTES && disk.read(at - 1, 1)[0] === NEWLINE;
}
