/**
 * TCP and unix sockets on the broker's side: listens, and makes a link of each socket that comes
 * in, or of anything that behaves like one.
 *
 * A link writes once a turn. What the network does not take stays in the socket's queue, which the
 * broker sees as `backlogBytes`; until it is taken, what follows gathers in the link's own buffer.
 */
import { createServer, type Server, Socket } from "node:net";
import type { Link } from "../broker/world.ts";
import { type BufferPool, OutBuffer } from "../core/base/out-buffer.ts";
import type { Flushed, TurnLoop } from "./turn.ts";

/** Bytes taken from a socket at once. One buffer serves all of them. */
const READ_SIZE = 65_536;

const NO_BYTES = Buffer.alloc(0);

/** Milliseconds that a peer has to take our last bytes and close its side. */
const LINGER_MS = 2000;

/** The broker's end of a connection, as its link sees it. */
export interface LinkListener {
  onBytes(chunk: Buffer): void;
  onDrain(): void;
  onClosed(why?: string): void;
}

/** Where to listen: an address that has been looked up, or a unix socket. */
export type ListenPlace =
  | { readonly port: number; readonly address: string }
  | { readonly path: string };

export type ListenTarget = ListenPlace & { readonly noDelay: boolean };

/** Who is handed what a socket reads: gone after the call. */
export interface ChunkSink {
  onChunk(chunk: Buffer): void;
}

/** Where a socket names its sink, or its link. */
const SINK = Symbol("sink");

/** What a link asks of a socket, whose listeners are called upon it. */
export interface LinkSocket {
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  /** Bytes that were written and are not taken. */
  readonly writableLength: number;
  write(bytes: Buffer, onTaken?: (error?: Error | null) => void): unknown;
  end(): unknown;
  destroy(): unknown;
  pause(): unknown;
  resume(): unknown;
  on(event: "end" | "error" | "close", listener: (error?: Error) => void): unknown;
  once(event: "close", listener: () => void): unknown;
}

/** Why a link ended, where that is worth a word in the log. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}

/** Whose connection it is. */
export interface Peer {
  /** As the log shows it. */
  readonly address: string;
  readonly port: number;
  /** As `Link` has them. */
  readonly identity?: string | null;
  readonly protection?: string;
}

/**
 * Listens on `target`.
 *
 * @param onSocket Told of each socket that came in.
 * @param onRefused Told why one that came could not be taken, such as EMFILE.
 * @throws The system's error, such as EADDRINUSE.
 */
export function listenTcp(
  target: ListenTarget,
  onSocket: (socket: Socket) => void,
  onRefused: (error: Error) => void,
): Promise<Server> {
  const server = createServer({ noDelay: target.noDelay, pauseOnConnect: true }, onSocket);
  return listening(server, target, onRefused);
}

/** Has `server` listen on `target`, as `listenTcp`. */
export function listening<Listening extends Server>(
  server: Listening,
  target: ListenPlace,
  onRefused: (error: Error) => void,
): Promise<Listening> {
  const place =
    "path" in target
      ? { path: target.path }
      : { port: target.port, host: target.address, ipv6Only: true };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...place, backlog: 1024 }, () => {
      server.off("error", reject);
      // Later errors are of one accept, such as too many open files: the others go on.
      server.on("error", onRefused);
      resolve(server);
    });
  });
}

export class SocketLink implements Link, Flushed {
  readonly address: string;
  readonly port: number;
  readonly identity?: string | null;
  readonly protection?: string;
  readonly out: OutBuffer;
  private readonly socket: LinkSocket;
  private readonly turn: TurnLoop;
  private listener: LinkListener | null = null;
  private onGone: ((link: SocketLink) => void) | null = null;
  /** Why it ends, where that is worth a word. */
  private why = "";
  /** The network has not taken what was last written. */
  private isHeldUp = false;
  private isAwake = false;
  private isClosing = false;

  /** @param open Makes the socket, which tells what is read and is paused at first. */
  constructor(peer: Peer, open: (sink: ChunkSink) => LinkSocket, turn: TurnLoop, pool: BufferPool) {
    this.socket = open(this);
    this.turn = turn;
    this.out = new OutBuffer(pool);
    this.address = peer.address;
    this.port = peer.port;
    if (peer.identity !== undefined) this.identity = peer.identity;
    if (peer.protection !== undefined) this.protection = peer.protection;
  }

  /** A link of a socket that came in. */
  static of(accepted: Socket, peer: Peer, turn: TurnLoop, pool: BufferPool): SocketLink {
    return new SocketLink(peer, (sink) => readingInPlace(accepted, sink), turn, pool);
  }

  get backlogBytes(): number {
    return this.socket.writableLength;
  }

  /** Hands what comes to `listener`, from now on. `onGone` is called when the socket is closed. */
  start(listener: LinkListener, onGone: (link: SocketLink) => void): void {
    const { socket } = this;
    this.listener = listener;
    this.onGone = onGone;
    // Functions that all sockets share: each of one's own would be some 70 bytes a connection.
    (socket as Linked)[SINK] = this;
    socket.on("end", onSocketEnd);
    socket.on("error", onSocketError);
    socket.on("close", onSocketClose);
    socket.resume();
  }

  wake(): void {
    if (this.isAwake) return;
    this.isAwake = true;
    this.turn.wake(this);
  }

  flush(): void {
    this.isAwake = false;
    const { socket, out } = this;
    if (socket.destroyed) out.clear();
    else if (this.isClosing) this.flushLast();
    else if (!this.isHeldUp) this.write();
  }

  close(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    const { socket } = this;
    this.wake();
    // Its own end is waited for, so that our last packet is not lost to a reset; not for ever.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once("close", () => clearTimeout(timer));
  }

  /** Ends it at once, unsent bytes and all. */
  destroy(): void {
    this.socket.destroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  private flushLast(): void {
    const { socket } = this;
    if (socket.writableEnded) return;
    this.drain();
    socket.end();
  }

  /**
   * A write while another one waits would keep a whole buffer for what may be a few bytes: a client
   * that sends and never reads could fill memory with those. So they gather until it is through.
   */
  private write(): void {
    this.drain();
    // Its callback comes when all before it is taken, which "drain" tells only above a mark.
    if (this.isHeldUp) this.socket.write(NO_BYTES, (error) => this.onTaken(error));
  }

  private drain(): void {
    this.out.drain((bytes) => this.writeOut(bytes));
  }

  /** Writes, and says whether the network took everything at once, as it mostly does. */
  private writeOut(bytes: Buffer): boolean {
    this.socket.write(bytes);
    this.isHeldUp = this.socket.writableLength > 0;
    return !this.isHeldUp;
  }

  /** All that was written is taken: what has gathered goes now, and counts as handed over. */
  private onTaken(error?: Error | null): void {
    this.isHeldUp = false;
    if (error || this.isClosing) return;
    this.turn.begin();
    this.write();
    this.listener?.onDrain();
  }

  // What its socket tells.

  onEnd(): void {
    this.turn.begin();
    this.listener?.onClosed(this.why);
  }

  /** What went wrong is the peer's or the network's: "close" follows, and ends the connection. */
  onError(error?: Error): void {
    if (error instanceof LinkError) this.why = error.message;
  }

  onClose(): void {
    this.onEnd();
    this.onGone?.(this);
  }

  onChunk(chunk: Buffer): void {
    if (this.isClosing) return;
    this.turn.begin();
    this.listener?.onBytes(chunk);
  }
}

interface Linked extends LinkSocket {
  [SINK]: SocketLink;
}

function onSocketEnd(this: Linked): void {
  this[SINK].onEnd();
}

function onSocketError(this: Linked, error?: Error): void {
  this[SINK].onError(error);
}

function onSocketClose(this: Linked): void {
  this[SINK].onClose();
}

/** @param path Of a unix socket, whose peers have neither address nor port: the log shows it. */
export function peerOf({ remoteAddress, remotePort }: Socket, path = "?"): Peer {
  return { address: remoteAddress ?? path, port: remotePort ?? 0 };
}

/** Where every socket is read into, in turn. */
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);

/** A socket that hands on what it reads. */
type Reading = Socket & { [SINK]: ChunkSink };

const READ_IN_PLACE = {
  buffer: readBuffer,
  /** Node calls it upon the socket. */
  callback(this: Reading, size: number, buffer: Uint8Array) {
    this[SINK].onChunk(buffer.subarray(0, size) as Buffer);
    return true;
  },
};

function onSocketData(this: Reading, chunk: Buffer): void {
  this[SINK].onChunk(chunk);
}

/**
 * A socket of the same connection that reads into one buffer of ours, for Node allocates one for
 * each read otherwise: measured 2 to 6 µs a read, a tenth of what a lone message costs.
 *
 * What is read is handed on in place and is gone after the call. `onread` is Node's documented way
 * to this; a server gives it no place, hence the new socket around the old handle.
 */
export function readingInPlace(accepted: Socket, sink: ChunkSink): Socket {
  // Not in the types, and not promised by Node: without it the ordinary way serves.
  const { _handle: handle } = accepted as unknown as { _handle?: object };
  if (!handle) return readingChunks(accepted, sink);
  const options = { handle, onread: READ_IN_PLACE };
  const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
  return Object.assign(socket, { [SINK]: sink });
}

/** A socket that is read in chunks, as that of TLS has to be. */
export function readingChunks(socket: Socket, sink: ChunkSink): Socket {
  Object.assign(socket, { [SINK]: sink });
  socket.on("data", onSocketData);
  return socket.pause();
}
