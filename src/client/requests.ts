/**
 * SUBSCRIBE and UNSUBSCRIBE: sent in order, answered by identifier, and what they have led to.
 *
 * Outlives connections. A request whose answer was lost with its connection is sent again on the
 * next one; a subscription that was granted is asked for again where the server has not kept the
 * session. Pure.
 */
import { writePacket } from "../core/codec/general.ts";
import type {
  SubackPacket,
  SubscriptionRequest,
  UnsubackPacket,
  Version,
} from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../core/codec/properties.ts";
import { ProtocolError } from "../core/errors.ts";
import { type ClientError, refused } from "./errors.ts";
import type { Output } from "./output.ts";
import {
  type ServerLimits,
  serverLimits,
  sizeRefusal,
  subscriptionRefusal,
} from "./server-limits.ts";
import { type Trace, traced } from "./trace.ts";

/** Told once, with the answer or with why there will be none. */
export type OnAnswer = (
  error: ClientError | undefined,
  reasonCodes: readonly number[],
  properties: Properties,
) => void;

export interface SubscribeCall {
  readonly kind: "subscribe";
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties: Properties;
  readonly onAnswer: OnAnswer;
}

export interface UnsubscribeCall {
  readonly kind: "unsubscribe";
  readonly filters: readonly string[];
  readonly properties: Properties;
  readonly onAnswer: OnAnswer;
}

export type RequestCall = SubscribeCall | UnsubscribeCall;

export interface RequestOptions {
  readonly version: Version;
  readonly resubscribe: boolean;
  /** Requests under way at once; further ones wait. */
  readonly requestsMax: number;
  readonly trace: Trace | undefined;
}

export interface RequestEvents {
  takePacketId(): number;
  /** A subscription granted before is no longer. */
  onResubscribeRefused(error: ClientError): void;
}

/** A subscription that the server granted. */
interface Granted {
  readonly subscription: SubscriptionRequest;
  readonly properties: Properties;
}

/** Filters of one packet that renews subscriptions, so that it stays small for any server. */
const RENEWED_BYTES_MAX = 8192;

export class Requests {
  private readonly options: RequestOptions;
  private readonly events: RequestEvents;
  private readonly sent = new Map<number, RequestCall>();
  private waiting: RequestCall[] = [];
  private readonly granted = new Map<string, Granted>();
  private output: Output | undefined;
  private limits: ServerLimits = serverLimits(NO_PROPERTIES);

  constructor(options: RequestOptions, events: RequestEvents) {
    this.options = options;
    this.events = events;
  }

  /** Whether a packet identifier is in use here. */
  isTaken(packetId: number): boolean {
    return this.sent.has(packetId);
  }

  /** Sends `call` now, or as soon as there is a connection. */
  add(call: RequestCall): void {
    this.waiting.push(call);
    this.pump();
  }

  /** Takes a call back that was not sent yet. False: it was sent. */
  withdraw(call: RequestCall): boolean {
    const at = this.waiting.indexOf(call);
    if (at >= 0) this.waiting.splice(at, 1);
    return at >= 0;
  }

  /** @param renew The server does not have the subscriptions any more. */
  onOnline(output: Output, limits: ServerLimits, renew: boolean): void {
    this.output = output;
    this.limits = limits;
    if (renew) {
      const renewals = this.options.resubscribe ? this.renewals() : [];
      this.granted.clear();
      this.waiting.unshift(...renewals);
    }
    this.pump();
  }

  onOffline(): void {
    this.output = undefined;
    this.waiting.unshift(...this.sent.values());
    this.sent.clear();
  }

  /** Answers every call with `error`: the client is closed. */
  rejectAll(error: ClientError): void {
    const calls = [...this.sent.values(), ...this.waiting];
    this.sent.clear();
    this.waiting = [];
    for (const call of calls) call.onAnswer(error, [], NO_PROPERTIES);
  }

  /** @throws {ProtocolError} where the answer does not fit any request. */
  onSuback({ packetId, reasonCodes, properties }: SubackPacket): void {
    const call = this.answered(packetId, "subscribe");
    const { subscriptions } = call;
    if (reasonCodes.length !== subscriptions.length) {
      throw wrongAnswer("MQTT5-3.8.4-6", "SUBACK has not one code for each filter");
    }
    subscriptions.forEach((subscription, i) => {
      if (reasonCodes[i]! >= 0x80) return;
      // A renewed one goes to the end of the map: renewals keep the order of the last request.
      this.granted.delete(subscription.filter);
      this.granted.set(subscription.filter, { subscription, properties: call.properties });
    });
    call.onAnswer(undefined, reasonCodes, properties);
    this.pump();
  }

  /** @throws {ProtocolError} where the answer does not fit any request. */
  onUnsuback({ packetId, reasonCodes, properties }: UnsubackPacket): void {
    const call = this.answered(packetId, "unsubscribe");
    const codes = this.options.version === 5 ? reasonCodes : call.filters.map(() => 0);
    if (codes.length !== call.filters.length) {
      throw wrongAnswer("MQTT5-3.11.3-1", "UNSUBACK has not one code for each filter");
    }
    call.filters.forEach((filter, i) => {
      if (codes[i]! < 0x80) this.granted.delete(filter);
    });
    call.onAnswer(undefined, codes, properties);
    this.pump();
  }

  private answered<Kind extends RequestCall["kind"]>(
    packetId: number,
    kind: Kind,
  ): Extract<RequestCall, { kind: Kind }> {
    const call = this.sent.get(packetId);
    if (call?.kind !== kind) {
      throw wrongAnswer("MQTT5-2.2.1-6", `no ${kind} has packet identifier ${packetId}`);
    }
    this.sent.delete(packetId);
    // The kind was just compared; the compiler does not carry that over to the type parameter.
    return call as Extract<RequestCall, { kind: Kind }>;
  }

  private pump(): void {
    while (this.output !== undefined && this.sent.size < this.options.requestsMax) {
      const call = this.waiting.shift();
      if (call === undefined) return;
      this.send(call, this.output);
    }
  }

  private send(call: RequestCall, output: Output): void {
    const { version } = this.options;
    let refusal: ClientError | undefined;
    if (call.kind === "subscribe") {
      refusal = subscriptionRefusal(this.limits, call.subscriptions, call.properties);
    }
    if (refusal === undefined) {
      const packetId = this.events.takePacketId();
      const { properties } = call;
      const packet =
        call.kind === "subscribe"
          ? writePacket(
              { type: "subscribe", packetId, properties, subscriptions: call.subscriptions },
              version,
            )
          : writePacket(
              { type: "unsubscribe", packetId, properties, filters: call.filters },
              version,
            );
      refusal = sizeRefusal(this.limits, packet.length);
      if (refusal === undefined) {
        this.sent.set(packetId, call);
        output.write(packet);
        this.trace(call, packetId);
        return;
      }
    }
    call.onAnswer(refusal, [], NO_PROPERTIES);
  }

  private trace(call: RequestCall, packetId: number): void {
    const packet =
      call.kind === "subscribe"
        ? traced("sent", "SUBSCRIBE", { packetId, subscriptions: call.subscriptions })
        : traced("sent", "UNSUBSCRIBE", { packetId, filters: call.filters });
    this.options.trace?.(packet);
  }

  /** The requests that ask again for everything granted: together what has the same properties. */
  private renewals(): SubscribeCall[] {
    const calls: SubscribeCall[] = [];
    let open: { subscriptions: SubscriptionRequest[]; properties: Properties } | undefined;
    let bytes = 0;
    for (const { subscription, properties } of this.granted.values()) {
      bytes += subscription.filter.length;
      if (open === undefined || open.properties !== properties || bytes > RENEWED_BYTES_MAX) {
        open = { subscriptions: [], properties };
        bytes = subscription.filter.length;
        calls.push(this.renewal(open.subscriptions, properties));
      }
      open.subscriptions.push(subscription);
    }
    return calls;
  }

  private renewal(
    subscriptions: readonly SubscriptionRequest[],
    properties: Properties,
  ): SubscribeCall {
    const onAnswer: OnAnswer = (error, reasonCodes, answered) => {
      if (error !== undefined) {
        if (error.code !== "closed") this.events.onResubscribeRefused(error);
        return;
      }
      subscriptions.forEach(({ filter }, i) => {
        const code = reasonCodes[i]!;
        if (code < 0x80) return;
        this.events.onResubscribeRefused(refused("resubscribeRefused", filter, code, answered));
      });
    };
    return { kind: "subscribe", subscriptions, properties, onAnswer };
  }
}

function wrongAnswer(rule: "MQTT5-3.8.4-6" | "MQTT5-3.11.3-1" | "MQTT5-2.2.1-6", detail: string) {
  return new ProtocolError("protocolError", rule, detail);
}
