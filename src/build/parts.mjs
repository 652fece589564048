/**
 * One file for a program, of which a start compiles only what every run needs.
 *
 * V8 looks through all the code that it is given, used or not, which for a whole program costs each
 * start ten milliseconds. So what stands behind `await import()` goes into the file as texts, a
 * module each, and is compiled when it is reached. What both sides use exists once: the eager code
 * hands its modules to the late ones. The eager code is one scope, for its calls are the hot ones.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { deflateRawSync } from "node:zlib";
import { ROOT, SetupError } from "./pinned-node.mjs";

/**
 * Packages that most runs never need: each a text, packed. Only what shares nothing with others can
 * stand here.
 */
const LATE_PACKAGES = ["chalk", "commander", "ora", "prom-client", "socks", "ws"];
/** Those of them of which only the default export is used. */
const LATE_DEFAULTS = ["ora"];
/** Where packages are, among the names of modules. */
const PACKAGE = "package:";
/** Before the name of a module that is looked up when it is reached. */
const LATE = "late:";
/** What parts the texts, and a text from its name; no source has them. */
const [APART, NAMED] = ["\\x01", "\\x02"];
/** In the place of what would end the comment that the texts are in. */
const STAR_SLASH = "\\x03";

/**
 * Where late code finds modules: the eager ones, then the texts, then Node's own. The texts are a
 * comment in a function, which V8 passes over in no time, and which the function still has.
 */
const LOADER = `
var __eager=Object.create(null),__done=Object.create(null),__texts;
function __late(name){
if(__eager[name])return __eager[name];
if(__done[name])return __done[name].exports;
__texts??=new Map(String(__parts).split("${APART}").map((part)=>part.split("${NAMED}")));
var text=__texts.get(name);
if(text===undefined)return require(name);
if(name.startsWith("${PACKAGE}")){
text=require("node:zlib").inflateRawSync(Buffer.from(text,"base64")).toString();
}else text=text.replaceAll("${STAR_SLASH}","*/");
var module=__done[name]={exports:{}};
text+="\\n//# sourceURL="+name;
new Function("exports","require","module",text)(module.exports,__late,module);
return module.exports;
}`;

/**
 * @typedef {object} Wanted
 * @property {string} from The entry, from the root.
 * @property {readonly string[]} [eager] Modules behind `import()` that nearly every run reaches, or
 *   whose calls are hot.
 * @property {import("esbuild").BuildOptions} options For all the code of the file.
 */

/** @typedef {{ code: string, inputs: string[] }} Bundle The text of a file, and its sources. */
/** @typedef {import("esbuild").Metafile["inputs"]} Modules */

/**
 * @param {import("esbuild")} esbuild
 * @param {Wanted} wanted
 * @returns {Promise<Bundle>}
 */
export async function bundleWithParts(esbuild, { from, eager = [], options }) {
  const modules = await modulesOf(esbuild, from, options);
  const division = divide(modules, from, eager);
  const texts = await Promise.all(
    division.late.map(async (path) => {
      const code = await lateCode(esbuild, modules, path, options);
      return isPackage(path) ? labelled(path, packed(code)) : labelled(path, commented(code));
    }),
  );
  const code = await eagerCode(esbuild, from, options, division);
  // The last text, too, ends before what ends the comment.
  const prelude = `"use strict";function __parts(){/*${texts.join("")}\x01*/}${LOADER}\n`;
  const hashBang = /^#!.*\n/.exec(code)?.[0] ?? "";
  return {
    code: hashBang + prelude + code.replace(/^(?:#!.*\n)+/, ""),
    inputs: Object.keys(modules).filter((path) => !isPackage(path)),
  };
}

/**
 * @typedef {object} Division Where the modules of a program stand.
 * @property {readonly string[]} late Those that are texts, packages among them.
 * @property {readonly string[]} shared Those in the eager code that are asked for by name.
 */

/**
 * @param {Modules} modules
 * @param {string} from
 * @param {readonly string[]} eager
 * @param {ReadonlySet<string>} [others] Modules that are somebody else's to hand out.
 * @returns {Division}
 */
export function divide(modules, from, eager, others = new Set()) {
  const early = reachable(modules, [from, ...eager], isStatic);
  const all = reachable(modules, [from, ...eager], (one) => !others.has(one.path));
  const asked = [...all].flatMap((path) =>
    (modules[path]?.imports ?? [])
      .filter((one) => !early.has(path) || !isStatic(one))
      .map((one) => one.path),
  );
  return {
    late: Object.keys(modules).filter((path) => all.has(path) && !early.has(path)),
    shared: [...new Set(asked)].filter((path) => early.has(path)),
  };
}

/**
 * Every module of the program and what it imports.
 *
 * @param {import("esbuild")} esbuild
 * @param {string} from
 * @param {import("esbuild").BuildOptions} options
 * @returns {Promise<Modules>}
 */
export async function modulesOf(esbuild, from, options) {
  const build = { ...options, entryPoints: [from], outfile: "none.cjs", write: false };
  const { metafile } = await run(() =>
    esbuild.build({ ...build, metafile: true, plugins: [packagesApart()] }),
  );
  return metafile?.inputs ?? {};
}

/** Packages stay names, each a module without a source. @returns {import("esbuild").Plugin} */
function packagesApart() {
  return {
    name: "packages-apart",
    setup({ onResolve, onLoad }) {
      const filter = new RegExp(`^(?:${LATE_PACKAGES.join("|")})$`);
      onResolve({ filter }, ({ path }) => ({ path, namespace: PACKAGE.slice(0, -1) }));
      const contents = "module.exports = {}";
      onLoad({ filter: /.*/, namespace: PACKAGE.slice(0, -1) }, () => ({ contents }));
    },
  };
}

/** @param {string} path */
export function isPackage(path) {
  return path.startsWith(PACKAGE);
}

/** @param {{ kind: string }} one */
function isStatic({ kind }) {
  return kind !== "dynamic-import";
}

/**
 * @param {Modules} modules
 * @param {readonly string[]} roots
 * @param {(one: { kind: string, path: string }) => boolean} follows
 */
function reachable(modules, roots, follows) {
  const found = new Set(roots);
  for (const path of found) {
    for (const one of modules[path]?.imports ?? []) {
      if (!one.external && follows(one)) found.add(one.path);
    }
  }
  return found;
}

/**
 * A module of its own, whose imports are names for `__late`, or a package in one piece.
 *
 * @param {import("esbuild")} esbuild
 * @param {Modules} modules
 * @param {string} path
 * @param {import("esbuild").BuildOptions} options
 * @returns {Promise<string>}
 */
export async function lateCode(esbuild, modules, path, options) {
  if (isPackage(path)) return packageCode(esbuild, path, options);
  const source = readFileSync(join(ROOT, path), "utf8");
  const { banner: _, external: __, ...rest } = options;
  /** @type {"json" | "ts"} */
  const loader = path.endsWith(".json") ? "json" : "ts";
  const stdin = { contents: source, loader, sourcefile: path };
  const { outputFiles } = await run(() =>
    esbuild.build({ ...rest, bundle: false, stdin, write: false }),
  );
  const code = outputFiles?.[0]?.text ?? "";
  const names = new Map(modules[path]?.imports.map((one) => [one.original, one.path]));
  return code.replace(/\brequire\("([^"]+)"\)/g, (all, name) =>
    names.has(name) ? `require(${JSON.stringify(names.get(name))})` : all,
  );
}

/**
 * @param {import("esbuild")} esbuild
 * @param {string} path
 * @param {import("esbuild").BuildOptions} options
 */
async function packageCode(esbuild, path, options) {
  const name = path.slice(PACKAGE.length);
  const part = LATE_DEFAULTS.includes(name) ? ".default" : "";
  const contents = `module.exports = require("${name}")${part}`;
  const stdin = { contents, resolveDir: ROOT };
  const { banner: _, ...rest } = options;
  const { outputFiles } = await run(() => esbuild.build({ ...rest, stdin, write: false }));
  return outputFiles?.[0]?.text ?? "";
}

/** Packages are larger than all of ours together. @param {string} code */
function packed(code) {
  return deflateRawSync(code, { level: 9 }).toString("base64");
}

/** Fit for a comment. @param {string} code */
function commented(code) {
  return code.replaceAll("*/", "\x03");
}

/** @param {string} name @param {string} text */
function labelled(name, text) {
  if (/[\x01\x02]/.test(text)) throw new Error(`${name} has a character that parts the texts.`);
  return `\x01${name}\x02${text}`;
}

/**
 * All that is compiled at each start.
 *
 * @param {import("esbuild")} esbuild
 * @param {string} from
 * @param {import("esbuild").BuildOptions} options
 * @param {Division} division
 * @param {ReadonlySet<string>} [others] Modules that are somebody else's to hand out.
 * @returns {Promise<string>}
 */
export async function eagerCode(esbuild, from, options, { late, shared }, others = new Set()) {
  const apart = new Set([...late, ...others]);
  const imports = shared.map((path, i) => `import * as m${i} from ${JSON.stringify(`./${path}`)};`);
  const names = shared.map((path, i) => `${JSON.stringify(path)}: m${i}`);
  const contents = `${imports.join("")}Object.assign(__eager, { ${names.join(", ")} });`;
  /** @type {import("esbuild").Plugin} */
  const plugin = {
    name: "late",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^shared-modules$/ }, ({ path }) => ({ path, namespace: "shared" }));
      onLoad({ filter: /.*/, namespace: "shared" }, () => ({ contents, resolveDir: ROOT }));
      onResolve({ filter: /.*/ }, ({ path, resolveDir, kind }) => {
        const name = path.startsWith(".")
          ? relative(ROOT, join(resolveDir, path)).replaceAll("\\", "/")
          : PACKAGE + path;
        // Not even what is eager stays behind a function of its own: V8 would read it twice.
        const isOurs = apart.has(name) || shared.includes(name);
        if (isOurs && kind === "dynamic-import") return { path: LATE + name, external: true };
        if (apart.has(name)) throw new Error(`${name} is imported at once: it cannot be late.`);
        return undefined;
      });
    },
  };
  const { outputFiles } = await run(() =>
    esbuild.build({
      ...options,
      stdin: {
        contents: `import "shared-modules"; export * from "./${from}";`,
        resolveDir: ROOT,
      },
      plugins: [plugin],
      write: false,
    }),
  );
  return (outputFiles?.[0]?.text ?? "").replaceAll(`require("${LATE}`, '__late("');
}

/**
 * @template Outcome
 * @param {() => Promise<Outcome>} build
 * @returns {Promise<Outcome>}
 */
async function run(build) {
  try {
    return await build();
  } catch {
    // esbuild has said what is wrong, and where.
    throw new SetupError("The sources could not be built.");
  }
}
