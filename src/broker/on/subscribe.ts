/** SUBSCRIBE from a client (MQTT 5.0 §3.8.4). */
import { readPacket, writePacket } from "../../core/codec/general.ts";
import type { SubscribePacket, SubscriptionRequest } from "../../core/codec/packets.ts";
import { ProtocolError, REASONS } from "../../core/errors.ts";
import { isTopicFilter, parseFilter } from "../../core/topic/filter.ts";
import { readableBy } from "../access/readable.ts";
import type { Broker } from "../broker.ts";
import type { Connection } from "../connection.ts";
import { enqueue } from "../fan-out.ts";
import type { Message } from "../message.ts";
import { unitsOf } from "../router.ts";
import type { Session, Subscription } from "../session.ts";

export function onSubscribe(
  connection: Connection,
  session: Session,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): void {
  const { broker, clientId } = connection;
  const packet = readPacket(bytes, head, start, end, connection.version) as SubscribePacket;
  if (broker.log.debug) broker.log.write("debug", `Received SUBSCRIBE from ${clientId}`);
  const identifier = packet.properties.subscriptionIdentifiers?.[0] ?? 0;
  // All are looked at before any takes effect: a bad one ends the connection.
  const subscriptions = packet.subscriptions.map((request) =>
    subscriptionOf(connection, session, request, identifier),
  );
  const owed: Subscription[] = [];
  const codes = subscriptions.map((subscription) => {
    // Asked of each when its turn comes: a filter may stand in the packet twice [MQTT5-3.8.4-5].
    const isFirst = !session.subscriptions.has(subscription.filter);
    const refusal = refusalOf(connection, session, subscription);
    if (refusal !== null) return refusal;
    if (broker.log.debug) {
      broker.log.write("debug", `\t${subscription.filter} (QoS ${subscription.qos})`);
    }
    broker.router.subscribe(subscription);
    if (looksLikeBridge(connection, subscription)) broker.loops.onBridge(connection, session);
    broker.log.write("subscribe", `${clientId} ${subscription.qos} ${subscription.filter}`);
    if (session.isDurable) broker.store.putSubscription(session, subscription);
    if (wantsRetained(connection, subscription, isFirst)) owed.push(subscription);
    return subscription.qos;
  });
  broker.work.steps += codes.length;
  const suback = writePacket(
    {
      type: "suback",
      packetId: packet.packetId,
      reasonCodes: codes,
      properties: {},
    },
    connection.version,
  );
  if (broker.log.debug) broker.log.write("debug", `Sending SUBACK to ${clientId}`);
  if (session.isDurable) broker.held.holdPacket(connection, broker.store.position, suback);
  else connection.send(suback);
  // A SUBACK longer than the client takes ends the connection.
  if (!connection.isOpen || owed.length === 0) return;
  if (session.watched !== null) broker.loops.giveWay(session.watched);
  connection.owesRetained = owed;
  sendOwedRetained(connection);
}

/**
 * Sends the retained messages of subscriptions just made. A few bytes may ask for all of them a
 * thousand times, so that after the connection's share of the turn the rest waits for the next.
 */
export function sendOwedRetained(connection: Connection): void {
  const owed = connection.owesRetained;
  if (owed === null) return;
  let sent = 0;
  while (sent < owed.length && connection.hasShare && connection.isOpen) {
    sendRetained(connection, owed[sent++]!);
  }
  connection.owesRetained = sent === owed.length ? null : owed.slice(sent);
}

/** What SUBACK says of a filter that is not taken; 3.1 has no word for it (mosquitto-2.1 h.26). */
function refusalOf(
  connection: Connection,
  session: Session,
  { filter, qos }: Subscription,
): number | null {
  const { broker, clientId, version } = connection;
  if (connection.listener.isInternal) return null;
  const isDenied = broker.access?.maySubscribe?.(session.source, filter) === false;
  if (isDenied && broker.log.debug) {
    broker.log.write("debug", `Denied SUBSCRIBE from ${clientId} (${filter})`);
  }
  if (!isDenied && hasRoom(broker, session, filter)) return null;
  if (version === 3) return qos;
  if (version === 4) return REASONS.unspecifiedError.code;
  return isDenied ? REASONS.notAuthorized.code : REASONS.quotaExceeded.code;
}

/** mosquitto's bridges have no other sign in 5.0 than what they ask for, which is theirs alone. */
function looksLikeBridge({ version }: Connection, subscription: Subscription): boolean {
  return version === 5 && subscription.noLocal && subscription.retainAsPublished;
}

/** Whether the session may have one more subscription (subscriptionsMax, memoryLimit). */
function hasRoom(broker: Broker, session: Session, filter: string): boolean {
  if (session.subscriptions.has(filter)) return true;
  if (broker.shortage.isShort) return false;
  const { subscriptionsMax } = broker.settings;
  if (subscriptionsMax === 0) return true;
  if (session.subscriptionUnits + unitsOf(filter) <= subscriptionsMax) return true;
  broker.complaints.reached(
    "max_subscriptions",
    `subscriptions of client ${session.clientId} are refused above ${subscriptionsMax}.`,
  );
  return false;
}

/** @throws {ProtocolError} When the filter or the request is not as it must be. */
function subscriptionOf(
  connection: Connection,
  session: Session,
  request: SubscriptionRequest,
  identifier: number,
): Subscription {
  const { maxQos, mountPoint } = connection.listener;
  // mosquitto's bridges ask for these two where there are no options to ask with (b.10).
  const isImplied = connection.isBridge && connection.version !== 5;
  const parsed = parseFilter(request.filter);
  if (parsed === null) {
    throw new ProtocolError("protocolError", "MQTT5-4.8.2-2", "not a shared topic filter");
  }
  if (!isTopicFilter(parsed.filter)) {
    throw new ProtocolError("malformedPacket", "MQTT5-4.7.1-1", "not a topic filter");
  }
  if (parsed.share !== null && request.noLocal) {
    throw new ProtocolError("protocolError", "MQTT5-3.8.3-4", "no-local on a shared subscription");
  }
  return {
    session,
    filter: mountPoint + request.filter,
    // Under a mount point the prefix stands before `$share`, and nothing is shared (h.36).
    share: mountPoint === "" ? parsed.share : null,
    qos: request.qos < maxQos ? request.qos : maxQos,
    // Who shares messages takes them from anybody.
    noLocal: request.noLocal || (isImplied && parsed.share === null),
    retainAsPublished: request.retainAsPublished || isImplied,
    retainHandling: request.retainHandling,
    identifier,
  };
}

/** [MQTT5-3.3.1-9] to [MQTT5-3.3.1-11]; before 5.0 always [MQTT-3.8.4-3]; never for a share. */
function wantsRetained(
  connection: Connection,
  subscription: Subscription,
  isNew: boolean,
): boolean {
  if (subscription.share !== null) return false;
  if (connection.version !== 5 || subscription.retainHandling === 0) return true;
  return subscription.retainHandling === 1 && isNew;
}

function sendRetained(connection: Connection, subscription: Subscription): void {
  const { broker } = connection;
  const { session, qos, noLocal, identifier } = subscription;
  const expired: string[] = [];
  const mayReceive = readableBy(broker.access, session.source);
  broker.retained.match(subscription.filter, (message) => {
    if (message.isExpired(broker.now)) {
      expired.push(message.topic.name);
      return;
    }
    if (noLocal && message.source.clientId === session.clientId) return;
    if (mayReceive?.(message.topic.name) === false) return;
    if (isDisowned(broker, message)) return;
    const lower = message.qos < qos ? message.qos : qos;
    const granted = broker.settings.upgradeOutgoingQos ? qos : lower;
    enqueue(broker, session, message, granted, true, identifier);
  });
  for (const topic of expired) broker.dropRetained(topic);
}

/** Whether its publisher may not publish there any more, where that is asked. */
function isDisowned({ access, settings }: Broker, message: Message): boolean {
  const { source } = message;
  if (access === null || !settings.checkRetainSource || source.clientId === "") return false;
  return access.isOpenTo?.(source) !== true && !access.mayPublish(source, message.topic.name);
}
