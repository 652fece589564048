/**
 * What every bench is as a command: words choose what is measured, what is wrong is one sentence
 * and status 1, and no program is left behind.
 */
import { endAll } from "../support/programs.ts";
import { BROKERS, type Broker } from "./brokers.ts";

/** Runs a bench to its end, however that comes. @param onEnd To tidy up when all programs ended. */
export async function runBench(
  main: () => Promise<void>,
  onEnd: () => void = () => undefined,
): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void endAll().then(() => process.exit(1)));
  }
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  } finally {
    await endAll();
    onEnd();
  }
}

/** Those that are named, with commas, in the order named; all where none is. @throws {Error} */
export function chosen<Item extends { readonly name: string }>(
  kind: string,
  items: readonly Item[],
  names: string,
): readonly Item[] {
  if (names === "") return items;
  return names.split(",").map((name) => {
    const item = items.find((one) => one.name === name);
    if (item !== undefined) return item;
    const known = items.map((one) => one.name).join(", ");
    throw new Error(`There is no ${kind} ${name}; there are ${known}.`);
  });
}

/** The brokers named that are on this machine; says which are not. @throws {Error} Without any. */
export function chosenBrokers(names: string): readonly Broker[] {
  const brokers = chosen("broker", BROKERS, names).filter(({ missing }) => {
    if (missing !== undefined) console.error(`Left out: ${missing}.`);
    return missing === undefined;
  });
  if (brokers.length === 0) throw new Error("There is no broker to measure.");
  return brokers;
}
