/**
 * All programs as the parts of a single executable: a main script of a few lines, and an asset for
 * each program and for each module that few runs need. A start compiles the main script and the one
 * program that it is; what several programs reach late exists once.
 *
 * An asset is a function of one script, and may have V8's code cache beside it.
 */
import { join } from "node:path";
import { packagesIn } from "./licences.mjs";
import { CACHE_SPARE } from "./native-align.mjs";
import { bundleWithParts, divide, eagerCode, lateCode, modulesOf } from "./parts.mjs";

const ENTRY = "bin/ts-mqtt.ts";

/** The programs: modules that the entry loads by name, each with what it needs at each start. */
const PROGRAMS = [
  { from: "src/cli/broker.ts", eager: ["src/server/persistence.ts"] },
  { from: "src/cli/pub.ts", eager: [] },
  { from: "src/cli/sub.ts", eager: [] },
  { from: "src/cli/rr.ts", eager: [] },
];

const STORE_WORKER = { asset: "store-worker", from: "src/store/worker.ts" };

/** What ends the name of an asset that is the code cache of another. */
export const CACHE = ".cache";

/** Where a part is while the executable is made. @param {string} directory @param {string} name */
export function partFile(directory, name) {
  return join(directory, encodeURIComponent(name));
}

/**
 * The begin of the main script. Names of ours begin with a folder or with `package`; anything else
 * is one of Node's own modules.
 *
 * @param {readonly string[]} cached Assets that have a code cache.
 */
function loader(cached) {
  return `"use strict";
const { getRawAsset } = require("node:sea"), { Script } = require("node:vm");
const __eager = Object.create(null), __done = Object.create(null);
const __cached = new Set(${JSON.stringify(cached)});
function __bytes(name) { return Buffer.from(getRawAsset(name)); }
function __cache(name) {
  const bytes = __bytes(name), begin = bytes[0];
  return bytes.subarray(begin, begin + bytes.length - ${CACHE_SPARE});
}
const __texts = { get storeWorker() { return __bytes("${STORE_WORKER.asset}").latin1Slice(); } };
function __late(name) {
  if (__eager[name]) return __eager[name];
  if (__done[name]) return __done[name].exports;
  if (!/^(?:src\\/|package)/.test(name)) return require(name);
  const module = __done[name] = { exports: {} }, options = { filename: name };
  if (__cached.has(name)) options.cachedData = __cache(name + "${CACHE}");
  const script = new Script(__bytes(name).latin1Slice(), options);
  script.runInThisContext()(module.exports, __late, module, __late, __eager, __texts);
  return module.exports;
}
`;
}

/** @param {string} code An asset's text. */
function asFunction(code) {
  return `(function(exports,require,module,__late,__eager,__texts){"use strict";${code}\n})`;
}

/**
 * @typedef {object} NativeParts
 * @property {(cached: readonly string[]) => string} main The main script, given which assets have a
 *   code cache.
 * @property {ReadonlyMap<string, string>} assets Texts of ASCII by name.
 * @property {readonly import("./licences.mjs").Package[]} packages Those whose code is in them.
 */

/**
 * @param {import("esbuild")} esbuild
 * @param {import("esbuild").BuildOptions} options For all the code.
 * @returns {Promise<NativeParts>}
 */
export async function nativeParts(esbuild, options) {
  const worker = await bundleWithParts(esbuild, { from: STORE_WORKER.from, options });
  const define = { ...options.define, STORE_WORKER_SOURCE: "__texts.storeWorker" };
  const forAll = { ...options, define };
  const modules = await modulesOf(esbuild, ENTRY, forAll);
  const roots = new Set(PROGRAMS.map(({ from }) => from));
  /** @type {Map<string, string>} */
  const assets = new Map([[STORE_WORKER.asset, worker.code]]);
  /** @type {Set<string>} */
  const late = new Set();
  for (const { from, eager } of PROGRAMS) {
    const others = new Set([...roots].filter((path) => path !== from));
    const division = divide(modules, from, eager, others);
    assets.set(from, asFunction(await eagerCode(esbuild, from, forAll, division, others)));
    for (const path of division.late) late.add(path);
  }
  for (const path of [...late].sort()) {
    assets.set(path, asFunction(await lateCode(esbuild, modules, path, forAll)));
  }
  const entry = await eagerCode(esbuild, ENTRY, forAll, { late: [], shared: [] }, roots);
  const packages = await packagesIn(esbuild, [ENTRY, STORE_WORKER.from], forAll);
  return { main: (cached) => loader(cached) + entry.replace(/^(?:#!.*\n)+/, ""), assets, packages };
}
