/** SUBSCRIBE from a client (MQTT 5.0 §3.8.4). */
import { readPacket, writePacket } from "../../core/codec/general.ts";
import type { SubscribePacket, SubscriptionRequest, Version } from "../../core/codec/packets.ts";
import { ProtocolError, REASONS } from "../../core/errors.ts";
import { isTopicFilter, parseFilter } from "../../core/topic/filter.ts";
import type { Connection } from "../connection.ts";
import { enqueue } from "../fan-out.ts";
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
  const codes: number[] = [];
  const taken = subscriptions.filter((subscription) => {
    const isGranted = maySubscribe(connection, subscription);
    codes.push(isGranted ? subscription.qos : (REFUSED[connection.version] ?? subscription.qos));
    return isGranted;
  });
  const isNew = taken.map((subscription) => {
    // Asked of each when its turn comes: a filter may stand in the packet twice [MQTT5-3.8.4-5].
    const isFirst = !session.subscriptions.has(subscription.filter);
    if (broker.log.debug) {
      broker.log.write("debug", `\t${subscription.filter} (QoS ${subscription.qos})`);
    }
    broker.router.subscribe(subscription);
    broker.log.write("subscribe", `${clientId} ${subscription.qos} ${subscription.filter}`);
    if (session.isDurable) broker.store.putSubscription(session, subscription);
    return isFirst;
  });
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
  if (!connection.isOpen) return;
  taken.forEach((subscription, i) => {
    if (wantsRetained(connection, subscription, isNew[i]!)) sendRetained(connection, subscription);
  });
}

/** What SUBACK says of a filter that is denied; MQTT 3.1 has no word for it (h.26). */
const REFUSED: Readonly<Partial<Record<Version, number>>> = {
  4: 0x80,
  5: REASONS.notAuthorized.code,
};

function maySubscribe(
  { broker, clientId }: Connection,
  { session, filter }: Subscription,
): boolean {
  if (broker.access?.maySubscribe?.(session.source, filter) !== false) return true;
  if (broker.log.debug) broker.log.write("debug", `Denied SUBSCRIBE from ${clientId} (${filter})`);
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
    // mosquitto's bridges ask for these two without 5.0's options (b.10).
    noLocal: request.noLocal || connection.isBridge,
    retainAsPublished: request.retainAsPublished || connection.isBridge,
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
  broker.retained.match(subscription.filter, (message) => {
    if (message.isExpired(broker.now)) {
      expired.push(message.topic.name);
      return;
    }
    if (noLocal && message.source.clientId === session.clientId) return;
    if (broker.access?.mayReceive(session.source, message.topic.name) === false) return;
    const lower = message.qos < qos ? message.qos : qos;
    const granted = broker.settings.upgradeOutgoingQos ? qos : lower;
    enqueue(broker, session, message, granted, true, identifier);
  });
  for (const topic of expired) broker.dropRetained(topic);
}
