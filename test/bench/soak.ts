/**
 * 200,000 messages a second for a while: `npm run bench:soak -- [MINUTES]` (10).
 *
 * QoS 0, ten pairs, 64 bytes, at an even rate whatever comes back. Every ten seconds a line: the
 * broker's memory, its share of a core, and the longest pause for garbage collection, as
 * `--trace-gc` tells it. At the end whether memory is flat and how long messages took; the longest
 * pause should stay below 10 ms. `chrt -r 40 npm run bench:soak` keeps a busy machine out of it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeToRun } from "../../src/build/pinned-node.mjs";
import { type Broker, BUNDLE, PLAIN, type Running, run } from "./brokers.ts";
import { runBench } from "./command.ts";
import { FLOWS } from "./flows.ts";
import { compileLoad, load } from "./measure.ts";

const RATE = 200_000;
const INTERVAL_SECONDS = 10;
const PAUSE_MS_MAX = 10;
/** Growth in a minute that still counts as none. */
const FLAT_MIB = 1;

const BROKER: Broker = {
  name: "ts-broker",
  command: (_port, confFile) => [nodeToRun(), "--trace-gc", BUNDLE, "-c", confFile],
};

/** What is seen at one time. */
interface Sample {
  readonly seconds: number;
  readonly rssMib: number;
  readonly anonMib: number;
  readonly cpuSeconds: number;
  /** All so far. */
  readonly pausesMs: readonly number[];
}

async function main(minutes: number): Promise<void> {
  const cores = availableParallelism();
  const conditions = { seconds: minutes * 60, cores, mqload: await compileLoad() };
  const flow = FLOWS.find(({ name }) => name === "q0-pairs")!;
  const running = await run(BROKER, cores, PLAIN);
  try {
    const count = RATE * conditions.seconds;
    const loading = load(flow, count, running, conditions, "-R", `${RATE}`);
    const samples = [sampleOf(running)];
    const head = ["seconds", "RSS MiB", "anonymous MiB", "CPU %", "pauses", "longest ms"];
    console.log(line(head));
    for (let i = 0; i < conditions.seconds / INTERVAL_SECONDS; i++) {
      await Promise.race([sleep(INTERVAL_SECONDS * 1000), loading]);
      samples.push(sampleOf(running));
      console.log(line(cells(samples[0]!, samples.at(-2)!, samples.at(-1)!)));
    }
    const result = await loading;
    if ("failed" in result) throw new Error(result.failed);
    const { perSecond, p50Ms, p99Ms, longestMs, lateMs } = result;
    console.log(
      `${Math.round(perSecond).toLocaleString("en")} messages/s: p50 ${p50Ms.toFixed(3)} ms, ` +
        `p99 ${p99Ms.toFixed(3)} ms, longest ${longestMs.toFixed(1)} ms; ` +
        `sent ${lateMs.toFixed(1)} ms late at most`,
    );
    conclude(samples);
  } finally {
    await running.stop();
  }
}

function sampleOf(running: Running): Sample {
  const [pid] = running.pids;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)![1]) / 1024;
  let cpuNs = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    cpuNs += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return {
    seconds: performance.now() / 1000,
    rssMib: mib("VmRSS"),
    anonMib: mib("RssAnon"),
    cpuSeconds: cpuNs / 1e9,
    pausesMs: pausesOf(running.stdout()),
  };
}

/** Collections, and the steps by which a large one was prepared: the longest of each. */
function pausesOf(trace: string): number[] {
  return [...trace.matchAll(/ ([\d.]+) \/ [\d.]+ ms (?:.*biggest step ([\d.]+) ms)?/g)].map(
    ([, pause, step = 0]) => Math.max(Number(pause), Number(step)),
  );
}

function cells(first: Sample, before: Sample, now: Sample): string[] {
  const cpu = (now.cpuSeconds - before.cpuSeconds) / (now.seconds - before.seconds);
  const pauses = now.pausesMs.slice(before.pausesMs.length);
  return [
    (now.seconds - first.seconds).toFixed(0),
    now.rssMib.toFixed(1),
    now.anonMib.toFixed(1),
    (cpu * 100).toFixed(1),
    String(pauses.length),
    longestOf(pauses).toFixed(2),
  ];
}

function conclude(samples: readonly Sample[]): void {
  // The first half is for what only beginning takes.
  const slope = slopeOf(samples.slice(samples.length >> 1));
  const growth = `${slope.toFixed(2)} MiB a minute`;
  const longest = longestOf(samples.at(-1)!.pausesMs);
  console.log(`Memory ${Math.abs(slope) < FLAT_MIB ? "is flat" : "is not flat"}: ${growth}.`);
  console.log(
    `The longest pause took ${longest.toFixed(2)} ms, which is ` +
      `${longest < PAUSE_MS_MAX ? "below" : "not below"} ${PAUSE_MS_MAX}.`,
  );
}

/** By least squares, anonymous MiB a minute. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (pick: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const seconds = mean((sample) => sample.seconds);
  const anonMib = mean((sample) => sample.anonMib);
  const along = mean((sample) => (sample.seconds - seconds) * (sample.anonMib - anonMib));
  return (60 * along) / mean((sample) => (sample.seconds - seconds) ** 2);
}

function longestOf(pauses: readonly number[]): number {
  return pauses.reduce((longest, pause) => Math.max(longest, pause), 0);
}

function line(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(15)).join("");
}

await runBench(async () => {
  const minutes = Number(process.argv[2] ?? 10);
  if (!(minutes >= 1 && minutes <= 60)) throw new Error("MINUTES is from 1 to 60.");
  await main(minutes);
});
