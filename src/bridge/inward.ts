/**
 * From the remote broker to ours: what its client is sent goes on as what the client
 * `local_clientid` sends, under the same packet identifiers. So what comes in is acknowledged to
 * the remote when our broker acknowledges it, which is after its commit.
 *
 * A message that no line asks for goes no further, whatever the remote thinks that it was asked
 * for: it is acknowledged and dropped.
 *
 * Hot path. Budget: no allocation per message; packets that stay as they are go on as one slice.
 */
import type { OutBuffer } from "../core/base/out-buffer.ts";
import { ACK_HEAD, ACK_SIZE_MAX, writeAck } from "../core/codec/ack.ts";
import { FrameReader, type FrameSink } from "../core/codec/frame.ts";
import { TYPE, type Version } from "../core/codec/packets.ts";
import { readPropertyList } from "../core/codec/properties.ts";
import { PublishView, readPublish } from "../core/codec/publish.ts";
import { ProtocolError } from "../core/errors.ts";
import { writeAgain } from "./publish-writer.ts";
import { Slices } from "./slices.ts";
import type { TopicMap } from "./topic-map.ts";

export interface InwardEvents {
  /**
   * A packet that is no message and no part of an exchange, such as SUBACK; until the remote has
   * accepted, any packet. What came before it has gone on.
   *
   * @returns Whether what comes behind it is to be looked at.
   */
  onControl(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): boolean;
  /**
   * An answer to a PUBLISH that was sent to the remote.
   *
   * @returns Whether it is not our broker's.
   */
  onAnswer(type: number, packetId: number, reasonCode: number): boolean;
  /** A message that nobody asked for was dropped: told of the first one alone. */
  onUnasked(topic: string): void;
}

export interface InwardParts {
  readonly map: TopicMap;
  readonly version: Version;
  /** Bytes of a packet that our broker takes. */
  readonly packetSizeMax: number;
  /** Whether our broker takes RETAIN. */
  readonly retains: boolean;
  /** To our broker. */
  readonly out: OutBuffer;
  /** Back to the remote. */
  readonly back: OutBuffer;
  readonly events: InwardEvents;
}

export class Inward implements FrameSink {
  /** Messages and their payload bytes that went on. */
  messages = 0;
  bytes = 0;
  /** Those that nobody asked for. */
  unasked = 0;
  /** Packets that have had an answer, or will have. */
  answered = 0;
  /** Whether the remote has accepted. */
  isOpen = false;
  private readonly parts: InwardParts;
  private readonly reader = new FrameReader(this);
  private readonly view = new PublishView();
  /** Topic aliases of topics that nobody asked for. */
  private readonly unaskedAliases = new Set<number>();
  private readonly slices: Slices;

  constructor(parts: InwardParts) {
    this.parts = parts;
    this.slices = new Slices(parts.out);
  }

  /**
   * Bytes from the remote. They are the caller's again after the call.
   *
   * @throws {ProtocolError} They are no packets.
   */
  onBytes(chunk: Buffer): void {
    try {
      this.reader.onBytes(chunk);
    } finally {
      // What came whole before an error goes on.
      this.slices.flush(chunk);
    }
  }

  onFrame(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): boolean {
    const type = bytes[start]! >> 4;
    if (type === TYPE.publish && this.isOpen) {
      this.onPublish(bytes, start, bodyStart, bodyEnd);
    } else if (this.isOpen && type >= TYPE.puback && type <= TYPE.pubcomp) {
      if (bodyEnd - bodyStart < 2) throw tooShort();
      const packetId = bytes.readUInt16BE(bodyStart);
      const reasonCode = bodyEnd - bodyStart > 2 ? bytes[bodyStart + 2]! : 0;
      const { events } = this.parts;
      if (type !== TYPE.puback && type !== TYPE.pubcomp) this.answered++;
      const isOurs = type !== TYPE.pubrel && events.onAnswer(type, packetId, reasonCode);
      if (!isOurs) this.slices.pass(bytes, start, bodyEnd);
    } else {
      this.slices.flush(bytes);
      return this.parts.events.onControl(bytes, start, bodyStart, bodyEnd);
    }
    return true;
  }

  onPartial(_head: number, packetSize: number): boolean {
    this.checkSize(packetSize);
    return true;
  }

  private onPublish(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): void {
    const { view } = this;
    const { map, version, retains, out } = this.parts;
    const head = bytes[start]!;
    this.checkSize(bodyEnd - start);
    readPublish(view, bytes, head, bodyStart, bodyEnd, version);
    if (view.qos > 0) this.answered++;
    if (this.isUnasked(bytes)) {
      this.refuse();
      return;
    }
    this.messages++;
    this.bytes += view.payloadEnd - view.payloadStart;
    const newHead = retains ? head : head & 0xfe;
    const isAliased = view.topicEnd === view.topicStart;
    const topic = isAliased ? null : map.map(bytes, view.topicStart, view.topicEnd);
    if (newHead === head && topic?.isChanged !== true) {
      this.slices.pass(bytes, start, bodyEnd);
      return;
    }
    this.slices.flush(bytes);
    writeAgain(out, newHead, bytes, view, topic?.isChanged === true ? topic.to : null);
  }

  /** Whether no line has the message's topic, which an alias may stand for. */
  private isUnasked(bytes: Buffer): boolean {
    const { view, unaskedAliases } = this;
    const isNamed = view.topicEnd > view.topicStart;
    const isMeant = isNamed && this.parts.map.map(bytes, view.topicStart, view.topicEnd).isMeant;
    if (isMeant && unaskedAliases.size === 0) return false;
    if (!isNamed && unaskedAliases.size === 0) return false;
    const alias = this.alias(bytes);
    if (!isNamed) return alias !== undefined && unaskedAliases.has(alias);
    if (isMeant) {
      if (alias !== undefined) unaskedAliases.delete(alias);
      return false;
    }
    if (alias !== undefined) unaskedAliases.add(alias);
    if (this.unasked > 0) return true;
    this.parts.events.onUnasked(bytes.toString("utf8", view.topicStart, view.topicEnd));
    return true;
  }

  private alias(bytes: Buffer): number | undefined {
    const { propertiesStart, propertiesEnd } = this.view;
    if (propertiesStart === propertiesEnd) return undefined;
    return readPropertyList(bytes, propertiesStart, propertiesEnd, "publish").topicAlias;
  }

  /** Has the remote forget the message: our broker answers the PUBREL of a stranger as well. */
  private refuse(): void {
    this.unasked++;
    const { qos, packetId } = this.view;
    if (qos === 0) return;
    const { back } = this.parts;
    const at = back.reserve(ACK_SIZE_MAX - 1);
    writeAck(back.bytes, at, qos === 1 ? ACK_HEAD.puback : ACK_HEAD.pubrec, packetId, 0);
  }

  private checkSize(size: number): void {
    const { packetSizeMax } = this.parts;
    if (size <= packetSizeMax) return;
    const detail = `${size} bytes, ${packetSizeMax} allowed`;
    throw new ProtocolError("packetTooLarge", "MQTT5-3.2.2-15", detail);
  }
}

function tooShort(): ProtocolError {
  return new ProtocolError("malformedPacket", "§3.4.2", "acknowledgement has a wrong length");
}
