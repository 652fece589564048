/** WebSocket servers for tests whose answer to the request, and all behind it, a test decides. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { listening, type TcpServer } from "./tcp-server.ts";

/** RFC 6455 §1.3. */
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Hands each request's socket to `act`, with the answer that would be right. */
export function accepting(act: (socket: Duplex, answer: string) => void): Promise<TcpServer> {
  const http = createServer();
  http.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    const asked = `${request.headers["sec-websocket-key"]}${MAGIC}`;
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${createHash("sha1").update(asked).digest("base64")}`,
      "Sec-WebSocket-Protocol: mqtt",
      "",
      "",
    ];
    act(socket, lines.join("\r\n"));
  });
  return listening(http);
}
