/** The executables for other systems, as far as they can be looked at here. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isElf } from "../../src/build/elf-strip.mjs";
import { readSignature } from "../../src/build/mach-o-signature.mjs";
import { baseBinary } from "../../src/build/native-bases.mjs";
import { find } from "../support/peers.ts";
import { outcome, ROOT, start, startBroker } from "../support/programs.ts";

const NATIVE = join(ROOT, "dist/native");
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:";
const qemu = find("qemu-aarch64");

describe("every executable", () => {
  it.each(["linux-x64", "linux-arm64", "win-x64", "macos-arm64", "macos-x64"])(
    "has its programs in it and knows so: %s",
    (platform) => {
      const ending = platform === "win-x64" ? ".exe" : "";
      const bytes = readFileSync(join(NATIVE, platform, `ts-broker${ending}`));
      const at = bytes.indexOf(FUSE);
      expect(bytes.toString("latin1", at + FUSE.length, at + FUSE.length + 1)).toBe("1");
      expect(bytes.indexOf(FUSE, at + 1)).toBe(-1);
      expect(bytes.includes("src/cli/broker.ts")).toBe(true);
      // No path of the machine that made it.
      expect(bytes.includes(ROOT)).toBe(false);
    },
  );

  it("is what SHA256SUMS says", () => {
    const said = execFileSync("sha256sum", ["-c", "SHA256SUMS"], { cwd: NATIVE, encoding: "utf8" });
    expect(said.trim().split("\n").length).toBeGreaterThanOrEqual(20);
    expect(said).not.toMatch(/FAILED/);
  });
});

describe("for Windows", () => {
  it("has the resource, and no signature that would be wrong", () => {
    const bytes = readFileSync(join(NATIVE, "win-x64/ts-broker.exe"));
    const pe = bytes.readUInt32LE(0x3c);
    expect(bytes.toString("latin1", pe, pe + 4)).toBe("PE\0\0");
    expect(bytes.readUInt16LE(pe + 4)).toBe(0x8664);
    expect(bytes.readBigUInt64LE(pe + 24 + 112 + 4 * 8)).toBe(0n);
    expect(bytes.includes(Buffer.from("NODE_SEA_BLOB", "utf16le"))).toBe(true);
  });
});

describe("for macOS", () => {
  it.each([
    ["macos-arm64", 0x0100000c],
    ["macos-x64", 0x01000007],
  ] as const)("has the segment, and a signature of every page: %s", (platform, processor) => {
    const bytes = readFileSync(join(NATIVE, platform, "ts-broker"));
    expect(bytes.readUInt32LE(4)).toBe(processor);
    expect(bytes.subarray(0, 4096).includes("NODE_SEA\0")).toBe(true);
    expect(readSignature(bytes)).toEqual({
      identifier: "ts-mqtt",
      isAdHoc: true,
      isIntact: true,
    });
  });

  it("has signatures read as Apple's tools wrote that of Node.js", () => {
    expect(readSignature(baseBinary("macos-arm64"))).toEqual({
      identifier: "node",
      isAdHoc: false,
      isIntact: true,
    });
  });
});

describe("for Linux on ARM", () => {
  it("is an ELF file for that processor", () => {
    const bytes = readFileSync(join(NATIVE, "linux-arm64/ts-broker"));
    expect(isElf(bytes)).toBe(true);
    expect(bytes.readUInt16LE(18)).toBe(0xb7);
  });

  it.skipIf(qemu === undefined)(
    "publishes, on an emulated processor",
    async () => {
      await using broker = await startBroker();
      const program = join(NATIVE, "linux-arm64/ts-pub");
      const words = ["-L", "/usr/aarch64-linux-gnu", program, "-p", `${broker.port}`];
      const published = start(qemu, [...words, "-t", "a", "-m", "b", "-q", "1"]);
      // Instruction by instruction, and everything behind it for the first time.
      const ended = await outcome(published, { deadlineMs: 120_000 });
      expect(ended).toMatchObject({ status: 0, stdout: "", stderr: "" });
    },
    180_000,
  );
});
