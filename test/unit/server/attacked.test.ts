/** Handshakes that do not end, and WebSockets that take too much, at listeners on loopback. */
import { readFileSync } from "node:fs";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { hasOpenssl, makeCertificates } from "../../support/certificates.ts";
import { freePort } from "../../support/programs.ts";
import { type Served, serve } from "../../support/served.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectBytes } from "../../support/wire-client.ts";

const TOO_MANY = /^Warning: max_pending_connections reached: with 2 handshakes of TLS or WebSocket/;

describe.skipIf(!hasOpenssl)("Handshakes of TLS", () => {
  it("are bounded, logged once, and do not count once they are through", async () => {
    using made = makeCertificates();
    const port = await freePort();
    const lines = [`certfile ${made.certificate("server")}`, `keyfile ${made.key("server")}`];
    await using broker = await bounded(port, ...lines);
    // More than may be under way, one after the other, and all of them stay.
    for (let i = 0; i < 3; i++) await secured(broker, port, made.ca);
    await expectBounded(broker, port);
    await secured(broker, port, made.ca);
  });
});

describe("Requests for WebSocket", () => {
  it("are bounded, logged once, and do not count once they are through", async () => {
    const port = await freePort();
    await using broker = await bounded(port, "protocol websockets");
    for (let i = 0; i < 3; i++) await webSocket(broker, port);
    await expectBounded(broker, port);
    await webSocket(broker, port);
  });
});

describe("A WebSocket", () => {
  it("whose frame is too large ends, and the log says for what", async () => {
    const port = await freePort();
    await using broker = await bounded(port, "protocol websockets");
    const socket = await webSocket(broker, port);
    socket.send(Buffer.alloc(2_000_001));
    await broker.logged("disconnected: WebSocket frameBytesMax exceeded.");
  });

  it("whose message comes in too many fragments ends, and the log says for what", async () => {
    const port = await freePort();
    await using broker = await bounded(port, "protocol websockets");
    const socket = await webSocket(broker, port);
    for (let i = 0; i < 8_000; i++) socket.send(Buffer.alloc(1), { fin: false });
    await broker.logged("disconnected: WebSocket piecesMax exceeded.");
  });
});

async function bounded(port: number, ...lines: readonly string[]): Promise<Served> {
  const listener = [`listener ${port} 127.0.0.1`, "max_pending_connections 2"];
  return serve("allow_anonymous true", ...listener, ...lines);
}

/** Two that say nothing are left alone, and a third is closed; when they go there is room. */
async function expectBounded(broker: Served, port: number): Promise<void> {
  const silent = [await broker.peer(port), await broker.peer(port)];
  const third = await broker.peer(port);
  await third.closed();
  expect(silent.map(({ isClosed }) => isClosed)).toEqual([false, false]);
  await (await broker.peer(port)).closed();
  const lines = broker.log.split("\n").filter((line) => TOO_MANY.test(line));
  expect(lines).toHaveLength(1);
  for (const peer of silent) peer.destroy();
}

/** A client over TLS that is let in, in the end. */
async function secured(broker: Served, port: number, ca: string): Promise<void> {
  await waitFor("it is let in", () => {
    return new Promise<true | undefined>((resolve) => {
      const socket = connectTls({ port, host: "localhost", ca: readFileSync(ca) }, () => {
        socket.write(connectBytes({ clientId: "" }));
      });
      broker.endsWith(() => socket.destroy());
      socket.once("data", () => resolve(true));
      socket.on("error", () => undefined);
      socket.once("close", () => resolve(undefined));
    });
  });
}

/** A client over WebSocket that is let in, in the end. */
async function webSocket(broker: Served, port: number): Promise<WebSocket> {
  return waitFor("it is let in", () => {
    return new Promise<WebSocket | undefined>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, "mqtt");
      broker.endsWith(() => socket.terminate());
      socket.on("open", () => socket.send(connectBytes({ clientId: "" })));
      socket.on("message", () => resolve(socket));
      socket.on("error", () => resolve(undefined));
    });
  });
}
