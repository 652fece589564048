/** What lintian says of the Debian package, for which it takes longer than all else about it. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildDeb } from "../../src/build/deb.mjs";
import { find } from "../support/peers.ts";

const hasTools = find("dpkg-deb") !== undefined && find("lintian") !== undefined;

describe.skipIf(!hasTools)("the Debian package", () => {
  it("gives lintian nothing to say", () => {
    const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-packages-"));
    try {
      const standIn = join(folder, "ts-broker");
      copyFileSync("/bin/true", standIn);
      writeFileSync(join(folder, "LICENSES"), "All of them.\n");
      const path = buildDeb("linux-x64", standIn, folder);
      const { stdout } = spawnSync("lintian", ["--allow-root", path], { encoding: "utf8" });
      expect(stdout).toBe("");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
