/**
 * Debian's mosquitto programs, where this machine has them: peers to talk to, and the oracle.
 *
 *     describe.skipIf(mosquitto === undefined)("…", () => { … start(mosquitto) … });
 *
 * As a global set-up of vitest it says in one line what is missing: a skipped test says little.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where a daemon is installed, which the PATH of an ordinary user leaves out. */
const DAEMON_DIRECTORIES = ["/usr/sbin", "/usr/local/sbin"];

/** Full path of the broker, or undefined. */
export const mosquitto = find("mosquitto");
/** Full path of the publisher, or undefined. */
export const mosquittoPub = find("mosquitto_pub");
/** Full path of the subscriber, or undefined. */
export const mosquittoSub = find("mosquitto_sub");
/** Full path of the requester, or undefined. */
export const mosquittoRr = find("mosquitto_rr");
/** Full paths of the shells that have completions, and of the linters of what is rendered. */
export const zsh = find("zsh");
export const fish = find("fish");
export const mandoc = find("mandoc");
export const shellcheck = find("shellcheck");
/** Full path of tmux, or undefined: a terminal for programs that draw on one. */
export const tmux = find("tmux");

/** Full paths of what a broker speaks to the system with. */
export const systemdNotify = find("systemd-notify");
export const logger = find("logger");

/** Whether the broker and both its first clients are here. */
export const hasMosquitto = [mosquitto, mosquittoPub, mosquittoSub].every((it) => it !== undefined);

/** Full path of a program on PATH, or undefined. */
export function find(name: string): string | undefined {
  const directories = (process.env.PATH ?? "").split(delimiter).concat(DAEMON_DIRECTORIES);
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** Called by vitest before the first test. */
export function setup(): void {
  const absent = Object.entries({
    mosquitto,
    mosquitto_pub: mosquittoPub,
    mosquitto_sub: mosquittoSub,
    mosquitto_rr: mosquittoRr,
    tmux,
    zsh,
    fish,
    mandoc,
    shellcheck,
    "systemd-notify": systemdNotify,
    logger,
  })
    .filter(([, path]) => path === undefined)
    .map(([name]) => name);
  if (absent.length > 0)
    console.log(`Not on PATH, so tests with it are skipped: ${absent.join(", ")}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not for us: the same to the caller.
    return false;
  }
}
