import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { salvage } from "../../../src/store/salvage.ts";
import { JournalWorld, openStore, rowsOf, SQLITE } from "../../support/store-world.ts";

const PAGE = 1024;
const TABLES = ["clients", "subscriptions", "base_msgs", "client_msgs", "retains", "wills"];

let folder = "";
let path = "";
let saved = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "damaged");
  saved = join(folder, "saved");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A database with 200 messages, each on a page or two of its own. */
function fill(): void {
  const world = new JournalWorld(openStore({ path, pageSize: PAGE }));
  const session = world.session("reader");
  world.journal.putSession(session);
  for (let i = 0; i < 200; i++) {
    world.send(session, world.message(i === 7 ? "007" : `t/${i}`, `${i} ${"x".repeat(700)}`));
  }
  world.settle();
  world.store.database.close();
}

function save() {
  return salvage(SQLITE, path, { path: saved, sync: "off", pageSize: PAGE });
}

function rowsIn(file: string, table: string) {
  const sqlite = new DatabaseSync(file);
  const rows = rowsOf(sqlite as never, table);
  sqlite.close();
  return rows;
}

/** Leaf pages of a table, in the order of its rows, by what stands on them. */
function pagesWith(bytes: Buffer, text: string): number[] {
  const pages: number[] = [];
  for (let at = 0; at < bytes.length; at += PAGE) {
    if (bytes[at] === 0x0d && bytes.subarray(at, at + PAGE).includes(text)) pages.push(at);
  }
  return pages;
}

describe("what is saved of a damaged database", () => {
  it("is all of it when nothing is damaged, and the files stay as they are", () => {
    fill();
    const before = readFileSync(path);
    expect(save()).toEqual({ rows: 401, tables: 0 });
    for (const table of TABLES) expect(rowsIn(saved, table)).toEqual(rowsIn(path, table));
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["damaged", "saved"]);
    expect(statSync(saved).mode & 0o777).toBe(0o600);
  });

  it("is what stands on both sides of a page that cannot be read", () => {
    fill();
    const bytes = readFileSync(path);
    const [page] = pagesWith(bytes, "100 xxx");
    bytes.fill(0xff, page!, page! + PAGE);
    writeFileSync(path, bytes);
    const { rows, tables } = save();
    expect(tables).toBe(1);
    const kept = rowsIn(saved, "base_msgs").map((row) => `${row.topic}`);
    expect(kept).toHaveLength(199);
    expect(kept).not.toContain("t/100");
    expect(rows).toBe(400);
  });

  it("is what the other tables have when one cannot be found", () => {
    fill();
    const sqlite = new DatabaseSync(path);
    sqlite.exec("DROP TABLE base_msgs");
    sqlite.close();
    expect(save()).toEqual({ rows: 201, tables: 1 });
    expect(rowsIn(saved, "client_msgs")).toHaveLength(200);
  });

  it("is nothing of a file that is nothing, and no copy is left behind", () => {
    writeFileSync(path, "hello");
    expect(save()).toEqual({ rows: 0, tables: TABLES.length });
    expect(readdirSync(folder).sort()).toEqual(["damaged", "saved"]);
    const { database } = openStore({ path: saved });
    database.close();
  });

  it("leaves no copy behind when there is no room for it", () => {
    fill();
    expect(() =>
      salvage(SQLITE, path, { path: join(folder, "none/saved"), sync: "off", pageSize: PAGE }),
    ).toThrow(/no such file or directory/);
    expect(readdirSync(folder)).toEqual(["damaged"]);
  });
});
