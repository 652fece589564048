/**
 * MQTT over WebSocket (MQTT 5.0 §6, RFC 6455) on a stream that stands, from the client's side. The
 * only file that knows the npm package `ws`.
 *
 * What is written becomes one binary frame; what frames hold is read as one stream of bytes, for
 * packets need not begin or end where frames do [MQTT5-6.0.0-2].
 */
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Link, LinkEvents } from "../client/link.ts";
import type { Transport } from "../client/transport.ts";
import type { Opened } from "./late-dial.ts";
import { LINGER_MS } from "./tcp-dial.ts";
import { codeOf, TransportError, wordsOf } from "./transport-error.ts";

const LIMITS = {
  /** The largest packet of MQTT, with its header: no server has reason to send a larger frame. */
  maxPayload: 268_435_460,
  /** Milliseconds for the peer to answer a close frame, and then to close the connection. */
  closeTimeout: LINGER_MS,
};
/** The status of HTTP that says yes (RFC 9110 §15.2.2). */
const SWITCHING = 101;
/** Closing codes (RFC 6455 §7.4.1). */
const NORMAL = 1000;
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const NO_STATUS = 1005;
const ABNORMAL = 1006;

/**
 * Asks for WebSocket over `stream`.
 *
 * @param wordFor What to make of an error of the stream; itself unless given.
 * @throws {TransportError} webSocketRefused, webSocketUnavailable, notWebSocket, webSocketClosed.
 */
export function upgrade(
  stream: Socket,
  url: string,
  { headers, protocol }: NonNullable<Transport["webSocket"]>,
  events: LinkEvents,
  wordFor: (error: Error) => Error = (error) => error,
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [protocol], {
      createConnection: () => stream,
      headers: { ...headers },
      perMessageDeflate: false,
      followRedirects: false,
      ...LIMITS,
    });
    let failure: Error | undefined;
    // The package forgets what became of its socket. Its own errors, with which it ends the socket,
    // it tells; those have no code, or one of its own.
    stream.on("error", (error) => {
      if (/^(?!WS_ERR_)./.test(codeOf(error))) failure ??= wordFor(error);
    });
    socket.once("open", () =>
      resolve({ link: webSocketLink(socket, events, () => failure), stream }),
    );
    socket.once("unexpected-response", (_, { statusCode = 0, statusMessage }) => {
      reject(refused(statusCode, statusMessage ?? ""));
      socket.terminate();
    });
    // After "open" it is the link's.
    socket.on("error", (error) => reject(failure ?? wordForUpgrade(error)));
    socket.once("close", () => reject(failure ?? wordForUpgrade(new Error("socket hang up"))));
  });
}

/** A link over a WebSocket that is open. `failure` tells what became of the stream below. */
function webSocketLink(
  socket: WebSocket,
  events: LinkEvents,
  failure: () => Error | undefined,
): Link {
  let invalid: Error | undefined;
  let writtenBytes = 0;
  let flushedBytes = 0;
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (invalid !== undefined) return;
    if (isBinary) {
      events.onBytes(data);
      return;
    }
    // [MQTT5-6.0.0-1]
    invalid = new TransportError("webSocketInvalid", "the server sent a text frame");
    socket.close(UNSUPPORTED_DATA);
    socket.terminate();
  });
  socket.on("error", (cause) => {
    const why = `the server broke the rules of WebSocket: ${wordsOf(cause)}`;
    invalid ??= new TransportError("webSocketInvalid", why, { cause });
    // It has sent its close frame, and would now wait for the other.
    socket.terminate();
  });
  socket.once("close", (code, reason) => {
    events.onClosed(invalid ?? failure() ?? closed(code, reason));
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
      socket.send(bytes, { binary: true, compress: false }, (error) => {
        if (error) return;
        flushedBytes = position;
        events.onFlushed(position);
      });
    },
    end() {
      socket.close(NORMAL);
      // Without a reader the peer's own end would never be seen.
      socket.resume();
    },
    destroy: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}

/** Undefined for a code that only says that it has ended, or for none. */
function closed(code: number, reason: Buffer): Error | undefined {
  if ([NORMAL, GOING_AWAY, NO_STATUS, ABNORMAL].includes(code)) return undefined;
  const words = reason.length === 0 ? "" : `: ${reason}`;
  const why = `the server closed the WebSocket with code ${code}${words}`;
  return new TransportError("webSocketClosed", why);
}

function refused(statusCode: number, statusMessage: string): TransportError {
  if (statusCode === SWITCHING) return wordForUpgrade(new Error("its answer names no upgrade"));
  const code = statusCode >= 500 ? "webSocketUnavailable" : "webSocketRefused";
  const status = `${statusCode} ${statusMessage}`.trimEnd();
  return new TransportError(code, `the server refused WebSocket: ${status}`, { statusCode });
}

function wordForUpgrade(error: Error): TransportError {
  const words = wordsOf(error);
  const isClosed = ["ECONNRESET", "EPIPE"].includes(codeOf(error)) || /hang up/.test(words);
  if (isClosed) {
    const why =
      "the server closed the connection during the WebSocket request; it may not speak WebSocket";
    return new TransportError("webSocketClosed", why, { cause: error });
  }
  if (/^Server sent (no|an invalid) subprotocol/.test(words)) {
    const why = "the server speaks WebSocket, but not the subprotocol of MQTT";
    return new TransportError("notWebSocket", why, { cause: error });
  }
  const why = codeOf(error).startsWith("HPE_") ? "its answer is not HTTP" : words;
  return new TransportError("notWebSocket", `what answers does not speak WebSocket: ${why}`, {
    cause: error,
  });
}
