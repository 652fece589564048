import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isElf, stripElf } from "../../../src/build/elf-strip.mjs";

const SOURCE = `#include <stdio.h>
static int answer(void) { return 42; }
int main(void) { printf("%d", answer()); return 0; }`;

let directory = "";
let program = Buffer.alloc(0);
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-elf-"));
  const path = join(directory, "program");
  execFileSync("cc", ["-g", "-x", "c", "-", "-o", path], { input: SOURCE });
  program = readFileSync(path);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("stripElf", () => {
  it("leaves a program that runs as before, without its symbols", () => {
    const path = join(directory, "stripped");
    const stripped = stripElf(program);
    writeFileSync(path, stripped);
    chmodSync(path, 0o755);
    expect(execFileSync(path, { encoding: "utf8" })).toBe("42");
    expect(program.includes("answer")).toBe(true);
    expect(stripped.includes("answer")).toBe(false);
    expect(stripped.length).toBeLessThan(program.length);
  });

  it("changes nothing of what is loaded behind the header", () => {
    const stripped = stripElf(program);
    const end = stripped.length - 4096;
    expect(end).toBeGreaterThan(64);
    expect(stripped.subarray(64, end).equals(program.subarray(64, end))).toBe(true);
  });

  it("has nothing to do the second time", () => {
    const once = stripElf(program);
    expect(stripElf(once).equals(once)).toBe(true);
  });

  it("refuses what is no such file", () => {
    expect(isElf(Buffer.from("MZ".padEnd(100)))).toBe(false);
    expect(() => stripElf(Buffer.alloc(100))).toThrow(/ELF/);
  });
});
