/**
 * What `npm pack` and `npm publish` do to package.json and README.md: whoever installs the package
 * gets what they say about the package, and not how we work on it. `prepare` in particular is no
 * script of theirs: npm warns of it, and what it calls is not in the package.
 *
 *     node src/build/pack.mjs strip      before; the files are kept in node_modules/.cache
 *     node src/build/pack.mjs restore    after
 *
 * Where npm is ended between the two, however it is, a process that was left to watch it puts the
 * files back. Should that be ended as well, or the machine, the next of either does.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { asScript, ROOT, SetupError } from "./pinned-node.mjs";

const SELF = fileURLToPath(import.meta.url);
const KEPT = join(ROOT, "node_modules", ".cache", "ts-mqtt", "packing");

/** Beside the kept files: the npm that packs. */
const NPM = "npm";

/** What is ours alone. */
const OURS = ["scripts", "devDependencies", "allowScripts", "overrides"];
/** What npm packs unasked. */
const ALWAYS = ["package.json", "README.md", "LICENSE"];

/** Between two looks whether npm is still there. */
const LOOK_MS = 100;
/** How far up from us npm may be: there is a shell between. */
const ANCESTORS_MAX = 3;

/** The files, and what is made of their texts. @type {Readonly<Record<string, typeof stripped>>} */
const CHANGES = {
  "package.json": stripped,
  "README.md": (text) => unlinked(text, JSON.parse(keptOrNot("package.json")).files),
};

/** The text of a package.json without what is ours. @param {string} text */
export function stripped(text) {
  const entries = Object.entries(JSON.parse(text)).filter(([key]) => !OURS.includes(key));
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

/**
 * Markdown whose links lead to what is in the package; the others say where they would have led.
 *
 * @param {string} text
 * @param {readonly string[]} files As package.json lists them.
 */
export function unlinked(text, files) {
  const isIn = (/** @type {string} */ path) =>
    [...ALWAYS, ...files].some((one) => path === one || path.startsWith(`${one}/`));
  return text.replace(/\[([^\][]+)\]\(([^)#\s]+)\)/g, (link, words, target) => {
    if (/^\w+:/.test(target) || isIn(normalize(target))) return link;
    const where = `\`${target}\` in the sources`;
    return words === target ? where : `${words}, ${where}`;
  });
}

function strip() {
  restore();
  const fresh = `${KEPT}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  for (const name of Object.keys(CHANGES)) {
    writeFileSync(join(fresh, name), readFileSync(join(ROOT, name)));
  }
  const npm = npmProcess();
  writeFileSync(join(fresh, NPM), `${npm}`);
  renameSync(fresh, KEPT);
  if (npm !== undefined) watch(npm);
  for (const [name, change] of Object.entries(CHANGES)) replace(name, change(keptOrNot(name)));
}

function restore() {
  if (!existsSync(KEPT)) return;
  for (const [name, change] of Object.entries(CHANGES)) {
    const text = keptOrNot(name);
    // Somebody may have written another one since.
    if (readFileSync(join(ROOT, name), "utf8") === change(text)) replace(name, text);
  }
  rmSync(KEPT, { recursive: true, force: true });
}

/** As it was before. @param {string} name */
function keptOrNot(name) {
  const kept = join(KEPT, name);
  return readFileSync(existsSync(kept) ? kept : join(ROOT, name), "utf8");
}

/** All of it or nothing. @param {string} name @param {string} text */
function replace(name, text) {
  const fresh = join(ROOT, `${name}.${process.pid}`);
  writeFileSync(fresh, text);
  renameSync(fresh, join(ROOT, name));
}

/** Leaves a process behind that restores as soon as npm has ended. @param {number} npm */
function watch(npm) {
  const words = [SELF, "watch", `${npm}`];
  spawn(process.execPath, words, { detached: true, stdio: "ignore" }).unref();
}

/** The npm that runs this script; undefined when there is none, or no ps(1) to ask. */
function npmProcess() {
  let pid = process.ppid;
  for (let i = 0; i < ANCESTORS_MAX; i++) {
    const words = ["-o", "ppid=", "-o", "args=", "-p", `${pid}`];
    const { stdout } = spawnSync("ps", words, { encoding: "utf8" });
    const [, parent, args] = /^\s*(\d+)\s+(.*)/.exec(stdout ?? "") ?? [];
    if (args === undefined) return undefined;
    if (/^npm\b|npm-cli/.test(args)) return pid;
    pid = Number(parent);
  }
  return undefined;
}

/** @param {number} npm Its process. */
async function restoreAfter(npm) {
  const isUnderWay = () =>
    existsSync(join(KEPT, NPM)) && readFileSync(join(KEPT, NPM), "utf8") === `${npm}`;
  // When all goes well, `restore` is what ends the waiting.
  while (isUnderWay() && isThere(npm)) await setTimeout(LOOK_MS);
  if (isUnderWay()) restore();
}

/** @param {number} pid */
function isThere(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] === SELF) {
  await asScript(() => {
    const [, , word, pid] = process.argv;
    if (word === "strip") strip();
    else if (word === "restore") restore();
    else if (word === "watch") return restoreAfter(Number(pid));
    else throw new SetupError("usage: node src/build/pack.mjs strip|restore");
  });
}
