/**
 * Messages coming in: PUBLISH bytes → checks → `ReceivedMessage` → PUBACK, or PUBREC and PUBCOMP.
 *
 * Outlives connections: which QoS 2 messages have been taken over and not released is part of the
 * session, and keeps a repeat from being delivered twice [MQTT5-4.3.3-10].
 *
 * Strict: what the server must not send throws a `ProtocolError`, which ends the connection.
 *
 * Hot path. Budget: the message itself; at QoS 0 nothing else unless the topic changes.
 */
import { ACK_HEAD, ACK_SIZE_MAX, readAck, writeAck } from "../core/codec/ack.ts";
import type { Version } from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties, readProperties } from "../core/codec/properties.ts";
import { PublishView, readPublish } from "../core/codec/publish.ts";
import { readString } from "../core/codec/utf8.ts";
import { varintSize } from "../core/codec/varint.ts";
import { IncomingAliases } from "../core/delivery/aliases.ts";
import { Incoming } from "../core/delivery/incoming.ts";
import { ProtocolError } from "../core/errors.ts";
import { isTopicName } from "../core/topic/name.ts";
import { type Acknowledgement, Acknowledgements } from "./acknowledgements.ts";
import type { ReceivedMessage } from "./message.ts";
import type { Settings } from "./options.ts";
import type { Output } from "./output.ts";
import { TYPE_NAMES, traced } from "./trace.ts";

export interface ReceivingEvents {
  /**
   * A message arrived.
   *
   * @param acknowledgement What `settle` asks for; undefined where acknowledging is automatic,
   *   which happens when this returns, and at QoS 0.
   */
  onMessage(message: ReceivedMessage, acknowledgement: Acknowledgement | undefined): void;
}

/** A QoS 2 message from its PUBLISH to its PUBREL. */
interface Held {
  /** Undefined where acknowledging is automatic. */
  readonly acknowledgement: Acknowledgement | undefined;
  /** Whether it counts against the Receive Maximum of this connection. */
  isCounted: boolean;
}

const PACKET_ID_NOT_FOUND = 0x92;
/** Payloads below this share of their chunk are copied, so that they do not hold all of it. */
const VIEW_SHARE_MIN = 1 / 8;

export class Receiving {
  private readonly settings: Settings;
  private readonly events: ReceivingEvents;
  private readonly version: Version;
  private readonly view = new PublishView();
  private readonly incoming = new Incoming<Held>();
  private readonly acknowledgements: Acknowledgements;
  private aliases: IncomingAliases<string>;
  private output: Output | undefined;
  /** QoS 1 and 2 messages of this connection whose exchange is not over. */
  private openCount = 0;
  /** The topic of the message before: it is often that of the next one too. */
  private topic = "";
  private topicBytes = Buffer.alloc(0);

  constructor(settings: Settings, events: ReceivingEvents) {
    this.settings = settings;
    this.events = events;
    this.version = settings.version;
    this.aliases = new IncomingAliases(settings.topicAliasMaximum);
    this.acknowledgements = new Acknowledgements((packetId, qos, reasonCode) =>
      this.sendFirstAck(packetId, qos, reasonCode),
    );
  }

  /** The server accepted a connection. @param resumed It has kept the session. */
  onOnline(output: Output, resumed: boolean): void {
    this.output = output;
    this.openCount = 0;
    this.aliases = new IncomingAliases(this.settings.topicAliasMaximum);
    if (!resumed) this.incoming.clear();
    for (const [, held] of this.incoming.entries()) held.isCounted = false;
  }

  onOffline(): void {
    this.output = undefined;
    this.acknowledgements.onOffline();
  }

  /** The program acknowledges a message, or refuses it with a code from 0x80 up. */
  acknowledge(acknowledgement: Acknowledgement, reasonCode: number): void {
    this.acknowledgements.settle(acknowledgement, reasonCode);
  }

  /** A PUBLISH: its first byte is `head`, its body `bytes[start, end)`. */
  onPublish(bytes: Buffer, head: number, start: number, end: number): void {
    const { view } = this;
    readPublish(view, bytes, head, start, end, this.version);
    const properties = this.version === 5 ? readList(view, bytes) : NO_PROPERTIES;
    const topic = this.readTopic(view, bytes, properties);
    const { qos, packetId } = view;
    if (this.settings.trace !== undefined) this.tracePublish(view, topic);
    const held = qos === 2 ? this.incoming.get(packetId) : undefined;
    if (qos !== 0 && !held?.isCounted) this.count();
    if (held !== undefined) {
      held.isCounted = true;
      this.answerRepeat(packetId, held);
      return;
    }
    const message: ReceivedMessage = {
      topic,
      payload: ownPayload(bytes, view.payloadStart, view.payloadEnd),
      qos,
      retain: view.retain,
      dup: view.dup,
      packetId,
      properties,
    };
    if (qos === 0) this.events.onMessage(message, undefined);
    else this.deliver(message, qos, packetId);
  }

  /** A PUBREL: its first byte is `head`, its body `bytes[start, end)`. */
  onPubrel(bytes: Buffer, head: number, start: number, end: number): void {
    const ack = readAck(bytes, head, start, end, this.version);
    const packetId = ack >>> 8;
    this.settings.trace?.(traced("received", "PUBREL", { packetId, reasonCode: ack & 0xff }));
    const held = this.incoming.release(packetId);
    if (held?.isCounted) this.openCount -= 1;
    const unknown = held === undefined && this.version === 5;
    this.sendAck(ACK_HEAD.pubcomp, packetId, unknown ? PACKET_ID_NOT_FOUND : 0);
  }

  private deliver(message: ReceivedMessage, qos: 1 | 2, packetId: number): void {
    const manual = this.settings.acknowledge === "manual";
    const acknowledgement = manual ? this.acknowledgements.open(packetId, qos) : undefined;
    if (qos === 2) this.incoming.hold(packetId, { acknowledgement, isCounted: true });
    const { output } = this;
    this.events.onMessage(message, acknowledgement);
    // The program may have ended the connection, in which case nobody is to be answered.
    if (manual || output === undefined || output !== this.output) return;
    this.sendFirstAck(packetId, qos, 0);
  }

  /** The server did not see our PUBREC, or we have not sent one yet. */
  private answerRepeat(packetId: number, held: Held): void {
    if (held.acknowledgement === undefined) this.sendFirstAck(packetId, 2, 0);
    else this.acknowledgements.reopen(held.acknowledgement);
  }

  private count(): void {
    if (this.openCount >= this.settings.receiveMaximum) {
      throw new ProtocolError(
        "receiveMaximumExceeded",
        "MQTT5-3.3.4-9",
        `over ${this.settings.receiveMaximum} messages are unacknowledged`,
      );
    }
    this.openCount += 1;
  }

  private sendFirstAck(packetId: number, qos: 1 | 2, reasonCode: number): void {
    const failed = reasonCode >= 0x80;
    // Refused, the identifier means a new message from now on [MQTT5-4.3.3-9].
    if (qos === 2 && failed) this.incoming.release(packetId);
    if (qos === 1 || failed) this.openCount -= 1;
    const code = this.version === 5 ? reasonCode : 0;
    this.sendAck(qos === 1 ? ACK_HEAD.puback : ACK_HEAD.pubrec, packetId, code);
  }

  private sendAck(head: number, packetId: number, reasonCode: number): void {
    const { output } = this;
    if (output === undefined) return;
    output.reserve(ACK_SIZE_MAX);
    output.at = writeAck(output.block, output.at, head, packetId, reasonCode);
    this.settings.trace?.(traced("sent", TYPE_NAMES[head >> 4]!, { packetId, reasonCode }));
  }

  private tracePublish(view: PublishView, topic: string): void {
    const { qos, retain, dup, packetId, payloadStart, payloadEnd } = view;
    const payloadBytes = payloadEnd - payloadStart;
    const fields = { topic, payloadBytes, qos, retain, packetId, dup };
    this.settings.trace?.(traced("received", "PUBLISH", fields));
  }

  private readTopic(view: PublishView, bytes: Buffer, properties: Properties): string {
    const { topicStart, topicEnd } = view;
    const alias = properties.topicAlias;
    if (topicStart === topicEnd) {
      if (alias !== undefined) return this.aliases.get(alias);
      throw new ProtocolError("protocolError", "§3.3.2.1", "neither a topic nor an alias");
    }
    if (!this.isLastTopic(bytes, topicStart, topicEnd)) {
      const topic = readString(bytes, topicStart, topicEnd, this.version);
      if (!isTopicName(topic)) {
        throw new ProtocolError("topicNameInvalid", "MQTT5-3.3.2-2", "not a topic name");
      }
      this.topic = topic;
      this.topicBytes = Buffer.from(bytes.subarray(topicStart, topicEnd));
    }
    if (alias !== undefined) this.aliases.set(alias, this.topic);
    return this.topic;
  }

  private isLastTopic(bytes: Buffer, start: number, end: number): boolean {
    const { topicBytes } = this;
    if (topicBytes.length !== end - start) return false;
    for (let i = topicBytes.length - 1; i >= 0; i--) {
      if (topicBytes[i] !== bytes[start + i]) return false;
    }
    return true;
  }
}

function readList(view: PublishView, bytes: Buffer): Properties {
  const { propertiesStart, propertiesEnd } = view;
  const size = propertiesEnd - propertiesStart;
  if (size === 0) return NO_PROPERTIES;
  const start = propertiesStart - varintSize(size);
  return readProperties(bytes, start, propertiesEnd, "publish").properties;
}

/** The payload as a view where it is most of its chunk, else as a copy. Never written again. */
function ownPayload(bytes: Buffer, start: number, end: number): Buffer {
  const payload = bytes.subarray(start, end);
  if (payload.length >= bytes.buffer.byteLength * VIEW_SHARE_MIN) return payload;
  return Buffer.from(payload);
}
