/** The begin of a file, for files that are small unless somebody has named the wrong one. */
import { closeSync, openSync, readSync } from "node:fs";

/**
 * At most `bytesMax` bytes: a device may never end.
 *
 * @param isEnough Asked after each piece, for instance of a pipe that stays open.
 * @throws {Error} of Node.js, when it cannot be opened or read.
 */
export function beginOfFile(
  path: string,
  bytesMax: number,
  isEnough: (bytes: Buffer) => boolean = () => false,
): Buffer {
  const file = openSync(path, "r");
  try {
    let bytes = Buffer.alloc(Math.min(bytesMax, 4096));
    let end = 0;
    while (end < bytesMax) {
      if (end === bytes.length) {
        bytes = Buffer.concat([bytes], Math.min(bytesMax, 2 * end));
      }
      const count = readSync(file, bytes, end, bytes.length - end, null);
      end += count;
      if (count === 0 || isEnough(bytes.subarray(0, end))) break;
    }
    return bytes.subarray(0, end);
  } finally {
    closeSync(file);
  }
}
