/**
 * One measurement: a fresh broker, a warm-up, and mqload against it.
 *
 * A timed flow is first tried with a few messages, then for a third of its time, which also lets a
 * compiling engine compile; the rate seen decides how many messages fill the time.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outcome, ROOT, start } from "../support/programs.ts";
import { type Broker, LOGIN, onCore, type Running, run } from "./brokers.ts";
import type { Flow } from "./flows.ts";

/** What mqload prints, as far as it is used. */
export interface Measured {
  readonly perSecond: number;
  readonly cpuUsPerMessage: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** How long after its time a message left at most, where the rate was given. */
  readonly lateMs: number;
  readonly rssGrownKib: number;
  /** Without the pages of files. */
  readonly anonGrownKib: number;
  readonly received: number;
}

export interface Conditions {
  /** Seconds of each timed measurement. */
  readonly seconds: number;
  readonly cores: number;
  /** The compiled load generator, from compileLoad. */
  readonly mqload: string;
}

/** A measurement, or why there is none. */
export type Result = Measured | { readonly failed: string };

const FIRST_COUNT = 2_000;
const COUNT_MAX = 5_000_000;
/** Beyond the time that a measurement is to take. */
const DEADLINE_SECONDS = 30;

/**
 * Compiles mqload.c into a new directory under /tmp and returns the program. Where the headers of
 * OpenSSL are missing (Debian's libssl-dev) it has no TLS, and those flows fail.
 */
export async function compileLoad(): Promise<string> {
  const program = join(mkdtempSync(join(tmpdir(), "ts-mqtt-bench-")), "mqload");
  const words = ["-O2", "-o", program, join(ROOT, "test/bench/mqload.c")];
  const compile = (...more: readonly string[]) =>
    outcome(start("cc", [...words, ...more]), { deadlineMs: 60_000 });
  if ((await compile("-DWITH_TLS", "-lssl", "-lcrypto")).status === 0) return program;
  const { status, stderr } = await compile();
  if (status !== 0) throw new Error(`cc could not compile mqload.c:\n${stderr}`);
  return program;
}

export async function measure(flow: Flow, broker: Broker, conditions: Conditions): Promise<Result> {
  const running = await run(broker, conditions.cores, flow);
  try {
    if (flow.count !== "timed") {
      // Memory is that of a fresh broker; all else is measured warm.
      if (flow.tells !== "memory") await load(flow, flow.count / 4, running, conditions);
      return await load(flow, flow.count, running, conditions);
    }
    return await measureTimed(flow, running, conditions);
  } finally {
    await running.stop();
  }
}

/** As many messages as fit the time, as fast as they go, through a broker that runs. */
export async function measureTimed(
  flow: Flow,
  running: Running,
  conditions: Conditions,
): Promise<Result> {
  let count = Math.ceil(FIRST_COUNT / flow.fan);
  for (const share of [1 / 3, 1]) {
    const trial = await load(flow, count, running, conditions);
    if ("failed" in trial) return trial;
    const fitting = (trial.perSecond / flow.fan) * conditions.seconds * share;
    count = Math.min(COUNT_MAX, Math.max(count, Math.ceil(fitting)));
  }
  return load(flow, count, running, conditions);
}

/** @param more Words for mqload beside the flow's. */
export async function load(
  flow: Flow,
  count: number,
  { port, subscribersPort, pids }: Running,
  { seconds, cores, mqload }: Conditions,
  ...more: readonly string[]
): Promise<Result> {
  const deadline = seconds + DEADLINE_SECONDS;
  const common = ["-n", count, "-p", port, "-b", pids.join(), "-T", deadline].map(String);
  const far = flow.bridged === "" ? [] : ["-r", String(subscribersPort)];
  const login = flow.isSecured ? ["-u", `${LOGIN.username}:${LOGIN.password}`] : [];
  const [command, ...words] = [
    ...onCore(0, cores),
    mqload,
    ...flow.words,
    ...login,
    ...far,
    ...common,
    ...more,
  ];
  const program = start(command, words);
  const { status, stdout, stderr } = await outcome(program, {
    deadlineMs: (deadline + 10) * 1000,
  });
  if (status !== 0) return { failed: stderr.trim().replace(/^mqload: /, "") };
  return JSON.parse(stdout) as Measured;
}
