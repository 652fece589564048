import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/core/base/prng.ts";
import { Ring } from "../../../../src/core/base/ring.ts";
import { seeds } from "../../../support/seeds.ts";

describe("Ring", () => {
  it("gives items back in the order they came", () => {
    const ring = filled(1, 2, 3);
    expect([ring.shift(), ring.shift(), ring.shift(), ring.shift()]).toEqual([1, 2, 3, undefined]);
    expect(ring.length).toBe(0);
  });

  it("puts an item in front, also of an empty and of a full ring", () => {
    const ring = new Ring<number>();
    for (let item = 20; item > 0; item--) ring.unshift(item);
    expect(contents(ring)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it("shows an item by its place, and nothing beside them", () => {
    const ring = filled(1, 2, 3);
    ring.shift();
    expect([ring.at(0), ring.at(1), ring.at(2), ring.at(-1)]).toEqual([2, 3, undefined, undefined]);
    expect(ring.length).toBe(2);
  });

  it("keeps the items that are wanted, in their order", () => {
    const ring = filled(1, 2, 3, 4, 5);
    ring.shift();
    ring.filter((item) => item % 2 === 1);
    expect(contents(ring)).toEqual([3, 5]);
    ring.filter(() => false);
    expect(ring.length).toBe(0);
    ring.push(6);
    expect(ring.shift()).toBe(6);
  });

  it("is empty after `clear`, and good for more", () => {
    const ring = filled(1, 2);
    ring.clear();
    expect([ring.length, ring.at(0), ring.shift()]).toEqual([0, undefined, undefined]);
    ring.push(3);
    expect(contents(ring)).toEqual([3]);
  });

  it("goes on after a burst ran it empty", () => {
    const ring = new Ring<number>();
    for (let burst = 0; burst < 3; burst++) {
      for (let i = 0; i < 5000; i++) ring.push(i);
      for (let i = 0; i < 5000; i++) expect(ring.shift()).toBe(i);
    }
    expect(ring.shift()).toBeUndefined();
  });

  it("lets go of an item once it is out", () => {
    // A slot that still held it would show when the ring goes round.
    const ring = new Ring<object | undefined>();
    for (let i = 0; i < 8; i++) ring.push({});
    for (let i = 0; i < 8; i++) ring.shift();
    expect(JSON.stringify(ring)).not.toContain("{}");
  });
});

describe.each(seeds())("Ring beside an array, seed %i", (seed) => {
  it("holds the same, whatever is done to both", () => {
    const prng = new Prng(seed);
    const ring = new Ring<number>();
    let array: number[] = [];
    for (let step = 0; step < 3000; step++) {
      // Rises and falls, so that it grows, wraps and runs empty.
      const rising = step % 1000 < 500;
      const chance = prng.fraction();
      if (chance < (rising ? 0.6 : 0.3)) {
        ring.push(step);
        array.push(step);
      } else if (chance < 0.7) {
        expect(ring.shift()).toBe(array.shift());
      } else if (chance < 0.9) {
        ring.unshift(step);
        array.unshift(step);
        if (!rising) expect([ring.shift(), ring.shift()]).toEqual([array.shift(), array.shift()]);
      } else if (chance < 0.91) {
        const divisor = prng.between(2, 5);
        ring.filter((item) => item % divisor !== 0);
        array = array.filter((item) => item % divisor !== 0);
      } else {
        const place = prng.between(0, array.length);
        expect(ring.at(place)).toBe(array[place]);
      }
      expect(ring.length).toBe(array.length);
    }
    expect(contents(ring)).toEqual(array);
  });
});

function filled(...items: number[]): Ring<number> {
  const ring = new Ring<number>();
  for (const item of items) ring.push(item);
  return ring;
}

function contents<Item>(ring: Ring<Item>): (Item | undefined)[] {
  return Array.from({ length: ring.length }, (_, i) => ring.at(i));
}
