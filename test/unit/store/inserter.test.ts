import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Inserter } from "../../../src/store/inserter.ts";
import type { SqliteDatabase } from "../../../src/store/sqlite.ts";

function setUp() {
  const sqlite = new DatabaseSync(":memory:") as unknown as SqliteDatabase;
  sqlite.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
  const count = () => sqlite.prepare("SELECT count(*) AS count FROM t").get()!.count;
  return { sqlite, count, inserter: new Inserter(sqlite, "INSERT INTO t (a,b) VALUES (?,?)", 2) };
}

describe("an Inserter", () => {
  it.each([0, 1, 15, 16, 17, 32, 50])("writes all of %i rows in their order", (rows) => {
    const { sqlite, count, inserter } = setUp();
    for (let i = 0; i < rows; i++) inserter.add(i, `row ${i}`);
    expect(count()).toBe(rows - (rows % 16));
    inserter.flush();
    inserter.flush();
    const written = sqlite.prepare("SELECT b FROM t ORDER BY a").all();
    expect(written.map(({ b }) => b)).toEqual(Array.from({ length: rows }, (_, i) => `row ${i}`));
  });

  it("forgets the rows that wait", () => {
    const { count, inserter } = setUp();
    for (let i = 0; i < 17; i++) inserter.add(i, null);
    inserter.clear();
    inserter.flush();
    expect(count()).toBe(16);
  });

  it("goes on after rows that were refused and forgotten", () => {
    const { count, inserter } = setUp();
    inserter.add(1, null);
    expect(() => {
      for (let i = 0; i < 16; i++) inserter.add(1, null);
    }).toThrow(/UNIQUE/);
    inserter.clear();
    inserter.add(2, null);
    inserter.flush();
    expect(count()).toBe(1);
  });
});
