/** Packets that never end, and the memory they may take: little, however much they claim. */
import { afterEach, describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { startBroker } from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { field, rawConnect } from "../support/raw-packets.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, openFiles, peakMemory, tellsProcesses } from "./process-state.ts";
import { beside } from "./witness.ts";

const CONNECTIONS = 300;

/** More than a broker of this size ever needs; what is claimed below goes far beyond. */
const MEMORY_MAX = 300 * MIB;

const opened: RawClient[] = [];

afterEach(() => {
  for (const peer of opened.splice(0)) peer.destroy();
});

describe.skipIf(!tellsProcesses)("Packets that never end", () => {
  it("that claim to be a CONNECT of 100,000 bytes take what they send", async () => {
    await using broker = await startBroker();
    const { pid } = broker.program;
    await beside(broker.port, async () => {
      for (let i = 0; i < CONNECTIONS; i++) {
        const peer = await open(broker.port);
        // A client identifier of 65,000 bytes, of which the first few come.
        peer.send("10 b8 85 06", field("MQTT"), "05 02 00 00 00 fd e8");
        peer.send(Buffer.alloc(100, "x"));
      }
      await waitFor("all are in", () => openFiles(pid) > CONNECTIONS);
    });
    expect(opened.every((peer) => !peer.isClosed)).toBe(true);
    expect(peakMemory(pid)).toBeLessThan(MEMORY_MAX);
  });

  it("that claim to be a PUBLISH of 2 MB take what they send", async () => {
    await using broker = await startBroker();
    const { pid } = broker.program;
    await beside(broker.port, async () => {
      for (let i = 0; i < CONNECTIONS; i++) {
        const peer = await open(broker.port);
        peer.send(rawConnect({ payload: [field(`large-${i}`)] }));
        await peer.packet();
        peer.send("30 80 88 7a", field("a"), "00", Buffer.alloc(10_000));
      }
      // In small pieces, which must not cost a copy of the whole each.
      for (let piece = 0; piece < 10; piece++) {
        for (const peer of opened) peer.send(Buffer.alloc(100));
      }
    });
    expect(opened.every((peer) => !peer.isClosed)).toBe(true);
    expect(peakMemory(pid)).toBeLessThan(MEMORY_MAX);
  });

  it("are gone from memory and table when their senders are", async () => {
    await using broker = await startBroker();
    const { pid } = broker.program;
    await waitFor("the start is over", () => broker.program.stderr.includes("running"));
    // The probe that found it listening may count here and be gone later.
    const before = openFiles(pid);
    for (let i = 0; i < 50; i++) {
      const peer = await open(broker.port);
      peer.send("10 b8 85 06", field("MQTT"));
    }
    await waitFor("all are in", () => openFiles(pid) >= before + 45);
    for (const peer of opened.splice(0)) peer.reset();
    await waitFor("all are gone", () => openFiles(pid) <= before);
  });
});

describe("A connection without a CONNECT", () => {
  const CONNECT = rawConnect({ level: 4, payload: [field("slow")] });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["a part of one", CONNECT.subarray(0, 10)],
  ])("ends when its time is over, having sent %s", (_what, bytes) => {
    const world = new BrokerWorld({ settings: { connectTimeoutMs: 5_000 } });
    const peer = world.peer({ version: 4 });
    if (bytes.length > 0) peer.send(bytes);
    world.pass(4_999);
    expect(peer.closed).toBe(false);
    world.pass(1);
    expect(peer.closed).toBe(true);
    expect(peer.takeHex()).toEqual([]);
    expect(world.broker.connectionCount).toBe(0);
  });

  it("gains no time by sending slowly", () => {
    const world = new BrokerWorld({ settings: { connectTimeoutMs: 5_000 } });
    const peer = world.peer({ version: 4 });
    for (const byte of CONNECT.subarray(0, 10)) {
      peer.send(Buffer.of(byte));
      world.pass(500);
    }
    expect(peer.closed).toBe(true);
  });
});

async function open(port: number): Promise<RawClient> {
  const peer = await RawClient.connect(port);
  opened.push(peer);
  return peer;
}
