/**
 * Sockets that begin with the header of a proxy: it is read and taken off before anything else
 * looks at them. Loaded only where a listener asks for it.
 */
import type { Socket } from "node:net";
import {
  type ProxyHeader,
  ProxyHeaderError,
  ProxyHeaderReader,
  type ProxyVersion,
} from "./proxy-header.ts";
import { type ChunkSink, type LinkSocket, readingInPlace } from "./tcp-listen.ts";

export interface ProxyLimits {
  readonly version: ProxyVersion;
  /** Milliseconds from the connection to the whole of its header; then it is closed. */
  readonly headerTimeoutMs: number;
}

export interface ProxyEvents<Taken> {
  onHeader(header: ProxyHeader, taken: Taken): void;
  /** It is closed. Not told of one that goes again without a word, as a health check does. */
  onFailed(error: Error): void;
}

/** Sockets whose header is awaited. */
export class ProxyAcceptor {
  private readonly limits: ProxyLimits;
  private readonly waiting = new Set<Socket>();

  constructor(limits: ProxyLimits) {
    this.limits = limits;
  }

  /**
   * For what reads bytes itself: the socket is handed on with its first bytes behind the header put
   * back.
   */
  takeStream(raw: Socket, events: ProxyEvents<Socket>): void {
    const header = new AwaitedHeader(this.limits, raw, this.waiting, events);
    const onReadable = () => {
      for (let chunk = raw.read(); chunk !== null; chunk = raw.read()) {
        const found = header.onBytes(chunk);
        if (found === undefined) continue;
        raw.off("readable", onReadable);
        if (found.rest.length > 0) raw.unshift(found.rest);
        events.onHeader(found.header, raw);
        return;
      }
    };
    raw.on("readable", onReadable);
  }

  /**
   * For MQTT itself: the header is read in place, as all that follows.
   *
   * `onHeader` gets what makes the socket of a link, and what stands behind the header comes in the
   * same turn.
   */
  takeInPlace(raw: Socket, events: ProxyEvents<Openable>): void {
    let sink: ChunkSink | null = null;
    const socket = readingInPlace(raw, {
      onChunk(chunk) {
        if (sink !== null) {
          sink.onChunk(chunk);
          return;
        }
        const found = header.onBytes(chunk);
        if (found === undefined) return;
        events.onHeader(found.header, {
          open(next) {
            sink = next;
            return socket;
          },
          destroy: () => socket.destroy(),
        });
        if (found.rest.length > 0) (sink as ChunkSink | null)?.onChunk(found.rest);
      },
    });
    const header = new AwaitedHeader(this.limits, socket, this.waiting, events);
    socket.resume();
  }

  /** How many have no header yet. */
  get waitingCount(): number {
    return this.waiting.size;
  }

  /** Nobody is waited for any more. */
  close(): void {
    for (const socket of this.waiting) socket.destroy();
  }
}

export interface Openable {
  open(sink: ChunkSink): LinkSocket;
  destroy(): void;
}

/** The header of one socket, and the time that it may take. */
class AwaitedHeader {
  private readonly reader: ProxyHeaderReader;
  private readonly socket: Socket;
  private readonly timer: NodeJS.Timeout;
  private readonly waiting: Set<Socket>;
  private readonly events: ProxyEvents<never>;
  private readonly onEnd = () => this.onGone();
  private isOver = false;

  constructor(
    { version, headerTimeoutMs }: ProxyLimits,
    socket: Socket,
    waiting: Set<Socket>,
    events: ProxyEvents<never>,
  ) {
    this.reader = new ProxyHeaderReader(version);
    this.socket = socket;
    this.waiting = waiting;
    this.events = events;
    waiting.add(socket);
    this.timer = setTimeout(() => {
      this.fail(new Error(`no PROXY header within ${headerTimeoutMs / 1000} seconds`));
    }, headerTimeoutMs);
    // What went wrong is the peer's or the network's: "close" follows.
    socket.on("error", () => undefined);
    socket.on("end", this.onEnd);
    socket.on("close", this.onEnd);
  }

  /** The header, once it is whole. Nothing is to be read any more where there is no good one. */
  onBytes(chunk: Buffer): ReturnType<ProxyHeaderReader["onBytes"]> {
    if (this.isOver) return undefined;
    try {
      const found = this.reader.onBytes(chunk);
      if (found === undefined) return undefined;
      this.end();
      if (!found.header.isLocal) return found;
      this.socket.destroy();
    } catch (error) {
      if (!(error instanceof ProxyHeaderError)) throw error;
      this.fail(new Error(`corrupt PROXY header (${error.message})`, { cause: error }));
    }
    return undefined;
  }

  private onGone(): void {
    if (this.isOver) return;
    if (this.reader.hasBegun) this.fail(new Error("corrupt PROXY header (cut off)"));
    else this.end();
    this.socket.destroy();
  }

  private fail(error: Error): void {
    this.end();
    this.socket.destroy();
    this.events.onFailed(error);
  }

  private end(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.waiting.delete(this.socket);
    this.socket.off("end", this.onEnd);
    this.socket.off("close", this.onEnd);
  }
}
