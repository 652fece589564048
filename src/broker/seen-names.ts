/**
 * Which names have been seen lately, a bit for each: of some that have not it says so too, one in
 * ten at worst.
 */

const BITS = 1 << 20;
/** Names after which it begins anew. */
const NAMES_MAX = 100_000;
/** Characters from the end that tell names apart. */
const CHARACTERS_MAX = 128;

export class SeenNames {
  private readonly bits = new Uint8Array(BITS / 8);
  private count = 0;

  /** Whether `name` was seen before. It has been, from now on. */
  again(name: string): boolean {
    const hash = hashOf(name) & (BITS - 1);
    const at = hash >> 3;
    const bit = 1 << (hash & 7);
    if ((this.bits[at]! & bit) !== 0) return true;
    if (++this.count > NAMES_MAX) {
      this.bits.fill(0);
      this.count = 1;
    }
    this.bits[at]! |= bit;
    return false;
  }
}

/** FNV-1a, with its upper bits folded in. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = Math.max(0, name.length - CHARACTERS_MAX); i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash ^ (hash >>> 16);
}
