/**
 * The file of --spool on a real disk, for one process at a time.
 *
 * Beside it stands FILE.lock, a link whose target is the process that has it: made in one step, on
 * a full disk, too. A lock whose process is gone is taken over. It works among processes that see
 * each other's ids: not from one container to another.
 */
import {
  closeSync,
  fchmodSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { type SpoolDisk, SpoolError } from "./spool.ts";

/** Bytes copied at once into a smaller file. */
const COPY_BYTES = 1_048_576;
/** Readable to its owner only: lines may be nobody else's business. */
const MODE = 0o600;

export class SpoolFile implements SpoolDisk {
  /** As the user has named it. */
  readonly name: string;
  private readonly path: string;
  private readonly lock: string;
  private fd: number;
  private bytes: number;
  private syncing: Promise<void> | undefined;
  private syncIsDue = false;

  /**
   * Opens the file, or makes it, and locks it.
   * @throws {SpoolError} another process has it. What the system says, when it cannot be opened.
   */
  constructor(name: string) {
    this.name = name;
    // Looked at first: to open a pipe would wait for its reader.
    if (statSync(name, { throwIfNoEntry: false })?.isFile() === false) {
      throw new SpoolError("is no ordinary file");
    }
    closeSync(openSync(name, "a", MODE));
    // By its real name: two names of one file are one lock, and a link stays a link.
    this.path = realpathSync(name);
    this.lock = `${this.path}.lock`;
    takeLock(this.lock);
    try {
      this.fd = openSync(this.path, "r+");
      this.bytes = fstatSync(this.fd).size;
      if (this.bytes === 0) syncFolder(this.path);
    } catch (error) {
      unlinkSync(this.lock);
      throw error;
    }
  }

  get size(): number {
    return this.bytes;
  }

  read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.bytes - at)));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.fd, bytes, done, bytes.length - done, at + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  write(at: number, bytes: Buffer): void {
    writeAll(this.fd, at, bytes);
    this.bytes = Math.max(this.bytes, at + bytes.length);
  }

  truncate(size: number): void {
    ftruncateSync(this.fd, size);
    this.bytes = size;
  }

  replace(start: Buffer, from: number): void {
    const path = `${this.path}.new`;
    const fd = openSync(path, "w+", MODE);
    let size = start.length;
    try {
      fchmodSync(fd, fstatSync(this.fd).mode & 0o7777);
      writeAll(fd, 0, start);
      for (let at = from; at < this.bytes; ) {
        const part = this.read(at, COPY_BYTES);
        if (part.length === 0) throw new SpoolError("was changed by another program");
        writeAll(fd, size, part);
        at += part.length;
        size += part.length;
      }
      fsyncSync(fd);
      renameSync(path, this.path);
    } catch (error) {
      closeSync(fd);
      rmSync(path, { force: true });
      throw error;
    }
    closeSync(this.fd);
    this.fd = fd;
    this.bytes = size;
    // Or a loss of power might bring the old file back, without what is written from now on.
    syncFolder(this.path);
  }

  /** Resolves when all that was written is safe from a loss of power too. */
  async sync(): Promise<void> {
    // One call of the system does for all that ask while another is under way.
    if (this.syncing !== undefined) {
      this.syncIsDue = true;
      return this.syncing;
    }
    this.syncing = this.syncAll();
    return this.syncing;
  }

  private async syncAll(): Promise<void> {
    try {
      do {
        this.syncIsDue = false;
        await new Promise<void>((resolve, reject) => {
          const { fd } = this;
          // A file that was replaced meanwhile is closed, and was written to the disk itself.
          fdatasync(fd, (error) => {
            if (error === null || fd !== this.fd) resolve();
            else reject(error);
          });
        });
      } while (this.syncIsDue);
    } finally {
      this.syncing = undefined;
    }
  }

  /** Lets go of the file, and of its lock. */
  async close(): Promise<void> {
    await this.syncing?.catch(() => {});
    closeSync(this.fd);
    unlinkSync(this.lock);
  }
}

/** Makes the name of the file as safe as its bytes, where the file system can. */
function syncFolder(path: string): void {
  try {
    const fd = openSync(dirname(path), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Some cannot, and some folders may not be read: the file is as good as it gets.
  }
}

function writeAll(fd: number, at: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
}

/** @throws {SpoolError} another process has it. */
function takeLock(lock: string): void {
  const own = identity(process.pid) ?? `${process.pid}`;
  if (isMade(lock, own)) return;
  const holder = holderOf(lock);
  if (holder !== undefined && isAlive(holder)) throw inUse(holder);
  if (holder !== undefined) removeStale(lock, holder, `${lock}.${process.pid}`);
  if (!isMade(lock, own)) throw inUse(holderOf(lock) ?? "");
}

/** Takes the lock away, unless somebody has taken it over since `holder` was read in it. */
function removeStale(lock: string, holder: string, aside: string): void {
  try {
    renameSync(lock, aside);
  } catch {
    // Somebody else was faster.
    return;
  }
  const moved = holderOf(aside);
  if (moved !== undefined && moved !== holder) isMade(lock, moved);
  unlinkSync(aside);
}

/** @returns False when there is one. */
function isMade(lock: string, holder: string): boolean {
  try {
    symlinkSync(holder, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined: there is no lock. @throws {SpoolError} something else has its name. */
function holderOf(lock: string): string | undefined {
  try {
    return readlinkSync(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SpoolError("cannot be locked: a file has the name of its lock");
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function inUse(holder: string): SpoolError {
  return new SpoolError(`is in use by process ${Number.parseInt(holder, 10) || "?"}`);
}

function isAlive(holder: string): boolean {
  const pid = Number.parseInt(holder, 10);
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  // The number may be another process's by now.
  return !holder.includes(" ") || identity(pid) === holder;
}

/** The process's id and when it began; undefined where the system does not tell, or it is gone. */
function identity(pid: number): string | undefined {
  // What stands in brackets is the program's name, which may have spaces and brackets of its own.
  const stat = readIfThere(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, begun] = [fields?.[0], fields?.[19]];
  // Dead, but its parent has not looked yet: it holds nothing any more.
  if (begun === undefined || state === "Z" || state === "X") return undefined;
  return `${pid} ${begun}`;
}
