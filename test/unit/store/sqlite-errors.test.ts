import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { sqliteWords, unreadable } from "../../../src/store/sqlite-errors.ts";
import { UnreadableDatabase } from "../../../src/store/unreadable.ts";

function sqliteError(errcode: number, message: string, errstr: string): Error {
  return Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode, errstr });
}

function thrownBy(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("what SQLite threw", () => {
  it.each([
    [5, "locked"],
    [6, "locked"],
    [11, "damaged"],
    [26, "notDatabase"],
    // Extended codes: BUSY_SNAPSHOT, CORRUPT_INDEX, CORRUPT_VTAB.
    [517, "locked"],
    [779, "damaged"],
    [267, "damaged"],
    // FULL, READONLY, IOERR_WRITE, CANTOPEN, and what is ours.
    [13, "unreachable"],
    [8, "unreachable"],
    [778, "unreachable"],
    [14, "unreachable"],
    [1, "unreachable"],
    [1555, "unreachable"],
  ])("has a name that stays: %i is %s", (errcode, code) => {
    const cause = sqliteError(errcode, "words", "words");
    const error = unreadable(cause);
    expect(error).toBeInstanceOf(UnreadableDatabase);
    expect([error.code, error.cause]).toEqual([code, cause]);
  });

  it("says who has a locked one, and SQLite's words otherwise", () => {
    expect(unreadable(sqliteError(5, "database is locked", "database is locked")).message).toBe(
      "another program has it open",
    );
    const malformed = "database disk image is malformed";
    expect(unreadable(sqliteError(11, malformed, malformed)).message).toBe(malformed);
  });

  it("says both of what it says", () => {
    const error = sqliteError(19, "UNIQUE constraint failed: a.b", "constraint failed");
    expect(sqliteWords(error)).toBe("UNIQUE constraint failed: a.b (constraint failed)");
  });

  it("is as Node.js has it", () => {
    const sqlite = new DatabaseSync(":memory:");
    const error = thrownBy(() => sqlite.exec("SELECT * FROM songs"));
    expect(unreadable(error)).toMatchObject({ code: "unreachable" });
    expect(sqliteWords(error)).toBe("no such table: songs (SQL logic error)");
    sqlite.close();
  });
});

describe("anything else that was thrown", () => {
  it("is unreachable, in its own words", () => {
    for (const error of [new Error("words"), "words"]) {
      expect(unreadable(error)).toMatchObject({ code: "unreachable", message: "words" });
      expect(sqliteWords(error)).toBe("words");
    }
    expect(sqliteWords(null)).toBe("null");
    expect(sqliteWords(undefined)).toBe("undefined");
  });

  it("stays as it is when it says already why", () => {
    const error = new UnreadableDatabase("unsupportedVersion", "its schema is 9");
    expect(unreadable(error)).toBe(error);
  });
});
