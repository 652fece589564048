/**
 * The TLS key log (NSS's format), with which whoever records the wire can read it. It is nobody
 * else's to read: a file that others may open is not written to.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";

export interface KeyLog {
  /** @param line With its end. */
  write(line: Buffer): void;
  close(): void;
}

const FILE_MODE = 0o600;
const OTHERS = 0o077;

/**
 * Opens the file at `path`, or makes it; what is there stays.
 *
 * @throws The system's error, or one whose message says why the file is not safe.
 */
export function openKeyLog(path: string): KeyLog {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
  const stat = fstatSync(file);
  const why = !stat.isFile()
    ? "it is no file"
    : (stat.mode & OTHERS) !== 0 && process.platform !== "win32"
      ? `others may open it; \`chmod 0600 ${path}\` changes that`
      : undefined;
  if (why !== undefined) {
    closeSync(file);
    throw new Error(why);
  }
  return {
    write(line) {
      try {
        writeSync(file, line);
      } catch {
        // A full disk must not end the connection that is looked into.
      }
    },
    close: () => closeSync(file),
  };
}
