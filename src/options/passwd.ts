/**
 * `ts-broker passwd`: users and hashed passwords in a file, with mosquitto_passwd's words
 * (mosquitto-2.1 d.1).
 */

import { wholeLong } from "./numbers.ts";
import { flag, type Values, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { type Manners, parseWords } from "./words.ts";

const TODO = "What to do";
const HASHING = "Hashing";
const HELP = "Help";
const MANNERS: Manners = { unknown: "hint", missing: "hint" };
const USERNAME_BYTES_MAX = 65_535;

/** How passwords are hashed, by the names of -H. */
const KINDS = { argon2id: "argon2id", "sha512-pbkdf2": "pbkdf2", sha512: "sha512" } as const;

export type HashKind = (typeof KINDS)[keyof typeof KINDS];

export const PASSWD_OPTIONS = {
  batch: flag({
    short: "b",
    group: TODO,
    brief: "Take the password from the words",
    text: [
      "Takes the password as the last word, where everybody on the machine can read it while the",
      "program runs. Without it the password is asked for twice on the terminal.",
    ].join(" "),
  }),
  create: flag({
    short: "c",
    group: TODO,
    brief: "Make a new file, which must not be there",
    text: [
      "Makes a new file. One that is there already is not overwritten. With - for FILE, the line",
      "is printed.",
    ].join(" "),
  }),
  remove: flag({
    short: "D",
    group: TODO,
    brief: "Take the user out of the file",
    text: "Takes the user out of the file.",
    excludes: {
      keys: ["create"],
      message: "Error: -c and -D cannot be used together.",
    },
  }),
  upgrade: flag({
    short: "U",
    group: TODO,
    brief: "Hash the plain passwords in the file",
    text: "Hashes every password in the file that is not hashed yet.",
  }),
  kind: valued({
    short: "H",
    value: "NAME",
    group: HASHING,
    brief: "Hash with argon2id, sha512-pbkdf2 or sha512",
    standard: "sha512-pbkdf2",
    text: [
      "The way to hash: sha512-pbkdf2, the default; argon2id, which",
      "needs Node.js 24.7 or later and mosquitto 2.1; or sha512, which mosquitto 1.6 reads and which",
      "is quickly guessed.",
    ].join(" "),
    complete: Object.keys(KINDS),
    missing: "Error: -H argument given but not enough other arguments.",
    parse(word): HashKind {
      if (Object.hasOwn(KINDS, word)) return KINDS[word as keyof typeof KINDS];
      throw refused(`Error: Unknown hash type '${word}'`);
    },
    fallback: "pbkdf2" as HashKind,
  }),
  iterations: valued({
    short: "I",
    value: "COUNT",
    group: HASHING,
    brief: "Hash COUNT times with sha512-pbkdf2",
    standard: "1000",
    text: "How often sha512-pbkdf2 hashes, 1 to 999999999; 1000 unless given.",
    complete: "none",
    missing: "Error: -I argument given but not enough other arguments.",
    parse(word): number {
      const count = wholeLong(word) ?? 0n;
      if (count >= 1n && count <= 999_999_999n) return Number(count);
      throw refused("Error: Number of iterations must be > 0.");
    },
    fallback: 1000,
  }),
  help: flag({
    long: "help",
    group: HELP,
    brief: "Print this text and exit",
    text: "Prints the usage on standard output and exits with status 0.",
    stops: true,
  }),
} as const;

/** What the words after `passwd` ask for. */
export type PasswdRequest =
  | { readonly ask: "help" }
  | { readonly ask: "upgrade"; readonly path: string; readonly hashing: Hashing }
  | { readonly ask: "remove"; readonly path: string; readonly username: string }
  | {
      readonly ask: "put";
      readonly path: string;
      readonly username: string;
      /** Absent: it is to be asked for. */
      readonly password?: string;
      readonly isNew: boolean;
      readonly hashing: Hashing;
    };

export interface Hashing {
  readonly kind: HashKind;
  readonly iterations: number;
}

/** @throws {UsageError} for what is wrong with the words. */
export function parsePasswd(words: readonly string[]): PasswdRequest {
  const { options, plain } = apart(words);
  const { values, stopped } = parseWords(PASSWD_OPTIONS, options, MANNERS);
  if (stopped) return { ask: "help" };
  const { batch, create, kind, iterations, remove, upgrade } = values;
  const hashing = { kind, iterations };
  const [path, username, password] = plain;
  const wanted = upgrade ? 1 : batch ? 3 : 2;
  if (path === undefined || plain.length !== wanted) throw incomplete(values);
  if (upgrade) return { ask: "upgrade", path, hashing };
  checkUsername(username!);
  if (remove) return { ask: "remove", path, username: username! };
  const put = { ask: "put", path, username: username!, isNew: create, hashing } as const;
  return batch ? { ...put, password: password! } : put;
}

/** The first word that is no option ends them: a password may begin with a dash. */
function apart(words: readonly string[]) {
  let end = 0;
  while (end < words.length && words[end]!.startsWith("-") && words[end] !== "-") {
    end += words[end] === "-H" || words[end] === "-I" ? 2 : 1;
  }
  return { options: words.slice(0, end), plain: words.slice(end) };
}

function checkUsername(username: string): void {
  if (username.includes(":")) throw refused("Error: Username must not contain the ':' character.");
  if (/[\x00-\x1f\x7f]/.test(username)) {
    throw refused("Error: Username must not contain control characters.");
  }
  if (Buffer.byteLength(username) > USERNAME_BYTES_MAX) {
    throw refused(`Error: Username must be less than ${USERNAME_BYTES_MAX + 1} bytes long.`);
  }
}

function incomplete({ batch, remove, upgrade }: Values<typeof PASSWD_OPTIONS>): UsageError {
  const message = remove
    ? "Error: -D argument given but password file or username missing."
    : upgrade
      ? "Error: -U needs a password file, and nothing else."
      : batch
        ? "Error: -b needs a password file, a username and a password."
        : "Error: passwd needs a password file and a username.";
  return new UsageError("incomplete", message, "hint");
}

function refused(message: string): UsageError {
  return new UsageError("bad-value", message, "nothing");
}
