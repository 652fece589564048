/**
 * Writes a tar archive (ustar), the same bytes for the same files: no owner, one time for all.
 */

const BLOCK = 512;

/**
 * @typedef {object} TarEntry
 * @property {string} path At most 100 bytes; with a slash at its end it is a directory.
 * @property {number} [mode] Its permissions; 0o644 unless given, 0o755 for a directory.
 * @property {Buffer} [bytes] A file's.
 * @property {string} [link] The path of an entry before, of which this is another name.
 */

/**
 * @param {readonly TarEntry[]} entries
 * @param {number} seconds Since 1970: the time of every entry.
 * @returns {Buffer}
 */
export function tar(entries, seconds) {
  const blocks = entries.flatMap((entry) => {
    const bytes = entry.bytes ?? Buffer.alloc(0);
    return [headerOf(entry, seconds), bytes, Buffer.alloc(-bytes.length & (BLOCK - 1))];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

/** @param {TarEntry} entry @param {number} seconds */
function headerOf({ path, mode, bytes, link }, seconds) {
  const isDirectory = path.endsWith("/");
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for a tar archive.`);
  const header = Buffer.alloc(BLOCK);
  header.write(path);
  header.write(octal(mode ?? (isDirectory ? 0o755 : 0o644), 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(bytes?.length ?? 0, 12), 124);
  header.write(octal(seconds, 12), 136);
  // While the sum is made, its field is spaces.
  header.write(" ".repeat(8), 148);
  header.write(link !== undefined ? "1" : isDirectory ? "5" : "0", 156);
  if (link !== undefined) header.write(link, 157);
  header.write("ustar\0" + "00", 257);
  header.write("root", 265);
  header.write("root", 297);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)} `, 148);
  return header;
}

/** @param {number} value @param {number} width With the byte of zero at its end. */
function octal(value, width) {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}
