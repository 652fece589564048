/**
 * A session: what the broker remembers of one client identifier, with a connection or without
 * (MQTT 5.0 §4.1, 3.1.1 §3.1.2.4).
 *
 * It holds the subscriptions, what is owed to the client, what is half received from it, and the
 * Will. It outlives its connection by `expiryInterval`; who ends it is `sessions.ts`.
 */

import type { Deadline, Deadlines } from "../core/base/deadlines.ts";
import { SmallMap } from "../core/base/small-map.ts";
import type { Qos } from "../core/codec/packets.ts";
import type { Properties } from "../core/codec/properties.ts";
import { Incoming } from "../core/delivery/incoming.ts";
import {
  type Delivery,
  Outgoing,
  type OutgoingLimits,
  type OutgoingWire,
} from "../core/delivery/outgoing.ts";
import type { Connection } from "./connection.ts";
import { AnswerTime } from "./durable/answer-time.ts";
import type { Parked, Phase } from "./durable/restored.ts";
import type { WatchedBridge } from "./loops/watched-bridge.ts";
import type { Message, Source } from "./message.ts";

/** A session expiry interval that never ends (MQTT 5.0 §3.1.2.11.2). */
export const NEVER = 0xffff_ffff;

/** One subscription of one session. Replaced, never changed, when the client subscribes again. */
export interface Subscription {
  readonly session: Session;
  /** As the client wrote it, share and all, with the listener's mount point. */
  readonly filter: string;
  /** Name of the share, null for one of its own. */
  readonly share: string | null;
  /** The granted QoS. */
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** 0 for none (MQTT 5.0 §3.8.2.1.2). */
  readonly identifier: number;
}

/** How `bits` of a queued message is made up, which spares each of them five fields. */
const PACKET_ID_BITS = 0xffff;
const QOS_SHIFT = 16;
const RETAIN = 1 << 18;
const PHASE_SHIFT = 19;
const PHASE_BITS = 3 << PHASE_SHIFT;
const CHANGED = 1 << 21;
const PARKED = 1 << 22;

/** A message on its way to one session. */
export class QueuedMessage implements Delivery {
  readonly message: Message;
  /** Of the subscription that brought it, 0 for none. */
  readonly identifier: number;
  /** Where it stands in the session's queue, counted from 1; 0 when the queue is not stored. */
  place = 0;
  /** Its row in the store, and the position of its adding. Written by the store only. */
  row = 0;
  addedAt = 0;
  private bits: number;

  constructor(message: Message, qos: Qos, retain: boolean, identifier: number) {
    this.message = message;
    this.identifier = identifier;
    this.bits = (qos << QOS_SHIFT) | (retain ? RETAIN : 0);
  }

  get qos(): Qos {
    return ((this.bits >> QOS_SHIFT) & 3) as Qos;
  }

  get retain(): boolean {
    return (this.bits & RETAIN) !== 0;
  }

  get packetId(): number {
    return this.bits & PACKET_ID_BITS;
  }

  set packetId(packetId: number) {
    this.bits = (this.bits & ~PACKET_ID_BITS) | packetId;
  }

  get phase(): Phase {
    return ((this.bits & PHASE_BITS) >> PHASE_SHIFT) as Phase;
  }

  set phase(phase: Phase) {
    this.bits = (this.bits & ~PHASE_BITS) | (phase << PHASE_SHIFT);
  }

  /** Whether the store has a change of it to write. */
  get isChanged(): boolean {
    return (this.bits & CHANGED) !== 0;
  }

  set isChanged(is: boolean) {
    this.bits = is ? this.bits | CHANGED : this.bits & ~CHANGED;
  }

  /** Whether nobody but the store keeps it. */
  get isParked(): boolean {
    return (this.bits & PARKED) !== 0;
  }

  set isParked(is: boolean) {
    this.bits = is ? this.bits | PARKED : this.bits & ~PARKED;
  }

  get size(): number {
    return this.message.payloadSize;
  }
}

/** What is to be published when the connection ends badly, as the CONNECT gave it. */
export interface PendingWill {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
  /** Seconds to wait before it goes out (MQTT 5.0 §3.1.3.2.2). */
  readonly delay: number;
}

/** Messages that wait, and their payload bytes; Infinity for any number. */
export interface Excess {
  readonly messages: number;
  readonly bytes: number;
}

/** Of every session whose queue is in memory. */
export const NOTHING_PARKED: Readonly<Parked> = Object.freeze({ count: 0, bytes: 0, qos0: 0 });

/** What a session asks of the broker when a deadline of it comes, and when it sends. */
export interface SessionOwner {
  onSessionExpired(session: Session): void;
  onWillDue(session: Session): void;
  /** Whether a waiting message may still be sent; false drops it. */
  admits(session: Session, queued: QueuedMessage): boolean;
  onSent(session: Session, queued: QueuedMessage): void;
  /** The PUBLISH is to go out once its identifier is safe. */
  sendWhenSafe(connection: Connection, queued: QueuedMessage, dup: boolean): void;
  /** The PUBREL of a delivery is to go out, once it is safe where the delivery is stored. */
  sendPubrel(session: Session, queued: QueuedMessage): void;
  /** Nothing of it is owed any more: delivered, refused, expired or too large. */
  onSettled(session: Session, queued: QueuedMessage): void;
  readonly outgoingLimits: OutgoingLimits;
}

export class Session implements OutgoingWire<QueuedMessage> {
  readonly clientId: string;
  /** Who its client's messages come from. A takeover by another user name replaces it. */
  source: Source;
  connection: Connection | null = null;
  readonly subscriptions = new SmallMap<string, Subscription>();
  /** What those count for against `subscriptionsMax`. Kept by the router. */
  subscriptionUnits = 0;
  readonly outgoing: Outgoing<QueuedMessage>;
  /** QoS 2 messages taken over and not released yet: they are routed at their PUBREL. */
  readonly incoming = new Incoming<Message>();
  /** Bytes of those, topics and properties included. */
  incomingBytes = 0;
  /** Seconds it outlives its connection; `NEVER` for ever. */
  expiryInterval = 0;
  /** Whether it is in the store, because it outlives its connection [MQTT5-3.1.2-23]. */
  isDurable = false;
  /** The end of its queue, which the store alone has: changed by `park` and `unpark`. */
  parked = NOTHING_PARKED;
  /** The row behind which those stand, and the position of the last. Written by the store. */
  fetchAfter = 0;
  parkedAt = 0;
  /** Whether the store has been asked for the next of those. */
  isFetching = false;
  /** The last place in the queue that was given out. */
  lastPlace = 0;
  will: PendingWill | null = null;
  /** Messages of QoS 0 among those that wait: later ones must not overtake them [MQTT5-4.6.0-5]. */
  waitingQos0 = 0;
  /** Told when a message begins to wait while the client is away; null: nobody wants to know. */
  onWaiting: (() => void) | null = null;
  /** Its connection, if that is a bridge's that may be part of a loop. */
  watched: WatchedBridge | null = null;
  /** What may wait beside as much as ever, for it was held or is; null for nothing. */
  excess: Excess | null = null;
  /** Whether the log has said that messages are being dropped, once an episode. */
  dropLogged = false;
  /** When it ends, and when its Will goes out; null until it first waits for that. */
  expiry: Deadline | null = null;
  willDelay: Deadline | null = null;
  private readonly owner: SessionOwner;
  private timing: AnswerTime | null = null;

  constructor(clientId: string, source: Source, owner: SessionOwner) {
    this.clientId = clientId;
    this.source = source;
    this.owner = owner;
    this.outgoing = new Outgoing<QueuedMessage>(this, owner.outgoingLimits);
  }

  /** How quickly its client acknowledges. Kept by the store. */
  get answerTime(): AnswerTime {
    this.timing ??= new AnswerTime();
    return this.timing;
  }

  /** A message of `size` payload bytes left memory. */
  park(qos: Qos, size: number): void {
    this.addParked(1, size, qos === 0 ? 1 : 0);
  }

  /** Such a one is back. */
  unpark(qos: Qos, size: number): void {
    this.addParked(-1, -size, qos === 0 ? -1 : 0);
  }

  private addParked(count: number, bytes: number, qos0: number): void {
    if (this.parked === NOTHING_PARKED) this.parked = { ...NOTHING_PARKED };
    const parked = this.parked as Parked;
    parked.count += count;
    parked.bytes += bytes;
    parked.qos0 += qos0;
  }

  /** It is to end at `at`. */
  setExpiry(deadlines: Deadlines, at: number): void {
    this.expiry ??= { at: 0, place: -1, onDeadline: () => this.owner.onSessionExpired(this) };
    deadlines.set(this.expiry, at);
  }

  /** Its Will is to go out at `at`. */
  setWillDelay(deadlines: Deadlines, at: number): void {
    this.willDelay ??= { at: 0, place: -1, onDeadline: () => this.owner.onWillDue(this) };
    deadlines.set(this.willDelay, at);
  }

  /** Messages that wait for the client, in memory or not. */
  get waitingCount(): number {
    return this.outgoing.waitingCount + this.parked.count;
  }

  /** Payload bytes of those. */
  get waitingBytes(): number {
    return this.outgoing.waitingBytes + this.parked.bytes;
  }

  sendPubrel(queued: QueuedMessage): void {
    this.owner.sendPubrel(this, queued);
  }

  sendPublish(queued: QueuedMessage, packetId: number, dup: boolean): boolean {
    const { connection, owner } = this;
    if (connection === null) return true;
    const { message, qos, retain, identifier } = queued;
    if (qos === 0) this.waitingQos0--;
    const { outlet } = connection;
    // What comes behind one that is held waits too, for clients are used to one order.
    const isHeld = this.isDurable && (qos === 2 || (qos === 1 && connection.heldPublishes > 0));
    // What exceeds the client's Maximum Packet Size counts as delivered [MQTT5-3.1.2-25].
    const sent =
      (dup || owner.admits(this, queued)) &&
      (isHeld
        ? outlet.takes(message, qos, identifier)
        : outlet.sendMessage(message, qos, retain, dup, packetId, identifier));
    if (sent && qos > 0) {
      owner.onSent(this, queued);
      if (isHeld) owner.sendWhenSafe(connection, queued, dup);
      return true;
    }
    // At QoS 2 a repeat that is dropped ends with its PUBCOMP.
    if (!dup || qos === 1) owner.onSettled(this, queued);
    return sent;
  }
}
