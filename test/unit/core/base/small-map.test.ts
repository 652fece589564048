import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SmallMap } from "../../../../src/core/base/small-map.ts";

const KEYS = ["a", "b", "c"] as const;

describe("SmallMap", () => {
  it("holds one entry, several, and one again", () => {
    const map = new SmallMap<string, number>();
    map.set("a", 1);
    map.set("b", 2);
    map.delete("a");
    expect([map.size, map.get("a"), map.get("b")]).toEqual([1, undefined, 2]);
    map.delete("b");
    expect(map.size).toBe(0);
    map.set("c", 3);
    expect([...map.keys()]).toEqual(["c"]);
  });

  it("answers as a Map does, whatever is done to both", () => {
    const change = fc.record({
      does: fc.constantFrom("set", "delete"),
      key: fc.constantFrom(...KEYS),
      value: fc.integer({ min: 0, max: 3 }),
    });
    const run = (changes: { does: string; key: string; value: number }[]) => {
      const [ours, plain] = [new SmallMap<string, number>(), new Map<string, number>()];
      for (const { does, key, value } of changes) {
        if (does === "set") ours.set(key, value);
        else ours.delete(key);
        if (does === "set") plain.set(key, value);
        else plain.delete(key);
        expect(ours.size).toBe(plain.size);
        expect([...ours.keys()]).toEqual([...plain.keys()]);
        expect([...ours.values()]).toEqual([...plain.values()]);
        for (const one of KEYS) {
          expect(ours.get(one)).toBe(plain.get(one));
          expect(ours.has(one)).toBe(plain.has(one));
        }
      }
    };
    fc.assert(fc.property(fc.array(change, { maxLength: 20 }), run));
  });
});
