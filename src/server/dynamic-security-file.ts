/**
 * The file of dynamic security on disk: read or made at the start, and written after each change
 * (mosquitto-2.1 e.1).
 *
 * What is written goes to a file beside it first, which then takes its place: there is always a
 * whole one. Nobody but the owner reads it.
 */
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { HashedPassword } from "../broker/access/passwords.ts";
import { DynsecFileError, directoryBytes, readDirectory } from "../broker/dynsec/config-file.ts";
import type { Directory } from "../broker/dynsec/directory.ts";
import { firstDirectory, initialDirectory } from "../broker/dynsec/first-start.ts";
import type { Log } from "../broker/world.ts";
import { canHash, hashPassword, isPassword } from "../io/hash.ts";
import { readRestricted, readRestrictedBytes } from "../io/restricted-file.ts";
import type { PluginValues } from "../options/conf/plugin-lines.ts";
import { DynamicSecurity } from "./dynamic-security.ts";
import { codeOf, StartFailure, systemWords } from "./failure.ts";

export interface FileParts {
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PASSWORD_VARIABLE = "MOSQUITTO_DYNSEC_PASSWORD";
/** Of a password from there; shorter ones are not taken. */
const PASSWORD_CHARACTERS_MIN = 12;
/** Of a password that is made up; none that a shell or a program's options would take amiss. */
const PASSWORD_CHARACTERS = 20;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const OWN_ONLY = 0o600;

/**
 * @returns null where the plugin is told of no file, and does nothing.
 * @throws {StartFailure} when the file cannot be read, understood or made.
 */
export async function openDynamicSecurity(
  { configFile, passwordInitFile }: PluginValues<"dynamicSecurity">,
  parts: FileParts,
): Promise<DynamicSecurity | null> {
  const { log } = parts;
  if (configFile === undefined) {
    const what = "Dynamic security plugin has no plugin_opt_config_file defined.";
    log.write("warning", `Warning: ${what} The plugin will not be activated.`);
    return null;
  }
  const directory =
    readDynamicSecurity(configFile, parts) ?? (await made(configFile, passwordInitFile, parts));
  return new DynamicSecurity({
    directory,
    log,
    hash: newHash,
    isPassword,
    save: (changed) => save(configFile, changed),
  });
}

/**
 * Makes a file with one user, who may change everything in it and do nothing else, as
 * `mosquitto_ctrl dynsec init` does.
 *
 * @throws {StartFailure} when it is there already, or cannot be written.
 */
export async function initDynamicSecurity(
  path: string,
  username: string,
  password: string,
): Promise<void> {
  if (existsSync(path)) {
    const what = `'${path}' already exists. Remove the file or use a different location.`;
    throw new StartFailure(1, `dynsec init: ${what}`);
  }
  try {
    await save(path, initialDirectory(username, await hashed(password)));
  } catch (error) {
    const { cause } = error as Error;
    const what = `dynsec init: Unable to open '${path}' for writing.`;
    throw new StartFailure(1, `${what} ${words(cause)}.`, cause);
  }
}

/**
 * Reads the file as a start would, and makes none.
 *
 * @returns Null where there is no file.
 * @throws {StartFailure} What would keep a broker from starting.
 */
export function readDynamicSecurity(path: string, { env, log }: FileParts): Directory | null {
  const warn = (warning: string) => log.write("warning", warning);
  let bytes: Buffer;
  try {
    bytes = readRestrictedBytes(path, warn, mayBeLink(env));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    const what = "Error loading Dynamic security plugin config: File is not readable";
    throw new StartFailure(3, `${what} - check permissions.\n${path}: ${words(error)}.`, error);
  }
  try {
    const directory = readDirectory(bytes, warn);
    for (const { name, password } of directory.clients.values()) {
      if (password === null || canHash(password.kind)) continue;
      throw new DynsecFileError(
        `Error: User ${name} cannot log in: argon2id needs Node.js 24.7 or later.`,
      );
    }
    return directory;
  } catch (error) {
    if (!(error instanceof DynsecFileError)) throw error;
    throw new StartFailure(3, `${error.message}\nError found in ${path}.`, error);
  }
}

/** The first start: somebody who may do everything, and a file. */
async function made(
  path: string,
  passwordInitFile: string | undefined,
  { env, log }: FileParts,
): Promise<Directory> {
  log.write("notice", "Dynamic security plugin config not found, generating a default config.");
  const given = givenPassword(passwordInitFile, { env, log });
  const [admin, demo] = [given ?? madeUpPassword(), madeUpPassword()];
  const directory =
    given === undefined
      ? firstDirectory(await hashed(admin), await hashed(demo))
      : firstDirectory(await hashed(admin));
  try {
    if (given === undefined) {
      const passwords = `${path}.pw`;
      await replace(passwords, Buffer.from(`admin ${admin}\ndemoclient ${demo}\n`));
      log.write("notice", `Generated passwords are in ${passwords}`);
    }
    await save(path, directory);
  } catch (error) {
    throw new StartFailure(3, (error as Error).message, error);
  }
  return directory;
}

function givenPassword(path: string | undefined, { env, log }: FileParts): string | undefined {
  if (path !== undefined) {
    const what = `Error: Unable to open the password init file ${path}.`;
    let text: string;
    try {
      text = readRestricted(path, (warning) => log.write("warning", warning), mayBeLink(env));
    } catch (error) {
      throw new StartFailure(3, `${what}\n${words(error)}.`, error);
    }
    const [line = ""] = text.split(/\r?\n/, 1);
    if (line === "") throw new StartFailure(3, `${what}\nIts first line is empty.`);
    return line;
  }
  const password = env[PASSWORD_VARIABLE];
  if (password === undefined || password.length >= PASSWORD_CHARACTERS_MIN) return password;
  const least = `${PASSWORD_CHARACTERS_MIN} characters`;
  log.write("warning", `Warning: ${PASSWORD_VARIABLE} is not used, it is shorter than ${least}.`);
  return undefined;
}

/** @throws {Error} whose message is a sentence. */
async function save(path: string, directory: Directory): Promise<void> {
  await replace(path, directoryBytes(directory));
}

async function replace(path: string, bytes: Buffer): Promise<void> {
  const fresh = `${path}.new`;
  try {
    // Whatever stood there, such as a link, is not written to.
    await rm(fresh, { force: true });
    const file = await open(fresh, "wx", OWN_ONLY);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    const what = `Error saving Dynamic security plugin config: Unable to write ${path}.`;
    throw new Error(`${what} ${words(error)}.`, { cause: error });
  }
}

function hashed(password: string): Promise<HashedPassword> {
  return newHash(Buffer.from(password));
}

function newHash(password: Buffer): Promise<HashedPassword> {
  return hashPassword("pbkdf2", password);
}

function madeUpPassword(): string {
  const letters = { length: PASSWORD_CHARACTERS };
  return Array.from(letters, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

function mayBeLink(env: FileParts["env"]): boolean {
  return env.MOSQUITTO_UNSAFE_ALLOW_SYMLINKS !== undefined;
}

function words(error: unknown): string {
  return systemWords(error).replace(/\.$/, "");
}
