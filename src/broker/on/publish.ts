/**
 * PUBLISH from a client (MQTT 5.0 §3.3.4, §4.3).
 *
 * A QoS 0 message is routed at once, a QoS 1 message too, and its PUBACK waits for the store; a
 * QoS 2 message is taken over with its PUBREC and routed at its PUBREL.
 *
 * Hot path. Budget: a plain QoS 0 message on the topic of the one before allocates nothing; one at
 * QoS 1 or 2 allocates its message and what its recipients keep of it.
 */
import { ACK_HEAD } from "../../core/codec/ack.ts";
import {
  type Properties,
  propertyListSize,
  readPropertyList,
  writeProperties,
} from "../../core/codec/properties.ts";
import { type PublishView, readPublish } from "../../core/codec/publish.ts";
import { varintSize } from "../../core/codec/varint.ts";
import { IncomingAliases } from "../../core/delivery/aliases.ts";
import { NO_MATCHING_SUBSCRIBERS, ProtocolError, REASONS } from "../../core/errors.ts";
import type { Connection } from "../connection.ts";
import { distribute } from "../fan-out.ts";
import { Message, NO_PROPERTY_BYTES } from "../message.ts";
import type { Route } from "../router.ts";
import type { Session } from "../session.ts";
import { keepCertificate } from "../sparkplug.ts";

export function onPublish(
  connection: Connection,
  bytes: Buffer,
  packetStart: number,
  bodyStart: number,
  bodyEnd: number,
): void {
  const { broker } = connection;
  const { view } = broker;
  const head = bytes[packetStart]!;
  readPublish(view, bytes, head, bodyStart, bodyEnd, connection.version);
  const hasProperties = view.propertiesEnd > view.propertiesStart;
  const properties = hasProperties ? readProperties(bytes, view) : null;
  const route = routeOf(connection, bytes, view, properties);
  checkOffered(connection, view);
  const refusal = refusalOf(connection, view, route);
  if (refusal !== 0) {
    count(connection, view);
    answer(connection, view, refusal, broker.store.position);
    return;
  }
  if (broker.log.debug) broker.trace.receivedPublish(connection, view, route.name);
  const plain =
    head === 0x30 && !hasProperties && connection.listener.mountPoint === "" && !route.special;
  if (plain) {
    connection.beginRun(bytes, packetStart, bodyStart, bodyEnd, route.runMax);
    return;
  }
  count(connection, view);
  takeOver(connection, connection.session!, bytes, view, route, properties);
}

function takeOver(
  connection: Connection,
  session: Session,
  bytes: Buffer,
  view: PublishView,
  route: Route,
  properties: Properties | null,
): void {
  const { broker } = connection;
  const { qos, packetId, payloadStart, payloadEnd } = view;
  const { position } = broker.store;
  // An interval of 0 is none, as with mosquitto.
  const seconds = properties?.messageExpiryInterval ?? 0;
  const message = new Message(
    route,
    bytes,
    payloadStart,
    payloadEnd,
    qos,
    view.retain,
    session.source,
    properties === null ? NO_PROPERTY_BYTES : handedOn(properties),
    seconds === 0 ? 0 : broker.now + seconds * 1000,
    packetId,
  );
  if (qos === 2) {
    hold(connection, session, message);
    return;
  }
  const matched = spread(connection, message, route);
  if (qos === 0) {
    if (broker.store.position > position) connection.hasRecorded = true;
    return;
  }
  // Before 5.0 there is no such code, and mosquitto does not log it either.
  const isHeard = matched || connection.version !== 5;
  answer(connection, view, isHeard ? 0 : NO_MATCHING_SUBSCRIBERS, position);
}

/** Publishes a message that has been taken over: retains it, and gives it to its subscribers. */
export function publishMessage(connection: Connection, message: Message): void {
  const { broker } = connection;
  // Its time may be over before its PUBREL came [MQTT5-3.3.2-5].
  if (message.isExpired(broker.now)) return;
  const route = broker.router.route(message.topic.name);
  spread(connection, message, route);
}

/** @returns Whether anybody gets it. */
function spread(connection: Connection, message: Message, route: Route): boolean {
  const { broker } = connection;
  if (route.control) {
    broker.control.onMessage(message);
    return true;
  }
  if (message.retain) broker.retain(message);
  const matched = distribute(broker, message, route);
  if (route.special) keepCertificate(broker, message);
  return matched;
}

/** QoS 2: the message is kept under its identifier until PUBREL [MQTT5-4.3.3-8]. */
function hold(connection: Connection, session: Session, message: Message): void {
  const { broker } = connection;
  const { position } = broker.store;
  const packetId = message.sourcePacketId;
  const known = session.incoming.get(packetId);
  if (known !== undefined && isSame(known, message)) {
    // mosquitto puts up with one repeat on a connection, and ends it at the second (h.16).
    connection.repeated ??= new Set();
    if (connection.repeated.has(packetId)) throw repeatedTwice();
    connection.repeated.add(packetId);
  } else {
    if (known !== undefined) {
      broker.log.write(
        "warning",
        `Reused message ID ${packetId} from ${connection.clientId} detected. Clearing from storage.`,
      );
    }
    const bytes = session.incomingBytes + message.size - (known?.size ?? 0);
    const isTooMuch = bytes > broker.settings.unreleasedBytesMax;
    // Whoever has no answer to it must not believe that we have the message.
    if (isTooMuch || (broker.shortage.isShort && known === undefined)) throw tooMuchUnreleased();
    session.incomingBytes = bytes;
    message.own();
    if (known !== undefined) {
      broker.kept.remove(known);
      if (session.isDurable) broker.store.removeIncoming(session, packetId, known);
    }
    broker.kept.add(message);
    session.incoming.hold(packetId, message);
    if (session.isDurable) broker.store.addIncoming(session, packetId, message);
  }
  // Of a repeat nothing is recorded, but its message may not be safe yet.
  const before = known === undefined ? position : -1;
  connection.acknowledge(before, ACK_HEAD.pubrec, packetId, 0);
}

function isSame(known: Message, message: Message): boolean {
  return (
    known.topic.name === message.topic.name &&
    known.retain === message.retain &&
    known.payloadSize === message.payloadSize &&
    known.bytes.compare(message.bytes, message.start, message.end, known.start, known.end) === 0
  );
}

/** The route of the packet's topic, by its alias or its name, under the listener's mount point. */
function routeOf(
  connection: Connection,
  bytes: Buffer,
  view: PublishView,
  properties: Properties | null,
): Route {
  const { topicStart, topicEnd } = view;
  const alias = properties?.topicAlias;
  if (topicEnd === topicStart && connection.version === 5) {
    if (alias === undefined) throw noTopic();
    return keep(connection, aliasesOf(connection).get(alias));
  }
  const last = connection.route;
  let route: Route;
  if (
    last !== null &&
    connection.listener.mountPoint === "" &&
    last.isNamed(bytes, topicStart, topicEnd)
  ) {
    route = last;
  } else {
    route = findRoute(connection, bytes, topicStart, topicEnd);
  }
  if (alias !== undefined) aliasesOf(connection).set(alias, route);
  return keep(connection, route);
}

function findRoute(connection: Connection, bytes: Buffer, start: number, end: number): Route {
  const { router } = connection.broker;
  const { mountPoint } = connection.listener;
  const route = router.routeOf(bytes, start, end);
  return mountPoint === "" ? route : router.route(mountPoint + route.name);
}

function keep(connection: Connection, route: Route): Route {
  connection.route = route;
  return route;
}

function aliasesOf(connection: Connection): IncomingAliases<Route> {
  connection.aliasesIn ??= new IncomingAliases(connection.listener.maxTopicAlias);
  return connection.aliasesIn;
}

function readProperties(bytes: Buffer, view: PublishView): Properties {
  const { propertiesStart, propertiesEnd } = view;
  const properties = readPropertyList(bytes, propertiesStart, propertiesEnd, "publish");
  if (properties.subscriptionIdentifiers !== undefined) throw identifierFromClient();
  const { responseTopic } = properties;
  if (responseTopic !== undefined && /[+#]/.test(responseTopic)) throw wildcardResponse();
  return properties;
}

/** The properties that go on to subscribers as they came, in their order, without their length. */
export function handedOn(properties: Properties): Buffer {
  const { messageExpiryInterval: _e, topicAlias: _a, willDelayInterval: _w, ...kept } = properties;
  const size = propertyListSize(kept);
  if (size === 0) return NO_PROPERTY_BYTES;
  const width = varintSize(size);
  const bytes = Buffer.allocUnsafe(width + size);
  writeProperties(bytes, 0, kept);
  return bytes.subarray(width);
}

/** What our CONNACK said we do not do [MQTT5-3.2.2-11] [MQTT5-3.2.2-14]. */
function checkOffered(connection: Connection, view: PublishView): void {
  if (view.qos > connection.listener.maxQos) {
    throw new ProtocolError("qosNotSupported", "MQTT5-3.2.2-11", `QoS ${view.qos} is not offered`);
  }
  if (view.retain && !connection.broker.settings.retainAvailable) {
    throw new ProtocolError("retainNotSupported", "MQTT5-3.2.2-14", "retaining is not offered");
  }
}

/** Reason code that a well-formed message is turned away with, 0 to take it. */
function refusalOf(connection: Connection, view: PublishView, route: Route): number {
  const { broker } = connection;
  const limit = broker.settings.messageSizeLimit;
  const size = view.payloadEnd - view.payloadStart;
  if (limit > 0 && size > limit) {
    if (broker.log.debug) broker.trace.droppedPublish(connection, view, route.name);
    // ~[MQTT5-3.4.2-1] ~[MQTT5-3.5.2-1] Neither packet lists this code; it is mosquitto's.
    return REASONS.packetTooLarge.code;
  }
  if (route.reserved || !isPermitted(connection, route)) {
    if (broker.log.debug) broker.trace.deniedPublish(connection, view, route.name);
    return REASONS.notAuthorized.code;
  }
  if (broker.current(route).isTooDear) {
    refuseTooDear(connection, route);
    return REASONS.quotaExceeded.code;
  }
  if (view.qos > 0 && connection.version === 5) {
    if (isOverQuota(connection, view) || leavesTooMuch(connection, view, route)) {
      return REASONS.quotaExceeded.code;
    }
  }
  return 0;
}

/** Whether it would have to be kept, and there is no room. Before 5.0 it is at least handed on. */
function leavesTooMuch({ broker, session }: Connection, view: PublishView, route: Route): boolean {
  const size = view.payloadEnd - view.payloadStart;
  if (
    view.retain &&
    size > 0 &&
    broker.refusesRetained(route.name, size + Buffer.byteLength(route.name))
  ) {
    return true;
  }
  if (!broker.shortage.isShort || view.qos < 2) return false;
  return session!.incoming.get(view.packetId) === undefined;
}

function refuseTooDear({ broker, clientId }: Connection, { name }: Route): void {
  const { routeStepsMax } = broker.settings;
  broker.counters.publishDropped++;
  broker.complaints.reached(
    "routeStepsMax",
    `messages are dropped whose topics nearly match very many filters (${routeStepsMax} steps), such as one of client ${clientId} with ${name.split("/").length} levels.`,
  );
}

/** Whether the rules let the client publish there. It mostly publishes where it did before. */
function isPermitted(connection: Connection, route: Route): boolean {
  const { access, accessVersion } = connection.broker;
  if (access === null) return true;
  if (connection.permitted === route && connection.permittedBy === accessVersion) return true;
  if (!access.mayPublish(connection.session!.source, route.name)) return false;
  connection.permitted = route;
  connection.permittedBy = accessVersion;
  return true;
}

/**
 * Whether the client has more under way than the Receive Maximum it was told [MQTT5-3.3.4-7].
 *
 * Clients before 5.0 were told none, so that what they send is taken: mosquitto acknowledges and
 * drops it, which loses messages.
 */
function isOverQuota(connection: Connection, view: PublishView): boolean {
  const { broker, listener, session } = connection;
  const max = broker.settings.maxInflightMessages;
  // What a remote broker may have under way, its bridge has told it.
  if (max === 0 || listener.isInternal) return false;
  if (view.qos === 2 && session!.incoming.get(view.packetId) !== undefined) return false;
  if (session!.incoming.count + connection.heldCount < max) return false;
  if (connection.quotaLogged) return true;
  connection.quotaLogged = true;
  broker.log.write(
    "warning",
    `Warning: Client ${connection.clientId} has exceeded its receive maximum of ${max}.`,
  );
  return true;
}

function count(connection: Connection, view: PublishView): void {
  const { counters } = connection.broker;
  counters.publishReceived++;
  counters.publishBytesReceived += view.payloadEnd - view.payloadStart;
}

/**
 * Sends the acknowledgement that the QoS asks for, once what it promises is safe.
 *
 * @param before Position of the store when the message came.
 */
function answer(
  connection: Connection,
  view: PublishView,
  reasonCode: number,
  before: number,
): void {
  if (view.qos === 0) return;
  const head = view.qos === 1 ? ACK_HEAD.puback : ACK_HEAD.pubrec;
  connection.acknowledge(before, head, view.packetId, reasonCode);
}

// Out of line, so that the path above stays small enough for V8 to inline.

function noTopic(): ProtocolError {
  return new ProtocolError("malformedPacket", "§3.3.2.1", "no topic name and no topic alias");
}

function identifierFromClient(): ProtocolError {
  return new ProtocolError(
    "protocolError",
    "MQTT5-3.3.4-6",
    "a client sent a subscription identifier",
  );
}

function wildcardResponse(): ProtocolError {
  return new ProtocolError("protocolError", "MQTT5-3.3.2-14", "response topic has a wildcard");
}

function repeatedTwice(): ProtocolError {
  return new ProtocolError("protocolError", "MQTT5-4.4.0-1", "a message was repeated twice");
}

function tooMuchUnreleased(): ProtocolError {
  return new ProtocolError("quotaExceeded", "§4.9", "too many bytes wait for their PUBREL");
}
