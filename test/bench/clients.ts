/**
 * ts-pub and ts-sub beside Debian's clients: `npm run bench:clients`.
 *
 *     --rounds N   measure everything N times and show medians (5)
 *     --count N    messages of each flow, in thousands (1000)
 *     --flow NAMES only these, with commas
 *
 * Rates count from the start of the program to the last message: what comes in, for a publisher;
 * its end, for a subscriber. Standard input stays open until all has come in, for mosquitto_pub
 * 2.0.11 ends at the end of its input and loses what it has not sent. CPU is the program's own,
 * user and system. Programs alternate. Nothing here is a test: no number fails.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { nodeToRun } from "../../src/build/pinned-node.mjs";
import { mosquittoPub, mosquittoSub } from "../support/peers.ts";
import { ourProgram, start } from "../support/programs.ts";
import { runBench } from "./command.ts";
import { LineServer } from "./line-server.ts";
import { median } from "./table.ts";

interface Flow {
  readonly name: string;
  readonly title: string;
  readonly kind: "pub" | "sub" | "start";
  readonly words: readonly string[];
  /** Of the messages asked for. */
  readonly share?: number;
}

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const FLOWS: readonly Flow[] = [
  { name: "pub-q0", title: "pub -l, QoS 0", kind: "pub", words: [] },
  { name: "pub-q1", title: "pub -l, QoS 1", kind: "pub", words: ["-q", "1"], share: 0.2 },
  { name: "pub-q2", title: "pub -l, QoS 2", kind: "pub", words: ["-q", "2"], share: 0.2 },
  { name: "sub", title: "sub", kind: "sub", words: [] },
  { name: "sub-v", title: "sub -v", kind: "sub", words: ["-v"] },
  { name: "sub-format", title: "sub -F '%I %t %q %p'", kind: "sub", words: ["-F", "%I %t %q %p"] },
  { name: "sub-json", title: "sub -F %j", kind: "sub", words: ["-F", "%j"] },
  { name: "start", title: "one message, ms", kind: "start", words: ["-m", "b"] },
];

/** Tells what a program of its own cost, as the shell's own `times` has it. */
const TIMED = '"$@" | cat >/dev/null; status=$?; times >&2; exit $status';
/** The same, with lines of a file, and with an input that does not end with it. */
const TIMED_LINES = 'file=$1; shift; cat "$file" - | { "$@"; status=$?; times >&2; exit $status; }';
const STARTS = 20;

const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-bench-"));
const emptyScript = join(directory, "empty.cjs");
const lineFile = join(directory, "lines");

async function measurePub(command: readonly string[], flow: Flow, count: number) {
  await using server = await LineServer.start(count);
  const words = ["-p", String(server.port), "-t", "bench/topic", "-l", ...flow.words];
  const started = performance.now();
  const program = start("sh", ["-c", TIMED_LINES, "sh", lineFile, ...command, ...words]);
  await Promise.race([server.untilAll(), program.untilExit({ deadlineMs: 120_000 })]);
  const seconds = (performance.now() - started) / 1000;
  if (program.ended !== undefined) throw new Error(`${command[0]} ended early: ${program.stderr}`);
  program.endInput();
  await program.untilExit();
  return { seconds, cpuSeconds: cpuOf(program.stderr) };
}

async function measureSub(command: readonly string[], flow: Flow, count: number) {
  await using server = await LineServer.start(count);
  const all = ["-p", String(server.port), "-t", "#", "-C", String(count), ...flow.words];
  const started = performance.now();
  const program = start("sh", ["-c", `{ ${TIMED}; }`, "sh", ...command, ...all]);
  await program.untilExit({ deadlineMs: 120_000 });
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: cpuOf(program.stderr) };
}

/** So many starts, one after the other. */
async function measureStart(command: readonly string[], flow: Flow): Promise<Measured> {
  await using server = await LineServer.start(Number.MAX_SAFE_INTEGER);
  const isEmpty = command.includes(emptyScript);
  const words = isEmpty ? [] : ["-p", String(server.port), "-t", "a", ...flow.words];
  const started = performance.now();
  let cpuSeconds = 0;
  for (let i = 0; i < STARTS; i++) {
    const program = start("sh", ["-c", TIMED, "sh", ...command, ...words]);
    await program.untilExit();
    cpuSeconds += cpuOf(program.stderr) / STARTS;
  }
  return { seconds: (performance.now() - started) / 1000 / STARTS, cpuSeconds };
}

/** `times` prints the shell's own times, and in a second line its children's: `0m1.5s 0m0.2s`. */
function cpuOf(stderr: string): number {
  const found = stderr
    .trim()
    .split("\n")
    .at(-1)!
    .matchAll(/(\d+)m([\d.]+)s/g);
  return [...found].reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest),
    0,
  );
}

function commandsFor({ kind }: Flow): [name: string, command: readonly string[]][] {
  const isSub = kind === "sub";
  const ours = isSub ? "ts-sub" : "ts-pub";
  const theirs = isSub ? mosquittoSub : mosquittoPub;
  const commands: [string, readonly string[]][] = [];
  if (theirs !== undefined) commands.push([isSub ? "mosquitto_sub" : "mosquitto_pub", [theirs]]);
  if (kind === "start") commands.push(["empty script", [nodeToRun(), emptyScript]]);
  commands.push([ours, [nodeToRun(), ourProgram(ours)]]);
  return commands;
}

function measure(command: readonly string[], flow: Flow, count: number): Promise<Measured> {
  if (flow.kind === "start") return measureStart(command, flow);
  return flow.kind === "pub" ? measurePub(command, flow, count) : measureSub(command, flow, count);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      count: { type: "string", default: "1000" },
      flow: { type: "string", default: "" },
    },
  });
  const [rounds, thousands] = [Number(values.rounds), Number(values.count)];
  if (!(rounds >= 1 && thousands >= 5)) throw new Error("--rounds is from 1, --count from 5.");
  const names = values.flow.split(",");
  writeFileSync(emptyScript, "");
  for (const flow of FLOWS) {
    if (values.flow !== "" && !names.includes(flow.name)) continue;
    const count = Math.round(thousands * (flow.share ?? 1)) * 1000;
    writeFileSync(lineFile, Array.from({ length: count }, (_, i) => `${i + 1}\n`).join(""));
    const commands = commandsFor(flow);
    const results: Measured[][] = commands.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, [, command]] of commands.entries()) {
        results[i]!.push(await measure(command, flow, count));
      }
    }
    tell(flow, commands, results, count);
  }
}

/** A line for each program: medians, and how it stands to the first. */
function tell(
  flow: Flow,
  commands: readonly [name: string, command: readonly string[]][],
  results: readonly Measured[][],
  count: number,
): void {
  const medians = results.map((rounds) => ({
    seconds: median(rounds.map(({ seconds }) => seconds)),
    cpuSeconds: median(rounds.map(({ cpuSeconds }) => cpuSeconds)),
  }));
  const first = medians[0]!;
  commands.forEach(([name], i) => {
    const { seconds, cpuSeconds } = medians[i]!;
    const isStart = flow.kind === "start";
    const speed = isStart
      ? `${(seconds * 1000).toFixed(1)} ms`
      : `${Math.round(count / seconds).toLocaleString("en")}/s`;
    const cpu = isStart
      ? `${(cpuSeconds * 1000).toFixed(1)} ms CPU`
      : `${((cpuSeconds * 1e6) / count).toFixed(2)} µs CPU`;
    const rate = `${(first.seconds / seconds).toFixed(2)} × rate`;
    const ratio = `${(cpuSeconds / first.cpuSeconds).toFixed(2)} × CPU`;
    const title = (i === 0 ? flow.title : "").padEnd(22);
    console.log(
      `${title}${name.padEnd(15)}${speed.padStart(12)}${cpu.padStart(15)}   ${rate}, ${ratio}`,
    );
  });
}

await runBench(main, () => rmSync(directory, { recursive: true, force: true }));
