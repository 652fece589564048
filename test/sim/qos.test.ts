/**
 * QoS 0, 1 and 2 between two ends of a link that stalls and breaks, both ways at once.
 *
 * Goal: whatever the link does, a QoS 0 message arrives at most once, one of QoS 1 at least once,
 * first arrivals in order, a QoS 2 message exactly once; and no end ever has more under way than
 * the other said it takes, or uses an identifier twice.
 *
 * Method: the real `Outgoing` and `Incoming` on both ends, a simulated link between. One seeded
 * generator decides every delay, cut and limit; time is a counter. Acknowledgements leave late, and
 * in half of the worlds out of order, as those of real peers do whose applications acknowledge.
 * Some messages are refused. Faults stop after a while (safety first, then liveness): from there
 * the run must come to rest. There are few identifiers, so that they wrap many times over.
 *
 * Replay a failure with SEED=n. The bugs it has caught are in `planted.md`.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../src/core/base/prng.ts";
import type { Qos } from "../../src/core/codec/packets.ts";
import { Incoming } from "../../src/core/delivery/incoming.ts";
import { type Delivery, Outgoing, type OutgoingWire } from "../../src/core/delivery/outgoing.ts";
import { seeds } from "../support/seeds.ts";
import { SimLink } from "../support/sim-link.ts";

const MESSAGES = 150;
const FAULTY_TICKS = 1500;
const TICKS_MAX = 20_000;
const REFUSED = 0x80;

describe.each(seeds(20))("delivery over a link that breaks, seed %i", (seed) => {
  it("keeps the promise of each QoS both ways, and comes to rest", () => {
    const world = new World(new Prng(seed));
    for (let tick = 0; !world.isAtRest; tick++) {
      expect(tick, "the run comes to rest").toBeLessThan(TICKS_MAX);
      world.tick(tick < FAULTY_TICKS);
    }
    for (const end of world.ends) end.checkAll();
  });
});

interface Message extends Delivery {
  readonly index: number;
  /** The receiver will not have it. */
  readonly isRefused: boolean;
  timesSent: number;
}

/** How an end receives: what real peers differ in. */
interface Habits {
  /** Acknowledges in the order of arrival [MQTT5-4.6.0-2] [MQTT5-4.6.0-3]. */
  readonly isOrderly: boolean;
  /** Sends its PUBRECs again on each connection, as some do, before the PUBLISH is repeated. */
  readonly repeatsPubrec: boolean;
  /** Takes a QoS 2 message at its PUBLISH, as clients do; else at its PUBREL, as brokers do. */
  readonly takesAtPublish: boolean;
  readonly packetIdMax: number;
  readonly inflightBytesMax: number;
}

class World {
  readonly ends: readonly [End, End];
  private readonly prng: Prng;
  private readonly link: SimLink;
  private readonly cutChance: number;
  /** Ticks until the ends meet again; 0 while they are connected. */
  private away = 1;

  constructor(prng: Prng) {
    this.prng = prng;
    this.cutChance = prng.fraction() / 20;
    this.link = new SimLink(prng, {
      delayTicksMax: prng.between(1, 8),
      stallChance: prng.fraction() / 30,
      stallTicksMax: 30,
    });
    const repeatsPubrec = prng.chance(0.2);
    const habits = (): Habits => ({
      isOrderly: repeatsPubrec || prng.chance(0.4),
      repeatsPubrec,
      takesAtPublish: prng.chance(0.5),
      // A second PUBREC brings a second PUBCOMP, which must not meet the identifier's next message.
      packetIdMax: repeatsPubrec ? prng.between(20, 30) : prng.between(3, 7),
      inflightBytesMax: prng.chance(0.3) ? prng.between(1, 8) : 0,
    });
    const one = new End(prng, habits(), (arrive) => this.link.send(arrive));
    const other = new End(prng, habits(), (arrive) => this.link.sendBack(arrive));
    one.peer = other;
    other.peer = one;
    this.ends = [one, other];
  }

  get isAtRest(): boolean {
    return this.away === 0 && this.link.idle && this.ends.every((end) => end.isAtRest);
  }

  tick(isFaulty: boolean): void {
    const { prng, link } = this;
    if (this.away > 0) {
      if (--this.away === 0) this.connect();
    } else if (isFaulty && prng.chance(this.cutChance)) {
      link.cut();
      for (const end of this.ends) end.onOffline();
      this.away = prng.between(1, 10);
    }
    for (const end of this.ends) end.tick();
    link.tick();
  }

  private connect(): void {
    for (const end of this.ends) end.receiveMaximum = this.prng.between(1, 5);
    for (const end of this.ends) end.onOnline();
  }
}

/** One end: a sender, a receiver, and a list of what arrived. */
class End implements OutgoingWire<Message> {
  peer!: End;
  /** What this end takes at once on this connection. */
  receiveMaximum = 1;
  private readonly prng: Prng;
  private readonly habits: Habits;
  private readonly carry: (arrive: () => void) => void;
  private readonly outgoing: Outgoing<Message>;
  private readonly incoming = new Incoming<Message>();
  private readonly published: Message[] = [];
  private readonly arrived: Message[] = [];
  /** Acknowledgements that wait for the application. */
  private acks: (() => void)[] = [];
  /** What came on this connection and is not fully acknowledged, by identifier. */
  private readonly open = new Map<number, Message>();
  /** Of QoS 1 and 2, what has not ended. */
  private readonly unsettled = new Set<Message>();
  private online = false;

  constructor(prng: Prng, habits: Habits, carry: (arrive: () => void) => void) {
    this.prng = prng;
    this.habits = habits;
    this.carry = carry;
    const { packetIdMax, inflightBytesMax } = habits;
    this.outgoing = new Outgoing(this, { packetIdMax, inflightBytesMax });
  }

  get isAtRest(): boolean {
    const done = this.published.length === MESSAGES && this.outgoing.idle;
    return done && this.acks.length === 0 && this.unsettled.size === 0;
  }

  // The sender.

  sendPublish(message: Message, packetId: number, dup: boolean): boolean {
    expect(this.online, "sends to a peer that is there").toBe(true);
    expect(dup, "DUP on a repeat only [MQTT5-3.3.1-1]").toBe(message.timesSent > 0);
    message.timesSent++;
    if (!dup) this.checkBytes(message);
    this.carry(() => this.peer.onPublish(message, packetId));
    return true;
  }

  sendPubrel({ packetId }: Message): void {
    this.carry(() => this.peer.onPubrel(packetId));
  }

  tick(): void {
    const { prng } = this;
    if (this.published.length < MESSAGES && prng.chance(0.2)) this.publish();
    while (this.acks.length > 0 && prng.chance(0.5)) {
      const place = this.habits.isOrderly ? 0 : prng.between(0, this.acks.length - 1);
      this.acks.splice(place, 1)[0]!();
    }
  }

  onOnline(): void {
    this.online = true;
    this.outgoing.onOnline(this.peer.receiveMaximum, true);
    if (!this.habits.repeatsPubrec) return;
    for (const [packetId] of this.incoming.entries()) {
      this.acknowledge(() => this.carry(() => this.peer.onPubrec(packetId, 0)));
    }
  }

  onOffline(): void {
    this.online = false;
    this.acks = [];
    this.open.clear();
    this.outgoing.onOffline();
  }

  private publish(): void {
    const index = this.published.length;
    const qos = this.prng.between(0, 2) as Qos;
    const message: Message = {
      index,
      qos,
      size: this.prng.between(0, 4),
      isRefused: qos > 0 && index % 13 === 0,
      packetId: 0,
      timesSent: 0,
    };
    this.published.push(message);
    if (qos > 0) this.unsettled.add(message);
    this.outgoing.publish(message);
  }

  /** The limit of bytes under way, which one message alone may exceed. */
  private checkBytes(message: Message): void {
    const max = this.habits.inflightBytesMax;
    if (max === 0 || message.qos === 0) return;
    const all = [...this.outgoing.deliveries()];
    const others = all.filter((one) => one !== message && one.timesSent > 0);
    const before = others.reduce((sum, { size }) => sum + size, 0);
    if (before > 0) expect(before + message.size, "bytes under way").toBeLessThanOrEqual(max);
  }

  private onPuback(packetId: number): void {
    this.settle(this.outgoing.onPuback(packetId));
  }

  private onPubrec(packetId: number, reasonCode: number): void {
    const message = this.outgoing.onPubrec(packetId, reasonCode);
    expect(message, "a PUBREC for a message under way").toBeDefined();
    if (reasonCode >= 0x80) this.settle(message);
  }

  private settle(message: Message | undefined): void {
    if (message !== undefined) expect(this.unsettled.delete(message), "settled once").toBe(true);
  }

  // The receiver.

  private onPublish(message: Message, packetId: number): void {
    const { qos, isRefused } = message;
    if (qos === 0) {
      this.arrived.push(message);
      return;
    }
    const other = this.open.get(packetId) ?? this.incoming.get(packetId);
    expect(other ?? message, "an identifier of its own").toBe(message);
    this.open.set(packetId, message);
    expect(this.open.size, "Receive Maximum").toBeLessThanOrEqual(this.receiveMaximum);
    if (qos === 1) {
      if (!isRefused) this.arrived.push(message);
      this.acknowledge(() => {
        this.open.delete(packetId);
        this.carry(() => this.peer.onPuback(packetId));
      });
      return;
    }
    if (!isRefused && this.incoming.get(packetId) === undefined) {
      this.incoming.hold(packetId, message);
      if (this.habits.takesAtPublish) this.arrived.push(message);
    }
    this.acknowledge(() => {
      if (isRefused) this.open.delete(packetId);
      this.carry(() => this.peer.onPubrec(packetId, isRefused ? REFUSED : 0));
    });
  }

  private onPubrel(packetId: number): void {
    const message = this.incoming.release(packetId);
    if (message !== undefined && !this.habits.takesAtPublish) this.arrived.push(message);
    this.acknowledge(() => {
      this.open.delete(packetId);
      this.carry(() => this.peer.settle(this.peer.outgoing.onPubcomp(packetId)));
    });
  }

  private acknowledge(send: () => void): void {
    this.acks.push(send);
  }

  // The verdict on what this end got of the other.

  checkAll(): void {
    const { published } = this.peer;
    expect(this.incoming.count, "every identifier is released").toBe(0);
    for (const qos of [0, 1, 2] as const) {
      const got = this.arrived.filter((message) => message.qos === qos).map(({ index }) => index);
      const first = [...new Set(got)];
      const wanted = published.filter((one) => one.qos === qos && !one.isRefused);
      if (qos === 0) expect(got, "QoS 0 at most once").toEqual(first);
      else expect([...first].sort(byNumber)).toEqual(wanted.map(({ index }) => index));
      if (qos === 2) expect(got, "QoS 2 exactly once").toEqual(first);
      // Out of order PUBRECs bring their PUBRELs, and so the messages, in an order of their own.
      const isOrdered = qos < 2 || this.habits.isOrderly || this.habits.takesAtPublish;
      if (isOrdered) expect(first, `QoS ${qos} in order`).toEqual([...first].sort(byNumber));
    }
  }
}

function byNumber(a: number, b: number): number {
  return a - b;
}
