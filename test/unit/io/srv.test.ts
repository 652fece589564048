import { readFileSync } from "node:fs";
import { createServer } from "node:tls";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TransportOptions, transportOf } from "../../../src/client/transport.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { lateDial } from "../../../src/io/late-dial.ts";
import { inSrvOrder, lookUp, type SrvRecord } from "../../../src/io/srv.ts";
import { stagesOf } from "../../../src/io/stages.ts";
import { hasOpenssl, makeCertificates } from "../../support/certificates.ts";
import { Dialled } from "../../support/dialled.ts";
import { hex } from "../../support/hex.ts";
import { freePort } from "../../support/programs.ts";
import { startSocks } from "../../support/socks-server.ts";
import { listening, startTcp } from "../../support/tcp-server.ts";
import { waitFor } from "../../support/wait-for.ts";

/** Handshake failure, fatal. */
const ALERT = hex`15 0303 0002 02 28`;

const record = (name: string, priority = 0, weight = 0, port = 1): SrvRecord => ({
  name,
  priority,
  weight,
  port,
});
const names = (records: SrvRecord[], fraction: () => number) =>
  inSrvOrder(records, fraction).map(({ host }) => host);

describe("the order of SRV records", () => {
  it("is by priority, lower first", () => {
    const records = [record("c", 30), record("a", 10), record("b", 20)];
    expect(names(records, () => 0.99)).toEqual(["a", "b", "c"]);
  });

  it("among equals follows their weights", () => {
    const prng = new Prng(7);
    const firsts = { heavy: 0, light: 0, none: 0 };
    const records = [record("light", 0, 10), record("none"), record("heavy", 0, 90)];
    for (let i = 0; i < 10_000; i++) {
      firsts[names(records, () => prng.fraction())[0] as keyof typeof firsts] += 1;
    }
    expect(firsts.heavy).toBeGreaterThan(8_700);
    expect(firsts.light).toBeGreaterThan(800);
    expect(firsts.none).toBe(0);
  });

  it("has each record once, whatever they are and chance says", () => {
    const some = fc.array(fc.tuple(fc.nat(3), fc.nat(65_535)), { maxLength: 8 });
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(some, chance, (rows, fraction) => {
        const records = rows.map(([priority, weight], i) => record(`${i}`, priority, weight));
        const order = names(records, () => fraction);
        expect([...order].sort()).toEqual(records.map(({ name }) => name).sort());
        const priorities = order.map((name) => records[Number(name)]!.priority);
        expect(priorities).toEqual([...priorities].sort());
      }),
    );
  });
});

describe("an SRV look-up", () => {
  const failing = (code: string) => () =>
    Promise.reject(Object.assign(new Error(`querySrv ${code}`), { code }));

  it.each([
    ["no such name", failing("ENOTFOUND"), /there is no such service/],
    ["no such records", failing("ENODATA"), /there is no such service/],
    ["no name server", failing("ECONNREFUSED"), /failed: querySrv ECONNREFUSED/],
    ["a target that says so", async () => [record("")], /no such service/],
    ["no answer but an empty one", async () => [], /no such service/],
  ])("fails with lookupFailed for %s", async (_, resolve, words) => {
    const failure = lookUp("_mqtt._tcp.here", resolve, () => undefined);
    await expect(failure).rejects.toMatchObject({ code: "lookupFailed", isFinal: false });
    await expect(failure).rejects.toThrow(words);
  });
});

describe("a connection by SRV records", () => {
  it("falls through to the target that answers, and asks for the right name", async () => {
    await using server = await startTcp((socket) => socket.end("hello"));
    const asked: string[] = [];
    const targets = [
      record("127.0.0.1", 0, 0, await freePort()),
      record("127.0.0.1", 1, 0, server.port),
    ];
    const it = await via(targets, asked).opened();
    await it.receives("hello");
    expect(asked).toEqual(["_mqtt._tcp.home.example"]);
    expect(it.waitedFor).toEqual(["answer to the SRV look-up", "connection", "connection"]);
    expect(await it.closed()).toBeUndefined();
  });

  it("gives each target but the last a share of the time only", async () => {
    await using silent = await startTcp((socket) => socket.resume());
    await using server = await startTcp((socket) => socket.once("data", () => socket.end(ALERT)));
    const targets = [
      record("127.0.0.1", 0, 0, silent.port),
      record("127.0.0.1", 1, 0, server.port),
    ];
    const options = { tls: true };
    const it = via(targets, [], options, 30);
    // Of the two it is the one that may pass.
    expect(await it.closed()).toMatchObject({
      code: "noAnswer",
      message: `no answer from 127.0.0.1:${silent.port}`,
      isFinal: false,
    });
    expect(server.sockets).toHaveLength(1);
    await waitFor("the first is given up", () => silent.sockets[0]?.destroyed);
    expect(it.waitedFor.filter((what) => what === "TLS handshake")).toHaveLength(2);
  });

  it("has the proxy find the target", async () => {
    await using server = await startTcp((socket) => socket.end("hello"));
    await using proxy = await startSocks();
    const options = { proxy: `socks5h://127.0.0.1:${proxy.port}` };
    const it = await via([record("target.example", 0, 0, server.port)], [], options).opened();
    await it.receives("hello");
    expect(proxy.asked).toEqual([`target.example:${server.port}`]);
    await it.closed();
  });

  // RFC 6125 §6.2.1: a client must not derive the name to check from an insecure source such as
  // an unsigned answer of the DNS; the name is the one that the user gave.
  it.skipIf(!hasOpenssl)("checks certificates for the name that was asked, not found", async () => {
    using made = makeCertificates();
    const names: unknown[] = [];
    const files = (name: "server" | "elsewhere") => ({
      cert: readFileSync(made.certificate(name)),
      key: readFileSync(made.key(name)),
    });
    await using local = await listening(createServer(files("server")));
    await using other = await listening(
      createServer(files("elsewhere"), (socket) => names.push(socket.servername)),
    );
    const options = { host: "other.example", tls: { caFile: made.ca } };
    const asked: string[] = [];
    const wrong = via([record("127.0.0.1", 0, 0, local.port)], asked, options);
    expect(await wrong.closed()).toMatchObject({
      code: "certificateHostMismatch",
      message: "the server's certificate is not for other.example",
    });
    const right = await via([record("127.0.0.1", 0, 0, other.port)], asked, options).opened();
    await waitFor("it is seen", () => names.length > 0);
    expect(names).toEqual(["other.example"]);
    expect(asked).toEqual(Array(2).fill("_secure-mqtt._tcp.other.example"));
    right.link.destroy();
  });

  it("fails with the error of one when all are down", async () => {
    const targets = [record("127.0.0.1", 0, 0, await freePort()), record("nowhere.invalid", 1)];
    expect(await via(targets).closed()).toMatchObject({ code: "ECONNREFUSED" });
  });

  it("is given up while it looks up", async () => {
    let isCancelled = false;
    const transport = transportOf({ host: "home.example", srv: true });
    const resolveSrv = (_: string, onAsked: (cancel: () => void) => void) =>
      new Promise<never>((_resolve, reject) => {
        onAsked(() => {
          isCancelled = true;
          reject(new Error("cancelled"));
        });
        queueMicrotask(() => it.link.destroy());
      });
    const world = { resolveSrv, fraction: () => 0, shareMs: 20_000 };
    const it = new Dialled(lateDial(() => stagesOf(transport, world)));
    expect(await it.closed()).toBeUndefined();
    expect(isCancelled).toBe(true);
  });

  function via(
    targets: SrvRecord[],
    asked: string[] = [],
    options: TransportOptions = {},
    shareMs = 20_000,
  ): Dialled {
    const transport = transportOf({ host: "home.example", srv: true, ...options });
    const resolveSrv = async (name: string) => {
      asked.push(name);
      return targets;
    };
    const world = { resolveSrv, fraction: () => 0, shareMs };
    return new Dialled(lateDial(() => stagesOf(transport, world)));
  }
});
