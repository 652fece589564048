/**
 * Makes dist/: one file a program, and the library with its declarations.
 *
 *     node src/build/build.mjs            programs and library
 *     node src/build/build.mjs --types    and dist/types, which takes seconds
 *
 * A program is one CommonJS file, because one file starts fastest and goes into a single executable
 * as it is. What stands behind `await import()` is in that file too, see `parts.mjs`.
 * Names are kept, so that a stack trace can be read.
 *
 * Builds nothing whose inputs are as they were: dist/.inputs.json has their hashes.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleWithParts } from "./parts.mjs";
import { asScript, ROOT, SetupError } from "./pinned-node.mjs";

const DIST = join(ROOT, "dist");
const MEMORY = join(DIST, ".inputs.json");

/**
 * @typedef {object} Face
 * @property {string} from The source that is bundled.
 * @property {string} to The CommonJS file it becomes.
 * @property {{ name: string, from: string }} [embeds] A thread's source, which goes into the same
 *   file as the text of that name.
 * @property {readonly string[]} [eager] Modules behind `import()` that are compiled at each start.
 * @property {string} [wrapper] An ES module that hands on the exports of `to`.
 * @property {string} [types] Its declarations, below dist/types.
 */

/** What can be built; those whose source is not there are skipped. @type {readonly Face[]} */
const FACES = [
  {
    from: "bin/ts-broker.ts",
    to: "dist/ts-broker.cjs",
    embeds: { name: "STORE_WORKER_SOURCE", from: "src/store/worker.ts" },
    eager: ["src/cli/broker.ts", "src/server/persistence.ts"],
  },
  { from: "bin/ts-pub.ts", to: "dist/ts-pub.cjs", eager: ["src/cli/pub.ts"] },
  { from: "bin/ts-sub.ts", to: "dist/ts-sub.cjs", eager: ["src/cli/sub.ts"] },
  { from: "bin/ts-rr.ts", to: "dist/ts-rr.cjs", eager: ["src/cli/rr.ts"] },
  { from: "src/examples/tick-tock.ts", to: "dist/tick-tock.cjs" },
  {
    from: "src/client/client.ts",
    to: "dist/client.cjs",
    wrapper: "dist/client.js",
    types: "client/client.d.ts",
  },
  {
    from: "src/server/embed.ts",
    to: "dist/broker.cjs",
    embeds: { name: "STORE_WORKER_SOURCE", from: "src/store/worker.ts" },
    eager: ["src/server/persistence.ts"],
    wrapper: "dist/broker.js",
    types: "server/embed.d.ts",
  },
];

/** What the outcome depends on beside the sources that are bundled. */
const ALWAYS_INPUTS = [
  "src/build/build.mjs",
  "src/build/parts.mjs",
  "package-lock.json",
  "tsconfig.json",
];

/** Makes what is out of date. Prints what is wrong with a source, if so.
 * @param {{ types: boolean }} wanted
 * @throws {SetupError} When there is no esbuild, or a source is wrong. */
export async function build({ types }) {
  const faces = FACES.filter(({ from }) => existsSync(join(ROOT, from)));
  const memory = readMemory();
  const stale = faces.filter((face) => !isFresh(face, memory));
  if (stale.length > 0) {
    // Only now: to load it takes longer than to find that there is nothing to do.
    const esbuild = await import("esbuild").catch(() => {
      throw new SetupError("There is no esbuild to build with: npm ci");
    });
    mkdirSync(DIST, { recursive: true });
    const outcomes = await Promise.allSettled(
      stale.map(async (face) => {
        delete memory[face.to];
        memory[face.to] = await bundle(esbuild, face);
      }),
    );
    writeFileSync(MEMORY, `${JSON.stringify(memory, null, 1)}\n`);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }
  if (types) declare();
}

/**
 * @param {import("esbuild")} esbuild
 * @param {Face} face
 * @returns {Promise<Record<string, string>>} Its inputs and their hashes.
 */
async function bundle(esbuild, { from, to, embeds, eager = [], wrapper }) {
  const begun = Date.now();
  /** @param {string} entry @param {Record<string, string>} define */
  const make = (entry, define, isProgram = false) => {
    const options = optionsFor(isProgram);
    options.define = { ...options.define, ...define };
    return bundleWithParts(esbuild, { from: entry, eager, options });
  };
  const embedded = embeds && (await make(embeds.from, {}));
  const define = embeds && embedded ? { [embeds.name]: JSON.stringify(embedded.code) } : {};
  const isProgram = wrapper === undefined;
  const { code, inputs } = await make(from, define, isProgram);
  replace(join(ROOT, to), code, isProgram ? 0o755 : 0o644);
  if (wrapper !== undefined) replace(join(ROOT, wrapper), reexporting(code, to), 0o644);
  /** @type {Record<string, string>} */
  const hashes = {};
  for (const path of [...inputs, ...(embedded?.inputs ?? []), ...ALWAYS_INPUTS]) {
    // A file saved during the build may or may not be in it, so that it has to count as changed.
    hashes[path] = statSync(join(ROOT, path)).mtimeMs < begun ? hashOf(path) : "changed";
  }
  return hashes;
}

/**
 * @param {boolean} isProgram
 * @returns {import("esbuild").BuildOptions}
 */
export function optionsFor(isProgram) {
  return {
    absWorkingDir: ROOT,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    // A file with one other character in it takes twice the memory, and longer to compile.
    charset: "ascii",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "eof",
    lineLimit: 200,
    // `import()` of a part in this file or of Node's own becomes a late `require`, which also
    // works inside a single executable.
    supported: { "dynamic-import": false },
    // What is in one file has no files beside it to be found by.
    define: { "import.meta.url": '""' },
    // Optional accelerators of ws, which it does without.
    external: ["bufferutil", "utf-8-validate"],
    // The source has the `#!` line of a program where it has one.
    ...(isProgram ? { banner: { js: "#!/usr/bin/env node" } } : {}),
    logLevel: "warning",
  };
}

/**
 * An ES module of the same exports: both kinds of importer get one copy, and so one `instanceof`.
 *
 * @param {string} code A CommonJS bundle, which names its exports in a form that Node reads too.
 * @param {string} path
 */
function reexporting(code, path) {
  // The face's own stand last: late modules come before it, as texts.
  const exported = [...code.matchAll(/0\s*&&\s*\(module\.exports\s*=\s*\{([^}]*)\}/g)].at(-1);
  const names = exported?.[1]?.trim() ?? "";
  return `export {${names.replace(/,?\s*$/, "")}} from "./${path.slice("dist/".length)}";\n`;
}

/** Never half a file, even to someone who starts it at this moment.
 * @param {string} path
 * @param {string} text
 * @param {number} mode */
function replace(path, text, mode) {
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, text);
  chmodSync(fresh, mode);
  renameSync(fresh, path);
}

/** Of each file made: its inputs and their hashes.
 * @typedef {Record<string, Record<string, string>>} Memory */

/** @returns {Memory} */
function readMemory() {
  try {
    return JSON.parse(readFileSync(MEMORY, "utf8"));
  } catch {
    // Never built, or half written: build everything.
    return {};
  }
}

/** @param {Face} face @param {Memory} memory */
function isFresh({ to, wrapper }, memory) {
  const inputs = memory[to];
  if (inputs === undefined || !existsSync(join(ROOT, to))) return false;
  if (wrapper !== undefined && !existsSync(join(ROOT, wrapper))) return false;
  return Object.entries(inputs).every(([path, hash]) => hashOf(path) === hash);
}

/** @param {string} path @returns {string} Of the file's bytes; "" where there is none. */
function hashOf(path) {
  try {
    return createHash("sha1")
      .update(readFileSync(join(ROOT, path)))
      .digest("base64");
  } catch {
    // Gone or renamed: whatever was made from it is stale, which no stored hash equals.
    return "";
  }
}

/** dist/types: what the faces declare, as ES modules, and a twin of each for `require`. */
function declare() {
  const entries = FACES.flatMap(({ types }) => types ?? []);
  const types = join(DIST, "types");
  rmSync(types, { recursive: true, force: true });
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const project = join(ROOT, "src/build/tsconfig.types.json");
  const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: "inherit" });
  if (status !== 0) throw new SetupError("The declarations could not be made.");
  const needed = declarationsFrom(entries.map((path) => join(types, path)));
  for (const path of filesUnder(types)) {
    if (!needed.has(path)) rmSync(path);
  }
  for (const path of needed) {
    const text = readFileSync(path, "utf8").replace(IMPORTED, "$1$2.js$1");
    // Buffer and the like: a compiler that is told no `types` does not look for them.
    const isEntry = entries.some((entry) => join(types, entry) === path);
    const whole = isEntry ? `/// <reference types="node" />\n${text}` : text;
    writeFileSync(path, whole);
    const twin = whole.replace(/(["'])(\.\.?\/[^"']*)\.js\1/g, "$1$2.cjs$1");
    writeFileSync(path.replace(/\.d\.ts$/, ".d.cts"), twin);
  }
}

/** A relative import, as declarations have it. */
const IMPORTED = /(["'])(\.\.?\/[^"']*)\.ts\1/g;

/** Those files and all that they import: most of the sources are nobody's business.
 * @param {readonly string[]} paths */
function declarationsFrom(paths) {
  const needed = new Set(paths);
  for (const path of needed) {
    for (const [, , target = ""] of readFileSync(path, "utf8").matchAll(IMPORTED)) {
      needed.add(join(dirname(path), `${target}.d.ts`));
    }
  }
  return needed;
}

/** @param {string} directory @returns {string[]} Every file in it and below. */
function filesUnder(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await asScript(() => build({ types: process.argv.includes("--types") }));
}
