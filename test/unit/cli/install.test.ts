/** ts-broker install and uninstall, on disks of the test's making. */
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { type InstallMachine, runInstall } from "../../../src/cli/install.ts";
import type { EndSignal, Streams } from "../../../src/cli/streams.ts";
import { renderedFiles } from "../../../src/options/render/files.ts";
import { FakeDisk, systemError } from "../../support/fake-disk.ts";

const SOURCE = "/home/ann/ts-broker";
const CONF = "/usr/local/etc/ts-broker/ts-broker.conf";
const LIST = "/usr/local/share/ts-broker/installed";
const JOURNAL = "/usr/local/share/ts-broker/installing";
const UNIT = "/usr/local/lib/systemd/system/ts-broker.service";

/** A disk with an executable that somebody has fetched. */
function freshDisk(program = "version 1"): FakeDisk {
  const disk = new FakeDisk();
  disk.have(SOURCE, program);
  disk.haveDirectory("/usr/local/bin");
  disk.have("/usr/local/bin/other", "somebody else's");
  return disk;
}

interface Over {
  readonly env?: Record<string, string>;
  readonly machine?: Partial<InstallMachine>;
  readonly onListen?: (signal: EndSignal, listener: () => void) => void;
}

async function run(disk: FakeDisk, words: string, over: Over = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io: Streams = {
    argv: [],
    env: { HOME: "/home/ann", ...over.env },
    pid: 7,
    stdin: new PassThrough(),
    stdout,
    stderr,
    on: (signal, listener) => over.onListen?.(signal, listener),
    off: () => undefined,
  };
  const machine: InstallMachine = {
    platform: "linux",
    executable: SOURCE,
    directory: "/home/ann",
    disk,
    wordsOf: () => undefined,
    ...over.machine,
  };
  const [command, ...rest] = words.split(" ") as ["install" | "uninstall", ...string[]];
  const status = await runInstall(io, command, rest, machine);
  const text = (stream: PassThrough) => `${stream.read() ?? ""}`;
  return { status, stdout: text(stdout), stderr: text(stderr) };
}

const GOOD = { status: 0, stderr: "" };

const pathsOn = (disk: FakeDisk) =>
  Object.keys(disk.contents).filter((path) => !disk.isDirectory(path));

describe("install", () => {
  it("puts programs, man pages, completions and configuration in their places", async () => {
    const disk = freshDisk();
    expect(await run(disk, "install")).toMatchObject(GOOD);
    const share = "/usr/local/share";
    expect(pathsOn(disk).filter((path) => !/ts-(pub|sub|rr)/.test(path))).toEqual([
      SOURCE,
      "/usr/local/bin/other",
      "/usr/local/bin/ts-broker",
      CONF,
      `${share}/bash-completion/completions/ts-broker`,
      `${share}/fish/vendor_completions.d/ts-broker.fish`,
      `${share}/man/man5/ts-broker.conf.5`,
      `${share}/man/man8/ts-broker.8`,
      LIST,
      `${share}/zsh/site-functions/_ts-broker`,
    ]);
    for (const name of ["ts-broker", "ts-pub", "ts-sub", "ts-rr"]) {
      const path = `/usr/local/bin/${name}`;
      expect(disk.nodes.get(path)).toEqual({ is: "file", text: "version 1", mode: 0o755 });
    }
    const page = renderedFiles().get("man/ts-pub.1");
    expect(disk.read(`${share}/man/man1/ts-pub.1`)).toBe(page);
  });

  it("adds a unit and mosquitto's names when asked, and an upgrade keeps them", async () => {
    const disk = freshDisk();
    const { stdout } = await run(disk, "install --systemd --compat");
    expect(stdout).toContain("systemctl enable --now ts-broker");
    const unit = disk.read(UNIT);
    expect(unit).toContain(`ExecStart=/usr/local/bin/ts-broker -c ${CONF}\n`);
    disk.have(SOURCE, "version 2");
    expect(await run(disk, "install")).toMatchObject(GOOD);
    expect(disk.read(UNIT)).toBe(unit);
    for (const name of ["mosquitto", "mosquitto_rr", "mosquitto_passwd", "ts-sub"]) {
      expect(disk.read(`/usr/local/bin/${name}`)).toBe("version 2");
    }
  });

  it("is for one user where that is wanted", async () => {
    const disk = freshDisk();
    const over = { env: { XDG_CONFIG_HOME: "/home/ann/conf/" } };
    expect(await run(disk, "install --user --systemd", over)).toMatchObject(GOOD);
    const unit = disk.read("/home/ann/conf/systemd/user/ts-broker.service");
    const conf = "/home/ann/conf/ts-broker/ts-broker.conf";
    expect(unit).toContain(`ExecStart=/home/ann/.local/bin/ts-broker -c ${conf}\n`);
    expect(unit).not.toMatch(/^User=|DynamicUser/m);
    expect(disk.read(conf)).toMatch(/^persistence true$/m);
    expect(await run(disk, "uninstall --user", over)).toMatchObject(GOOD);
    expect(disk.contents).toEqual(freshDisk().contents);
  });

  it("uses symbolic links where there are no others, and takes them back", async () => {
    const disk = freshDisk();
    disk.hasHardLinks = false;
    await run(disk, "install");
    expect(disk.nodes.get("/usr/local/bin/ts-sub")).toEqual({ is: "link", to: "ts-broker" });
    disk.have(SOURCE, "version 2");
    expect(await run(disk, "install")).toMatchObject(GOOD);
    expect(disk.read("/usr/local/bin/ts-broker")).toBe("version 2");
    expect(disk.nodes.get("/usr/local/bin/ts-sub")).toEqual({ is: "link", to: "ts-broker" });
    await run(disk, "uninstall");
    disk.have(SOURCE, "version 1");
    expect(disk.contents).toEqual(freshDisk().contents);
  });

  it("lists with --dry-run what it would do, and changes nothing", async () => {
    const disk = freshDisk();
    disk.have("/usr/local/bin/ts-sub", "somebody's");
    const { stdout, stderr, status } = await run(disk, "install --dry-run");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^make {5}\/usr\/local\/share$/m);
    expect(stdout).toMatch(/^create {3}\/usr\/local\/bin\/ts-broker$/m);
    expect(stdout).toMatch(/^hindered \/usr\/local\/bin\/ts-sub is there already/m);
    expect(stderr).toBe(
      "Error: Nothing has been changed: /usr/local/bin/ts-sub is there already, and was not put there by install.\n",
    );
    expect(disk.changes).toBe(0);
    disk.remove("/usr/local/bin/ts-sub");
    await run(disk, "install");
    const before = disk.changes;
    const again = await run(disk, "install --dry-run");
    expect(again.stdout.split("\n").every((line) => /^(keep |$)/.test(line))).toBe(true);
    expect((await run(disk, "uninstall --dry-run")).stdout).toMatch(/^remove {3}\/usr/);
    expect(disk.changes).toBe(before);
  });

  it.each<[what: string, arrange: (disk: FakeDisk) => void, words: RegExp]>([
    ["a file of others", (disk) => disk.have("/usr/local/bin/ts-rr", "x"), /ts-rr is there alre/],
    [
      "a link of others",
      (disk) => disk.nodes.set("/usr/local/bin/ts-broker", { is: "link", to: "../lib/x.cjs" }),
      /bin\/ts-broker is there already/,
    ],
    ["a directory", (disk) => disk.haveDirectory("/usr/local/bin/ts-pub"), /is a directory\./],
    ["a file for a directory", (disk) => disk.have("/usr/local/etc", ""), /etc is not a direct/],
    ["no permission", (disk) => disk.locked.set("/usr/local/bin", "EACCES"), /bin .* Permission/],
    ["a locked disk", (disk) => disk.locked.set("/usr/local", "EROFS"), /Read-only file system/],
    ["no room", (disk) => (disk.bytesFree = 9_000), /no room in \/usr\/local.*0\.0 MB are free/],
    ["a foreign list", (disk) => disk.have(LIST, "ts-broker"), /no list that this ts-broker/],
  ])("changes nothing where there is %s", async (_, arrange, words) => {
    const disk = freshDisk();
    arrange(disk);
    const before = disk.contents;
    const { status, stdout, stderr } = await run(disk, "install");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(words);
    expect(stderr).toMatch(/^Error: .*\.\n$/);
    expect(disk.contents).toEqual(before);
    expect(disk.changes).toBe(0);
  });

  it("leaves a configuration that has been changed, and says so", async () => {
    const disk = freshDisk();
    disk.have(CONF, "listener 1884\n");
    const first = await run(disk, "install");
    expect(first).toMatchObject(GOOD);
    expect(first.stdout).toContain(`${CONF} has been changed, and is left as it is.\n`);
    const removed = await run(disk, "uninstall");
    expect(removed).toMatchObject(GOOD);
    expect(disk.read(CONF)).toBe("listener 1884\n");

    const other = freshDisk();
    await run(other, "install");
    other.have(CONF, "listener 1885\n");
    expect((await run(other, "install --systemd")).stdout).toContain("is left as it is");
    expect((await run(other, "uninstall")).stdout).toContain(`${CONF} has been changed`);
    expect(other.read(CONF)).toBe("listener 1885\n");
  });

  it("replaces a configuration that nobody has changed", async () => {
    const disk = freshDisk();
    await run(disk, "install");
    expect(disk.read(CONF)).toMatch(/^#persistence true$/m);
    await run(disk, "install --systemd");
    expect(disk.read(CONF)).toMatch(/^persistence_location \/var\/lib\/ts-broker$/m);
  });

  it("stops at what has been changed since it was installed", async () => {
    const disk = freshDisk();
    await run(disk, "install --systemd");
    disk.have(UNIT, "[Unit]\n");
    disk.have(SOURCE, "version 2");
    const { stderr } = await run(disk, "install");
    expect(stderr).toContain(`${UNIT} has been changed since it was installed.`);
    expect(disk.read("/usr/local/bin/ts-broker")).toBe("version 1");
    expect((await run(disk, "uninstall")).stdout).toContain(`${UNIT} has been changed`);
    expect(disk.read(UNIT)).toBe("[Unit]\n");
  });

  it("takes an executable that was put in its place by hand for what it is", async () => {
    const disk = freshDisk();
    disk.have("/usr/local/bin/ts-broker", "version 1");
    const machine = { executable: "/usr/local/bin/ts-broker" };
    const first = await run(disk, "install", { machine });
    expect(first.stdout).toContain("bin/ts-broker was there already, and is not ours to remove.");
    expect(disk.read("/usr/local/bin/ts-pub")).toBe("version 1");
    await run(disk, "uninstall", { machine });
    expect(disk.read("/usr/local/bin/ts-broker")).toBe("version 1");
    expect(disk.read("/usr/local/bin/ts-pub")).toBeUndefined();

    // What was installed and is then overwritten with a new version is an upgrade half done.
    const other = freshDisk();
    await run(other, "install");
    other.have("/usr/local/bin/ts-broker", "version 2");
    expect(await run(other, "install", { machine })).toMatchObject(GOOD);
    expect(other.read("/usr/local/bin/ts-pub")).toBe("version 2");
    await run(other, "uninstall", { machine });
    expect(other.contents).toEqual(freshDisk().contents);
  });

  it("removes what is no longer part of it, unless that has been changed", async () => {
    const disk = freshDisk();
    await run(disk, "install");
    const manifest = JSON.parse(disk.read(LIST)!);
    const old = ["/usr/local/share/old", "/usr/local/share/edited"];
    for (const path of old) disk.have(path, "old");
    const { sha256 } = disk.look(old[0]!) as { sha256: string };
    manifest.entries.push(...old.map((path) => ({ path, kind: "text", sha256 })));
    disk.have(LIST, JSON.stringify(manifest));
    disk.have(old[1]!, "edited");
    expect((await run(disk, "install")).stdout).toContain(`${old[1]} has been changed`);
    expect(disk.read(old[0]!)).toBeUndefined();
    expect(disk.read(old[1]!)).toBe("edited");
    expect(disk.read(LIST)).not.toContain("/share/old");
  });

  it("is for the single-file executable, and not for Windows", async () => {
    const disk = freshDisk();
    const npm = await run(disk, "install", { machine: { executable: undefined } });
    expect(npm).toMatchObject({ status: 1, stdout: "" });
    expect(npm.stderr).toContain("Only the single-file ts-broker installs itself");
    const windows = await run(disk, "install", { machine: { platform: "win32" } });
    expect(windows.stderr).toContain("On Windows there is nothing to install");
    expect((await run(disk, "install --user", { env: { HOME: "" } })).stderr).toContain("HOME");
    expect(disk.changes).toBe(0);
  });

  it.each([
    ["install --user --prefix /x", "Error: --user and --prefix cannot be used together."],
    ["uninstall --prefix /x --user", "Error: --user and --prefix cannot be used together."],
    ["install --prefix", "Error: --prefix argument given but no directory specified."],
    ["install here", "Error: Unknown option 'here'."],
    ["uninstall --compat", "Error: Unknown option '--compat'."],
    ["uninstall", "Error: Nothing is installed there: there is no "],
  ])("refuses '%s'", async (words, sentence) => {
    const outcome = await run(freshDisk(), words);
    expect(outcome).toMatchObject({ status: 1, stdout: "" });
    expect(outcome.stderr).toContain(sentence);
  });
});

/** A first installation, and one over an older version of which parts are gone or new. */
const JOBS = [
  ["a first installation", () => Promise.resolve(freshDisk())],
  ["an upgrade", upgradable],
] as const;

async function upgradable(): Promise<FakeDisk> {
  const disk = freshDisk();
  await run(disk, "install --compat");
  const manifest = JSON.parse(disk.read(LIST)!);
  disk.have("/usr/local/share/old", "old");
  const { sha256 } = disk.look("/usr/local/share/old") as { sha256: string };
  manifest.entries.push({ path: "/usr/local/share/old", kind: "text", sha256 });
  disk.have(LIST, JSON.stringify(manifest));
  disk.remove("/usr/local/bin/ts-rr");
  disk.have(SOURCE, "version 2");
  return disk;
}

/** Every change would take half a minute. Files that are alike go the same way. */
const STRIDE = 5;

/** Without what differs from run to run: the directories of the journal may be older than it. */
function timeless(disk: FakeDisk): unknown {
  const { directories, ...list } = JSON.parse(disk.read(LIST)!);
  const made = directories.filter((path: string) => !"/usr/local/share/ts-broker".startsWith(path));
  return [
    { ...disk.contents, [LIST]: undefined },
    { ...list, id: "", made: made.sort() },
  ];
}

describe.each(JOBS)("%s", (_, arrange) => {
  it.each([true, false])(
    "that fails at any change leaves all as it was, links: %s",
    async (has) => {
      const changes = await changesOf(arrange, has);
      let unlike = 0;
      for (let at = has ? 1 : 2; at <= changes; at += STRIDE) {
        const disk = await arrange();
        disk.hasHardLinks = has;
        const [before, from] = [disk.contents, disk.changes];
        disk.onChange = (count) => {
          if (count - from === at) throw systemError("ENOSPC");
        };
        const { status, stderr } = await run(disk, "install --systemd");
        disk.onChange = () => undefined;
        // At its very end there is nothing left to undo, and what is left is the next one's.
        if (disk.read(LIST) === (before[LIST] as { text?: string } | undefined)?.text) {
          expect({ at, status, contents: disk.contents }).toEqual({
            at,
            status: 1,
            contents: before,
          });
          expect(stderr).toBe("Error: Nothing has been installed: No space left on device.\n");
        } else unlike++;
      }
      expect(unlike).toBeLessThan(changes / STRIDE / 3);
    },
  );

  it.each([true, false])("that is killed at any change is cleared up, links: %s", async (has) => {
    const changes = await changesOf(arrange, has);
    const whole = await arrange();
    whole.hasHardLinks = has;
    await run(whole, "install --systemd");
    for (let at = has ? 1 : 3; at <= changes; at += STRIDE) {
      const disk = await arrange();
      disk.hasHardLinks = has;
      const from = disk.changes;
      disk.onChange = (count) => {
        if (count - from >= at) throw systemError("EIO");
      };
      await run(disk, "install --systemd");
      disk.onChange = () => undefined;
      expect(await run(disk, "install --systemd")).toMatchObject(GOOD);
      expect([at, timeless(disk)]).toEqual([at, timeless(whole)]);
      await run(disk, "uninstall");
      const left = pathsOn(disk).filter((path) => ![SOURCE, "/usr/local/bin/other"].includes(path));
      expect([at, left]).toEqual([at, []]);
    }
  });

  it("that a signal ends leaves all as it was, and says so by its status", async () => {
    for (const [wanted, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const disk = await arrange();
      const [before, from] = [disk.contents, disk.changes];
      let tell = () => undefined as unknown;
      const onListen = (signal: EndSignal, listener: () => void) => {
        if (signal === wanted) tell = listener;
      };
      disk.onChange = (count) => {
        if (count - from === 25) tell();
      };
      const outcome = await run(disk, "install --systemd", { onListen });
      expect(outcome.stderr).toBe("Error: Nothing has been installed: interrupted.\n");
      expect(outcome.status).toBe(status);
      expect(disk.contents).toEqual(before);
    }
  });
});

async function changesOf(arrange: () => Promise<FakeDisk>, hasLinks: boolean): Promise<number> {
  const disk = await arrange();
  disk.hasHardLinks = hasLinks;
  const before = disk.changes;
  await run(disk, "install --systemd");
  return disk.changes - before;
}

describe("an installation that is under way", () => {
  it("is not disturbed by another one", async () => {
    const disk = freshDisk();
    const rows = { pid: 41, directories: [], changes: [], obsolete: [] };
    disk.have(JOURNAL, JSON.stringify({ format: 1, id: "a", ...rows }));
    const machine = { wordsOf: () => ["/tmp/ts-broker", "install"] };
    const { stderr } = await run(disk, "install", { machine });
    expect(stderr).toBe(`Error: Process 41 is installing there, as ${JOURNAL} says.\n`);
    expect(disk.changes).toBe(0);
    expect((await run(disk, "install --dry-run")).stdout).toMatch(/^An earlier install was cut/);
    expect(disk.changes).toBe(0);
  });

  it("that was killed is all that uninstall takes back", async () => {
    const disk = freshDisk();
    disk.onChange = (count) => {
      if (count >= 30) throw systemError("EIO");
    };
    await run(disk, "install");
    disk.onChange = () => undefined;
    const { status, stdout, stderr } = await run(disk, "uninstall");
    expect({ status, stderr }).toEqual(GOOD);
    expect(stdout).toBe("An earlier install was cut short: what it had done is taken back.\n");
    expect(disk.contents).toEqual(freshDisk().contents);
  });

  it("does not overwrite what comes to be meanwhile", async () => {
    const disk = freshDisk();
    disk.onChange = () => {
      const isStaged = [...disk.nodes.keys()].some((path) => /bin\/\.ts-broker\./.test(path));
      if (isStaged) disk.have("/usr/local/bin/ts-broker", "somebody's");
    };
    const { stderr } = await run(disk, "install");
    expect(stderr).toContain("/usr/local/bin/ts-broker has come to be meanwhile.");
    expect(disk.read("/usr/local/bin/ts-broker")).toBe("somebody's");
    expect(pathsOn(disk).filter((path) => path.includes("ts-pub"))).toEqual([]);
  });
});

describe("uninstall", () => {
  it("can be run again when it could not remove everything", async () => {
    const disk = freshDisk();
    await run(disk, "install");
    const from = disk.changes;
    disk.onChange = (count) => {
      if (count - from === 5) throw systemError("EIO");
    };
    const { status, stderr } = await run(disk, "uninstall");
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^Error: Not all of it could be removed: EIO; .* another uninstall\.\n$/,
    );
    disk.onChange = () => undefined;
    expect(await run(disk, "uninstall")).toMatchObject(GOOD);
    expect(disk.contents).toEqual(freshDisk().contents);
  });

  it("removes nothing where it may not remove all", async () => {
    const disk = freshDisk();
    await run(disk, "install");
    disk.locked.set("/usr/local/share/man/man1", "EACCES");
    const before = disk.contents;
    expect((await run(disk, "uninstall")).stderr).toContain("man1 cannot be changed: Permission");
    expect(disk.contents).toEqual(before);
  });

  it("leaves directories that others use", async () => {
    const disk = freshDisk();
    await run(disk, "install");
    disk.have("/usr/local/share/man/man1/other.1", "");
    await run(disk, "uninstall");
    expect(disk.isDirectory("/usr/local/share/man/man1")).toBe(true);
    expect(disk.isDirectory("/usr/local/share/zsh")).toBe(false);
  });

  it.each(["", "{}", '{"format":1}', '{"format":2,"entries":[]}'])(
    "believes no list such as '%s'",
    async (text) => {
      const disk = freshDisk();
      disk.have(LIST, text);
      expect((await run(disk, "uninstall")).stderr).toContain("is no list that this ts-broker");
    },
  );

  it("believes no list with a path that leads elsewhere", async () => {
    const disk = freshDisk();
    await run(disk, "install");
    const text = disk.read(LIST)!.replace("/usr/local/bin/ts-pub", "/usr/local/bin/../bin/ts-pub");
    disk.have(LIST, text);
    expect((await run(disk, "uninstall")).stderr).toContain("is no list that this ts-broker");
  });
});
