import { describe, expect, it } from "vitest";
import { unsignPe } from "../../../src/build/pe-unsign.mjs";

const PE = 0x80;
const ENTRY = PE + 24 + 112 + 4 * 8;

/** An executable of 1024 bytes, with a signature behind them. */
function executable(signatureBytes: number, after = 0): Buffer {
  const file = Buffer.alloc(1024 + signatureBytes + after, 7);
  file.writeUInt32LE(PE, 0x3c);
  file.write("PE\0\0", PE);
  file.writeUInt16LE(0x20b, PE + 24);
  file.writeUInt32LE(signatureBytes === 0 ? 0 : 1024, ENTRY);
  file.writeUInt32LE(signatureBytes, ENTRY + 4);
  return file;
}

describe("unsignPe", () => {
  it("takes the signature and what names it away, and nothing else", () => {
    const signed = executable(200);
    const unsigned = unsignPe(signed);
    expect(unsigned.length).toBe(1024);
    expect(unsigned.readBigUInt64LE(ENTRY)).toBe(0n);
    signed.writeBigUInt64LE(0n, ENTRY);
    expect(unsigned.equals(signed.subarray(0, 1024))).toBe(true);
  });

  it("has nothing to do where there is none", () => {
    expect(unsignPe(executable(0)).equals(executable(0))).toBe(true);
  });

  it("refuses what it does not know", () => {
    expect(() => unsignPe(executable(200, 8))).toThrow(/follows the signature/);
    const other = executable(200);
    other.writeUInt16LE(0x10b, PE + 24);
    expect(() => unsignPe(other)).toThrow(/no 64-bit Windows executable/);
  });
});
