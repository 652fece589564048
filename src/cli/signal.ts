/**
 * `ts-broker reload` and `ts-broker signal`: tells a running broker something, by a signal or, on
 * Windows, by its pipe. Loaded only when the words ask for it.
 *
 * Never tells a process that is no broker: a number from an old pid file may be anybody's by now,
 * and most programs end at a SIGHUP.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Configuration } from "../options/conf/configuration.ts";
import { parseSignal, type SignalAction, type SignalTarget } from "../options/signal.ts";
import { UsageError } from "../options/usage-error.ts";
import { codeOf, systemWords } from "../server/failure.ts";
import { type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;

const SIGNALS: Readonly<Record<SignalAction, NodeJS.Signals>> = {
  "config-reload": "SIGHUP",
  "log-rotate": "SIGHUP",
  shutdown: "SIGINT",
  "tree-print": "SIGUSR2",
};

/** The part of the machine that it takes. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  /** Throws the system's error; 0 sends nothing. */
  kill(pid: number, signal: NodeJS.Signals | 0): void;
  /** Of another process; undefined where the machine does not say. */
  wordsOf(pid: number): readonly string[] | undefined;
}

/** What ends it. The message is the sentence for standard error. */
class SignalError extends Error {
  override readonly name = "SignalError";
}

/**
 * @param words Those after the command.
 * @param configured Reads a configuration file.
 * @returns The exit status.
 */
export async function runSignal(
  io: Streams,
  command: "reload" | "signal",
  words: readonly string[],
  configured: (path: string) => Configuration,
  machine?: Machine,
): Promise<number> {
  try {
    const request = parseSignal(command, words);
    if (request.ask === "help") {
      await say(io.stdout, (await import("./help.ts")).commandUsageText(command));
      return OK;
    }
    const { action, target } = request;
    const { pid, from } = pidOf(target, configured);
    await say(io.stdout, `${await tell(machine ?? (await thisMachine()), pid, from, action)}\n`);
    return OK;
  } catch (error) {
    if (error instanceof UsageError) await say(io.stderr, error.textFor(`ts-broker ${command}`));
    else if (error instanceof SignalError) await say(io.stderr, `${error.message}\n`);
    else throw error;
    return FAILURE;
  }
}

async function thisMachine(): Promise<Machine> {
  const { wordsOfProcess } = await import("../io/process-words.ts");
  return {
    platform: process.platform,
    kill: (pid, signal) => void process.kill(pid, signal),
    wordsOf: wordsOfProcess,
  };
}

/** @returns The process, and what says that it is the one, for sentences. */
function pidOf(
  target: SignalTarget,
  configured: (path: string) => Configuration,
): { readonly pid: number; readonly from: string } {
  if ("pid" in target) return { pid: target.pid, from: "" };
  let path = "pidFile" in target ? target.pidFile : undefined;
  if ("configFile" in target) {
    path = configured(target.configFile).general.pidFile;
    if (path === undefined) {
      const where = `${target.configFile} has no pid_file`;
      throw new SignalError(`Error: ${where}. Name the process with -p.`);
    }
  }
  let text: string;
  try {
    text = readFileSync(path!, "utf8").trim();
  } catch (error) {
    throw new SignalError(
      `Error: Unable to read pid file ${path}. ${systemWords(error)}. Does the broker run?`,
    );
  }
  if (/^[1-9]\d{0,9}$/.test(text)) return { pid: Number(text), from: ` (from ${path})` };
  throw new SignalError(`Error: There is no process id in ${path}.`);
}

/** @returns What was done, as a sentence. */
async function tell(
  machine: Machine,
  pid: number,
  from: string,
  action: SignalAction,
): Promise<string> {
  if (machine.platform === "win32") return tellByPipe(pid, from, action);
  const signal = SIGNALS[action];
  try {
    machine.kill(pid, 0);
    if (machine.wordsOf(pid)?.some(isBroker) === false) {
      throw new SignalError(`Error: Process ${pid}${from} is no ts-broker.`);
    }
    machine.kill(pid, signal);
  } catch (error) {
    if (error instanceof SignalError) throw error;
    throw new SignalError(untold(pid, from, error));
  }
  return `Process ${pid} was sent ${signal}.`;
}

async function tellByPipe(pid: number, from: string, action: SignalAction): Promise<string> {
  const { askControl, controlPipe } = await import("../io/control-pipe.ts");
  let answer: string;
  try {
    answer = await askControl(controlPipe(pid), action);
  } catch (error) {
    throw new SignalError(untold(pid, from, error));
  }
  if (answer.startsWith("Error")) throw new SignalError(answer);
  return answer;
}

function untold(pid: number, from: string, error: unknown): string {
  switch (codeOf(error)) {
    case "ESRCH":
    case "ENOENT":
    // More than any process has.
    case "ERR_INVALID_ARG_TYPE":
      return `Error: There is no ts-broker with the process id ${pid}${from}.`;
    case "EPERM":
    case "EACCES":
      return `Error: Process ${pid}${from} is another user's. Permission denied.`;
    default:
      return `Error: Process ${pid}${from} cannot be told: ${systemWords(error)}.`;
  }
}

/** A word of a command line that is our program, by whichever name. */
function isBroker(word: string): boolean {
  return /^(ts-broker|mosquitto)(\.cjs|\.ts)?$/.test(basename(word));
}
