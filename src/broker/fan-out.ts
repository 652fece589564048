/**
 * Fan-out: gives a message to everybody its route names.
 *
 * Hot path. Budget: nothing per recipient of a run that takes it as it came; one queued message
 * per recipient at QoS 1 and 2.
 */

import { splitFrames } from "../core/codec/frame.ts";
import type { Qos } from "../core/codec/packets.ts";
import { PublishView, readPublish } from "../core/codec/publish.ts";
import type { Share } from "../core/topic/share.ts";
import type { Broker } from "./broker.ts";
import type { Connection } from "./connection.ts";
import { Message, NO_PROPERTY_BYTES, type Topic } from "./message.ts";
import type { Route } from "./router.ts";
import type { Run } from "./run.ts";
import { type Excess, QueuedMessage, type Session, type Subscription } from "./session.ts";

/** Gives `message` to all that `route` names. @returns False when nobody subscribes to it. */
export function distribute(broker: Broker, message: Message, route: Route): boolean {
  const current = broker.current(route);
  const { direct, shares } = current;
  broker.work.steps += direct.length + shares.length;
  if (!current.distinct && !broker.settings.allowDuplicateMessages) {
    for (const subscription of withoutDuplicates(direct)) deliver(broker, subscription, message);
  } else {
    for (let i = 0; i < direct.length; i++) deliver(broker, direct[i]!, message);
  }
  for (let i = 0; i < shares.length; i++) {
    const member = takeMember(broker, shares[i]!, message.topic);
    if (member !== undefined) deliver(broker, member, message);
  }
  return current.isMatched;
}

/** Gives `message` to one subscription, at the QoS and with the flags that it asked for. */
export function deliver(broker: Broker, subscription: Subscription, message: Message): void {
  const { session } = subscription;
  // ~[MQTT5-3.8.3-3] by client identifier, as mosquitto: a session knows no other way.
  if (subscription.noLocal && session.clientId === message.source.clientId) return;
  // What comes by one bridge and goes out by another may be going round (loops.ts).
  if (session.watched !== null && !session.watched.admits(message)) return;
  const lower = message.qos < subscription.qos ? message.qos : subscription.qos;
  const qos = broker.settings.upgradeOutgoingQos ? subscription.qos : lower;
  const retain = subscription.retainAsPublished && message.retain;
  enqueue(broker, session, message, qos, retain, subscription.identifier);
}

/** The member of `share` whose turn it is, of those that may receive the topic. */
function takeMember(
  broker: Broker,
  share: Share<Subscription>,
  { name }: Topic,
): Subscription | undefined {
  const { access } = broker;
  if (access === null) return share.take();
  for (let left = share.size; left > 0; left--) {
    broker.work.steps++;
    const member = share.take()!;
    if (access.mayReceive(member.session.source, name)) return member;
  }
  return undefined;
}

/** Sends `message` to the session's client now, or keeps it for later, or drops it at a limit. */
export function enqueue(
  broker: Broker,
  session: Session,
  message: Message,
  qos: Qos,
  retain: boolean,
  identifier: number,
): void {
  const { connection } = session;
  if (qos === 0) {
    if (connection?.isLive && session.waitingQos0 === 0) {
      const { outlet } = connection;
      if (outlet.admitQos0(1)) outlet.sendMessage(message, 0, retain, false, 0, identifier);
      return;
    }
    if (!broker.settings.queueQos0Messages || !session.isDurable) return;
  }
  if (!hasRoom(broker, session, message) || lacksMemory(broker, session)) {
    drop(broker, session);
    return;
  }
  const queued = new QueuedMessage(message, qos, retain, identifier);
  if (qos === 0) session.waitingQos0++;
  if (session.isDurable) {
    queued.place = ++session.lastPlace;
    if (broker.store.parks && isLong(broker, session)) {
      park(broker, session, queued);
      if (connection === null) session.onWaiting?.();
      return;
    }
  }
  // For a client that is away it may wait for days.
  if (connection === null) message.keep();
  else message.own();
  broker.kept.add(message);
  if (session.isDurable) broker.store.addOutgoing(session, queued);
  session.outgoing.publish(queued);
  if (connection === null) session.onWaiting?.();
}

/** Whether what comes next for the session is not kept in memory. */
function isLong({ settings, shortage }: Broker, { outgoing, parked }: Session): boolean {
  // Behind what is parked already, or it would overtake it.
  if (parked.count > 0 || (shortage.isShort && !outgoing.isFree)) return true;
  const { queueInMemoryMax, queueInMemoryBytesMax } = settings;
  return (
    outgoing.waitingCount >= queueInMemoryMax || outgoing.waitingBytes >= queueInMemoryBytesMax
  );
}

/** Leaves a message to the store, which hands it back when its turn comes. */
function park(broker: Broker, session: Session, queued: QueuedMessage): void {
  const { message, qos } = queued;
  // Until the store has written it.
  message.own();
  session.park(qos, message.payloadSize);
  broker.kept.park(1, message.payloadSize);
  queued.isParked = true;
  broker.store.addOutgoing(session, queued);
}

/**
 * Gives a run of QoS 0 messages to all that `route` names: as the bytes they came in where the
 * recipient's framing is the same, message by message elsewhere.
 */
export function deliverRun(
  broker: Broker,
  publisher: Connection,
  run: Run,
  held: Route,
  payloadBytes: number,
): void {
  const route = broker.current(held);
  publisher.route = route;
  const { direct, shares, distinct } = route;
  broker.work.steps += direct.length;
  const { version, clientId } = publisher;
  let others: Subscription[] | null = null;
  for (let i = 0; i < direct.length; i++) {
    const subscription = direct[i]!;
    const { connection } = subscription.session;
    if (
      distinct &&
      connection?.isLive &&
      connection.outlet.takesRuns(version) &&
      subscription.session.waitingQos0 === 0 &&
      takesUnseen(subscription.session, publisher) &&
      takesPlain(broker, subscription, clientId) &&
      run.packetSizeMax <= connection.outlet.packetSizeMax
    ) {
      const { outlet } = connection;
      if (outlet.admitQos0(run.count)) outlet.sendRun(run, payloadBytes);
    } else {
      others ??= [];
      others.push(subscription);
    }
  }
  if (others !== null || shares.length > 0) deliverSingly(broker, publisher, run, route, others);
}

/** Whether a run may go to the session without a look at its messages (loops.ts). */
function takesUnseen({ watched }: Session, { session }: Connection): boolean {
  return watched === null || watched.takesRuns(session!.source);
}

function takesPlain(broker: Broker, subscription: Subscription, publisher: string): boolean {
  if (subscription.identifier !== 0) return false;
  if (broker.settings.upgradeOutgoingQos && subscription.qos > 0) return false;
  return !subscription.noLocal || subscription.session.clientId !== publisher;
}

/** The way of a run for those who cannot take it as it came. */
function deliverSingly(
  broker: Broker,
  publisher: Connection,
  run: Run,
  route: Route,
  others: readonly Subscription[] | null,
): void {
  const view = new PublishView();
  const { version, session } = publisher;
  publisher.hasRecorded = true;
  const recipients =
    others !== null && !route.distinct && !broker.settings.allowDuplicateMessages
      ? withoutDuplicates(others)
      : (others ?? []);
  broker.work.steps += run.count * (recipients.length + route.shares.length);
  splitFrames(run.bytes, run.start, run.end, {
    onFrame(bytes, packetStart, bodyStart, bodyEnd) {
      readPublish(view, bytes, bytes[packetStart]!, bodyStart, bodyEnd, version);
      const { payloadStart, payloadEnd } = view;
      const source = session!.source;
      const message = new Message(
        route,
        bytes,
        payloadStart,
        payloadEnd,
        0,
        false,
        source,
        NO_PROPERTY_BYTES,
        0,
        0,
      );
      for (const subscription of recipients) deliver(broker, subscription, message);
      for (const share of route.shares) {
        const member = takeMember(broker, share, route);
        if (member !== undefined) deliver(broker, member, message);
      }
      return true;
    },
    onPartial: () => false,
  });
}

/** For clients before 5.0 one subscription each, of the highest QoS (allow_duplicate_messages). */
function withoutDuplicates(direct: readonly Subscription[]): Subscription[] {
  const best = new Map<Session, Subscription>();
  const kept: Subscription[] = [];
  for (const subscription of direct) {
    const { session } = subscription;
    // While a client of 5.0 is away its identifiers tell it: none of them may go missing
    // [MQTT5-3.3.4-3].
    if (session.connection?.version === 5 || subscription.identifier !== 0) {
      kept.push(subscription);
      continue;
    }
    const other = best.get(session);
    if (other === undefined || other.qos < subscription.qos) best.set(session, subscription);
  }
  return [...kept, ...best.values()];
}

/** Whether one more message may wait for the session (mosquitto-2.1 b.2). */
function hasRoom(broker: Broker, session: Session, message: Message): boolean {
  const { maxQueuedMessages, maxQueuedBytes } = broker.settings;
  if (session.excess !== null) return hasRoomBeside(broker, session, message, session.excess);
  if (maxQueuedMessages > 0 && session.waitingCount >= maxQueuedMessages) return false;
  if (maxQueuedBytes === 0 || session.waitingCount === 0) return true;
  return session.waitingBytes + message.payloadSize <= maxQueuedBytes;
}

/** The same for a session whose messages are held, or were: they push out nothing that comes. */
function hasRoomBeside(
  { settings }: Broker,
  session: Session,
  message: Message,
  excess: Excess,
): boolean {
  const { maxQueuedMessages, maxQueuedBytes } = settings;
  const { waitingCount, waitingBytes } = session;
  if (excess.messages === Number.POSITIVE_INFINITY) return true;
  if (waitingCount === 0) {
    session.excess = null;
    return true;
  }
  const messages = Math.min(excess.messages, waitingCount);
  const bytes = Math.min(excess.bytes, waitingBytes);
  session.excess = { messages, bytes };
  if (maxQueuedMessages > 0 && waitingCount >= maxQueuedMessages + messages) return false;
  return maxQueuedBytes === 0 || waitingBytes + message.payloadSize <= maxQueuedBytes + bytes;
}

/** Whether memory is short, and the message would stay in it: no client takes it at once. */
function lacksMemory({ shortage, store }: Broker, session: Session): boolean {
  if (!shortage.isShort || session.outgoing.isFree) return false;
  return !(session.isDurable && store.parks);
}

function drop(broker: Broker, session: Session): void {
  broker.counters.publishDropped++;
  if (session.dropLogged) return;
  session.dropLogged = true;
  broker.log.write("notice", `Outgoing messages are being dropped for client ${session.clientId}.`);
}
