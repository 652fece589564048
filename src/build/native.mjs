/**
 * Makes single executables: all programs in one file each, for systems without Node.js.
 *
 *     npm run build:native                       dist/native/PLATFORM for this machine
 *     npm run build:native -- --all              for every platform, and archives
 *     npm run build:native -- linux-arm64 …      for these
 *     npm run build:native -- --archives         and archives to hand out
 *
 * The programs of a platform are one file with several names. The same commit gives the same bytes
 * on the same kind of machine; a platform that is not this machine's has no code caches, and starts
 * a little later.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { optionsFor } from "./build.mjs";
import { isElf, stripElf } from "./elf-strip.mjs";
import { LICENCES, licencesText } from "./licences.mjs";
import { signMachO } from "./mach-o-signature.mjs";
import { alignCaches, cacheAsset } from "./native-align.mjs";
import { archive } from "./native-archive.mjs";
import {
  baseBinary,
  baseVersion,
  hostPlatform,
  licenceOfNode,
  makerBinary,
  PLATFORMS,
} from "./native-bases.mjs";
import { rehearse } from "./native-caches.mjs";
import { CACHE, nativeParts, partFile } from "./native-parts.mjs";
import { deafen } from "./node-environment.mjs";
import { unsignPe } from "./pe-unsign.mjs";
import { asScript, NPM_FLAGS, ROOT, runNpm, SetupError, whyNotInstalled } from "./pinned-node.mjs";

/** @typedef {import("./native-bases.mjs").Platform} Platform */

export const NATIVE = join(ROOT, "dist", "native");
const TOOLS = fileURLToPath(new URL("native-tools", import.meta.url));
const PKG = fileURLToPath(new URL("native-pkg.mjs", import.meta.url));
/** The first is the file, the others are links to it. */
const NAMES = ["ts-broker", "ts-pub", "ts-sub", "ts-rr"];

/** An address for documents (RFC 5737), so that nobody's machine has it. */
const NOWHERE = "192.0.2.1:9229";

/**
 * What Node.js is told inside the file: to read no settings of OpenSSL's, which take time and which
 * the environment could name; and that its debugger listens where it cannot, for whoever asks for
 * it by a signal before our code is there to say what that means. Not --disable-sigusr1: it keeps
 * the signal from ts-broker, too.
 *
 * @param {Platform} platform
 */
function nodeOptionsFor(platform) {
  const none = platform.startsWith("win") ? "NUL" : "/dev/null";
  return [`--openssl-config=${none}`, `--inspect-port=${NOWHERE}`];
}

async function main() {
  const { platforms, archives } = request(process.argv.slice(2));
  const work = join(NATIVE, `.work-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, "parts"), { recursive: true });
  try {
    const tools = installedTools();
    const esbuild = await import("esbuild");
    const parts = await nativeParts(esbuild, optionsFor(false));
    for (const [name, text] of parts.assets) {
      writeFileSync(partFile(join(work, "parts"), name), text, "latin1");
    }
    for (const platform of platforms) {
      console.log(`Making ${platform} …`);
      await make(platform, work, tools, parts);
      if (archives) archive(platform, join(NATIVE, platform), NAMES);
    }
    writeSums();
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {readonly string[]} words @returns {{ platforms: Platform[], archives: boolean }} */
function request(words) {
  const isAll = words.includes("--all");
  const named = words.filter((word) => word !== "--all" && word !== "--archives");
  const unknown = named.find((word) => !PLATFORMS.some((one) => one === word));
  if (unknown !== undefined) {
    throw new SetupError(`${unknown} is no platform. There are: ${PLATFORMS.join(", ")}.`);
  }
  const host = hostPlatform();
  const platforms = PLATFORMS.filter(
    (one) => isAll || (named.length === 0 ? one === host : named.includes(one)),
  );
  if (platforms.length === 0) {
    throw new SetupError(`There are no executables for ${process.platform} on ${process.arch}.`);
  }
  return { platforms, archives: isAll || words.includes("--archives") };
}

/**
 * @param {Platform} platform
 * @param {string} work
 * @param {string} tools
 * @param {import("./native-parts.mjs").NativeParts} parts
 */
async function make(platform, work, tools, parts) {
  const version = baseVersion(platform);
  const node = executable(join(work, `node-${version}`), () => makerBinary(version));
  const directory = join(work, "parts");
  const isHost = platform === hostPlatform();
  if (isHost) {
    writeFileSync(partFile(directory, "main"), parts.main([]));
    await rehearse(node, directory);
  }
  /** @type {Record<string, string>} */
  const assets = {};
  const cached = [];
  /** @type {Buffer[]} */
  const caches = [];
  for (const name of parts.assets.keys()) {
    assets[name] = partFile(directory, name);
    const cache = partFile(directory, name + CACHE);
    if (!isHost || !existsSync(cache)) continue;
    const asset = cacheAsset(readFileSync(cache));
    assets[name + CACHE] = `${cache}.asset`;
    writeFileSync(`${cache}.asset`, asset);
    caches.push(asset);
    cached.push(name);
  }
  writeFileSync(join(work, "main.js"), parts.main(cached));
  const base = executable(join(work, `base-${platform}`), () => deafen(bare(baseBinary(platform))));
  const output = join(work, `out-${platform}`);
  const [system = "", arch = ""] = platform.split("-");
  const nodeOptions = nodeOptionsFor(platform);
  pack(node, { tools, base, platform: system, arch, output, directory: work, assets, nodeOptions });
  if (caches.length > 0) change(output, (bytes) => alignCaches(bytes, caches));
  if (system === "macos") writeFileSync(output, signMachO(readFileSync(output), "ts-mqtt"));
  place(platform, output);
  const licences = licencesText(parts.packages, { version, text: licenceOfNode(version) });
  writeFileSync(join(NATIVE, platform, LICENCES), licences);
}

/** @param {string} path @param {() => Buffer} bytes */
function executable(path, bytes) {
  if (!existsSync(path)) {
    writeFileSync(path, bytes());
    chmodSync(path, 0o755);
  }
  return path;
}

/** @param {string} path @param {(bytes: Buffer) => void} how */
function change(path, how) {
  const bytes = readFileSync(path);
  how(bytes);
  writeFileSync(path, bytes);
}

/** A Node.js without what is of no use in our file, or would be wrong. @param {Buffer} bytes */
function bare(bytes) {
  if (isElf(bytes)) return stripElf(bytes);
  return bytes.toString("latin1", 0, 2) === "MZ" ? unsignPe(bytes) : bytes;
}

/** @param {string} node @param {object} request A `PkgRequest`. */
function pack(node, request) {
  const { status, stdout, stderr, error } = spawnSync(node, [PKG, JSON.stringify(request)], {
    encoding: "utf8",
  });
  if (status === 0) return;
  throw new SetupError(`pkg could not make the file:\n${error?.message ?? stdout + stderr}`);
}

/** Gives the file its place and its names. @param {Platform} platform @param {string} output */
function place(platform, output) {
  const directory = join(NATIVE, platform);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const ending = platform.startsWith("win") ? ".exe" : "";
  const [first = "", ...others] = NAMES.map((name) => join(directory, name + ending));
  renameSync(output, first);
  chmodSync(first, 0o755);
  for (const other of others) {
    try {
      linkSync(first, other);
    } catch {
      // The file system has no hard links.
      copyFileSync(first, other);
    }
  }
}

/** SHA256SUMS of all that is there, as sha256sum(1) checks it. */
function writeSums() {
  const paths = readdirSync(NATIVE, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => !path.startsWith(".") && path !== "SHA256SUMS")
    .filter((path) => statSync(join(NATIVE, path)).isFile())
    .sort();
  /** By inode, for most are links. @type {Map<number, string>} */
  const sums = new Map();
  const lines = paths.map((path) => {
    const { ino } = statSync(join(NATIVE, path));
    const sum = sums.get(ino) ?? sha256(join(NATIVE, path));
    sums.set(ino, sum);
    return `${sum}  ${path}\n`;
  });
  writeFileSync(join(NATIVE, "SHA256SUMS"), lines.join(""));
}

/** @param {string} path */
function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Where @yao-pkg/pkg is, after it has been installed as its lock file says. */
function installedTools() {
  const lock = readFileSync(join(TOOLS, "package-lock.json"));
  const key = createHash("sha256").update(lock).digest("hex").slice(0, 12);
  const directory = join(ROOT, "node_modules", ".cache", "ts-mqtt", `native-tools-${key}`);
  const stamp = join(directory, "installed");
  if (existsSync(stamp)) return directory;
  console.log("Installing @yao-pkg/pkg …");
  mkdirSync(directory, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) {
    copyFileSync(join(TOOLS, file), join(directory, file));
  }
  const words = ["ci", "--prefix", directory, "--ignore-scripts", ...NPM_FLAGS];
  const { status, output } = runNpm(words);
  if (status !== 0) throw new SetupError(whyNotInstalled("@yao-pkg/pkg", output));
  writeFileSync(stamp, "");
  return directory;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await asScript(main);
