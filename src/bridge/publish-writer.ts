/**
 * Writes a PUBLISH as it came, but for its topic, its flags and whether it has an identifier.
 *
 * Hot path. Budget: no allocation; one copy of the packet.
 */
import { copyRange, type OutBuffer } from "../core/base/out-buffer.ts";
import type { PublishView } from "../core/codec/publish.ts";
import { varintSize, writeVarint } from "../core/codec/varint.ts";

/**
 * @param head The first byte it gets; at QoS 0 it loses its packet identifier.
 * @param view Where its parts stand in `bytes`.
 * @param topic What stands in the place of its topic; null: the topic as it is.
 */
export function writeAgain(
  out: OutBuffer,
  head: number,
  bytes: Buffer,
  view: PublishView,
  topic: Buffer | null,
): void {
  const topicSize = topicSizeOf(view, topic);
  const from = restStart(view, head);
  const bodySize = 2 + topicSize + view.payloadEnd - from;
  const start = out.reserve(1 + varintSize(bodySize) + 2 + topicSize);
  const { bytes: to } = out;
  to[start] = head;
  const at = writeVarint(to, start + 1, bodySize);
  to[at] = topicSize >> 8;
  to[at + 1] = topicSize & 0xff;
  if (topic === null) copyRange(bytes, view.topicStart, view.topicEnd, to, at + 2);
  else copyRange(topic, 0, topicSize, to, at + 2);
  out.append(bytes, from, view.payloadEnd);
}

/** Bytes of the packet that `writeAgain` makes. */
export function sizeAgain(view: PublishView, head: number, topic: Buffer | null): number {
  const bodySize = 2 + topicSizeOf(view, topic) + view.payloadEnd - restStart(view, head);
  return 1 + varintSize(bodySize) + bodySize;
}

function topicSizeOf(view: PublishView, topic: Buffer | null): number {
  return topic === null ? view.topicEnd - view.topicStart : topic.length;
}

/** Where what stands behind the topic begins: with the packet identifier, if it is to have one. */
function restStart(view: PublishView, head: number): number {
  return (head & 6) === 0 && view.qos > 0 ? view.topicEnd + 2 : view.topicEnd;
}
