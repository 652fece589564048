/** Topic filters: what a SUBSCRIBE may ask for, and what they match (MQTT 5.0 §4.7, §4.8.2). */
import { fitsInBytes, HASH, PLUS, SLASH, TOPIC_BYTES_MAX, TOPIC_SLASHES_MAX } from "./name.ts";

const SHARE_PREFIX = "$share/";

/** A filter as it works: the share's name apart from what is matched. */
export interface ParsedFilter {
  /** Name of the share, null for a subscription of its own. */
  readonly share: string | null;
  /** The filter that topics are matched with. */
  readonly filter: string;
}

/**
 * Whether the wildcards of `filter` stand where they may: `#` alone in the last level, `+` alone
 * in its level [MQTT5-4.7.1-1] [MQTT5-4.7.1-2]; not empty, not too long or deep.
 */
export function isTopicFilter(filter: string): boolean {
  const size = filter.length;
  if (size === 0 || size > TOPIC_BYTES_MAX) return false;
  let slashes = 0;
  let levelStart = 0;
  for (let i = 0; i < size; i++) {
    const code = filter.charCodeAt(i);
    if (code === SLASH) {
      slashes++;
      levelStart = i + 1;
    } else if (code === HASH) {
      if (i !== levelStart || i !== size - 1) return false;
    } else if (code === PLUS) {
      const next = i + 1 < size ? filter.charCodeAt(i + 1) : SLASH;
      if (i !== levelStart || next !== SLASH) return false;
    } else if (code === 0) {
      return false;
    }
  }
  return slashes <= TOPIC_SLASHES_MAX && fitsInBytes(filter);
}

/**
 * Takes `$share/NAME/FILTER` apart.
 *
 * @returns Null when it begins like a shared filter and is none: no filter behind the name, or a
 *   wildcard in the name [MQTT5-4.8.2-1] [MQTT5-4.8.2-2]. An empty name passes, as it does with
 *   mosquitto ~[MQTT5-4.8.2-1].
 */
export function parseFilter(filter: string): ParsedFilter | null {
  if (!filter.startsWith(SHARE_PREFIX)) return { share: null, filter };
  const end = filter.indexOf("/", SHARE_PREFIX.length);
  if (end < 0 || end + 1 === filter.length) return null;
  const share = filter.slice(SHARE_PREFIX.length, end);
  if (share.includes("+") || share.includes("#")) return null;
  return { share, filter: filter.slice(end + 1) };
}

/** Whether a wildcard stands in `filter`, so that it may match more than one topic. */
export function hasWildcard(filter: string): boolean {
  return filter.includes("+") || filter.includes("#");
}

/** Whether `filter` (no share prefix) matches the topic name [MQTT5-4.7.2-1]. */
export function filterMatches(filter: string, topic: string): boolean {
  const wants = filter.split("/");
  const has = topic.split("/");
  if (topic.startsWith("$") && (wants[0] === "+" || wants[0] === "#")) return false;
  for (let i = 0; i < wants.length; i++) {
    const want = wants[i]!;
    if (want === "#") return true;
    if (i >= has.length || (want !== "+" && want !== has[i])) return false;
  }
  return wants.length === has.length;
}

/**
 * Whether whatever `filter` matches `wide` matches too; both are compared as they are written, a
 * share's prefix like any other levels. Topics that begin with `$` are no exception here, as they
 * are not with mosquitto.
 */
export function filterCovers(wide: string, filter: string): boolean {
  const wants = wide.split("/");
  const has = filter.split("/");
  for (let i = 0; i < wants.length; i++) {
    const want = wants[i]!;
    // `a/#` covers `a` as well.
    if (want === "#") return true;
    if (i >= has.length || has[i] === "#" || (want !== "+" && want !== has[i])) return false;
  }
  return wants.length === has.length;
}
