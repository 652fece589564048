import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/core/base/prng.ts";
import type { Qos } from "../../../../src/core/codec/packets.ts";
import {
  type Delivery,
  Outgoing,
  type OutgoingLimits,
  type OutgoingWire,
} from "../../../../src/core/delivery/outgoing.ts";
import { refusal } from "../../../support/refusal.ts";
import { seeds } from "../../../support/seeds.ts";

const ERROR = 0x80;

describe("Outgoing, sending", () => {
  it("waits until the peer is there", () => {
    const { sender, wire } = sending({ online: false });
    sender.publish(message("a", 1));
    expect(wire.log).toEqual([]);
    expect(sender.waitingCount).toBe(1);
    sender.onOnline(10, true);
    expect(wire.log).toEqual(["publish 1 a"]);
  });

  it("numbers messages from 1, and sends QoS 0 without a number", () => {
    const { sender, wire } = sending();
    for (const one of [message("a", 1), message("b", 0), message("c", 2)]) sender.publish(one);
    expect(wire.log).toEqual(["publish 1 a", "publish 0 b", "publish 2 c"]);
    expect(sender.lastPacketId).toBe(2);
  });

  it("forgets a QoS 0 message once it is sent, whether the wire took it or not", () => {
    const { sender, wire } = sending();
    sender.publish(message("a", 0));
    wire.refused.add("b");
    sender.publish(message("b", 0));
    expect(sender.idle).toBe(true);
    expect(sender.inflightBytes).toBe(0);
  });

  it("has no more under way than the peer takes, and goes on in order", () => {
    const { sender, wire } = sending({ receiveMaximum: 2 });
    for (const name of ["a", "b", "c", "d"]) sender.publish(message(name, 1));
    expect(wire.log).toEqual(["publish 1 a", "publish 2 b"]);
    sender.onPuback(2);
    expect(wire.log.slice(2)).toEqual(["publish 3 c"]);
    sender.onPuback(1);
    expect(wire.log.slice(3)).toEqual(["publish 4 d"]);
  });

  it("counts a QoS 2 message as under way until its PUBCOMP", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    sender.publish(message("a", 2));
    sender.publish(message("b", 2));
    sender.onPubrec(1, 0);
    expect(wire.log).toEqual(["publish 1 a", "pubrel 1"]);
    expect(sender.inflightCount).toBe(1);
    sender.onPubcomp(1);
    expect(wire.log.slice(2)).toEqual(["publish 2 b"]);
  });

  it("keeps a QoS 0 message behind what already waits", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    for (const one of [message("a", 1), message("b", 1), message("c", 0)]) sender.publish(one);
    expect(wire.log).toEqual(["publish 1 a"]);
    sender.onPuback(1);
    expect(wire.log.slice(1)).toEqual(["publish 2 b", "publish 0 c"]);
  });

  it("sends QoS 0 past a full window when nothing waits", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    sender.publish(message("a", 1));
    sender.publish(message("b", 0));
    expect(wire.log).toEqual(["publish 1 a", "publish 0 b"]);
  });

  it("keeps to the limit of bytes under way, which one message alone may exceed", () => {
    const { sender, wire } = sending({ inflightBytesMax: 10 });
    for (const [name, size] of [
      ["a", 25],
      ["b", 4],
      ["c", 6],
      ["d", 1],
    ] as const) {
      sender.publish(message(name, 1, size));
    }
    expect(wire.log).toEqual(["publish 1 a"]);
    expect(sender.inflightBytes).toBe(25);
    expect(sender.waitingBytes).toBe(11);
    sender.onPuback(1);
    expect(wire.log.slice(1)).toEqual(["publish 2 b", "publish 3 c"]);
    expect(sender.inflightBytes).toBe(10);
    sender.onPuback(2);
    expect(wire.log.slice(3)).toEqual(["publish 4 d"]);
  });

  it("goes on with the next one when the wire drops a message", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    wire.refused.add("b").add("c");
    for (const name of ["a", "b", "c", "d"]) sender.publish(message(name, 1));
    sender.onPuback(1);
    expect(wire.log).toEqual(["publish 1 a", "drop b", "drop c", "publish 4 d"]);
    expect(sender.inflightCount).toBe(1);
    expect(sender.inflightBytes).toBe(1);
  });

  it("takes an answer that comes before the wire returns", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    wire.onPublish = (packetId) => void sender.onPuback(packetId);
    for (const name of ["a", "b", "c"]) sender.publish(message(name, 1));
    expect(wire.log).toEqual(["publish 1 a", "publish 2 b", "publish 3 c"]);
    expect(sender.idle).toBe(true);
  });
});

describe("Outgoing, identifiers", () => {
  it("wrap around, past those in use", () => {
    const { sender, wire } = sending({ packetIdMax: 3 });
    for (const name of ["a", "b", "c", "d"]) sender.publish(message(name, 1));
    expect(wire.log).toHaveLength(3);
    sender.onPuback(2);
    expect(wire.log[3]).toBe("publish 2 d");
    expect(sender.lastPacketId).toBe(2);
  });

  it("stay in use from PUBLISH to PUBCOMP", () => {
    const { sender, wire } = sending({ packetIdMax: 2 });
    sender.publish(message("a", 2));
    sender.publish(message("b", 1));
    sender.onPubrec(1, 0);
    sender.onPuback(2);
    sender.publish(message("c", 1));
    expect(wire.log.at(-1)).toBe("publish 2 c");
  });

  it("leave out those that serve a request, and are given out for requests", () => {
    const requests = new Set([1, 3]);
    const { sender, wire } = sending({ packetIdMax: 5, isTaken: (id) => requests.has(id) });
    sender.publish(message("a", 1));
    expect(wire.log).toEqual(["publish 2 a"]);
    const packetId = sender.takePacketId();
    expect(packetId).toBe(4);
    requests.add(packetId);
    sender.publish(message("b", 1));
    expect(wire.log.at(-1)).toBe("publish 5 b");
  });

  it("are lent to what is no message until they come back or the peer is gone", () => {
    const { sender, wire } = sending({ packetIdMax: 3 });
    sender.publish(message("a", 1));
    expect([sender.lendPacketId(), sender.lendPacketId()]).toEqual([2, 3]);
    expect(sender.lendPacketId(), "when none is free").toBe(0);
    sender.publish(message("b", 1));
    expect(wire.log).toEqual(["publish 1 a"]);
    sender.giveBackPacketId(3);
    sender.giveBackPacketId(3);
    expect(wire.log.slice(1)).toEqual(["publish 3 b"]);
    sender.onOffline();
    sender.onOnline(10, true);
    sender.publish(message("c", 1));
    expect(wire.log.at(-1)).toBe("publish 2 c");
  });

  it("cannot be had when all are in use", () => {
    const { sender } = sending({ packetIdMax: 2 });
    sender.publish(message("a", 1));
    sender.publish(message("b", 2));
    expect(() => sender.takePacketId()).toThrow("a packet identifier is free");
  });

  it("fit in 16 bits, and a window has room for one", () => {
    expect(() => sending({ packetIdMax: 65_536 })).toThrow("identifiers fit in 16 bits");
    expect(() => sending({ packetIdMax: 0 })).toThrow("identifiers fit in 16 bits");
    expect(() => sending({ receiveMaximum: 0 })).toThrow("at least one message");
  });
});

describe("Outgoing, answered", () => {
  it("hands back the delivery that ended", () => {
    const { sender } = sending();
    const [one, two] = [message("a", 1), message("b", 2)];
    sender.publish(one);
    sender.publish(two);
    expect(sender.onPuback(1)).toBe(one);
    expect(sender.onPubrec(2, 0)).toBe(two);
    expect(sender.onPubcomp(2)).toBe(two);
    expect(sender.idle).toBe(true);
  });

  it("ignores an answer that nobody waits for", () => {
    const { sender, wire } = sending();
    sender.publish(message("a", 2));
    expect(sender.onPuback(9)).toBeUndefined();
    expect(sender.onPubrec(9, 0)).toBeUndefined();
    expect(sender.onPubcomp(9)).toBeUndefined();
    expect(wire.log).toEqual(["publish 1 a"]);
    expect(sender.inflightCount).toBe(1);
  });

  it.each([1, 2] as const)("refuses PUBCOMP for the PUBLISH of a QoS %i message", (qos) => {
    const { sender } = sending();
    sender.publish(message("a", qos));
    expect(refusal(() => sender.onPubcomp(1))).toBe("protocolError MQTT5-3.3.4-1");
    expect(sender.inflightCount).toBe(1);
  });

  it("refuses an answer of the other QoS, and keeps the message", () => {
    const { sender } = sending();
    sender.publish(message("a", 1));
    sender.publish(message("b", 2));
    expect(refusal(() => sender.onPubrec(1, 0))).toBe("protocolError MQTT5-3.3.4-1");
    expect(refusal(() => sender.onPuback(2))).toBe("protocolError MQTT5-3.3.4-1");
    expect(sender.inflightCount).toBe(2);
  });

  it("sends PUBREL in the order of the PUBRECs", () => {
    const { sender, wire } = sending();
    for (const name of ["a", "b", "c"]) sender.publish(message(name, 2));
    for (const packetId of [3, 1, 2]) sender.onPubrec(packetId, 0);
    wire.log.length = 0;
    sender.onOffline();
    sender.onOnline(10, true);
    expect(wire.log).toEqual(["pubrel 3", "pubrel 1", "pubrel 2"]);
  });

  it("ends a QoS 2 exchange at a PUBREC with an error, without PUBREL", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    sender.publish(message("a", 2));
    sender.publish(message("b", 2));
    expect(sender.onPubrec(1, ERROR)?.name).toBe("a");
    expect(wire.log).toEqual(["publish 1 a", "publish 2 b"]);
    expect(sender.onPubcomp(1)).toBeUndefined();
  });

  it("answers a repeated PUBREC again", () => {
    const { sender, wire } = sending();
    const one = message("a", 2);
    sender.publish(one);
    sender.onPubrec(1, 0);
    expect(sender.onPubrec(1, 0)).toBe(one);
    expect(wire.log).toEqual(["publish 1 a", "pubrel 1", "pubrel 1"]);
    expect(sender.inflightCount).toBe(1);
  });

  it("is over when a repeated PUBREC has an error: it ends once, not again at a PUBCOMP", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    sender.publish(message("a", 2));
    sender.publish(message("b", 2));
    sender.onPubrec(1, 0);
    expect(sender.onPubrec(1, ERROR)?.name).toBe("a");
    expect(sender.onPubcomp(1)).toBeUndefined();
    expect(wire.log).toEqual(["publish 1 a", "pubrel 1", "publish 2 b"]);
  });
});

describe("Outgoing, over connections", () => {
  it("repeats what is unacknowledged in its first order with DUP, then sends what waits", () => {
    const { sender, wire } = sending({ receiveMaximum: 4 });
    for (const name of ["a", "b", "c", "d", "e"]) {
      sender.publish(message(name, name === "b" ? 2 : 1));
    }
    sender.onPubrec(2, 0);
    sender.onOffline();
    sender.publish(message("f", 0));
    wire.log.length = 0;
    sender.onOnline(6, true);
    expect(wire.log).toEqual([
      "pubrel 2",
      "repeat 1 a",
      "repeat 3 c",
      "repeat 4 d",
      "publish 5 e",
      "publish 0 f",
    ]);
  });

  it("repeats no more at once than the peer takes this time [MQTT5-3.3.4-9]", () => {
    const { sender, wire } = sending({ receiveMaximum: 4 });
    for (const name of ["a", "b", "c", "d"]) sender.publish(message(name, name === "a" ? 2 : 1));
    sender.onPubrec(1, 0);
    sender.onOffline();
    wire.log.length = 0;
    sender.onOnline(2, true);
    expect(wire.log).toEqual(["pubrel 1", "repeat 2 b"]);
    sender.publish(message("e", 1));
    sender.onPuback(2);
    expect(wire.log.slice(2)).toEqual(["repeat 3 c"]);
    sender.onPubcomp(1);
    expect(wire.log.slice(3)).toEqual(["repeat 4 d"]);
    sender.onPuback(3);
    expect(wire.log.slice(4)).toEqual(["publish 5 e"]);
  });

  it("does not repeat what is answered before its turn", () => {
    const { sender, wire } = sending({ receiveMaximum: 4 });
    for (const name of ["a", "b", "c", "d"]) sender.publish(message(name, name === "c" ? 2 : 1));
    sender.onOffline();
    wire.log.length = 0;
    sender.onOnline(1, true);
    sender.onPuback(2);
    sender.onPubrec(3, 0);
    expect(wire.log).toEqual(["repeat 1 a", "pubrel 3"]);
    sender.onPuback(1);
    sender.onPubcomp(3);
    expect(wire.log.slice(2)).toEqual(["repeat 4 d"]);
  });

  it("begins repeats anew on each connection", () => {
    const { sender, wire } = sending({ receiveMaximum: 3 });
    for (const name of ["a", "b", "c"]) sender.publish(message(name, 1));
    sender.onOffline();
    sender.onOnline(1, true);
    sender.onOffline();
    wire.log.length = 0;
    sender.onOnline(3, true);
    expect(wire.log).toEqual(["repeat 1 a", "repeat 2 b", "repeat 3 c"]);
  });

  it("drops a repeat that the wire does not take: QoS 1 at once, QoS 2 by PUBREL", () => {
    const { sender, wire } = sending({ receiveMaximum: 2 });
    for (const name of ["a", "b", "c"]) sender.publish(message(name, name === "b" ? 2 : 1));
    sender.onOffline();
    wire.log.length = 0;
    wire.refused.add("a").add("b");
    sender.onOnline(2, true);
    expect(wire.log).toEqual(["drop a", "drop b", "pubrel 2", "publish 3 c"]);
    expect(sender.inflightCount).toBe(2);
    expect(sender.onPubcomp(2)?.name).toBe("b");
    sender.onPuback(3);
    expect(sender.idle).toBe(true);
    expect(sender.inflightBytes).toBe(0);
  });

  it("starts anew where the peer lost the session: no DUP, in order, ahead of what waits", () => {
    const { sender, wire } = sending({ receiveMaximum: 3 });
    for (const name of ["a", "b", "c", "d"]) sender.publish(message(name, name === "b" ? 2 : 1));
    sender.onPubrec(2, 0);
    sender.onOffline();
    expect(sender.waitingCount).toBe(1);
    wire.log.length = 0;
    sender.onOnline(2, false);
    // What had its PUBREC is the peer's already.
    expect(wire.log).toEqual(["publish 4 a", "publish 5 c"]);
    expect([...sender.deliveries()].map(({ packetId }) => packetId)).toEqual([4, 5, 0]);
    sender.onPuback(4);
    expect(wire.log.slice(2)).toEqual(["publish 6 d"]);
  });

  it("sends nothing while the peer is gone", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    sender.publish(message("a", 1));
    sender.publish(message("b", 1));
    sender.onOffline();
    wire.log.length = 0;
    sender.onPuback(1);
    sender.fill();
    expect(wire.log).toEqual([]);
    expect(sender.waitingCount).toBe(1);
  });

  it("stops repeating when the connection ends meanwhile", () => {
    const { sender, wire } = sending();
    for (const name of ["a", "b", "c"]) sender.publish(message(name, 1));
    sender.onOffline();
    wire.log.length = 0;
    wire.onPublish = () => sender.onOffline();
    sender.onOnline(10, true);
    expect(wire.log).toEqual(["repeat 1 a"]);
  });
});

describe("Outgoing, its queue", () => {
  it("can be listed: released, unacknowledged, waiting", () => {
    const { sender } = sending({ receiveMaximum: 2 });
    for (const name of ["a", "b", "c"]) sender.publish(message(name, 2));
    sender.onPubrec(2, 0);
    expect([...sender.deliveries()].map(({ name }) => name)).toEqual(["b", "a", "c"]);
  });

  it("can be thinned out, and loses its oldest, without touching what was sent", () => {
    const { sender, wire } = sending({ receiveMaximum: 1 });
    for (const name of ["a", "b", "c", "d", "e"]) sender.publish(message(name, 1, 10));
    sender.filterWaiting(({ name }) => name !== "c");
    expect(sender.waitingBytes).toBe(30);
    expect(sender.dropOldest()?.name).toBe("b");
    expect(sender.waitingBytes).toBe(20);
    for (const packetId of [1, 2, 3]) sender.onPuback(packetId);
    expect(wire.log).toEqual(["publish 1 a", "publish 2 d", "publish 3 e"]);
    expect(sender.dropOldest()).toBeUndefined();
    expect(sender.waitingBytes).toBe(0);
  });

  it("is gone with everything else after `clear`", () => {
    const { sender, wire } = sending({ receiveMaximum: 2 });
    for (const name of ["a", "b", "c"]) sender.publish(message(name, 2));
    sender.onPubrec(1, 0);
    sender.onOffline();
    sender.onOnline(1, true);
    sender.clear();
    expect([sender.idle, sender.inflightBytes, sender.waitingBytes]).toEqual([true, 0, 0]);
    wire.log.length = 0;
    expect(sender.onPubcomp(1)).toBeUndefined();
    sender.fill();
    expect(wire.log).toEqual([]);
  });
});

describe.each(seeds(30))("Outgoing beside a model of it, seed %i", (seed) => {
  it("keeps order, window, identifiers and sums, and settles each message once", () => {
    const model = new Model(new Prng(seed));
    for (let step = 0; step < 600; step++) model.step();
    model.comeToRest();
  });
});

interface Named extends Delivery {
  readonly name: string;
}

function message(name: string, qos: Qos, size = 1): Named {
  return { name, qos, size, packetId: 0 };
}

/** A wire that remembers in words, and a sender on it. What is left out does not matter. */
function sending({
  receiveMaximum = 10,
  online = true,
  ...limits
}: { receiveMaximum?: number; online?: boolean } & Partial<OutgoingLimits> = {}) {
  const log: string[] = [];
  const refused = new Set<string>();
  const wire = {
    log,
    refused,
    onPublish: (_packetId: number): void => undefined,
    sendPublish({ name }: Named, packetId: number, dup: boolean): boolean {
      if (refused.has(name)) {
        log.push(`drop ${name}`);
        return false;
      }
      log.push(`${dup ? "repeat" : "publish"} ${packetId} ${name}`);
      wire.onPublish(packetId);
      return true;
    },
    sendPubrel: ({ packetId }: Named) => void log.push(`pubrel ${packetId}`),
  };
  const sender = new Outgoing<Named>(wire, {
    packetIdMax: 65_535,
    inflightBytesMax: 0,
    ...limits,
  });
  if (online) sender.onOnline(receiveMaximum, true);
  return { sender, wire };
}

type State = "waiting" | "sent" | "released" | "over";

interface Modelled extends Named {
  readonly index: number;
  state: State;
  /** A PUBLISH of it went over the connection there is. */
  isSeen: boolean;
}

/** What is true of every sender, kept in the plainest way: a list that is searched. */
class Model implements OutgoingWire<Modelled> {
  private readonly prng: Prng;
  private readonly packetIdMax: number;
  private readonly inflightBytesMax: number;
  private readonly requests = new Set<number>();
  private readonly sender: Outgoing<Modelled>;
  private readonly all: Modelled[] = [];
  private receiveMaximum = 0;
  private online = false;
  /** Of PUBRECs that were taken and not completed, in their order. */
  private released: number[] = [];
  private resumes: { repeats: Modelled[]; pubrels: number[] } | null = null;

  constructor(prng: Prng) {
    this.prng = prng;
    this.packetIdMax = prng.between(4, 9);
    this.inflightBytesMax = prng.chance(0.5) ? prng.between(1, 12) : 0;
    this.sender = new Outgoing<Modelled>(this, {
      packetIdMax: this.packetIdMax,
      inflightBytesMax: this.inflightBytesMax,
      isTaken: (packetId) => this.requests.has(packetId),
    });
  }

  sendPublish(one: Modelled, packetId: number, dup: boolean): boolean {
    expect(this.online).toBe(true);
    if (dup) {
      expect(one.state).toBe("sent");
      expect(packetId).toBe(one.packetId);
      expect(this.resumes?.repeats.shift(), "repeats in their first order").toBe(one);
    } else {
      const oldest = this.all.find(({ state, qos }) => state === "waiting" && qos > 0);
      // A QoS 0 message may pass those that wait for room, if nothing stands in the queue.
      if (one.qos > 0) expect(one, "leaves in the order it came").toBe(oldest);
      expect(one.state).toBe("waiting");
      this.checkNewId(one, packetId);
    }
    if (this.prng.chance(0.1)) {
      if (dup && one.qos === 2) this.release(one);
      else one.state = "over";
      return false;
    }
    one.isSeen = true;
    one.state = one.qos === 0 ? "over" : "sent";
    const seen = this.inState("sent", "released").filter(({ isSeen }) => isSeen);
    expect(seen.length, "within Receive Maximum").toBeLessThanOrEqual(this.receiveMaximum);
    return true;
  }

  sendPubrel({ packetId }: { packetId: number }): void {
    expect(this.released).toContain(packetId);
    if (this.resumes !== null && this.resumes.pubrels.length > 0) {
      expect(this.resumes.pubrels.shift(), "PUBREL in the order of PUBREC").toBe(packetId);
    }
  }

  step(): void {
    const { prng } = this;
    const chance = prng.fraction();
    if (chance < 0.35) this.publish();
    else if (chance < 0.8) this.answer();
    else if (chance < 0.88) this.wrongAnswer();
    else if (chance < 0.93) this.toggleRequest();
    else if (this.online) this.goOffline();
    else this.goOnline();
    this.check();
  }

  /** No more trouble: everything must be delivered now. */
  comeToRest(): void {
    if (!this.online) this.goOnline();
    for (let round = 0; !this.sender.idle; round++) {
      expect(round, "comes to rest").toBeLessThan(10_000);
      this.answer();
      this.check();
    }
    expect(this.inState("waiting", "sent", "released")).toEqual([]);
  }

  private publish(): void {
    const qos = this.prng.between(0, 2) as Qos;
    const index = this.all.length;
    const one: Modelled = {
      ...message(`m${index}`, qos, this.prng.between(0, 5)),
      index,
      state: "waiting",
      isSeen: false,
    };
    this.all.push(one);
    this.sender.publish(one);
  }

  /** The peer answers some message that it has seen, in no order of its own. */
  private answer(): void {
    const under = this.inState("sent", "released").filter(({ isSeen, state }) => {
      return this.online && (isSeen || state === "released");
    });
    if (under.length === 0) return;
    const one = this.prng.pick(under);
    const { packetId } = one;
    if (one.state === "released") {
      if (this.prng.chance(0.2)) {
        expect(this.sender.onPubrec(packetId, 0)).toBe(one);
        return;
      }
      this.end(one);
      expect(this.sender.onPubcomp(packetId)).toBe(one);
    } else if (one.qos === 1) {
      this.end(one);
      expect(this.sender.onPuback(packetId)).toBe(one);
    } else if (this.prng.chance(0.1)) {
      this.end(one);
      expect(this.sender.onPubrec(packetId, ERROR)).toBe(one);
    } else {
      this.release(one);
      expect(this.sender.onPubrec(packetId, 0)).toBe(one);
    }
  }

  private wrongAnswer(): void {
    const packetId = this.prng.between(1, this.packetIdMax);
    const one = this.inState("sent", "released").find((other) => other.packetId === packetId);
    const { sender } = this;
    if (one?.state !== "sent") expect(sender.onPuback(packetId)).toBeUndefined();
    if (one === undefined) expect(sender.onPubcomp(packetId)).toBeUndefined();
    if (one === undefined) expect(sender.onPubrec(packetId, 0)).toBeUndefined();
    if (one?.state !== "sent") return;
    const wrong =
      one.qos === 1 ? () => sender.onPubrec(packetId, 0) : () => sender.onPuback(packetId);
    expect(refusal(wrong)).toBe("protocolError MQTT5-3.3.4-1");
    expect(refusal(() => sender.onPubcomp(packetId))).toBe("protocolError MQTT5-3.3.4-1");
  }

  /** A SUBSCRIBE takes an identifier, or its SUBACK gives it back; two at once at most. */
  private toggleRequest(): void {
    const used = this.inState("sent", "released").length + this.requests.size;
    if (this.requests.size < 2 && used < this.packetIdMax) {
      const packetId = this.sender.takePacketId();
      expect(this.isInUse(packetId)).toBe(false);
      this.requests.add(packetId);
    } else {
      for (const packetId of this.requests) this.requests.delete(packetId);
    }
  }

  private goOffline(): void {
    this.online = false;
    this.resumes = null;
    for (const one of this.all) one.isSeen = false;
    this.sender.onOffline();
  }

  private goOnline(): void {
    this.online = true;
    // Room is left for the requests' identifiers, as a client leaves it.
    this.receiveMaximum = this.prng.between(1, this.packetIdMax - 2);
    const resumed = this.prng.chance(0.7);
    const sent = this.inState("sent").sort((a, b) => a.index - b.index);
    if (resumed) {
      this.resumes = { repeats: sent, pubrels: [...this.released] };
    } else {
      this.released = [];
      for (const one of this.inState("released")) one.state = "over";
      for (const one of sent) one.state = "waiting";
    }
    this.sender.onOnline(this.receiveMaximum, resumed);
  }

  private check(): void {
    const { sender } = this;
    const under = this.inState("sent", "released");
    const waiting = this.inState("waiting");
    expect(sender.inflightCount).toBe(under.length);
    expect(sender.waitingCount).toBe(waiting.length);
    expect(sender.inflightBytes).toBe(sizeOf(under));
    expect(sender.waitingBytes).toBe(sizeOf(waiting));
    expect(sender.idle).toBe(under.length + waiting.length === 0);
    expect(new Set(sender.deliveries())).toEqual(new Set([...under, ...waiting]));
    if (!this.online || waiting.length === 0) return;
    // Nothing waits that could be sent.
    const size = sizeOf(under) + waiting[0]!.size;
    const bytesFull = this.inflightBytesMax > 0 && size > this.inflightBytesMax;
    expect(waiting[0]!.qos).toBeGreaterThan(0);
    expect(under.length >= this.receiveMaximum || (bytesFull && sizeOf(under) > 0)).toBe(true);
  }

  private checkNewId(one: Modelled, packetId: number): void {
    if (one.qos === 0) {
      expect(packetId).toBe(0);
      return;
    }
    expect(packetId).toBeGreaterThanOrEqual(1);
    expect(packetId).toBeLessThanOrEqual(this.packetIdMax);
    expect(this.isInUse(packetId), `${packetId} is free`).toBe(false);
    const before = sizeOf(this.inState("sent", "released"));
    if (this.inflightBytesMax > 0 && before > 0) {
      expect(before + one.size).toBeLessThanOrEqual(this.inflightBytesMax);
    }
  }

  private isInUse(packetId: number): boolean {
    const messages = this.inState("sent", "released");
    return this.requests.has(packetId) || messages.some((one) => one.packetId === packetId);
  }

  private release(one: Modelled): void {
    one.state = "released";
    this.released.push(one.packetId);
  }

  private end(one: Modelled): void {
    one.state = "over";
    this.released = this.released.filter((packetId) => packetId !== one.packetId);
  }

  private inState(...states: State[]): Modelled[] {
    return this.all.filter(({ state }) => states.includes(state));
  }
}

function sizeOf(messages: readonly Modelled[]): number {
  return messages.reduce((sum, { size }) => sum + size, 0);
}
