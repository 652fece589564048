/**
 * Outgoing delivery: the sender's half of QoS 1 and 2, for client and broker alike
 * (MQTT 5.0 §4.3.2, §4.3.3, §4.4, §4.9).
 *
 * Knows no socket, no clock and no role. It is told what happened (`publish`, `onPuback`,
 * `onPubrec`, `onPubcomp`, `onOnline`, `onOffline`) and answers on its `Wire` before it returns.
 * It outlives connections: between `onOffline` and `onOnline` everything waits.
 *
 * Holds at all times:
 *   - at most `receiveMaximum` messages are unacknowledged on the wire       [MQTT5-4.9.0-2]
 *   - a packet identifier is in use from its PUBLISH to the end of its exchange   (5.0 §2.2.1)
 *   - messages leave in the order they came, and again so after a resume     [MQTT5-4.6.0-1]
 *   - PUBREL follows the order of the PUBRECs                                [MQTT5-4.6.0-4]
 *
 * Does not: retry on a live connection, which the standard forbids [MQTT5-4.4.0-1]; bound what
 * waits, which is the owner's to do before it calls `publish`.
 *
 * Hot path. Budget: two map operations for a message at QoS 1, no allocation but the map's own.
 */
import { assert } from "../base/assert.ts";
import { noEntries, put } from "../base/late-map.ts";
import { Ring } from "../base/ring.ts";
import type { Qos } from "../codec/packets.ts";
import { ProtocolError } from "../errors.ts";

/** What is being delivered. The owner makes one for each message and recipient. */
export interface Delivery {
  /** A delivery at QoS 0 may wait its turn here too; it is forgotten once it is sent. */
  readonly qos: Qos;
  /** Bytes it counts for against `inflightBytesMax`. */
  readonly size: number;
  /** 0 until it is sent. Written by `Outgoing` only. */
  packetId: number;
}

/** Where packets go. The owner decides what carries them. */
export interface OutgoingWire<D extends Delivery> {
  /**
   * Sends the PUBLISH.
   *
   * @returns False to drop the delivery instead, as expired or too large for the peer: it then
   *   counts as delivered [MQTT5-3.1.2-25]. A repeat (`dup`) at QoS 2 then goes on with PUBREL, for
   *   the peer may hold its identifier since the connection before.
   */
  sendPublish(delivery: D, packetId: number, dup: boolean): boolean;
  sendPubrel(delivery: D): void;
}

export interface OutgoingLimits {
  /** Highest packet identifier. 65535 outside tests, which shrink it to see identifiers wrap. */
  readonly packetIdMax: number;
  /** Payload bytes unacknowledged at once, 0 for no limit; a single message may exceed it. */
  readonly inflightBytesMax: number;
  /** Whether an identifier is in use for something else, such as a SUBSCRIBE. */
  readonly isTaken?: (packetId: number) => boolean;
}

export class Outgoing<D extends Delivery> {
  private readonly wire: OutgoingWire<D>;
  private readonly limits: OutgoingLimits;
  /** PUBLISH sent, PUBACK or PUBREC awaited: oldest first, for a Map keeps insertion order. */
  private unacknowledged = noEntries<number, D>();
  /** PUBREC received, PUBCOMP awaited: in the order of the PUBRECs. */
  private releasing = noEntries<number, D>();
  /** Of the unacknowledged, those of an earlier connection that this one has not seen. */
  private unrepeated: Set<D> | null = null;
  private readonly waiting = new Ring<D>();
  private waitingSize = 0;
  private inflightSize = 0;
  private lastId = 0;
  private receiveMaximum = 0;
  private online = false;
  /** Identifiers that serve for something else meanwhile; null for none. */
  private lent: Set<number> | null = null;

  constructor(wire: OutgoingWire<D>, limits: OutgoingLimits) {
    assert(limits.packetIdMax >= 1 && limits.packetIdMax <= 65_535, "identifiers fit in 16 bits");
    this.wire = wire;
    this.limits = limits;
  }

  /** Messages sent whose exchange is not over. */
  get inflightCount(): number {
    return this.unacknowledged.size + this.releasing.size;
  }

  /** Payload bytes of those. */
  get inflightBytes(): number {
    return this.inflightSize;
  }

  /** Messages not sent yet. */
  get waitingCount(): number {
    return this.waiting.length;
  }

  /** Payload bytes of those. */
  get waitingBytes(): number {
    return this.waitingSize;
  }

  /** Whether one more would be sent at once, and not wait. */
  get isFree(): boolean {
    return this.online && this.waiting.length === 0 && this.hasPlace;
  }

  get idle(): boolean {
    return this.inflightCount === 0 && this.waiting.length === 0;
  }

  /** The identifier given out last, which a session keeps over a restart. */
  get lastPacketId(): number {
    return this.lastId;
  }

  /**
   * Takes up an exchange of an earlier connection, oldest first and while offline: `received` once
   * its PUBREC has come.
   */
  restore(delivery: D, received: boolean): void {
    assert(
      !this.online && delivery.packetId > 0,
      "an exchange begun is restored before it goes on",
    );
    const { packetId } = delivery;
    if (received) this.releasing = put(this.releasing, packetId, delivery);
    else this.unacknowledged = put(this.unacknowledged, packetId, delivery);
    this.inflightSize += delivery.size;
    this.lastId = packetId;
  }

  /** Sends `delivery` now, or as soon as the peer is there and has room for it. */
  publish(delivery: D): void {
    if (this.online && this.waiting.length === 0 && this.hasRoom(delivery)) {
      this.send(delivery);
      return;
    }
    this.waiting.push(delivery);
    this.waitingSize += delivery.size;
  }

  /**
   * Ends the exchange of a QoS 1 message, whatever the reason code says [MQTT5-4.4.0-2].
   *
   * @returns The delivery that ended, or undefined for an identifier nobody waits for: a late
   *   repeat, which is ignored.
   * @throws {ProtocolError} protocolError, when the message was sent at QoS 2.
   */
  onPuback(packetId: number): D | undefined {
    const delivery = this.unacknowledged.get(packetId);
    if (delivery === undefined) return undefined;
    if (delivery.qos !== 1) throw wrongAnswer("PUBACK", 2);
    this.unacknowledged.delete(packetId);
    this.settle(delivery);
    return delivery;
  }

  /**
   * Takes the first answer to a QoS 2 message: sends PUBREL, or ends the exchange if the peer
   * refused the message [MQTT5-4.3.3-4] [MQTT5-4.4.0-2].
   *
   * @returns The delivery the answer belongs to, whose exchange is over if the code is an error;
   *   or undefined for an identifier nobody waits for, whose PUBREL the owner may send on its own
   *   account.
   * @throws {ProtocolError} protocolError, when the message was sent at QoS 1.
   */
  onPubrec(packetId: number, reasonCode: number): D | undefined {
    const delivery = this.unacknowledged.get(packetId);
    if (delivery === undefined) return this.onPubrecAgain(packetId, reasonCode);
    if (delivery.qos !== 2) throw wrongAnswer("PUBREC", 1);
    this.unacknowledged.delete(packetId);
    if (reasonCode >= 0x80) {
      this.settle(delivery);
      return delivery;
    }
    this.release(delivery);
    return delivery;
  }

  /**
   * Ends the exchange of a QoS 2 message.
   *
   * @returns The delivery that ended, or undefined for an identifier nobody waits for.
   * @throws {ProtocolError} protocolError, when the message awaits PUBACK or PUBREC.
   */
  onPubcomp(packetId: number): D | undefined {
    const delivery = this.releasing.get(packetId);
    if (delivery === undefined) {
      const other = this.unacknowledged.get(packetId);
      if (other !== undefined) throw wrongAnswer("PUBCOMP", other.qos);
      return undefined;
    }
    this.releasing.delete(packetId);
    this.settle(delivery);
    return delivery;
  }

  /**
   * The peer is there.
   *
   * @param receiveMaximum Unacknowledged messages the peer takes at once, 1 to 65535
   *   (MQTT 5.0 §3.1.2.11.3).
   * @param resumed The peer still has the session: what is unacknowledged is repeated in its first
   *   order, DUP set [MQTT5-4.4.0-1], no more at once than the peer takes [MQTT5-3.3.4-9].
   *   Otherwise it starts anew, ahead of what waits.
   */
  onOnline(receiveMaximum: number, resumed: boolean): void {
    assert(receiveMaximum >= 1, "at least one message may be under way");
    this.receiveMaximum = receiveMaximum;
    this.online = true;
    if (resumed) this.resume();
    else this.startAnew();
    this.fill();
  }

  /** The peer is gone: nothing is sent until `onOnline`. */
  onOffline(): void {
    this.online = false;
    this.lent = null;
  }

  /**
   * Gives an identifier to something that is no delivery of this one's, such as a SUBSCRIBE, until
   * it is given back or the peer is gone.
   *
   * @returns 0 when none is free.
   */
  lendPacketId(): number {
    const { packetIdMax } = this.limits;
    if (this.inflightCount + (this.lent?.size ?? 0) >= packetIdMax) return 0;
    const packetId = this.takePacketId();
    this.lent ??= new Set();
    this.lent.add(packetId);
    return packetId;
  }

  giveBackPacketId(packetId: number): void {
    if (this.lent === null || !this.lent.delete(packetId)) return;
    if (this.lent.size === 0) this.lent = null;
    this.fill();
  }

  /** Sends what waits, as far as there is room: after a limit was raised or a drop made room. */
  fill(): void {
    if (this.unrepeated !== null) this.repeat(this.unrepeated);
    while (this.online && this.waiting.length > 0) {
      const delivery = this.waiting.at(0)!;
      if (!this.hasRoom(delivery)) return;
      this.waiting.shift();
      this.waitingSize -= delivery.size;
      this.send(delivery);
    }
  }

  /** Everything not settled: first what was sent, in its order, then what waits. */
  *deliveries(): Generator<D> {
    yield* this.releasing.values();
    yield* this.unacknowledged.values();
    for (let i = 0; i < this.waiting.length; i++) yield this.waiting.at(i)!;
  }

  /** Takes out of the queue what `keep` does not want; what was sent stays. */
  filterWaiting(keep: (delivery: D) => boolean): void {
    this.waiting.filter((delivery) => {
      const kept = keep(delivery);
      if (!kept) this.waitingSize -= delivery.size;
      return kept;
    });
  }

  /** Takes the delivery that has waited longest out of the queue, to make room for another. */
  dropOldest(): D | undefined {
    const delivery = this.waiting.shift();
    if (delivery !== undefined) this.waitingSize -= delivery.size;
    return delivery;
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.unacknowledged.clear();
    this.unrepeated = null;
    this.releasing.clear();
    this.waiting.clear();
    this.waitingSize = 0;
    this.inflightSize = 0;
  }

  /**
   * The next identifier not in use, for a PUBLISH or for whatever `isTaken` will speak for: all
   * share one numbering (MQTT 5.0 §2.2.1). Ends, because fewer than `packetIdMax` are in use.
   */
  takePacketId(): number {
    const { packetIdMax, isTaken } = this.limits;
    for (let tries = 0; tries <= packetIdMax; tries++) {
      this.lastId = this.lastId >= packetIdMax ? 1 : this.lastId + 1;
      const id = this.lastId;
      if (this.unacknowledged.has(id) || this.releasing.has(id)) continue;
      if (this.lent?.has(id)) continue;
      if (isTaken === undefined || !isTaken(id)) return id;
    }
    assert(false, "a packet identifier is free");
  }

  private get hasPlace(): boolean {
    const { packetIdMax } = this.limits;
    const free = this.lent === null ? packetIdMax : packetIdMax - this.lent.size;
    return this.inflightCount < Math.min(this.receiveMaximum, free);
  }

  private hasRoom(delivery: D): boolean {
    if (delivery.qos === 0) return true;
    if (!this.hasPlace) return false;
    const bytesMax = this.limits.inflightBytesMax;
    return (
      bytesMax === 0 || this.inflightSize === 0 || this.inflightSize + delivery.size <= bytesMax
    );
  }

  private send(delivery: D): void {
    if (delivery.qos === 0) {
      this.wire.sendPublish(delivery, 0, false);
      return;
    }
    const packetId = this.takePacketId();
    delivery.packetId = packetId;
    // Entered before it is sent: an answer may come before `sendPublish` returns.
    this.unacknowledged = put(this.unacknowledged, packetId, delivery);
    this.inflightSize += delivery.size;
    if (this.wire.sendPublish(delivery, packetId, false)) return;
    this.unacknowledged.delete(packetId);
    this.inflightSize -= delivery.size;
  }

  private settle(delivery: D): void {
    this.inflightSize -= delivery.size;
    if (this.unrepeated !== null) this.unrepeated.delete(delivery);
    else if (this.waiting.length === 0) return;
    this.fill();
  }

  /** The peer has the message: what is left is to release its identifier. */
  private release(delivery: D): void {
    if (this.unrepeated !== null) this.unrepeated.delete(delivery);
    this.releasing = put(this.releasing, delivery.packetId, delivery);
    this.wire.sendPubrel(delivery);
  }

  /** A PUBREC that is no first answer, out of the way of those that are. */
  private onPubrecAgain(packetId: number, reasonCode: number): D | undefined {
    const delivery = this.releasing.get(packetId);
    if (delivery === undefined) return undefined;
    if (reasonCode >= 0x80) {
      this.releasing.delete(packetId);
      this.settle(delivery);
    } else if (this.online) {
      // The PUBREL that answered the first may be lost.
      this.wire.sendPubrel(delivery);
    }
    return delivery;
  }

  private resume(): void {
    const { unacknowledged } = this;
    this.unrepeated = unacknowledged.size === 0 ? null : new Set(unacknowledged.values());
    for (const delivery of this.releasing.values()) this.wire.sendPubrel(delivery);
  }

  private repeat(left: Set<D>): void {
    for (const delivery of left) {
      // All that is left counts as under way, though the peer has not seen it on this connection.
      if (!this.online || this.inflightCount - left.size >= this.receiveMaximum) return;
      left.delete(delivery);
      if (this.wire.sendPublish(delivery, delivery.packetId, true)) continue;
      this.unacknowledged.delete(delivery.packetId);
      if (delivery.qos === 2) this.release(delivery);
      else this.inflightSize -= delivery.size;
    }
    this.unrepeated = null;
  }

  private startAnew(): void {
    const unsettled = [...this.unacknowledged.values()];
    this.unacknowledged.clear();
    this.unrepeated = null;
    this.releasing.clear();
    this.inflightSize = 0;
    for (const delivery of unsettled.reverse()) {
      delivery.packetId = 0;
      this.waiting.unshift(delivery);
      this.waitingSize += delivery.size;
    }
  }
}

function wrongAnswer(packet: string, qos: Qos): ProtocolError {
  return new ProtocolError(
    "protocolError",
    "MQTT5-3.3.4-1",
    `${packet} answers the PUBLISH of a QoS ${qos} message`,
  );
}
