/**
 * What goes out to one client: packets written where its link gathers them.
 *
 * Knows what the client takes, its version, packet size, topic aliases and mount point, and what it
 * leaves unread. Ends nothing: what does not fit is not sent, and the caller is told.
 *
 * Hot path. Budget: no allocation per packet; a run of QoS 0 messages costs one copy.
 */

import { copyRange, type OutBuffer } from "../core/base/out-buffer.ts";
import { ACK_SIZE_MAX, writeAck } from "../core/codec/ack.ts";
import type { Qos, Version } from "../core/codec/packets.ts";
import { publishBodySize, writePublishStartFrom } from "../core/codec/publish.ts";
import { varintSize, writeVarint } from "../core/codec/varint.ts";
import type { OutgoingAliases } from "../core/delivery/aliases.ts";
import type { Broker } from "./broker.ts";
import type { WatchedBridge } from "./loops/watched-bridge.ts";
import type { Message } from "./message.ts";
import type { Run } from "./run.ts";
import type { Link } from "./world.ts";

const NO_BYTES = Buffer.alloc(0);

/** More than a packet can have [MQTT5-1.5.5-1]. */
export const ANY_PACKET_SIZE = 0x2000_0000;

export class Outlet {
  /** As the log shows the client. */
  clientId = "";
  version: Version = 4;
  /** The largest packet the client takes, in bytes [MQTT5-3.1.2-24]. */
  packetSizeMax = ANY_PACKET_SIZE;
  /** Null where the client takes none [MQTT5-3.1.2-27]. */
  aliases: OutgoingAliases | null = null;
  /** Who wants to know of each message that is sent; mostly nobody. */
  watched: WatchedBridge | null = null;
  private readonly broker: Broker;
  private readonly link: Link;
  private readonly mountPoint: string;
  private readonly mountPointSize: number;
  /** Where messages are written: the link's, or a buffer of their own while they are held. */
  private out: OutBuffer;
  /** QoS 0 messages written and not taken by the network; those of them that it was handed. */
  private waitingPackets = 0;
  private handedPackets = 0;

  constructor(broker: Broker, link: Link, mountPoint: string) {
    this.broker = broker;
    this.link = link;
    this.mountPoint = mountPoint;
    this.mountPointSize = Buffer.byteLength(mountPoint);
    this.out = link.out;
  }

  /** Packets that the client has not read yet. */
  get waitingCount(): number {
    return this.link.backlogBytes === 0 ? 0 : this.waitingPackets;
  }

  /** Bytes of those and all other packets. */
  get waitingBytes(): number {
    const { backlogBytes, out } = this.link;
    return backlogBytes === 0 ? 0 : backlogBytes + out.length;
  }

  /** The network has taken everything that was handed to it, and was handed what had gathered. */
  onDrain(): void {
    this.waitingPackets -= this.handedPackets;
    this.handedPackets = this.waitingPackets;
  }

  /** Whether messages are held: everything else goes out. */
  get isHeld(): boolean {
    return this.out !== this.link.out;
  }

  /** Bytes of the messages that are held. */
  get heldBytes(): number {
    return this.isHeld ? this.out.length : 0;
  }

  /**
   * Holds messages from here on, in their order. To the session they are under way, as with a
   * client that reads slowly: what is beyond its window waits there.
   */
  hold(): void {
    if (!this.isHeld) this.out = this.link.out.another();
  }

  /** Sends what was held, and holds nothing any more. */
  release(): void {
    const { out, link } = this;
    if (!this.isHeld) return;
    this.out = link.out;
    if (out.length === 0) return;
    link.out.appendAll(out);
    link.wake();
  }

  /** Sends one whole packet. @returns False when the client takes none that large. */
  send(packet: Buffer): boolean {
    if (packet.length > this.packetSizeMax) return false;
    this.link.out.append(packet, 0, packet.length);
    this.count(packet.length);
    this.link.wake();
    return true;
  }

  sendAck(head: number, packetId: number, reasonCode: number): void {
    const code = this.version === 5 ? reasonCode : 0;
    const size = code === 0 ? ACK_SIZE_MAX - 1 : ACK_SIZE_MAX;
    const { out } = this.link;
    const at = out.reserve(size);
    writeAck(out.bytes, at, head, packetId, code);
    this.count(size);
    this.link.wake();
    if (this.broker.log.debug) this.broker.trace.sentAck(this.clientId, head, packetId, reasonCode);
  }

  /**
   * Sends a PUBLISH.
   *
   * @param identifier Subscription identifier to go along in 5.0, 0 for none.
   * @returns False when the client takes no packet that large: nothing was sent.
   */
  sendMessage(
    message: Message,
    qos: Qos,
    retain: boolean,
    dup: boolean,
    packetId: number,
    identifier: number,
  ): boolean {
    const head = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    if (this.version === 5) return this.sendMessage5(message, head, packetId, identifier);
    const payloadSize = message.end - message.start;
    const bodySize = publishBodySize(this.topicSize(message), qos, -1, payloadSize);
    this.write(message, head, bodySize, true, packetId);
    this.countPublish(1 + varintSize(bodySize) + bodySize, payloadSize);
    if (this.watched !== null) this.watched.onSent(message);
    if (this.broker.log.debug)
      this.broker.trace.sentPublish(this.clientId, message, head, packetId);
    return true;
  }

  /** Whether the client takes a PUBLISH of this size, with an alias or without. */
  takes(message: Message, qos: Qos, identifier: number): boolean {
    if (this.version !== 5) return true;
    const size = this.publishSizeMax(message, qos, identifier);
    return 1 + varintSize(size) + size <= this.packetSizeMax;
  }

  /** Bytes of its body in 5.0, with the alias that it may be given. */
  private publishSizeMax(message: Message, qos: Qos, identifier: number): number {
    // An alias is given out only for a packet that goes out: its size is asked with the alias in.
    const aliasSize = this.aliases === null ? 0 : 3;
    const size = this.propertiesSize(message, identifier) + aliasSize;
    return publishBodySize(this.topicSize(message), qos, size, message.payloadSize);
  }

  /** Bytes of its properties but the alias. */
  private propertiesSize(message: Message, identifier: number): number {
    const expirySize = message.expiresAt === 0 ? 0 : 5;
    const identifierSize = identifier === 0 ? 0 : 1 + varintSize(identifier);
    return message.properties.length + expirySize + identifierSize;
  }

  /** Sends a run of QoS 0 messages as the bytes they came in. */
  sendRun(run: Run, payloadBytes: number): void {
    this.out.append(run.bytes, run.start, run.end);
    const { counters } = this.broker;
    counters.packetsSent += run.count;
    counters.publishSent += run.count;
    counters.publishBytesSent += payloadBytes;
    counters.bytesSent += run.end - run.start;
    this.link.wake();
  }

  /** Whether a run in the framing of `version` may go to this client as it came. */
  takesRuns(version: Version): boolean {
    if ((version === 5) !== (this.version === 5)) return false;
    return this.aliases === null && this.mountPoint === "" && !this.broker.log.debug;
  }

  /**
   * Whether `count` more QoS 0 messages may be sent: not to a client that reads too slowly
   * (mosquitto-2.1 h.29). Those refused are counted as dropped.
   */
  admitQos0(count: number): boolean {
    const { backlogBytes, out } = this.link;
    const { maxQueuedMessages, backlogBytesMax } = this.broker.settings;
    if (backlogBytes === 0 && out.length < backlogBytesMax) {
      this.waitingPackets = 0;
      this.handedPackets = 0;
      return true;
    }
    const full = maxQueuedMessages > 0 && this.waitingPackets >= maxQueuedMessages;
    if (this.broker.shortage.isShort) {
      this.broker.counters.publishDropped += count;
      return false;
    }
    if (full || backlogBytes + out.length >= backlogBytesMax) {
      this.broker.counters.publishDropped += count;
      this.complain(full);
      return false;
    }
    this.waitingPackets += count;
    return true;
  }

  private complain(isCount: boolean): void {
    this.broker.complaints.reached(
      isCount ? "max_queued_messages" : "backlogBytesMax",
      `QoS 0 messages are dropped for clients that do not read them, such as ${this.clientId}.`,
    );
  }

  private sendMessage5(
    message: Message,
    head: number,
    packetId: number,
    identifier: number,
  ): boolean {
    const { aliases } = this;
    const qos = ((head >> 1) & 3) as Qos;
    if (!this.takes(message, qos, identifier)) return false;
    const name = aliases === null ? "" : message.topic.name;
    const known = aliases?.known(name) ?? 0;
    const alias = known > 0 ? known : (aliases?.assign(name) ?? 0);
    const payloadSize = message.end - message.start;
    const propertiesSize = this.propertiesSize(message, identifier) + (alias > 0 ? 3 : 0);
    const topicSize = known > 0 ? 0 : this.topicSize(message);
    const bodySize = publishBodySize(topicSize, qos, propertiesSize, payloadSize);
    let at = this.write(message, head, bodySize, known === 0, packetId);
    const { bytes } = this.out;
    at = writeVarint(bytes, at, propertiesSize);
    this.writeMessageProperties(bytes, at, message, alias, identifier);
    this.countPublish(1 + varintSize(bodySize) + bodySize, payloadSize);
    if (this.watched !== null) this.watched.onSent(message);
    if (this.broker.log.debug)
      this.broker.trace.sentPublish(this.clientId, message, head, packetId);
    return true;
  }

  private writeMessageProperties(
    bytes: Buffer,
    start: number,
    message: Message,
    alias: number,
    identifier: number,
  ): void {
    // In mosquitto's order: identifier, the publisher's own in its order, alias, expiry.
    let at = start;
    if (identifier !== 0) {
      bytes[at] = 0x0b;
      at = writeVarint(bytes, at + 1, identifier);
    }
    if (message.properties.length > 0) at += message.properties.copy(bytes, at);
    if (alias > 0) {
      bytes[at] = 0x23;
      at = bytes.writeUInt16BE(alias, at + 1);
    }
    if (message.expiresAt === 0) return;
    bytes[at] = 0x02;
    bytes.writeUInt32BE(message.secondsLeft(this.broker.now), at + 1);
  }

  /**
   * Writes all but the properties, for which it leaves room.
   *
   * @param isNamed Whether the topic stands in the packet: by its alias alone otherwise.
   * @returns Where in `out.bytes` they begin.
   */
  private write(
    message: Message,
    head: number,
    bodySize: number,
    isNamed: boolean,
    packetId: number,
  ): number {
    const { out } = this;
    const size = 1 + varintSize(bodySize) + bodySize;
    const start = out.reserve(size);
    const { bytes } = out;
    const payload = start + size - message.payloadSize;
    const { text } = message;
    if (text === null || !isNamed || this.mountPoint !== "") {
      const topic = isNamed ? message.topic.bytes : NO_BYTES;
      const at = isNamed ? this.mountedSize(message) : 0;
      const { length } = topic;
      copyRange(message.bytes, message.start, message.end, bytes, payload);
      return writePublishStartFrom(bytes, start, head, bodySize, topic, at, length, packetId);
    }
    // One call into C++ for both: the payload where it belongs, the topic before it, from where it
    // goes to its own place further back.
    const topic = payload - message.topicSize;
    bytes.write(text, topic, "latin1");
    return writePublishStartFrom(bytes, start, head, bodySize, bytes, topic, payload, packetId);
  }

  /** Bytes of the topic as this listener's clients know it. */
  private topicSize(message: Message): number {
    return message.topicSize - this.mountedSize(message);
  }

  /** Bytes of the topic that this listener's clients do not know of: its mount point. */
  private mountedSize(message: Message): number {
    const { mountPoint } = this;
    if (mountPoint === "" || !message.topic.name.startsWith(mountPoint)) return 0;
    return this.mountPointSize;
  }

  private count(size: number): void {
    const { counters } = this.broker;
    counters.packetsSent++;
    counters.bytesSent += size;
  }

  private countPublish(size: number, payloadSize: number): void {
    const { counters } = this.broker;
    counters.publishSent++;
    counters.publishBytesSent += payloadSize;
    this.count(size);
    this.link.wake();
  }
}
