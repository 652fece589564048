/**
 * `ts-broker install` and `ts-broker uninstall`. Loaded only when the words ask for it.
 *
 * Everything is looked at before anything is changed; see install-work.ts for how nothing is left
 * half done.
 */
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type InstallPlace, parseInstall, parseUninstall } from "../options/install.ts";
import { UsageError } from "../options/usage-error.ts";
import { VERSION } from "../options/version.ts";
import { systemWords } from "../server/failure.ts";
import { statusOfSignal } from "./exit.ts";
import { type Disk, RealDisk } from "./install-disk.ts";
import { itemsOf, type Places, placesBelow, placesOfUser } from "./install-layout.ts";
import { type Manifest, readJournal, readManifest } from "./install-manifest.ts";
import { type Executable, type Plan, planInstall, planUninstall } from "./install-plan.ts";
import {
  carryOut,
  type InstallJob,
  journalPath,
  manifestPath,
  recover,
  takeBack,
} from "./install-work.ts";
import { type EndSignal, onEndSignal, type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;

/** The machine that it takes. */
export interface InstallMachine {
  readonly platform: NodeJS.Platform;
  /** The path of the single-file executable; undefined when it is not one that runs. */
  readonly executable: string | undefined;
  readonly directory: string;
  readonly disk: Disk;
  /** Of another process; undefined where there is none, or the machine does not say. */
  wordsOf(pid: number): readonly string[] | undefined;
}

/** What ends it. The message is the sentence for standard error. */
class InstallError extends Error {
  override readonly name = "InstallError";
  readonly status: number;

  constructor(message: string, status = FAILURE) {
    super(message);
    this.status = status;
  }
}

/**
 * @param words Those after the command.
 * @returns The exit status.
 */
export async function runInstall(
  io: Streams,
  command: "install" | "uninstall",
  words: readonly string[],
  machine?: InstallMachine,
): Promise<number> {
  try {
    const request = command === "install" ? parseInstall(words) : parseUninstall(words);
    if (request.ask === "help") {
      await say(io.stdout, (await import("./help.ts")).commandUsageText(command));
      return OK;
    }
    const where = machine ?? (await thisMachine());
    if (request.ask === "install") await install(io, request, where);
    else await uninstall(io, request, where);
    return OK;
  } catch (error) {
    if (error instanceof UsageError) {
      await say(io.stderr, error.textFor(`ts-broker ${command}`));
      return FAILURE;
    }
    if (!(error instanceof InstallError)) throw error;
    await say(io.stderr, `${error.message}\n`);
    return error.status;
  }
}

async function thisMachine(): Promise<InstallMachine> {
  const [{ isSea }, { wordsOfProcess }] = await Promise.all([
    import("node:sea"),
    import("../io/process-words.ts"),
  ]);
  return {
    platform: process.platform,
    executable: isSea() ? process.execPath : undefined,
    directory: process.cwd(),
    disk: new RealDisk(),
    wordsOf: wordsOfProcess,
  };
}

type Asked = Exclude<ReturnType<typeof parseInstall>, { ask: "help" }>;

async function install(io: Streams, asked: Asked, machine: InstallMachine): Promise<void> {
  const { disk } = machine;
  const places = placesFor(asked.place, io, machine);
  const executable = executableOf(machine);
  const records = recordsOf(places);
  await makeSure(io, records, machine, asked.dryRun);
  const old = manifestIn(records, disk);
  // What was asked for once stays, or an upgrade would take it away.
  const choices = {
    systemd: asked.systemd || (old?.systemd ?? false),
    compat: asked.compat || (old?.compat ?? false),
  };
  const plan = planInstall(itemsOf(places, choices), executable, old, records, disk);
  if (asked.dryRun) await say(io.stdout, planText(plan));
  refuseIfHindered(plan);
  if (asked.dryRun) return;
  const id = randomBytes(6).toString("hex");
  const job = { plan, executable, records, old, version: VERSION, ...choices, id, pid: io.pid };
  await work(io, job, disk);
  await say(io.stdout, installedText(plan, places, old, choices.systemd));
}

async function uninstall(
  io: Streams,
  { place, dryRun }: { readonly place: InstallPlace; readonly dryRun: boolean },
  machine: InstallMachine,
): Promise<void> {
  const { disk } = machine;
  const records = recordsOf(placesFor(place, io, machine));
  const isCleared = await makeSure(io, records, machine, dryRun);
  const manifest = manifestIn(records, disk);
  if (manifest === undefined) {
    // What there was to take back was what had been cut short.
    if (isCleared) return;
    const list = manifestPath(records);
    throw new InstallError(`Error: Nothing is installed there: there is no ${list}.`);
  }
  const plan = planUninstall(manifest, records, disk);
  if (dryRun) await say(io.stdout, planText(plan));
  refuseIfHindered(plan);
  if (dryRun) return;
  // A matter of a moment, which a signal had better not cut in two.
  const ignore = onEndSignal(io, () => undefined);
  try {
    takeBack(plan, manifest, records, disk);
  } catch (error) {
    const again = "what is left is taken back by another uninstall";
    throw new InstallError(
      `Error: Not all of it could be removed: ${systemWords(error)}; ${again}.`,
    );
  } finally {
    ignore();
  }
  const count = plan.steps.filter(({ deed }) => deed === "remove").length;
  await say(io.stdout, `Removed: ${filesText(count)}.\n${leftText(plan)}`);
}

/** @throws {InstallError} Once everything is as it was. */
async function work(io: Streams, job: InstallJob, disk: Disk): Promise<void> {
  let signal: EndSignal | undefined;
  const stopListening = onEndSignal(io, (told) => {
    signal = told;
  });
  const pause = async (): Promise<void> => {
    // Signals come in between two turns of the event loop.
    await setImmediate();
    if (signal !== undefined) throw new Error("interrupted");
  };
  try {
    await carryOut(job, disk, pause);
  } catch (error) {
    const sentence = `Error: Nothing has been installed: ${systemWords(error)}.`;
    throw new InstallError(sentence, signal === undefined ? FAILURE : statusOfSignal(signal));
  } finally {
    stopListening();
  }
}

/**
 * Ends what another run has left half done, unless that run is still at it.
 *
 * @returns Whether there was something.
 */
async function makeSure(
  io: Streams,
  records: string,
  { disk, wordsOf }: InstallMachine,
  isDry: boolean,
): Promise<boolean> {
  const path = journalPath(records);
  const text = readList(path, disk);
  if (text === undefined) return false;
  const { pid } = readJournal(text) ?? {};
  const isAtIt = pid !== undefined && pid !== io.pid && wordsOf(pid)?.includes("install");
  if (isAtIt) {
    throw new InstallError(`Error: Process ${pid} is installing there, as ${path} says.`);
  }
  const what = "An earlier install was cut short";
  if (isDry) {
    await say(io.stdout, `${what}: what it has left would be cleared up first.\n`);
    return true;
  }
  try {
    const outcome = recover(records, disk);
    const done = outcome === "finished" ? "it is complete now" : "what it had done is taken back";
    await say(io.stdout, `${what}: ${done}.\n`);
    return true;
  } catch (error) {
    const why = systemWords(error);
    throw new InstallError(`Error: ${what}, and what it has left cannot be cleared up: ${why}.`);
  }
}

function placesFor(
  place: InstallPlace,
  { env }: Streams,
  { platform, directory }: InstallMachine,
): Places {
  if (platform === "win32") {
    const names = "ts-pub.exe, ts-sub.exe and ts-rr.exe";
    throw new InstallError(
      `Error: On Windows there is nothing to install: put ts-broker.exe, and copies of it named ${names}, into a directory of the PATH.`,
    );
  }
  if (place !== "user") return placesBelow(posix.resolve(directory, place.prefix));
  const { HOME = "", XDG_CONFIG_HOME = "" } = env;
  if (!posix.isAbsolute(HOME)) {
    throw new InstallError("Error: --user needs HOME to name the home directory.");
  }
  const config = posix.isAbsolute(XDG_CONFIG_HOME) ? posix.normalize(XDG_CONFIG_HOME) : undefined;
  return placesOfUser(posix.normalize(HOME), config?.replace(/(.)\/$/, "$1"));
}

function recordsOf({ share }: Places): string {
  return posix.join(share, "ts-broker");
}

/** npm installs and removes what it has brought; a second copy would only get in its way. */
function executableOf({ executable, disk }: InstallMachine): Executable {
  if (executable === undefined) {
    throw new InstallError(
      "Error: Only the single-file ts-broker installs itself; what came with npm is installed by npm install -g.",
    );
  }
  let why = "it is not a file";
  try {
    const found = disk.look(executable);
    if (found.is === "file") return { path: executable, ...found };
  } catch (error) {
    why = systemWords(error);
  }
  throw new InstallError(`Error: Unable to read ${executable}: ${why}.`);
}

function manifestIn(records: string, disk: Disk): Manifest | undefined {
  const path = manifestPath(records);
  const text = readList(path, disk);
  if (text === undefined) return undefined;
  const manifest = readManifest(text);
  if (manifest !== undefined) return manifest;
  throw new InstallError(`Error: ${path} is no list that this ts-broker can read.`);
}

function readList(path: string, disk: Disk): string | undefined {
  try {
    return disk.read(path);
  } catch (error) {
    throw new InstallError(`Error: Unable to read ${path}: ${systemWords(error)}.`);
  }
}

function refuseIfHindered({ obstacles }: Plan): void {
  const [first, ...others] = obstacles;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : ` ${others.length} more like it: see --dry-run.`;
  throw new InstallError(`Error: Nothing has been changed: ${first}${more}`);
}

/** A line for each path. */
function planText({ steps, obstacles }: Plan): string {
  const lines = steps.map(({ deed, path }) => `${deed.padEnd(8)} ${path}`);
  const hindered = obstacles.map((sentence) => `hindered ${sentence}`);
  return [...lines, ...hindered].map((line) => `${line}\n`).join("");
}

function installedText(
  plan: Plan,
  { bin, isOneUsers }: Places,
  old: Manifest | undefined,
  systemd: boolean,
): string {
  const count = plan.steps.filter(({ deed }) => deed === "create" || deed === "replace").length;
  const instead =
    old === undefined || old.version === VERSION ? "" : `, in place of ${old.version}`;
  const control = isOneUsers ? "systemctl --user" : "systemctl";
  const service = `${control} daemon-reload && ${control} enable --now ts-broker`;
  const start = systemd ? `To start the service: ${service}\n` : "";
  const what = `ts-broker ${VERSION} is installed in ${bin}${instead}: ${filesText(count)} written`;
  return `${what}.\n${leftText(plan)}${start}`;
}

/** What whoever reads may want to look after. */
function leftText({ steps }: Plan): string {
  return steps
    .map(({ deed, path }) => {
      if (deed === "leave") return `${path} has been changed, and is left as it is.\n`;
      return deed === "accept" ? `${path} was there already, and is not ours to remove.\n` : "";
    })
    .join("");
}

function filesText(count: number): string {
  return count === 1 ? "1 file" : `${count} files`;
}
