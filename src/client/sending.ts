/**
 * Messages going out: outbox → send window → PUBLISH bytes → acknowledgement → whoever waits for
 * it.
 *
 * Outlives connections. What was published first is sent first, whatever its QoS; what is
 * unacknowledged when a connection ends is repeated on the next, or sent anew where the server has
 * not kept the session, and nobody is told in between.
 *
 * Holds at all times:
 *   - no more is under way than the server's Receive Maximum, our own `inflightMax`, and but for a
 *     single message `inflightBytesMax`
 *   - nothing is sent that the server's CONNACK excludes     [MQTT5-3.2.2-11] [MQTT5-3.2.2-14]
 *   - each publication is settled exactly once
 *
 * Hot path. Budget at QoS 0: no allocation beyond the publication itself.
 */
import { copyRange } from "../core/base/out-buffer.ts";
import { Ring } from "../core/base/ring.ts";
import { ACK_HEAD, ACK_SIZE_MAX, readAck, writeAck } from "../core/codec/ack.ts";
import { TYPE, type Version } from "../core/codec/packets.ts";
import {
  NO_PROPERTIES,
  type Properties,
  propertiesSize,
  readProperties,
  writeProperties,
} from "../core/codec/properties.ts";
import { writePublishStart } from "../core/codec/publish.ts";
import { VARINT_MAX, varintSize } from "../core/codec/varint.ts";
import { Outgoing, type OutgoingWire } from "../core/delivery/outgoing.ts";
import { ClientError, refused } from "./errors.ts";
import type { Settings } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { COPY_BYTES_MAX, type Output } from "./output.ts";
import type { Publication } from "./publication.ts";
import { SendAliases } from "./send-aliases.ts";
import { messageRefusal, type ServerLimits, serverLimits } from "./server-limits.ts";
import { TYPE_NAMES, traced } from "./trace.ts";

export interface SendingEvents {
  /** Fewer messages wait than before: told after each time that some left the outbox. */
  onRoom(): void;
  /** Nothing waits or is under way any more. */
  onIdle(): void;
  /** A publication's `onSettled` threw. Whoever gets it must not let it vanish. */
  onCallbackError(error: unknown): void;
}

/** Bytes that the network may lag behind before messages wait in the outbox instead. */
const LINK_BYTES_MAX = 262_144;
const EMPTY_LIST = Buffer.from([0]);
const NO_LIST = Buffer.alloc(0);
const PACKET_ID_NOT_FOUND = 0x92;

export class Sending implements OutgoingWire<Publication> {
  private readonly settings: Settings;
  private readonly events: SendingEvents;
  private readonly version: Version;
  private readonly outbox: Outbox<Publication>;
  private readonly outgoing: Outgoing<Publication>;
  /** QoS 0, written and not yet taken by the operating system; only those somebody waits for. */
  private readonly unflushed = new Ring<Publication>();
  /** Repeats that the server, after a reconnect, no longer takes. */
  private readonly refusals: [publication: Publication, error: ClientError, repeat: boolean][] = [];
  /** Undefined while offline. */
  private output: Output | undefined;
  private limits: ServerLimits = serverLimits(NO_PROPERTIES);
  private windowMax = 0;
  private aliases: SendAliases;
  /** The property list written last: a publisher tends to use one object again and again. */
  private listOf: Properties = NO_PROPERTIES;
  private list = EMPTY_LIST;

  constructor(settings: Settings, events: SendingEvents, isTaken: (packetId: number) => boolean) {
    this.settings = settings;
    this.events = events;
    this.version = settings.version;
    this.outbox = new Outbox(settings.outbox);
    const { packetIdMax } = settings;
    this.outgoing = new Outgoing(this, { packetIdMax, inflightBytesMax: 0, isTaken });
    this.aliases = new SendAliases(0, settings.aliasTopics);
  }

  /** Messages that wait to be sent. */
  get waitingCount(): number {
    return this.outbox.count + this.outgoing.waitingCount;
  }

  /** Bytes of topics and payloads of those. */
  get waitingBytes(): number {
    return this.outbox.bytes + this.outgoing.waitingBytes;
  }

  /** QoS 1 and 2 messages sent whose exchange is not over. */
  get inflightCount(): number {
    return this.outgoing.inflightCount;
  }

  /** Nothing waits, is under way or unflushed. */
  get idle(): boolean {
    return this.outbox.count === 0 && this.outgoing.idle && this.unflushed.length === 0;
  }

  /** An identifier that no message and no request uses, for a SUBSCRIBE or UNSUBSCRIBE. */
  takePacketId(): number {
    return this.outgoing.takePacketId();
  }

  /**
   * Sends `message` now or when its turn comes, and settles it in the end.
   *
   * @returns Why it was not taken; then it is not settled.
   */
  publish(message: Publication): ClientError | undefined {
    if (this.outbox.count === 0 && this.hasRoom(message)) {
      this.send(message);
      return undefined;
    }
    if (this.output === undefined && message.qos === 0 && !this.settings.outboxQos0) {
      return new ClientError("offline", "not connected, and the outbox takes no QoS 0 messages");
    }
    if (this.outbox.push(message)) return undefined;
    return new ClientError(
      "outboxFull",
      `${this.outbox.count} messages of ${this.outbox.bytes} bytes wait to be sent already`,
    );
  }

  /** Takes a message back that was not sent yet; it is not settled. False: it was sent. */
  withdraw(message: Publication): boolean {
    return this.outbox.remove(message);
  }

  /** The server accepted a connection. @param resumed It has kept the session. */
  onOnline(output: Output, limits: ServerLimits, resumed: boolean): void {
    this.output = output;
    this.limits = limits;
    this.aliases = new SendAliases(limits.topicAliasMaximum, this.settings.aliasTopics);
    const { packetIdMax, requestsMax, inflightMax } = this.settings;
    this.windowMax = Math.min(limits.receiveMaximum, inflightMax, packetIdMax - requestsMax);
    if (!resumed) this.startAnew();
    this.outgoing.onOnline(this.windowMax, resumed);
    this.settleRefusals();
    this.pump();
    if (this.idle) this.events.onIdle();
  }

  /** Nothing can be sent any more until `onOnline`. What was written may still leave. */
  onOffline(): void {
    this.output = undefined;
    this.outgoing.onOffline();
  }

  /** The link is gone: QoS 0 messages that had not left are settled with `error`. */
  onLinkGone(error: ClientError): void {
    for (let left = this.unflushed.length; left > 0; left--) {
      this.settle(this.unflushed.shift()!, error, 0);
    }
    if (this.idle) this.events.onIdle();
  }

  /** Settles everything that was not written with `error`: the client is closed. */
  rejectAll(error: ClientError): void {
    const all = [...this.outgoing.deliveries(), ...this.outbox.clear()];
    this.outgoing.clear();
    for (const message of all) this.settle(message, error, 0);
    this.events.onRoom();
    if (this.idle) this.events.onIdle();
  }

  /** A PUBACK, PUBREC or PUBCOMP: its first byte is `head`, its body `bytes[start, end)`. */
  onAck(bytes: Buffer, head: number, start: number, end: number): void {
    const ack = readAck(bytes, head, start, end, this.version);
    const packetId = ack >>> 8;
    const reasonCode = ack & 0xff;
    const type = head >> 4;
    const { trace } = this.settings;
    trace?.(traced("received", TYPE_NAMES[type]!, { packetId, reasonCode }));
    let ended: Publication | undefined;
    if (type === TYPE.puback) ended = this.outgoing.onPuback(packetId);
    else if (type === TYPE.pubrec) ended = this.onPubrec(packetId, reasonCode);
    else ended = this.outgoing.onPubcomp(packetId);
    if (ended !== undefined) {
      // PUBCOMP 0x92 answers a repeated PUBREL whose exchange was over already: delivered.
      const failed = reasonCode >= 0x80 && type !== TYPE.pubcomp;
      const error = failed ? refusalIn(bytes, type, start, end, reasonCode) : undefined;
      this.settle(ended, error, reasonCode);
    }
    this.settleRefusals();
    this.pump();
    if (this.idle) this.events.onIdle();
  }

  /** The first `position` bytes written to the link have left. */
  onFlushed(position: number): void {
    for (;;) {
      const message = this.unflushed.at(0);
      if (message === undefined || message.position > position) break;
      this.unflushed.shift();
      this.settle(message, undefined, 0);
    }
    this.pump();
    if (this.idle) this.events.onIdle();
  }

  /** For `Outgoing` only. */
  sendPublish(message: Publication, packetId: number, dup: boolean): boolean {
    const error = this.write(message, packetId, dup);
    if (error === undefined) return true;
    this.refusals.push([message, error, dup]);
    return false;
  }

  /** For `Outgoing` only. */
  sendPubrel({ packetId }: Publication): void {
    this.writePubrel(packetId, 0);
  }

  private onPubrec(packetId: number, reasonCode: number): Publication | undefined {
    const message = this.outgoing.onPubrec(packetId, reasonCode);
    if (message === undefined) {
      this.writePubrel(packetId, this.version === 5 ? PACKET_ID_NOT_FOUND : 0);
      return undefined;
    }
    return reasonCode >= 0x80 ? message : undefined;
  }

  /** Sends what waits in the outbox, as far as there is room. */
  private pump(): void {
    let sent = false;
    for (;;) {
      const message = this.outbox.first();
      if (message === undefined || !this.hasRoom(message)) break;
      this.outbox.shift();
      this.send(message);
      sent = true;
    }
    if (sent) this.events.onRoom();
  }

  private hasRoom(message: Publication): boolean {
    if (this.output === undefined || this.output.pendingBytes >= LINK_BYTES_MAX) return false;
    if (message.qos === 0) return true;
    const { waitingCount, inflightCount, inflightBytes } = this.outgoing;
    if (waitingCount > 0 || inflightCount >= this.windowMax) return false;
    return inflightCount === 0 || inflightBytes + message.size <= this.settings.inflightBytesMax;
  }

  private send(message: Publication): void {
    if (message.qos !== 0) {
      this.outgoing.publish(message);
      if (this.refusals.length > 0) this.settleRefusals();
      return;
    }
    const error = this.write(message, 0, false);
    if (error !== undefined) {
      this.settle(message, error, 0);
    } else if (message.onSettled !== undefined) {
      message.position = this.output!.position;
      this.unflushed.push(message);
    }
  }

  /** Writes the packet, unless the server does not take it. */
  private write(message: Publication, packetId: number, dup: boolean): ClientError | undefined {
    const out = this.output!;
    const { qos, payload } = message;
    let topic = message.topicBytes;
    let list = this.version === 5 ? this.listFor(message.properties) : NO_LIST;
    const fixed = 2 + (qos === 0 ? 0 : 2) + payload.length;
    let size = fixed + topic.length + list.length;
    const refusal = this.refusal(message, size);
    if (refusal !== undefined) return refusal;
    if (this.aliases.max > 0 && this.aliases.apply(message)) {
      topic = this.aliases.topic;
      list = this.aliases.list;
      size = fixed + topic.length + list.length;
    }
    const head = 0x30 | (dup ? 8 : 0) | (qos << 1) | (message.retain ? 1 : 0);
    const isLarge = payload.length > COPY_BYTES_MAX;
    out.reserve(5 + size - (isLarge ? payload.length : 0));
    const { block } = out;
    let at = writePublishStart(block, out.at, head, size, topic, packetId);
    copyRange(list, 0, list.length, block, at);
    at += list.length;
    if (isLarge) {
      out.at = at;
      out.writeLarge(payload);
    } else {
      copyRange(payload, 0, payload.length, block, at);
      out.at = at + payload.length;
    }
    if (this.settings.trace !== undefined) this.tracePublish(message, packetId, dup);
    return undefined;
  }

  private refusal(message: Publication, size: number): ClientError | undefined {
    if (size > VARINT_MAX) {
      return new ClientError(
        "packetTooLarge",
        `Packet too large: MQTT ends at ${VARINT_MAX} bytes`,
      );
    }
    return messageRefusal(this.limits, message, 1 + varintSize(size) + size);
  }

  /**
   * The property list with its length. A `topicAlias` is no part of it: `SendAliases` sees to it.
   */
  private listFor(properties: Properties): Buffer {
    if (properties === NO_PROPERTIES) return EMPTY_LIST;
    if (properties === this.listOf) return this.list;
    const { topicAlias: _, ...rest } = properties;
    this.list = Buffer.allocUnsafe(propertiesSize(rest));
    writeProperties(this.list, 0, rest);
    this.listOf = properties;
    return this.list;
  }

  private writePubrel(packetId: number, reasonCode: number): void {
    const out = this.output;
    if (out === undefined) return;
    out.reserve(ACK_SIZE_MAX);
    out.at = writeAck(out.block, out.at, ACK_HEAD.pubrel, packetId, reasonCode);
    this.settings.trace?.(traced("sent", "PUBREL", { packetId, reasonCode }));
  }

  private tracePublish(message: Publication, packetId: number, dup: boolean): void {
    const { topic, payload, qos, retain } = message;
    const payloadBytes = payload.length;
    const fields = { topic, payloadBytes, qos, retain, packetId, dup };
    this.settings.trace?.(traced("sent", "PUBLISH", fields));
  }

  /**
   * The server has lost the session, and with it perhaps what it had taken over with PUBREC: a
   * server may hand a message on only at PUBREL. So all is sent again, rather twice than not at
   * all.
   */
  private startAnew(): void {
    const unsettled = [...this.outgoing.deliveries()];
    this.outgoing.clear();
    for (const message of unsettled) this.outgoing.publish(message);
  }

  private settleRefusals(): void {
    for (let next = this.refusals.shift(); next !== undefined; next = this.refusals.shift()) {
      const [message, error, repeat] = next;
      // `Outgoing` has released its identifier; nothing else is waited for.
      if (repeat && message.qos === 2) this.outgoing.onPubrec(message.packetId, 0x80);
      this.settle(message, error, 0);
    }
  }

  private settle(message: Publication, error: ClientError | undefined, reasonCode: number): void {
    if (message.onSettled === undefined) return;
    try {
      message.onSettled(error, reasonCode);
    } catch (thrown) {
      this.events.onCallbackError(thrown);
    }
  }
}

/** The error for a PUBACK or PUBREC that refuses, with what the server says to it. */
function refusalIn(
  bytes: Buffer,
  type: number,
  start: number,
  end: number,
  reasonCode: number,
): ClientError {
  const carrier = type === TYPE.puback ? "puback" : "pubrec";
  const properties =
    end - start > 3 ? readProperties(bytes, start + 3, end, carrier).properties : NO_PROPERTIES;
  return refused("publishRefused", "the server refused the message", reasonCode, properties);
}
