import { describe, expect, it } from "vitest";
import type { Connection } from "../../../../src/broker/connection.ts";
import { HeldPackets } from "../../../../src/broker/durable/held.ts";
import { Prng } from "../../../../src/core/base/prng.ts";
import { ACK_HEAD } from "../../../../src/core/codec/ack.ts";
import { hex } from "../../../support/hex.ts";
import { seeds } from "../../../support/seeds.ts";

const { puback, pubrec, pubcomp } = ACK_HEAD;

describe("HeldPackets", () => {
  it("lets an acknowledgement go when its position is safe, not before", () => {
    const held = new HeldPackets();
    const one = connection("one");
    held.holdAck(one, 5, puback, 7, 0);
    held.onDurable(4);
    expect([one.log, held.count]).toEqual([[], 1]);
    held.onDurable(5);
    expect([one.log, held.count]).toEqual([["ack 40 7 0"], 0]);
    held.onDurable(6);
    expect(one.log).toHaveLength(1);
    expect(held.durablePosition).toBe(6);
  });

  it("keeps the order of arrival, whatever the packets are and whoever gets them", () => {
    const held = new HeldPackets();
    const log: string[] = [];
    const [one, two] = [connection("one", log), connection("two", log)];
    held.holdAck(one, 1, pubrec, 65_535, 0x97);
    held.holdPacket(two, 1, hex`90 03 00 01 00`);
    held.holdAck(one, 2, pubcomp, 1, 0x92);
    held.holdAccept(two, 2, hex`20 02 00 00`);
    held.holdAck(one, 3, puback, 300, 0x10);
    held.onDurable(2);
    expect(log).toEqual(["ack 50 65535 151", "send 9003000100", "ack 70 1 146", "accept 20020000"]);
    held.onDurable(3);
    expect(log.at(-1)).toBe("ack 40 300 16");
  });

  it("sends nothing on a connection that has ended, and goes on with the others", () => {
    const held = new HeldPackets();
    const [gone, here] = [connection("gone"), connection("here")];
    held.holdAck(gone, 1, puback, 1, 0);
    held.holdPacket(gone, 1, hex`90`);
    held.holdAccept(gone, 1, hex`20`);
    held.holdAck(here, 1, puback, 2, 0);
    gone.isOpen = false;
    held.onDurable(1);
    expect([gone.log, here.log]).toEqual([[], ["ack 40 2 0"]]);
  });

  it("counts a connection's PUBACKs while they wait, also when it ends meanwhile", () => {
    const held = new HeldPackets();
    const one = connection("one");
    for (const head of [puback, pubrec, puback, pubcomp]) held.holdAck(one, 1, head, 9, 0);
    held.onTurnEnd();
    expect(one.heldCount).toBe(2);
    held.holdAck(one, 2, puback, 10, 0);
    held.onTurnEnd();
    held.onTurnEnd();
    expect(one.heldCount).toBe(3);
    held.onDurable(1);
    expect(one.heldCount).toBe(1);
    one.isOpen = false;
    held.onDurable(2);
    expect(one.heldCount).toBe(0);
  });

  it("does not count those that leave before the turn is over", () => {
    const held = new HeldPackets();
    const one = connection("one");
    for (let packetId = 1; packetId <= 100; packetId++) held.holdAck(one, 1, puback, packetId, 0);
    expect(one.heldCount).toBe(0);
    held.onDurable(1);
    held.onTurnEnd();
    expect([one.heldCount, one.log.length]).toEqual([0, 100]);
    // The next turn begins anew.
    held.holdAck(one, 2, puback, 1, 0);
    held.onTurnEnd();
    expect(one.heldCount).toBe(1);
  });

  it("lets what a CONNACK brings in be held, and go, in the same call", () => {
    const held = new HeldPackets();
    const one = connection("one");
    one.onAccept = () => {
      held.holdAck(one, 1, puback, 1, 0);
      held.holdAck(one, 2, puback, 2, 0);
    };
    held.holdAccept(one, 1, hex`20`);
    held.onDurable(1);
    expect([one.log, held.count]).toEqual([["accept 20", "ack 40 1 0"], 1]);
    held.onDurable(2);
    expect(one.log.at(-1)).toBe("ack 40 2 0");
  });

  it("lets what was recorded nowhere go at the turn's end, whatever others wait for", () => {
    const held = new HeldPackets();
    const [one, two] = [connection("one"), connection("two")];
    held.holdAck(one, 5, puback, 1, 0);
    held.holdAnswer(two, puback, 2, 0x10);
    expect(two.log).toEqual([]);
    held.onTurnEnd();
    expect([one.log, two.log]).toEqual([[], ["ack 40 2 16"]]);
    held.onDurable(5);
    expect([one.log, two.log]).toEqual([["ack 40 1 0"], ["ack 40 2 16"]]);
    held.holdAnswer(one, puback, 3, 0);
    held.onTurnEnd();
    expect(one.log.at(-1)).toBe("ack 40 3 0");
  });

  it("keeps it in its order among its own client's", () => {
    const held = new HeldPackets();
    const [one, two] = [connection("one"), connection("two")];
    held.holdAnswer(one, puback, 1, 0);
    held.holdAck(one, 5, puback, 2, 0);
    held.holdAck(two, 6, puback, 9, 0);
    held.holdAnswer(one, puback, 3, 0);
    held.holdAck(one, 7, puback, 4, 0);
    held.onTurnEnd();
    expect(one.log).toEqual(["ack 40 1 0"]);
    held.onDurable(5);
    expect(one.log).toEqual(["ack 40 1 0", "ack 40 2 0"]);
    held.onDurable(7);
    expect(one.log.slice(2)).toEqual(["ack 40 3 0", "ack 40 4 0"]);
  });

  it("goes on in order after so many that it makes room", () => {
    const held = new HeldPackets();
    const one = connection("one");
    const total = 200_000;
    for (let i = 0; i < total; i++) held.holdAck(one, i, puback, (i % 65_535) + 1, 0);
    for (const position of [70_000, 70_001, 150_000]) {
      held.onDurable(position);
      expect([one.log.length, held.count]).toEqual([position + 1, total - position - 1]);
      expect(one.log.at(-1)).toBe(`ack 40 ${(position % 65_535) + 1} 0`);
    }
    held.onDurable(total);
    expect([one.log.length, held.count, one.heldCount]).toEqual([total, 0, 0]);
  });
});

describe.each(seeds())("HeldPackets beside a list, seed %i", (seed) => {
  it("release the same, in the same order, at positions that interleave", () => {
    const prng = new Prng(seed);
    const held = new HeldPackets();
    const log: string[] = [];
    const connections = ["a", "b", "c"].map((name) => connection(name, log));
    let waiting: { position: number; words: string }[] = [];
    const wanted: string[] = [];
    let position = 0;
    let durable = 0;
    for (let step = 0; step < 2000; step++) {
      position += prng.between(0, 2);
      if (prng.chance(0.7)) {
        const packetId = prng.between(1, 65_535);
        const head = prng.pick([puback, pubrec, pubcomp]);
        const code = prng.pick([0, 0x10, 0x80, 0x97]);
        held.holdAck(prng.pick(connections), position, head, packetId, code);
        waiting.push({ position, words: `ack ${head.toString(16)} ${packetId} ${code}` });
      } else {
        durable = prng.between(durable, position);
        held.onDurable(durable);
        wanted.push(...waiting.filter((one) => one.position <= durable).map(({ words }) => words));
        waiting = waiting.filter((one) => one.position > durable);
        expect(log).toEqual(wanted);
        expect(held.count).toBe(waiting.length);
      }
    }
  });
});

/** All that is asked of a connection here. */
class Listener {
  isOpen = true;
  heldCount = 0;
  heldUpTo = 0;
  readonly log: string[];
  onAccept = (): void => undefined;

  constructor(log: string[]) {
    this.log = log;
  }

  readonly outlet = {
    sendAck: (head: number, packetId: number, reasonCode: number): void => {
      this.log.push(`ack ${head.toString(16)} ${packetId} ${reasonCode}`);
    },
  };

  send(packet: Buffer): void {
    this.log.push(`send ${packet.toString("hex")}`);
  }

  accept(connack: Buffer): void {
    this.log.push(`accept ${connack.toString("hex")}`);
    this.onAccept();
  }
}

function connection(_name: string, log: string[] = []): Listener & Connection {
  return new Listener(log) as unknown as Listener & Connection;
}
