/**
 * A disk between the journal and a real database in memory: late, at times full, and torn by a
 * crash.
 *
 * The database holds what would be on disk: a batch is applied when chance says that it has been
 * synced, and its journal hears of that later or, if a crash comes between, never. As from a thread
 * of its own, one thing is done after the other, and bytes change hands for good: what is still
 * read on the other side is gone.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Prng } from "../../../src/core/base/prng.ts";
import { Database } from "../../../src/store/database.ts";
import type { Committer, FetchRequest } from "../../../src/store/journal.ts";
import type { Recovered } from "../../../src/store/recovery.ts";
import type { Sqlite } from "../../../src/store/sqlite.ts";

/** Whom the disk answers. */
export interface DiskListener {
  onCommitted(bytes: Buffer): void;
  onFailed(bytes: Buffer, why: string): void;
  onFetched(bytes: Buffer): void;
  onUnfetched(why: string): void;
}

interface Job {
  readonly batch: Buffer | null;
  readonly request: FetchRequest | null;
}

type Value = string | number;

export class SimDisk implements Committer {
  /** It takes no batch for now, as a full one. */
  isFull = false;
  /** Nor can it be read. */
  isUnreadable = false;
  /** Batches synced, and batches refused. */
  synced = 0;
  refused = 0;
  listener: DiskListener | null = null;
  private readonly database: Database;
  private readonly sqlite: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();
  private jobs: Job[] = [];
  /** The answer to what is done, on its way to the journal. */
  private answer: (() => void) | null = null;

  constructor() {
    const opened: DatabaseSync[] = [];
    class Kept extends DatabaseSync {
      constructor(path: string) {
        super(path);
        opened.push(this);
      }
    }
    const module = { DatabaseSync: Kept } as unknown as Sqlite;
    this.database = Database.open(module, { path: ":memory:", sync: "off", pageSize: 4096 });
    this.sqlite = opened[0]!;
  }

  // As the journal sees it.

  commit(batch: Buffer): void {
    if (this.jobs.some((job) => job.batch !== null)) throw new Error("two batches are under way");
    this.jobs.push({ batch: handOver(batch), request: null });
  }

  fetch(request: FetchRequest): void {
    this.jobs.push({ batch: null, request });
  }

  checkpoint(): void {
    throw new Error("nobody asks for that here");
  }

  // As the world sees it.

  get isIdle(): boolean {
    return this.jobs.length === 0 && this.answer === null;
  }

  /** Does the next thing it was asked. @returns Whether there was any. */
  work(): boolean {
    if (this.answer !== null) return false;
    const job = this.jobs.shift();
    if (job === undefined) return false;
    this.answer = job.batch === null ? this.bring(job.request!) : this.take(job.batch);
    return true;
  }

  /** Says how it went. @returns Whether there was anything to say. */
  tell(): boolean {
    const { answer } = this;
    this.answer = null;
    answer?.();
    return answer !== null;
  }

  /** All that is not synced is lost, but for a batch that has just made it. */
  crash(prng: Prng): void {
    const batch = this.jobs.find((job) => job.batch !== null)?.batch;
    if (batch && !this.isFull && prng.chance(0.5)) this.take(batch);
    this.jobs = [];
    this.answer = null;
    this.listener = null;
  }

  recover(): Recovered {
    return this.database.recover();
  }

  /** What the database holds. */
  rows(sql: string, ...values: Value[]): Record<string, unknown>[] {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.sqlite.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement.all(...values);
  }

  private take(batch: Buffer): () => void {
    if (this.isFull) {
      this.refused++;
      return () => this.listener?.onFailed(batch, "database or disk is full");
    }
    // What SQLite throws here is the code's fault, not the disk's.
    this.database.apply(batch);
    this.synced++;
    const memory = Buffer.from(batch.buffer).fill(0xee);
    return () => this.listener?.onCommitted(memory);
  }

  private bring(request: FetchRequest): () => void {
    if (this.isUnreadable) return () => this.listener?.onUnfetched("disk I/O error");
    const bytes = handOver(this.database.fetch(request));
    return () => this.listener?.onFetched(bytes);
  }
}

/** The same bytes with their memory taken away from whoever had them, as to a thread. */
function handOver(bytes: Buffer): Buffer {
  const { byteOffset, length } = bytes;
  const moved = structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
  return Buffer.from(moved as ArrayBuffer, byteOffset, length);
}
