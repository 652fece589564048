/**
 * Hashes passwords, in Node's own threads: the event loop goes on meanwhile.
 *
 * Comparisons take as long whether they fail at the first byte or at none.
 */
import * as crypto from "node:crypto";
import { promisify } from "node:util";
import type { HashedPassword } from "../broker/access/passwords.ts";

const pbkdf2 = promisify(crypto.pbkdf2);
const HASH_BYTES = 64;
const SALT_BYTES = 64;
/** mosquitto's for a new hash (mosquitto-2.1 d.1). */
export const ITERATIONS_DEFAULT = 1000;
const ARGON2 = { memory: 47_104, passes: 1, parallelism: 1 } as const;

interface Argon2Parameters {
  readonly message: Buffer;
  readonly nonce: Buffer;
  readonly parallelism: number;
  readonly tagLength: number;
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
}

type Argon2 = (
  algorithm: "argon2id",
  parameters: Argon2Parameters,
  onDone: (error: Error | null, hash: Buffer) => void,
) => void;

/** Node.js has it from 24.7 on; its types are those of an older one. */
const argon2 = (crypto as { argon2?: Argon2 }).argon2;

/** Whether this Node.js can verify and make hashes of a kind. */
export function canHash(kind: HashedPassword["kind"]): boolean {
  return kind !== "argon2id" || argon2 !== undefined;
}

/** Whether `password` is the one that was hashed. */
export async function isPassword(hashed: HashedPassword, password: Buffer): Promise<boolean> {
  const hash = await hashOf(hashed, password, hashed.hash.length);
  return crypto.timingSafeEqual(hash, hashed.hash);
}

/** Hashes a new password. */
export async function hashPassword(
  kind: HashedPassword["kind"],
  password: Buffer,
  iterations: number = ITERATIONS_DEFAULT,
): Promise<HashedPassword> {
  const salt = crypto.randomBytes(SALT_BYTES);
  const hash = Buffer.alloc(HASH_BYTES);
  const form: HashedPassword =
    kind === "pbkdf2"
      ? { kind, iterations, salt, hash }
      : kind === "sha512"
        ? { kind, salt, hash }
        : { kind, ...ARGON2, salt, hash };
  return { ...form, hash: await hashOf(form, password, HASH_BYTES) };
}

async function hashOf(form: HashedPassword, password: Buffer, bytes: number): Promise<Buffer> {
  switch (form.kind) {
    case "pbkdf2":
      return pbkdf2(password, form.salt, form.iterations, bytes, "sha512");
    case "sha512":
      return crypto.createHash("sha512").update(password).update(form.salt).digest();
    case "argon2id":
      return argon2Of(form, password, bytes);
  }
}

function argon2Of(
  { memory, passes, parallelism, salt }: HashedPassword & { readonly kind: "argon2id" },
  message: Buffer,
  tagLength: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (argon2 === undefined) throw new Error("argon2id needs Node.js 24.7 or later");
    const parameters = { message, nonce: salt, parallelism, tagLength, memory, passes };
    argon2("argon2id", parameters, (error, hash) => (error ? reject(error) : resolve(hash)));
  });
}
