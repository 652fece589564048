/**
 * Takes the signature off a Windows executable that is about to be changed: a file with a wrong
 * one is trusted less than one that has none.
 */

/** Where a header's offset stands, and the entry of the signature among the data directories. */
const PE_AT = 0x3c;
const DIRECTORIES = 24 + 112;
const SECURITY = 4;

/**
 * @param {Buffer} bytes Of a 64-bit executable.
 * @returns {Buffer} A new file, or the same bytes where there is no signature.
 */
export function unsignPe(bytes) {
  const pe = bytes.readUInt32LE(PE_AT);
  if (bytes.toString("latin1", pe, pe + 4) !== "PE\0\0" || bytes.readUInt16LE(pe + 24) !== 0x20b) {
    throw new Error("This is no 64-bit Windows executable.");
  }
  const entry = pe + DIRECTORIES + SECURITY * 8;
  const [at, size] = [bytes.readUInt32LE(entry), bytes.readUInt32LE(entry + 4)];
  if (size === 0) return bytes;
  // Signatures stand at the end, filled up to a multiple of eight.
  if (bytes.length - (at + size) >= 8) throw new Error("Something follows the signature.");
  const unsigned = Buffer.from(bytes.subarray(0, at));
  unsigned.writeBigUInt64LE(0n, entry);
  return unsigned;
}
