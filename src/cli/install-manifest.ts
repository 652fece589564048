/**
 * What an installation writes down: the list of what is ours, by which it is taken back, and, while
 * one is under way, the journal by which it is undone.
 *
 * Both are read again by other versions, and after a power cut: whatever is not of this form is
 * not believed.
 */
import { posix } from "node:path";

/** A path that is ours as long as it is as it was put there. */
export type Entry =
  | {
      readonly path: string;
      readonly kind: "program" | "name" | "text" | "configuration";
      readonly sha256: string;
    }
  /** A name of the executable where the file system has no second names. */
  | { readonly path: string; readonly kind: "link"; readonly to: string };

export interface Manifest {
  /** Of the run that wrote it. */
  readonly id: string;
  readonly version: string;
  /** What was asked for, which the next installation keeps. */
  readonly systemd: boolean;
  readonly compat: boolean;
  /** Those that it made, parents first. */
  readonly directories: readonly string[];
  readonly entries: readonly Entry[];
}

/** A path that changes. */
export interface Change {
  readonly path: string;
  /** Beside it: what is to be there. */
  readonly fresh: string;
  /** As it will be ours. */
  readonly put: Entry;
  /** Beside it: what was there, until all is done. Absent: there was nothing. */
  readonly aside?: string;
}

export interface Journal {
  /** The manifest of the same id says that all of it is done. */
  readonly id: string;
  /** The process that is at it. */
  readonly pid: number;
  readonly directories: readonly string[];
  readonly changes: readonly Change[];
  /** What is no longer part of it, to be removed at the end. */
  readonly obsolete: readonly Entry[];
}

const FORMAT = 1;
const KINDS = ["program", "name", "text", "configuration"];

export function manifestText(manifest: Manifest): string {
  return textOf(manifest);
}

export function journalText(journal: Journal): string {
  return textOf(journal);
}

/** @returns Undefined for what no installation wrote. */
export function readManifest(text: string): Manifest | undefined {
  const { id, version, systemd, compat, directories, entries } = fieldsOf(text);
  const isOurs =
    typeof id === "string" &&
    typeof version === "string" &&
    typeof systemd === "boolean" &&
    typeof compat === "boolean" &&
    isListOf(directories, isPath) &&
    isListOf(entries, isEntry);
  return isOurs ? { id, version, systemd, compat, directories, entries } : undefined;
}

/** @returns Undefined for what no installation wrote, or not to its end. */
export function readJournal(text: string): Journal | undefined {
  const { id, pid, directories, changes, obsolete } = fieldsOf(text);
  const isOurs =
    typeof id === "string" &&
    typeof pid === "number" &&
    isListOf(directories, isPath) &&
    isListOf(changes, isChange) &&
    isListOf(obsolete, isEntry);
  return isOurs ? { id, pid, directories, changes, obsolete } : undefined;
}

function textOf(fields: Manifest | Journal): string {
  return `${JSON.stringify({ format: FORMAT, ...fields }, null, 1)}\n`;
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const found: unknown = JSON.parse(text);
    const isOurs = typeof found === "object" && found !== null && "format" in found;
    return isOurs && found.format === FORMAT ? { ...found } : {};
  } catch {
    // Not JSON: nothing of it is believed.
    return {};
  }
}

function isListOf<One>(list: unknown, isOne: (one: unknown) => one is One): list is One[] {
  return Array.isArray(list) && list.every(isOne);
}

function isEntry(one: unknown): one is Entry {
  const { path, kind, sha256, to } = Object(one) as Record<string, unknown>;
  if (!isPath(path)) return false;
  if (kind === "link") return typeof to === "string";
  return (
    KINDS.includes(String(kind)) && typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)
  );
}

function isChange(one: unknown): one is Change {
  const { path, fresh, put, aside } = Object(one) as Record<string, unknown>;
  return isPath(path) && isPath(fresh) && isEntry(put) && (aside === undefined || isPath(aside));
}

/** Absolute, and the same whichever way it is read. */
function isPath(one: unknown): one is string {
  return typeof one === "string" && posix.isAbsolute(one) && posix.normalize(one) === one;
}
