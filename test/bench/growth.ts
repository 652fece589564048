/**
 * How cost grows with the number of subscriptions, retained messages and members of a share:
 * `npm run bench:growth`.
 *
 *     --kinds NAMES   only these, with commas: exact, wild, retain, share, share-q1
 *     --sizes COUNTS  these sizes instead of a kind's own
 *     --brokers NAMES as for `npm run bench`
 *     --messages N    in each phase that publishes (200000)
 *
 * A fresh broker for each size. Tells the broker's CPU time for each thing done, and the anonymous
 * memory that so many of them take. Topics are published on in no order, so that no message goes
 * the way of the one before. A broker that takes more than a minute for one phase of a size is not
 * asked for larger ones, and its cells say so. On a busy machine `chrt -r 40 npm run bench:growth`
 * keeps the rest out of it; with `-f`, V8's other threads would get no turn on the broker's core.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { outcome, start } from "../support/programs.ts";
import { type Broker, onCore, PLAIN, run } from "./brokers.ts";
import { chosen, chosenBrokers, runBench } from "./command.ts";
import { compileLoad, type Measured } from "./measure.ts";
import { columns } from "./table.ts";

interface Kind {
  readonly name: string;
  readonly title: string;
  /** Options for `mqload grow`. */
  readonly words: readonly string[];
  readonly sizes: readonly number[];
  /** What it measures one after the other, as mqload names them. */
  readonly phases: readonly string[];
  /** The phase after which memory is compared with that before it. */
  readonly fills: string;
}

const CHANGES = ["subscribe", "publish", "unsubscribe"];
const THOUSANDS = [1_000, 10_000, 100_000];
const MEMBERS = [10, 100, 1_000, 10_000];

const KINDS: readonly Kind[] = [
  {
    name: "exact",
    title: "Subscriptions without wildcards, of a hundred clients",
    words: ["-t", "exact", "-S", "100"],
    sizes: [...THOUSANDS, 1_000_000],
    phases: CHANGES,
    fills: "subscribe",
  },
  {
    name: "wild",
    title: "Filters bench/+/N/# of a hundred clients, of which one matches",
    words: ["-t", "wild", "-S", "100"],
    sizes: THOUSANDS,
    phases: CHANGES,
    fills: "subscribe",
  },
  {
    name: "retain",
    title: "Retained messages",
    words: ["-t", "retain"],
    sizes: [...THOUSANDS, 1_000_000],
    phases: ["fill", "replace", "publish", "subscribe", "clear"],
    fills: "fill",
  },
  {
    name: "share",
    title: "Clients in one share, QoS 0",
    words: ["-t", "share"],
    sizes: MEMBERS,
    phases: CHANGES,
    fills: "subscribe",
  },
  {
    name: "share-q1",
    title: "Clients in one share, QoS 1",
    words: ["-t", "share", "-q", "1"],
    sizes: MEMBERS,
    phases: CHANGES,
    fills: "subscribe",
  },
];

const DEADLINE_SECONDS = 60;

interface Wanted {
  readonly kinds: readonly Kind[];
  readonly brokers: readonly Broker[];
  readonly messages: number;
}

/** The phases of one size, or why there are none. */
type Outcome = ReadonlyMap<string, Measured> | { readonly failed: string };

async function main({ kinds, brokers, messages }: Wanted): Promise<void> {
  const mqload = await compileLoad();
  for (const kind of kinds) {
    const outcomes = new Map<Broker, Outcome[]>(brokers.map((broker) => [broker, []]));
    for (const size of kind.sizes) {
      for (const [broker, list] of outcomes) {
        const last = list.at(-1);
        const isOut = last !== undefined && "failed" in last;
        list.push(isOut ? last : await measure(kind, size, broker, messages, mqload));
      }
    }
    console.log(`${kind.title} (CPU µs each)`);
    console.log(`${table(kind, outcomes)}\n`);
    for (const [{ name }, list] of outcomes) {
      const last = list.at(-1);
      if (last !== undefined && "failed" in last) console.error(`${name}: ${last.failed}`);
    }
  }
}

async function measure(
  kind: Kind,
  size: number,
  broker: Broker,
  messages: number,
  mqload: string,
): Promise<Outcome> {
  const cores = availableParallelism();
  const running = await run(broker, cores, PLAIN);
  try {
    const counts = ["-n", `${size}`, "-m", `${messages}`, "-p", `${running.port}`];
    const rest = [...counts, "-b", running.pids.join(), "-T", `${DEADLINE_SECONDS}`];
    const [command, ...words] = [...onCore(0, cores), mqload, "grow", ...kind.words, ...rest];
    const program = start(command!, words);
    const ended = await outcome(program, {
      deadlineMs: (DEADLINE_SECONDS + 10) * 1000 * kind.phases.length,
    });
    if (ended.status !== 0) return { failed: `${size}: ${ended.stderr.trim()}` };
    const lines = ended.stdout.trim().split("\n");
    const phases = lines.map((line) => JSON.parse(line) as Measured & { readonly mode: string });
    return new Map(phases.map((phase) => [phase.mode, phase]));
  } finally {
    await running.stop();
  }
}

/** A line for each size; for each phase and for memory a column of each broker. */
function table(kind: Kind, outcomes: ReadonlyMap<Broker, readonly Outcome[]>): string {
  const head = ["size"];
  for (const phase of [...kind.phases, "bytes each"]) {
    for (const { name } of outcomes.keys()) head.push(`${phase}, ${name}`);
  }
  const rows = kind.sizes.map((size, i) => {
    const row = [size.toLocaleString("en")];
    for (const phase of kind.phases) {
      for (const list of outcomes.values()) {
        row.push(cell(list[i]!, phase, ({ cpuUsPerMessage }) => cpuUsPerMessage.toFixed(2)));
      }
    }
    for (const list of outcomes.values()) {
      row.push(
        cell(list[i]!, kind.fills, ({ anonGrownKib }) =>
          Math.round((anonGrownKib * 1024) / size).toLocaleString("en"),
        ),
      );
    }
    return row;
  });
  return columns([head, ...rows], 0);
}

function cell(one: Outcome, phase: string, tell: (measured: Measured) => string): string {
  if ("failed" in one) return one.failed.includes("out of time") ? "too long" : "–";
  const measured = one.get(phase);
  return measured === undefined ? "" : tell(measured);
}

function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      kinds: { type: "string", default: "" },
      sizes: { type: "string", default: "" },
      brokers: { type: "string", default: "mosquitto,ts-broker" },
      messages: { type: "string", default: "200000" },
    },
  });
  const sizes = values.sizes === "" ? null : values.sizes.split(",").map(Number);
  if (sizes?.some((size) => !(size >= 10 && size <= 1_000_000))) {
    throw new Error("--sizes are from 10 to 1000000.");
  }
  const messages = Number(values.messages);
  if (!(messages >= 1_000)) throw new Error("--messages is 1000 or more.");
  const kinds = chosen("kind", KINDS, values.kinds).map((kind) =>
    sizes === null ? kind : { ...kind, sizes },
  );
  const brokers = chosenBrokers(values.brokers);
  return { kinds, brokers, messages };
}

await runBench(() => main(wanted()));
