/**
 * A TLS server in front of a broker that speaks none, which can show another certificate from one
 * connection to the next.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import type { CertificateName, Certificates } from "./certificates.ts";
import { startTcp, type TcpServer } from "./tcp-server.ts";

/** How a client spoke TLS. */
export interface Seen {
  readonly protocol: string | null;
  readonly cipher: string;
  /** That was asked for by SNI; false: none. */
  readonly name: string | false | null;
  readonly alpn: string | false | null;
  /** The common name of the certificate that it showed. */
  readonly shown: string | undefined;
}

export interface TlsFront extends TcpServer {
  readonly seen: readonly Seen[];
  /** Words that lead a program here. */
  readonly words: string[];
  /** Ends all connections, and shows another certificate from now on; undefined: hangs up. */
  turnTo(name: CertificateName | undefined): void;
}

/** Shows the certificate `server` until told otherwise. */
export async function startTlsFront(
  brokerPort: number,
  made: Certificates,
  options: TlsOptions = {},
): Promise<TlsFront> {
  const seen: Seen[] = [];
  const serverOf = (name: CertificateName): Server => {
    const cert = readFileSync(made.certificate(name));
    const key = readFileSync(made.key(name));
    const ca = readFileSync(made.ca);
    const server = createServer({ cert, key, ca, ...options }, (socket) => {
      seen.push(seenOf(socket));
      // Whoever goes away takes the other along.
      const onward = connect(brokerPort, "127.0.0.1");
      socket.on("error", () => onward.destroy());
      onward.on("error", () => socket.destroy());
      socket.pipe(onward).pipe(socket);
      socket.on("close", () => onward.destroy());
    });
    server.on("tlsClientError", (_, socket) => socket.destroy());
    return server;
  };
  let shown: Server | undefined = serverOf("server");
  const front = await startTcp((socket: Socket) => {
    if (shown === undefined) socket.destroy();
    else shown.emit("connection", socket);
  });
  return {
    ...front,
    seen,
    words: ["-h", "localhost", "-p", `${front.port}`, "--cafile", made.ca],
    turnTo(name) {
      shown = name === undefined ? undefined : serverOf(name);
      for (const socket of front.sockets) socket.destroy();
    },
  };
}

function seenOf(socket: TLSSocket): Seen {
  // No certificate is an object without anything, or nothing at all.
  const { subject } = socket.getPeerCertificate() ?? {};
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher().name,
    name: (socket as { servername?: string | false }).servername ?? false,
    alpn: socket.alpnProtocol,
    shown: subject?.CN as string | undefined,
  };
}
