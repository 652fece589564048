import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { dialled, failureOf } from "../../support/dialled.ts";
import { listening, startTcp, type TcpServer } from "../../support/tcp-server.ts";
import { waitFor } from "../../support/wait-for.ts";
import { accepting } from "../../support/web-socket-answers.ts";

const host = "127.0.0.1";

describe("a connection over WebSocket", () => {
  it.each([
    [3, "mqttv3.1"],
    [4, "mqtt"],
    [5, "mqtt"],
  ] as const)("[MQTT5-6.0.0-3] [MQTT-6.0.0-3] version %i asks for %s", async (version, name) => {
    await using server = await serve();
    const it = dialled({ host, port: server.port, webSocket: true }, version);
    await it.opened();
    expect(server.requests[0]).toMatchObject({ url: "/mqtt" });
    expect(server.requests[0]?.headers).toMatchObject({
      host: `127.0.0.1:${server.port}`,
      "sec-websocket-protocol": name,
    });
    expect(server.requests[0]?.headers).not.toHaveProperty("sec-websocket-extensions");
    expect(it.waitedFor).toEqual(["connection", "WebSocket upgrade"]);
    it.link.end();
    expect(await it.closed()).toBeUndefined();
  });

  it("asks for an IPv6 address in brackets, without its zone", async () => {
    const requests: IncomingMessage[] = [];
    const http = createServer((request, response) => {
      requests.push(request);
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => http.listen(0, "::1", resolve));
    const { port } = http.address() as AddressInfo;
    const isLoopback = (name: string) =>
      networkInterfaces()[name]?.some(({ internal }) => internal);
    const zone = Object.keys(networkInterfaces()).find(isLoopback);
    for (const address of ["::1", `::1%${zone}`]) {
      const failure = await failureOf({ host: address, port, webSocket: true });
      expect(failure).toMatchObject({ code: "webSocketRefused" });
    }
    const host = `[::1]:${port}`;
    expect(requests).toMatchObject([{ headers: { host } }, { headers: { host } }]);
    await new Promise((resolve) => http.close(resolve));
  });

  it("asks for the path and with the headers it is told", async () => {
    await using server = await serve();
    const webSocket = { path: "/a/b?c=d", headers: { Authorization: "Bearer x", "X-A": "é" } };
    const it = await dialled({ host, port: server.port, webSocket }).opened();
    expect(server.requests[0]).toMatchObject({ url: "/a/b?c=d" });
    expect(server.requests[0]?.headers).toMatchObject({ authorization: "Bearer x", "x-a": "é" });
    it.link.destroy();
  });

  it("[MQTT5-6.0.0-2] [MQTT-6.0.0-2] carries bytes both ways in binary frames", async () => {
    const frames: boolean[] = [];
    await using server = await serve((socket) => {
      socket.on("message", (data, isBinary) => {
        frames.push(isBinary);
        socket.send(data as Buffer);
      });
    });
    const it = await dialled({ host, port: server.port, webSocket: true }).opened();
    const parts = [Buffer.from("begin "), Buffer.alloc(1_000_000, "m"), Buffer.from(" end")];
    const before = parts.map((part) => Buffer.from(part));
    for (const part of parts) it.link.write(part);
    expect(it.link.pendingBytes).toBe(1_000_010);
    await it.receives(" end");
    expect(it.received).toBe(Buffer.concat(before).toString());
    expect(parts).toEqual(before);
    expect(frames).toEqual([true, true, true]);
    await waitFor("all is flushed", () => it.flushed === 1_000_010);
    expect(it.link.pendingBytes).toBe(0);
    it.link.end();
    expect(await it.closed()).toBeUndefined();
  });

  it("joins fragments, answers pings and takes pongs", async () => {
    const pongs: string[] = [];
    await using server = await serve((socket) => {
      socket.on("pong", (data) => pongs.push(`${data}`));
      socket.send("ab", { binary: true, fin: false });
      socket.ping("?");
      socket.send("", { binary: true, fin: false });
      socket.pong("unasked");
      socket.send("cd", { binary: true, fin: true });
    });
    const it = await dialled({ host, port: server.port, webSocket: true }).opened();
    await it.receives("abcd");
    await waitFor("the ping is answered", () => pongs.includes("?"));
    it.link.destroy();
  });

  it("holds the server back while it is paused", async () => {
    let peer: WebSocket | undefined;
    await using server = await serve((socket) => {
      peer = socket;
    });
    const it = await dialled({ host, port: server.port, webSocket: true }).opened();
    it.link.pause();
    for (let i = 0; i < 32; i++) peer?.send(Buffer.alloc(1024 * 1024, "x"));
    await waitFor("it fills", () => (peer?.bufferedAmount ?? 0) > 1024 * 1024);
    expect(it.chunks.length).toBeLessThan(8);
    it.link.resume();
    await waitFor("all comes", () => it.chunks.length === 32);
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
  });

  it("[MQTT5-6.0.0-1] [MQTT-6.0.0-1] ends on a text frame", async () => {
    const codes: number[] = [];
    await using server = await serve((socket) => {
      socket.on("close", (code) => codes.push(code));
      socket.send("words", { binary: false });
    });
    const it = await dialled({ host, port: server.port, webSocket: true }).opened();
    const message = "the server sent a text frame";
    expect(await it.closed()).toMatchObject({ code: "webSocketInvalid", message });
    expect(it.received).toBe("");
    await waitFor("the server sees it", () => codes.length > 0);
    expect(codes).toEqual([1003]);
  });

  it.each([
    ["a reserved bit", Buffer.of(0xf2, 1, 0x61)],
    ["a masked frame", Buffer.of(0x82, 0x81, 0, 0, 0, 0, 0x61)],
    ["an unknown kind of frame", Buffer.of(0x83, 0)],
    ["a length beyond every packet", Buffer.of(0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0)],
    ["a continuation of nothing", Buffer.of(0x80, 0)],
  ])("ends on %s", async (_, frame) => {
    await using server = await accepting((socket, accept) => socket.write(bytesOf(accept, frame)));
    const it = dialled({ host, port: server.port, webSocket: true });
    expect(await it.closed()).toMatchObject({ code: "webSocketInvalid" });
  });

  it.each([
    [1000, "", undefined],
    [1001, "going", undefined],
    [1008, "not you", "the server closed the WebSocket with code 1008: not you"],
    [4000, "", "the server closed the WebSocket with code 4000"],
  ])("is closed by the server with code %i", async (code, reason, message) => {
    await using server = await serve((socket) => socket.close(code, reason));
    const it = dialled({ host, port: server.port, webSocket: true });
    const error = await it.closed();
    expect(error?.message).toBe(message);
    if (message !== undefined) expect(error).toMatchObject({ code: "webSocketClosed" });
  });

  it("simply ends when the connection does", async () => {
    await using server = await serve((socket) => socket.terminate());
    const it = dialled({ host, port: server.port, webSocket: true });
    expect(await it.closed()).toBeUndefined();
    expect(it.told).toEqual(["open", "closed"]);
  });

  it.each([
    [301, "webSocketRefused", true],
    [401, "webSocketRefused", true],
    [403, "webSocketRefused", true],
    [404, "webSocketRefused", true],
    [500, "webSocketUnavailable", false],
    [503, "webSocketUnavailable", false],
  ])("is refused with status %i", async (statusCode, code, isFinal) => {
    await using server = await listening(
      createServer((_, response) => response.writeHead(statusCode, { Location: "/x" }).end("no")),
    );
    const failure = await failureOf({ host, port: server.port, webSocket: true });
    expect(failure).toMatchObject({ code, statusCode, isFinal });
    expect(failure?.message).toMatch(`the server refused WebSocket: ${statusCode} `);
    await waitFor("the socket is gone", () => server.sockets[0]?.destroyed);
  });

  it.each([
    ["no subprotocol", "", "notWebSocket", /not the subprotocol of MQTT/],
    [
      "another subprotocol",
      "Sec-WebSocket-Protocol: soap\r\n",
      "notWebSocket",
      /not the subprotocol/,
    ],
    [
      "an extension",
      "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Extensions: x\r\n",
      "notWebSocket",
      /no extension/,
    ],
  ])("fails on an answer with %s", async (_, headers, code, message) => {
    await using server = await accepting((socket, accept) =>
      socket.end(accept.replace("Sec-WebSocket-Protocol: mqtt\r\n", headers)),
    );
    const failure = await failureOf({ host, port: server.port, webSocket: true });
    expect(failure).toMatchObject({ code, isFinal: true });
    expect(failure?.message).toMatch(message);
  });

  it.each([
    ["a wrong key", (accept: string) => accept.replace(/Accept: ./, "Accept: _"), "notWebSocket"],
    [
      "an upgrade to something else",
      (accept: string) => accept.replace("websocket", "h2c"),
      "notWebSocket",
    ],
    [
      "no upgrade",
      (accept: string) => accept.replace("Connection: Upgrade\r\n", ""),
      "notWebSocket",
    ],
    ["what is not HTTP", () => "\x20\x02\x00\x00", "notWebSocket"],
    ["nothing", () => "", "webSocketClosed"],
    ["half an answer", (accept: string) => accept.slice(0, 40), "webSocketClosed"],
  ])("fails on an answer with %s", async (_, change, code) => {
    await using server = await accepting((socket, accept) => socket.end(change(accept)));
    expect(await failureOf({ host, port: server.port, webSocket: true })).toMatchObject({ code });
  });

  it("is given up while the request is not answered", async () => {
    await using silent = await startTcp((socket) => socket.resume());
    const it = dialled({ host, port: silent.port, webSocket: true });
    await waitFor("it is asked", () => it.waitedFor.includes("WebSocket upgrade"));
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
    await waitFor("the socket is gone", () => silent.sockets[0]?.destroyed);
  });
});

interface Serving extends TcpServer {
  readonly requests: readonly IncomingMessage[];
}

/** A WebSocket server, for any subprotocol of MQTT. */
async function serve(onSocket: (socket: WebSocket) => void = () => {}): Promise<Serving> {
  const requests: IncomingMessage[] = [];
  const http: Server = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket, request) => {
    requests.push(request);
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  return { ...(await listening(http)), requests };
}

function bytesOf(text: string, more: Buffer): Buffer {
  return Buffer.concat([Buffer.from(text), more]);
}
