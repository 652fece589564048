/**
 * Takes out of an ELF file what only debuggers and linkers read: symbols and other sections that
 * no segment loads. As strip(1) does, but for any processor, on any machine, and always the same.
 *
 * Does not touch what is loaded: every byte of a segment stays where it is.
 */

const HEADER = { sectionsAt: 0x28, sectionSize: 0x3a, sectionCount: 0x3c, namesIndex: 0x3e };
const SEGMENTS = { at: 0x20, size: 0x36, count: 0x38 };
/** A section's header, 64 bits. */
const SECTION = { type: 4, flags: 8, offset: 24, size: 32, link: 40, info: 44 };
const SHT_NOBITS = 8;
const SHF_ALLOC = 2n;
const SHF_INFO_LINK = 0x40n;

/** Whether it is a 64-bit, little-endian ELF file. @param {Buffer} bytes */
export function isElf(bytes) {
  return (
    bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes.readUInt16LE(4) === 0x102
  );
}

/**
 * @param {Buffer} bytes Of a 64-bit, little-endian file.
 * @returns {Buffer} A new file.
 * @throws {Error} When what is loaded does not come first, which it does in what linkers make.
 */
export function stripElf(bytes) {
  if (!isElf(bytes)) throw new Error("This is no 64-bit, little-endian ELF file.");
  const size = bytes.readUInt16LE(HEADER.sectionSize);
  const count = bytes.readUInt16LE(HEADER.sectionCount);
  const namesIndex = bytes.readUInt16LE(HEADER.namesIndex);
  const at = Number(bytes.readBigUInt64LE(HEADER.sectionsAt));
  const sections = Array.from({ length: count }, (_, i) =>
    Buffer.from(bytes.subarray(at + i * size, at + (i + 1) * size)),
  );
  const isLoaded = (/** @type {Buffer} */ section) =>
    (section.readBigUInt64LE(SECTION.flags) & SHF_ALLOC) !== 0n;
  const loaded = sections.filter((section, i) => i === 0 || isLoaded(section));
  // Symbols name their section by its index, which therefore has to stay.
  if (loaded.some((section, i) => section !== sections[i])) {
    throw new Error("A section that is not loaded stands before one that is.");
  }
  const names = sections[namesIndex];
  if (names === undefined) throw new Error("The sections have no names.");
  const nameBytes = contents(bytes, names);
  for (const section of loaded) unlink(section, loaded.length);

  const end = Math.max(endOfSegments(bytes), ...loaded.map(endOf));
  const tableAt = align(end + nameBytes.length, 8);
  const stripped = Buffer.alloc(tableAt + (loaded.length + 1) * size);
  bytes.copy(stripped, 0, 0, end);
  nameBytes.copy(stripped, end);
  names.writeBigUInt64LE(BigInt(end), SECTION.offset);
  Buffer.concat([...loaded, names]).copy(stripped, tableAt);
  stripped.writeBigUInt64LE(BigInt(tableAt), HEADER.sectionsAt);
  stripped.writeUInt16LE(loaded.length + 1, HEADER.sectionCount);
  stripped.writeUInt16LE(loaded.length, HEADER.namesIndex);
  return stripped;
}

/** Forgets a section that is gone. @param {Buffer} section @param {number} count Of those left. */
function unlink(section, count) {
  if (section.readUInt32LE(SECTION.link) >= count) section.writeUInt32LE(0, SECTION.link);
  const hasLink = (section.readBigUInt64LE(SECTION.flags) & SHF_INFO_LINK) !== 0n;
  if (hasLink && section.readUInt32LE(SECTION.info) >= count) {
    section.writeUInt32LE(0, SECTION.info);
  }
}

/** @param {Buffer} bytes @param {Buffer} section */
function contents(bytes, section) {
  const from = Number(section.readBigUInt64LE(SECTION.offset));
  return bytes.subarray(from, from + Number(section.readBigUInt64LE(SECTION.size)));
}

/** Where a section ends in the file. @param {Buffer} section */
function endOf(section) {
  if (section.readUInt32LE(SECTION.type) === SHT_NOBITS) return 0;
  const from = section.readBigUInt64LE(SECTION.offset);
  return Number(from + section.readBigUInt64LE(SECTION.size));
}

/** @param {Buffer} bytes */
function endOfSegments(bytes) {
  const at = Number(bytes.readBigUInt64LE(SEGMENTS.at));
  const size = bytes.readUInt16LE(SEGMENTS.size);
  let end = 0;
  for (let i = 0; i < bytes.readUInt16LE(SEGMENTS.count); i++) {
    const offset = bytes.readBigUInt64LE(at + i * size + 8);
    end = Math.max(end, Number(offset + bytes.readBigUInt64LE(at + i * size + 32)));
  }
  return end;
}

/** @param {number} value @param {number} step */
function align(value, step) {
  return Math.ceil(value / step) * step;
}
