/**
 * The lines of a password file (mosquitto-2.1 d.1): users and what their passwords were hashed to.
 *
 * Reads and writes the forms; what takes time, the hashing, is `io/hash.ts`.
 */

/** A password as it is kept. */
export type HashedPassword =
  | {
      /** PBKDF2 with HMAC-SHA512, `$7$`. */
      readonly kind: "pbkdf2";
      readonly iterations: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    }
  | {
      /** SHA512 of the password and the salt, `$6$`. */
      readonly kind: "sha512";
      readonly salt: Buffer;
      readonly hash: Buffer;
    }
  | {
      readonly kind: "argon2id";
      /** KiB of memory, passes and lanes. */
      readonly memory: number;
      readonly passes: number;
      readonly parallelism: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    };

/** What is wrong with a file. The message is a whole sentence. */
export class PasswordFileError extends Error {
  override readonly name = "PasswordFileError";
}

/** More would let one login hold a core for minutes. */
const ITERATIONS_MAX = 100_000_000;
const HASH_BYTES = 64;
/** Of mosquitto 2.0 and of 2.1. */
const SALT_BYTES = [12, 64];
const ARGON2_MEMORY_MAX = 4 * 1024 * 1024;

/**
 * The users in a password file. Lines that begin with # or have no colon are passed over.
 *
 * @param path What sentences call the file.
 * @throws {PasswordFileError} for a line that cannot be, or a user who is there twice.
 */
export function readPasswordFile(text: string, path: string): Map<string, HashedPassword> {
  const users = new Map<string, HashedPassword>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (line.startsWith("#") || colon < 0) continue;
    const username = line.slice(0, colon).trim();
    if (username === "") {
      throw new PasswordFileError(`Error: Invalid line in password file '${path}': ${line.trim()}`);
    }
    if (users.has(username)) {
      throw new PasswordFileError(
        `Error: Duplicate user '${username}' in password file '${path}'.`,
      );
    }
    users.set(username, readHash(line.slice(colon + 1).trim(), username));
  }
  return users;
}

/** The line of a user, without the newline. */
export function passwordLine(username: string, password: HashedPassword): string {
  return `${username}:${hashText(password)}`;
}

/** Whether two lines hold the same: a user whose line changed has another password. */
export function isSamePassword(one: HashedPassword, other: HashedPassword): boolean {
  return hashText(one) === hashText(other);
}

/** A password as it stands in a line, and in the files of dynamic security. */
export function hashText(password: HashedPassword): string {
  const { salt, hash } = password;
  switch (password.kind) {
    case "pbkdf2":
      return `$7$${password.iterations}$${salt.toString("base64")}$${hash.toString("base64")}`;
    case "sha512":
      return `$6$${salt.toString("base64")}$${hash.toString("base64")}`;
    case "argon2id": {
      const { memory, passes, parallelism } = password;
      const parameters = `m=${memory},t=${passes},p=${parallelism}`;
      return `$argon2id$v=19$${parameters}$${unpadded(salt)}$${unpadded(hash)}`;
    }
  }
}

/** @throws {PasswordFileError} */
export function readHash(text: string, username: string): HashedPassword {
  const parts = text.split("$");
  if (text === "") throw bad("Invalid password hash", username);
  if (text.startsWith("$7$")) {
    const [, , iterations = "", salt = "", hash = ""] = parts;
    const count = /^\d+$/.test(iterations) ? Number(iterations) : 0;
    if (count < 1 || count > ITERATIONS_MAX) throw bad("Invalid hash iterations", username);
    return { kind: "pbkdf2", iterations: count, ...saltAndHash(salt, hash, username) };
  }
  if (text.startsWith("$6$")) {
    const [, , salt = "", hash = ""] = parts;
    return { kind: "sha512", ...saltAndHash(salt, hash, username) };
  }
  if (text.startsWith("$argon2id$")) return readArgon2(parts, username);
  throw bad("Invalid password hash type", username);
}

function saltAndHash(salt: string, hash: string, username: string) {
  const saltBytes = decoded(salt);
  if (saltBytes === null || !SALT_BYTES.includes(saltBytes.length)) {
    throw bad("Unable to decode password salt", username);
  }
  const hashBytes = decoded(hash);
  if (hashBytes?.length !== HASH_BYTES) throw bad("Unable to decode password hash", username);
  return { salt: saltBytes, hash: hashBytes };
}

function readArgon2(parts: readonly string[], username: string): HashedPassword {
  const [, , version, parameters = "", salt = "", hash = ""] = parts;
  const found = /^m=(\d+),t=(\d+),p=(\d+)$/.exec(parameters);
  const [saltBytes, hashBytes] = [decoded(salt), decoded(hash)];
  const [memory, passes, parallelism] = found?.slice(1).map(Number) ?? [];
  const isWhole = version === "v=19" && parts.length === 6 && saltBytes && hashBytes;
  if (!isWhole || !memory || !passes || !parallelism || memory > ARGON2_MEMORY_MAX) {
    throw bad("Invalid password hash", username);
  }
  if (saltBytes.length < 8 || hashBytes.length < 4) throw bad("Invalid password hash", username);
  return { kind: "argon2id", memory, passes, parallelism, salt: saltBytes, hash: hashBytes };
}

/** Base64 with its padding or without; null for what is none. */
function decoded(text: string): Buffer | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  const bytes = Buffer.from(text, "base64");
  return unpadded(bytes) === text.replace(/=+$/, "") ? bytes : null;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

function bad(what: string, username: string): PasswordFileError {
  return new PasswordFileError(`Error: ${what} for user ${username}.`);
}
