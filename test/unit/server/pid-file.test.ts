/** The pid file, in a directory of the test's own. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removePidFile, writePidFile } from "../../../src/server/pid-file.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-pid-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("the pid file", () => {
  it("holds the number alone, whatever was there before", () => {
    const path = join(directory, "pid");
    writeFileSync(path, "1234567890\n");
    writePidFile(path, 42);
    expect(readFileSync(path, "utf8")).toBe("42");
  });

  it("is removed by the process that it names", () => {
    const path = join(directory, "pid");
    writePidFile(path, 42);
    removePidFile(path, 42);
    expect(existsSync(path)).toBe(false);
  });

  it("stays when it names another process by now", () => {
    const path = join(directory, "pid");
    writePidFile(path, 4242);
    removePidFile(path, 42);
    expect(readFileSync(path, "utf8")).toBe("4242");
  });

  it("may be gone already", () => {
    expect(() => removePidFile(join(directory, "pid"), 42)).not.toThrow();
  });

  it("is refused with mosquitto's sentence and the reason where it cannot be", () => {
    expect(() => writePidFile(join(directory, "none", "pid"), 42)).toThrow(
      "Error: Unable to write pid file. No such file or directory.",
    );
    expect(() => writePidFile(directory, 42)).toThrow("Is a directory.");
  });
});
