/**
 * Puts V8's code caches where V8 takes them as they are. It copies a cache that is not aligned, and
 * on a start each page that is touched counts.
 *
 * Where a cache gets to in an executable nobody can say before it is made. So each has some bytes
 * more than its content, the first of which says where the content begins; the content is moved in
 * the finished file, whose length stays.
 */

const ALIGNMENT = 8;

/** Bytes of an asset that are not the content of its cache. */
export const CACHE_SPARE = ALIGNMENT;

/** @param {Buffer} content @returns {Buffer} The asset, not yet aligned. */
export function cacheAsset(content) {
  return Buffer.concat([Buffer.from([1]), content, Buffer.alloc(CACHE_SPARE - 1)]);
}

/**
 * @param {Buffer} executable Is changed.
 * @param {readonly Buffer[]} assets Of `cacheAsset()`, each of which is in the executable once.
 * @throws {Error} If one is not there.
 */
export function alignCaches(executable, assets) {
  for (const asset of assets) {
    const at = executable.indexOf(asset);
    if (at === -1) throw new Error("A code cache is not in the executable.");
    const begin = ALIGNMENT - (at % ALIGNMENT);
    const content = asset.subarray(1, asset.length - CACHE_SPARE + 1);
    executable.fill(0, at, at + asset.length);
    executable[at] = begin;
    content.copy(executable, at + begin);
  }
}
