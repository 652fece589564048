/** memory_limit with the memory of a real process: a flood fills it, and it recovers. */
import { describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import { startBroker } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";

const LIMIT = 64 * MIB;

describe.skipIf(!tellsProcesses)("A broker short of memory", () => {
  it("queues no more, serves who is there, and takes more when it can", async () => {
    const conf = [`memory_limit ${LIMIT}`, "max_queued_messages 0"];
    await using broker = await startBroker({ conf });
    const { port, program } = broker;
    const session = { host: "127.0.0.1", port, clientId: "away", cleanStart: false };
    const away = await connect({ ...session, sessionExpiryInterval: 1_000, reconnect: false });
    await away.subscribe("q", { qos: 1 });
    await away.disconnect();
    await using flood = await connect({ host: "127.0.0.1", port, reconnect: false });
    await using reader = await connect({ host: "127.0.0.1", port, reconnect: false });
    const live = reader.messages();
    await reader.subscribe("live", { qos: 1 });
    // Twice as much as there may be.
    const payload = Buffer.alloc(20_000);
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++) {
        flood.publishNow("q", payload, { qos: 1 });
        if (!flood.hasRoom) await flood.room();
      }
      await flood.settled();
    };
    await publish((2 * LIMIT) / payload.length);
    await program.untilError(/^.*Warning: memory_limit reached: /m);
    for (const qos of [0, 1] as const) {
      await flood.publish("live", `at ${qos}`, { qos });
      expect(`${(await live.next()).value?.payload}`).toBe(`at ${qos}`);
    }
    // What was garbage may be gone by now, and there may be a little room again.
    await waitFor("a newcomer is refused", async () => {
      await publish(50);
      const newcomer = connect({ host: "127.0.0.1", port, reconnect: false });
      const client = await newcomer.catch((error: unknown) => `${error}`);
      if (typeof client === "string") return /Quota exceeded/i.test(client);
      await client.disconnect();
      return false;
    });
    expect(peakMemory(program.pid)).toBeLessThan(4 * LIMIT);
    // The session ends, and with it what it holds.
    await using _ = await connect({ ...session, cleanStart: true, reconnect: false });
    await program.untilError(/Memory in use is below memory_limit again/);
    await waitFor("a new client is let in", async () => {
      const late = await connect({ host: "127.0.0.1", port, reconnect: false }).catch(() => null);
      await late?.disconnect();
      return late !== null;
    });
    // Once an episode, of which a slow flood may make several.
    const reached = program.stderr.match(/memory_limit reached: \d+ bytes/g);
    const over = program.stderr.match(/Memory in use is below memory_limit again/g);
    expect(reached).toHaveLength(over!.length);
  });
});
