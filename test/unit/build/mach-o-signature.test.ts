import { describe, expect, it } from "vitest";
import { readSignature, signMachO } from "../../../src/build/mach-o-signature.mjs";

const COMMANDS_AT = 32;
const SEGMENT_BYTES = 72;

interface Shape {
  /** Where the first section of __TEXT is: commands have to end before. */
  readonly firstSection?: number;
  readonly bytes?: number;
}

/** A file with the segments that signing looks at: code, and what the linker leaves at the end. */
function executable({ firstSection = 0x400, bytes = 0x5003 }: Shape = {}): Buffer {
  const file = Buffer.alloc(bytes, 0x90);
  file.fill(0, 0, firstSection);
  const textBytes = SEGMENT_BYTES + 80;
  file.writeUInt32LE(0xfeedfacf, 0);
  file.writeUInt32LE(2, 16);
  file.writeUInt32LE(textBytes + SEGMENT_BYTES, 20);
  segment(file, COMMANDS_AT, "__TEXT", textBytes, 0, 0x4000);
  file.writeUInt32LE(1, COMMANDS_AT + 64);
  file.writeUInt32LE(firstSection, COMMANDS_AT + SEGMENT_BYTES + 48);
  segment(file, COMMANDS_AT + textBytes, "__LINKEDIT", SEGMENT_BYTES, 0x4000, bytes - 0x4000);
  return file;
}

function segment(
  file: Buffer,
  at: number,
  name: string,
  bytes: number,
  from: number,
  size: number,
): void {
  file.writeUInt32LE(0x19, at);
  file.writeUInt32LE(bytes, at + 4);
  file.write(name, at + 8);
  file.writeBigUInt64LE(BigInt(from), at + 40);
  file.writeBigUInt64LE(BigInt(size), at + 48);
}

describe("signMachO", () => {
  it("makes a signature of every page, by the name given", () => {
    const file = executable();
    expect(readSignature(file)).toBeUndefined();
    const signed = signMachO(file, "name");
    expect(readSignature(signed)).toEqual({ identifier: "name", isAdHoc: true, isIntact: true });
  });

  it("lets no byte of the code be changed", () => {
    const signed = signMachO(executable(), "name");
    for (const at of [24, 0x400, 0xfff, 0x1000, 0x3fff, 0x5002]) {
      const changed = Buffer.from(signed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(readSignature(changed)?.isIntact).toBe(false);
    }
  });

  it("is inside the last segment, which ends where the file does", () => {
    const signed = signMachO(executable(), "name");
    const command = COMMANDS_AT + SEGMENT_BYTES + 80;
    const end = signed.readBigUInt64LE(command + 40) + signed.readBigUInt64LE(command + 48);
    expect(Number(end)).toBe(signed.length);
    expect(Number(signed.readBigUInt64LE(command + 32)) % 0x4000).toBe(0);
  });

  it("takes the place of a signature that is there", () => {
    const once = signMachO(executable(), "name");
    expect(signMachO(once, "name").equals(once)).toBe(true);
    expect(readSignature(signMachO(once, "another, longer"))).toMatchObject({
      identifier: "another, longer",
      isIntact: true,
    });
  });

  it("refuses a file that has no room for it, or is of another kind", () => {
    const full = executable({ firstSection: COMMANDS_AT + 2 * SEGMENT_BYTES + 80 + 15 });
    expect(() => signMachO(full, "name")).toThrow(/no room/);
    expect(() => signMachO(Buffer.alloc(64), "name")).toThrow(/no 64-bit executable/);
  });
});
