import { describe, expect, it } from "vitest";
import { BufferPool, OutBuffer } from "../../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../../src/core/base/prng.ts";
import { seeds } from "../../../support/seeds.ts";

describe("OutBuffer", () => {
  it("gathers small pieces into one", () => {
    const { out } = buffer();
    for (const text of ["one ", "two ", "three"]) append(out, text);
    expect(out.length).toBe(13);
    expect(drained(out)).toEqual(["one two three"]);
    expect(out.length).toBe(0);
  });

  it("makes room to write into, where it says", () => {
    const { out } = buffer();
    for (const text of ["ab", "", "cde"]) {
      const at = out.reserve(text.length);
      out.bytes.write(text, at);
    }
    expect(out.take().toString()).toBe("abcde");
  });

  it("copies, so that the owner may write to its bytes again", () => {
    for (const size of [3, 24, 25, 10_000, 100_000]) {
      const { out } = buffer();
      const piece = Buffer.alloc(size + 4, "p");
      out.append(piece, 2, size + 2);
      piece.fill("-");
      expect(out.take().toString()).toBe("p".repeat(size));
    }
  });

  it.each([3, 1_000, 200_000])("takes over %i bytes of another, behind its own", (size) => {
    const { out } = buffer();
    const other = out.another();
    append(out, "own ");
    append(other, "x".repeat(size));
    append(other, "end");
    out.appendAll(other);
    expect(other.length).toBe(0);
    append(other, "later");
    expect(out.take().toString()).toBe(`own ${"x".repeat(size)}end`);
  });

  it("makes room for more than a chunk holds, between smaller pieces", () => {
    const { out } = buffer();
    append(out, "a");
    const at = out.reserve(100_000);
    out.bytes.fill("z", at, at + 100_000);
    append(out, "b");
    expect(out.length).toBe(100_002);
    expect(out.take().toString()).toBe(`a${"z".repeat(100_000)}b`);
  });

  it("hands nothing to a drain when it is empty", () => {
    const { out } = buffer();
    expect(drained(out)).toEqual([]);
    expect(out.take()).toHaveLength(0);
  });

  it("holds no memory while it is empty, however it became so", () => {
    const empties: ((out: OutBuffer) => void)[] = [
      (out) => out.take(),
      (out) => out.clear(),
      (out) => out.drain(() => true),
      (out) => out.drain(() => false),
    ];
    for (const empty of empties) {
      const { out } = buffer();
      expect(out.bytes.length).toBe(0);
      append(out, "x".repeat(5000));
      empty(out);
      expect([out.length, out.bytes.length]).toEqual([0, 0]);
      append(out, "y");
      expect(out.take().toString()).toBe("y");
    }
  });

  it("gives a buffer back to the pool when it outgrows it or a drain is done with it", () => {
    const { out, pool } = buffer();
    append(out, "x");
    const small = out.bytes;
    append(out, "y".repeat(3000));
    expect(pool.take(small.length)).toBe(small);
    const large = out.bytes;
    out.drain(() => true);
    expect(pool.take(large.length)).toBe(large);
  });

  it("does not give away what a drain still reads", () => {
    const { out, pool } = buffer();
    append(out, "x");
    const { bytes } = out;
    out.drain(() => false);
    out.clear();
    expect(pool.take(bytes.length)).not.toBe(bytes);
  });
});

describe("BufferPool", () => {
  it("keeps buffers by size, and takes no odd or huge ones", () => {
    const pool = new BufferPool();
    const sizes = [0, 1024, 3000, 2048, 65_536, 131_072];
    const given = sizes.map((size) => Buffer.alloc(size));
    for (const one of given) pool.give(one);
    const back = sizes.map((size, i) => pool.take(size) === given[i]);
    expect(back).toEqual([false, false, false, true, true, false]);
  });

  it("keeps at most 16 MiB in all, and room again once some were taken", () => {
    const pool = new BufferPool();
    const given = new Set<Buffer>(Array.from({ length: 257 }, () => Buffer.alloc(65_536)));
    for (const one of given) pool.give(one);
    const taken = Array.from({ length: 257 }, () => pool.take(65_536));
    expect(taken.filter((one) => given.has(one))).toHaveLength(256);
    const again = Buffer.alloc(2048);
    pool.give(again);
    expect(pool.take(2048)).toBe(again);
  });
});

describe.each(seeds())("OutBuffers on one pool beside a plain concat, seed %i", (seed) => {
  it("give out what was put in, and never what a buffer held before", () => {
    const prng = new Prng(seed);
    const pool = new BufferPool();
    const links = Array.from({ length: 3 }, () => ({
      out: new OutBuffer(pool),
      wanted: [] as Buffer[],
    }));
    /** What the network has been handed and has not sent yet: it must stay as it is. */
    const sending: { bytes: Buffer; wanted: Buffer }[] = [];
    for (let step = 0; step < 1500; step++) {
      const { out, wanted } = prng.pick(links);
      if (prng.chance(0.8)) wanted.push(put(out, prng));
      else if (prng.chance(0.1)) wanted.splice(0, wanted.length, ...cleared(out));
      else send(out, Buffer.concat(wanted.splice(0)), prng.chance(0.5), sending);
      const size = wanted.reduce((sum, piece) => sum + piece.length, 0);
      expect(out.length).toBe(size);
      if (sending.length > 8) check(sending.shift()!);
    }
    sending.forEach(check);
    for (const { out, wanted } of links) {
      expect(out.take().equals(Buffer.concat(wanted))).toBe(true);
    }
  });
});

function cleared(out: OutBuffer): Buffer[] {
  out.clear();
  return [];
}

/** Drains `out` into a network that sends at once, or later: then the bytes must stay. */
function send(
  out: OutBuffer,
  wanted: Buffer,
  atOnce: boolean,
  sending: { bytes: Buffer; wanted: Buffer }[],
): void {
  let at = 0;
  out.drain((bytes) => {
    const part = wanted.subarray(at, at + bytes.length);
    expect(bytes.equals(part)).toBe(true);
    if (!atOnce) sending.push({ bytes, wanted: part });
    at += bytes.length;
    return atOnce;
  });
  expect(at).toBe(wanted.length);
  expect([out.length, out.bytes.length]).toEqual([0, 0]);
}

/** Puts random bytes in, one way or the other, and gives what they were. */
function put(out: OutBuffer, prng: Prng): Buffer {
  const size = prng.chance(0.1) ? prng.between(0, 90_000) : prng.between(0, 600);
  const piece = Buffer.alloc(size, prng.between(0, 255));
  if (prng.chance(0.5)) {
    const at = out.reserve(size);
    expect(at + size).toBeLessThanOrEqual(out.bytes.length);
    piece.copy(out.bytes, at);
  } else {
    const around = Buffer.concat([Buffer.alloc(7, 1), piece, Buffer.alloc(5, 2)]);
    out.append(around, 7, 7 + size);
    around.fill(0xee);
  }
  return piece;
}

function check({ bytes, wanted }: { bytes: Buffer; wanted: Buffer }): void {
  expect(bytes.equals(wanted)).toBe(true);
}

function buffer() {
  const pool = new BufferPool();
  return { pool, out: new OutBuffer(pool) };
}

function append(out: OutBuffer, text: string): void {
  const bytes = Buffer.from(text);
  out.append(bytes, 0, bytes.length);
}

/** The pieces that a drain is handed. */
function drained(out: OutBuffer): string[] {
  const pieces: string[] = [];
  out.drain((bytes) => pieces.push(bytes.toString()) > 0);
  return pieces;
}
