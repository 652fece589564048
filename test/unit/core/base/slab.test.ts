import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/core/base/prng.ts";
import { Slab } from "../../../../src/core/base/slab.ts";
import { seeds } from "../../../support/seeds.ts";

describe("Slab", () => {
  it.each(seeds(5))("keeps every piece as it was, seed %d", (seed) => {
    const prng = new Prng(seed);
    const slab = new Slab();
    const chunk = Buffer.alloc(10_000);
    const kept: { readonly bytes: Buffer; readonly at: number; readonly text: string }[] = [];
    for (let i = 0; i < 2_000; i++) {
      for (let j = 0; j < 100; j++) chunk[prng.between(0, chunk.length - 1)] = prng.between(0, 255);
      const start = prng.between(0, 99);
      const end = start + prng.between(0, prng.chance(0.02) ? 9_000 : 300);
      const at = slab.put(chunk, start, end);
      kept.push({ bytes: slab.bytes, at, text: chunk.toString("latin1", start, end) });
    }
    for (const { bytes, at, text } of kept) {
      expect(bytes.toString("latin1", at, at + text.length)).toBe(text);
    }
    const blocks = new Set(kept.map(({ bytes }) => bytes));
    expect(blocks.size).toBeLessThan(kept.length / 10);
  });

  it("gives a large piece a buffer of its own", () => {
    const slab = new Slab();
    const large = Buffer.alloc(5_000, 7);
    const at = slab.put(Buffer.from("small"), 0, 5);
    const { bytes } = slab;
    expect(slab.put(large, 0, 5_000)).toBe(0);
    expect(slab.bytes.equals(large)).toBe(true);
    expect(slab.put(Buffer.from("next"), 0, 4)).toBe(at + 5);
    expect(slab.bytes).toBe(bytes);
  });
});
