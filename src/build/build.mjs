/**
 * Makes dist/: one file a program, and the library with its declarations.
 *
 *     node src/build/build.mjs            programs and library
 *     node src/build/build.mjs --types    and dist/types, which takes seconds
 *
 * A program is one CommonJS file, because one file starts fastest and goes into a single executable
 * as it is. What stands behind `await import()` is in that file too, and runs when it is reached.
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
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { asScript, ROOT, SetupError } from "./pinned-node.mjs";

const DIST = join(ROOT, "dist");
const MEMORY = join(DIST, ".inputs.json");

/**
 * @typedef {object} Face
 * @property {string} from The source that is bundled.
 * @property {string} to The CommonJS file it becomes.
 * @property {{ name: string, from: string }} [embeds] A thread's source, which goes into the same
 *   file as the text of that name.
 * @property {string} [wrapper] An ES module that hands on the exports of `to`.
 */

/** What can be built; those whose source is not there are skipped. @type {readonly Face[]} */
const FACES = [
  {
    from: "bin/ts-broker.ts",
    to: "dist/ts-broker.cjs",
    embeds: { name: "STORE_WORKER_SOURCE", from: "src/store/worker.ts" },
  },
  { from: "bin/ts-pub.ts", to: "dist/ts-pub.cjs" },
  { from: "bin/ts-sub.ts", to: "dist/ts-sub.cjs" },
  { from: "bin/ts-rr.ts", to: "dist/ts-rr.cjs" },
  { from: "src/examples/tick-tock.ts", to: "dist/tick-tock.cjs" },
  { from: "src/client/client.ts", to: "dist/client.cjs", wrapper: "dist/client.js" },
];

/**
 * Packages that most runs never need. They are in the file packed, and are compiled when they are
 * imported: V8 looks through all the code that it is given, which for ws and socks costs each start
 * of a program 2 to 3 ms, more than all of the client library. Only what shares nothing with others
 * can stand here.
 */
const LATE_PACKAGES = ["chalk", "commander", "ora", "socks", "ws"];
/** Those of them of which only the default export is used. */
const LATE_DEFAULTS = ["ora"];

/** What the outcome depends on beside the sources that are bundled. */
const ALWAYS_INPUTS = ["src/build/build.mjs", "package-lock.json", "tsconfig.json"];

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
async function bundle(esbuild, { from, to, embeds, wrapper }) {
  const begun = Date.now();
  /** @param {import("esbuild").BuildOptions} options */
  const make = async (options) => {
    const plugins = [latePackages(esbuild)];
    const result = await esbuild
      .build({ ...options, plugins, write: false, metafile: true })
      .catch(() => {
        throw new SetupError(`${to} could not be built.`);
      });
    // Packages change with package-lock.json.
    const inputs = Object.keys(result.metafile.inputs).filter((path) => !path.startsWith("late:"));
    return { code: result.outputFiles[0]?.text ?? "", inputs };
  };
  const embedded = embeds && (await make(optionsFor(embeds.from, to, false)));
  const define = embeds && embedded && { [embeds.name]: JSON.stringify(embedded.code) };
  const options = optionsFor(from, to, wrapper === undefined);
  const { code, inputs } = await make({ ...options, define: { ...options.define, ...define } });
  replace(join(ROOT, to), withOneHashBang(code), wrapper === undefined ? 0o755 : 0o644);
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
 * @param {string} from
 * @param {string} to
 * @param {boolean} isProgram
 */
function optionsFor(from, to, isProgram) {
  return /** @satisfies {import("esbuild").BuildOptions} */ ({
    absWorkingDir: ROOT,
    entryPoints: [from],
    outfile: to,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    charset: "utf8",
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
  });
}

/**
 * Puts each of LATE_PACKAGES in the bundle as a packed text.
 *
 * @param {import("esbuild")} esbuild
 * @returns {import("esbuild").Plugin}
 */
function latePackages(esbuild) {
  return {
    name: "late-packages",
    setup({ onResolve, onLoad }) {
      const filter = new RegExp(`^(${LATE_PACKAGES.join("|")})$`);
      onResolve({ filter }, ({ path }) => ({ path, namespace: "late" }));
      onLoad({ filter, namespace: "late" }, async ({ path }) => {
        const { entryPoints: _, ...options } = optionsFor("", `${path}.cjs`, false);
        const part = LATE_DEFAULTS.includes(path) ? ".default" : "";
        const contained = `module.exports = require("${path}")${part}`;
        const stdin = { contents: contained, resolveDir: ROOT };
        const result = await esbuild.build({ ...options, stdin, write: false });
        const text = `${result.outputFiles[0]?.text ?? ""}\n//# sourceURL=${path}.cjs\n`;
        const packed = deflateRawSync(text, { level: 9 }).toString("base64");
        const contents = `
          const text = require("node:zlib").inflateRawSync(Buffer.from("${packed}", "base64"));
          new Function("exports", "require", "module", text)(module.exports, require, module);`;
        return { contents, loader: "js", resolveDir: ROOT };
      });
    },
  };
}

/** The first line names the interpreter; esbuild keeps the source's own after ours.
 * @param {string} code */
function withOneHashBang(code) {
  return code.replace(/^(#!.*\n)(?:#!.*\n)+/, "$1");
}

/**
 * An ES module of the same exports: both kinds of importer get one copy, and so one `instanceof`.
 *
 * @param {string} code A CommonJS bundle, which names its exports in a form that Node reads too.
 * @param {string} path
 */
function reexporting(code, path) {
  const names = /0\s*&&\s*\(module\.exports\s*=\s*\{([^}]*)\}/.exec(code)?.[1]?.trim() ?? "";
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

/** dist/types: the declarations as ES modules, and a twin of each for `require`. */
function declare() {
  if (!existsSync(join(ROOT, "src/client/client.ts"))) return;
  const types = join(DIST, "types");
  rmSync(types, { recursive: true, force: true });
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const project = join(ROOT, "src/build/tsconfig.types.json");
  const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: "inherit" });
  if (status !== 0) throw new SetupError("The declarations could not be made.");
  for (const path of filesUnder(types)) {
    const text = readFileSync(path, "utf8").replace(/(["'])(\.\.?\/[^"']*)\.ts\1/g, "$1$2.js$1");
    writeFileSync(path, text);
    const twin = text.replace(/(["'])(\.\.?\/[^"']*)\.js\1/g, "$1$2.cjs$1");
    writeFileSync(path.replace(/\.d\.ts$/, ".d.cts"), twin);
  }
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
