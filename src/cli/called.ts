/**
 * Which program a process is, by the name it was called: a link named mosquitto_pub, mosquitto_sub
 * or mosquitto_rr is that program, whichever of ours it leads to, and speaks of itself so.
 */
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { Streams } from "./streams.ts";
import { wordsOf } from "./streams.ts";

export type ClientProgram = "ts-pub" | "ts-sub" | "ts-rr";

/** What runs a program. @param name By which it speaks of itself. */
type Main = (io: Streams, name: string) => Promise<number>;

const MAINS: Readonly<Record<ClientProgram, () => Promise<{ main: Main }>>> = {
  "ts-pub": () => import("./pub.ts"),
  "ts-sub": () => import("./sub.ts"),
  "ts-rr": () => import("./rr.ts"),
};

const PEERS: Readonly<Record<string, ClientProgram>> = {
  mosquitto_pub: "ts-pub",
  mosquitto_sub: "ts-sub",
  mosquitto_rr: "ts-rr",
};

/** The program, and the name by which it speaks of itself. */
export interface Called {
  readonly program: ClientProgram;
  readonly name: string;
}

/**
 * @param path As the process was called: Node.js does not follow the last link.
 * @param own What it is by any other name.
 */
export function calledBy(path: string, own: ClientProgram): Called {
  const name = basename(path).replace(/\.(?:[cm]?[jt]s|exe|cmd)$/i, "");
  if (Object.hasOwn(PEERS, name)) return { program: PEERS[name]!, name };
  const program = Object.hasOwn(MAINS, name) ? (name as ClientProgram) : own;
  return { program, name: program };
}

/** The names that one of mosquitto's programs has among ours, and the other way round. */
export function peerOf(program: ClientProgram): string {
  return Object.keys(PEERS).find((name) => PEERS[name] === program)!;
}

/** Runs the program that the process was called as. @returns Its exit status. */
export async function run(process: NodeJS.Process, own: ClientProgram): Promise<number> {
  const { program, name } = calledBy(process.argv[1] ?? "", own);
  const { main } = await MAINS[program]();
  nameProcess(process, name);
  return main(process, name);
}

/** So that ps, pkill and killall find it as they find mosquitto's. */
function nameProcess(process: NodeJS.Process, name: string): void {
  process.title = [name, ...wordsOf(process)].join(" ");
  if (process.platform !== "linux") return;
  try {
    // The title alone would put the words into the short name, too, which killall compares.
    writeFileSync("/proc/self/comm", name);
  } catch {
    // No /proc, or not ours to write: the title has to do.
  }
}
