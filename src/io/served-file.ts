/**
 * Opens files that are for everybody who asks: those below one directory, and nothing that a link
 * there leads to outside.
 */
import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { Readable } from "node:stream";

export interface ServedFile {
  /** Bytes that `stream` has. */
  readonly size: number;
  /** Closes the file at its end. */
  readonly stream: Readable;
}

/** What a path that names no file of ours looks like; anything else is the machine's trouble. */
const NO_SUCH = new Set([
  "ENOENT",
  "ENOTDIR",
  "EACCES",
  "EPERM",
  "ELOOP",
  "ENAMETOOLONG",
  "EISDIR",
]);

/**
 * @param names The path below `directory`; none is "", "." or "..", nor has a separator.
 * @returns Undefined where there is no such file, or it is not one to be served.
 * @throws The system's error, such as EMFILE.
 */
export async function openBelow(
  directory: string,
  names: readonly string[],
): Promise<ServedFile | undefined> {
  let handle: FileHandle | undefined;
  try {
    const root = await realpath(directory);
    const path = await realpath(join(root, ...names));
    if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined;
    // Not to wait for whoever might write into a pipe.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0);
    handle = await open(path, flags);
    const stat = await handle.stat();
    if (!stat.isFile()) return undefined;
    const { size } = stat;
    if (size === 0) return { size, stream: Readable.from([]) };
    // A file that grows meanwhile is sent as long as it was.
    const stream = handle.createReadStream({ start: 0, end: size - 1 });
    handle = undefined;
    return { size, stream };
  } catch (error) {
    if (NO_SUCH.has(String((error as { code?: unknown }).code))) return undefined;
    throw error;
  } finally {
    await handle?.close();
  }
}
