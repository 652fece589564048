/**
 * A first-in, first-out queue in one array: no allocation per entry, no shifting.
 *
 * Grows by doubling, and gives the memory back once it runs empty after having been large.
 */

const CAPACITY_MIN = 8;
/** An empty ring larger than this is dropped, so that one burst is not paid for for ever. */
const CAPACITY_KEPT = 1024;

/** Of every ring that is empty and holds no memory. Its length is 0: nothing is written to it. */
const NO_SLOTS: readonly undefined[] = [];

export class Ring<Item> {
  private slots = NO_SLOTS as (Item | undefined)[];
  private head = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  push(item: Item): void {
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.head + this.count) & (this.slots.length - 1)] = item;
    this.count++;
  }

  /** Puts `item` in front of everything that waits. */
  unshift(item: Item): void {
    if (this.count === this.slots.length) this.grow();
    this.head = (this.head - 1) & (this.slots.length - 1);
    this.slots[this.head] = item;
    this.count++;
  }

  /** Takes the oldest item out, or answers undefined when there is none. */
  shift(): Item | undefined {
    if (this.count === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count--;
    if (this.count === 0 && this.slots.length > CAPACITY_KEPT) this.clear();
    return item;
  }

  /** The item `index` places behind the oldest, without taking it. */
  at(index: number): Item | undefined {
    if (index < 0 || index >= this.count) return undefined;
    return this.slots[(this.head + index) & (this.slots.length - 1)];
  }

  clear(): void {
    this.slots = NO_SLOTS as (Item | undefined)[];
    this.head = 0;
    this.count = 0;
  }

  /** Keeps the items for which `keep` holds, in their order. */
  filter(keep: (item: Item) => boolean): void {
    const kept: Item[] = [];
    for (let i = 0; i < this.count; i++) {
      const item = this.at(i) as Item;
      if (keep(item)) kept.push(item);
    }
    this.clear();
    for (const item of kept) this.push(item);
  }

  private grow(): void {
    const capacity = Math.max(CAPACITY_MIN, this.slots.length * 2);
    const slots = new Array<Item | undefined>(capacity);
    for (let i = 0; i < this.count; i++) slots[i] = this.at(i);
    this.slots = slots;
    this.head = 0;
  }
}
