/**
 * Reads files that others should not: password, ACL and PSK files (mosquitto-2.1 a.3).
 *
 * A link is not followed, or whoever may write beside the file could lead elsewhere.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

const WORLD_READABLE = 0o004;

/**
 * @param warn Told what is wrong with its permissions, a sentence each.
 * @param mayBeLink MOSQUITTO_UNSAFE_ALLOW_SYMLINKS.
 * @throws The system's error, or one with words of ours.
 */
export function readRestricted(
  path: string,
  warn: (sentence: string) => void,
  mayBeLink: boolean,
): string {
  return readRestrictedBytes(path, warn, mayBeLink).toString("utf8");
}

/** The same for what is no text, or not in UTF-8. */
export function readRestrictedBytes(
  path: string,
  warn: (sentence: string) => void,
  mayBeLink: boolean,
): Buffer {
  const fd = opened(path, mayBeLink);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw Object.assign(new Error("Is a directory"), { code: "EISDIR" });
    if (stat.isFIFO()) throw new Error("Is a pipe");
    const later = "Future versions will refuse to load this file.";
    if ((stat.mode & WORLD_READABLE) !== 0) {
      warn(`Warning: File ${path} has world readable permissions. ${later}`);
      warn(`To fix this, use \`chmod 0700 ${path}\`.`);
    }
    const own = process.getuid?.();
    if (own !== undefined && own !== 0 && stat.uid !== own) {
      warn(`Warning: File ${path} is not owned by the user that ts-broker runs as. ${later}`);
    }
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function opened(path: string, mayBeLink: boolean): number {
  const noFollow = mayBeLink ? 0 : (constants.O_NOFOLLOW ?? 0);
  // Nobody may write to a pipe, and meanwhile no client would be served.
  const noWait = constants.O_NONBLOCK ?? 0;
  try {
    return openSync(path, constants.O_RDONLY | noFollow | noWait);
  } catch (error) {
    // Its words would be of too many levels of links.
    const isLink = !mayBeLink && (error as NodeJS.ErrnoException).code === "ELOOP";
    if (!isLink) throw error;
    const words = "Is a symbolic link, and MOSQUITTO_UNSAFE_ALLOW_SYMLINKS is not set";
    throw new Error(words, { cause: error });
  }
}
