/**
 * Makes dist/ts-mqtt_VERSION_ARCHITECTURE.deb from the single-file executable, with dpkg-deb:
 *
 *     npm run build:deb                      from dist/native/linux-x64/ts-broker
 *     npm run build:deb -- linux-arm64       from that one
 *     npm run build:deb -- linux-x64 FILE    from another executable, for a try
 *
 * It holds what `ts-broker install --prefix /usr --systemd` puts in place, as Debian wants it: man
 * pages are packed, the configuration is a conffile, the other names are symbolic links. The same
 * commit gives the same bytes.
 *
 * Needs a Node.js that runs TypeScript as it is: the project's own does.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { itemsOf, placesBelow, unitItem } from "../cli/install-layout.ts";
import { VERSION } from "../options/version.ts";
import {
  changelogText,
  controlText,
  copyrightText,
  LINTIAN_OVERRIDES,
  PACKAGE,
  POSTINST,
  POSTRM,
  PRERM,
} from "./deb-texts.mjs";
import { LICENCES, licencesBeside } from "./licences.mjs";
import { asScript, ROOT, SetupError } from "./pinned-node.mjs";

/** Debian's names for ours. @type {Readonly<Record<string, string>>} */
const ARCHITECTURES = { "linux-x64": "amd64", "linux-arm64": "arm64" };

/** The first revision of the package for a version. */
const REVISION = `${VERSION}-1`;

/**
 * @param {string} platform Such as linux-x64.
 * @param {string} [given] An executable.
 * @param {string} [folder] Where the package goes.
 * @returns {string} Its path.
 * @throws {SetupError}
 */
export function buildDeb(platform, given, folder = join(ROOT, "dist")) {
  const architecture = ARCHITECTURES[platform];
  if (architecture === undefined) {
    throw new SetupError(
      `There is no Debian package for ${platform}, only for linux-x64 and -arm64.`,
    );
  }
  const executable = given ?? join(ROOT, "dist", "native", platform, "ts-broker");
  if (!existsSync(executable)) {
    throw new SetupError(`${executable} is not there: npm run build:native`);
  }
  const seconds = commitSeconds();
  const tree = join(folder, `.deb-${architecture}-${process.pid}`);
  const path = join(folder, `${PACKAGE}_${REVISION}_${architecture}.deb`);
  try {
    layOut(tree, executable, seconds);
    describe(tree, architecture);
    const words = [
      "--root-owner-group",
      "--threads-max=1",
      "-Zxz",
      "--build",
      tree,
      `${path}.part`,
    ];
    const { status, stderr, error } = spawnSync("dpkg-deb", words, {
      encoding: "utf8",
      env: { ...process.env, SOURCE_DATE_EPOCH: `${seconds}`, LC_ALL: "C" },
    });
    if (status !== 0) throw new SetupError(`dpkg-deb: ${error?.message ?? stderr.trim()}`);
    renameSync(`${path}.part`, path);
  } finally {
    rmSync(tree, { recursive: true, force: true });
    rmSync(`${path}.part`, { force: true });
  }
  return path;
}

/** All that is installed.
 * @param {string} tree
 * @param {string} executable
 * @param {number} seconds */
function layOut(tree, executable, seconds) {
  const places = placesBelow("/usr");
  const configuration = join(places.etc, "ts-broker.conf");
  const program = join(places.bin, "ts-broker");
  const unit = unitItem("/lib/systemd/system", { program, configuration, kind: "static-user" });
  const items = itemsOf(places, { systemd: true, compat: false });
  for (const item of [...items.filter(({ path }) => !path.endsWith(".service")), unit]) {
    const target = join(tree, item.path);
    if (item.kind === "program") putCopy(executable, target);
    else if (item.kind === "name") symlinkSync(item.of, target);
    else if (item.path.includes("/man/")) put(`${target}.gz`, packed(item.text));
    else put(target, item.text);
  }
  const doc = join(tree, "usr/share/doc", PACKAGE);
  const licence = readFileSync(join(ROOT, "LICENSE"), "utf8");
  put(join(doc, "copyright"), copyrightText(licence));
  put(join(doc, "changelog.gz"), packed(readFileSync(join(ROOT, "CHANGELOG.md"))));
  put(join(doc, "changelog.Debian.gz"), packed(changelogText({ version: REVISION, seconds })));
  put(join(doc, `${LICENCES}.gz`), packed(readFileSync(licencesBeside(executable))));
  put(join(tree, "usr/share/lintian/overrides", PACKAGE), LINTIAN_OVERRIDES);
}

/** DEBIAN/, what dpkg is told.
 * @param {string} tree
 * @param {string} architecture */
function describe(tree, architecture) {
  const paths = pathsUnder(tree);
  const files = paths.filter((path) => lstatSync(join(tree, path)).isFile());
  // As dpkg counts: files in whole kibibytes, and one for everything else.
  const sizes = paths
    .map((path) => lstatSync(join(tree, path)))
    .map((stats) => (stats.isFile() ? Math.ceil(stats.size / 1024) : 1));
  const kibibytes = sizes.reduce((sum, size) => sum + size, 0);
  const about = join(tree, "DEBIAN");
  put(join(about, "control"), controlText({ version: REVISION, architecture, kibibytes }));
  const isConfiguration = (/** @type {string} */ path) => path.startsWith("etc/");
  put(
    join(about, "conffiles"),
    files
      .filter(isConfiguration)
      .map((path) => `/${path}\n`)
      .join(""),
  );
  const sums = files
    .filter((path) => !isConfiguration(path))
    .map((path) => {
      const sum = createHash("md5")
        .update(readFileSync(join(tree, path)))
        .digest("hex");
      return `${sum}  ${path}\n`;
    });
  put(join(about, "md5sums"), sums.join(""));
  put(join(about, "postinst"), POSTINST, 0o755);
  put(join(about, "prerm"), PRERM, 0o755);
  put(join(about, "postrm"), POSTRM, 0o755);
}

/** @param {string} path @param {string | Buffer} content */
function put(path, content, mode = 0o644) {
  makeDirectory(dirname(path));
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/** @param {string} from @param {string} to */
function putCopy(from, to) {
  makeDirectory(dirname(to));
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

/** Whatever the umask. @param {string} path */
function makeDirectory(path) {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
  chmodSync(path, 0o755);
}

/** As gzip -9n does. @param {string | Buffer} content */
function packed(content) {
  const bytes = gzipSync(content, { level: 9 });
  // The operating system, which is nobody's business: 3, as gzip writes on Unix.
  bytes[9] = 3;
  return bytes;
}

/** Relative, in the order of the alphabet. @param {string} tree @returns {string[]} */
function pathsUnder(tree, below = "") {
  return readdirSync(join(tree, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(below, entry.name);
      return entry.isDirectory() ? [path, ...pathsUnder(tree, path)] : [path];
    });
}

/** When the sources were last changed. */
function commitSeconds() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const words = ["log", "-1", "--format=%ct"];
  return Number(execFileSync("git", words, { cwd: ROOT, encoding: "utf8" }).trim());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [platform = "linux-x64", given] = process.argv.slice(2);
  await asScript(() => console.log(buildDeb(platform, given)));
}
