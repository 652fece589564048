/** What a bridge says of itself: to the remote, and to our own broker. */
import { NEVER } from "../broker/session.ts";
import { BRIDGE_PROPERTY, type BrokerSettings } from "../broker/settings.ts";
import { writePacket } from "../core/codec/general.ts";
import type { Qos, SubscriptionRequest, Version, Will } from "../core/codec/packets.ts";
import { publishBodySize, writePublishStart } from "../core/codec/publish.ts";
import { varintSize } from "../core/codec/varint.ts";
import { parseFilter } from "../core/topic/filter.ts";
import type { BridgeSettings, RemoteRequest } from "./settings.ts";

/** What of its settings a bridge has been able to agree on with the remote so far. */
export interface Offer {
  readonly version: Version;
  /** Whether it says that it is a bridge, which 5.0 has no bit for. */
  readonly isPrivate: boolean;
  /** Whether its Will and notifications are retained, and the QoS of them. */
  readonly retains: boolean;
  readonly qosMax: Qos;
}

export function firstOffer({ version, tryPrivate, outgoingRetain }: BridgeSettings): Offer {
  return { version, isPrivate: tryPrivate, retains: outgoingRetain, qosMax: 2 };
}

/** CONNECT to the remote (mosquitto-2.1 b.10). */
export function remoteConnect(
  settings: BridgeSettings,
  offer: Offer,
  { maxInflightMessages, maxPacketSize }: BrokerSettings,
): Buffer {
  const { version, isPrivate } = offer;
  const { remoteUsername, remotePassword, maxTopicAlias, cleanSession } = settings;
  const receiveMaximum = settings.receiveMaximum ?? (maxInflightMessages || undefined);
  const expiry = settings.sessionExpiryInterval;
  const properties = {
    ...(expiry > 0 && { sessionExpiryInterval: expiry }),
    ...(receiveMaximum !== undefined && { receiveMaximum: Math.min(receiveMaximum, 65_535) }),
    ...(maxTopicAlias > 0 && { topicAliasMaximum: maxTopicAlias }),
    maximumPacketSize: maxPacketSize,
    ...(isPrivate && { userProperties: [[BRIDGE_PROPERTY, settings.name]] as const }),
  };
  const will = willOf(settings, offer);
  return writePacket(
    {
      type: "connect",
      version,
      bridge: isPrivate && version !== 5,
      cleanStart: cleanSession,
      keepAlive: settings.keepAlive,
      clientId: settings.remoteClientId,
      ...(will !== null && { will }),
      ...(remoteUsername !== undefined && { username: remoteUsername }),
      ...(remotePassword !== undefined && { password: Buffer.from(remotePassword) }),
      properties: version === 5 ? properties : {},
    },
    version,
  );
}

/** The state that the remote tells when the connection is lost. */
function willOf(settings: BridgeSettings, { retains, qosMax }: Offer): Will | null {
  const { notificationTopic: topic, notifiesLocallyOnly } = settings;
  if (topic === null || notifiesLocallyOnly) return null;
  const qos = qosMax === 0 ? 0 : 1;
  return { topic, payload: Buffer.from("0"), qos, retain: retains, properties: {} };
}

/** The state, as a message for the remote. */
export function notification(
  { notificationTopic }: BridgeSettings,
  { version, retains }: Offer,
  qos: Qos,
  packetId: number,
  state: "0" | "1",
): Buffer {
  const topic = Buffer.from(notificationTopic ?? "");
  const payload = Buffer.from(state);
  const bodySize = publishBodySize(topic.length, qos, version === 5 ? 0 : -1, payload.length);
  const packet = Buffer.alloc(1 + varintSize(bodySize) + bodySize);
  const head = 0x30 | (qos << 1) | (retains ? 1 : 0);
  writePublishStart(packet, 0, head, bodySize, topic, packetId);
  payload.copy(packet, packet.length - payload.length);
  return packet;
}

/** SUBSCRIBE or UNSUBSCRIBE, a packet for each line. */
export function remoteRequest(one: RemoteRequest, version: Version, packetId: number): Buffer {
  const { filter, qos, wanted } = one;
  if (!wanted) {
    return writePacket(
      { type: "unsubscribe", packetId, filters: [filter], properties: {} },
      version,
    );
  }
  const subscriptions = [wish(filter, qos, version)];
  return writePacket({ type: "subscribe", packetId, subscriptions, properties: {} }, version);
}

/** CONNECT to our own broker, which lets a bridge of its own in. */
export function localConnect(
  settings: BridgeSettings,
  version: Version,
  receiveMaximum: number | undefined,
  aliases: number,
): Buffer {
  const { localCleanSession, localUsername, localClientId, name } = settings;
  const properties = {
    ...(!localCleanSession && { sessionExpiryInterval: NEVER }),
    ...(receiveMaximum !== undefined && { receiveMaximum }),
    ...(aliases > 0 && { topicAliasMaximum: aliases }),
    userProperties: [[BRIDGE_PROPERTY, name]] as const,
  };
  return writePacket(
    {
      type: "connect",
      version,
      bridge: version !== 5,
      cleanStart: localCleanSession,
      keepAlive: 0,
      clientId: localClientId,
      ...(localUsername !== null && { username: localUsername }),
      properties: version === 5 ? properties : {},
    },
    version,
  );
}

/** SUBSCRIBE to what goes to the remote; null where nothing does. */
export function localSubscribe(settings: BridgeSettings, version: Version): Buffer | null {
  const subscriptions = settings.outgoing.map(({ filter, qos }) => wish(filter, qos, version));
  if (subscriptions.length === 0) return null;
  // The identifier means nothing: our broker's own are another numbering.
  return writePacket({ type: "subscribe", packetId: 1, subscriptions, properties: {} }, version);
}

/** What comes from a side is not to go back there, and what is retained there is to be so here. */
function wish(filter: string, qos: Qos, version: Version): SubscriptionRequest {
  const is5 = version === 5;
  const isShared = parseFilter(filter)?.share != null;
  // Who shares messages takes them from anybody [MQTT5-3.8.3-4].
  return { filter, qos, noLocal: is5 && !isShared, retainAsPublished: is5, retainHandling: 0 };
}
