/**
 * Writes a PUBLISH as it came, but for its topic, its flags and whether it has an identifier.
 *
 * Hot path. Budget: no allocation; one copy of the packet.
 */
import type { OutBuffer } from "../core/base/out-buffer.ts";
import type { PublishView } from "../core/codec/publish.ts";
import { varintSize, writeVarint } from "../core/codec/varint.ts";

/**
 * @param head The first byte it gets; at QoS 0 it loses its packet identifier.
 * @param view Where its parts stand in `bytes`.
 * @param topic What stands in the place of its topic.
 */
export function writeAgain(
  out: OutBuffer,
  head: number,
  bytes: Buffer,
  view: PublishView,
  topic: Buffer,
): void {
  const from = (head & 6) === 0 && view.qos > 0 ? view.topicEnd + 2 : view.topicEnd;
  const rest = view.payloadEnd - from;
  const bodySize = 2 + topic.length + rest;
  const headerSize = 1 + varintSize(bodySize) + 2 + topic.length;
  const start = out.reserve(headerSize);
  const { bytes: to } = out;
  to[start] = head;
  const at = writeVarint(to, start + 1, bodySize);
  to[at] = topic.length >> 8;
  to[at + 1] = topic.length & 0xff;
  topic.copy(to, at + 2);
  out.append(bytes, from, view.payloadEnd);
}

/** Bytes of the packet that `writeAgain` makes with that topic and the QoS it came with. */
export function sizeAgain(view: PublishView, topic: Buffer): number {
  const bodySize = 2 + topic.length + view.payloadEnd - view.topicEnd;
  return 1 + varintSize(bodySize) + bodySize;
}
