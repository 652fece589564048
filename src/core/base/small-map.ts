/**
 * A map for where there is mostly one entry: 48 bytes, of which a Map of V8's takes 184 while it is
 * empty. With the second entry it becomes one. In the order of insertion, as that.
 */

export class SmallMap<Key, Value> {
  /** The only entry; undefined when there is none, or when `all` has several. */
  private key: Key | undefined = undefined;
  private value: Value | undefined = undefined;
  private all: Map<Key, Value> | null = null;

  get size(): number {
    if (this.all !== null) return this.all.size;
    return this.value === undefined ? 0 : 1;
  }

  get(key: Key): Value | undefined {
    if (this.all !== null) return this.all.get(key);
    return this.key === key ? this.value : undefined;
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  /** @param value Never undefined, which stands for no entry. */
  set(key: Key, value: Value & {}): void {
    const { key: only, value: there } = this;
    if (this.all !== null) {
      this.all.set(key, value);
    } else if (there === undefined || only === key) {
      this.key = key;
      this.value = value;
    } else {
      this.all = new Map([[only as Key, there]]);
      this.all.set(key, value);
      this.key = undefined;
      this.value = undefined;
    }
  }

  delete(key: Key): void {
    if (this.all !== null) {
      this.all.delete(key);
      if (this.all.size === 0) this.all = null;
    } else if (this.key === key) {
      this.key = undefined;
      this.value = undefined;
    }
  }

  keys(): Iterable<Key> {
    if (this.all !== null) return this.all.keys();
    return this.value === undefined ? [] : [this.key as Key];
  }

  values(): Iterable<Value> {
    if (this.all !== null) return this.all.values();
    return this.value === undefined ? [] : [this.value];
  }
}
