/** A line for a password file, and whether this Node.js can make it. */
import { passwordLine } from "../broker/access/passwords.ts";
import { canHash, hashPassword } from "../io/hash.ts";
import type { Hashing } from "../options/passwd.ts";
import { StartFailure } from "./failure.ts";

/** @throws {StartFailure} for a way to hash that this Node.js does not have. */
export async function hashedLine(
  username: string,
  password: string,
  { kind, iterations }: Hashing,
): Promise<string> {
  if (!canHash(kind)) throw new StartFailure(1, "Error: argon2id needs Node.js 24.7 or later.");
  return passwordLine(username, await hashPassword(kind, Buffer.from(password), iterations));
}
