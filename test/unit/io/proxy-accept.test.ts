import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Openable, ProxyAcceptor } from "../../../src/io/proxy-accept.ts";
import { listenTcp } from "../../../src/io/tcp-listen.ts";
import { RawClient } from "../../support/raw-client.ts";
import { waitFor } from "../../support/wait-for.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** An acceptor of headers of version 1 behind a port. */
async function accepting(way: "stream" | "in place", headerTimeoutMs: number) {
  const acceptor = new ProxyAcceptor({ version: 1, headerTimeoutMs });
  const told: string[] = [];
  const events = {
    onHeader: (_: unknown, taken: Socket | Openable) => {
      told.push("header");
      closers.push(() => taken.destroy());
    },
    onFailed: (error: Error) => void told.push(error.message),
  };
  const server = await listenTcp(
    { port: 0, address: "127.0.0.1", noDelay: true },
    (raw) =>
      way === "stream" ? acceptor.takeStream(raw, events) : acceptor.takeInPlace(raw, events),
    () => undefined,
  );
  closers.push(() => server.close());
  const { port } = server.address() as { port: number };
  const client = await RawClient.connect(port);
  closers.push(() => client.destroy());
  return { acceptor, told, client };
}

describe.each(["stream", "in place"] as const)("a header that is read %s", (way) => {
  it("has a time limit", async () => {
    const { told, client } = await accepting(way, 100);
    client.send(Buffer.from("PROXY TCP4"));
    await client.closed();
    expect(told).toEqual(["no PROXY header within 0.1 seconds"]);
  });

  it("that is cut off is told of, and nothing at all is not", async () => {
    const cut = await accepting(way, 60_000);
    cut.client.send(Buffer.from("PROXY TCP4"));
    cut.client.end();
    await waitFor("it is told", () => cut.told.length > 0);
    expect(cut.told).toEqual(["corrupt PROXY header (cut off)"]);
    const silent = await accepting(way, 60_000);
    silent.client.end();
    await silent.client.closed();
    expect(silent.told).toEqual([]);
  });

  it("is not waited for any more at the end", async () => {
    const { acceptor, told, client } = await accepting(way, 60_000);
    client.send(Buffer.from("PROXY TCP4"));
    // It is on its way, and so is the connection: the end comes when it does.
    await waitFor("it is closed", () => {
      acceptor.close();
      return client.isClosed;
    });
    expect(told.filter((line) => line === "header")).toEqual([]);
  });
});
