/**
 * Tables that clients fill: subscriptions that come and go, topics without number, topics as deep
 * as may be, thousands of retained messages. Nobody beside them loses anything.
 */
import { describe, expect, it } from "vitest";
import { type Client, connect } from "../../src/client/client.ts";
import { Prng } from "../../src/core/base/prng.ts";
import { type RunningBroker, startBroker } from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";
import { replayable, seed } from "../support/seeds.ts";
import { isLongSet } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";
import { beside } from "./witness.ts";

const MEMORY_MAX = 400 * MIB;
/** Of subscriptions and their ends. */
const ROUNDS = isLongSet ? 100 : 15;
/** Topics, more than are remembered. */
const TOPICS = isLongSet ? 300_000 : 120_000;
/** Topics of 65 KB. */
const LONG_TOPICS = isLongSet ? 6_000 : 2_000;
const RETAINED = isLongSet ? 5_000 : 1_000;

describe.skipIf(!tellsProcesses)("A storm", () => {
  it("of subscriptions that come and go leaves what it found", () =>
    replayable(seed(), async (used) => {
      const prng = new Prng(used);
      await using broker = await startBroker();
      const filters = Array.from({ length: 500 }, () => randomFilter(prng));
      await beside(broker.port, async () => {
        await using one = await client(broker);
        await using two = await client(broker);
        for (let round = 0; round < ROUNDS; round++) {
          const chosen = Array.from({ length: 20 }, () => prng.pick(filters));
          await Promise.all([one.subscribe(chosen), two.subscribe(chosen, { qos: 2 })]);
          one.publishNow(chosen[0]!.replace(/[+#]/g, "x"), "between");
          await Promise.all([one.unsubscribe(chosen), two.unsubscribe(chosen)]);
        }
      });
      broker.program.signal("SIGUSR2");
      await waitFor("the tree is printed", () => broker.program.stdout !== "" || undefined);
      // Nothing is left of it in the tree that SIGUSR2 prints.
      expect(broker.program.stdout).not.toMatch(/storm/);
    }));

  it("of topics that nobody has seen before is forgotten again", async () => {
    await using broker = await startBroker();
    await beside(broker.port, async () => {
      using peer = await connected(broker, "topics");
      for (let i = 0; i < TOPICS; i += 1_000) {
        const messages = Array.from({ length: 1_000 }, (_, j) =>
          packet(0x30, field(`storm/${i + j}`), "00"),
        );
        peer.send(...messages);
        await waitFor("it is read", () => peer.unsentBytes < MIB);
      }
      await peer.expectNothing();
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
  });

  it("of topics as long as may be is forgotten again", async () => {
    await using broker = await startBroker();
    await beside(broker.port, async () => {
      using peer = await connected(broker, "topics");
      const levels = "x".repeat(65_000);
      for (let i = 0; i < LONG_TOPICS; i++) {
        peer.send(packet(0x30, field(`storm/${i}/${levels}`), "00"));
        await waitFor("it is read", () => peer.unsentBytes < 4 * MIB);
      }
      await peer.expectNothing();
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
  });

  it("of retained messages is there, all of it, and gone when it is removed", async () => {
    await using broker = await startBroker();
    const retain = async (payload: string) => {
      await using publisher = await client(broker);
      for (let i = 0; i < RETAINED; i++) {
        publisher.publishNow(`storm/${i % 70}/${i}`, payload, { qos: 1, retain: true });
        if (!publisher.hasRoom) await publisher.room();
      }
      await publisher.settled();
    };
    await beside(broker.port, async () => {
      await retain("kept");
      expect(await retainedCount(broker)).toBe(RETAINED);
      await retain("");
      expect(await retainedCount(broker)).toBe(0);
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
  });
});

describe("A topic with all the levels there may be", () => {
  const DEEP = `${"a/".repeat(200)}a`;

  it("is subscribed to, published to and retained", async () => {
    await using broker = await startBroker();
    await beside(broker.port, async () => {
      await using one = await client(broker);
      const messages = one.messages();
      await one.subscribe([DEEP, "a/#", `${"+/".repeat(200)}+`], { qos: 1 });
      await one.publish(DEEP, "deep", { qos: 1, retain: true });
      for (let copy = 0; copy < 3; copy++) {
        expect((await messages.next()).value).toMatchObject({ topic: DEEP });
      }
      await one.unsubscribe([DEEP, "a/#"]);
      await one.publish(DEEP, "", { qos: 1, retain: true });
      expect((await messages.next()).value).toMatchObject({ topic: DEEP });
    });
  });

  it("and one more ends the connection", async () => {
    await using broker = await startBroker();
    using peer = await connected(broker, "deeper");
    peer.send(packet(0x82, "00 01 00", field(`${DEEP}/a`), "00"));
    expect((await peer.closed())[2]).toBe(0x81);
    await broker.program.untilError(/Client deeper .* disconnected: malformed packet\./);
  });
});

function randomFilter(prng: Prng): string {
  const levels = Array.from({ length: prng.between(1, 5) }, () => prng.pick(["a", "b", "c", "+"]));
  const share = prng.chance(0.2) ? `$share/${prng.pick(["s", "t"])}/` : "";
  return `${share}${["storm", ...levels, ...(prng.chance(0.2) ? ["#"] : [])].join("/")}`;
}

/** How many retained messages a new subscriber gets. */
async function retainedCount(broker: RunningBroker): Promise<number> {
  await using subscriber = await client(broker);
  let count = 0;
  let isOver = false;
  subscriber.on("message", ({ topic, retain }) => {
    if (retain) count++;
    if (topic === "end") isOver = true;
  });
  // Retained messages go out with their SUBACK, before anything that is published later.
  await subscriber.subscribe(["storm/#", "end"]);
  await subscriber.publish("end", "");
  await waitFor("all have come", () => isOver);
  return count;
}

function client(broker: RunningBroker): Promise<Client> {
  return connect({ host: "127.0.0.1", port: broker.port, reconnect: false });
}

async function connected(broker: RunningBroker, clientId: string): Promise<RawClient> {
  const peer = await RawClient.connect(broker.port);
  peer.send(rawConnect({ payload: [field(clientId)] }));
  await peer.packet();
  return peer;
}
