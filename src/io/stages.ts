/**
 * A connection made in stages: SRV look-up, TCP or a unix socket, SOCKS5, TLS, WebSocket, each one
 * over the one before.
 *
 * Whatever takes time and does not need the server (code, files, a passphrase, look-ups) is ready
 * before the first byte is sent, because a server does not wait long for a CONNECT. From there each
 * stage begins in the turn in which the one before ended, so that no event falls in between.
 */
import { promises as dns, type LookupAddress } from "node:dns";
import { isIP, type Socket } from "node:net";
import type { LinkEvents } from "../client/link.ts";
import type { Transport } from "../client/transport.ts";
import type { Attempt, Open, Opened } from "./late-dial.ts";
import { fraction } from "./random.ts";
import { inSrvOrder, lookUp, type Place, type ResolveSrv, resolveSrv } from "./srv.ts";
import { oneOf, openSocket, type SocketTarget, socketLink } from "./tcp-dial.ts";
import { TransportError } from "./transport-error.ts";

/** What a test puts in the place of the world. */
export interface StagesWorld {
  readonly resolveSrv: ResolveSrv;
  /** A number in [0, 1), anew at each call. */
  readonly fraction: () => number;
  /**
   * Milliseconds that a server may take to answer where others are left to be tried: one that says
   * nothing must not use up the time that the client gives to them all.
   */
  readonly shareMs: number;
}

const REAL_WORLD: StagesWorld = { resolveSrv, fraction, shareMs: 5000 };

/** Loads the code for the stages that `transport` asks for. */
export async function stagesOf(
  transport: Transport,
  world: StagesWorld = REAL_WORLD,
): Promise<Open> {
  const { tls, webSocket, proxy, srvName, socketPath, tcpKeepAlive, noDelay } = transport;
  const credentials = tls && (await import("./tls-client.ts")).tlsClient(tls);
  const throughProxy = proxy && (await import("./socks.ts")).throughProxy;
  const upgrade = webSocket && (await import("./web-socket.ts")).upgrade;

  return async (attempt, events) => {
    if (typeof tls?.passphrase === "function") attempt.waitFor("passphrase");
    const secure = credentials && (await credentials.ready());
    const localAddress = await localAddressOf(transport, attempt);
    attempt.check();
    const places = srvName === undefined ? [transport] : await placesOf(srvName, attempt, world);

    return firstOf(places, attempt, world.shareMs, async (place, socketOf) => {
      const here =
        socketPath === undefined ? { ...place, localAddress, tcpKeepAlive } : { path: socketPath };
      attempt.waitFor(proxy ? "connection to the proxy" : "connection");
      const socket = await socketOf(proxy ? { ...proxy, localAddress, tcpKeepAlive } : here);
      attempt.reached();
      socket.setNoDelay(noDelay);
      if (proxy && throughProxy) {
        attempt.waitFor("answer from the proxy");
        await throughProxy(socket, proxy, place);
      }
      let stream = socket;
      if (secure) {
        attempt.waitFor("TLS handshake");
        stream = await secure.over(socket, transport.host);
      }
      if (webSocket && upgrade) {
        attempt.waitFor("WebSocket upgrade");
        return upgrade(stream, urlOf(transport, place), webSocket, events, secure?.wordFor);
      }
      return opened(stream, events, noDelay, secure?.wordFor);
    });
  };
}

/** Comes to a place, over the socket that it asks for. */
type Reach = (place: Place, socketOf: (target: SocketTarget) => Promise<Socket>) => Promise<Opened>;

/** What the first place that can be reached comes to; the failure of the others is forgotten. */
async function firstOf(
  places: readonly Place[],
  attempt: Attempt,
  shareMs: number,
  reach: Reach,
): Promise<Opened> {
  let failure: unknown;
  for (const place of places) {
    let socket: Socket | undefined;
    const reached = reach(place, (target) => {
      socket = openSocket(target);
      attempt.hold(() => socket?.destroy());
      return connected(socket);
    });
    try {
      return await (place === places.at(-1) ? reached : inTime(reached, shareMs, place));
    } catch (error) {
      socket?.destroy();
      attempt.check();
      // One that may pass tells more about whether to try again than one that does not.
      if (failure === undefined || isFinal(failure)) failure = error;
    }
  }
  throw failure;
}

async function inTime<Result>(
  work: Promise<Result>,
  limitMs: number,
  { host, port }: Place,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const failure = new TransportError("noAnswer", `no answer from ${host}:${port}`);
    timer = setTimeout(() => reject(failure), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function placesOf(name: string, attempt: Attempt, world: StagesWorld): Promise<Place[]> {
  attempt.waitFor("answer to the SRV look-up");
  const records = await lookUp(name, world.resolveSrv, (cancel) => attempt.hold(cancel));
  attempt.check();
  return inSrvOrder(records, world.fraction);
}

/** The address to connect from; a name is looked up. */
async function localAddressOf(
  { localAddress }: Transport,
  attempt: Attempt,
): Promise<string | undefined> {
  if (localAddress === undefined || isIP(localAddress) !== 0) return localAddress;
  attempt.waitFor("answer to the look-up of the local address");
  const found: LookupAddress = await dns.lookup(localAddress);
  return found.address;
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    // Stays, so that no later error is without a listener.
    socket.on("error", (error) => reject(oneOf(error)));
    socket.once("close", () => reject(new Error("closed before it was connected")));
  });
}

function opened(
  socket: Socket,
  events: LinkEvents,
  noDelay: boolean,
  wordFor?: (error: Error) => Error,
): Opened {
  return { link: socketLink(socket, events, noDelay, wordFor), stream: socket };
}

/** What the request for WebSocket names: the host asked for, at the port connected to. */
function urlOf({ host, tls, webSocket }: Transport, { port }: Place): string {
  // The zone of an address is this machine's own business (RFC 6874 §3).
  const name = isIP(host) === 6 ? `[${host.replace(/%.*$/, "")}]` : host;
  return `${tls ? "wss" : "ws"}://${name}:${port}${webSocket?.path ?? ""}`;
}

function isFinal(error: unknown): boolean {
  return (error as { isFinal?: unknown }).isFinal === true;
}
