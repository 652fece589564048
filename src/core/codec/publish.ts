/**
 * PUBLISH: reads one in place, and writes one (MQTT 5.0 §3.3, 3.1.1 §3.3).
 *
 * Hot path. Budget: reading allocates nothing, it fills a view that the caller keeps; writing
 * copies into a buffer that the caller has.
 *
 * Does not judge the topic, which `topic/name.ts` does, nor the properties, which `properties.ts`
 * does: it finds where they stand.
 */
import { copyRange } from "../base/out-buffer.ts";
import { ProtocolError } from "../errors.ts";
import type { Qos, Version } from "./packets.ts";
import { readVarint, varintSize, writeVarint } from "./varint.ts";

/** Where the parts of one PUBLISH stand in the bytes it was read from. Reused for the next one. */
export class PublishView {
  qos: Qos = 0;
  retain = false;
  dup = false;
  /** 0 for QoS 0. */
  packetId = 0;
  /** The topic name's UTF-8, without its length. */
  topicStart = 0;
  topicEnd = 0;
  /** The property list, without its length. Empty before MQTT 5.0. */
  propertiesStart = 0;
  propertiesEnd = 0;
  /** The payload ends where the packet does. */
  payloadStart = 0;
  payloadEnd = 0;
}

/**
 * Reads the body of a PUBLISH, `bytes[start, end)`, into `view`.
 *
 * @param head The first byte of the packet, for its flags (§3.3.1).
 * @throws {ProtocolError} malformedPacket, when lengths or flags cannot be; protocolError for a
 *   packet identifier of 0.
 */
export function readPublish(
  view: PublishView,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
  version: Version,
): void {
  const qos = (head >> 1) & 3;
  if (qos === 3) throw bothQosBits();
  if (start + 2 > end) throw tooShort();
  view.qos = qos as Qos;
  view.retain = (head & 1) !== 0;
  view.dup = (head & 8) !== 0;
  if (view.dup && qos === 0) throw dupAtQos0();
  let at = start + 2 + ((bytes[start]! << 8) | bytes[start + 1]!);
  view.topicStart = start + 2;
  view.topicEnd = at;
  if (qos === 0) {
    view.packetId = 0;
  } else {
    if (at + 2 > end) throw tooShort();
    view.packetId = (bytes[at]! << 8) | bytes[at + 1]!;
    if (view.packetId === 0) throw zeroPacketId();
    at += 2;
  }
  if (version === 5) {
    at = readPropertyRange(view, bytes, at, end);
  } else {
    view.propertiesStart = at;
    view.propertiesEnd = at;
  }
  if (at > end) throw tooShort();
  view.payloadStart = at;
  view.payloadEnd = end;
}

function readPropertyRange(view: PublishView, bytes: Buffer, start: number, end: number): number {
  let at = start;
  let length = 0;
  // One byte, and mostly 0: only a longer length is worth a call.
  if (start < end && bytes[start]! < 0x80) {
    length = bytes[start]!;
    at++;
  } else {
    const packed = readVarint(bytes, start, end);
    length = packed >> 3;
    at += packed & 7;
  }
  view.propertiesStart = at;
  view.propertiesEnd = at + length;
  return at + length;
}

/**
 * Bytes of a PUBLISH after its fixed header.
 *
 * @param topicSize Bytes of the topic's UTF-8.
 * @param propertiesSize Bytes of the property list without its length; -1 before 5.0.
 */
export function publishBodySize(
  topicSize: number,
  qos: Qos,
  propertiesSize: number,
  payloadSize: number,
): number {
  const properties = propertiesSize < 0 ? 0 : varintSize(propertiesSize) + propertiesSize;
  return 2 + topicSize + (qos === 0 ? 0 : 2) + properties + payloadSize;
}

/**
 * Writes fixed header, topic and packet identifier: all that stands before properties and payload.
 *
 * @param head First byte: 0x30 with flags.
 * @param topic The topic's UTF-8.
 * @param packetId 0 when there is none (QoS 0).
 * @returns The offset after it.
 */
export function writePublishStart(
  out: Buffer,
  at: number,
  head: number,
  bodySize: number,
  topic: Buffer,
  packetId: number,
): number {
  return writePublishStartFrom(out, at, head, bodySize, topic, 0, topic.length, packetId);
}

/**
 * The same where the topic is `from[start, end)`, which may be further back in `out` itself, where
 * something else is to stand.
 */
export function writePublishStartFrom(
  out: Buffer,
  at: number,
  head: number,
  bodySize: number,
  from: Buffer,
  start: number,
  end: number,
  packetId: number,
): number {
  out[at] = head;
  let next = writeVarint(out, at + 1, bodySize);
  const topicSize = end - start;
  out[next] = topicSize >> 8;
  out[next + 1] = topicSize & 0xff;
  next += 2;
  copyRange(from, start, end, out, next);
  next += topicSize;
  if ((head & 6) !== 0) {
    out[next] = packetId >> 8;
    out[next + 1] = packetId & 0xff;
    next += 2;
  }
  return next;
}

// Out of line, so that the path above stays small enough for V8 to inline.

function bothQosBits(): ProtocolError {
  return new ProtocolError("malformedPacket", "MQTT5-3.3.1-4", "both QoS bits are set");
}

function dupAtQos0(): ProtocolError {
  return new ProtocolError("malformedPacket", "MQTT5-3.3.1-2", "DUP is set at QoS 0");
}

function zeroPacketId(): ProtocolError {
  return new ProtocolError("protocolError", "MQTT5-2.2.1-3", "packet identifier is 0");
}

function tooShort(): ProtocolError {
  return new ProtocolError("malformedPacket", "§3.3.2", "PUBLISH ends inside its own header");
}
