/** A TCP server for tests, that does with each connection what it is told, and goes at the end. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface TcpServer {
  readonly port: number;
  /** Connections that came, those that have gone included. */
  readonly sockets: readonly Socket[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export function startTcp(onSocket: (socket: Socket) => void): Promise<TcpServer> {
  return listening(createServer(onSocket));
}

/** Has `server`, which may be one of TLS or HTTP, listen on a free port of 127.0.0.1. */
export async function listening(server: Server): Promise<TcpServer> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    // What clients do to it is their test's business.
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
