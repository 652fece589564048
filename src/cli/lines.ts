/**
 * Cuts a stream of bytes into lines, for ts-pub -l.
 *
 * A line ends at "\n", which is not part of it; everything else is: "\r", NUL, bytes that are no
 * UTF-8. A last line without "\n" is one, an empty rest is none. No byte is looked at twice, and
 * nothing is kept but the line that has not ended.
 */

const NEWLINE = 0x0a;
/** So many bytes are looked at one by one before the search is Node's. */
const NEAR_BYTES = 48;

export class LineSplitter {
  private readonly bytesMax: number;
  /** The parts of a line that has not ended. */
  private parts: Buffer[] = [];
  private partsBytes = 0;

  /** @param bytesMax A longer line cannot be sent, and is refused before it fills memory. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * Tells `onLine` the lines that `chunk` ends, in order. They may be slices of it.
   * @throws {LineTooLong} after the lines before it have been told.
   */
  push(chunk: Buffer, onLine: (line: Buffer) => void): void {
    let start = 0;
    for (;;) {
      const end = newlineIn(chunk, start);
      if (end < 0) break;
      const line = chunk.subarray(start, end);
      if (this.partsBytes === 0 && line.length <= this.bytesMax) onLine(line);
      else {
        this.grow(line);
        onLine(this.take());
      }
      start = end + 1;
    }
    if (start < chunk.length) this.grow(chunk.subarray(start));
  }

  /** The line the stream ends in the middle of, if it does. */
  end(): Buffer | undefined {
    return this.partsBytes === 0 ? undefined : this.take();
  }

  private grow(part: Buffer): void {
    this.partsBytes += part.length;
    if (this.partsBytes > this.bytesMax) throw new LineTooLong(this.bytesMax);
    this.parts.push(part);
  }

  private take(): Buffer {
    const line = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
    this.parts = [];
    this.partsBytes = 0;
    return line;
  }
}

/** Where the next line ends, -1 for not in `chunk`. */
function newlineIn(chunk: Buffer, start: number): number {
  // Most lines are short, and a call that leaves JavaScript costs what fifty bytes do here.
  const near = Math.min(start + NEAR_BYTES, chunk.length);
  for (let at = start; at < near; at++) {
    if (chunk[at] === NEWLINE) return at;
  }
  return near < chunk.length ? chunk.indexOf(NEWLINE, near) : -1;
}

export class LineTooLong extends Error {
  override readonly name = "LineTooLong";

  constructor(bytesMax: number) {
    super(`A line of the input is longer than ${bytesMax} bytes.`);
  }
}
