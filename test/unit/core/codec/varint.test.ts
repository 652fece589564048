import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readVarint, varintSize, writeVarint } from "../../../../src/core/codec/varint.ts";
import { hex } from "../../../support/hex.ts";
import { varint } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

describe("variable byte integers", () => {
  it.each([
    [0, hex`00`],
    [127, hex`7f`],
    [128, hex`80 01`],
    [16_383, hex`ff 7f`],
    [16_384, hex`80 80 01`],
    [2_097_151, hex`ff ff 7f`],
    [2_097_152, hex`80 80 80 01`],
    [268_435_455, hex`ff ff ff 7f`],
  ])("%i stands as the standard's table has it", (value, bytes) => {
    const out = Buffer.alloc(bytes.length);
    expect(writeVarint(out, 0, value)).toBe(bytes.length);
    expect(out).toEqual(bytes);
    expect(readVarint(bytes, 0, bytes.length)).toBe(value * 8 + bytes.length);
  });

  it("round trip, and say their size before", () => {
    fc.assert(
      fc.property(varint(0), (value) => {
        const out = Buffer.alloc(6);
        const end = writeVarint(out, 1, value);
        expect(end - 1).toBe(varintSize(value));
        const packed = readVarint(out, 1, out.length);
        expect([packed >> 3, packed & 7]).toEqual([value, end - 1]);
        for (let cut = 1; cut < end; cut++) {
          expect(refusal(() => readVarint(out, 1, cut))).toBe("malformedPacket §1.5.5");
        }
      }),
      { seed: 3 },
    );
  });

  it.each([
    ["80 00", hex`80 00`, "MQTT5-1.5.5-1"],
    ["ff 80 00", hex`ff 80 00`, "MQTT5-1.5.5-1"],
    ["ff ff ff 80 01", hex`ff ff ff 80 01`, "§1.5.5"],
    ["80 80 80 80", hex`80 80 80 80`, "§1.5.5"],
  ])("%s is none", (_what, bytes, rule) => {
    expect(refusal(() => readVarint(bytes, 0, bytes.length))).toBe(`malformedPacket ${rule}`);
  });
});
