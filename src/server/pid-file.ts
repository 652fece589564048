/** The file that names the process while it runs (`pid_file`), as init scripts expect it. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { StartFailure, systemWords } from "./failure.ts";

/**
 * Writes `pid` to `path`, without a line's end, as mosquitto does.
 *
 * @throws {StartFailure} When it cannot be written.
 */
export function writePidFile(path: string, pid: number): void {
  try {
    writeFileSync(path, String(pid));
  } catch (error) {
    // The first sentence is the whole of mosquitto's.
    throw new StartFailure(1, `Error: Unable to write pid file. ${systemWords(error)}.`, error);
  }
}

/** Removes the file, unless it names another process by now. */
export function removePidFile(path: string, pid: number): void {
  try {
    if (readFileSync(path, "utf8") === String(pid)) rmSync(path);
  } catch {
    // Gone already, or in a directory of root's, who we no longer are: nothing can be done here.
  }
}
