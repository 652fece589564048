/**
 * What `npm start` runs after the set-up: builds, says what to try, and becomes the broker.
 *
 *     npm start -- -p 1884 -v       the words after `--` are ts-broker's
 *
 * Signals reach the broker, and its exit status is ours.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { asScript, nodeToRun, ROOT } from "./pinned-node.mjs";

const words = process.argv.slice(2);
await asScript(() => build({ types: false }));
if (process.exitCode === 1) process.exit();
const port = portAsked(words);
console.log("In other terminals, try:");
console.log(`  npx ts-sub${port} -t 'tock/#' -v`);
console.log(`  npx ts-pub${port} -t tock/hello -m hi`);

const broker = spawn(nodeToRun(), [join(ROOT, "dist", "ts-broker.cjs"), ...words], {
  stdio: "inherit",
});
for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"])) {
  process.on(signal, () => broker.kill(signal));
}
process.on("SIGINT", () => {
  // At a terminal Ctrl-C goes to the broker as well, which is not to be told twice.
  if (!process.stdin.isTTY) broker.kill("SIGINT");
});
broker.on("error", (error) => {
  console.error(`The broker could not be started: ${error.message}`);
  process.exitCode = 1;
});
broker.on("exit", (status, signal) => {
  if (signal === null) process.exit(status ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});

/** " -p 1884" where the broker was asked to listen there, for the other programs.
 * @param {readonly string[]} words */
function portAsked(words) {
  const at = words.findIndex((word) => word === "-p" || word === "--port");
  const given = words[at + 1];
  return at >= 0 && given !== undefined && given !== "1883" ? ` -p ${given}` : "";
}
