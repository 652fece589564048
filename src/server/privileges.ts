/** Gives up root before anything listens, and sets the umask (mosquitto-2.1 a.2, a.3). */
import { readFileSync } from "node:fs";
import type { Log } from "../broker/world.ts";
import { StartFailure } from "./failure.ts";

/** The part of `process` that it takes. Windows has none of these. */
export interface Ids {
  readonly env: Readonly<Record<string, string | undefined>>;
  geteuid?(): number;
  setgid?(id: number | string): void;
  setuid?(id: number | string): void;
  setgroups?(groups: readonly (number | string)[]): void;
  initgroups?(user: number | string, group: number | string): void;
  umask?(mask: number): number;
}

/** Where a user's own group is found; users of a directory service are not in it. */
const PASSWD = "/etc/passwd";

const USER_DEFAULT = "mosquitto";
const USER_FALLBACK = "nobody";

/**
 * Becomes another user, if root is running it.
 *
 * @param user The `user` option; undefined for mosquitto's default, which gives way to `nobody`
 *   where there is no such user.
 * @param readPasswd Hands over the text of /etc/passwd.
 * @throws {StartFailure} When that user does not exist or may not be become.
 */
export function dropPrivileges(
  ids: Ids,
  user: string | undefined,
  log: Log,
  readPasswd: () => string = passwdOfMachine,
): void {
  if (ids.geteuid?.() !== 0 || ids.env.SNAP_NAME === "mosquitto") return;
  const { PUID, PGID } = ids.env;
  if (PUID !== undefined || PGID !== undefined) {
    becomeIds(ids, PUID, PGID);
  } else if (user === "root") {
    log.write("warning", "Warning: ts-broker should not be run as root/administrator.");
  } else if (user !== undefined) {
    if (!become(ids, user, readPasswd)) throw noSuchUser(user);
  } else if (!become(ids, USER_DEFAULT, readPasswd) && !become(ids, USER_FALLBACK, readPasswd)) {
    throw noSuchUser(USER_DEFAULT);
  }
}

/** UMASK_SET: an octal number. */
export function setUmask(ids: Ids): void {
  const mask = ids.env.UMASK_SET;
  if (mask === undefined) return;
  if (!/^[0-7]{1,4}$/.test(mask)) {
    throw new StartFailure(3, `Error: Invalid UMASK_SET value (${mask}).`);
  }
  ids.umask?.(Number.parseInt(mask, 8));
}

/** PUID and PGID: numbers, 0 to stay. */
function becomeIds(ids: Ids, userId: string | undefined, groupId: string | undefined): void {
  for (const [name, word] of [
    ["PUID", userId],
    ["PGID", groupId],
  ] as const) {
    if (word === undefined || /^\d+$/.test(word)) continue;
    throw new StartFailure(3, `Error: Invalid ${name} value (${word}).`);
  }
  try {
    if (groupId !== undefined && Number(groupId) !== 0) {
      ids.setgroups?.([Number(groupId)]);
      ids.setgid?.(Number(groupId));
    }
    if (userId !== undefined && Number(userId) !== 0) ids.setuid?.(Number(userId));
  } catch (error) {
    throw new StartFailure(1, "Error: Unable to drop privileges to PUID and PGID.", error);
  }
}

/** @returns False when there is no such user. */
function become(ids: Ids, user: string, readPasswd: () => string): boolean {
  // Where the machine does not say, the group of the user's name, which most users have.
  const group = groupIn(readPasswd(), user) ?? user;
  try {
    ids.initgroups?.(user, group);
    ids.setgid?.(group);
    ids.setuid?.(user);
    return true;
  } catch (error) {
    if (isUnknown(error)) return false;
    throw new StartFailure(1, `Error: Unable to drop privileges to '${user}'.`, error);
  }
}

/** The group that a line `name:password:uid:gid:…` of /etc/passwd gives a user. */
function groupIn(passwd: string, user: string): number | undefined {
  for (const line of passwd.split("\n")) {
    const [name, , , group = ""] = line.split(":");
    if (name === user && /^\d+$/.test(group)) return Number(group);
  }
  return undefined;
}

function passwdOfMachine(): string {
  try {
    return readFileSync(PASSWD, "utf8");
  } catch {
    // A machine without one has its users elsewhere.
    return "";
  }
}

function isUnknown(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_UNKNOWN_CREDENTIAL";
}

function noSuchUser(user: string): StartFailure {
  return new StartFailure(
    1,
    `Error: Unable to drop privileges to '${user}' because this user does not exist.`,
  );
}
