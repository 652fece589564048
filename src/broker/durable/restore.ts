/** Makes the broker what it was: sessions, their queues and Wills, and retained messages. */

import { parseFilter } from "../../core/topic/filter.ts";
import type { Broker } from "../broker.ts";
import { Message } from "../message.ts";
import { NEVER, QueuedMessage, type Session } from "../session.ts";
import {
  PHASE,
  type RestoredDelivery,
  type RestoredMessage,
  type RestoredSession,
  type RestoredState,
} from "./restored.ts";

/** Takes over what a store had kept, in a broker that has nothing yet. */
export function restore(broker: Broker, state: RestoredState): void {
  for (const restored of state.retained) {
    const message = messageOf(restored, broker.epoch);
    message.store().rows = 1;
    broker.retained.put(message);
    broker.kept.add(message);
  }
  for (const session of state.sessions) restoreSession(broker, session);
}

/** A delivery as it waits in a queue. @param epoch Unix milliseconds when the clock showed 0. */
export function queuedOf(delivery: RestoredDelivery, epoch: number): QueuedMessage {
  const { qos, retain, identifier, packetId, phase, place, row } = delivery;
  const message = messageOf(delivery.message, epoch);
  message.store().rows = 1;
  const queued = new QueuedMessage(message, qos, retain, identifier);
  // Before it is sent it has none, whatever stands in the database.
  if (phase !== PHASE.waiting) queued.packetId = packetId;
  queued.phase = phase;
  queued.place = place;
  queued.row = row;
  return queued;
}

function restoreSession(broker: Broker, restored: RestoredSession): void {
  const { clientId, username, port, parked, lastPlace } = restored;
  const session = broker.sessions.create({ clientId, username, port });
  session.expiryInterval = restored.expiryInterval;
  session.isDurable = true;
  session.lastPlace = lastPlace;
  session.parked = { ...parked };
  session.waitingQos0 = parked.qos0;
  broker.kept.park(parked.count, parked.bytes);
  restoreSubscriptions(broker, session, restored);
  for (const { row, message: stored } of restored.incoming) {
    const message = messageOf(stored, broker.epoch);
    message.store().rows = 1;
    message.store().incomingRow = row;
    broker.kept.add(message);
    session.incoming.hold(message.sourcePacketId, message);
    session.incomingBytes += message.size;
  }
  for (const delivery of restored.outgoing) {
    const queued = queuedOf(delivery, broker.epoch);
    broker.kept.add(queued.message);
    session.outgoing.restore(queued, queued.phase === PHASE.received);
  }
  restoreDeadlines(broker, session, restored);
}

function restoreSubscriptions(
  broker: Broker,
  session: Session,
  { subscriptions }: RestoredSession,
): void {
  for (const subscription of subscriptions) {
    const share = parseFilter(subscription.filter)?.share ?? null;
    broker.router.subscribe({ session, share, ...subscription });
  }
}

/**
 * Every client is away now: what a connection's end starts, starts now if it had not, and is noted,
 * or it would start anew with each crash.
 */
function restoreDeadlines(broker: Broker, session: Session, restored: RestoredSession): void {
  const { deadlines, now, epoch } = broker;
  const { expiryInterval, expiresAt, will } = restored;
  const ends = expiryInterval !== NEVER;
  if (ends) {
    const at = expiresAt > 0 ? expiresAt - epoch : now + expiryInterval * 1000;
    session.setExpiry(deadlines, Math.max(now, at));
  }
  if (will !== null) {
    session.will = will;
    const dueAt = will.dueAt > 0 ? will.dueAt - epoch : now + will.delay * 1000;
    session.setWillDelay(deadlines, Math.max(now, dueAt));
  }
  if ((ends && expiresAt === 0) || will?.dueAt === 0) broker.store.putSession(session);
}

function messageOf(restored: RestoredMessage, epoch: number): Message {
  const { topic, payload, qos, retain, properties, expiresAt } = restored;
  const message = new Message(
    { name: topic, bytes: Buffer.from(topic) },
    payload,
    0,
    payload.length,
    qos,
    retain,
    {
      clientId: restored.sourceId,
      username: restored.sourceUsername,
      port: restored.sourcePort,
    },
    properties,
    expiresAt === 0 ? 0 : expiresAt - epoch,
    restored.sourcePacketId,
  );
  const stored = message.store();
  stored.storeId = restored.storeId;
  stored.isShared = restored.isShared;
  return message;
}
