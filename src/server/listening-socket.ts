/**
 * One socket that listens, in whatever its listener speaks: MQTT plain or over WebSocket, or HTTP,
 * with TLS or without. What that takes is loaded only where it is asked for.
 */
import type { Server, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import type { HttpAnswer, HttpRequest } from "../io/http-listen.ts";
import {
  type LinkSocket,
  type ListenTarget,
  listenTcp,
  type Peer,
  peerOf,
  readingChunks,
  readingInPlace,
} from "../io/tcp-listen.ts";
import type { ListenerConfiguration, TlsConfiguration } from "../options/conf/configuration.ts";
import { StartFailure } from "./failure.ts";

/** What came in and may become a link. */
export interface Accepted {
  readonly peer: Peer;
  /** Makes the socket of a link. Called once, if at all. */
  open(onChunk: (chunk: Buffer) => void): LinkSocket;
  destroy(): void;
}

export interface SocketEvents {
  onAccepted(accepted: Accepted): void;
  /** A client could not agree with us on TLS. */
  onFailed(address: string, error: Error): void;
  /** One that came could not be taken, such as for want of files. */
  onRefused(error: Error): void;
  /** Whether an HTTP connection may be. */
  admits(socket: Socket): boolean;
  /** @param peer Who asks, by its connection. */
  onRequest(request: HttpRequest, peer: Peer): Promise<HttpAnswer>;
}

export interface SocketLimits {
  /** Milliseconds for a handshake of TLS, and for a request for WebSocket. */
  readonly handshakeTimeoutMs: number;
  /** Bytes of such a request. */
  readonly headerBytesMax: number;
  /** Bytes of a frame. */
  readonly frameBytesMax: number;
}

/** What a page that looks every few seconds needs to keep its connection. */
const KEEP_ALIVE_MS = 10_000;
/** Without a byte moving. */
const STALL_MS = 30_000;
/** For a request: nobody who means it takes longer. */
const REQUEST_MS_MAX = 10_000;
const REQUESTS_MAX = 1_000;

export class ListeningSocket {
  private readonly configuration: () => ListenerConfiguration;
  private readonly limits: SocketLimits;
  private readonly events: SocketEvents;
  private server!: Server;

  /** @param configuration The listener's, as it is by then. */
  private constructor(
    configuration: () => ListenerConfiguration,
    limits: SocketLimits,
    events: SocketEvents,
  ) {
    this.configuration = configuration;
    this.limits = limits;
    this.events = events;
  }

  /** @throws {StartFailure} for TLS, the system's error for the address. */
  static async open(
    configuration: () => ListenerConfiguration,
    target: ListenTarget,
    limits: SocketLimits,
    events: SocketEvents,
  ): Promise<ListeningSocket> {
    const socket = new ListeningSocket(configuration, limits, events);
    socket.server = await socket.listen(target);
    return socket;
  }

  /** Takes no more clients. Node takes the file of a unix socket away with its server. */
  close(): void {
    this.server.close();
    // What asks for WebSocket and has no answer yet; those that have one are links.
    const { closeAllConnections } = this.server as { closeAllConnections?: () => void };
    closeAllConnections?.call(this.server);
  }

  /** New clients get this certificate; who is there stays. */
  renew(context: SecureContextOptions): void {
    const { setSecureContext } = this.server as { setSecureContext?: (of: object) => void };
    setSecureContext?.call(this.server, context);
  }

  private async listen(target: ListenTarget): Promise<Server> {
    const { tls, protocol } = this.configuration();
    if (protocol === "websockets") return this.listenWebSocket(target, tls);
    if (protocol === "http_api") return this.listenHttp(target, tls);
    const { onFailed, onRefused } = this.events;
    if (tls === null) {
      const onSocket = (socket: Parameters<typeof peerOf>[0]) => {
        const peer = peerOf(socket, this.configuration().path);
        const open = (onChunk: (chunk: Buffer) => void) => readingInPlace(socket, onChunk);
        this.events.onAccepted({ peer, open, destroy: () => socket.destroy() });
      };
      return listenTcp(target, onSocket, onRefused);
    }
    const { listenTls } = await import("../io/tls-listen.ts");
    const identify = await this.identifying();
    return listenTls(
      target,
      await contextFor(tls),
      tls,
      this.limits.handshakeTimeoutMs,
      (socket) => {
        const open = (onChunk: (chunk: Buffer) => void) => readingChunks(socket, onChunk);
        this.events.onAccepted({ peer: identify(socket), open, destroy: () => socket.destroy() });
      },
      (error, socket) => onFailed(peerOf(socket).address, error),
      onRefused,
    );
  }

  private async listenWebSocket(
    target: ListenTarget,
    tls: TlsConfiguration | null,
  ): Promise<Server> {
    const { listenWebSocket } = await import("../io/web-socket-listen.ts");
    const secure = tls === null ? undefined : await this.secureServer(tls);
    const identify = tls === null ? peerOf : await this.identifying();
    const isOrigin = (origin: string | undefined) => {
      const { websocketsOrigin } = this.configuration();
      return websocketsOrigin.length === 0 || websocketsOrigin.includes(origin ?? "");
    };
    const { headerBytesMax, frameBytesMax, handshakeTimeoutMs } = this.limits;
    return listenWebSocket(
      target,
      { headerBytesMax, frameBytesMax, requestTimeoutMs: handshakeTimeoutMs },
      isOrigin,
      ({ stream, open, destroy }) =>
        this.events.onAccepted({ peer: identify(stream as TLSSocket), open, destroy }),
      this.events.onRefused,
      secure,
    );
  }

  private async listenHttp(target: ListenTarget, tls: TlsConfiguration | null): Promise<Server> {
    const { listenHttp } = await import("../io/http-listen.ts");
    const secure = tls === null ? undefined : await this.secureServer(tls);
    const identify = tls === null ? peerOf : await this.identifying();
    const { headerBytesMax, handshakeTimeoutMs } = this.limits;
    const limits = {
      headerBytesMax,
      requestTimeoutMs: Math.min(handshakeTimeoutMs, REQUEST_MS_MAX),
      keepAliveMs: KEEP_ALIVE_MS,
      stallMs: STALL_MS,
      requestsMax: REQUESTS_MAX,
    };
    const { admits, onRequest, onRefused } = this.events;
    return listenHttp(
      target,
      limits,
      {
        admits,
        onRequest: (request) => onRequest(request, identify(request.socket as TLSSocket)),
        onError: onRefused,
      },
      secure,
    );
  }

  private async secureServer(tls: TlsConfiguration) {
    const { httpsServer } = await import("../io/tls-listen.ts");
    const context = await contextFor(tls);
    return (http: object) => {
      const server = httpsServer(context, tls, http);
      server.on("tlsClientError", (error, socket) =>
        this.events.onFailed(peerOf(socket).address, error),
      );
      return server;
    };
  }

  /** Who a client is by its certificate, where that is asked. */
  private async identifying(): Promise<(socket: TLSSocket) => Peer> {
    const { identityOf } = await import("../io/tls-listen.ts");
    return (socket) => {
      const { username } = this.configuration().tls ?? {};
      const protection = `${socket.getProtocol()} cipher ${socket.getCipher().name}`;
      const peer: Peer = { ...peerOf(socket), protection };
      return username === undefined ? peer : { ...peer, identity: identityOf(socket, username) };
    };
  }
}

/** @throws {StartFailure} 1: a certificate or key cannot be used. */
export async function contextFor(tls: TlsConfiguration): Promise<SecureContextOptions> {
  const { serverContext, TlsFileError } = await import("../io/tls-listen.ts");
  try {
    return serverContext(tls);
  } catch (error) {
    if (error instanceof TlsFileError) throw new StartFailure(1, error.message, error);
    throw error;
  }
}
