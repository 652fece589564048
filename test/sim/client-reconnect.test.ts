/**
 * The client over a network that delays, breaks and comes back, with a server that keeps the
 * session or loses it.
 *
 * Goal: whatever happens, every promise of `publish` resolves; every QoS 1 and 2 message arrives,
 * and first arrivals are in order; where the server keeps the session, QoS 2 arrives once.
 * Method: the real client, promises and all, a small server, a simulated link between. One seeded
 * generator decides every delay and every cut. Faults stop when all has been published; from there
 * the run must come to rest. Windows, outbox and identifiers are small, so that they fill and wrap.
 *
 * Replay a failure with SEED=n.
 */
import { describe, expect, it } from "vitest";
import { Client, type ClientError } from "../../src/client/client.ts";
import { Prng } from "../../src/core/base/prng.ts";
import { FakeClock, FakeServer } from "../support/client-world.ts";
import { seeds } from "../support/seeds.ts";

const MESSAGES = 200;

describe.each(seeds(10))("a client over a network that breaks, seed %i", (seed) => {
  it.each([
    ["keeps", true],
    ["loses", false],
  ])("delivers everything to a server that %s its session", async (_, keepsSession) => {
    const { prng, clock, server, client } = world(seed, keepsSession);
    const cutChance = prng.fraction() / 10;
    let settled = 0;
    const failures: ClientError[] = [];
    const sent: { payload: string; qos: 1 | 2 }[] = [];
    void client.connect();
    while (sent.length < MESSAGES) {
      if (client.hasRoom && prng.chance(0.4)) {
        const qos = prng.pick([1, 2] as const);
        const payload = `${sent.length}`;
        sent.push({ payload, qos });
        client.publish("a", payload, { qos }).then(
          () => settled++,
          (error: ClientError) => failures.push(error),
        );
      }
      if (server.isConnected && prng.chance(cutChance)) server.cut();
      await clock.step();
    }
    await clock.until("all are settled", () => settled + failures.length === MESSAGES);

    expect(failures).toEqual([]);
    const all = sent.map(({ payload }) => payload);
    expect([...new Set(server.received)]).toHaveLength(MESSAGES);
    for (const qos of [1, 2] as const) {
      const ofQos = new Set(sent.filter((it) => it.qos === qos).map(({ payload }) => payload));
      const arrived = server.received.filter((payload) => ofQos.has(payload));
      expect([...new Set(arrived)], "first arrivals are in order").toEqual(
        all.filter((payload) => ofQos.has(payload)),
      );
      if (qos === 2 && keepsSession) expect(arrived, "once").toHaveLength(ofQos.size);
    }
    expect(client.inflightCount + client.waitingCount).toBe(0);
  });
});

function world(seed: number, keepsSession: boolean) {
  const prng = new Prng(seed);
  const clock = new FakeClock();
  const server = new FakeServer(clock, prng, {
    keepsSession,
    delayMsMax: prng.between(0, 20),
    properties: { receiveMaximum: prng.between(1, 8) },
  });
  const client = new Client(
    {
      clientId: "c",
      dial: server.dial,
      sessionExpiryInterval: 1000,
      outbox: { messagesMax: prng.between(1, 40) },
      reconnect: { initial: true, delayMinMs: 5, delayMaxMs: 50 },
    },
    { clock, chance: () => prng.fraction() },
  );
  return { prng, clock, server, client };
}
