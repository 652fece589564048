/**
 * From our broker to the remote one: what the session `local_clientid` is sent goes on as what a
 * client of the remote sends, under the same packet identifiers.
 *
 * So the session is the bridge's queue: a message leaves it when the remote has acknowledged it,
 * and at QoS 2 each step of the exchange is the session's own. What the remote will not have is
 * answered here in its place: larger than it takes, of a topic that has no name there, or at a
 * lower QoS than the message's.
 *
 * Hot path. Budget: no allocation per message; packets that stay as they are leave as one slice.
 */
import type { OutBuffer } from "../core/base/out-buffer.ts";
import { ACK_HEAD, ACK_SIZE_MAX, writeAck } from "../core/codec/ack.ts";
import { FrameReader, type FrameSink } from "../core/codec/frame.ts";
import { type Qos, TYPE, type Version } from "../core/codec/packets.ts";
import { readPropertyList } from "../core/codec/properties.ts";
import { PublishView, readPublish } from "../core/codec/publish.ts";
import { sizeAgain, writeAgain } from "./publish-writer.ts";
import { Slices } from "./slices.ts";
import type { TopicMap } from "./topic-map.ts";

/** What the remote takes, as it and the configuration say. */
export interface RemoteLimits {
  /** Bytes of a packet. */
  readonly packetSizeMax: number;
  readonly qosMax: Qos;
  /** Whether a message may carry RETAIN. */
  readonly retains: boolean;
}

export interface OutwardEvents {
  /** A packet that is no message and no part of an exchange, such as CONNACK. */
  onControl(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): void;
  /** A message of `size` bytes is not sent, for the remote takes none so large. */
  onTooLarge(size: number): void;
  /** A message is not sent, for its line makes no topic name of our topic. */
  onNameless(topic: string): void;
}

export interface OutwardParts {
  readonly map: TopicMap;
  readonly version: Version;
  readonly limits: RemoteLimits;
  /** To the remote. */
  readonly out: OutBuffer;
  /** Back to our broker. */
  readonly back: OutBuffer;
  readonly events: OutwardEvents;
}

export class Outward implements FrameSink {
  /** Messages and their payload bytes that went on. */
  messages = 0;
  bytes = 0;
  private readonly parts: OutwardParts;
  private readonly reader = new FrameReader(this);
  private readonly view = new PublishView();
  /** Whether every message may go on as it is. */
  private readonly isPlain: boolean;
  /** Identifiers of QoS 2 whose exchange goes on here alone, the remote's being over or none. */
  private readonly ours = new Set<number>();
  /** QoS 2 messages that the remote was sent at QoS 1. */
  private readonly lowered = new Set<number>();
  /** Topic aliases that our broker gave out with messages that were not sent, and their topics. */
  private readonly untold = new Map<number, Buffer>();
  private readonly slices: Slices;

  constructor(parts: OutwardParts) {
    this.parts = parts;
    this.slices = new Slices(parts.out);
    const { map, limits } = parts;
    this.isPlain =
      map.isPlain &&
      limits.retains &&
      limits.qosMax === 2 &&
      limits.packetSizeMax === Number.POSITIVE_INFINITY;
  }

  /** Bytes from our broker. They are the caller's again after the call. */
  onBytes(chunk: Buffer): void {
    this.reader.onBytes(chunk);
    this.slices.flush(chunk);
  }

  /**
   * An answer of the remote to a message of ours that was sent at a lower QoS.
   *
   * @returns Whether it was one, and is answered.
   */
  onPuback(packetId: number): boolean {
    if (this.lowered.size === 0 || !this.lowered.delete(packetId)) return false;
    this.answer(ACK_HEAD.pubrec, packetId);
    this.ours.add(packetId);
    return true;
  }

  onFrame(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): boolean {
    const type = bytes[start]! >> 4;
    if (type === TYPE.publish) {
      this.onPublish(bytes, start, bodyStart, bodyEnd);
    } else if (type >= TYPE.puback && type <= TYPE.pubcomp) {
      if (!this.isOurs(type, bytes, bodyStart)) this.slices.pass(bytes, start, bodyEnd);
    } else {
      this.slices.flush(bytes);
      this.parts.events.onControl(bytes, start, bodyStart, bodyEnd);
    }
    return true;
  }

  onPartial(): boolean {
    return true;
  }

  private onPublish(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): void {
    const { view } = this;
    const { version, limits, out } = this.parts;
    const head = bytes[start]!;
    readPublish(view, bytes, head, bodyStart, bodyEnd, version);
    const name = this.nameOf(bytes);
    const qos = view.qos < limits.qosMax ? view.qos : limits.qosMax;
    const flags = (qos << 1) | (limits.retains ? head & 1 : 0) | (qos > 0 ? head & 8 : 0);
    const newHead = 0x30 | flags;
    if (this.isUnfit(bytes, newHead, name)) {
      this.refuse(view.qos, view.packetId);
      return;
    }
    this.messages++;
    this.bytes += view.payloadEnd - view.payloadStart;
    if (name === null && newHead === head) {
      this.slices.pass(bytes, start, bodyEnd);
      return;
    }
    this.slices.flush(bytes);
    writeAgain(out, newHead, bytes, view, name);
    if (qos < view.qos) this.lower(view.qos, qos, view.packetId);
  }

  /** What the topic is called at the remote: null as it stands, empty where it has no name. */
  private nameOf(bytes: Buffer): Buffer | null {
    const { view, untold } = this;
    if (view.topicEnd === view.topicStart) {
      return untold.size === 0 ? null : (untold.get(this.alias(bytes)) ?? null);
    }
    if (this.isPlain) return null;
    // What no line has any more was asked for by one that is gone: it keeps its name.
    const topic = this.parts.map.map(bytes, view.topicStart, view.topicEnd);
    return topic.isChanged ? topic.to : null;
  }

  /** Whether it cannot be sent; whoever has to know is told. */
  private isUnfit(bytes: Buffer, head: number, name: Buffer | null): boolean {
    const { view, untold } = this;
    const { limits, events } = this.parts;
    const size = sizeAgain(view, head, name);
    const isNameless = name !== null && name.length === 0;
    if (size <= limits.packetSizeMax && !isNameless) {
      if (untold.size > 0) untold.delete(this.alias(bytes));
      return false;
    }
    const { topicStart, topicEnd } = view;
    const alias = this.alias(bytes);
    if (alias > 0 && topicEnd > topicStart) {
      untold.set(alias, name ?? Buffer.from(bytes.subarray(topicStart, topicEnd)));
    }
    if (isNameless) events.onNameless(bytes.toString("utf8", topicStart, topicEnd));
    else events.onTooLarge(size);
    return true;
  }

  /** 0 for none. */
  private alias(bytes: Buffer): number {
    const { propertiesStart, propertiesEnd } = this.view;
    if (propertiesStart === propertiesEnd) return 0;
    return readPropertyList(bytes, propertiesStart, propertiesEnd, "publish").topicAlias ?? 0;
  }

  /** PUBREL of an exchange whose other side is here. */
  private isOurs(type: number, bytes: Buffer, bodyStart: number): boolean {
    if (type !== TYPE.pubrel) return false;
    // A remote without QoS 2 has none under way, also if an earlier connection began it.
    const hasNone = this.parts.limits.qosMax < 2;
    if (!hasNone && this.ours.size === 0) return false;
    const packetId = bytes.readUInt16BE(bodyStart);
    if (!this.ours.delete(packetId) && !hasNone) return false;
    this.answer(ACK_HEAD.pubcomp, packetId);
    return true;
  }

  private lower(qos: Qos, to: Qos, packetId: number): void {
    if (to === 0) this.refuse(qos, packetId);
    else this.lowered.add(packetId);
  }

  /** Ends the exchange on the remote's behalf: nothing comes back from it. */
  private refuse(qos: Qos, packetId: number): void {
    if (qos === 1) this.answer(ACK_HEAD.puback, packetId);
    if (qos !== 2) return;
    this.answer(ACK_HEAD.pubrec, packetId);
    // Of a repeat the remote may know already: its PUBREL goes there.
    if (!this.view.dup) this.ours.add(packetId);
  }

  private answer(head: number, packetId: number): void {
    const { back } = this.parts;
    const at = back.reserve(ACK_SIZE_MAX - 1);
    writeAck(back.bytes, at, head, packetId, 0);
  }
}
