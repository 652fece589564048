/**
 * What becomes of a topic on its way over a bridge (mosquitto-2.1 b.10): a prefix is taken off and
 * another put in its place.
 *
 * One map for each way. Holds at all times: what was worked out for a topic is remembered, for as
 * many topics of usual length as `rememberedMax`.
 *
 * Hot path. Budget: nothing for the topic of the message before; one string and one look-up for
 * another one that is remembered.
 */
import { sameBytes } from "../core/base/same-bytes.ts";
import type { Qos } from "../core/codec/packets.ts";
import { filterMatches } from "../core/topic/filter.ts";
import { isTopicName } from "../core/topic/name.ts";

/** One line of topics that go over the bridge one way. */
export interface TopicLine {
  /** Of the side that the messages come from. */
  readonly filter: string;
  readonly prefixFrom: string;
  readonly prefixTo: string;
  readonly qos: Qos;
}

/** A topic on its way over. */
export interface Mapped {
  readonly from: Buffer;
  /**
   * What it is called on the other side: `from` where no line has it, empty where its line makes
   * no topic name of it.
   */
  readonly to: Buffer;
  /** Whether a line has it, and a name for it. */
  readonly isMeant: boolean;
  readonly isChanged: boolean;
}

/** Topics that are remembered, outside tests. */
const REMEMBERED_MAX = 10_000;
/** Bytes of a topic above which it is worked out anew each time: few may fill much memory. */
const REMEMBERED_BYTES_MAX = 1_000;

const NO_NAME = Buffer.alloc(0);

export class TopicMap {
  readonly lines: readonly TopicLine[];
  /** Whether no line changes a topic. */
  readonly isPlain: boolean;
  private readonly rememberedMax: number;
  private readonly known = new Map<string, Mapped>();
  private last: Mapped = unchanged(Buffer.alloc(0), false);

  constructor(lines: readonly TopicLine[], rememberedMax = REMEMBERED_MAX) {
    this.lines = lines;
    this.isPlain = lines.every(({ prefixFrom, prefixTo }) => prefixFrom === prefixTo);
    this.rememberedMax = rememberedMax;
  }

  /** The topic in `bytes[start, end)` as the other side knows it. */
  map(bytes: Buffer, start: number, end: number): Mapped {
    if (sameBytes(this.last.from, bytes, start, end)) return this.last;
    // One character a byte: what is no UTF-8 must not meet another topic halfway.
    const key = bytes.toString("latin1", start, end);
    let known = this.known.get(key);
    if (known === undefined) {
      known = this.workOut(Buffer.from(bytes.subarray(start, end)));
      if (key.length <= REMEMBERED_BYTES_MAX) this.remember(key, known);
    }
    this.last = known;
    return known;
  }

  private remember(key: string, known: Mapped): void {
    if (this.known.size >= this.rememberedMax) this.known.clear();
    this.known.set(key, known);
  }

  /** The first line that has the topic says what becomes of it, as with mosquitto. */
  private workOut(from: Buffer): Mapped {
    const topic = from.toString();
    for (const { filter, prefixFrom, prefixTo } of this.lines) {
      if (!filterMatches(filter, topic)) continue;
      const rest = topic.startsWith(prefixFrom) ? topic.slice(prefixFrom.length) : topic;
      const name = prefixTo + rest;
      if (name === topic) return unchanged(from, true);
      if (!isTopicName(name)) return { from, to: NO_NAME, isMeant: false, isChanged: true };
      return { from, to: Buffer.from(name), isMeant: true, isChanged: true };
    }
    return unchanged(from, false);
  }
}

function unchanged(from: Buffer, isMeant: boolean): Mapped {
  return { from, to: from, isMeant, isChanged: false };
}
