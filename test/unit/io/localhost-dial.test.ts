/** localhost is this machine, by its IPv4 address first (RFC 6761 §6.3). */
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { dialled, failureOf } from "../../support/dialled.ts";
import { freePort } from "../../support/programs.ts";
import { startTcp } from "../../support/tcp-server.ts";

/** A server that only listens on IPv6, if the machine has it. */
async function startV6() {
  const server = createServer((socket) => socket.end(`you came from ${socket.remoteAddress}`));
  const isThere = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: "::1", port: 0, ipv6Only: true }, () => resolve(true));
  });
  return { server, port: isThere ? (server.address() as AddressInfo).port : 0 };
}

describe("a dial to localhost", () => {
  it.each(["localhost", "LocalHost"])("reaches 127.0.0.1 as %s", async (host) => {
    await using server = await startTcp((socket) => socket.end(`from ${socket.remoteAddress}`));
    const it = await dialled({ host, port: server.port }).opened();
    await it.receives("from 127.0.0.1");
    it.link.write(Buffer.from("bytes"));
    expect(it.link.writtenBytes).toBe(5);
    expect(await it.closed()).toBeUndefined();
  });

  it("reaches ::1 where nobody listens at 127.0.0.1", async () => {
    const { server, port } = await startV6();
    if (port > 0) {
      const it = await dialled({ host: "localhost", port }).opened();
      await it.receives("you came from ::1");
      await it.closed();
    }
    expect(server.listening).toBe(port > 0);
    server.close();
  });

  it("fails with the words of the first address", async () => {
    const port = await freePort();
    const failure = await failureOf({ host: "localhost", port });
    expect(failure).toMatchObject({ code: "ECONNREFUSED" });
    expect(failure?.message).toBe(`connect ECONNREFUSED 127.0.0.1:${port}`);
  });

  it("does not try again when it is given up", async () => {
    const it = dialled({ host: "localhost", port: await freePort() });
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
  });
});
