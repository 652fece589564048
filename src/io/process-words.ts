/** What a process was started as. Loaded only to tell one something. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The words of a process' command line; undefined where the machine does not say. */
export function wordsOfProcess(pid: number): readonly string[] | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (words.length > 1) return words.slice(0, -1);
  } catch {
    // Not Linux, or hidden from us.
  }
  const { status, stdout } = spawnSync("ps", ["-o", "command=", "-p", `${pid}`], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return status === 0 && stdout.trim() !== "" ? stdout.trim().split(/ +/) : undefined;
}
