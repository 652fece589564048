/**
 * What brokers take of memory: `npm run bench:memory`.
 *
 *     --connections N idle connections with a subscription each (10000); more than one address has
 *                     ports for come from several, and more than files may be open are refused
 *     --messages N    messages of 64 bytes, queued for a client that is away, and retained (100000)
 *     --rounds N      measure everything N times and show medians (3)
 *     --settle S      seconds without anything to do, after which it is looked at again (20)
 *     --brokers NAMES as for `npm run bench`
 *     --only NAMES    of connections, queued and retained, with commas
 *
 * Resident bytes (VmRSS, so that pages of the program's file count too) as the kernel tells them,
 * by how much they grow: with a connection, and with a message beside its payload. Topics of what
 * is retained are about 17 bytes and count as the message's. Rounds alternate between the brokers.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { outcome, start } from "../support/programs.ts";
import { type Broker, onCore, type Running, run } from "./brokers.ts";
import { chosenBrokers, runBench } from "./command.ts";
import { compileLoad } from "./measure.ts";
import { median } from "./table.ts";

const PAYLOAD_BYTES = 64;
const DEADLINE_SECONDS = 120;

interface Wanted {
  readonly connections: number;
  readonly messages: number;
  readonly rounds: number;
  readonly settleMs: number;
  readonly brokers: readonly Broker[];
  readonly scenarios: readonly Scenario[];
}

type Scenario = keyof typeof SCENARIOS;

/** What is known of one run, by name. */
type Figures = Readonly<Record<string, number>>;

/** What mqload prints, as far as it is used. */
interface Loaded {
  readonly perSecond: number;
  readonly cpuUsPerMessage: number;
}

/** Of each: mqload's words, and what a figure beside the payload is called. */
const SCENARIOS = {
  connections: { words: ["hold"], of: "connection", payload: 0 },
  queued: { words: ["store", "-s", `${PAYLOAD_BYTES}`], of: "message", payload: PAYLOAD_BYTES },
  retained: { words: ["keep", "-s", `${PAYLOAD_BYTES}`], of: "message", payload: PAYLOAD_BYTES },
} as const;

async function main(wanted: Wanted): Promise<void> {
  const mqload = await compileLoad();
  for (const scenario of wanted.scenarios) {
    const all = new Map(wanted.brokers.map(({ name }) => [name, [] as Figures[]]));
    for (let round = 0; round < wanted.rounds; round++) {
      for (const broker of wanted.brokers) {
        all.get(broker.name)!.push(await measured(scenario, broker, mqload, wanted));
      }
    }
    console.log(`\n${scenario}, medians of ${wanted.rounds}:`);
    for (const [name, figures] of all) {
      const shown = Object.keys(figures[0]!).map(
        (key) => `${key} ${Math.round(median(figures.map((one) => one[key]!)))}`,
      );
      console.log(`  ${name}: ${shown.join(", ")}`);
    }
  }
}

async function measured(
  scenario: Scenario,
  broker: Broker,
  mqload: string,
  { connections, messages, settleMs }: Wanted,
): Promise<Figures> {
  const cores = availableParallelism();
  const running = await run(broker, cores, { isSecured: false, over: "tcp", bridged: "" });
  try {
    const { words, of, payload } = SCENARIOS[scenario];
    const count = scenario === "connections" ? connections : messages;
    await passed(1_000);
    const idle = resident(running);
    const common = ["-n", `${count}`, "-p", `${running.port}`, "-b", running.pids.join()];
    const [command, ...rest] = [...onCore(0, cores), mqload, ...words, ...common];
    const load = start(command!, [...rest, "-T", `${DEADLINE_SECONDS}`]);
    const { perSecond, cpuUsPerMessage } = await reported(load);
    const each = () => (resident(running) - idle) / count - payload;
    const atOnce = each();
    await passed(settleMs);
    const settled = each();
    await outcome(load, { deadlineMs: 30_000 });
    return {
      "idle KiB": idle / 1024,
      [`bytes a ${of}`]: atOnce,
      "when settled": settled,
      "a second": perSecond,
      "CPU us each": cpuUsPerMessage,
    };
  } finally {
    await running.stop();
  }
}

/** What mqload says once all is done: those that hold connections go on. */
async function reported(load: ReturnType<typeof start>): Promise<Loaded> {
  await load.untilOutput("}\n", { deadlineMs: DEADLINE_SECONDS * 1000 });
  return JSON.parse(load.stdout) as Loaded;
}

/** Resident bytes of the broker. */
function resident({ pids }: Running): number {
  let kib = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    kib += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
  }
  return kib * 1024;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      connections: { type: "string", default: "10000" },
      messages: { type: "string", default: "100000" },
      rounds: { type: "string", default: "3" },
      settle: { type: "string", default: "20" },
      brokers: { type: "string", default: "mosquitto,ts-broker" },
      only: { type: "string", default: Object.keys(SCENARIOS).join() },
    },
  });
  const [connections, messages, rounds, settle] = [
    Number(values.connections),
    Number(values.messages),
    Number(values.rounds),
    Number(values.settle),
  ];
  if (!(connections > 0 && messages > 0 && rounds > 0 && settle >= 0)) {
    throw new Error("--connections, --messages and --rounds are above 0, --settle is not below.");
  }
  const brokers = chosenBrokers(values.brokers);
  const scenarios = values.only.split(",").map((name) => {
    if (name in SCENARIOS) return name as Scenario;
    throw new Error(`There is no ${name}; there are ${Object.keys(SCENARIOS).join(", ")}.`);
  });
  return { connections, messages, rounds, settleMs: settle * 1000, brokers, scenarios };
}

await runBench(() => main(wanted()));
