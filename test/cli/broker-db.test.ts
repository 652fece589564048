/** ts-broker db as a program: the built file has all it needs, and its statuses reach the shell. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outcome, ROOT, startOurs } from "../support/programs.ts";

const OLD = join(ROOT, "test/data/mosquitto.db");
const PLUGIN = join(ROOT, "test/data/mosquitto.sqlite3");

describe("ts-broker db", () => {
  it("prints a mosquitto.db as JSON", async () => {
    const { status, stdout, stderr } = await db("dump", "--json", OLD);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toBe(readFileSync(`${OLD}.json`, "utf8"));
  });

  it("checks an SQLite database", async () => {
    const { status, stdout } = await db("check", PLUGIN);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nThe database is good\.\n$/);
  });

  it("teaches, and refuses wrong words with status 1", async () => {
    const [help, wrong] = await Promise.all([db("--help"), db("dump")]);
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toMatch(/^Usage: ts-broker db dump /);
    expect(wrong).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "Error: db dump needs a file.\n",
    });
  });
});

function db(...words: string[]) {
  return outcome(startOurs("ts-broker", ["db", ...words]));
}
