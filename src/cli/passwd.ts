/**
 * `ts-broker passwd`, and mosquitto_passwd where it is called by that name. Loaded only when the
 * words ask for it.
 *
 * A file is never half changed: the new one is written beside it and takes its place.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type PasswdRequest, parsePasswd } from "../options/passwd.ts";
import { UsageError } from "../options/usage-error.ts";
import { StartFailure, systemWords } from "../server/failure.ts";
import { hashedLine } from "../server/password-line.ts";
import { ask } from "./secrets.ts";
import { type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;
const MISMATCH = 2;
const OWN_ONLY = 0o600;

/** What ends it. The message is the sentence for standard error. */
class PasswdError extends Error {
  override readonly name = "PasswdError";
  readonly status: number;

  constructor(message: string, status = FAILURE) {
    super(message);
    this.status = status;
  }
}

/**
 * @param words Those after `passwd`.
 * @param name By which it speaks of itself.
 * @returns The exit status.
 */
export async function runPasswd(
  io: Streams,
  words: readonly string[],
  name = "ts-broker passwd",
): Promise<number> {
  const help = async () => (await import("./help.ts")).commandUsageText("passwd", name);
  try {
    if (words.length === 0) {
      await say(io.stdout, await help());
      return FAILURE;
    }
    const request = parsePasswd(words);
    if (request.ask === "help") {
      await say(io.stdout, await help());
      return OK;
    }
    return await carryOut(io, request);
  } catch (error) {
    if (error instanceof UsageError) {
      await say(io.stderr, error.textFor(name));
      return FAILURE;
    }
    if (!(error instanceof PasswdError || error instanceof StartFailure)) throw error;
    await say(io.stderr, `${error.message}\n`);
    return error.status;
  }
}

async function carryOut(
  io: Streams,
  request: Exclude<PasswdRequest, { ask: "help" }>,
): Promise<number> {
  switch (request.ask) {
    case "put":
      return put(io, request);
    case "remove":
      return remove(io, request);
    case "upgrade":
      return upgrade(request);
  }
}

async function put(io: Streams, request: PasswdRequest & { ask: "put" }): Promise<number> {
  const { path, username, isNew, hashing } = request;
  if (isNew && path !== "-" && existsSync(path)) {
    const why = "File exists";
    throw new PasswdError(`Error: Unable to open password file ${path} for writing. ${why}.`);
  }
  const lines = isNew ? [] : linesOf(path);
  const password = request.password ?? (await askedTwice(io));
  if (password === "") throw new PasswdError("Error: Empty password.");
  const line = await hashedLine(username, password, hashing);
  if (isNew && path === "-") {
    await say(io.stdout, `${line}\n`);
    return OK;
  }
  const at = lines.findIndex((one) => userOf(one) === username);
  await say(io.stdout, `${at < 0 ? "Adding" : "Updating"} password for user ${username}\n`);
  replace(path, at < 0 ? [...lines, line] : lines.with(at, line));
  return OK;
}

async function remove(
  io: Streams,
  { path, username }: PasswdRequest & { ask: "remove" },
): Promise<number> {
  const lines = linesOf(path);
  const left = lines.filter((line) => userOf(line) !== username);
  if (left.length === lines.length) {
    await say(io.stderr, `Warning: User ${username} not found in password file.\n`);
    return FAILURE;
  }
  replace(path, left);
  return OK;
}

/** Hashes what stands plainly behind its user. */
async function upgrade({ path, hashing }: PasswdRequest & { ask: "upgrade" }): Promise<number> {
  const lines: string[] = [];
  for (const [i, line] of linesOf(path).entries()) {
    const colon = line.indexOf(":");
    const isEntry = line.trim() !== "" && !line.startsWith("#");
    if (isEntry && colon <= 0) {
      throw new PasswdError(`Error: Corrupt password file at line ${i + 1}.`);
    }
    const password = line.slice(colon + 1).trim();
    const isPlain = isEntry && !/^\$(?:[67]|argon2id)\$/.test(password);
    lines.push(isPlain ? await hashedLine(line.slice(0, colon).trim(), password, hashing) : line);
  }
  replace(path, lines);
  return OK;
}

async function askedTwice(io: Streams): Promise<string> {
  const password = await ask(io, "Password: ");
  if (password === (await ask(io, "Reenter password: "))) return password;
  throw new PasswdError("Error: Passwords do not match.", MISMATCH);
}

function linesOf(path: string): string[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
  } catch (error) {
    throw new PasswdError(`Error: Unable to open password file ${path}. ${systemWords(error)}.`);
  }
}

function userOf(line: string): string | undefined {
  const colon = line.indexOf(":");
  return colon < 0 || line.startsWith("#") ? undefined : line.slice(0, colon).trim();
}

/** The file has these lines from now on, or is as it was. It keeps its owner and permissions. */
function replace(path: string, lines: readonly string[]): void {
  const fresh = `${path}.${randomBytes(3).toString("hex")}`;
  try {
    const old = existsSync(path) ? statSync(path) : undefined;
    const fd = openSync(fresh, "wx", OWN_ONLY);
    try {
      writeFileSync(fd, lines.map((line) => `${line}\n`).join(""));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (old !== undefined) {
      chmodSync(fresh, old.mode & 0o777);
      if (process.getuid?.() === 0) chownSync(fresh, old.uid, old.gid);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    const why = systemWords(error);
    throw new PasswdError(`Error: Unable to open password file ${path} for writing. ${why}.`);
  }
}
