/** The Debian package and the container's image, made of a small stand-in for the executable. */
import { spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDeb } from "../../src/build/deb.mjs";
import { layOutImage } from "../../src/build/docker.mjs";
import { find } from "../support/peers.ts";

/** With a file of licences beside it. */
let standIn = "";
/** What an image needs root for to be tried. */
const canChroot = process.platform === "linux" && process.getuid?.() === 0;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-packages-"));
  mkdirSync(join(folder, "native"));
  standIn = join(folder, "native", "ts-broker");
  copyFileSync("/bin/true", standIn);
  writeFileSync(join(folder, "native", "LICENSES"), "All of them.\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, ...words: string[]): string {
  const { stdout, stderr, status } = spawnSync(command, words, { encoding: "utf8" });
  expect({ command, stderr, status }).toEqual({ command, stderr: "", status: 0 });
  return stdout;
}

describe.skipIf(find("dpkg-deb") === undefined)("the Debian package", () => {
  let path = "";
  beforeAll(() => {
    path = buildDeb("linux-x64", standIn, folder);
  });

  it("holds the programs, their pages, the unit and the configuration", () => {
    const listed = run("dpkg-deb", "-c", path);
    for (const wanted of [
      "-rwxr-xr-x root/root .* ./usr/bin/ts-broker",
      "./usr/bin/ts-sub -> ts-broker",
      "./usr/share/man/man5/ts-broker.conf.5.gz",
      "./usr/share/man/man8/ts-broker.8.gz",
      "-rw-r--r-- root/root .* ./etc/ts-broker/ts-broker.conf",
      "./lib/systemd/system/ts-broker.service",
      "./usr/share/bash-completion/completions/ts-pub",
      "./usr/share/doc/ts-mqtt/LICENSES.gz",
    ]) {
      expect(listed).toMatch(new RegExp(`${wanted}$`, "m"));
    }
    const about = join(folder, "about");
    run("dpkg-deb", "-e", path, about);
    expect(readFileSync(join(about, "conffiles"), "utf8")).toBe("/etc/ts-broker/ts-broker.conf\n");
    expect(readFileSync(join(about, "control"), "utf8")).toMatch(/^Architecture: amd64$/m);
    for (const script of ["postinst", "prerm", "postrm"]) run("sh", "-n", join(about, script));
  });

  it("has what its list of sums says", () => {
    const [tree, about] = [join(folder, "tree"), join(folder, "sums")];
    run("dpkg-deb", "-x", path, tree);
    run("dpkg-deb", "-e", path, about);
    const lines = readFileSync(join(about, "md5sums"), "utf8").trim().split("\n");
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines) {
      const [sum, file] = line.split("  ");
      const bytes = readFileSync(join(tree, file!));
      expect([file, createHash("md5").update(bytes).digest("hex")]).toEqual([file, sum]);
    }
  });

  it("is the same, byte by byte, when it is made again", () => {
    const other = join(folder, "again");
    mkdirSync(other);
    const bytes = readFileSync(path);
    expect(bytes.equals(readFileSync(buildDeb("linux-x64", standIn, other)))).toBe(true);
  });

  it("is not made of an executable that has lost its licences", () => {
    expect(() => buildDeb("linux-x64", "/bin/true", folder)).toThrow(/LICENSES is not there/);
  });

  it("is for Debian's systems alone", () => {
    expect(() => buildDeb("win-x64", standIn, folder)).toThrow(/no Debian package for win-x64/);
    expect(() => buildDeb("linux-x64", join(folder, "none"), folder)).toThrow(/build:native/);
  });
});

describe.skipIf(process.platform !== "linux" || find("ldd") === undefined)("the image", () => {
  const dockerfile = () => readFileSync(join(folder, "image", "Dockerfile"), "utf8");
  /** Its instructions, each on one line. */
  const instructions = () =>
    dockerfile()
      .replace(/^#.*\n/gm, "")
      .replace(/\\\n\s*/g, "")
      .split("\n")
      .filter((line) => line !== "");
  beforeAll(() => {
    layOutImage("linux-x64", standIn, join(folder, "image"));
  });

  it("copies what is there, and nothing from a network", () => {
    const copied = instructions().filter((line) => /^(COPY|ADD) /.test(line));
    expect(copied.length).toBe(2);
    for (const line of copied) {
      const [, from] = /^COPY (?:--chown=\S+ )?(\S+) \S+$/.exec(line) ?? [];
      expect([line, existsSync(join(folder, "image", from!))]).toEqual([line, true]);
    }
    expect(instructions()[0]).toBe("FROM scratch");
  });

  it("runs as nobody in particular, says where it listens and is asked for its health", () => {
    const all = instructions();
    const at = (word: string) => all.findIndex((line) => line.startsWith(`${word} `));
    expect(all[at("USER")]).toMatch(/^USER [1-9]\d*:[1-9]\d*$/);
    expect(at("USER")).toBeLessThan(at("ENTRYPOINT"));
    expect(all[at("EXPOSE")]).toBe("EXPOSE 1883");
    expect(all[at("VOLUME")]).toBe('VOLUME ["/var/lib/ts-broker"]');
    // Where there is no shell, each command is a list of words.
    for (const word of ["ENTRYPOINT", "CMD", "HEALTHCHECK"]) {
      const list = /\[.*\]$/.exec(all[at(word)]!)?.[0] ?? "";
      expect([word, Array.isArray(JSON.parse(list))]).toEqual([word, true]);
    }
    expect(all[at("HEALTHCHECK")]).toContain('"--health"');
    const user = readFileSync(join(folder, "image/root/etc/passwd"), "utf8");
    expect(user).toContain(`:${all[at("USER")]!.slice("USER ".length)}:`);
  });

  it("has the authorities that Node.js trusts, and all licences", () => {
    const root = join(folder, "image/root");
    const authorities = readFileSync(join(root, "etc/ssl/certs/ca-certificates.crt"), "utf8");
    const certificates = authorities.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERT/g) ?? [];
    expect(certificates.length).toBeGreaterThan(100);
    expect(new X509Certificate(`${certificates.at(-1)!}IFICATE-----`).ca).toBe(true);
    expect(readFileSync(join(root, "usr/share/doc/ts-mqtt/LICENSES"), "utf8")).not.toBe("");
  });

  it.skipIf(!canChroot)("has every library that its executable is linked with", () => {
    const root = join(folder, "image", "root");
    expect(run("chroot", "--userspec=1883:1883", root, "/usr/bin/ts-broker")).toBe("");
    expect(run("chroot", "--userspec=1883:1883", root, "/usr/bin/ts-sub")).toBe("");
  });
});
