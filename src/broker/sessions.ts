/**
 * All sessions by client identifier: how they begin, are taken over and end (5.0 §3.1.4, §4.1),
 * and with them when a Will goes out (§3.1.2.5).
 */
import { ACK_HEAD } from "../core/codec/ack.ts";
import { REASONS } from "../core/errors.ts";
import { readableBy } from "./access/readable.ts";
import type { Broker } from "./broker.ts";
import type { Connection, Ending } from "./connection.ts";
import { queuedOf } from "./durable/restore.ts";
import { PHASE, type RestoredDelivery } from "./durable/restored.ts";
import type { Source } from "./message.ts";
import {
  NEVER,
  NOTHING_PARKED,
  type QueuedMessage,
  Session,
  type SessionOwner,
  type Subscription,
} from "./session.ts";

/** Messages under way at once where nothing else bounds them; some identifiers are left over. */
const PACKET_IDS = 65_000;

export class Sessions implements SessionOwner {
  readonly outgoingLimits: SessionOwner["outgoingLimits"];
  private readonly broker: Broker;
  private readonly byClientId = new Map<string, Session>();
  /** Positions at which stored sessions ended, while that is not safe: oldest first. */
  private readonly ended = new Map<string, number>();
  private connected = 0;
  private countMax = 0;

  constructor(broker: Broker, packetIdMax: number) {
    this.broker = broker;
    this.outgoingLimits = { packetIdMax, inflightBytesMax: broker.settings.maxInflightBytes };
  }

  get count(): number {
    return this.byClientId.size;
  }

  /** The most there have been at once. */
  get countPeak(): number {
    return this.countMax;
  }

  get connectedCount(): number {
    return this.connected;
  }

  get(clientId: string): Session | undefined {
    return this.byClientId.get(clientId);
  }

  values(): IterableIterator<Session> {
    return this.byClientId.values();
  }

  /**
   * The session for a client that comes in: the stored one or a new one
   * [MQTT5-3.1.2-4] [MQTT5-3.1.2-5] [MQTT5-3.1.2-6]. A connection that has it already is ended
   * [MQTT5-3.1.4-3].
   */
  open(
    connection: Connection,
    source: Source,
    cleanStart: boolean,
  ): {
    readonly session: Session;
    readonly present: boolean;
  } {
    let session = this.byClientId.get(source.clientId);
    if (session !== undefined) {
      if (session.connection !== null) this.takeOver(session, session.connection, cleanStart);
      // The takeover may have ended it.
      session = this.byClientId.get(source.clientId);
    }
    if (session !== undefined && cleanStart) {
      // A Will that was still waiting goes out, for its session ends here [MQTT5-3.1.2-8].
      this.onWillDue(session);
      this.remove(session);
      session = undefined;
    }
    const present = session !== undefined;
    session ??= this.create(source);
    const { username, port, listener } = session.source;
    session.source = source;
    // Routes hold what the one before might receive.
    const isElsewhere = port !== source.port || listener !== source.listener;
    if (username !== source.username || isElsewhere) this.broker.router.generation++;
    session.will = null;
    session.connection = connection;
    this.connected++;
    this.broker.deadlines.cancel(session.expiry);
    this.broker.deadlines.cancel(session.willDelay);
    return { session, present };
  }

  /** Sets how long `session` outlives its connection. One that will not is no longer stored. */
  setExpiry(session: Session, seconds: number): void {
    session.expiryInterval = seconds;
    if (seconds > 0) session.isDurable = true;
    else this.forgetIfOver(session);
  }

  /** Whether a stored session of `clientId` has ended that a crash would bring back. */
  isEnding(clientId: string): boolean {
    return (this.ended.get(clientId) ?? 0) > this.broker.held.durablePosition;
  }

  /** CONNACK goes out when the store has the session. What comes in meanwhile waits. */
  acceptWhenSafe(connection: Connection, connack: Buffer): void {
    connection.awaitsConnack = true;
    this.broker.held.holdAccept(connection, this.broker.store.position, connack);
  }

  /** CONNACK went out: what is owed to the client follows it. */
  onAccepted(connection: Connection): void {
    const { session, receiveMaximum } = connection;
    const { maxInflightMessages } = this.broker.settings;
    // A client's Receive Maximum replaces our own limit, as with mosquitto (h.29).
    const own = maxInflightMessages === 0 ? PACKET_IDS : maxInflightMessages;
    if (session === null) return;
    this.dropForbidden(session);
    session.outgoing.onOnline(receiveMaximum > 0 ? receiveMaximum : own, true);
    this.refill(session);
  }

  /** Asks for the next messages of a queue that left memory, once there is room for them. */
  refill(session: Session): void {
    const { connection, parked } = session;
    if (parked.count === 0 || session.isFetching || connection === null || !connection.isLive) {
      return;
    }
    if (session.outgoing.waitingCount >= this.broker.settings.queueFetchBelow) return;
    // Messages of QoS 0 do not wait for acknowledgements, but for the network.
    if (connection.outlet.waitingBytes > this.broker.settings.backlogBytesPause) return;
    session.isFetching = true;
    this.broker.store.fetchOutgoing(session);
  }

  /** The next messages of a queue that left memory are back. */
  onFetched(session: Session, deliveries: readonly RestoredDelivery[]): void {
    session.isFetching = false;
    // It may have ended meanwhile.
    if (this.byClientId.get(session.clientId) !== session) return;
    const { kept, access, store } = this.broker;
    const mayReceive = readableBy(access, session.source);
    for (const delivery of deliveries) {
      const queued = queuedOf(delivery, this.broker.epoch);
      const { message, qos } = queued;
      session.unpark(qos, message.payloadSize);
      kept.unpark(1, message.payloadSize);
      if (mayReceive?.(message.topic.name) === false) {
        if (qos === 0) session.waitingQos0--;
        store.removeOutgoing(session, queued);
        continue;
      }
      kept.add(message);
      session.outgoing.publish(queued);
    }
    if (deliveries.length === 0) this.onLost(session);
    this.forgetIfOver(session);
    this.refill(session);
  }

  /** A session that no longer outlives its connection is stored only while its queue is. */
  private forgetIfOver(session: Session): void {
    if (session.expiryInterval > 0 || session.parked.count > 0 || !session.isDurable) return;
    this.forget(session);
  }

  private forget(session: Session): void {
    const { store, held } = this.broker;
    store.removeSession(session);
    session.isDurable = false;
    const { ended } = this;
    ended.delete(session.clientId);
    ended.set(session.clientId, store.position);
    for (const [clientId, position] of ended) {
      if (position > held.durablePosition) break;
      ended.delete(clientId);
    }
  }

  /** The store has fewer messages than were parked: somebody else has been at the database. */
  private onLost(session: Session): void {
    const { parked, clientId } = session;
    const { log, kept } = this.broker;
    log.write("error", `Error: ${parked.count} messages for ${clientId} are not in the database.`);
    kept.unpark(parked.count, parked.bytes);
    session.waitingQos0 -= parked.qos0;
    session.parked = NOTHING_PARKED;
  }

  /** A connection with a session ended: the session goes on, or ends with it. */
  onConnectionEnded(connection: Connection, ending: Ending): void {
    const { session } = connection;
    if (session === null || session.connection !== connection) return;
    session.connection = null;
    session.outgoing.onOffline();
    this.connected--;
    const { expiryInterval, will } = session;
    const { now, deadlines } = this.broker;
    if (!ending.will || will === null) {
      session.will = null;
    } else if (expiryInterval === 0 || will.delay === 0) {
      this.onWillDue(session);
    } else {
      session.setWillDelay(deadlines, now + will.delay * 1000);
    }
    if (expiryInterval === 0) {
      this.remove(session);
    } else {
      if (expiryInterval !== NEVER) session.setExpiry(deadlines, now + expiryInterval * 1000);
      this.broker.store.putSession(session);
    }
  }

  /** [MQTT5-4.1.0-2] */
  onSessionExpired(session: Session): void {
    this.broker.counters.sessionsExpired++;
    this.broker.log.write("notice", `Expiring client ${session.clientId} due to timeout.`);
    this.onWillDue(session);
    this.remove(session);
  }

  /** The Will goes out: its delay is over, or its session is [MQTT5-3.1.2-8] [MQTT5-3.1.2-10]. */
  onWillDue(session: Session): void {
    const { will } = session;
    if (will === null) return;
    session.will = null;
    this.broker.deadlines.cancel(session.willDelay);
    this.broker.publishWill(session, will);
    // In one batch with what it gave rise to, so that it goes out once.
    if (session.isDurable) this.broker.store.putSession(session);
  }

  /** What has expired while it waited is not sent [MQTT5-3.3.2-5]. */
  admits(_session: Session, queued: QueuedMessage): boolean {
    return !queued.message.isExpired(this.broker.now);
  }

  onSent(session: Session, queued: QueuedMessage): void {
    // What is repeated stands there already.
    if (queued.phase === PHASE.sent) return;
    queued.phase = PHASE.sent;
    if (session.isDurable) this.broker.store.changeOutgoing(session, queued);
  }

  /**
   * If the identifier were forgotten in a crash, the message would come again under another one
   * [MQTT5-4.3.3-1].
   */
  sendWhenSafe(connection: Connection, queued: QueuedMessage, dup: boolean): void {
    this.broker.held.holdPublish(connection, this.broker.store.position, queued, dup);
  }

  /** The client forgets the identifier at its PUBREL, so that the PUBREC must not be forgotten. */
  sendPubrel(session: Session, queued: QueuedMessage): void {
    const { connection } = session;
    const { store, held } = this.broker;
    const isNews = queued.phase !== PHASE.received;
    queued.phase = PHASE.received;
    if (session.isDurable && isNews) store.changeOutgoing(session, queued);
    if (connection === null) return;
    if (!session.isDurable) connection.outlet.sendAck(ACK_HEAD.pubrel, queued.packetId, 0);
    else held.holdAck(connection, store.position, ACK_HEAD.pubrel, queued.packetId, 0);
  }

  onSettled(session: Session, queued: QueuedMessage): void {
    if (session.isDurable) this.broker.store.removeOutgoing(session, queued);
    this.broker.kept.remove(queued.message);
    session.dropLogged = false;
  }

  /** Ends a session with everything it has. */
  remove(session: Session): void {
    const { router, deadlines, kept } = this.broker;
    // While it still has what the store is to forget.
    if (session.isDurable) this.forget(session);
    const { parked } = session;
    kept.unpark(parked.count, parked.bytes);
    for (const filter of [...session.subscriptions.keys()]) router.unsubscribe(session, filter);
    for (const { message } of session.outgoing.deliveries()) kept.remove(message);
    for (const [, message] of session.incoming.entries()) kept.remove(message);
    session.outgoing.clear();
    session.incoming.clear();
    session.incomingBytes = 0;
    deadlines.cancel(session.expiry);
    deadlines.cancel(session.willDelay);
    if (this.byClientId.get(session.clientId) === session) {
      this.byClientId.delete(session.clientId);
    }
  }

  /** What has waited is held against the rules as they are now (mosquitto-2.1 h.30). */
  private dropForbidden(session: Session): void {
    const mayReceive = readableBy(this.broker.access, session.source);
    if (mayReceive === null) return;
    session.outgoing.filterWaiting((queued) => {
      if (mayReceive(queued.message.topic.name)) return true;
      if (queued.qos === 0) session.waitingQos0--;
      this.onSettled(session, queued);
      return false;
    });
  }

  /**
   * Readies the session of a bridge, whether it is connected or not: what these subscriptions match
   * waits for it from here on, and what older ones asked for does no longer.
   */
  prepare(source: Source, wanted: readonly Omit<Subscription, "session">[]): Session {
    const { router, store } = this.broker;
    const session = this.byClientId.get(source.clientId) ?? this.create(source);
    session.source = source;
    router.generation++;
    this.setExpiry(session, NEVER);
    store.putSession(session);
    const filters = new Set(wanted.map(({ filter }) => filter));
    for (const filter of [...session.subscriptions.keys()]) {
      if (filters.has(filter)) continue;
      router.unsubscribe(session, filter);
      store.removeSubscription(session, filter);
    }
    for (const one of wanted) {
      const subscription = { ...one, session };
      router.subscribe(subscription);
      store.putSubscription(session, subscription);
    }
    this.broker.deadlines.cancel(session.expiry);
    return session;
  }

  /** What the client has sent by half it knows no longer: its identifiers are free. */
  forgetIncoming(session: Session): void {
    const { kept, store } = this.broker;
    for (const [packetId, message] of [...session.incoming.entries()]) {
      kept.remove(message);
      if (session.isDurable) store.removeIncoming(session, packetId, message);
    }
    session.incoming.clear();
    session.incomingBytes = 0;
  }

  create(source: Source): Session {
    const session = new Session(source.clientId, source, this);
    this.byClientId.set(source.clientId, session);
    this.countMax = Math.max(this.countMax, this.byClientId.size);
    return session;
  }

  /**
   * Another connection has the client identifier now. The Will goes out if the session ends with
   * the old one; if the session goes on, it counts as
   * cancelled, as with mosquitto ~[MQTT5-3.1.2-8] (h.8).
   */
  private takeOver(session: Session, old: Connection, cleanStart: boolean): void {
    const ends = cleanStart || session.expiryInterval === 0;
    old.end({ why: "session taken over", code: REASONS.sessionTakenOver.code, will: ends });
  }
}
