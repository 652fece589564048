/**
 * MQTT over WebSocket on the broker's side (MQTT 5.0 §6, RFC 6455), over a stream that came in,
 * secured or not. Loaded only where a listener asks for it.
 *
 * What a turn writes is one binary frame; what frames hold is read as one stream of bytes, for
 * packets need not begin or end where frames do [MQTT5-6.0.0-2].
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { type ChunkSink, LinkError, type LinkSocket } from "./tcp-listen.ts";

export interface WebSocketLimits {
  /** Bytes of a request's header; a longer one is refused with 431. */
  readonly headerBytesMax: number;
  /** Milliseconds from the connection to the whole of its request. */
  readonly requestTimeoutMs: number;
  /** Bytes of a frame, or of all fragments of one; what is longer ends the connection. */
  readonly frameBytesMax: number;
  /**
   * Fragments of one message, and pieces in which one frame comes off the network: each takes some
   * hundred bytes beside its own. More end the connection.
   */
  readonly piecesMax: number;
  /** Bytes that a client leaves unread before its pings have no answer (RFC 6455 §5.5.3). */
  readonly pongBacklogMax: number;
}

/** A WebSocket that came in. */
export interface AcceptedWebSocket {
  /** What it came over. */
  readonly stream: Socket;
  /** Makes the socket of a link. Called once. */
  open(sink: ChunkSink): LinkSocket;
  destroy(): void;
}

/** In the order in which we would have them [MQTT5-6.0.0-4]. */
const SUBPROTOCOLS = ["mqtt", "mqttv3.1"];
const NORMAL = 1000;
const UNSUPPORTED_DATA = 1003;
/** As long as a browser takes to answer. */
const CLOSE_MS_MAX = 2000;

/** Answers requests for WebSocket on the streams of one listener. */
export class WebSocketAcceptor {
  private readonly limits: WebSocketLimits;
  private readonly isOrigin: (origin: string | undefined) => boolean;
  private readonly onAccepted: (accepted: AcceptedWebSocket) => void;
  private readonly upgrades: WebSocketServer;
  /** Never listens: it is handed its streams. */
  private readonly server: Server;
  /** Streams whose request has no answer yet, with the timers that end them. */
  private readonly asking = new Map<Socket, NodeJS.Timeout>();

  /** @param isOrigin Whether a page from there may connect; undefined where none is named. */
  constructor(
    limits: WebSocketLimits,
    isOrigin: (origin: string | undefined) => boolean,
    onAccepted: (accepted: AcceptedWebSocket) => void,
  ) {
    this.limits = limits;
    this.isOrigin = isOrigin;
    this.onAccepted = onAccepted;
    this.upgrades = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.frameBytesMax,
      maxFragments: limits.piecesMax,
      maxBufferedChunks: limits.piecesMax,
      autoPong: false,
      handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    });
    this.server = createServer({ maxHeaderSize: limits.headerBytesMax });
    this.server.on("request", (_request, response) => {
      response.writeHead(426, { Connection: "close", Upgrade: "websocket" });
      response.end("This is an MQTT broker: it speaks WebSocket only.\n");
    });
    this.server.on("upgrade", (request: IncomingMessage, stream: Socket, head: Buffer) => {
      this.onUpgrade(request, stream, head);
    });
  }

  /** Reads the request that comes over a stream. */
  take(stream: Socket): void {
    const timer = setTimeout(() => stream.destroy(), this.limits.requestTimeoutMs);
    this.asking.set(stream, timer);
    stream.once("close", () => this.onAnswered(stream));
    this.server.emit("connection", stream);
    stream.resume();
  }

  /** How many have no answer yet. */
  get waitingCount(): number {
    return this.asking.size;
  }

  /** Ends what asks for WebSocket and has no answer yet. */
  close(): void {
    for (const stream of this.asking.keys()) stream.destroy();
  }

  private onUpgrade(request: IncomingMessage, stream: Socket, head: Buffer): void {
    stream.on("error", () => undefined);
    const refusal = refusalOf(request, this.isOrigin);
    if (refusal !== undefined) {
      stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.upgrades.handleUpgrade(request, stream, head, (socket) => {
      this.onAnswered(stream);
      this.onAccepted({
        stream,
        open: (sink) => new FramedSocket(socket, stream, this.limits, sink),
        destroy: () => socket.terminate(),
      });
    });
  }

  private onAnswered(stream: Socket): void {
    clearTimeout(this.asking.get(stream));
    this.asking.delete(stream);
  }
}

/** The status line for a request that is turned away. */
function refusalOf(
  { headers }: IncomingMessage,
  isOrigin: (origin: string | undefined) => boolean,
): string | undefined {
  if (!isOrigin(headers.origin)) return "403 Forbidden";
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  return offered.some((name) => SUBPROTOCOLS.includes(name)) ? undefined : "400 Bad Request";
}

/** A WebSocket as a link sees it: bytes in, bytes out. */
class FramedSocket implements LinkSocket {
  private readonly socket: WebSocket;
  private readonly stream: Socket;
  private hasEnded = false;

  constructor(
    socket: WebSocket,
    stream: Socket,
    { pongBacklogMax }: WebSocketLimits,
    sink: ChunkSink,
  ) {
    this.socket = socket;
    this.stream = stream;
    socket.pause();
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) sink.onChunk(data);
      // [MQTT5-6.0.0-1]
      else this.fail(UNSUPPORTED_DATA);
    });
    socket.on("ping", (data: Buffer) => {
      if (stream.writableLength <= pongBacklogMax) socket.pong(data);
    });
    // It broke the rules of WebSocket, and has been told so.
    socket.on("error", () => socket.terminate());
  }

  get destroyed(): boolean {
    return this.stream.destroyed;
  }

  get writableEnded(): boolean {
    return this.hasEnded;
  }

  get writableLength(): number {
    return this.stream.writableLength;
  }

  /** Nothing but the wish to know when all before it is taken makes no frame. */
  write(bytes: Buffer, onTaken?: (error?: Error | null) => void): void {
    if (bytes.length > 0) this.socket.send(bytes, { binary: true, compress: false });
    if (onTaken !== undefined) this.stream.write(bytes.subarray(0, 0), onTaken);
  }

  end(): void {
    this.hasEnded = true;
    this.socket.close(NORMAL);
    const timer = setTimeout(() => this.socket.terminate(), CLOSE_MS_MAX);
    this.socket.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.socket.terminate();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  on(event: "end" | "error" | "close", listener: (error?: Error) => void): void {
    // Its end is its closing: there is no half of it that stays open.
    if (event === "close") this.socket.on(event, () => listener.call(this));
    else if (event === "error") {
      this.socket.on(event, (error) => listener.call(this, limitWords(error)));
    }
  }

  once(event: "close", listener: () => void): void {
    this.socket.once(event, listener);
  }

  private fail(code: number): void {
    this.socket.close(code);
    this.socket.terminate();
  }
}

/** What ws says of a limit that we gave it, in words for the log; others are not of interest. */
const LIMIT_WORDS: Readonly<Record<string, string>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: "WebSocket frameBytesMax exceeded",
  WS_ERR_TOO_MANY_BUFFERED_PARTS: "WebSocket piecesMax exceeded",
};

function limitWords(error: Error): LinkError | undefined {
  const words = LIMIT_WORDS[(error as { code?: string }).code ?? ""];
  return words === undefined ? undefined : new LinkError(words);
}
