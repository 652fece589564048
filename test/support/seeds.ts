/**
 * The seeds of simulations and property tests: a fixed list, so that a run can be trusted to be the
 * same tomorrow, or what the environment asks for.
 *
 *     SEED=17     only that one, to replay a failure
 *     SEEDS=500   as many, from 1 on, for a long search
 *
 * Put `%i` in the title of `describe.each(seeds())` and a failure names its seed. Where that does
 * not fit, as in a property test, `replayable` adds the seed to the error.
 */

import { isLongSet } from "./set.ts";

/** How many times as many there are in the long set. */
const LONG_FACTOR = 10;

/** Seeds to run with; `count` of them, or more in the long set, where the environment is silent. */
export function seeds(count = 20): number[] {
  const { SEED, SEEDS } = process.env;
  if (SEED !== undefined) return [wholeNumber("SEED", SEED)];
  const usual = isLongSet ? count * LONG_FACTOR : count;
  const wanted = SEEDS === undefined ? usual : wholeNumber("SEEDS", SEEDS);
  return Array.from({ length: wanted }, (_, i) => i + 1);
}

/** The one seed of a test that needs only one. */
export function seed(fallback = 1): number {
  const { SEED } = process.env;
  return SEED === undefined ? fallback : wholeNumber("SEED", SEED);
}

/** Runs `body`, and says how to run it again if it fails. */
export async function replayable<Value>(
  seed: number,
  body: (seed: number) => Value | Promise<Value>,
): Promise<Value> {
  try {
    return await body(seed);
  } catch (error) {
    if (error instanceof Error) error.message += `\nReplay with SEED=${seed}`;
    throw error;
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number, not ${text}`);
  return Number(text);
}
