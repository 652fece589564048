/**
 * What `npm start` and `npm test` run first: installs what a fresh clone is missing.
 *
 * Prints one line while it does, one sentence if it cannot, and nothing if there is nothing to do.
 * Two of them at once, in two terminals, take turns.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asScript,
  hasNewEnoughNode,
  NPM_FLAGS,
  putPinnedNode,
  ROOT,
  runNpm,
  SetupError,
  whyNotInstalled,
} from "./pinned-node.mjs";
import { isInstalled, prepare } from "./prepare.mjs";

/** Between two looks at whether the other set-up has ended. */
const TURN_MS = 200;

async function setUp() {
  if (isInstalled() && hasNewEnoughNode()) return;
  const release = await takeTurn();
  try {
    if (!isInstalled()) await install();
    const missing = hasNewEnoughNode() ? undefined : putPinnedNode();
    if (missing !== undefined) throw new SetupError(missing);
  } finally {
    release();
  }
}

/** Everything package-lock.json names; where npm has done so already, only our own part of it. */
async function install() {
  const done = join(ROOT, "node_modules", ".package-lock.json");
  if (existsSync(done) && mtime(done) >= mtime(join(ROOT, "package-lock.json"))) {
    await prepare();
    return;
  }
  console.error("Installing what is missing, which takes some seconds the first time …");
  const { status, output } = runNpm(["ci", ...NPM_FLAGS]);
  if (status !== 0) throw new SetupError(whyNotInstalled("the dependencies", output));
}

/** @param {string} path */
function mtime(path) {
  return statSync(path).mtimeMs;
}

/** Waits until no other set-up of this checkout runs.
 * @returns {Promise<() => void>} To call when done. */
async function takeTurn() {
  const key = createHash("sha256").update(ROOT).digest("hex").slice(0, 16);
  const lock = join(tmpdir(), `ts-mqtt-setup-${key}`);
  const owner = join(lock, "pid");
  while (!isMade(lock)) {
    if (!isAlive(owner)) rmSync(lock, { recursive: true, force: true });
    else await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }
  writeFileSync(owner, String(process.pid));
  return () => rmSync(lock, { recursive: true, force: true });
}

/** Whether this call made the directory: the file system lets only one caller.
 * @param {string} path */
function isMade(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** Whether the process that wrote its id to `path` runs, or may just be about to write it.
 * @param {string} path */
function isAlive(path) {
  try {
    process.kill(Number(readFileSync(path, "utf8")), 0);
    return true;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === "EPERM") return true;
    if (code !== "ENOENT") return false;
    const directory = join(path, "..");
    return existsSync(directory) && Date.now() - mtime(directory) < 10 * TURN_MS;
  }
}

await asScript(setUp);
