/**
 * SQLite as it is used here, for whichever module brings it: not every Node.js has one.
 */
import type { StoreId } from "./rows.ts";

/** What is asked of SQLite: `node:sqlite`, or another of the same form. */
export interface Sqlite {
  readonly DatabaseSync: new (path: string, options?: object) => SqliteDatabase;
}

export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

export type SqliteValue = null | number | bigint | string | Uint8Array;

export interface SqliteStatement {
  run(...values: SqliteValue[]): unknown;
  get(...values: SqliteValue[]): Row | undefined;
  all(...values: SqliteValue[]): Row[];
  iterate(...values: SqliteValue[]): IterableIterator<Row>;
  setReadBigInts(enabled: boolean): void;
  /** Rows as lists, which Node.js 24 has. */
  setReturnArrays?(enabled: boolean): void;
}

/** A row as it comes. */
export type Row = Readonly<Record<string, SqliteValue>>;

/** A statement whose rows have names of messages, which may be larger than a number holds. */
export function readingIds(sqlite: SqliteDatabase, sql: string): SqliteStatement {
  const statement = sqlite.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
}

/** Rows as lists of their values, in the order of the columns. */
export class ListStatement {
  private readonly statement: SqliteStatement;
  private readonly isNative: boolean;

  constructor(sqlite: SqliteDatabase, sql: string) {
    this.statement = sqlite.prepare(sql);
    this.isNative = this.statement.setReturnArrays !== undefined;
    this.statement.setReturnArrays?.(true);
  }

  *iterate(...values: SqliteValue[]): Generator<readonly SqliteValue[]> {
    for (const row of this.statement.iterate(...values)) {
      // The module says what it gives back only by what it was told.
      yield this.isNative ? (row as unknown as SqliteValue[]) : Object.values(row);
    }
  }
}

export function idOf(value: SqliteValue): StoreId {
  // Below 0 are those of a node whose number takes the highest bit.
  const isExact = typeof value === "bigint" && value >= 0n && value <= Number.MAX_SAFE_INTEGER;
  return isExact ? Number(value) : (value as StoreId);
}

export function number(value: SqliteValue | undefined): number {
  return typeof value === "number" ? value : Number(value ?? 0);
}

/** Text that may stand there as bytes or as the number it looks like. */
export function text(value: SqliteValue | undefined): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? blob(value).toString() : String(value ?? "");
}

export function optionalText(value: SqliteValue | undefined): string | null {
  return value === null || value === undefined ? null : text(value);
}

export function blob(value: SqliteValue | undefined): Buffer {
  if (!(value instanceof Uint8Array)) return Buffer.from(text(value));
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
