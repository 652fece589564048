/**
 * Fuzzes the broker that was built, with a well-behaved pair of clients beside: `npm run fuzz`.
 *
 *     --seconds S    how long (60)
 *     --seed N       what is sent; by default another every time
 *     --only N       only what the connection of this number sends, once
 *
 * Ends with status 1 when the broker failed, having printed what is needed to see it again.
 */
import { parseArgs } from "node:util";
import { endAll } from "../support/programs.ts";
import { type FuzzOptions, fuzz } from "./fuzzing.ts";

async function main(): Promise<void> {
  const options = wanted();
  const { isTTY } = process.stderr;
  const wipe = isTTY ? "\r\x1b[K" : "";
  const onProgress = (text: string) => void process.stderr.write(`${wipe}${text}`);
  try {
    const summary = await fuzz({ ...options, ...(isTTY ? { onProgress } : {}) });
    process.stderr.write(wipe);
    console.log(summary);
  } catch (error) {
    process.stderr.write(wipe);
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

function wanted(): FuzzOptions {
  const { values } = parseArgs({
    options: { seconds: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
  });
  const seed = wholeNumber("--seed", values.seed) ?? Date.now() % 1_000_000;
  const seconds = wholeNumber("--seconds", values.seconds) ?? 60;
  const only = wholeNumber("--only", values.only);
  return { seed, seconds, ...(only === undefined ? {} : { only }) };
}

function wholeNumber(name: string, word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  if (!/^\d+$/.test(word)) throw new Error(`${name} takes a whole number, not ${word}`);
  return Number(word);
}

await main().finally(endAll);
