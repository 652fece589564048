/**
 * What an installation would do to each path, and what is in its way. Looks at the disk, and
 * changes nothing.
 *
 * What is ours: a path of the manifest that is as it was put there. Everything else is somebody
 * else's, and neither overwritten nor removed.
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { systemWords } from "../server/failure.ts";
import type { Found, Sight } from "./install-disk.ts";
import { type Item, PROGRAM } from "./install-layout.ts";
import type { Entry, Manifest } from "./install-manifest.ts";

const { dirname } = posix;

/** What is done to a path. */
export type Deed =
  | "make"
  | "create"
  | "replace"
  /** It is ours, and as it is to be. */
  | "keep"
  /** It is as it is to be, but was not put there by us. */
  | "accept"
  /** It has been changed, and stays so. */
  | "leave"
  | "remove"
  /** It is gone already. */
  | "forget";

export interface Step {
  readonly path: string;
  readonly deed: Deed;
  /** What is to be there. */
  readonly item?: Item;
  /** As what it is ours: by the manifest, or from now on. */
  readonly entry?: Entry;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** Sentences: with any of them nothing is to be done. */
  readonly obstacles: readonly string[];
}

/** The executable that is to be installed. */
export interface Executable {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** What a file takes on a disk beside its bytes, and what the lists take. */
const BLOCK_BYTES = 4_096;
const SPARE_BYTES = 64 << 10;

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * @param items The executable first.
 * @param records The directory of the manifest.
 */
export function planInstall(
  items: readonly Item[],
  executable: Executable,
  old: Manifest | undefined,
  records: string,
  disk: Sight,
): Plan {
  const entries = new Map(old?.entries.map((entry) => [entry.path, entry]));
  const obstacles: string[] = [];
  const steps: Step[] = [];
  for (const item of items) {
    const entry = entries.get(item.path);
    entries.delete(item.path);
    attempt(obstacles, item.path, () => {
      const found = disk.look(item.path);
      const deed = deedFor(item, executable, entry, found);
      const kept = entryOf(item, executable, found.is === "link");
      const ours = deed === "keep" ? kept : entry;
      if (deed === undefined) obstacles.push(obstacleOf(item.path, entry, found));
      else steps.push({ path: item.path, deed, item, ...(ours && { entry: ours }) });
    });
  }
  for (const entry of entries.values()) {
    attempt(obstacles, entry.path, () => steps.push(stepAway(entry, disk)));
  }
  const directories = directoriesFor([records, ...touched(steps).map(dirname)], disk, obstacles);
  checkWritable([records, ...touched(steps).map(dirname)], disk, obstacles);
  if (obstacles.length === 0) checkRoom(steps, executable, disk, obstacles);
  const made = directories.map((path): Step => ({ path, deed: "make" }));
  return { steps: [...made, ...steps], obstacles: [...new Set(obstacles)] };
}

export function planUninstall(manifest: Manifest, records: string, disk: Sight): Plan {
  const obstacles: string[] = [];
  const steps: Step[] = [];
  for (const entry of manifest.entries) {
    attempt(obstacles, entry.path, () => steps.push(stepAway(entry, disk)));
  }
  checkWritable([records, ...touched(steps).map(dirname)], disk, obstacles);
  return { steps, obstacles: [...new Set(obstacles)] };
}

/** What is to be at the item's path, as the manifest has it. */
export function entryOf(item: Item, executable: Executable, isLinked = false): Entry {
  const { path, kind } = item;
  if (kind === "name" && isLinked) return { path, kind: "link", to: item.of };
  const isText = kind === "text" || kind === "configuration";
  return { path, kind, sha256: isText ? hashOf(item.text) : executable.sha256 };
}

/** Whether it is as the manifest says. */
export function isAsItWas(entry: Entry, found: Found): boolean {
  if (entry.kind === "link") return found.is === "link" && found.to === entry.to;
  return found.is === "file" && found.sha256 === entry.sha256;
}

/** @returns Undefined when what is there is in the way. */
function deedFor(
  item: Item,
  executable: Executable,
  entry: Entry | undefined,
  found: Found,
): Deed | undefined {
  if (found.is === "nothing") return "create";
  const isRight = isAsItWas(entryOf(item, executable), found);
  const isRightLink = item.kind === "name" && found.is === "link" && found.to === PROGRAM;
  if (isRight || isRightLink) return entry === undefined ? "accept" : "keep";
  if (entry !== undefined && isAsItWas(entry, found)) return "replace";
  return item.kind === "configuration" && found.is === "file" ? "leave" : undefined;
}

function obstacleOf(path: string, entry: Entry | undefined, found: Found): string {
  if (found.is === "directory") return `${path} is a directory.`;
  if (entry === undefined) return `${path} is there already, and was not put there by install.`;
  return `${path} has been changed since it was installed.`;
}

/** What becomes of a path that is ours no longer. */
function stepAway(entry: Entry, disk: Sight): Step {
  const { path } = entry;
  const found = disk.look(path);
  if (found.is === "nothing") return { path, deed: "forget", entry };
  return { path, deed: isAsItWas(entry, found) ? "remove" : "leave", entry };
}

/** Paths in whose directories something changes. */
function touched(steps: readonly Step[]): string[] {
  return steps
    .filter(({ deed }) => ["create", "replace", "remove"].includes(deed))
    .map(({ path }) => path);
}

/** Those that have to be made, parents first. */
function directoriesFor(paths: readonly string[], disk: Sight, obstacles: string[]): string[] {
  const missing = new Set<string>();
  for (const path of new Set(paths)) {
    const chain: string[] = [];
    let at = path;
    attempt(obstacles, path, () => {
      for (; !disk.isDirectory(at); at = dirname(at)) {
        const isFree = disk.look(at).is === "nothing";
        if (!isFree) obstacles.push(`${at} is not a directory.`);
        if (!isFree || at === "/") return;
        chain.unshift(at);
      }
    });
    for (const one of chain) missing.add(one);
  }
  return [...missing];
}

function checkWritable(paths: readonly string[], disk: Sight, obstacles: string[]): void {
  const nearest = new Set(paths.map((path) => nearestDirectory(path, disk)));
  for (const path of nearest) attempt(obstacles, path, () => disk.checkWritable(path));
}

function checkRoom(
  steps: readonly Step[],
  executable: Executable,
  disk: Sight,
  obstacles: string[],
): void {
  const wanted = new Map<string, { place: string; has: number; takes: number }>();
  for (const { deed, item } of steps) {
    if (item === undefined || (deed !== "create" && deed !== "replace")) continue;
    const place = nearestDirectory(dirname(item.path), disk);
    attempt(obstacles, place, () => {
      const room = disk.roomIn(place);
      const sum = wanted.get(room.disk) ?? { place, has: room.bytes, takes: SPARE_BYTES };
      wanted.set(room.disk, { ...sum, takes: sum.takes + bytesOf(item, executable) });
    });
  }
  for (const { place, has, takes } of wanted.values()) {
    if (has >= takes) continue;
    obstacles.push(
      `There is no room in ${place}: ${megabytes(takes)} are needed, ${megabytes(has)} are free.`,
    );
  }
}

function bytesOf(item: Item, { bytes }: Executable): number {
  if (item.kind === "program") return bytes + BLOCK_BYTES;
  return item.kind === "name" ? BLOCK_BYTES : Buffer.byteLength(item.text) + BLOCK_BYTES;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The directory itself, or the first one above that is there. */
function nearestDirectory(path: string, disk: Sight): string {
  let at = path;
  while (at !== "/" && !isThere(at, disk)) at = dirname(at);
  return at;
}

function isThere(path: string, disk: Sight): boolean {
  try {
    return disk.isDirectory(path);
  } catch {
    // Whoever asks about the path itself hears why.
    return false;
  }
}

/** What the system refuses is an obstacle like any other. */
function attempt(obstacles: string[], path: string, look: () => void): void {
  try {
    look();
  } catch (error) {
    obstacles.push(`${path} cannot be changed: ${systemWords(error)}.`);
  }
}
