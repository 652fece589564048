/**
 * How long the single executables take to start, beside an empty script on the same Node.js:
 *
 *     npm run bench:start            50 rounds; npm run bench:start -- 200 for more
 *
 * One round starts each once, in turn, so that what else the machine does meets all alike. Ratios
 * count, times are this machine's; `chrt -f 40 npm run bench:start` keeps a busy one out of it. A
 * publication is QoS 0, to a broker of ours that runs before; a broker listens when it says that it
 * is running. Needs npm run build:native.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripElf } from "../../src/build/elf-strip.mjs";
import { baseBinary, hostPlatform } from "../../src/build/native-bases.mjs";
import { mosquittoPub } from "../support/peers.ts";
import { freePort, ROOT, start, untilListening } from "../support/programs.ts";

interface Contender {
  readonly name: string;
  /** Runs once. @returns Milliseconds. */
  run(): Promise<number>;
  /** The most it may take, beside the first. */
  readonly bound?: number;
}

const rounds = Number(process.argv[2] ?? 50);
const platform = hostPlatform();
const native = join(ROOT, "dist/native", platform ?? "");
if (platform === undefined || !existsSync(native)) throw new Error("npm run build:native");
const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-start-"));
try {
  const node = join(directory, "node");
  writeFileSync(node, stripElf(baseBinary(platform)));
  chmodSync(node, 0o755);
  writeFileSync(join(directory, "empty.js"), "");
  const port = await freePort();
  // Written alike: how the system keeps the pages of a file depends on how it came to be there, and
  // makes a quarter of a start.
  for (const name of ["ts-pub", "ts-broker"]) {
    writeFileSync(join(directory, name), readFileSync(join(native, name)));
    chmodSync(join(directory, name), 0o755);
  }
  const [pub, listener] = [join(directory, "ts-pub"), join(directory, "ts-broker")];
  await using broker = start(listener, ["-p", `${port}`]);
  await untilListening(broker, port);
  const words = ["-h", "127.0.0.1", "-p", `${port}`, "-t", "a", "-m", "b"];
  const cjs = (name: string) => join(ROOT, "dist", `${name}.cjs`);
  const contenders: Contender[] = [
    { name: "node, empty script", run: () => toEnd(node, [join(directory, "empty.js")]) },
    { name: "ts-pub", run: () => toEnd(pub, words), bound: 1.35 },
    { name: "ts-pub --version", run: () => toEnd(pub, ["--version"], 1) },
    { name: "node ts-pub.cjs", run: () => toEnd(node, [cjs("ts-pub"), ...words]) },
    { name: "ts-broker listens", run: () => toListening(listener, []), bound: 2 },
    { name: "node ts-broker.cjs listens", run: () => toListening(node, [cjs("ts-broker")]) },
  ];
  if (mosquittoPub !== undefined) {
    contenders.push({ name: "mosquitto_pub", run: () => toEnd(mosquittoPub!, words) });
  }
  await compare(contenders);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function compare(contenders: readonly Contender[]): Promise<void> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of contenders.entries()) times[i]!.push(await run());
  }
  const medians = times.map((list) => part(list, 0.5));
  const firsts = times.map((list) => part(list, 0.1));
  const rows = contenders.map(({ name, bound }, i) => [
    name,
    medians[i]!.toFixed(1),
    (medians[i]! / medians[0]!).toFixed(2),
    (firsts[i]! / firsts[0]!).toFixed(2),
    bound === undefined ? "" : `${bound}`,
  ]);
  const head = ["", "median ms", "ratio", "ratio of quickest tenths", "at most"];
  for (const row of [head, ...rows]) {
    console.log(
      row
        .map((cell, i) => cell.padEnd(i === 0 ? 28 : 12))
        .join(" ")
        .trimEnd(),
    );
  }
}

/** The time below which a share of all is. */
function part(list: readonly number[], share: number): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length * share)]!;
}

/** Until the process has ended. */
async function toEnd(command: string, words: readonly string[], wanted = 0): Promise<number> {
  const begun = performance.now();
  const child = spawn(command, words, { stdio: "ignore", env: {} });
  const [status] = await once(child, "exit");
  const spent = performance.now() - begun;
  if (status !== wanted) throw new Error(`${command} ended with ${status}`);
  return spent;
}

/** Until the broker says that it listens. */
async function toListening(command: string, words: readonly string[]): Promise<number> {
  const port = await freePort();
  const begun = performance.now();
  const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
  const child = spawn(command, [...words, "-p", `${port}`], { stdio, env: {} });
  let said = "";
  for await (const chunk of child.stderr) {
    said += String(chunk);
    if (said.includes(" running\n")) break;
  }
  const spent = performance.now() - begun;
  child.kill("SIGTERM");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  if (!said.includes(" running\n")) throw new Error(said);
  return spent;
}
