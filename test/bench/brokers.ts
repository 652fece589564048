/**
 * The brokers that are measured beside each other, each alone on its core while it is.
 *
 * mosquitto and ts-broker read the same configuration file.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeToRun } from "../../src/build/pinned-node.mjs";
import { find, mosquitto } from "../support/peers.ts";
import { freePort, type Program, ROOT, start, untilListening } from "../support/programs.ts";

export interface Broker {
  readonly name: string;
  /** Why it cannot be measured here, if so. */
  readonly missing?: string;
  /** Whether it keeps sessions on disk. */
  readonly isDurable?: boolean;
  /** The command line, given a port and a configuration file. */
  readonly command: (port: number, confFile: string) => readonly string[];
}

export interface Running {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const BUNDLE = join(ROOT, "dist", "ts-broker.cjs");

/** The first is what the others are compared with. */
export const BROKERS: readonly Broker[] = [
  {
    name: "mosquitto",
    ...(mosquitto === undefined ? { missing: "mosquitto is not installed" } : {}),
    command: (_port, confFile) => [mosquitto ?? "mosquitto", "-c", confFile],
  },
  {
    name: "ts-broker",
    ...(existsSync(BUNDLE) ? {} : { missing: "dist/ts-broker.cjs is not built" }),
    command: (_port, confFile) => [nodeToRun(), BUNDLE, "-c", confFile],
  },
  {
    name: "ts-broker-disk",
    isDurable: true,
    ...(existsSync(BUNDLE) ? {} : { missing: "dist/ts-broker.cjs is not built" }),
    command: (_port, confFile) => [nodeToRun(), BUNDLE, "-c", confFile],
  },
  {
    name: "aedes",
    command: (port) => [nodeToRun(), join(ROOT, "test/bench/aedes-server.mjs"), String(port)],
  },
];

const taskset = find("taskset");

/** The words that keep a program on one core, where the machine can and has two. */
export function onCore(core: 0 | 1, cores: number): readonly string[] {
  return taskset === undefined || cores < 2 ? [] : [taskset, "-c", String(core)];
}

/** A fresh process of `broker` that listens. */
export async function run(broker: Broker, cores: number): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-bench-"));
  // Whoever ts-broker goes on as when it was started by root.
  chmodSync(directory, 0o777);
  const port = await freePort();
  const confFile = join(directory, "broker.conf");
  const kept = [`persistence_location ${directory}`, "persistence true"];
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "max_queued_messages 0",
    ...(broker.isDurable ? kept : []),
  ];
  writeFileSync(confFile, `${lines.join("\n")}\n`);
  const [command, ...words] = [...onCore(1, cores), ...broker.command(port, confFile)];
  const program = start(command, words);
  try {
    await untilListening(program, port);
  } catch (error) {
    await end(program, directory);
    throw error;
  }
  return { port, pid: program.pid, stop: () => end(program, directory) };
}

async function end(program: Program, directory: string): Promise<void> {
  await program[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
}
