import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { dialled, failureOf } from "../../support/dialled.ts";
import { freePort } from "../../support/programs.ts";
import { startTcp } from "../../support/tcp-server.ts";

const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-unix-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Linux's table of TCP sockets, with their timers. */
const SOCKETS = "/proc/net/tcp";

describe("a dial", () => {
  it("connects to a unix socket", async () => {
    const socketPath = join(folder, "server.sock");
    const server = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const it = await dialled({ socketPath }).opened();
    it.link.write(Buffer.from("through a file"));
    await it.receives("through a file");
    it.link.end();
    expect(await it.closed()).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
    expect(await failureOf({ socketPath })).toMatchObject({ code: "ENOENT" });
  });

  it("speaks WebSocket over a unix socket", async () => {
    const socketPath = join(folder, "web.sock");
    const http = createHttp();
    const web = new WebSocketServer({ server: http });
    web.on("connection", (socket, { headers }) => socket.send(Buffer.from(headers.host ?? "")));
    await new Promise<void>((resolve) => http.listen(socketPath, resolve));
    const it = await dialled({ socketPath, webSocket: true }).opened();
    await it.receives("localhost:1883");
    it.link.destroy();
    await it.closed();
    await new Promise((resolve) => http.close(resolve));
  });

  it.each([
    ["an address", "127.0.0.2", "127.0.0.2"],
    ["a name", "localhost", "127.0.0.1"],
  ])("connects from %s", async (_, localAddress, seen) => {
    await using server = await startTcp((socket) => socket.end(socket.remoteAddress ?? ""));
    const it = await dialled({ host: "127.0.0.1", port: server.port, localAddress }).opened();
    await it.receives(seen);
    await it.closed();
  });

  it.skipIf(!existsSync(SOCKETS)).each([
    ["127.0.0.1", {}],
    ["localhost", {}],
    ["127.0.0.1", { localAddress: "127.0.0.2" }],
    ["127.0.0.1", { localAddress: "localhost" }],
  ])("to %s has the system ask whether the server is there, %j", async (host, more) => {
    await using server = await startTcp((socket) => socket.resume());
    const { port } = server;
    const plain = await dialled({ host, port, ...more }).opened();
    expect(keepAliveSeconds(port), "not unless it is told").toEqual([]);
    const it = await dialled({ host, port, ...more, tcpKeepAlive: 30 }).opened();
    const [seconds, ...others] = keepAliveSeconds(port);
    expect(others).toEqual([]);
    expect(seconds).toBeGreaterThan(20);
    expect(seconds).toBeLessThanOrEqual(31);
    plain.link.destroy();
    it.link.destroy();
  });

  it.each([
    ["an address that is not here", { localAddress: "192.0.2.1" }, "EADDRNOTAVAIL"],
    ["a name that is nowhere", { localAddress: "nowhere.invalid" }, "ENOTFOUND"],
    ["a host that is nowhere", { host: "nowhere.invalid" }, "ENOTFOUND"],
  ])("fails with the system's words for %s", async (_, options, code) => {
    const port = await freePort();
    expect(await failureOf({ host: "127.0.0.1", port, ...options })).toMatchObject({ code });
  });

  it("has words of one address where several were tried", async () => {
    const failure = await failureOf({ host: "localhost", port: await freePort() });
    expect(failure).toMatchObject({ code: "ECONNREFUSED" });
    expect(failure?.message).toMatch(/^connect ECONNREFUSED /);
  });
});

/** Of sockets connected to the port that ask now and then whether the peer is there: when next. */
function keepAliveSeconds(port: number): number[] {
  const remote = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync(SOCKETS, "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , address]) => address?.endsWith(`:${remote}`))
    .map(([, , , , , timer = ""]) => timer.split(":"))
    .filter(([kind]) => kind === "02")
    .map(([, ticks = ""]) => Number.parseInt(ticks, 16) / 100);
}
