/**
 * A folder for what a broker keeps, and a look into the database that is in it.
 *
 *     using kept = new Kept();
 *     await using broker = await startBroker({ conf: kept.conf });
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

export type Row = Readonly<Record<string, unknown>>;

export class Kept implements Disposable {
  readonly folder: string;
  private readonly isOwn: boolean;

  /** @param folder One that is there, and stays; by default one of its own. */
  constructor(folder?: string) {
    this.isOwn = folder === undefined;
    this.folder = folder ?? mkdtempSync(join(tmpdir(), "ts-mqtt-kept-"));
  }

  /** Lines of a configuration that keeps everything here. */
  get conf(): string[] {
    // As root it would become a user who cannot write here.
    return ["user root", "persistence true", `persistence_location ${this.folder}`];
  }

  get database(): string {
    return join(this.folder, "mosquitto.sqlite3");
  }

  /** What is in the folder, in order. */
  get files(): string[] {
    return readdirSync(this.folder).sort();
  }

  /** The rows of a database that nobody has open. */
  rows(sql: string): Row[] {
    // Without that word a reader leaves files beside it, and does not see what is in a log.
    const address = `${pathToFileURL(this.database).href}?immutable=1`;
    if (existsSync(`${this.database}-wal`)) throw new Error("the database was not closed");
    const database = new DatabaseSync(address, { readOnly: true });
    try {
      return database.prepare(sql).all() as Row[];
    } finally {
      database.close();
    }
  }

  [Symbol.dispose](): void {
    if (this.isOwn) rmSync(this.folder, { recursive: true, force: true });
  }
}
