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

/** What a test puts in the place of the world. */
export interface StagesWorld {
  readonly resolveSrv: ResolveSrv;
  /** A number in [0, 1), anew at each call. */
  readonly fraction: () => number;
}

const REAL_WORLD: StagesWorld = { resolveSrv, fraction };

/** Loads the code for the stages that `transport` asks for. */
export async function stagesOf(
  transport: Transport,
  world: StagesWorld = REAL_WORLD,
): Promise<Open> {
  const { tls, webSocket, proxy, srvName, socketPath, noDelay } = transport;
  const credentials = tls && (await import("./tls-client.ts")).tlsClient(tls);
  const throughProxy = proxy && (await import("./socks.ts")).throughProxy;
  const upgrade = webSocket && (await import("./web-socket.ts")).upgrade;

  return async (attempt, events) => {
    if (typeof tls?.passphrase === "function") attempt.waitFor("passphrase");
    const secure = credentials && (await credentials.ready());
    const localAddress = await localAddressOf(transport, attempt);
    attempt.check();
    const places = srvName === undefined ? [transport] : await placesOf(srvName, attempt, world);

    return firstOf(places, attempt, async (place) => {
      const here = socketPath === undefined ? { ...place, localAddress } : { path: socketPath };
      attempt.waitFor(proxy ? "connection to the proxy" : "connection");
      const socket = await connected(proxy ? { ...proxy, localAddress } : here, attempt);
      try {
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
          return await upgrade(stream, urlOf(transport, place), webSocket, events, secure?.wordFor);
        }
        return opened(stream, events, noDelay, secure?.wordFor);
      } catch (error) {
        socket.destroy();
        throw error;
      }
    });
  };
}

/** What the first place that can be reached comes to; the failure of the others is forgotten. */
async function firstOf(
  places: readonly Place[],
  attempt: Attempt,
  reach: (place: Place) => Promise<Opened>,
): Promise<Opened> {
  let failure: unknown;
  for (const place of places) {
    try {
      return await reach(place);
    } catch (error) {
      attempt.check();
      // One that may pass tells more about whether to try again than one that does not.
      if (failure === undefined || isFinal(failure)) failure = error;
    }
  }
  throw failure;
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

function connected(target: SocketTarget, attempt: Attempt): Promise<Socket> {
  const socket = openSocket(target);
  attempt.hold(() => socket.destroy());
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
  const name = isIP(host) === 6 ? `[${host}]` : host;
  return `${tls ? "wss" : "ws"}://${name}:${port}${webSocket?.path ?? ""}`;
}

function isFinal(error: unknown): boolean {
  return (error as { isFinal?: unknown }).isFinal === true;
}
