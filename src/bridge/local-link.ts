/**
 * The broker's end of a bridge's connection: a link whose other end is in the same process.
 *
 * What the broker writes gathers in `out` until the passage takes it, at the end of the turn. The
 * remote's network is this link's network: what it has not taken is the broker's backlog.
 */
import type { Link } from "../broker/world.ts";
import { type BufferPool, OutBuffer } from "../core/base/out-buffer.ts";

/** What the other end is told and asked. */
export interface LocalLinkEnd {
  /** Bytes on their way to the remote that its network has not taken. */
  readonly backlogBytes: number;
  onWake(): void;
  onClose(): void;
  pause(): void;
  resume(): void;
}

export class LocalLink implements Link {
  readonly address: string;
  readonly port: number;
  readonly out: OutBuffer;
  private readonly end: LocalLinkEnd;

  /** @param address As the log shows the other end. */
  constructor(address: string, port: number, pool: BufferPool, end: LocalLinkEnd) {
    this.address = address;
    this.port = port;
    this.out = new OutBuffer(pool);
    this.end = end;
  }

  get backlogBytes(): number {
    return this.end.backlogBytes;
  }

  wake(): void {
    this.end.onWake();
  }

  close(): void {
    this.end.onClose();
  }

  pause(): void {
    this.end.pause();
  }

  resume(): void {
    this.end.resume();
  }
}
