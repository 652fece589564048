/**
 * What `npm pack` and `npm publish` do to package.json: whoever installs the package gets what it
 * says about the package, and not how we work on it. `prepare` in particular is no script of
 * theirs: npm warns of it, and what it calls is not in the package.
 *
 *     node src/build/pack.mjs strip      before; package.json is kept in node_modules/.cache
 *     node src/build/pack.mjs restore    after
 *
 * Where npm is ended between the two, the next of either puts package.json back first.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { asScript, ROOT, SetupError } from "./pinned-node.mjs";

const MANIFEST = join(ROOT, "package.json");
const KEPT = join(ROOT, "node_modules", ".cache", "ts-mqtt", "package.json");

/** What is ours alone. */
const OURS = ["scripts", "devDependencies", "allowScripts", "overrides"];

/** The text of a package.json without it. @param {string} text */
export function stripped(text) {
  const entries = Object.entries(JSON.parse(text)).filter(([key]) => !OURS.includes(key));
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

function strip() {
  restore();
  const text = readFileSync(MANIFEST, "utf8");
  mkdirSync(dirname(KEPT), { recursive: true });
  writeFileSync(KEPT, text);
  writeFileSync(MANIFEST, stripped(text));
}

function restore() {
  if (!existsSync(KEPT)) return;
  const text = readFileSync(KEPT, "utf8");
  // Somebody may have written another one since.
  if (readFileSync(MANIFEST, "utf8") === stripped(text)) writeFileSync(MANIFEST, text);
  rmSync(KEPT);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await asScript(() => {
    const [, , word] = process.argv;
    if (word === "strip") strip();
    else if (word === "restore") restore();
    else throw new SetupError("usage: node src/build/pack.mjs strip|restore");
  });
}
