/**
 * The way from a socket that came in to a link: the header of a proxy, TLS, WebSocket, each where
 * its listener asks for it, and loaded only then. On http_api listeners it ends at requests.
 *
 * A way holds what its listener's lines and files said when they were read. A reload makes a new
 * one for those who come then; who is there stays, unless the new one would not let it in.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { PskFileError, type PskKeys, readPskFile } from "../broker/access/psk-keys.ts";
import type { Log } from "../broker/world.ts";
import type { Handshakes } from "../io/handshakes.ts";
import type { HttpAcceptor, HttpAnswer, HttpEvents, HttpRequest } from "../io/http-accept.ts";
import type { ProxyAcceptor, ProxyEvents } from "../io/proxy-accept.ts";
import type { ProxyHeader } from "../io/proxy-header.ts";
import { readRestricted } from "../io/restricted-file.ts";
import {
  type ChunkSink,
  type LinkSocket,
  type Peer,
  peerOf,
  readingChunks,
  readingInPlace,
} from "../io/tcp-listen.ts";
import type { TlsAcceptor, TlsEvents } from "../io/tls-accept.ts";
import type { WebSocketAcceptor } from "../io/web-socket-accept.ts";
import type { ListenerConfiguration, TlsConfiguration } from "../options/conf/configuration.ts";
import { StartFailure, systemWords } from "./failure.ts";

/** A WebSocket's frames may come in any number of pieces, but not of a few bytes each. */
const FRAME_PIECES_MIN = 1_024;
const FRAME_PIECE_BYTES = 256;
/** Some hundred pongs. */
const PONG_BACKLOG_MAX = 65_536;

/** What came in and may become a link. */
export interface Accepted {
  readonly peer: Peer;
  /** What it came over, where that is TLS. */
  readonly secure: TLSSocket | null;
  /** Makes the socket of a link. Called once, if at all. */
  open(sink: ChunkSink): LinkSocket;
  destroy(): void;
}

export interface WayEvents {
  onAccepted(accepted: Accepted): void;
  /** One that came in could not be let through. */
  onFailed(address: string, error: Error): void;
  /** Whether an HTTP connection may be. */
  admits(peer: Peer, stream: Socket): boolean;
  /** @param peer Who asks, by its connection. */
  onRequest(request: HttpRequest, peer: Peer): Promise<HttpAnswer>;
  /** A request could not be answered. */
  onError(error: unknown): void;
}

export interface WayLimits {
  /** Milliseconds for a proxy's header, a handshake of TLS, and a request for WebSocket. */
  readonly handshakeTimeoutMs: number;
  /** Bytes of such a request. */
  readonly headerBytesMax: number;
  /** Bytes of a frame. */
  readonly frameBytesMax: number;
}

export interface WayParts {
  readonly limits: WayLimits;
  readonly log: Log;
  /** Of all ways: those under way. */
  readonly handshakes: Handshakes;
  /** Of the process: whether secret files may be links. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For every line of the TLS key log, where one is kept. */
  readonly onKeyLog?: ((line: Buffer) => void) | undefined;
}

export class Way {
  readonly configuration: ListenerConfiguration;
  private readonly events: WayEvents;
  private readonly handshakes: Handshakes;
  private readonly proxied: ProxyAcceptor | null;
  private readonly secured: Secured | null;
  private readonly webSocket: WebSocketAcceptor | null;
  private readonly http: HttpAcceptor | null;
  /** Whose the sockets are, by the proxy's word or their own. */
  private readonly peers = new WeakMap<Socket, Peer>();

  private constructor(
    configuration: ListenerConfiguration,
    events: WayEvents,
    handshakes: Handshakes,
    steps: Steps,
  ) {
    this.configuration = configuration;
    this.events = events;
    this.handshakes = handshakes;
    this.proxied = steps.proxied;
    this.secured =
      steps.secured?.({
        onSecure: (socket) => this.onSecure(socket),
        onFailed: (socket, error) => events.onFailed(this.peerOver(socket).address, error),
      }) ?? null;
    this.webSocket = steps.webSocket?.((accepted) => this.onWebSocket(accepted)) ?? null;
    this.http =
      steps.http?.({
        admits: (stream) => {
          this.handshakes.end(this.rawOf(stream));
          return events.admits(this.peerAbove(stream), stream);
        },
        onRequest: (request) => events.onRequest(request, this.peerAbove(request.socket)),
        onError: (error) => events.onError(error),
      }) ?? null;
  }

  /** @throws {StartFailure} 1: a certificate or key cannot be used; 3: the PSK file cannot. */
  static async make(
    configuration: ListenerConfiguration,
    events: WayEvents,
    parts: WayParts,
  ): Promise<Way> {
    const steps = await stepsOf(configuration, parts);
    return new Way(configuration, events, parts.handshakes, steps);
  }

  /** A socket came in. It is paused, and nothing of it has been read. */
  take(raw: Socket): void {
    const peer = peerOf(raw, this.configuration.path);
    const { proxied } = this;
    if (this.secured !== null || this.above !== null) {
      if (!this.handshakes.begin(raw)) return;
      if (proxied === null) this.climb(raw, peer);
      else
        proxied.takeStream(
          raw,
          this.onHeader(peer, (whose) => this.climb(raw, whose)),
        );
    } else if (proxied === null) {
      const open = (sink: ChunkSink) => readingInPlace(raw, sink);
      this.events.onAccepted({ peer, secure: null, open, destroy: () => raw.destroy() });
    } else {
      const onAccepted = (whose: Peer, taken: Pick<Accepted, "open" | "destroy">) =>
        this.events.onAccepted({ ...taken, peer: whose, secure: null });
      proxied.takeInPlace(raw, this.onHeader(peer, onAccepted));
    }
  }

  /** Whether a client that came in by the way before this one would be let in by this. */
  mayStay(secure: TLSSocket | null): boolean {
    return secure === null || this.secured === null || this.secured.acceptor.mayStay(secure);
  }

  /** Another way is taken from now on: what is on its way goes on. */
  retire(): void {
    this.http?.retire();
  }

  /** Whether a socket is a link as soon as it comes in. */
  get isDirect(): boolean {
    return this.proxied === null && this.secured === null && this.above === null;
  }

  /** Sockets on their way that are no link yet; HTTP connections are not among them. */
  get waitingCount(): number {
    const { proxied, secured, webSocket } = this;
    const shaking = secured?.acceptor.waitingCount ?? 0;
    return (proxied?.waitingCount ?? 0) + shaking + (webSocket?.waitingCount ?? 0);
  }

  /** Ends what is on its way and no link yet. */
  close(): void {
    this.proxied?.close();
    this.secured?.acceptor.close();
    this.above?.close();
  }

  /** What reads the streams, where that is not MQTT itself. */
  private get above(): WebSocketAcceptor | HttpAcceptor | null {
    return this.webSocket ?? this.http;
  }

  /** What is done once the header is there. */
  private onHeader<Taken extends { destroy(): void }>(
    peer: Peer,
    onPeer: (peer: Peer, taken: Taken) => void,
  ): ProxyEvents<Taken> {
    return {
      onHeader: (header, taken) => {
        const whose = this.proxiedPeer(peer, header);
        if (!(whose instanceof Error)) {
          onPeer(whose, taken);
          return;
        }
        this.events.onFailed(header.source?.address ?? peer.address, whose);
        taken.destroy();
      },
      onFailed: (error) => this.events.onFailed(peer.address, error),
    };
  }

  /** Who a proxy says the client is, or why that is not enough. */
  private proxiedPeer(peer: Peer, { source, tls }: ProxyHeader): Peer | Error {
    const { proxy } = this.configuration;
    if (proxy?.requiresTls && tls === null) return new Error("it has not come to the proxy by TLS");
    if (proxy?.requiresCertificate && !tls?.isVerified) {
      return new Error("it has shown the proxy no certificate that is good");
    }
    const identity = tls?.isVerified ? tls.commonName : null;
    return {
      ...peer,
      ...source,
      ...(tls !== null && { protection: `${tls.version} cipher ${tls.cipher}` }),
      ...(proxy?.identifies && { identity }),
    };
  }

  private climb(raw: Socket, peer: Peer): void {
    this.peers.set(raw, peer);
    if (this.secured !== null) this.secured.acceptor.take(raw);
    else this.above?.take(raw);
  }

  private onSecure(socket: TLSSocket): void {
    if (this.above !== null) {
      this.above.take(socket);
      return;
    }
    this.handshakes.end(this.rawOf(socket));
    const open = (sink: ChunkSink) => readingChunks(socket, sink);
    const destroy = () => socket.destroy();
    this.events.onAccepted({ peer: this.securePeer(socket), secure: socket, open, destroy });
  }

  private onWebSocket({ stream, open, destroy }: Pick<Accepted, "open" | "destroy"> & On): void {
    this.handshakes.end(this.rawOf(stream));
    const secure = this.secured === null ? null : (stream as TLSSocket);
    this.events.onAccepted({ peer: this.peerAbove(stream), secure, open, destroy });
  }

  /** Whose a stream is that WebSocket or HTTP reads: what is secured was handed on as such. */
  private peerAbove(stream: Socket): Peer {
    return this.secured === null ? this.peerOver(stream) : this.securePeer(stream as TLSSocket);
  }

  private securePeer(socket: TLSSocket): Peer {
    const { secured } = this;
    const peer = this.peerOver(socket);
    if (secured === null) return peer;
    const identity = secured.identityOf(socket);
    const protection = secured.protectionOf(socket);
    return { ...peer, protection, ...(identity !== undefined && { identity }) };
  }

  /** What TLS runs over, or the socket itself. */
  private rawOf(socket: Socket): Socket {
    return this.secured?.socketUnder(socket) ?? socket;
  }

  private peerOver(socket: Socket): Peer {
    // Where it is not found, the connection's own address serves.
    return this.peers.get(this.rawOf(socket)) ?? peerOf(socket, this.configuration.path);
  }
}

interface On {
  readonly stream: Socket;
}

/** TLS, and who clients are by it. */
interface Secured {
  readonly acceptor: TlsAcceptor;
  socketUnder(socket: Socket): Socket;
  protectionOf(socket: TLSSocket): string;
  /** Undefined: by user name and password, like everybody. */
  identityOf(socket: TLSSocket): string | null | undefined;
}

/** What a way consists of, each part loaded where it is wanted. */
interface Steps {
  readonly proxied: ProxyAcceptor | null;
  readonly secured: ((events: TlsEvents) => Secured) | null;
  readonly webSocket:
    | ((onAccepted: ConstructorParameters<typeof WebSocketAcceptor>[2]) => WebSocketAcceptor)
    | null;
  readonly http: ((events: HttpEvents) => HttpAcceptor) | null;
}

/** What a page that looks every few seconds needs to keep its connection. */
const KEEP_ALIVE_MS = 10_000;
/** Without a byte moving. */
const STALL_MS = 30_000;
/** For a request: nobody who means it takes longer. */
const REQUEST_MS_MAX = 10_000;
/** On one connection, where they may all be asked at once. */
const REQUESTS_MAX = 100;

async function stepsOf(configuration: ListenerConfiguration, parts: WayParts): Promise<Steps> {
  const { proxy, tls, protocol, websocketsOrigin } = configuration;
  const { handshakeTimeoutMs, headerBytesMax, frameBytesMax } = parts.limits;
  const isOrigin = (origin: string | undefined) =>
    websocketsOrigin.length === 0 || websocketsOrigin.includes(origin ?? "");
  const proxies = proxy && (await import("../io/proxy-accept.ts"));
  const webSockets = protocol === "websockets" && (await import("../io/web-socket-accept.ts"));
  const https = protocol === "http_api" && (await import("../io/http-accept.ts"));
  const requests = {
    headerBytesMax,
    frameBytesMax,
    requestTimeoutMs: handshakeTimeoutMs,
    pongBacklogMax: PONG_BACKLOG_MAX,
    piecesMax: Math.max(FRAME_PIECES_MIN, Math.ceil(frameBytesMax / FRAME_PIECE_BYTES)),
  };
  const limits = {
    headerBytesMax,
    requestTimeoutMs: Math.min(handshakeTimeoutMs, REQUEST_MS_MAX),
    keepAliveMs: KEEP_ALIVE_MS,
    stallMs: STALL_MS,
    requestsMax: REQUESTS_MAX,
  };
  return {
    proxied:
      proxies &&
      new proxies.ProxyAcceptor({ version: proxy!.version, headerTimeoutMs: handshakeTimeoutMs }),
    secured: tls && (await securing(tls, parts)),
    webSocket: webSockets
      ? (onAccepted) => new webSockets.WebSocketAcceptor(requests, isOrigin, onAccepted)
      : null,
    http: https ? (events) => new https.HttpAcceptor(limits, events) : null,
  };
}

/** Reads the files. @throws {StartFailure} */
async function securing(
  tls: TlsConfiguration,
  { limits, log, env, onKeyLog }: WayParts,
): Promise<(events: TlsEvents) => Secured> {
  const files = await import("../io/tls-files.ts");
  const accepting = await import("../io/tls-accept.ts");
  const warn = (sentence: string) => log.write("warning", sentence);
  if (tls.minVersion === "TLSv1.1") warn("Warning: TLS 1.1 is not secure any more.");
  const keys = tls.psk === null ? undefined : pskKeysOf(tls.psk.file, warn, env);
  let credentials: ReturnType<typeof files.readCredentials>;
  try {
    credentials = files.readCredentials(tls, warn);
  } catch (error) {
    if (!(error instanceof files.TlsFileError)) throw error;
    const why = error.cause === undefined ? "" : ` (${systemWords(error.cause)})`;
    throw new StartFailure(1, `${error.message}${why}`, error);
  }
  const { requires, ignoresDates, psk, username } = tls;
  const options = {
    requires,
    ignoresDates,
    psk: psk === null || keys === undefined ? null : { hint: psk.hint, keys },
    handshakeTimeoutMs: limits.handshakeTimeoutMs,
  };
  return (events) => ({
    acceptor: new accepting.TlsAcceptor(credentials, options, {
      ...events,
      ...(onKeyLog !== undefined && { onKeyLog }),
    }),
    socketUnder: accepting.socketUnder,
    protectionOf: accepting.protectionOf,
    identityOf(socket) {
      if (username === undefined) return undefined;
      if (psk !== null) return accepting.pskIdentityOf(socket);
      return accepting.certificateNameOf(socket, username);
    },
  });
}

/** Without a file there is no key, and nobody comes in. */
function pskKeysOf(
  path: string | undefined,
  warn: (sentence: string) => void,
  env: WayParts["env"],
): PskKeys {
  if (path === undefined) return new Map();
  const sentence = `Error opening psk file "${path}".`;
  const mayBeLink = env.MOSQUITTO_UNSAFE_ALLOW_SYMLINKS !== undefined;
  let text: string;
  try {
    text = readRestricted(path, warn, mayBeLink);
  } catch (error) {
    const unopened = `Error: Unable to open pwfile "${path}". ${systemWords(error)}.`;
    throw new StartFailure(3, `${unopened}\n${sentence}`, error);
  }
  try {
    return readPskFile(text, path);
  } catch (error) {
    if (!(error instanceof PskFileError)) throw error;
    throw new StartFailure(3, `${error.message}\n${sentence}`, error);
  }
}
