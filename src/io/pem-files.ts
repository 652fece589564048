/** Files with certificates and keys: which ones in a folder they are, and what is in one. */
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** By their ending, or named by OpenSSL's hash. */
const CERTIFICATE_FILE = /\.(pem|crt|cer)$|^[0-9a-f]{8}\.\d+$/;
/** More than all the authorities of a system; what is behind is not read. */
const PEM_BYTES_MAX = 16_777_216;

/** A file as a text, letter by byte. A device without an end is cut, and then holds no PEM. */
export async function textIn(path: string): Promise<string> {
  let text = "";
  const chunks = createReadStream(path, { encoding: "latin1", end: PEM_BYTES_MAX - 1 });
  for await (const chunk of chunks) text += chunk;
  return text;
}

/** Paths of the files in `folder` that hold certificates, in the order of their names. */
export async function certificateFilesIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => CERTIFICATE_FILE.test(name));
  return names.sort().map((name) => join(folder, name));
}
