/** ts-broker install on real file systems: a scratch root, one that is full, one that is locked. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runInstall } from "../../src/cli/install.ts";
import { RealDisk } from "../../src/cli/install-disk.ts";
import type { Streams } from "../../src/cli/streams.ts";
import { find } from "../support/peers.ts";
import { outcome, startOurs } from "../support/programs.ts";
import { DISKS } from "./small-disk.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ts-mqtt-install-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What stands in for the executable: a script that can be run. */
function source(version: string, bytes = 100): string {
  const path = join(root, "ts-broker-download");
  writeFileSync(path, `#!/bin/sh\necho ${version}; exit\n${"#".repeat(bytes)}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function run(executable: string, words: readonly string[], disk = new RealDisk()) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io: Streams = {
    argv: [],
    env: {},
    pid: process.pid,
    stdin: new PassThrough(),
    stdout,
    stderr,
    on: () => undefined,
    off: () => undefined,
  };
  const machine = {
    platform: "linux",
    executable,
    directory: root,
    disk,
    wordsOf: () => undefined,
  } as const;
  const [command, ...rest] = words as ["install" | "uninstall", ...string[]];
  const status = await runInstall(io, command, rest, machine);
  const text = (stream: PassThrough) => `${stream.read() ?? ""}`;
  return { status, stdout: text(stdout), stderr: text(stderr) };
}

/** Every path below the folder. */
function pathsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
}

describe("in a scratch root", () => {
  it("installs, upgrades and takes everything back", async () => {
    const prefix = join(root, "a prefix");
    const words = ["--prefix", "a prefix"];
    expect(await run(source("1"), ["install", ...words, "--systemd"])).toMatchObject({ status: 0 });
    const program = join(prefix, "bin", "ts-sub");
    expect(spawnSync(program, { encoding: "utf8" }).stdout).toBe("1\n");
    expect(statSync(program).nlink).toBe(4);
    expect(statSync(join(prefix, "share/man/man1/ts-sub.1")).mode & 0o777).toBe(0o644);
    expect(await run(source("2"), ["install", ...words, "--compat"])).toMatchObject({ status: 0 });
    expect(spawnSync(program, { encoding: "utf8" }).stdout).toBe("2\n");
    expect(spawnSync(join(prefix, "bin/mosquitto"), { encoding: "utf8" }).stdout).toBe("2\n");
    expect(pathsIn(prefix).filter((path) => /\.(new|old)$|installing/.test(path))).toEqual([]);
    expect(await run("", ["uninstall", ...words])).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(prefix)).toBe(false);
  });

  const hasSystemd = find("systemd-analyze") !== undefined;
  it.skipIf(!hasSystemd)("has a unit that systemd understands", async () => {
    const words = ["--systemd", "--prefix", join(root, "p %h $x")];
    await run(source("1"), ["install", ...words]);
    const unit = join(root, "p %h $x/lib/systemd/system/ts-broker.service");
    const text = readFileSync(unit, "utf8");
    const command = `"${root}/p %%h $x/bin/ts-broker"`;
    const configuration = `"${root}/p %%h $$x/etc/ts-broker/ts-broker.conf"`;
    expect(text).toContain(`ExecStart=${command} -c ${configuration}\n`);
    const judged = spawnSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8" });
    expect(judged.stderr).not.toContain("ts-broker.service");
  });

  it("overwrites no link, and follows none", async () => {
    mkdirSync(join(root, "bin"));
    const target = join(root, "theirs");
    writeFileSync(target, "theirs");
    spawnSync("ln", ["-s", target, join(root, "bin/ts-pub")]);
    const { stderr } = await run(source("1"), ["install", "--prefix", root]);
    expect(stderr).toContain("bin/ts-pub is there already, and was not put there by install.");
    expect(lstatSync(join(root, "bin/ts-pub")).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, "utf8")).toBe("theirs");
  });
});

/** One that believes there is always room. */
class Optimist extends RealDisk {
  override roomIn(): { disk: string; bytes: number } {
    return { disk: "", bytes: Number.MAX_SAFE_INTEGER };
  }
}

const small = DISKS.filter(({ name }) => name === "a small file system");

describe.skipIf(small.length === 0)("on a small file system", () => {
  it("leaves nothing when there is no room, known before or found out", async () => {
    using disk = small[0]!.open();
    const before = pathsIn(disk.folder);
    const executable = source("1", 8e6);
    const words = ["install", "--prefix", disk.folder];
    const known = await run(executable, words);
    expect(known.stderr).toMatch(
      /^Error: Nothing has been changed: There is no room in .* free\.\n/,
    );
    const found = await run(executable, words, new Optimist());
    expect(found).toMatchObject({ status: 1, stdout: "" });
    expect(found.stderr).toBe("Error: Nothing has been installed: No space left on device.\n");
    expect(pathsIn(disk.folder)).toEqual(before);
  });

  it("keeps what was installed when there is no room for an upgrade", async () => {
    using disk = small[0]!.open();
    const words = ["install", "--prefix", disk.folder];
    expect(await run(source("1", 3e6), words)).toMatchObject({ status: 0 });
    const before = pathsIn(disk.folder);
    const list = readFileSync(join(disk.folder, "share/ts-broker/installed"), "utf8");
    expect((await run(source("2", 3e6), words, new Optimist())).stderr).toContain("No space left");
    expect(pathsIn(disk.folder)).toEqual(before);
    expect(readFileSync(join(disk.folder, "share/ts-broker/installed"), "utf8")).toBe(list);
    const program = join(disk.folder, "bin/ts-broker");
    expect(spawnSync(program, { encoding: "utf8" }).stdout).toBe("1\n");
  });

  it("changes nothing where everything is locked", async () => {
    using disk = small[0]!.open();
    spawnSync("mount", ["-o", "remount,ro", disk.folder]);
    const { stderr } = await run(source("1"), ["install", "--prefix", disk.folder]);
    expect(stderr).toContain(`${disk.folder} cannot be changed: Read-only file system.`);
  });
});

describe("ts-broker install", () => {
  it("is not for what came with npm", async () => {
    const { status, stdout, stderr } = await outcome(startOurs("ts-broker", ["install"]));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^Error: Only the single-file ts-broker installs itself; .*\.\n$/);
  });

  it("has help", async () => {
    const { status, stdout } = await outcome(startOurs("ts-broker", ["install", "--help"]));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Usage: ts-broker install \[--prefix DIR/);
  });
});
