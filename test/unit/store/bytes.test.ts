import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter } from "../../../src/store/bytes.ts";
import type { StoreId } from "../../../src/store/rows.ts";
import { seed } from "../../support/seeds.ts";

/** What the write of one value and the read of it are called, and the value. */
type Step =
  | { readonly kind: "byte" | "uint" | "integer"; readonly value: number }
  | { readonly kind: "storeId"; readonly value: StoreId }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "repeated"; readonly slot: number; readonly value: string }
  | { readonly kind: "optionalString"; readonly value: string | null }
  | { readonly kind: "blob"; readonly value: Uint8Array };

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("byte" as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({
      kind: fc.constant("uint" as const),
      value: fc.integer({ min: 0, max: 0xffff_ffff }),
    }),
    fc.record({ kind: fc.constant("integer" as const), value: fc.maxSafeNat() }),
    fc.record({
      kind: fc.constant("storeId" as const),
      value: fc.oneof(
        fc.maxSafeNat(),
        fc.bigInt({ min: 1n << 53n, max: (1n << 63n) - 1n }),
        fc.bigInt({ min: -(1n << 63n), max: -1n }),
      ),
    }),
    fc.record({ kind: fc.constant("string" as const), value: text }),
    fc.record({
      kind: fc.constant("repeated" as const),
      slot: fc.nat({ max: 2 }),
      value: fc.constantFrom("", "a", "ab", "ü"),
    }),
    fc.record({ kind: fc.constant("optionalString" as const), value: fc.option(text) }),
    fc.record({ kind: fc.constant("blob" as const), value: fc.uint8Array({ maxLength: 300 }) }),
  ),
  { maxLength: 60 },
);

function write(out: ByteWriter, step: Step): void {
  if (step.kind === "byte") out.byte(step.value);
  else if (step.kind === "uint") out.uint(step.value);
  else if (step.kind === "integer") out.integer(step.value);
  else if (step.kind === "storeId") out.storeId(step.value);
  else if (step.kind === "string") out.string(step.value);
  else if (step.kind === "repeated") out.repeated(step.slot, step.value);
  else if (step.kind === "optionalString") out.optionalString(step.value);
  else if (step.kind === "blob") out.blob(step.value);
}

function read(from: ByteReader, step: Step): unknown {
  if (step.kind === "repeated") return from.repeated(step.slot);
  if (step.kind === "blob") return new Uint8Array(from.blob());
  return from[step.kind]();
}

function written(...write: ((out: ByteWriter) => void)[]): Buffer {
  const out = new ByteWriter();
  for (const each of write) each(out);
  return out.take();
}

describe("a ByteReader", () => {
  it("reads what a ByteWriter wrote, batch after batch", () => {
    const out = new ByteWriter();
    fc.assert(
      fc.property(steps, fc.boolean(), (batch, isReused) => {
        for (const step of batch) write(out, step);
        const bytes = out.take();
        const from = new ByteReader(bytes);
        for (const step of batch) expect(read(from, step)).toEqual(step.value);
        expect(from.isOver).toBe(true);
        if (isReused) out.reuse(Buffer.from(bytes.buffer));
      }),
      { seed: seed(), numRuns: 300 },
    );
  });

  it.each<StoreId>([
    0,
    1,
    0xffff_ffff,
    0x1_0000_0000,
    1327052017728446,
    Number.MAX_SAFE_INTEGER,
    2n ** 53n,
    2n ** 53n + 1n,
    (5n << 54n) + 3n,
    2n ** 63n - 1n,
    -1n,
    -(2n ** 63n),
  ])("reads the store_id %s", (id) => {
    expect(new ByteReader(written((out) => out.storeId(id))).storeId()).toBe(id);
  });

  it("reads a store_id that a number holds as a number", () => {
    expect(new ByteReader(written((out) => out.storeId(77n))).storeId()).toBe(77);
  });

  it.each([0, 1, 255, 256, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])("reads %i", (value) => {
    const bytes = written(
      (out) => out.uint(value),
      (out) => out.integer(value),
    );
    const from = new ByteReader(bytes);
    expect([from.uint(), from.integer(), from.isOver]).toEqual([value, value, true]);
  });

  it.each([2 ** 32, 2 ** 32 + 1, 2 ** 40 - 1, 1_800_000_000_000, 2 ** 53 - 1])(
    "reads the integer %i",
    (value) => {
      expect(new ByteReader(written((out) => out.integer(value))).integer()).toBe(value);
    },
  );

  it("tells no string from an empty one", () => {
    const from = new ByteReader(
      written(
        (out) => out.optionalString(null),
        (out) => out.optionalString(""),
        (out) => out.string(""),
        (out) => out.blob(Buffer.alloc(0)),
      ),
    );
    expect([from.optionalString(), from.optionalString(), from.string()]).toEqual([null, "", ""]);
    expect(from.blob()).toHaveLength(0);
    expect(from.isOver).toBe(true);
  });

  it("reads an empty batch", () => {
    const out = new ByteWriter();
    expect(new ByteReader(out.take()).isOver).toBe(true);
    expect(new ByteReader(out.take()).isOver).toBe(true);
  });
});

describe("a ByteWriter", () => {
  it("has room for text of three bytes a unit where its memory ends", () => {
    for (const room of [0, 1, 2, 3, 4, 5, 30, 33, 34, 35]) {
      const out = new ByteWriter();
      const filling = Buffer.alloc(65_536 - 4 - room, 7);
      out.blob(filling);
      out.string("€€€€€€€€€€");
      out.uint(5);
      const from = new ByteReader(out.take());
      expect(from.blob().equals(filling)).toBe(true);
      expect([from.string(), from.uint(), from.isOver]).toEqual(["€€€€€€€€€€", 5, true]);
    }
  });

  it("grows to values larger than twice what it has", () => {
    const out = new ByteWriter();
    out.byte(1);
    const large = Buffer.alloc(1_000_000, "ab");
    out.blob(large);
    const from = new ByteReader(out.take());
    expect(from.byte()).toBe(1);
    expect(from.blob().equals(large)).toBe(true);
  });

  it("writes a part of a buffer", () => {
    const bytes = Buffer.from("0123456789");
    const from = new ByteReader(written((out) => out.range(bytes, 3, 7)));
    expect(from.blob().toString()).toBe("3456");
  });

  it("gives its memory away, and goes on in what comes back", () => {
    const out = new ByteWriter();
    out.string("first");
    const first = out.take();
    out.string("second");
    const second = out.take();
    expect(new ByteReader(first).string()).toBe("first");
    out.reuse(Buffer.from(first.buffer));
    out.string("third");
    const third = out.take();
    expect(third.buffer).toBe(first.buffer);
    expect(new ByteReader(second).string()).toBe("second");
    expect(new ByteReader(third).string()).toBe("third");
  });

  it("keeps what it has written when memory comes back", () => {
    const out = new ByteWriter();
    const first = out.take();
    out.string("kept");
    out.reuse(Buffer.from(first.buffer));
    expect(new ByteReader(out.take()).string()).toBe("kept");
  });

  it("takes no smaller memory than it has", () => {
    const out = new ByteWriter();
    out.reuse(Buffer.alloc(4));
    out.string("longer than that");
    expect(new ByteReader(out.take()).string()).toBe("longer than that");
  });

  it("begins each batch without the strings of the one before", () => {
    const out = new ByteWriter();
    out.repeated(0, "a/b");
    out.repeated(0, "a/b");
    expect(out.take().length).toBe(11);
    out.repeated(0, "a/b");
    expect(new ByteReader(out.take()).repeated(0)).toBe("a/b");
  });
});
