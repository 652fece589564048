/** Dials as a client's options say, and remembers what came of it. */
import type { Dial, Link } from "../../src/client/link.ts";
import { type TransportOptions, transportOf } from "../../src/client/transport.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import { dialFor } from "../../src/io/dial.ts";
import { waitFor } from "./wait-for.ts";

/** Everything that a link has told. */
export class Dialled {
  readonly link: Link;
  /** What happened, in order: "open", "closed"; bytes are in `received`. */
  readonly told: string[] = [];
  readonly waitedFor: string[] = [];
  readonly chunks: Buffer[] = [];
  flushed = 0;
  error: (Error & { code?: unknown; isFinal?: unknown }) | undefined;

  constructor(dial: Dial) {
    this.link = dial({
      onWaiting: (what) => this.waitedFor.push(what),
      onOpen: () => this.told.push("open"),
      onBytes: (chunk) => this.chunks.push(chunk),
      onFlushed: (position) => {
        this.flushed = position;
      },
      onClosed: (error) => {
        this.told.push("closed");
        this.error = error;
      },
    });
  }

  get receivedBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get received(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  /** Resolves when it is open; throws what it closed with before. */
  async opened(): Promise<this> {
    await waitFor("the link is open", () => {
      if (this.told[0] === "closed") throw this.error ?? new Error("closed without an error");
      return this.told[0] === "open";
    });
    return this;
  }

  /** Resolves when it is closed, with why. */
  async closed(): Promise<this["error"]> {
    await waitFor("the link is closed", () => this.told.includes("closed"));
    return this.error;
  }

  async receives(text: string): Promise<void> {
    let looked = 0;
    await waitFor(
      () => `${text} comes; so far ${JSON.stringify(this.received)}`,
      () => {
        if (looked === this.chunks.length) return false;
        looked = this.chunks.length;
        return this.received.includes(text);
      },
    );
  }
}

export function dialled(options: TransportOptions, version?: Version): Dialled {
  return new Dialled(dialFor(transportOf(options, version)));
}

/** What went wrong, of a dial that is to fail before it opens. */
export async function failureOf(options: TransportOptions): Promise<Dialled["error"]> {
  const it = dialled(options);
  const error = await it.closed();
  if (it.told.length > 1) throw new Error(`told ${it.told}`);
  return error;
}
