/**
 * What the server said in CONNACK that it takes (MQTT 5.0 §3.2.2.3), and whether a message or a
 * subscription is within it. Before 5.0 a server says nothing, and everything passes.
 */
import type { SubscriptionRequest } from "../core/codec/packets.ts";
import type { Properties } from "../core/codec/properties.ts";
import { REASONS, type ReasonName } from "../core/errors.ts";
import { hasWildcard } from "../core/topic/filter.ts";
import { ClientError } from "./errors.ts";

export interface ServerLimits {
  /** QoS 1 and 2 messages it takes unacknowledged at once, 1 to 65535. */
  readonly receiveMaximum: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  /** Bytes of the largest packet it takes; Infinity where it named none. */
  readonly maximumPacketSize: number;
  /** Highest topic alias it takes; 0: none. */
  readonly topicAliasMaximum: number;
  readonly wildcardSubscriptions: boolean;
  readonly subscriptionIdentifiers: boolean;
  readonly sharedSubscriptions: boolean;
}

/** The limits in the properties of a CONNACK, with the standard's defaults. */
export function serverLimits(properties: Properties): ServerLimits {
  return {
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    maximumQos: properties.maximumQos ?? 2,
    retainAvailable: properties.retainAvailable !== 0,
    maximumPacketSize: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
    wildcardSubscriptions: properties.wildcardSubscriptionAvailable !== 0,
    subscriptionIdentifiers: properties.subscriptionIdentifierAvailable !== 0,
    sharedSubscriptions: properties.sharedSubscriptionAvailable !== 0,
  };
}

/** Why the server does not take a message [MQTT5-3.2.2-11] [MQTT5-3.2.2-14] [MQTT5-3.2.2-15]. */
export function messageRefusal(
  limits: ServerLimits,
  message: { readonly qos: number; readonly retain: boolean },
  packetSize: number,
): ClientError | undefined {
  if (message.qos > limits.maximumQos) {
    return notSupported("qosNotSupported", `the server takes QoS ${limits.maximumQos} at most`);
  }
  if (message.retain && !limits.retainAvailable) {
    return notSupported("retainNotSupported", "the server does not retain messages");
  }
  return sizeRefusal(limits, packetSize);
}

/** Why the server does not take a packet of this size [MQTT5-3.2.2-15]. */
export function sizeRefusal(limits: ServerLimits, packetSize: number): ClientError | undefined {
  if (packetSize <= limits.maximumPacketSize) return undefined;
  return new ClientError(
    "packetTooLarge",
    `Packet too large: ${packetSize} bytes, the server takes ${limits.maximumPacketSize}`,
    { reasonCode: REASONS.packetTooLarge.code },
  );
}

/** Why the server does not take a subscription (§3.2.2.3.11 to §3.2.2.3.13). */
export function subscriptionRefusal(
  limits: ServerLimits,
  subscriptions: readonly SubscriptionRequest[],
  properties: Properties,
): ClientError | undefined {
  if (!limits.subscriptionIdentifiers && properties.subscriptionIdentifiers !== undefined) {
    return notSupported(
      "subscriptionIdentifiersNotSupported",
      "the server takes no subscription identifiers",
    );
  }
  for (const { filter } of subscriptions) {
    if (!limits.sharedSubscriptions && filter.startsWith("$share/")) {
      return notSupported("sharedSubscriptionsNotSupported", filter);
    }
    if (!limits.wildcardSubscriptions && hasWildcard(filter)) {
      return notSupported("wildcardSubscriptionsNotSupported", filter);
    }
  }
  return undefined;
}

function notSupported(reason: ReasonName, detail: string): ClientError {
  const { code, text } = REASONS[reason];
  return new ClientError("notSupported", `${text}: ${detail}`, { reasonCode: code });
}
