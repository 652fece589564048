/**
 * Lays out dist/docker, from which `docker build dist/docker` makes an image without a network:
 *
 *     npm run build:docker                      from dist/native/linux-x64/ts-broker
 *     npm run build:docker -- linux-x64 FILE    from another executable, for a try
 *
 * The libraries are those of the machine that builds, which has to be one that runs the executable.
 *
 * Needs a Node.js that runs TypeScript as it is: the project's own does.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { rootCertificates } from "node:tls";
import { fileURLToPath } from "node:url";
import { itemsOf, placesBelow } from "../cli/install-layout.ts";
import { renderFirstConfiguration } from "../options/render/first-configuration.ts";
import { LICENCES, licencesBeside } from "./licences.mjs";
import { asScript, ROOT, SetupError } from "./pinned-node.mjs";

/** As in the Dockerfile. */
const [USER, ID, STATE] = ["ts-broker", 1883, "/var/lib/ts-broker"];

/**
 * @param {string} platform Such as linux-x64.
 * @param {string} [given] An executable.
 * @param {string} [folder] Where the layout goes, which is made anew.
 * @returns {string} That folder.
 * @throws {SetupError}
 */
export function layOutImage(platform, given, folder = join(ROOT, "dist", "docker")) {
  const executable = given ?? join(ROOT, "dist", "native", platform, "ts-broker");
  if (!existsSync(executable)) {
    throw new SetupError(`${executable} is not there: npm run build:native`);
  }
  const fresh = `${folder}.${process.pid}`;
  try {
    const root = join(fresh, "root");
    putPrograms(root, executable);
    putCopy(licencesBeside(executable), join(root, "usr/share/doc/ts-mqtt", LICENCES), 0o644);
    for (const path of librariesOf(executable)) putCopy(path, join(root, path), 0o755);
    // For bridges over TLS: an image of nothing else has no system that says whom to trust.
    put(join(root, "etc/ssl/certs/ca-certificates.crt"), `${rootCertificates.join("\n")}\n`);
    put(join(root, "etc/passwd"), `${USER}:x:${ID}:${ID}::${STATE}:/nonexistent\n`);
    put(join(root, "etc/group"), `${USER}:x:${ID}:\n`);
    // Names of /etc/hosts first, which is where the other containers are.
    put(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
    makeDirectory(join(fresh, "state"));
    putCopy(join(ROOT, "src/build/docker/Dockerfile"), join(fresh, "Dockerfile"), 0o644);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}

/** Executable, names and configuration; whoever reads man pages has them elsewhere.
 * @param {string} root
 * @param {string} executable */
function putPrograms(root, executable) {
  const places = placesBelow("/usr");
  for (const item of itemsOf(places, { systemd: false, compat: false })) {
    const target = join(root, item.path);
    if (item.kind === "program") putCopy(executable, target, item.mode);
    // A link that is copied into an image stays one.
    else if (item.kind === "name") symlinkSync(item.of, target);
    else if (item.kind === "configuration") {
      const { etc } = places;
      put(target, renderFirstConfiguration({ directory: etc, state: STATE, isContained: true }));
    }
  }
}

/** What the executable is linked with, and what loads it, by the paths that it looks for.
 * @param {string} executable
 * @returns {string[]} */
function librariesOf(executable) {
  const { status, stdout, stderr } = spawnSync("ldd", [executable], { encoding: "utf8" });
  if (status !== 0) throw new SetupError(`ldd: ${stderr.trim() || stdout.trim()}`);
  const missing = /^\s*(\S+) => not found/m.exec(stdout);
  if (missing !== null) throw new SetupError(`${missing[1]} is not on this machine.`);
  return [...stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path = ""]) => path);
}

/** @param {string} path @param {string} text */
function put(path, text) {
  makeDirectory(dirname(path));
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}

/** @param {string} from @param {string} to @param {number} mode */
function putCopy(from, to, mode) {
  makeDirectory(dirname(to));
  copyFileSync(realpathSync(from), to);
  chmodSync(to, mode);
}

/** Whatever the umask. @param {string} path */
function makeDirectory(path) {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
  chmodSync(path, 0o755);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [platform = "linux-x64", given] = process.argv.slice(2);
  await asScript(() => console.log(layOutImage(platform, given)));
}
