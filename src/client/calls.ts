/**
 * What programs hand to `publish`, `subscribe` and `unsubscribe`, checked and made into what the
 * machine takes.
 */
import type { Qos, SubscriptionRequest, Version } from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../core/codec/properties.ts";
import { isValidString } from "../core/codec/utf8.ts";
import { isTopicFilter, parseFilter } from "../core/topic/filter.ts";
import { isTopicName } from "../core/topic/name.ts";
import { checkProperties } from "./check-properties.ts";
import { bytesOf, check } from "./options.ts";
import { type OnSettled, type Publication, publication } from "./publication.ts";

export interface PublishOptions {
  /** Default 0. */
  readonly qos?: Qos;
  /** Default false. */
  readonly retain?: boolean;
  /**
   * MQTT 5.0 only. Not to be changed afterwards; sharing one object between messages is fastest.
   */
  readonly properties?: Properties;
}

export interface SubscribeOptions {
  /** Default 0. */
  readonly qos?: Qos;
  /** Own messages are not sent back. MQTT 5.0 only. Default false. */
  readonly noLocal?: boolean;
  /** Messages keep the retain flag they were published with. MQTT 5.0 only. Default false. */
  readonly retainAsPublished?: boolean;
  /** Retained messages: 0 always, 1 for a new subscription only, 2 never. MQTT 5.0. Default 0. */
  readonly retainHandling?: 0 | 1 | 2;
}

/** One filter with options of its own, over those of the call. */
export interface Subscription extends SubscribeOptions {
  readonly filter: string;
}

/** A checked call: filters, or subscriptions; one or several. */
export type Filters = string | readonly (string | Subscription)[];

export interface PublishCallOptions extends PublishOptions {
  /**
   * Takes the message back if it waits still. If it was sent already it can no longer be taken
   * back: the promise then rejects all the same, and the delivery goes on.
   */
  readonly signal?: AbortSignal;
}

export interface PublishResult {
  /** 0, or 0x10 where the server found nobody subscribed (MQTT 5.0, QoS 1 and 2). */
  readonly reasonCode: number;
}

export interface SubscribeCallOptions extends SubscribeOptions {
  /** MQTT 5.0 only: `subscriptionIdentifiers` (exactly one) and `userProperties`. */
  readonly properties?: Properties;
  /** Gives up waiting; a request that was not sent yet is taken back. */
  readonly signal?: AbortSignal;
}

export interface UnsubscribeCallOptions {
  /** MQTT 5.0 only: `userProperties`. */
  readonly properties?: Properties;
  /** Gives up waiting; a request that was not sent yet is taken back. */
  readonly signal?: AbortSignal;
}

export interface DisconnectOptions {
  /** MQTT 5.0: 0 (default) withdraws the will, 0x04 has the server publish it; see §3.14.2.1. */
  readonly reasonCode?: number;
  /** MQTT 5.0: `sessionExpiryInterval`, `reasonString`, `userProperties`. */
  readonly properties?: Properties;
}

export interface MessagesOptions {
  /** Messages buffered before the network is no longer read, 1 or more. Default 1000. */
  readonly bufferMax?: number;
  /** Ends the iterator. */
  readonly signal?: AbortSignal;
}

/**
 * Turns what is published into publications. Remembers the last topic and properties it checked.
 */
export class Publications {
  private readonly version: Version;
  private topic: string | undefined;
  private topicBytes = Buffer.alloc(0);
  private properties: Properties = NO_PROPERTIES;

  constructor(version: Version) {
    this.version = version;
  }

  /** @throws {ClientError} invalidArgument. */
  make(
    topic: string,
    payload: Uint8Array | string,
    options: PublishOptions,
    onSettled: OnSettled | undefined,
  ): Publication {
    if (topic !== this.topic) {
      check(isValidString(topic) && isTopicName(topic), `'${topic}' is not a topic name`);
      this.topicBytes = Buffer.from(topic, "utf8");
      this.topic = topic;
    }
    const qos = options.qos ?? 0;
    check(qos === 0 || qos === 1 || qos === 2, "qos must be 0, 1 or 2");
    const properties = options.properties ?? NO_PROPERTIES;
    if (properties !== this.properties) {
      checkProperties(properties, "publish", this.version);
      this.properties = properties;
    }
    const retain = options.retain ?? false;
    const bytes = bytesOf(payload);
    return publication(topic, this.topicBytes, bytes, qos, retain, properties, onSettled);
  }
}

/** @throws {ClientError} invalidArgument: no filter, a wrong one, or options out of bounds. */
export function subscriptionsOf(
  filters: Filters,
  options: SubscribeOptions,
  version: Version,
): SubscriptionRequest[] {
  const list = typeof filters === "string" ? [filters] : filters;
  check(list.length > 0, "at least one topic filter is needed"); // [MQTT5-3.8.3-2]
  return list.map((item) => {
    const own: Subscription = typeof item === "string" ? { filter: item } : item;
    const { filter } = own;
    const isShared = checkFilter(filter, version);
    const subscription: SubscriptionRequest = {
      filter,
      qos: own.qos ?? options.qos ?? 0,
      noLocal: own.noLocal ?? options.noLocal ?? false,
      retainAsPublished: own.retainAsPublished ?? options.retainAsPublished ?? false,
      retainHandling: own.retainHandling ?? options.retainHandling ?? 0,
    };
    const { qos, noLocal, retainHandling } = subscription;
    check(qos === 0 || qos === 1 || qos === 2, "qos must be 0, 1 or 2");
    check([0, 1, 2].includes(retainHandling), "retainHandling must be 0, 1 or 2");
    if (version < 5) {
      const plain = !noLocal && !subscription.retainAsPublished && retainHandling === 0;
      check(plain, "noLocal, retainAsPublished and retainHandling need MQTT 5.0");
    }
    check(!(isShared && noLocal), "noLocal cannot be had with $share"); // [MQTT5-3.8.3-4]
    return subscription;
  });
}

/** @throws {ClientError} invalidArgument: no filter, or a wrong one. */
export function filtersOf(filters: string | readonly string[], version: Version): string[] {
  const list = typeof filters === "string" ? [filters] : [...filters];
  check(list.length > 0, "at least one topic filter is needed"); // [MQTT5-3.10.3-2]
  for (const filter of list) checkFilter(filter, version);
  return list;
}

/** @returns Whether the filter is shared. Before 5.0 `$share` means nothing to the standard. */
function checkFilter(filter: string, version: Version): boolean {
  check(isValidString(filter) && isTopicFilter(filter), `'${filter}' is not a topic filter`);
  const parsed = parseFilter(filter);
  // Brokers may take an empty share name, as ours does; a client must not send it [MQTT5-4.8.2-1].
  const isSound = parsed !== null && parsed.share !== "";
  check(version < 5 || isSound, `'${filter}' is not a shared topic filter`);
  return typeof parsed?.share === "string";
}
