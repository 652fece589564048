/**
 * The licences of all that is in a single executable, which go wherever it goes: ours, those of the
 * packages whose code is in it, and that of Node.js, with all that is in that.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, SetupError } from "./pinned-node.mjs";

/** What they stand in, beside the executables. */
export const LICENCES = "LICENSES";

/** A line between any two. */
const RULE = "-".repeat(80);

/**
 * @typedef {object} Package One whose code is in an executable.
 * @property {string} name
 * @property {string} version
 * @property {string} licence By its short name.
 * @property {string} text
 */

/**
 * @param {import("esbuild")} esbuild
 * @param {readonly string[]} entries Sources, from the root.
 * @param {import("esbuild").BuildOptions} options
 * @returns {Promise<Package[]>}
 * @throws {SetupError} For a package without a licence.
 */
export async function packagesIn(esbuild, entries, options) {
  const names = new Set();
  for (const entry of entries) {
    const build = { ...options, entryPoints: [entry], outfile: "none.cjs", write: false };
    const { metafile } = await esbuild.build({ ...build, metafile: true });
    for (const path of Object.keys(metafile?.inputs ?? {})) {
      const [folder] = /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
      if (folder !== undefined) names.add(folder);
    }
  }
  return [...names].sort().map(packageIn);
}

/**
 * Where those of an executable are.
 *
 * @param {string} executable
 * @throws {SetupError} When they are not: it may not be handed out without.
 */
export function licencesBeside(executable) {
  const path = join(dirname(executable), LICENCES);
  if (existsSync(path)) return path;
  throw new SetupError(`${path} is not there, which has to go with it: npm run build:native`);
}

/** @param {string} folder From the root. @returns {Package} */
function packageIn(folder) {
  const path = join(ROOT, folder);
  const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const file = readdirSync(path).find((one) => /^licen[cs]e/i.test(one));
  if (file === undefined) throw new SetupError(`${folder} has no licence that could be packed.`);
  return { name, version, licence: String(license), text: readFileSync(join(path, file), "utf8") };
}

/**
 * @param {readonly Package[]} packages
 * @param {{ version: string, text: string }} node
 */
export function licencesText(packages, node) {
  const ours = readFileSync(join(ROOT, "LICENSE"), "utf8");
  const parts = [
    ["ts-mqtt", ours],
    ...packages.map((one) => [`${one.name} ${one.version} (${one.licence})`, one.text]),
    [`Node.js ${node.version}, with V8, OpenSSL, SQLite and other libraries`, node.text],
  ];
  return parts
    .map(([title, text = ""]) => `${RULE}\n${title}\n${RULE}\n\n${text.trim()}\n`)
    .join("\n");
}
