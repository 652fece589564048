import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FILES_AGAIN, FILES_AT_START } from "../../../src/server/conf-files.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-conf-files-"));
  writeFileSync(join(directory, "file"), "port 1\n");
  mkdirSync(join(directory, "folder"));
  expect(spawnSync("mkfifo", [join(directory, "pipe")]).status).toBe(0);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  ["at the start", FILES_AT_START],
  ["again", FILES_AGAIN],
])("the files of a configuration, read %s,", (_when, files) => {
  it("are bytes, or what is there instead", () => {
    expect(`${files.read(join(directory, "file"))}`).toBe("port 1\n");
    expect(files.read(join(directory, "folder"))).toBe("directory");
    expect(files.read(join(directory, "gone"))).toBeUndefined();
    expect(files.read(join(directory, "file", "gone"))).toBeUndefined();
  });

  it("are listed where there is a folder", () => {
    expect([...(files.list(directory) ?? [])].sort()).toEqual(["file", "folder", "pipe"]);
    expect(files.list(join(directory, "file"))).toBeUndefined();
    expect(files.list(join(directory, "gone"))).toBeUndefined();
  });
});

describe("a file that is none", () => {
  it("is not waited for while clients are", () => {
    expect(FILES_AGAIN.read(join(directory, "pipe"))).toBe("stream");
    expect(FILES_AGAIN.read("/dev/stdin")).toBe("stream");
  });
});
