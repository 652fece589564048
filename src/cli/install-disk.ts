/**
 * What an installation asks of a file system, and the real one.
 *
 * All of it is synchronous: between two calls the caller lets signals come in. Whatever cannot be
 * done throws the system's error.
 */
import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  type Stats,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { codeOf } from "../server/failure.ts";

/** What is at a path. A link is not followed. */
export type Found =
  | { readonly is: "nothing" }
  | { readonly is: "file"; readonly sha256: string; readonly bytes: number }
  | { readonly is: "link"; readonly to: string }
  | { readonly is: "directory" }
  | { readonly is: "other" };

/** What looks, and changes nothing. */
export interface Sight {
  look(path: string): Found;
  /** A link to a directory is one. */
  isDirectory(path: string): boolean;
  /** The text of a file; undefined where there is nothing. */
  read(path: string): string | undefined;
  /** Throws the system's error where nothing can be made or removed in the directory. */
  checkWritable(directory: string): void;
  /** How many bytes fit there, and on which disk that is. */
  roomIn(directory: string): { readonly disk: string; readonly bytes: number };
}

/** What changes something. Everything written is on the disk when the call returns. */
export interface Disk extends Sight {
  /** A new file: there must be nothing. */
  write(path: string, text: string, mode: number): void;
  /** The same, of another file's bytes. */
  copy(from: string, to: string, mode: number): void;
  /** A second name for a file. */
  link(from: string, to: string): void;
  symlink(to: string, path: string): void;
  /** Replaces what is at `to`. */
  rename(from: string, to: string): void;
  /** A file or a link; nothing happens where there is nothing. */
  remove(path: string): void;
  makeDirectory(path: string): void;
  /** Nothing happens where it is not empty, or not there. */
  removeDirectory(path: string): void;
}

const CHUNK_BYTES = 1 << 20;
const DIRECTORY_MODE = 0o755;

/** The machine's own. */
export class RealDisk implements Disk {
  /** By device and inode: the names of one file are read once. */
  private readonly hashes = new Map<string, string>();

  look(path: string): Found {
    let stats: Stats;
    try {
      stats = lstatSync(path);
    } catch (error) {
      if (isAbsence(error)) return { is: "nothing" };
      throw error;
    }
    if (stats.isSymbolicLink()) return { is: "link", to: readlinkSync(path) };
    if (stats.isDirectory()) return { is: "directory" };
    if (!stats.isFile()) return { is: "other" };
    return { is: "file", sha256: this.hashOf(path, stats), bytes: stats.size };
  }

  isDirectory(path: string): boolean {
    try {
      return statSync(path).isDirectory();
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  read(path: string): string | undefined {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  checkWritable(directory: string): void {
    accessSync(directory, constants.W_OK | constants.X_OK);
  }

  roomIn(directory: string): { disk: string; bytes: number } {
    const { bavail, bsize } = statfsSync(directory);
    return { disk: `${statSync(directory).dev}`, bytes: bavail * bsize };
  }

  write(path: string, text: string, mode: number): void {
    const fd = openSync(path, "wx", mode);
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // What the umask took away.
    chmodSync(path, mode);
  }

  copy(from: string, to: string, mode: number): void {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    chmodSync(to, mode);
    const fd = openSync(to, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  link(from: string, to: string): void {
    linkSync(from, to);
  }

  symlink(to: string, path: string): void {
    symlinkSync(to, path);
  }

  rename(from: string, to: string): void {
    renameSync(from, to);
  }

  remove(path: string): void {
    try {
      unlinkSync(path);
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
  }

  makeDirectory(path: string): void {
    mkdirSync(path, { mode: DIRECTORY_MODE });
    chmodSync(path, DIRECTORY_MODE);
  }

  removeDirectory(path: string): void {
    try {
      rmdirSync(path);
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (!isAbsence(error) && !["ENOTEMPTY", "EEXIST"].includes(code)) throw error;
    }
  }

  private hashOf(path: string, { dev, ino, size, mtimeMs }: Stats): string {
    const key = `${dev} ${ino} ${size} ${mtimeMs}`;
    const known = this.hashes.get(key) ?? hashOfFile(path);
    this.hashes.set(key, known);
    return known;
  }
}

/** Without holding all of a large file in memory. */
function hashOfFile(path: string): string {
  const hash = createHash("sha256");
  const fd = openSync(path, "r");
  try {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, fstatSync(fd).size + 1));
    for (let count = -1; count !== 0; ) {
      count = readSync(fd, chunk);
      hash.update(chunk.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

/** ENOTDIR: what would be its directory is a file. */
function isAbsence(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "");
}
