/** `ts-broker -d`: goes on in the background, and says so to the shell once it listens. */
import { spawn } from "node:child_process";
import { isSea } from "node:sea";
import type { BrokerStreams } from "./broker.ts";
import { wordsOf } from "./streams.ts";

/**
 * Starts the broker again as a process of its own, away from the terminal.
 *
 * @param name By which it was called.
 * @param mark Environment variable that tells the other process what it is.
 * @returns 0 once it listens; its exit status if it does not get that far.
 */
export function startInBackground(io: BrokerStreams, name: string, mark: string): Promise<number> {
  // A single executable has its options for Node.js built in, and is its own program by its name.
  const before = isSea() ? [] : [...io.execArgv, io.argv[1] ?? ""];
  const child = spawn(io.execPath, [...before, ...wordsOf(io)], {
    argv0: name,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...io.env, [mark]: "1" },
  });
  // What it has to say until it listens is the user's to read.
  child.stdout?.pipe(io.stdout, { end: false });
  child.stderr?.pipe(io.stderr, { end: false });
  return new Promise((resolve) => {
    child.on("message", () => {
      child.disconnect();
      child.unref();
      resolve(0);
    });
    child.on("error", () => resolve(1));
    child.on("exit", (status) => resolve(status ?? 1));
  });
}
