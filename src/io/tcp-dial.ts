/**
 * Dials TCP and unix sockets for the client. Imports node:net and nothing else, because every start
 * of ts-pub pays for it.
 *
 * `socketLink` makes a link of any stream socket, so that TLS and proxies need only their own way
 * to open one.
 */
import { connect as connectSocket, isIP, type Socket } from "node:net";
import type { Dial, Link, LinkEvents } from "../client/link.ts";

/** Where to connect to: a TCP port, or a unix socket. */
export type SocketTarget =
  | {
      /** Host name or address. */
      readonly host: string;
      readonly port: number;
      /** Local address to connect from; no name. */
      readonly localAddress?: string | undefined;
      /** Seconds of silence before the system asks whether the peer is there. */
      readonly tcpKeepAlive?: number | undefined;
    }
  | { readonly path: string };

/** How long a peer that does not read may hold up the end of a link. */
export const LINGER_MS = 5000;
/**
 * How long one address of several may take before the next is tried in its place. Node.js gives it
 * a quarter of a second, which no satellite and few mobile networks keep; this is long enough for a
 * round trip of either with its first packet lost.
 */
const ADDRESS_MS = 2000;

/** A dial to `target`. Both address families are tried where the name has both. */
export function tcpDial(target: SocketTarget, noDelay = true): Dial {
  return (events) => {
    const socket = openSocket(target);
    const link = socketLink(socket, events, noDelay);
    socket.once("connect", () => events.onOpen());
    return link;
  };
}

/** A socket that is about to connect. */
export function openSocket(target: SocketTarget): Socket {
  if ("path" in target) return connectSocket({ path: target.path });
  const { host, port, localAddress, tcpKeepAlive } = target;
  const keepAlive = tcpKeepAlive !== undefined && {
    keepAlive: true,
    keepAliveInitialDelay: tcpKeepAlive * 1000,
  };
  if (localAddress === undefined) {
    return connectSocket({
      host,
      port,
      ...keepAlive,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ADDRESS_MS,
    });
  }
  // From an address of one family only that family can be reached.
  return connectSocket({ host, port, localAddress, family: isIP(localAddress), ...keepAlive });
}

/**
 * A link over a socket. Told of everything but `onOpen`, which is the caller's.
 *
 * @param wordFor What to make of an error of the socket; itself unless given.
 */
export function socketLink(
  socket: Socket,
  events: LinkEvents,
  noDelay = true,
  wordFor: (error: Error) => Error = (error) => error,
): Link {
  let failure: Error | undefined;
  let writtenBytes = 0;
  let flushedBytes = 0;
  let linger: NodeJS.Timeout | undefined;
  // Output is gathered before it comes here; what is written is to leave at once.
  if (noDelay) socket.setNoDelay(true);
  socket.on("data", (chunk: Buffer) => events.onBytes(chunk));
  socket.on("error", (error) => {
    failure = wordFor(oneOf(error));
  });
  socket.once("close", () => {
    clearTimeout(linger);
    events.onClosed(failure);
  });
  return {
    get writtenBytes() {
      return writtenBytes;
    },
    get pendingBytes() {
      return writtenBytes - flushedBytes;
    },
    write(bytes) {
      writtenBytes += bytes.length;
      const position = writtenBytes;
      socket.write(bytes, (error) => {
        if (error) return;
        flushedBytes = position;
        events.onFlushed(position);
      });
    },
    end() {
      socket.end();
      // Without a reader the peer's own end would never be seen.
      socket.resume();
      linger = setTimeout(() => socket.destroy(), LINGER_MS);
    },
    destroy: () => void socket.destroy(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

/** The last of the errors where several addresses were tried: together they have no words. */
export function oneOf(error: Error): Error {
  return error instanceof AggregateError ? (error.errors.at(-1) ?? error) : error;
}
