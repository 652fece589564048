/** The single executable of this machine installs itself, upgrades itself, and takes all back. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { VERSION } from "../../src/options/version.ts";
import { DISKS } from "../fault/small-disk.ts";
import { find } from "../support/peers.ts";
import { outcome, ROOT, start } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

const BUILT = join(ROOT, "dist/native/linux-x64/ts-broker");
const OLD_VERSION = "0.0.9";
const NOBODY = 65_534;
/** At how many moments of an installation, and of an upgrade, it is killed. */
const KILLS = 8;

const NAMES = ["ts-broker", "ts-pub", "ts-sub", "ts-rr"];
const COMPAT = ["mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_rr", "mosquitto_passwd"];

let folder = "";
/** What somebody has fetched, this version's and an older one's. */
let [file, oldFile] = ["", ""];
beforeAll(() => {
  // Where everybody may look, for the test that is somebody else.
  folder = mkdtempSync(join(realpathSync(tmpdir()), "ts-mqtt-native-install-"));
  chmodSync(folder, 0o755);
  [file, oldFile] = [join(folder, "ts-broker"), join(folder, "older", "ts-broker")];
  copyFileSync(BUILT, file);
  mkdirSync(dirname(oldFile));
  const bytes = readFileSync(BUILT);
  // In our own code and what is compiled of it, for Node.js has such numbers as well.
  const begin = bytes.indexOf("src/cli/broker.ts");
  for (let at = begin; ; ) {
    at = bytes.indexOf(VERSION, at);
    if (at < 0) break;
    bytes.write(OLD_VERSION, at);
  }
  writeFileSync(oldFile, bytes, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let prefix = "";
beforeEach(() => {
  prefix = join(folder, "prefix");
  mkdirSync(prefix, { mode: 0o755 });
});
afterEach(() => rmSync(prefix, { recursive: true, force: true }));

/** Runs it as its user does. */
const run = (program: string, ...words: string[]) => outcome(start(program, words));

/** Every file below the folder, with what tells one from another. */
function treeOf(top: string): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const path of readdirSync(top, { recursive: true, encoding: "utf8" }).sort()) {
    const { mode, size, ino, mtimeMs } = statSync(join(top, path));
    tree[path] = [mode, size, ino, mtimeMs].join(" ");
  }
  return tree;
}

/** What the program at a path says that it is. */
async function versionAt(path: string): Promise<string> {
  const { stdout } = await run(path, "--version");
  return /version (\S+)/.exec(stdout)?.[1] ?? "";
}

describe("in a scratch prefix", () => {
  it("puts everything in place, as --dry-run has listed it, and takes it back", async () => {
    const words = ["--prefix", prefix, "--systemd", "--compat"];
    const dry = await run(file, "install", ...words, "--dry-run");
    expect(dry).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(prefix)).toEqual([]);
    const done = await run(file, "install", ...words);
    expect(done).toMatchObject({ status: 0, stderr: "" });

    const listed = [...dry.stdout.matchAll(/^(?:make|create) +(.*)$/gm)].map(([, path]) => path!);
    // But the list of what has been installed, which is no part of it.
    const found = Object.keys(treeOf(prefix)).map((path) => join(prefix, path));
    const list = join(prefix, "share/ts-broker/installed");
    expect(listed.sort()).toEqual(found.filter((path) => path !== list).sort());

    const { ino } = statSync(join(prefix, "bin/ts-broker"));
    for (const name of [...NAMES, ...COMPAT]) {
      expect(statSync(join(prefix, "bin", name)).ino).toBe(ino);
      const { stdout } = await run(join(prefix, "bin", name), "--help");
      expect(stdout).toMatch(new RegExp(`^Usage: ${name}\\b`));
    }
    const conf = join(prefix, "etc/ts-broker/ts-broker.conf");
    const tried = await run(join(prefix, "bin/ts-broker"), "--test-config", "-c", conf);
    expect(tried).toMatchObject({ status: 0 });

    expect(await run(join(prefix, "bin/ts-broker"), "uninstall", "--prefix", prefix)).toMatchObject(
      { status: 0, stderr: "" },
    );
    expect(readdirSync(prefix)).toEqual([]);
  });

  it("upgrades an older version, and keeps what has been changed", async () => {
    const bin = join(prefix, "bin/ts-broker");
    const conf = join(prefix, "etc/ts-broker/ts-broker.conf");
    expect(await run(oldFile, "install", "--prefix", prefix, "--compat")).toMatchObject({
      status: 0,
    });
    expect(await versionAt(bin)).toBe(OLD_VERSION);
    writeFileSync(conf, "listener 1884\n");
    const { stdout, stderr } = await run(file, "install", "--prefix", prefix);
    expect(stderr).toBe("");
    expect(stdout).toContain(`is installed in ${dirname(bin)}, in place of ${OLD_VERSION}: `);
    expect(stdout).toContain(`${conf} has been changed, and is left as it is.\n`);
    const { ino } = statSync(bin);
    for (const name of [...NAMES, ...COMPAT]) {
      expect(statSync(join(prefix, "bin", name)).ino).toBe(ino);
    }
    expect(await versionAt(join(prefix, "bin/mosquitto_pub"))).toBe(VERSION);
    await run(bin, "uninstall", "--prefix", prefix);
    expect(readdirSync(prefix, { recursive: true, encoding: "utf8" }).sort()).toEqual([
      "etc",
      "etc/ts-broker",
      "etc/ts-broker/ts-broker.conf",
    ]);
  });

  it("is one user's with --user", async () => {
    const env = { HOME: prefix, XDG_CONFIG_HOME: undefined };
    const installed = start(file, ["install", "--user", "--systemd"], { env });
    expect(await outcome(installed)).toMatchObject({ status: 0, stderr: "" });
    expect(await versionAt(join(prefix, ".local/bin/ts-sub"))).toBe(VERSION);
    expect(existsSync(join(prefix, ".config/systemd/user/ts-broker.service"))).toBe(true);
    const words = ["uninstall", "--user"];
    expect(await outcome(start(file, words, { env }))).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(prefix)).toEqual([]);
  });
});

describe("what is in the way", () => {
  it("stops it before anything is changed: files of others", async () => {
    mkdirSync(join(prefix, "bin"));
    writeFileSync(join(prefix, "bin/ts-rr"), "theirs");
    const before = treeOf(prefix);
    const { status, stdout, stderr } = await run(file, "install", "--prefix", prefix);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      `Error: Nothing has been changed: ${prefix}/bin/ts-rr is there already, and was not put there by install.\n`,
    );
    expect(treeOf(prefix)).toEqual(before);
  });

  it.skipIf(process.getuid?.() !== 0 || find("setpriv") === undefined)(
    "stops it before anything is changed: no permission",
    async () => {
      const somebody = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", file];
      const words = [...somebody, "install", "--prefix", prefix];
      const { status, stderr } = await outcome(start("setpriv", words));
      expect(status).toBe(1);
      expect(stderr).toBe(
        `Error: Nothing has been changed: ${prefix} cannot be changed: Permission denied.\n`,
      );
      expect(readdirSync(prefix)).toEqual([]);
    },
  );

  const small = DISKS.find(({ name }) => name === "a small file system");
  it.skipIf(small === undefined)("stops it before anything is changed: no room", async () => {
    using disk = small!.open();
    const before = treeOf(disk.folder);
    const { status, stderr } = await run(file, "install", "--prefix", disk.folder);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^Error: Nothing has been changed: There is no room in .* are free\.\n$/,
    );
    expect(treeOf(disk.folder)).toEqual(before);
  });
});

describe("kill -9 at any moment of it", { timeout: 300_000 }, () => {
  const countOf = () => readdirSync(prefix, { recursive: true }).length;

  /** Starts one, and ends it as soon as so many paths are there. */
  async function cutShort(paths: number): Promise<void> {
    const installing = start(file, ["install", "--prefix", prefix]);
    const isDue = () => installing.ended !== undefined || countOf() >= paths;
    await waitFor("it is as far as that", isDue);
    installing.signal("SIGKILL");
    await installing.untilExit();
  }

  it("leaves nothing that the next one does not complete, or uninstall take back", async () => {
    await run(file, "install", "--prefix", prefix);
    const all = countOf();
    for (let i = 0; i < KILLS; i++) {
      await run(file, "uninstall", "--prefix", prefix);
      expect(readdirSync(prefix)).toEqual([]);
      await cutShort(Math.ceil((all * (i + 1)) / KILLS));
      if (i % 2 === 0) continue;
      expect(await run(file, "install", "--prefix", prefix)).toMatchObject({ status: 0 });
      expect(await versionAt(join(prefix, "bin/ts-pub"))).toBe(VERSION);
      const left = Object.keys(treeOf(prefix)).filter((path) =>
        /installing|\.(new|old)/.test(path),
      );
      expect(left).toEqual([]);
    }
  });

  it("leaves an older version whole, or what the next one makes whole", async () => {
    await run(oldFile, "install", "--prefix", prefix);
    const whole = Object.keys(treeOf(prefix));
    for (let i = 0; i < KILLS; i++) {
      await run(oldFile, "install", "--prefix", prefix);
      // What is new stands beside what is old, until one takes the other's place.
      await cutShort(whole.length + i);
      // Whatever is there runs.
      for (const name of NAMES.filter((one) => existsSync(join(prefix, "bin", one)))) {
        expect([OLD_VERSION, VERSION]).toContain(await versionAt(join(prefix, "bin", name)));
      }
      expect(await run(file, "install", "--prefix", prefix)).toMatchObject({ status: 0 });
      for (const name of NAMES) expect(await versionAt(join(prefix, "bin", name))).toBe(VERSION);
      expect(Object.keys(treeOf(prefix))).toEqual(whole);
    }
  });
});
