import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { tar } from "../../../src/build/tar.mjs";

const ENTRIES = [
  { path: "top/" },
  { path: "top/program", mode: 0o755, bytes: Buffer.from("x".repeat(513)) },
  { path: "top/other", mode: 0o755, link: "top/program" },
  { path: "top/empty", bytes: Buffer.alloc(0) },
];

describe("tar", () => {
  it("is read by tar(1), with modes, sizes, links and time", () => {
    const listed = execFileSync("tar", ["-tvf", "-", "--utc", "--full-time"], {
      input: tar(ENTRIES, 1_000_000_000),
      encoding: "utf8",
    });
    expect(listed.trim().split(/\s*\n/)).toEqual([
      "drwxr-xr-x root/root         0 2001-09-09 01:46:40 top/",
      "-rwxr-xr-x root/root       513 2001-09-09 01:46:40 top/program",
      "hrwxr-xr-x root/root         0 2001-09-09 01:46:40 top/other link to top/program",
      "-rw-r--r-- root/root         0 2001-09-09 01:46:40 top/empty",
    ]);
  });

  it("is the same for the same files", () => {
    expect(tar(ENTRIES, 5).equals(tar(ENTRIES, 5))).toBe(true);
    expect(tar(ENTRIES, 5).equals(tar(ENTRIES, 6))).toBe(false);
  });

  it("refuses a path that does not fit, instead of cutting it", () => {
    expect(() => tar([{ path: "p".repeat(101) }], 0)).toThrow(/too long/);
  });
});
