import { describe, expect, it } from "vitest";
import { alignCaches, CACHE_SPARE, cacheAsset } from "../../../src/build/native-align.mjs";

const contents = ["a cache", "another one, of more bytes", "x"].map((text) => Buffer.from(text));

/** What the loader in the executable finds: see native-parts.mjs. */
function contentOf(asset: Buffer): Buffer {
  const begin = asset[0]!;
  return asset.subarray(begin, begin + asset.length - CACHE_SPARE);
}

describe("code caches in an executable", () => {
  it("are found by the loader before they have been moved", () => {
    for (const content of contents) expect(contentOf(cacheAsset(content))).toEqual(content);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7])("are aligned wherever they got to: %d", (misplaced) => {
    const assets = contents.map(cacheAsset);
    const around = [
      Buffer.alloc(8 + misplaced, 0xee),
      Buffer.alloc(3, 0xdd),
      Buffer.alloc(5, 0xcc),
    ];
    const executable = Buffer.concat(assets.flatMap((asset, i) => [around[i]!, asset]));
    const length = executable.length;
    alignCaches(executable, assets);
    expect(executable.length).toBe(length);
    let at = 0;
    for (const [i, asset] of assets.entries()) {
      const gap = around[i]!;
      expect(executable.subarray(at, at + gap.length)).toEqual(gap);
      at += gap.length;
      const moved = executable.subarray(at, at + asset.length);
      expect(contentOf(moved)).toEqual(contents[i]);
      expect((at + moved[0]!) % 8).toBe(0);
      at += asset.length;
    }
  });

  it("must be in it", () => {
    expect(() => alignCaches(Buffer.alloc(100), [cacheAsset(Buffer.from("a cache"))])).toThrow(
      "A code cache is not in the executable.",
    );
  });
});
