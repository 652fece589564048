/**
 * What the broker keeps on disk: opens the database, feeds the broker's changes to it, says in the
 * log what is promised and what goes wrong (mosquitto-2.1 b.5, e.3).
 */

import type { RestoredState } from "../broker/durable/restored.ts";
import type { OnDurable, StoreOwner } from "../broker/durable/store.ts";
import type { Log } from "../broker/world.ts";
import type { Deadline, Deadlines } from "../core/base/deadlines.ts";
import type { TurnLoop } from "../io/turn.ts";
import type { PersistenceConfiguration } from "../options/conf/configuration.ts";
import { Journal, type Trouble } from "../store/journal.ts";
import { DatabaseThread, type ThreadStart } from "../store/thread.ts";
import { UnreadableDatabase } from "../store/unreadable.ts";
import { StartFailure } from "./failure.ts";

/** Milliseconds that a stop waits for a disk that takes nothing. */
const STOP_GRACE_MS = 5_000;
/** Milliseconds between looks at whether a stop may go on. */
const STOP_LOOK_MS = 5;

/** What is kept in each case, for the log. */
const PROMISES: Readonly<Record<PersistenceConfiguration["sync"], string>> = {
  extra: "what is acknowledged is on disk, the folder's entry included",
  full: "what is acknowledged is on disk",
  normal: "what is acknowledged survives a crash of the broker, not of the machine",
  off: "what is acknowledged may be lost in a crash",
};

export class Persistence implements Trouble {
  readonly restored: RestoredState;
  private readonly start: ThreadStart;
  private readonly path: string;
  private readonly log: Log;
  private journal: Journal | null = null;
  private autosave: Deadline | null = null;
  private why: string | null = null;

  private constructor(start: ThreadStart, path: string, log: Log) {
    this.start = start;
    this.restored = start.state;
    this.path = path;
    this.log = log;
  }

  /** @throws {StartFailure} The database cannot be used. */
  static async open(configuration: PersistenceConfiguration, log: Log): Promise<Persistence> {
    const { databaseFile: path, oldDatabaseFile: oldPath, sync, pageSize } = configuration;
    let start: ThreadStart;
    try {
      start = await DatabaseThread.start({ path, oldPath, sync, pageSize, now: Date.now() });
    } catch (error) {
      if (!(error instanceof UnreadableDatabase)) throw error;
      throw new StartFailure(3, `Error: Couldn't open database ${path}: ${error.message}.`, error);
    }
    for (const { type, text } of start.notes) log.write(type, text);
    log.write("information", `Persistence in ${path}, sync ${sync}: ${PROMISES[sync]}.`);
    const { sessions, retained } = start.state;
    if (sessions.length + retained.length > 0) {
      const queued = sessions.reduce((sum, { parked, outgoing }) => {
        return sum + parked.count + outgoing.length;
      }, 0);
      log.write(
        "information",
        `Restored ${sessions.length} sessions with ${queued} messages, and ${retained.length} retained messages.`,
      );
    }
    return new Persistence(start, path, log);
  }

  /** Why the database cannot be written; null while it can. */
  get trouble(): string | null {
    return this.why;
  }

  /** Makes the broker's store. */
  makeStore(onDurable: OnDurable, owner: StoreOwner): Journal {
    const { thread, lastRow, lastStoreId } = this.start;
    this.journal = new Journal({
      owner,
      onDurable,
      committer: thread,
      trouble: this,
      lastRow,
      lastStoreId,
    });
    return this.journal;
  }

  /** What the database's thread says is an event of the broker's `turn` from now on. */
  run(turn: TurnLoop): void {
    const { journal } = this;
    if (journal === null) throw new Error("the store has not been made");
    this.start.thread.listen({
      onCommitted: (bytes) => {
        turn.begin();
        journal.onCommitted(bytes);
      },
      onFailed: (bytes, why) => {
        turn.begin();
        journal.onFailed(bytes, why);
      },
      onFetched: (bytes) => {
        turn.begin();
        journal.onFetched(bytes);
      },
      onUnfetched: (why) => {
        turn.begin();
        journal.onUnfetched(why);
      },
    });
  }

  /** Checkpoints every `seconds` from now on; 0 for never. */
  autosaveEvery(seconds: number, deadlines: Deadlines, now: number): void {
    if (this.autosave !== null) deadlines.cancel(this.autosave);
    if (seconds === 0) return;
    const again: Deadline = {
      at: 0,
      place: -1,
      onDeadline: (at) => {
        this.save();
        deadlines.set(again, at + seconds * 1000);
      },
    };
    this.autosave = again;
    deadlines.set(again, now + seconds * 1000);
  }

  /** SIGUSR1: the write-ahead log goes into the database file. */
  save(): void {
    this.journal?.checkpoint();
  }

  /** Everything goes to disk, and the database is closed. */
  async stop(): Promise<void> {
    const { journal } = this;
    const until = performance.now() + STOP_GRACE_MS;
    while (journal !== null && !journal.isIdle && performance.now() < until) {
      journal.finish();
      await new Promise((resolve) => setTimeout(resolve, STOP_LOOK_MS));
    }
    if (journal !== null && !journal.isIdle) {
      this.log.write(
        "error",
        `Error: ${this.path} cannot be written (${this.why}): the last changes, none of them acknowledged, are lost.`,
      );
    }
    const why = await this.start.thread.close();
    if (why !== null) this.log.write("error", `Error: ${this.path} was not closed well: ${why}.`);
  }

  onTrouble(why: string): void {
    this.why = why;
    this.log.write(
      "error",
      `Error: ${this.path} cannot be written: ${why}. What needs the disk is not acknowledged until it can; make room or mend the disk, and it goes on by itself.`,
    );
  }

  onMended(): void {
    this.why = null;
    this.log.write("notice", `${this.path} can be written again.`);
  }

  onUnreadable(clientId: string, why: string): void {
    this.log.write(
      "error",
      `Error: messages for ${clientId} cannot be read from ${this.path}: ${why}. They stay there.`,
    );
  }
}
