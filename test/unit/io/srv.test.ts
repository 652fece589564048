import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { transportOf } from "../../../src/client/transport.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { lateDial } from "../../../src/io/late-dial.ts";
import { inSrvOrder, lookUp, type SrvRecord } from "../../../src/io/srv.ts";
import { stagesOf } from "../../../src/io/stages.ts";
import { Dialled } from "../../support/dialled.ts";
import { freePort } from "../../support/programs.ts";
import { startTcp } from "../../support/tcp-server.ts";

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
    const it = new Dialled(lateDial(() => stagesOf(transport, { resolveSrv, fraction: () => 0 })));
    expect(await it.closed()).toBeUndefined();
    expect(isCancelled).toBe(true);
  });

  function via(targets: SrvRecord[], asked: string[] = []): Dialled {
    const transport = transportOf({ host: "home.example", srv: true });
    const resolveSrv = async (name: string) => {
      asked.push(name);
      return targets;
    };
    return new Dialled(lateDial(() => stagesOf(transport, { resolveSrv, fraction: () => 0 })));
  }
});
