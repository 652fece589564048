/** A SOCKS5 proxy for tests (RFC 1928, RFC 1929). Names go to 127.0.0.1, whatever they are. */
import { connect, type Socket } from "node:net";
import { startTcp, type TcpServer } from "./tcp-server.ts";

export interface SocksOptions {
  /** Asks for it; without, anybody may come. */
  readonly logIn?: { readonly username: string; readonly password: string };
  /** The answer to every request: 0 connects, others refuse (RFC 1928 §6). */
  readonly answer?: number;
}

export interface SocksServer extends TcpServer {
  /** What was asked for: "broker.example:1883". */
  readonly asked: string[];
}

const NO_LOG_IN = 0;
const PASSWORD = 2;
const NONE_FITS = 0xff;

export async function startSocks({ logIn, answer = 0 }: SocksOptions = {}): Promise<SocksServer> {
  const asked: string[] = [];
  const server = await startTcp((socket) => {
    serve(socket).catch(() => socket.destroy());
  });

  async function serve(socket: Socket): Promise<void> {
    const read = reader(socket);
    const [, methodCount] = await read(2);
    const methods = await read(methodCount!);
    const wanted = logIn === undefined ? NO_LOG_IN : PASSWORD;
    if (!methods.includes(wanted)) {
      socket.end(Buffer.of(5, NONE_FITS));
      return;
    }
    socket.write(Buffer.of(5, wanted));
    if (logIn !== undefined) {
      const username = await read((await read(2))[1]!);
      const password = await read((await read(1))[0]!);
      const isRight = `${username}` === logIn.username && `${password}` === logIn.password;
      socket.write(Buffer.of(1, isRight ? 0 : 1));
      if (!isRight) return;
    }
    const [, , , kind] = await read(4);
    const length = kind === 3 ? (await read(1))[0]! : kind === 1 ? 4 : 16;
    const address = await read(length);
    const port = (await read(2)).readUInt16BE();
    asked.push(`${kind === 3 ? address : address.toString("hex")}:${port}`);
    if (answer !== 0) {
      socket.end(Buffer.of(5, answer, 0, 1, 0, 0, 0, 0, 0, 0));
      return;
    }
    const onward = connect(port, "127.0.0.1");
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    onward.on("connect", () => {
      socket.write(Buffer.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 1));
      socket.pipe(onward).pipe(socket);
    });
  }

  return { ...server, asked };
}

/** Reads exactly so many bytes, which are there or come. */
function reader(socket: Socket): (count: number) => Promise<Buffer> {
  return async (count) => {
    for (;;) {
      const bytes: Buffer | null = count === 0 ? Buffer.alloc(0) : socket.read(count);
      if (bytes !== null) return bytes;
      if (socket.destroyed || socket.readableEnded) throw new Error("ended");
      await new Promise((resolve) => {
        socket.once("readable", resolve);
        socket.once("close", resolve);
      });
    }
  };
}
