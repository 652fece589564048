/** The files of a configuration on a real disk: what `-c` and include_dir name. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { Files, NoFile } from "../options/conf/conf-file.ts";
import { codeOf } from "./failure.ts";

/** Once, at the start: a pipe or a terminal will do. */
export const FILES_AT_START: Files = { list, read: readOnce };

/**
 * Again, while a broker runs: what has been read from a pipe is gone, and to wait for somebody who
 * writes to it would hold up every client.
 */
export const FILES_AGAIN: Files = {
  list,
  read(path) {
    // One that a shell's <(…) names, or standard input, may also seem to be empty by now.
    return path.startsWith("/dev/") || isPipe(path) ? "stream" : readOnce(path);
  },
};

function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    // To read it says why.
    return false;
  }
}

function list(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory);
  } catch {
    // The reader has mosquitto's sentence for it, which does not say why either.
    return undefined;
  }
}

function readOnce(path: string): Buffer | NoFile | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    // Nor does it say why of a file, but of a folder.
    return codeOf(error) === "EISDIR" ? "directory" : undefined;
  }
}
