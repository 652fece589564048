/**
 * Carries an installation out, or not at all.
 *
 * A journal is written first, then everything under names beside those it is to have, then one
 * rename for each path, with what was there set aside, and at last the manifest: from that moment
 * it is done. Whatever goes wrong before is undone by the journal, by this process or, if it was
 * killed, by the next one.
 */
import { posix } from "node:path";
import { codeOf, systemWords } from "../server/failure.ts";
import type { Disk, Found } from "./install-disk.ts";
import { type Item, PROGRAM } from "./install-layout.ts";
import {
  type Change,
  type Entry,
  type Journal,
  journalText,
  type Manifest,
  manifestText,
  readJournal,
  readManifest,
} from "./install-manifest.ts";
import { type Executable, entryOf, isAsItWas, type Plan, type Step } from "./install-plan.ts";

const { basename, dirname, join } = posix;

const LIST_MODE = 0o644;
/** What a file system says that has no second names for files, or not for this one. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV", "EACCES"];

/** The lists of an installation. */
export function manifestPath(records: string): string {
  return join(records, "installed");
}

export function journalPath(records: string): string {
  return join(records, "installing");
}

export interface InstallJob {
  readonly plan: Plan;
  readonly executable: Executable;
  /** The directory of the lists. */
  readonly records: string;
  readonly old: Manifest | undefined;
  readonly version: string;
  readonly systemd: boolean;
  readonly compat: boolean;
  /** Of this run, like no other's. */
  readonly id: string;
  readonly pid: number;
}

/**
 * @param pause Called between any two changes. What it throws ends the work like an error of the
 *   disk's.
 * @throws What the disk or `pause` throws, once everything is as it was.
 */
export async function carryOut(
  job: InstallJob,
  disk: Disk,
  pause: () => Promise<void>,
): Promise<void> {
  const { plan, records, id } = job;
  const journal = journalFor(job);
  begin(journal, records, disk);
  try {
    for (const path of journal.directories) {
      if (!isAbove(path, records)) disk.makeDirectory(path);
    }
    const changed = plan.steps.filter(isChanged);
    const links = new Set<string>();
    for (const { item } of changed) {
      await pause();
      if (stage(item, job, disk) === "link") links.add(item.path);
    }
    for (const [i, change] of journal.changes.entries()) {
      await pause();
      makeWay(change, changed[i]!.entry, disk);
      disk.rename(change.fresh, change.path);
    }
    await pause();
    const list = freshOf(manifestPath(records), id);
    disk.write(list, manifestText(manifestFor(job, links)), LIST_MODE);
    disk.rename(list, manifestPath(records));
  } catch (error) {
    undoAfter(error, journal, records, disk);
    throw error;
  }
  finish(journal, records, disk);
}

/**
 * Ends what another process has begun and cannot end any more.
 *
 * @returns What became of it; undefined where there was nothing.
 */
export function recover(records: string, disk: Disk): "undone" | "finished" | undefined {
  const text = disk.read(journalPath(records));
  if (text === undefined) return undefined;
  const journal = readJournal(text);
  // It was killed while it wrote down what it would do, and so has done nothing of it.
  if (journal === undefined) {
    disk.remove(journalPath(records));
    return "undone";
  }
  const manifest = readManifest(disk.read(manifestPath(records)) ?? "");
  if (manifest?.id === journal.id) {
    finish(journal, records, disk);
    return "finished";
  }
  undo(journal, records, disk);
  return "undone";
}

/** Removes what the plan says, and the manifest at last: cut short, it can be run again. */
export function takeBack(plan: Plan, manifest: Manifest, records: string, disk: Disk): void {
  for (const { deed, path } of plan.steps) {
    if (deed === "remove") disk.remove(path);
  }
  disk.remove(manifestPath(records));
  // By its name it is ours, even where a run that was cut short could not write that down.
  removeDirectories([...manifest.directories, records], disk);
}

/** A step that puts something where it is to be. */
type ChangingStep = Step & { readonly item: Item };

function isChanged(step: Step): step is ChangingStep {
  return step.item !== undefined && (step.deed === "create" || step.deed === "replace");
}

function journalFor({ plan, executable, id, pid }: InstallJob): Journal {
  const { steps } = plan;
  const changes = steps.filter(isChanged).map(({ path, item, deed }): Change => {
    const change = { path, fresh: freshOf(path, id), put: entryOf(item, executable) };
    return deed === "replace" ? { ...change, aside: asideOf(path, id) } : change;
  });
  const directories = steps.filter(({ deed }) => deed === "make").map(({ path }) => path);
  const obsolete = steps.flatMap(({ deed, entry }) =>
    deed === "remove" && entry !== undefined ? [entry] : [],
  );
  return { id, pid, directories, changes, obsolete };
}

function manifestFor(job: InstallJob, links: ReadonlySet<string>): Manifest {
  const { plan, executable, old, id, version, systemd, compat } = job;
  const entries = plan.steps.flatMap((step): Entry[] => {
    const { deed, item, entry } = step;
    if (isChanged(step)) return [entryOf(step.item, executable, links.has(step.path))];
    // What is left of another version is no longer ours.
    const isOurs = deed === "keep" || (deed === "leave" && item !== undefined);
    return isOurs && entry !== undefined ? [entry] : [];
  });
  const made = plan.steps.filter(({ deed }) => deed === "make").map(({ path }) => path);
  const before = (old?.directories ?? []).filter((path) => !made.includes(path));
  return { id, version, systemd, compat, directories: [...before, ...made], entries };
}

/** Writes the journal, with the directories that it takes, or leaves nothing behind. */
function begin(journal: Journal, records: string, disk: Disk): void {
  try {
    for (const path of journal.directories) {
      if (isAbove(path, records)) disk.makeDirectory(path);
    }
    disk.write(journalPath(records), journalText(journal), LIST_MODE);
  } catch (error) {
    // Somebody else's journal stays: only what is half ours goes.
    if (codeOf(error) !== "EEXIST") disk.remove(journalPath(records));
    removeDirectories(journal.directories, disk);
    throw error;
  }
}

/** Puts the item beside its place. @returns Whether it had to be a link. */
function stage(item: Item, { plan, executable, id }: InstallJob, disk: Disk): "file" | "link" {
  const fresh = freshOf(item.path, id);
  if (item.kind === "program") {
    disk.copy(executable.path, fresh, item.mode);
    const copied = disk.look(fresh);
    if (copied.is !== "file" || copied.sha256 !== executable.sha256) {
      throw new Error(`${executable.path} has changed meanwhile`);
    }
    return "file";
  }
  if (item.kind !== "name") {
    disk.write(fresh, item.text, item.mode);
    return "file";
  }
  const program = join(dirname(item.path), item.of);
  const isStaged = plan.steps.some((step) => step.path === program && isChanged(step));
  try {
    disk.link(isStaged ? freshOf(program, id) : program, fresh);
    return "file";
  } catch (error) {
    if (!NO_LINKS.includes(codeOf(error) ?? "")) throw error;
    disk.symlink(item.of, fresh);
    return "link";
  }
}

/**
 * Sets aside what is there, under both names if possible, so that there is no moment without it.
 *
 * @param was As the plan found it.
 * @throws When it is not as the plan found it: somebody else has been here meanwhile.
 */
function makeWay({ path, aside }: Change, was: Entry | undefined, disk: Disk): void {
  if (aside === undefined || was === undefined) {
    if (disk.look(path).is === "nothing") return;
    throw new Error(`${path} has come to be meanwhile`);
  }
  try {
    disk.link(path, aside);
  } catch (error) {
    if (!NO_LINKS.includes(codeOf(error) ?? "")) throw error;
    disk.rename(path, aside);
  }
  if (!isAsItWas(was, disk.look(aside))) throw new Error(`${path} has changed meanwhile`);
}

/** What cannot be undone now is undone by the next run, which whoever reads has to know. */
function undoAfter(error: unknown, journal: Journal, records: string, disk: Disk): void {
  try {
    undo(journal, records, disk);
  } catch (second) {
    const why = `${systemWords(error)}; ${systemWords(second)}`;
    throw new Error(`${why}; the next install or uninstall takes back what has been done`);
  }
}

/** Makes all of it as it was. May be cut short, and done again. */
function undo(journal: Journal, records: string, disk: Disk): void {
  for (const { path, fresh, aside, put } of journal.changes.toReversed()) {
    if (aside !== undefined) {
      // Two names of one file stay two when one is renamed to the other.
      if (disk.look(aside).is !== "nothing") disk.rename(aside, path);
      disk.remove(aside);
    } else if (disk.look(fresh).is === "nothing" && isPut(put, disk.look(path))) disk.remove(path);
    disk.remove(fresh);
  }
  disk.remove(freshOf(manifestPath(records), journal.id));
  disk.remove(journalPath(records));
  removeDirectories(journal.directories, disk);
}

/** Whether it is what was to be put there, be it that a name is a link. */
function isPut(put: Entry, found: Found): boolean {
  if (isAsItWas(put, found)) return true;
  return put.kind === "name" && found.is === "link" && found.to === PROGRAM;
}

/** All is done: what was set aside goes, and what is no longer part of it. */
function finish({ changes, obsolete, ...journal }: Journal, records: string, disk: Disk): void {
  for (const { aside } of changes) {
    if (aside !== undefined) disk.remove(aside);
  }
  for (const entry of obsolete) {
    if (isAsItWas(entry, disk.look(entry.path))) disk.remove(entry.path);
  }
  disk.remove(freshOf(manifestPath(records), journal.id));
  disk.remove(journalPath(records));
}

/** Whether it is the directory itself, or one that it is in. */
function isAbove(path: string, directory: string): boolean {
  return path === directory || directory.startsWith(`${path}/`);
}

function removeDirectories(paths: readonly string[], disk: Disk): void {
  for (const path of paths.toReversed()) disk.removeDirectory(path);
}

function freshOf(path: string, id: string): string {
  return join(dirname(path), `.${basename(path)}.${id}.new`);
}

function asideOf(path: string, id: string): string {
  return join(dirname(path), `.${basename(path)}.${id}.old`);
}
