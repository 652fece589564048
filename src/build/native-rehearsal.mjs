/**
 * Runs one program from the parts of a single executable, as that would, and keeps V8's code cache
 * of every part it has used: with it a start neither parses nor compiles what it did here.
 *
 *     node --random-seed=1 native-rehearsal.mjs PARTS MODE PROGRAM WORDS...
 *
 * MODE is `pass` to keep nothing, `keep` to do so at the end, and `keep-running` to end as soon as
 * the program says on standard error that it is running: what comes after depends on the hour.
 * With `check` and no program the caches that are there are tried.
 *
 * With a fixed seed the same run leaves the same bytes, and V8 reads them under any other seed.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { CACHE, partFile } from "./native-parts.mjs";

/**
 * What compiles further than to bytecode does so beside us, and leaves marks on what it is at. The
 * caches are made with these as they were, or V8 would not take them.
 */
const COMPILERS = ["sparkplug", "maglev", "turbofan"];

const [, , directory = "", mode, program = "", ...words] = process.argv;

/** @type {Map<string, Script>} */
const scripts = new Map();

class KeptScript extends Script {
  /** @param {string} code @param {{ filename: string }} options */
  constructor(code, options) {
    super(code, options);
    scripts.set(options.filename, this);
  }
}

/** In the place of Node's own modules. @type {Record<string, unknown>} */
const inside = {
  "node:sea": {
    /** @param {string} name */
    getRawAsset: (name) => new Uint8Array(readFileSync(partFile(directory, name))).buffer,
  },
  "node:vm": { Script: KeptScript },
};

const outside = createRequire(import.meta.url);

if (mode === "check") check();
else rehearse();

function rehearse() {
  const exit = process.exit.bind(process);
  process.exit = (status) => {
    if (mode !== "pass") keep();
    return exit(status);
  };
  if (mode === "keep-running") {
    const write = process.stderr.write.bind(process.stderr);
    process.stderr.write = (/** @type {string | Uint8Array} */ chunk) => {
      if (/ running$/m.test(String(chunk))) process.exit(0);
      return write(chunk);
    };
  }
  for (const compiler of COMPILERS) setFlagsFromString(`--no-${compiler}`);
  process.argv.splice(1, process.argv.length, program, ...words);
  const main = readFileSync(partFile(directory, "main"), "utf8");
  new Function("exports", "require", "module", main)(
    {},
    (/** @type {string} */ name) => inside[name] ?? outside(name),
    { exports: {} },
  );
}

function keep() {
  for (const compiler of COMPILERS) setFlagsFromString(`--${compiler}`);
  for (const [name, script] of scripts) {
    const path = partFile(directory, name + CACHE);
    // The first run that used a part is the one it was made for.
    if (!existsSync(path)) writeFileSync(path, script.createCachedData());
  }
}

/** Fails unless V8 takes every cache there is, in a process like that of the executable. */
function check() {
  for (const file of readdirSync(directory).filter((name) => name.endsWith(CACHE))) {
    const path = join(directory, file);
    const filename = decodeURIComponent(file.slice(0, -CACHE.length));
    const code = readFileSync(path.slice(0, -CACHE.length), "latin1");
    const { cachedDataRejected } = new Script(code, { filename, cachedData: readFileSync(path) });
    if (cachedDataRejected !== false) throw new Error(`V8 does not take the cache of ${filename}.`);
  }
}
