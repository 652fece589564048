/**
 * Topic names: what a PUBLISH or a Will may go to (MQTT 5.0 §4.7). Case and bytes count as they are
 * [MQTT5-4.7.3-4].
 */

/** Bytes of UTF-8 that a name or filter may have [MQTT5-4.7.3-3]. */
export const TOPIC_BYTES_MAX = 65_535;

/** Slashes that a name or filter may have: mosquitto refuses more, and a tree must end. */
export const TOPIC_SLASHES_MAX = 200;

/**
 * Whether `name` may be published to: not empty, no wildcard, not too long or deep
 * [MQTT5-4.7.3-1] [MQTT5-3.3.2-2]. That it is good UTF-8 is for the codec.
 */
export function isTopicName(name: string): boolean {
  if (name.length === 0 || name.length > TOPIC_BYTES_MAX) return false;
  let slashes = 0;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === PLUS || code === HASH || code === 0) return false;
    if (code === SLASH) slashes++;
  }
  return slashes <= TOPIC_SLASHES_MAX && fitsInBytes(name);
}

/** Whether `name` takes at most `TOPIC_BYTES_MAX` bytes as UTF-8. */
export function fitsInBytes(name: string): boolean {
  // A UTF-16 unit takes at most three bytes, so that only long names need counting.
  return name.length * 3 <= TOPIC_BYTES_MAX || Buffer.byteLength(name) <= TOPIC_BYTES_MAX;
}

export const SLASH = 0x2f;
export const PLUS = 0x2b;
export const HASH = 0x23;
