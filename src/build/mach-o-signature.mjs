/**
 * Signs a macOS executable ad hoc, as Apple's linker does: without a certificate, but with the hash
 * of every page, without which a Mac with an ARM processor kills the process at its start.
 *
 * The signature is the last thing in the file, inside the segment __LINKEDIT: a SuperBlob with one
 * CodeDirectory. Unlike the rest of the file it is big-endian.
 */
import { createHash } from "node:crypto";

const HEADER_BYTES = 32;
const MAGIC_64 = 0xfeedfacf;
const HEADER = { commandCount: 16, commandBytes: 20 };
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const SIGNATURE_COMMAND_BYTES = 16;
/** In a segment's command. */
const SEGMENT = { name: 8, memorySize: 32, at: 40, size: 48, sectionCount: 64, sections: 72 };
const SECTION_BYTES = 80;
const SECTION_AT = 48;
/** Both processors' pages fit. */
const MEMORY_PAGE = 0x4000;

const SUPER_BLOB = 0xfade0cc0;
const CODE_DIRECTORY = 0xfade0c02;
const DIRECTORY_BYTES = 88;
const VERSION_WITH_EXECUTABLE_SEGMENT = 0x20400;
/** No certificate, and made by a linker, so that codesign(1) replaces it without being forced. */
const FLAGS = 0x20002;
const SHA256 = { type: 2, bytes: 32 };
const PAGE_BITS = 12;
const MAIN_BINARY = 1n;

/**
 * @param {Buffer} bytes Of a 64-bit, little-endian executable for one processor.
 * @param {string} identifier What the system calls it.
 * @returns {Buffer} A new file, with this signature in the place of any it had.
 */
export function signMachO(bytes, identifier) {
  const { commands, textSize, linkEdit, signature } = layoutOf(bytes);
  const codeEnd = signature?.at ?? Math.ceil(bytes.length / 16) * 16;
  const pages = Math.ceil(codeEnd / (1 << PAGE_BITS));
  const name = Buffer.from(`${identifier}\0`);
  const blobBytes = 20 + DIRECTORY_BYTES + name.length + pages * SHA256.bytes;
  const signed = Buffer.alloc(codeEnd + Math.ceil(blobBytes / 16) * 16);
  bytes.copy(signed, 0, 0, Math.min(codeEnd, bytes.length));

  let command = signature?.command;
  if (command === undefined) {
    command = commands.end;
    if (command + SIGNATURE_COMMAND_BYTES > commands.room) {
      throw new Error("There is no room for the command that names the signature.");
    }
    signed.writeUInt32LE(commands.count + 1, HEADER.commandCount);
    signed.writeUInt32LE(
      commands.end - HEADER_BYTES + SIGNATURE_COMMAND_BYTES,
      HEADER.commandBytes,
    );
  }
  signed.writeUInt32LE(LC_CODE_SIGNATURE, command);
  signed.writeUInt32LE(SIGNATURE_COMMAND_BYTES, command + 4);
  signed.writeUInt32LE(codeEnd, command + 8);
  signed.writeUInt32LE(signed.length - codeEnd, command + 12);
  const linkEditSize = signed.length - linkEdit.at;
  signed.writeBigUInt64LE(BigInt(linkEditSize), linkEdit.command + SEGMENT.size);
  const memory = Math.ceil(linkEditSize / MEMORY_PAGE) * MEMORY_PAGE;
  signed.writeBigUInt64LE(BigInt(memory), linkEdit.command + SEGMENT.memorySize);

  const directory = directoryOf(signed.subarray(0, codeEnd), name, textSize);
  const superBlob = Buffer.alloc(20);
  for (const [i, value] of [SUPER_BLOB, blobBytes, 1, 0, 20].entries()) {
    superBlob.writeUInt32BE(value, i * 4);
  }
  Buffer.concat([superBlob, directory]).copy(signed, codeEnd);
  return signed;
}

/**
 * What a signature says, and whether the file is what was signed.
 *
 * @param {Buffer} bytes
 * @returns {{ identifier: string, isAdHoc: boolean, isIntact: boolean } | undefined} Undefined when
 *   there is no signature.
 */
export function readSignature(bytes) {
  const { signature } = layoutOf(bytes);
  if (signature === undefined) return undefined;
  const blob = bytes.subarray(signature.at, signature.at + signature.size);
  if (blob.readUInt32BE(0) !== SUPER_BLOB) throw new Error("The signature is no SuperBlob.");
  const places = Array.from({ length: blob.readUInt32BE(8) }, (_, i) =>
    blob.readUInt32BE(16 + i * 8),
  );
  const at = places.find((place) => blob.readUInt32BE(place) === CODE_DIRECTORY);
  if (at === undefined) throw new Error("The signature has no CodeDirectory.");
  const directory = blob.subarray(at);
  const [hashesAt, nameAt] = [directory.readUInt32BE(16), directory.readUInt32BE(20)];
  const codeEnd = directory.readUInt32BE(32);
  const hashes = hashesOf(bytes.subarray(0, codeEnd), directory.readUInt8(39));
  const nameEnd = directory.indexOf(0, nameAt);
  return {
    identifier: directory.toString("latin1", nameAt, nameEnd),
    isAdHoc: (directory.readUInt32BE(12) & 2) !== 0,
    isIntact:
      codeEnd === signature.at &&
      hashes.equals(directory.subarray(hashesAt, hashesAt + hashes.length)),
  };
}

/** @param {Buffer} code @param {Buffer} name @param {number} textSize */
function directoryOf(code, name, textSize) {
  const hashes = hashesOf(code, PAGE_BITS);
  const head = Buffer.alloc(DIRECTORY_BYTES);
  const words = [
    CODE_DIRECTORY,
    DIRECTORY_BYTES + name.length + hashes.length,
    VERSION_WITH_EXECUTABLE_SEGMENT,
    FLAGS,
    DIRECTORY_BYTES + name.length,
    DIRECTORY_BYTES,
    0,
    hashes.length / SHA256.bytes,
    code.length,
  ];
  for (const [i, word] of words.entries()) head.writeUInt32BE(word, i * 4);
  head.writeUInt8(SHA256.bytes, 36);
  head.writeUInt8(SHA256.type, 37);
  head.writeUInt8(PAGE_BITS, 39);
  head.writeBigUInt64BE(BigInt(textSize), 72);
  head.writeBigUInt64BE(MAIN_BINARY, 80);
  return Buffer.concat([head, name, hashes]);
}

/** The hash of each page, one behind the other. @param {Buffer} code @param {number} pageBits */
function hashesOf(code, pageBits) {
  const size = 1 << pageBits;
  const pages = Array.from({ length: Math.ceil(code.length / size) }, (_, i) =>
    createHash("sha256")
      .update(code.subarray(i * size, (i + 1) * size))
      .digest(),
  );
  return Buffer.concat(pages);
}

/** @param {Buffer} bytes */
function layoutOf(bytes) {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC_64) {
    throw new Error("This is no 64-bit executable for macOS and one processor.");
  }
  const count = bytes.readUInt32LE(HEADER.commandCount);
  const end = HEADER_BYTES + bytes.readUInt32LE(HEADER.commandBytes);
  let [room, textSize] = [bytes.length, 0];
  let linkEdit;
  let signature;
  for (let i = 0, at = HEADER_BYTES; i < count; i++) {
    const kind = bytes.readUInt32LE(at);
    if (kind === LC_SEGMENT_64) {
      const name = bytes.toString("latin1", at + SEGMENT.name, at + SEGMENT.name + 16);
      const [fileAt, fileSize] = [SEGMENT.at, SEGMENT.size].map((field) =>
        Number(bytes.readBigUInt64LE(at + field)),
      );
      if (name.startsWith("__LINKEDIT\0")) linkEdit = { command: at, at: fileAt ?? 0 };
      if (name.startsWith("__TEXT\0")) {
        textSize = fileSize ?? 0;
        room = Math.min(room, firstSection(bytes, at));
      }
    } else if (kind === LC_CODE_SIGNATURE) {
      const [from, size] = [bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12)];
      signature = { command: at, at: from, size };
    }
    at += bytes.readUInt32LE(at + 4);
  }
  if (linkEdit === undefined) throw new Error("The executable has no segment __LINKEDIT.");
  return { commands: { count, end, room }, textSize, linkEdit, signature };
}

/** Where the first section of a segment is in the file. @param {Buffer} bytes @param {number} at */
function firstSection(bytes, at) {
  const count = bytes.readUInt32LE(at + SEGMENT.sectionCount);
  const places = Array.from({ length: count }, (_, i) =>
    bytes.readUInt32LE(at + SEGMENT.sections + i * SECTION_BYTES + SECTION_AT),
  );
  return Math.min(...places.filter((place) => place > 0));
}
