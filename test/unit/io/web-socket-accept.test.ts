/** MQTT over WebSocket on the broker's side (MQTT 5.0 §6), against the package `ws` as a client. */
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type LinkSocket, listenTcp } from "../../../src/io/tcp-listen.ts";
import { type AcceptedWebSocket, WebSocketAcceptor } from "../../../src/io/web-socket-accept.ts";
import { waitFor } from "../../support/wait-for.ts";

const LIMITS = {
  headerBytesMax: 4096,
  requestTimeoutMs: 30_000,
  frameBytesMax: 1_000_000,
  piecesMax: 1_024,
  pongBacklogMax: 65_536,
};
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A server, and what came in. */
async function serving(
  limits: Partial<typeof LIMITS> = {},
  isOrigin: (origin: string | undefined) => boolean = () => true,
) {
  const accepted: {
    socket: LinkSocket;
    chunks: Buffer[];
    accepted: AcceptedWebSocket;
    closed: boolean;
    why: string | undefined;
  }[] = [];
  const acceptor = new WebSocketAcceptor({ ...LIMITS, ...limits }, isOrigin, (one) => {
    const chunks: Buffer[] = [];
    const socket = one.open({ onChunk: (chunk) => void chunks.push(chunk) });
    const why: string | undefined = undefined;
    const entry = { socket, chunks, accepted: one, closed: false, why: why as string | undefined };
    socket.on("error", (error) => {
      entry.why = error?.message;
    });
    socket.on("close", () => {
      entry.closed = true;
    });
    socket.resume();
    accepted.push(entry);
  });
  const server = await listenTcp(
    { port: 0, address: "127.0.0.1", noDelay: true },
    (raw) => acceptor.take(raw),
    () => undefined,
  );
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("TCP has ports");
  closers.push(() => {
    for (const one of accepted) one.accepted.destroy();
    acceptor.close();
    server.close();
  });
  const first = () => waitFor("one comes in", () => accepted[0]);
  return { port: address.port, accepted, first };
}

interface Client {
  readonly socket: WebSocket;
  readonly frames: { data: Buffer; isBinary: boolean }[];
  closed: number | undefined;
  refused: number | undefined;
}

function client(port: number, protocols: string[] = ["mqtt"], options: object = {}): Client {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/any/path`, protocols, options);
  const one: Client = { socket, frames: [], closed: undefined, refused: undefined };
  socket.on("message", (data: Buffer, isBinary) => one.frames.push({ data, isBinary }));
  socket.on("unexpected-response", (request, { statusCode }) => {
    one.refused = statusCode;
    request.destroy();
  });
  socket.on("error", () => undefined);
  socket.on("close", (code) => {
    one.closed = code;
  });
  closers.push(() => socket.terminate());
  return one;
}

async function opened(port: number, protocols?: string[], options?: object): Promise<Client> {
  const one = client(port, protocols, options);
  await waitFor("it is open", () => one.socket.readyState === WebSocket.OPEN);
  return one;
}

describe("a WebSocket that comes in", () => {
  it.each([
    [["mqtt"], "mqtt"],
    [["mqttv3.1"], "mqttv3.1"],
    [["mqttv3.1", "mqtt"], "mqtt"],
    [["chat", "mqtt"], "mqtt"],
  ])("[MQTT5-6.0.0-4] [MQTT-6.0.0-4] that offers %j speaks %s", async (offered, chosen) => {
    const { port } = await serving();
    expect((await opened(port, offered)).socket.protocol).toBe(chosen);
  });

  it.each([[[]], [["chat"]]])("that offers %j is refused", async (offered) => {
    const { port, accepted } = await serving();
    const one = client(port, offered);
    expect(await waitFor("it is refused", () => one.refused)).toBe(400);
    expect(accepted).toEqual([]);
  });

  it("carries bytes both ways, however they are cut into frames", async () => {
    const { port, first } = await serving();
    const one = await opened(port);
    const { socket, chunks } = await first();
    one.socket.send(Buffer.from("he"));
    one.socket.send(Buffer.from("l"), { fin: false });
    one.socket.send(Buffer.from("lo"), { fin: true });
    await waitFor("all comes", () => `${Buffer.concat(chunks)}` === "hello");
    socket.write(Buffer.from("one"));
    socket.write(Buffer.from("two"));
    await waitFor("both come", () => one.frames.length === 2);
    expect(one.frames).toEqual([
      { data: Buffer.from("one"), isBinary: true },
      { data: Buffer.from("two"), isBinary: true },
    ]);
  });

  it("tells when all that was written is taken, without a frame for the question", async () => {
    const { port, first } = await serving();
    const one = await opened(port);
    const { socket } = await first();
    let taken = 0;
    socket.write(Buffer.alloc(500_000, "x"));
    socket.write(Buffer.alloc(0), () => void taken++);
    await waitFor("it is taken", () => taken === 1);
    await waitFor("it is there", () => one.frames.length === 1);
    expect([one.frames.length, socket.writableLength]).toEqual([1, 0]);
  });

  it("[MQTT5-6.0.0-1] ends on a text frame", async () => {
    const { port, first } = await serving();
    const one = await opened(port);
    const entry = await first();
    one.socket.send("words");
    await waitFor("it is gone", () => entry.closed);
    expect(entry.chunks).toEqual([]);
  });

  it("ends on a frame beyond the limit, in one piece or in fragments", async () => {
    const { port, accepted } = await serving({ frameBytesMax: 1_000 });
    const whole = await opened(port);
    whole.socket.send(Buffer.alloc(1_001));
    const parts = await opened(port);
    for (let i = 0; i < 11; i++) parts.socket.send(Buffer.alloc(100), { fin: false });
    await waitFor(
      "both are gone",
      () => accepted.length === 2 && accepted.every((it) => it.closed),
    );
    expect(accepted.flatMap(({ chunks }) => chunks)).toEqual([]);
    const words = "WebSocket frameBytesMax exceeded";
    expect(accepted.map(({ why }) => why)).toEqual([words, words]);
  });

  it("takes as many fragments as the limit says, empty or not, and no more", async () => {
    const { port, accepted } = await serving({ piecesMax: 10 });
    const send = async (count: number, size: number) => {
      const one = await opened(port);
      const entry = await waitFor("it is in", () => accepted.at(-1));
      for (let i = 1; i < count; i++) one.socket.send(Buffer.alloc(size), { fin: false });
      one.socket.send(Buffer.alloc(size), { fin: true });
      await waitFor("it is judged", () => entry.closed || entry.chunks.length === 1);
      return entry;
    };
    expect((await send(10, 1)).chunks).toEqual([Buffer.alloc(10)]);
    expect((await send(10, 0)).chunks).toEqual([Buffer.alloc(0)]);
    for (const size of [0, 1]) {
      const { closed, why } = await send(11, size);
      expect({ closed, why }).toEqual({ closed: true, why: "WebSocket piecesMax exceeded" });
    }
  });

  it("answers pings, and keeps no answers for who does not read them", async () => {
    const { port, first } = await serving({ pongBacklogMax: 1_000 });
    const one = await opened(port);
    const pongs: string[] = [];
    one.socket.on("pong", (data) => pongs.push(String(data)));
    one.socket.ping("still there?");
    await waitFor("it is", () => pongs.length === 1);
    expect(pongs).toEqual(["still there?"]);
    const { socket, chunks } = await first();
    one.socket.pause();
    // More than the network holds by itself.
    while (socket.writableLength === 0) {
      socket.write(Buffer.alloc(1_000_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = socket.writableLength;
    for (let i = 0; i < 1_000; i++) one.socket.ping("more");
    one.socket.send("behind them", { binary: true });
    await waitFor("they are read", () => chunks.length === 1);
    expect(socket.writableLength).toBeLessThanOrEqual(before);
  });

  it("is let in from the origins that may", async () => {
    const { port } = await serving({}, (origin) => origin === "https://good.example");
    await opened(port, ["mqtt"], { origin: "https://good.example" });
    for (const options of [{ origin: "https://bad.example" }, {}]) {
      const one = client(port, ["mqtt"], options);
      expect(await waitFor("it is refused", () => one.refused)).toBe(403);
    }
  });

  it("ends with a close frame when it is ended, and tells so once", async () => {
    const { port, first } = await serving();
    const one = await opened(port);
    const entry = await first();
    entry.socket.end();
    await waitFor("both sides know", () => entry.closed && one.closed !== undefined);
    expect([one.closed, entry.socket.writableEnded, entry.socket.destroyed]).toEqual([
      1000,
      true,
      true,
    ]);
  });
});

describe("what is no WebSocket", () => {
  async function answerTo(port: number, request: string): Promise<string> {
    const socket = connect(port, "127.0.0.1");
    closers.push(() => socket.destroy());
    let answer = "";
    let hasEnded = false;
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("close", () => {
      hasEnded = true;
    });
    socket.on("error", () => undefined);
    socket.write(request);
    await waitFor("it is answered and closed", () => hasEnded);
    return answer.split("\r\n")[0]!;
  }

  it("is told so", async () => {
    const { port } = await serving();
    const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    expect(await answerTo(port, get)).toBe("HTTP/1.1 426 Upgrade Required");
    expect(await answerTo(port, "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02aa")).toBe(
      "HTTP/1.1 400 Bad Request",
    );
  });

  it("is refused with a header beyond the limit", async () => {
    const { port } = await serving();
    const request = `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(5_000)}\r\n\r\n`;
    expect(await answerTo(port, request)).toBe("HTTP/1.1 431 Request Header Fields Too Large");
  });

  it("is closed when its request does not end", async () => {
    const { port } = await serving({ requestTimeoutMs: 200 });
    expect(await answerTo(port, "GET / HTTP/1.1\r\nHost")).toMatch(/^(HTTP\/1.1 408|$)/);
  });
});
