/** Bytes compared in place. */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../../src/core/base/same-bytes.ts";
import { hex } from "../../../support/hex.ts";

describe("sameBytes", () => {
  it("compares all of one with a part of the other", () => {
    const bytes = hex`01 02 03 04`;
    expect(sameBytes(hex`02 03`, bytes, 1, 3)).toBe(true);
    expect(sameBytes(hex`02 03`, bytes, 1, 4)).toBe(false);
    expect(sameBytes(hex`02 04`, bytes, 1, 3)).toBe(false);
    expect(sameBytes(hex``, bytes, 2, 2)).toBe(true);
  });
});
