/**
 * Clients that send and do not read, or read too slowly: they lose what their limits say or are
 * held up themselves, memory stays bounded, and their neighbours lose nothing.
 */
import { describe, expect, it } from "vitest";
import { type Client, connect } from "../../src/client/client.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import { type RunningBroker, startBroker } from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";
import { isLongSet, sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";
import { beside, Witness } from "./witness.ts";

const MEMORY_MAX = 400 * MIB;
/** Messages of 200 KB that are more than that. */
const HALVES = isLongSet ? 3_000 : 2_200;

/** Bytes of answers that no buffers of the system's and of ours take together. */
const ANSWERS = 11 * MIB;

/** Beyond what the system's own buffers take for one connection. */
const LARGE = isLongSet ? 10_000 : 50_000;
/** Messages of that size that are more than a slow reader may leave waiting, which are a fifth. */
const MUCH = 50_000_000 / LARGE;
const WAITING_MAX = MUCH / 5;

describe.skipIf(!tellsProcesses)("A slow reader", () => {
  it("of QoS 0 loses what is too much for it, in order, and alone", async () => {
    await using broker = await startBroker({ conf: [`max_queued_messages ${WAITING_MAX}`] });
    using slow = await subscribed(broker, "slow", "much", 0);
    await using fast = await connect({ host: "127.0.0.1", port: broker.port });
    const arrived: number[] = [];
    fast.on("message", ({ payload }) => arrived.push(payload.readUInt32BE()));
    await fast.subscribe("much");
    slow.pause();
    await beside(broker.port, async () => {
      await using publisher = await connect({ host: "127.0.0.1", port: broker.port });
      await publishMany(publisher, MUCH, () => arrived.length);
    });
    expect(arrived).toEqual(Array.from({ length: MUCH }, (_, i) => i));
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);

    slow.resume();
    const numbers = await numbersUntilLast(broker, slow);
    expect(numbers.length).toBeGreaterThan(WAITING_MAX);
    expect(numbers.length).toBeLessThan(4 * WAITING_MAX);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    // The first ones are there without a gap: what is dropped is the newest.
    const first = Array.from({ length: WAITING_MAX }, (_, i) => i);
    expect(numbers.slice(0, WAITING_MAX)).toEqual(first);
  });

  it("of QoS 1 has its window and its queue, and loses the newest beyond", async () => {
    await using broker = await startBroker({ conf: ["max_queued_messages 100"] });
    using slow = await subscribed(broker, "slow", "much", 1);
    await beside(broker.port, async () => {
      await using publisher = await connect({ host: "127.0.0.1", port: broker.port });
      for (let i = 0; i < 2_000; i += 20) {
        const batch = Array.from({ length: 20 }, (_, j) => numbered(i + j, 1_000));
        await Promise.all(batch.map((payload) => publisher.publish("much", payload, { qos: 1 })));
      }
    });
    await broker.program.untilError("Outgoing messages are being dropped for client slow.");
    expect(broker.program.stderr.match(/Outgoing messages are being dropped/g)).toHaveLength(1);
    const numbers: number[] = [];
    // Twenty on their way, a hundred waiting.
    while (numbers.length < 120) {
      const publish = await slow.packet();
      expect(publish[0]).toBe(0x32);
      numbers.push(publish.readUInt32BE(publish.length - 1_000));
      const packetId = publish.subarray(publish.length - 1_003, publish.length - 1_001);
      slow.send(packet(0x40, packetId));
    }
    expect(numbers).toEqual(Array.from({ length: 120 }, (_, i) => i));
    await slow.expectNothing();
  });

  it("of everything takes little, though all of them together read nothing", async () => {
    await using broker = await startBroker({ conf: ["max_queued_messages 20"] });
    const readers: RawClient[] = [];
    for (let i = 0; i < 50; i++) readers.push(await subscribed(broker, `slow-${i}`, "much", 0));
    for (const reader of readers) reader.pause();
    await beside(broker.port, async () => {
      await using publisher = await connect({ host: "127.0.0.1", port: broker.port });
      const count = 20_000_000 / LARGE;
      for (let i = 0; i < count; i++) await publisher.publish("much", numbered(i, LARGE));
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
    for (const reader of readers) reader.destroy();
  });
});

describe.skipIf(!tellsProcesses)("A client that sends and never reads", () => {
  const FLOODS: readonly (readonly [what: string, unit: Buffer, answerSize: number])[] = [
    ["PUBLISH of QoS 1", packet(0x32, field("flood"), "00 01 00"), 5],
    ["PINGREQ", packet(0xc0), 2],
    ["UNSUBSCRIBE", packet(0xa2, "00 01 00", field("flood")), 6],
    ["SUBSCRIBE", packet(0x82, "00 01 00", field("flood"), "00"), 6],
    ["PUBREL", packet(0x62, "00 01"), 4],
  ];

  it.each(sample(FLOODS, 5))(
    "a flood of %s is held up, and goes on when it reads",
    async (_what, unit, size) => {
      await using broker = await startBroker();
      await beside(broker.port, async () => {
        using peer = await connected(broker, "flood");
        peer.pause();
        const count = Math.ceil(ANSWERS / size);
        const flood = Buffer.alloc(count * unit.length, unit);
        peer.send(flood);
        await using witness = await Witness.start(broker.port, 4, "longer");
        // Held up: what the network has not taken stays where it is, however much others do.
        let unsent = -1;
        await waitFor("it is held up", async () => {
          await witness.round();
          const isSame = peer.unsentBytes === unsent;
          unsent = peer.unsentBytes;
          return isSame && unsent > 0;
        });
        expect(peer.isClosed).toBe(false);
        await readAll(peer, count * size);
      });
      expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
    },
  );

  it("a flood of SUBSCRIBE is held up by what it asks for", { timeout: 60_000 }, async () => {
    await using broker = await startBroker();
    await using publisher = await connect({ host: "127.0.0.1", port: broker.port });
    for (let i = 0; i < 2_000; i++) {
      publisher.publishNow(`kept/${i}`, Buffer.alloc(500), { qos: 1, retain: true });
    }
    await publisher.settled();
    await beside(broker.port, async () => {
      using peer = await connected(broker, "flood");
      peer.pause();
      // Each asks for a megabyte: in all, 20 gigabytes.
      const unit = packet(0x82, "00 01 00", field("kept/#"), "00");
      peer.send(Buffer.alloc(20_000 * unit.length, unit));
      await using witness = await Witness.start(broker.port, 4, "longer");
      for (let i = 0; i < 5; i++) await witness.round();
      expect(peer.isClosed).toBe(false);
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
  });
});

describe.skipIf(!tellsProcesses)("A client that begins and never ends", () => {
  it.each(sample([4, 5] as const, 2))("QoS 2 takes bounded memory, version %i", async (version) => {
    await using broker = await startBroker({ conf: ["max_packet_size 300000"] });
    await beside(broker.port, async () => {
      using peer = await connected(broker, "halves", version);
      const none = version === 5 ? "00" : "";
      const body = Buffer.alloc(200_000);
      for (let i = 1; i <= HALVES && !peer.isClosed; i++) {
        const packetId = Buffer.from([i >> 8, i & 0xff]);
        peer.send(packet(0x34, field("half"), packetId, none, body));
        await waitFor("it is read", () => peer.isClosed || peer.unsentBytes < 4 * MIB);
      }
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
  });
});

function numbered(number: number, size: number): Buffer {
  const payload = Buffer.alloc(size);
  payload.writeUInt32BE(number);
  return payload;
}

/** Publishes at QoS 0, never far ahead of what has `arrived` at somebody. */
async function publishMany(client: Client, count: number, arrived: () => number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await client.publish("much", numbered(i, LARGE));
    if (i - arrived() > count / 50) {
      await waitFor("the fast one follows", () => i - arrived() < count / 100);
    }
  }
  await waitFor("the fast one has all", () => arrived() === count);
}

/** The numbers of all messages that come, up to one that is published until it does. */
async function numbersUntilLast(broker: RunningBroker, slow: RawClient): Promise<number[]> {
  const last = 1_000_000;
  await using publisher = await connect({ host: "127.0.0.1", port: broker.port });
  const numbers: number[] = [];
  for (;;) {
    const publish = await waitFor("a message comes", async () => {
      if (slow.received.length === 0) await publisher.publish("much", numbered(last, LARGE));
      return slow.received.length > 0 && slow.packet();
    });
    const number = publish.readUInt32BE(publish.length - LARGE);
    if (number === last) return numbers;
    numbers.push(number);
  }
}

/** Takes `count` bytes, however they come, as long as some do. */
async function readAll(peer: RawClient, count: number): Promise<void> {
  let left = count;
  peer.resume();
  while (left > 0) {
    left -= await waitFor(
      () => `${left} more bytes come`,
      () => {
        if (peer.isClosed) throw new Error("it was closed");
        return peer.takeAll().length || undefined;
      },
    );
  }
}

async function subscribed(
  broker: RunningBroker,
  clientId: string,
  filter: string,
  qos: 0 | 1,
): Promise<RawClient> {
  const peer = await connected(broker, clientId);
  peer.send(packet(0x82, "00 01 00", field(filter), Buffer.from([qos])));
  await peer.packet();
  return peer;
}

async function connected(
  broker: RunningBroker,
  clientId: string,
  level: Version = 5,
): Promise<RawClient> {
  const peer = await RawClient.connect(broker.port);
  peer.send(rawConnect({ level, payload: [field(clientId)] }));
  await peer.packet();
  return peer;
}
