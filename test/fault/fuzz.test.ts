/** A short run of `npm run fuzz`: with a log of everything, and with the ordinary one. */
import { describe, expect, it } from "vitest";
import { Prng } from "../../src/core/base/prng.ts";
import { randomChunks, randomStream } from "./fuzz-streams.ts";
import { fuzz } from "./fuzzing.ts";

describe("The broker under random packets", () => {
  it.each([1, 2])("serves others as before, seed %i", { timeout: 90_000 }, async (seed) => {
    const summary = await fuzz({ seed, seconds: 1 });
    expect(summary).toMatch(/lost none/);
  });

  it("gets the same ones from the same seed, whole and in pieces", () => {
    for (let seed = 0; seed < 50; seed++) {
      const [one, two] = [new Prng(seed), new Prng(seed)];
      const stream = Buffer.concat(randomStream(one));
      expect(Buffer.concat(randomStream(two)).equals(stream)).toBe(true);
      expect(Buffer.concat(randomChunks(one, stream)).equals(stream)).toBe(true);
    }
  });
});
