/**
 * What `npm install` and `npm ci` run at their end: a new enough Node.js, then the build.
 *
 * Leaves alone what is not there: without esbuild (a production install) nothing is built.
 * Safe to run again at any time.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asScript, putPinnedNode, ROOT, SetupError } from "./pinned-node.mjs";

/** Where `markInstalled` writes. It vanishes with node_modules, as it must. */
const STAMP = join(ROOT, "node_modules", ".ts-mqtt-installed");

/** Whether node_modules is what package-lock.json asks for, as of the last `markInstalled`. */
export function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === wantedStamp();
}

/** Notes that node_modules now is what package-lock.json asks for. */
export function markInstalled() {
  if (existsSync(join(ROOT, "node_modules"))) writeFileSync(STAMP, wantedStamp());
}

/** The Node.js and the build. @throws {SetupError} */
export async function prepare() {
  const missing = putPinnedNode();
  // Not fatal: ts-pub and ts-sub run on an older one. `setup.mjs` is stricter.
  if (missing !== undefined) console.error(missing);
  if (existsSync(join(ROOT, "node_modules", "esbuild"))) {
    const { build } = await import("./build.mjs");
    await build({ types: false }).catch((error) => {
      // Sources that do not build are no reason not to install; `npm start` says it again.
      if (!(error instanceof SetupError)) throw error;
      console.error(error.message);
    });
  }
  markInstalled();
}

function wantedStamp() {
  const lock = readFileSync(join(ROOT, "package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex");
  return `${process.platform} ${process.arch} ${hash}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await asScript(prepare);
