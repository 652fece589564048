import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Spool, SpoolError } from "../../../src/cli/spool.ts";
import { SpoolFile } from "../../../src/cli/spool-file.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "spool");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the file of a spool", () => {
  it("keeps what was written, for its owner's eyes", async () => {
    const file = new SpoolFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const spool = new Spool(file, "{}");
    spool.append(Buffer.from("one\ntwo\n"));
    await file.sync();
    await file.close();
    const again = new SpoolFile(path);
    expect(new Spool(again, "{}").countLeft()).toBe(2);
    await again.close();
  });

  it("is made anew with what is left, and keeps its mode and its links", async () => {
    const link = join(folder, "link");
    symlinkSync(path, link);
    const file = new SpoolFile(link);
    chmodSync(path, 0o640);
    const limits = { garbageBytes: 100, blockBytes: 65_536 };
    const spool = new Spool(file, "{}", limits);
    spool.append(Buffer.from("0123456789\n".repeat(100)));
    for (let i = 0; i < 90; i++) spool.finish(spool.take()!);
    const synced = file.sync();
    spool.flush();
    await synced;
    expect(statSync(path).size).toBeLessThan(200);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    spool.append(Buffer.from("last\n"));
    await file.sync();
    await file.close();
    expect(readFileSync(link, "utf8")).toMatch(/\{\}\n(0123456789\n){10}last\n$/);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  it("is read on after it was made anew, as often as that is", async () => {
    const file = new SpoolFile(path);
    const spool = new Spool(file, "{}", { garbageBytes: 1000, blockBytes: 64 });
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    spool.append(Buffer.from(`${lines.join("\n")}\n`));
    let sizes = 0;
    let before = file.size;
    for (const text of lines) {
      const line = spool.take()!;
      expect(line.bytes.toString()).toBe(text);
      spool.finish(line);
      spool.flush();
      if (file.size < before) sizes++;
      before = file.size;
    }
    expect(sizes).toBeGreaterThan(3);
    await file.close();
  });

  it("is for one at a time, by whatever name", async () => {
    const file = new SpoolFile(path);
    const link = join(folder, "link");
    symlinkSync(path, link);
    const inUse = new SpoolError(`is in use by process ${process.pid}`);
    expect(() => new SpoolFile(path)).toThrow(inUse);
    expect(() => new SpoolFile(link)).toThrow(inUse);
    await file.close();
    await new SpoolFile(link).close();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it("takes a lock over whose process is gone, or whose number is another's now", async () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    for (const holder of [`${pid} 1`, `${pid}`, `${process.pid} 1`, "nonsense"]) {
      symlinkSync(holder, `${path}.lock`);
      const file = new SpoolFile(path);
      expect(() => new SpoolFile(path)).toThrow(SpoolError);
      await file.close();
    }
    expect(readdirSync(folder)).toEqual(["spool"]);
  });

  it("leaves a file alone that has the name of its lock", () => {
    writeFileSync(`${path}.lock`, "mine");
    const why = "cannot be locked: a file has the name of its lock";
    expect(() => new SpoolFile(path)).toThrow(new SpoolError(why));
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("mine");
  });

  it("is neither a folder, nor a device, nor where nobody may write", () => {
    expect(() => new SpoolFile(folder)).toThrow(new SpoolError("is no ordinary file"));
    expect(() => new SpoolFile("/dev/null")).toThrow(new SpoolError("is no ordinary file"));
    expect(() => new SpoolFile(join(folder, "none/spool"))).toThrow("ENOENT");
  });
});
