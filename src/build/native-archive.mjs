/**
 * Archives to hand out: the programs of a platform with man pages, completions and licences, laid
 * out so that `tar --strip-components=1 -C /usr/local` puts everything where it belongs.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LICENCES } from "./licences.mjs";
import { ROOT, SetupError } from "./pinned-node.mjs";
import { tar } from "./tar.mjs";

/** @typedef {import("./tar.mjs").TarEntry} TarEntry */

/** Where each shell looks. */
const COMPLETIONS = [
  { is: /\.bash$/, folder: "share/bash-completion/completions", name: /\.bash$/ },
  { is: /\.fish$/, folder: "share/fish/vendor_completions.d", name: /(?!)/ },
  { is: /^_/, folder: "share/zsh/site-functions", name: /(?!)/ },
];

/**
 * @param {string} platform
 * @param {string} directory Where its programs are.
 * @param {readonly string[]} names Of the programs; the others are links to the first.
 * @throws {SetupError} When there is no xz.
 */
export function archive(platform, directory, names) {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const top = `ts-mqtt-${version}-${platform}`;
  const bytes = tar(entriesOf(top, platform, directory, names), commitTime());
  const words = ["-9e", "--threads=1", "--stdout"];
  const { status, stdout, error } = spawnSync("xz", words, { input: bytes, maxBuffer: 1 << 30 });
  if (error !== undefined || status !== 0) {
    throw new SetupError("Archives take the program xz, which is not here.");
  }
  writeFileSync(join(directory, "..", `${top}.tar.xz`), stdout);
}

/**
 * @param {string} top
 * @param {string} platform
 * @param {string} directory
 * @param {readonly string[]} names
 * @returns {TarEntry[]}
 */
function entriesOf(top, platform, directory, names) {
  const ending = platform.startsWith("win") ? ".exe" : "";
  const [first = "", ...others] = names.map((name) => `bin/${name}${ending}`);
  /** @type {TarEntry[]} */
  const files = [
    { path: LICENCES, bytes: readFileSync(join(directory, LICENCES)) },
    { path: first, mode: 0o755, bytes: readFileSync(join(directory, first.slice("bin/".length))) },
    ...others.map((path) => ({ path, mode: 0o755, link: `${top}/${first}` })),
  ];
  for (const name of readdirSync(join(ROOT, "man")).sort()) {
    const path = `share/man/man${name.at(-1)}/${name}`;
    files.push({ path, bytes: readFileSync(join(ROOT, "man", name)) });
  }
  for (const file of readdirSync(join(ROOT, "completions")).sort()) {
    const place = COMPLETIONS.find(({ is }) => is.test(file));
    if (place === undefined) continue;
    const path = `${place.folder}/${file.replace(place.name, "")}`;
    files.push({ path, bytes: readFileSync(join(ROOT, "completions", file)) });
  }
  return [...foldersOf(files), ...files].map((entry) => ({
    ...entry,
    path: `${top}/${entry.path}`,
  }));
}

/** @param {readonly TarEntry[]} files @returns {TarEntry[]} Every folder above them. */
function foldersOf(files) {
  const folders = new Set([""]);
  for (const { path } of files) {
    const parts = path.split("/").slice(0, -1);
    for (let i = 1; i <= parts.length; i++) folders.add(`${parts.slice(0, i).join("/")}/`);
  }
  return [...folders].sort().map((path) => ({ path }));
}

/** The time that all files in the archive have: the commit's, so that it is always the same. */
function commitTime() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return Number(given);
  const git = spawnSync("git", ["log", "-1", "--format=%ct"], { cwd: ROOT, encoding: "utf8" });
  return git.status === 0 ? Number(git.stdout) : 0;
}
