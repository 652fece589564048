/**
 * Which program a process is, by the name it was called: a link named mosquitto_pub, mosquitto_sub
 * or mosquitto_rr is that program, whichever of our clients it leads to, and speaks of itself so.
 * A single executable holds all programs, and is mosquitto and mosquitto_passwd as well.
 */
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { ProgramName } from "../options/programs.ts";
import { say, wordsOf } from "./streams.ts";

export type ClientProgram = Exclude<ProgramName, "ts-broker">;

/** What runs a program. @param name By which it speaks of itself. */
type Main = (io: NodeJS.Process, name: string) => Promise<number>;

/** The programs that a file holds, each loaded when it is the one. */
export type Programs = Readonly<Partial<Record<ProgramName, () => Promise<{ main: Main }>>>>;

export const CLIENTS = {
  "ts-pub": () => import("./pub.ts"),
  "ts-sub": () => import("./sub.ts"),
  "ts-rr": () => import("./rr.ts"),
} as const satisfies Programs;

/** Every name, and the program that it means. mosquitto_passwd is one of ts-broker's commands. */
const NAMES: Readonly<Record<string, ProgramName>> = {
  "ts-broker": "ts-broker",
  "ts-pub": "ts-pub",
  "ts-sub": "ts-sub",
  "ts-rr": "ts-rr",
  mosquitto: "ts-broker",
  mosquitto_passwd: "ts-broker",
  mosquitto_pub: "ts-pub",
  mosquitto_sub: "ts-sub",
  mosquitto_rr: "ts-rr",
};

/** The program, and the name by which it speaks of itself. */
export interface Called {
  readonly program: ProgramName;
  readonly name: string;
}

/**
 * @param path As the process was called: Node.js does not follow the last link.
 * @param programs Those it can be.
 * @param foldsCase Whether the system takes names in any case, as Windows does.
 */
export function calledBy(path: string, programs: Programs, foldsCase = false): Called | undefined {
  const typed = basename(path).replace(/\.(?:[cm]?[jt]s|exe|cmd)$/i, "");
  const name = foldsCase ? typed.toLowerCase() : typed;
  if (!Object.hasOwn(NAMES, name)) return undefined;
  const program = NAMES[name]!;
  return Object.hasOwn(programs, program) ? { program, name } : undefined;
}

/**
 * Runs the program that the process was called as.
 *
 * @param own What it is by any other name; a single executable, which has none, then goes by its
 *   file's name behind all links, and else by the first word.
 * @returns Its exit status.
 */
export async function run(
  process: NodeJS.Process,
  programs: Programs,
  own?: ProgramName,
): Promise<number> {
  const foldsCase = process.platform === "win32";
  const { argv } = process;
  const named = (path = ""): Called | undefined => calledBy(path, programs, foldsCase);
  let called = named(argv[1]);
  if (called === undefined && own !== undefined) called = { program: own, name: own };
  called ??= named(process.argv0) ?? named(process.execPath);
  if (called === undefined) {
    called = named(argv[2]);
    if (called === undefined) return sayNames(process, programs);
    argv.splice(2, 1);
  }
  const { program, name } = called;
  keepDebuggerOut(process, program);
  const { main } = await programs[program]!();
  // A single executable's command line is as it should be, and the broker's has the configuration.
  if (own !== undefined && program !== "ts-broker") entitle(process, name);
  nameProcess(process, name);
  return main(process, name);
}

/**
 * At SIGUSR1 Node.js opens its debugger, to every process of this machine, unless the signal means
 * something else: to clients its ordinary effect, as to mosquitto's, which is what is left behind
 * by a listener that goes; to the broker nothing, until it is one that can do as it asks.
 */
function keepDebuggerOut(process: NodeJS.Process, program: ProgramName): void {
  const ignore = (): void => undefined;
  process.on("SIGUSR1", ignore);
  if (program !== "ts-broker") process.off("SIGUSR1", ignore);
}

/** What a single executable says that does not know what it is. */
async function sayNames(process: NodeJS.Process, programs: Programs): Promise<number> {
  const file = basename(process.argv[1] ?? "");
  const names = Object.keys(programs).sort().join(", ");
  const how = `Give it one of these names, or as its first word: ${names}`;
  await say(process.stderr, `Error: ${file} is none of the programs in it. ${how}.\n`);
  return 1;
}

/** So that ps and pkill -f find it as they find mosquitto's. */
function entitle(process: NodeJS.Process, name: string): void {
  process.title = [name, ...wordsOf(process)].join(" ");
}

/** So that ps, pkill and killall find it: Node.js, or its title, puts something else there. */
function nameProcess(process: NodeJS.Process, name: string): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync("/proc/self/comm", name);
  } catch {
    // No /proc, or not ours to write: the title has to do.
  }
}
