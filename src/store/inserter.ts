/** Inserts rows several at a time: a call into SQLite costs as much as a row. */
import type { SqliteDatabase, SqliteStatement, SqliteValue } from "./sqlite.ts";

/** Rows of one statement. More of them gain little. */
const ROWS = 16;

export class Inserter {
  private readonly one: SqliteStatement;
  private readonly many: SqliteStatement;
  private readonly columns: number;
  private readonly values: SqliteValue[] = [];

  /** @param sql Inserts one row of `columns` values. */
  constructor(sqlite: SqliteDatabase, sql: string, columns: number) {
    const at = sql.lastIndexOf("(");
    const row = sql.slice(at);
    this.one = sqlite.prepare(sql);
    this.many = sqlite.prepare(sql.slice(0, at) + Array<string>(ROWS).fill(row).join(","));
    this.columns = columns;
  }

  /** The row is written now, or with those that follow. */
  add(...values: SqliteValue[]): void {
    for (const value of values) this.values.push(value);
    if (this.values.length < ROWS * this.columns) return;
    this.many.run(...this.values);
    this.values.length = 0;
  }

  /** Writes the rows that wait. */
  flush(): void {
    const { values, columns } = this;
    for (let at = 0; at < values.length; at += columns) {
      this.one.run(...values.slice(at, at + columns));
    }
    values.length = 0;
  }

  /** Forgets the rows that wait. */
  clear(): void {
    this.values.length = 0;
  }
}
