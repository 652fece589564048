/**
 * Standard output of ts-sub: gathered during a turn of the event loop and written once.
 *
 *   - `room()` is a promise from the write that the reader could not take at once until it has
 *     caught up: the owner stops reading from the network meanwhile, so that memory stays bounded
 *   - a note stands behind what was added before it, and is told when that has left the process
 *   - a reader that has gone away ends the output, quietly; so does a disk that is full, loudly
 *
 * Text is a byte string, one character for one byte (see `json.ts`).
 */
import type { Writable } from "node:stream";
import { type Deferred, deferred } from "../client/deferred.ts";

export interface PrintoutOwner<Note> {
  /** What was added before these notes has been taken by the operating system. */
  onWritten(notes: readonly Note[]): void;
  /** Nothing can be written any more. */
  onGone(error: Error): void;
}

export class Printout<Note> {
  private readonly stream: Writable;
  private readonly owner: PrintoutOwner<Note>;
  private parts: (Buffer | string)[] = [];
  private bytes = 0;
  private flushIsDue = false;
  private notes: Note[] = [];
  /** Set from the write that was too much until the reader has caught up, or has gone. */
  private full: Deferred<void> | undefined;
  private hasWritten = false;
  private gone = false;
  private readonly lost = deferred<void>();

  constructor(stream: Writable, owner: PrintoutOwner<Note>) {
    this.stream = stream;
    this.owner = owner;
    stream.on("error", (error) => this.onError(error));
    stream.on("drain", () => this.onDrain());
  }

  /** When the reader has caught up, or has gone; undefined if it keeps up. */
  room(): Promise<void> | undefined {
    return this.full?.promise;
  }

  /** Adds bytes, or a byte string, to what this turn writes. */
  add(part: Buffer | string): void {
    if (this.gone) return;
    this.parts.push(part);
    this.bytes += part.length;
    this.schedule();
  }

  /** Has `note` told once everything added so far has been written. */
  note(note: Note): void {
    if (this.gone) return;
    this.notes.push(note);
    this.schedule();
  }

  /**
   * Resolves when everything added has been written and its notes told, or it turned out that it
   * cannot be.
   */
  async flushed(): Promise<void> {
    this.flush();
    if (this.gone || !this.hasWritten) return;
    // Writes are taken in order, and after an error never: whichever comes first.
    const last = new Promise<void>((resolve) => this.stream.write("", () => resolve()));
    await Promise.race([last, this.lost.promise]);
  }

  private schedule(): void {
    if (this.flushIsDue) return;
    this.flushIsDue = true;
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.flushIsDue = false;
    if (this.gone) return;
    const { notes } = this;
    this.notes = [];
    if (this.bytes === 0) {
      if (notes.length > 0) this.owner.onWritten(notes);
      return;
    }
    const bytes = this.gathered();
    this.hasWritten = true;
    this.parts = [];
    this.bytes = 0;
    const told = (error?: Error | null): void => {
      if (!error && notes.length > 0) this.owner.onWritten(notes);
    };
    if (!this.stream.write(bytes, told)) this.full ??= deferred();
  }

  private gathered(): Buffer {
    const out = Buffer.allocUnsafe(this.bytes);
    let at = 0;
    for (const part of this.parts) {
      if (typeof part === "string") out.write(part, at, "latin1");
      else part.copy(out, at);
      at += part.length;
    }
    return out;
  }

  private onDrain(): void {
    this.full?.resolve();
    this.full = undefined;
  }

  private onError(error: Error): void {
    if (this.gone) return;
    this.gone = true;
    this.parts = [];
    this.onDrain();
    this.lost.resolve();
    this.owner.onGone(error);
  }
}
