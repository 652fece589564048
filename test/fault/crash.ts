/**
 * Kills the broker that was built under load, round after round: `npm run test:crash`.
 *
 *     --rounds N     how many times (200)
 *     --seed N       what chance decides; by default another every time
 *     --bridge       two brokers and the bridge between them: `npm run test:crash:bridge`
 *
 * Ends with status 1 when anything acknowledged was lost, having printed what, the seed, and where
 * the database is kept to be looked at. Moments differ from run to run even with one seed: the
 * machine is part of it.
 */
import { parseArgs } from "node:util";
import { endAll } from "../support/programs.ts";
import { crashBridge } from "./bridge-rounds.ts";
import { type CrashOptions, crash } from "./crash-rounds.ts";

async function main(): Promise<void> {
  const { hasBridge, ...options } = wanted();
  const { isTTY } = process.stderr;
  const wipe = isTTY ? "\r\x1b[K" : "";
  const every = isTTY ? 1 : 20;
  let round = 0;
  const onProgress = (text: string) => {
    if (++round % every === 0) process.stderr.write(`${wipe}${text}${isTTY ? "" : "\n"}`);
  };
  try {
    const summary = await (hasBridge ? crashBridge : crash)({ ...options, onProgress });
    process.stderr.write(wipe);
    console.log(summary);
  } catch (error) {
    process.stderr.write(wipe);
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

function wanted(): CrashOptions & { readonly hasBridge: boolean } {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string" },
      seed: { type: "string" },
      bridge: { type: "boolean", default: false },
    },
  });
  const seed = wholeNumber("--seed", values.seed) ?? Date.now() % 1_000_000;
  const rounds = wholeNumber("--rounds", values.rounds) ?? 200;
  return { seed, rounds, hasBridge: values.bridge };
}

function wholeNumber(name: string, word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  if (!/^\d+$/.test(word)) throw new Error(`${name} takes a whole number, not ${word}`);
  return Number(word);
}

await main().finally(endAll);
// Clients of a failed run would try to come back for ever.
process.exit();
