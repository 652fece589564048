/**
 * ts-broker beside mosquitto and aedes: `npm run bench`.
 *
 *     --rounds N      measure everything N times and show medians (3)
 *     --seconds S     length of each timed measurement (1)
 *     --flow NAMES    only these, with commas: see flows.ts
 *     --brokers NAMES only these, with commas; the first is what the others are compared with
 *     --json          the summaries as JSON instead of the table
 *
 * The broker has one core and the generator another, where the machine has two; the two brokers of
 * a flow over a bridge share theirs, and their CPU counts together. Rounds alternate between the
 * brokers, so that a busy moment of the machine falls on all. Nothing here is a test: no number
 * fails.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Broker } from "./brokers.ts";
import { chosen, chosenBrokers, runBench } from "./command.ts";
import { FLOWS, type Flow } from "./flows.ts";
import { type Conditions, compileLoad, measure, type Result } from "./measure.ts";
import { type Series, summarise, table } from "./table.ts";

interface Wanted {
  readonly flows: readonly Flow[];
  readonly brokers: readonly Broker[];
  readonly rounds: number;
  readonly seconds: number;
  readonly json: boolean;
}

async function main(): Promise<void> {
  const { flows, brokers, rounds, seconds, json } = wanted();
  const cores = availableParallelism();
  const conditions: Conditions = { seconds, cores, mqload: await compileLoad() };
  if (cores < 2) say("One core only: broker and generator share it, and rates mean little.");
  const series = await measureAll(flows, brokers, rounds, conditions);
  const summaries = summarise(series, brokers[0]!.name);
  console.log(json ? JSON.stringify(summaries, null, 2) : table(summaries, flows));
  for (const { flow, broker, failed } of summaries) {
    if (failed !== undefined) say(`${broker}, ${flow}: ${failed}`);
  }
}

async function measureAll(
  flows: readonly Flow[],
  brokers: readonly Broker[],
  rounds: number,
  conditions: Conditions,
): Promise<Series[]> {
  const series: (Series & { results: Result[] })[] = [];
  for (const flow of flows) {
    const taking = brokers.filter(
      ({ isDurable, isPlain }) =>
        (flow.lasts || !isDurable) &&
        ((flow.over === "tcp" && flow.bridged === "") || isPlain !== true),
    );
    const ofFlow = taking.map(({ name }) => ({ flow, broker: name, results: [] as Result[] }));
    series.push(...ofFlow);
    for (let round = 1; round <= rounds; round++) {
      for (const [i, broker] of taking.entries()) {
        progress(`${flow.title}: ${broker.name}, round ${round} of ${rounds}`);
        ofFlow[i]!.results.push(await measure(flow, broker, conditions));
      }
    }
  }
  progress("");
  return series;
}

function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "1" },
      flow: { type: "string", default: "" },
      brokers: { type: "string", default: "" },
      json: { type: "boolean", default: false },
    },
  });
  const brokers = chosenBrokers(values.brokers);
  const rounds = Number(values.rounds);
  const seconds = Number(values.seconds);
  if (!(Number.isInteger(rounds) && rounds >= 1)) throw new Error("--rounds is 1 or more.");
  if (!(seconds > 0 && seconds <= 10)) throw new Error("--seconds is above 0, and 10 at most.");
  return { flows: chosen("flow", FLOWS, values.flow), brokers, rounds, seconds, json: values.json };
}

function say(text: string): void {
  console.error(text);
}

/** One line that the next one overwrites; nothing where nobody watches. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

await runBench(main);
