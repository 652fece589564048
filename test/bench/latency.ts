/**
 * How long messages take at half of what a broker can: `npm run bench:latency`.
 *
 *     --rounds N      measure everything N times and show medians (3)
 *     --seconds S     length of each measurement (2)
 *     --flow NAMES    only these, with commas: see flows.ts
 *     --brokers NAMES as for `npm run bench`; the first is what the others are compared with
 *
 * First each broker's most, with as many messages under way as it takes; then messages at an even
 * rate whatever comes back: at half of its own most, and at half of the first broker's. Tells the
 * delay that 99 of 100 messages stay below, and the longest. `chrt -r 40 npm run bench:latency`
 * keeps a busy machine out of it.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type Broker, run } from "./brokers.ts";
import { chosen, chosenBrokers, runBench } from "./command.ts";
import { FLOWS, type Flow } from "./flows.ts";
import { type Conditions, compileLoad, load, type Measured, measureTimed } from "./measure.ts";
import { columns, median } from "./table.ts";

const DEFAULT_FLOWS = "q0-pairs,q1-pairs,q2-pairs,q0-out,q0-in,q0-16k,v5-q1-pairs";

interface Wanted {
  readonly flows: readonly Flow[];
  readonly brokers: readonly Broker[];
  readonly rounds: number;
  readonly seconds: number;
}

/** What one broker did in one round. */
interface Round {
  /** Messages published in a second, at its most. */
  readonly most: number;
  readonly atOwnHalf: Paced;
  readonly atFirstHalf: Paced;
}

interface Paced extends Measured {
  readonly lostPercent: number;
}

async function main({ flows, brokers, rounds, seconds }: Wanted): Promise<void> {
  const conditions: Conditions = {
    seconds,
    cores: availableParallelism(),
    mqload: await compileLoad(),
  };
  const tells = ["p99 ms", "longest ms", "lost %"];
  const rates = ["at half", `at ${brokers[0]!.name}'s half`];
  const head = rates.flatMap((rate) => tells.map((what) => `${what} ${rate}`));
  const rows = [["flow", "broker", "at most/s", ...head, "late ms"]];
  for (const flow of flows) {
    const results = brokers.map((): Round[] => []);
    for (let round = 0; round < rounds; round++) {
      let first = 0;
      for (const [i, broker] of brokers.entries()) {
        const result = await measureRound(flow, broker, conditions, first);
        results[i]!.push(result);
        if (i === 0) first = result.most;
      }
    }
    brokers.forEach(({ name }, i) => {
      rows.push([i === 0 ? flow.title : "", name, ...cells(results[i]!)]);
    });
  }
  console.log(columns(rows, 2));
}

/** @param first The most of the first broker; 0 for itself. */
async function measureRound(
  flow: Flow,
  broker: Broker,
  conditions: Conditions,
  first: number,
): Promise<Round> {
  const running = await run(broker, conditions.cores, flow);
  try {
    const most = whole(await measureTimed(flow, running, conditions)).perSecond / flow.fan;
    const at = async (rate: number) => {
      const count = Math.ceil(rate * conditions.seconds);
      const paced = whole(await load(flow, count, running, conditions, "-R", String(rate)));
      return { ...paced, lostPercent: 100 * (1 - paced.received / (count * flow.fan)) };
    };
    const atOwnHalf = await at(most / 2);
    return { most, atOwnHalf, atFirstHalf: first === 0 ? atOwnHalf : await at(first / 2) };
  } finally {
    await running.stop();
  }
}

function whole(result: Awaited<ReturnType<typeof load>>): Measured {
  if ("failed" in result) throw new Error(result.failed);
  return result;
}

function cells(rounds: readonly Round[]): string[] {
  const of = (pick: (round: Round) => number) => median(rounds.map(pick));
  const late = of(({ atOwnHalf, atFirstHalf }) => Math.max(atOwnHalf.lateMs, atFirstHalf.lateMs));
  return [
    Math.round(of(({ most }) => most)).toLocaleString("en"),
    of(({ atOwnHalf }) => atOwnHalf.p99Ms).toFixed(3),
    of(({ atOwnHalf }) => atOwnHalf.longestMs).toFixed(1),
    of(({ atOwnHalf }) => atOwnHalf.lostPercent).toFixed(1),
    of(({ atFirstHalf }) => atFirstHalf.p99Ms).toFixed(3),
    of(({ atFirstHalf }) => atFirstHalf.longestMs).toFixed(1),
    of(({ atFirstHalf }) => atFirstHalf.lostPercent).toFixed(1),
    late.toFixed(1),
  ];
}

function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "2" },
      flow: { type: "string", default: DEFAULT_FLOWS },
      brokers: { type: "string", default: "mosquitto,ts-broker" },
    },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  if (!(Number.isInteger(rounds) && rounds >= 1)) throw new Error("--rounds is 1 or more.");
  if (!(seconds > 0 && seconds <= 10)) throw new Error("--seconds is above 0, and 10 at most.");
  const timed = FLOWS.filter(({ count }) => count === "timed");
  const flows = chosen("flow", timed, values.flow);
  const brokers = chosenBrokers(values.brokers);
  return { flows, brokers, rounds, seconds };
}

await runBench(() => main(wanted()));
