/**
 * The lines of a PSK file (mosquitto-2.1 b.8): identities, and the keys that their clients share
 * with the broker.
 */

/** Keys by the identities of those who share them. */
export type PskKeys = ReadonlyMap<string, Buffer>;

/** What is wrong with a file. The message is a whole sentence, mosquitto's where it has one. */
export class PskFileError extends Error {
  override readonly name = "PskFileError";
}

/** Of OpenSSL. */
const KEY_BYTES_MAX = 256;

/**
 * Keys by their identities. Lines that begin with # or have no colon are passed over.
 *
 * @param path What sentences call the file.
 * @throws {PskFileError} for a line that cannot be, or an identity that is there twice.
 */
export function readPskFile(text: string, path: string): PskKeys {
  const keys = new Map<string, Buffer>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (line.startsWith("#") || colon < 0) continue;
    const identity = line.slice(0, colon).trim();
    const hex = line.slice(colon + 1).trim();
    if (identity === "" || hex === "") {
      // The key of such a line is not to stand in a log.
      throw new PskFileError(`Error: Invalid line in psk file '${path}' (identity '${identity}').`);
    }
    if (keys.has(identity)) {
      throw new PskFileError(`Error: Duplicate identity '${identity}' in psk file '${path}'.`);
    }
    keys.set(identity, keyOf(hex, identity));
  }
  return keys;
}

/** An odd number of digits has a 0 before it, as mosquitto reads it. */
function keyOf(hex: string, identity: string): Buffer {
  if (!/^[0-9a-f]+$/i.test(hex)) {
    throw new PskFileError(
      `Error: psk for identity "${identity}" contains non-hexadecimal characters.`,
    );
  }
  const key = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  if (key.length <= KEY_BYTES_MAX) return key;
  throw new PskFileError(
    `Error: psk for identity "${identity}" is longer than ${KEY_BYTES_MAX} bytes.`,
  );
}
