/**
 * Disks that can be filled and emptied again under a running broker: a small tmpfs where the system
 * lets us mount one, or a limit on how long the broker's files may get.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { find } from "../support/peers.ts";

/** A disk, and what makes it full for one process. */
export interface SmallDisk extends Disposable {
  readonly folder: string;
  /** Whether it is full for every process. */
  readonly isOnAll: boolean;
  /** Nothing more can be written by the process. */
  fill(pid: number): void;
  /** It can again, as much as these tests need. */
  makeRoom(pid: number): void;
}

export interface DiskKind {
  readonly name: string;
  open(): SmallDisk;
}

const BEGIN_MIB = 4;
const ROOM_MIB = 256;

class Tmpfs implements SmallDisk {
  readonly isOnAll = true;
  readonly folder = mkdtempSync(join(tmpdir(), "ts-mqtt-disk-"));
  private readonly filler = join(this.folder, "filler");

  constructor() {
    try {
      run("mount", "-t", "tmpfs", "-o", `size=${BEGIN_MIB}m,mode=0777`, "tmpfs", this.folder);
    } catch (error) {
      rmSync(this.folder, { recursive: true });
      throw error;
    }
  }

  fill(): void {
    for (const size of [65_536, 4_096]) {
      try {
        for (;;) writeFileSync(this.filler, Buffer.alloc(size), { flag: "a" });
      } catch {
        // As full as it gets with pieces of that size.
      }
    }
  }

  makeRoom(): void {
    run("mount", "-o", `remount,size=${ROOM_MIB}m`, this.folder);
    unlinkSync(this.filler);
  }

  [Symbol.dispose](): void {
    // Lazily: what a failed test has left open ends with its process.
    run("umount", "-l", this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Files of the process may not get longer than its write-ahead log is. */
class Limit implements SmallDisk {
  readonly isOnAll = false;
  readonly folder = mkdtempSync(join(tmpdir(), "ts-mqtt-disk-"));

  fill(pid: number): void {
    const { size } = statSync(join(this.folder, "mosquitto.sqlite3-wal"));
    run("prlimit", "--pid", `${pid}`, `--fsize=${size}:`);
  }

  makeRoom(pid: number): void {
    // The limit ends with its process.
    if (existsSync(`/proc/${pid}`)) run("prlimit", "--pid", `${pid}`, "--fsize=unlimited:");
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Those that this machine can have. */
export const DISKS: readonly DiskKind[] = [
  ...(canMount() ? [{ name: "a small file system", open: () => new Tmpfs() }] : []),
  ...(find("prlimit") ? [{ name: "a limit on its files", open: () => new Limit() }] : []),
];

function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    new Tmpfs()[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

function run(command: string, ...words: string[]): void {
  const { status, stderr, error } = spawnSync(command, words, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${words.join(" ")}: ${stderr}`);
}
