/** The database's thread as the broker sees it: a `Committer` whose answers come as events. */
import { Worker } from "node:worker_threads";
import type { RestoredState } from "../broker/durable/restored.ts";
import { ByteReader } from "./bytes.ts";
import type { Committer, FetchRequest } from "./journal.ts";
import type { Note, OpenOptions } from "./open-database.ts";
import { readMessage, readSession } from "./records.ts";
import type { Recovered } from "./recovery.ts";
import type { StoreId } from "./rows.ts";
import { UnreadableDatabase } from "./unreadable.ts";
import type { Ask, Tell } from "./worker.ts";

/** The source of `worker.ts` and all it needs, where a build has put it into this file. */
declare const STORE_WORKER_SOURCE: string | undefined;

/** Told what the thread says, each in its turn. */
export interface ThreadListener {
  onCommitted(bytes: Buffer): void;
  onFailed(bytes: Buffer, why: string): void;
  onFetched(bytes: Buffer): void;
  onUnfetched(why: string): void;
}

/** What the database held, and what there is to say of it. */
export interface ThreadStart {
  readonly thread: DatabaseThread;
  readonly state: RestoredState;
  readonly lastRow: number;
  readonly lastStoreId: StoreId;
  readonly notes: readonly Note[];
}

export class DatabaseThread implements Committer {
  private readonly worker: Worker;
  private listener: ThreadListener | null = null;
  private onClosed: ((why: string | null) => void) | null = null;

  private constructor(worker: Worker) {
    this.worker = worker;
  }

  /**
   * Opens the database in a thread of its own.
   *
   * @throws {UnreadableDatabase} It cannot be used.
   */
  static async start(options: OpenOptions): Promise<ThreadStart> {
    const worker = startWorker(options);
    const told = await new Promise<Tell>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    worker.removeAllListeners("error");
    if (told.tell === "refused") throw new UnreadableDatabase(told.code, told.why);
    if (told.tell !== "opened") throw new Error("the database's thread did not say how it began");
    const thread = new DatabaseThread(worker);
    // An error of ours: it ends the program.
    worker.on("error", (error) => {
      throw error;
    });
    worker.on("message", (message: Tell) => thread.onTell(message));
    const { lastRow, lastStoreId } = told.recovered;
    return { thread, state: stateOf(told.recovered), lastRow, lastStoreId, notes: told.notes };
  }

  listen(listener: ThreadListener): void {
    this.listener = listener;
  }

  commit(batch: Buffer): void {
    this.worker.postMessage({ ask: "commit", bytes: batch } satisfies Ask, [
      batch.buffer as ArrayBuffer,
    ]);
  }

  fetch(request: FetchRequest): void {
    this.worker.postMessage({ ask: "fetch", request } satisfies Ask);
  }

  checkpoint(): void {
    this.worker.postMessage({ ask: "checkpoint" } satisfies Ask);
  }

  /** Ends the thread when it has done what it was asked. @returns What went wrong at the end. */
  close(): Promise<string | null> {
    return new Promise((resolve) => {
      this.onClosed = resolve;
      this.worker.postMessage({ ask: "close" } satisfies Ask);
    });
  }

  private onTell(message: Tell): void {
    switch (message.tell) {
      case "committed":
        // All of the memory, of which the batch filled a part.
        this.listener?.onCommitted(Buffer.from(message.bytes.buffer));
        break;
      case "failed":
        this.listener?.onFailed(bufferOf(message.bytes), message.why);
        break;
      case "fetched":
        this.listener?.onFetched(bufferOf(message.bytes));
        break;
      case "unfetched":
        this.listener?.onUnfetched(message.why);
        break;
      case "closed":
        this.onClosed?.(message.why);
    }
  }
}

/** One way for a build, where it is in the program's own file, and one for the sources. */
function startWorker(options: OpenOptions): Worker {
  // Node.js 22 warns whoever uses its SQLite; what we use is the same in 24, which does not.
  const execArgv = ["--disable-warning=ExperimentalWarning"];
  if (typeof STORE_WORKER_SOURCE === "string") {
    return new Worker(STORE_WORKER_SOURCE, { eval: true, workerData: options, execArgv });
  }
  return new Worker(new URL("./worker.ts", import.meta.url), { workerData: options, execArgv });
}

function stateOf({ sessions, retained }: Recovered): RestoredState {
  return { sessions: readAll(sessions, readSession), retained: readAll(retained, readMessage) };
}

function readAll<Item>(bytes: Uint8Array, read: (from: ByteReader) => Item): Item[] {
  const items: Item[] = [];
  for (const from = new ByteReader(bufferOf(bytes)); !from.isOver; ) items.push(read(from));
  return items;
}

/** A Buffer arrives from another thread as a plain array of bytes. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
