/**
 * HTTP for an http_api listener: hands each request to a function and sends what it answers, a text
 * or a file. Loaded only where a listener asks for it.
 *
 * What a peer sends beyond the head of its request is never kept: a request with a body is answered
 * and its connection closed. What cannot be read is answered by Node (400, 408, 431).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { pipeline } from "node:stream";
import { openBelow } from "./served-file.ts";

export interface HttpLimits {
  /** Bytes of a request's head; a longer one is refused with 431. */
  readonly headerBytesMax: number;
  /** Milliseconds from the connection to the whole of its request; then 408. */
  readonly requestTimeoutMs: number;
  /** Milliseconds that a connection stays open for another request. */
  readonly keepAliveMs: number;
  /** Milliseconds in which not a byte moves until the connection is closed. */
  readonly stallMs: number;
  /** Requests of one connection, which is closed after the last. */
  readonly requestsMax: number;
}

export interface HttpRequest {
  readonly method: string;
  /** As the request has it, nothing decoded. */
  readonly url: string;
  /** The head's line of that name. */
  readonly authorization: string | undefined;
  readonly socket: Socket;
}

/** What is sent back: a text, or a file below a directory. */
export type HttpAnswer =
  | {
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  | {
      readonly directory: string;
      /** The file's path below it, name by name. */
      readonly names: readonly string[];
      readonly headers: Readonly<Record<string, string>>;
      /** Where there is no such file. */
      readonly otherwise: HttpAnswer;
    };

export interface HttpEvents {
  /** Whether one more connection may be; if not it is closed at once. */
  admits(socket: Socket): boolean;
  onRequest(request: HttpRequest): Promise<HttpAnswer>;
  /** A request could not be answered. */
  onError(error: unknown): void;
}

/** Answers requests on the streams of one listener. */
export class HttpAcceptor {
  private readonly events: HttpEvents;
  /** Never listens: it is handed its streams. */
  private readonly server: Server;

  constructor(limits: HttpLimits, events: HttpEvents) {
    const { headerBytesMax, requestTimeoutMs, keepAliveMs, stallMs, requestsMax } = limits;
    this.events = events;
    this.server = createServer({
      maxHeaderSize: headerBytesMax,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: Math.min(requestTimeoutMs, 5_000),
    });
    this.server.timeout = stallMs;
    this.server.maxRequestsPerSocket = requestsMax;
    this.server.on("request", (request, response) => void serve(request, response, events));
    // From then on a server looks after its time limits.
    this.server.emit("listening");
  }

  /** Reads the requests that come over a stream, unless it may not be. */
  take(stream: Socket): void {
    if (!this.events.admits(stream)) {
      stream.destroy();
      return;
    }
    this.server.emit("connection", stream);
    stream.resume();
  }

  /** Gives up what waits for another request; who has asked gets the answer. */
  retire(): void {
    this.server.close();
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { onRequest, onError }: HttpEvents,
): Promise<void> {
  const { method = "", url = "", headers, socket } = request;
  const hasBody = headers["content-length"] !== undefined || "transfer-encoding" in headers;
  if (hasBody) response.setHeader("Connection", "close");
  const { authorization } = headers;
  try {
    await send(response, await onRequest({ method, url, authorization, socket }));
  } catch (error) {
    // One question that goes wrong must not end a broker.
    onError(error);
    if (response.headersSent) response.destroy();
    else say(response, 500, {}, "Internal Server Error\n");
  }
}

async function send(response: ServerResponse, answer: HttpAnswer): Promise<void> {
  if (!("directory" in answer)) {
    say(response, answer.status, answer.headers, answer.body);
    return;
  }
  const file = await openBelow(answer.directory, answer.names);
  if (file === undefined) return send(response, answer.otherwise);
  response.writeHead(200, { ...answer.headers, "Content-Length": file.size });
  // An error is the peer's that went, or the file's: the connection ends with it.
  pipeline(
    file.stream,
    (chunks) => exactly(chunks, file.size),
    response,
    () => undefined,
  );
}

/** Ends in an error where there is less: what comes next would be taken for the rest. */
async function* exactly(chunks: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let left = size;
  for await (const chunk of chunks) {
    left -= chunk.length;
    yield chunk;
  }
  if (left > 0) throw new Error("the file became shorter while it was sent");
}

function say(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...headers, "Content-Length": bytes.length });
  response.end(bytes);
}
