/**
 * Maps that most owners never put anything into: a Map of V8's takes 184 bytes even then.
 *
 * Until its first entry a map is the one that all share, which answers as any empty one does.
 */

const NOBODYS = new Map<never, never>();

/** An empty map, to be read, and emptied, but put into by `put` only. */
export function noEntries<Key, Value>(): Map<Key, Value> {
  return NOBODYS as unknown as Map<Key, Value>;
}

/** Sets `key` to `value`. @returns The map to go on with: one's own, with the first entry. */
export function put<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): Map<Key, Value> {
  if (map === (NOBODYS as unknown)) return new Map([[key, value]]);
  map.set(key, value);
  return map;
}
