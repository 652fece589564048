/**
 * The authorities that the operating system trusts, and how files with certificates are read.
 *
 * Newer versions of Node.js know them; before, and where those find none, they are looked for where
 * systems keep them. SSL_CERT_FILE and SSL_CERT_DIR name others, as for every program with OpenSSL.
 */
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import * as tls from "node:tls";
import { TransportError } from "./transport-error.ts";

/** Debian, Red Hat, SUSE, and Alpine, BSD and macOS. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
/** Files with certificates in a folder: by their ending, or named by OpenSSL's hash. */
const CERTIFICATE_FILE = /\.(pem|crt|cer)$|^[0-9a-f]{8}\.\d+$/;
/** More than all the authorities of a system; what is behind is not read. */
const PEM_BYTES_MAX = 16_777_216;
/** Of a folder. The system's has hundreds, which take twice as long one after another. */
const FILES_AT_ONCE = 32;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * PEM, one certificate each.
 *
 * @throws {TransportError} certificateUnreadable, when there are none.
 */
export async function systemCertificates(
  env: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders } = env;
  if (file !== undefined || folders !== undefined) {
    const found = [
      ...(await certificatesIn(file ?? "")),
      ...(await certificatesUnder((folders ?? "").split(delimiter))),
    ];
    if (found.length > 0) return found;
    const why = "SSL_CERT_FILE and SSL_CERT_DIR name no certificates of authorities";
    throw new TransportError("certificateUnreadable", why);
  }
  const known = tls.getCACertificates?.("system") ?? [];
  if (known.length > 0) return known;
  for (const path of BUNDLES) {
    const found = await certificatesIn(path);
    if (found.length > 0) return found;
  }
  const why = "the system has no certificates of authorities";
  throw new TransportError("certificateUnreadable", why);
}

/** A file as a text, letter by byte. A device without an end is cut, and then holds no PEM. */
export async function textIn(path: string): Promise<string> {
  let text = "";
  const chunks = createReadStream(path, { encoding: "latin1", end: PEM_BYTES_MAX - 1 });
  for await (const chunk of chunks) text += chunk;
  return text;
}

/**
 * What the files in `folder` hold that are named like certificates, by the order of their names and
 * each text once: with OpenSSL's links most are there twice or thrice.
 */
export async function textsUnder(folder: string): Promise<Iterable<string>> {
  const names = (await readdir(folder)).filter((name) => CERTIFICATE_FILE.test(name)).sort();
  const texts = new Set<string>();
  for (let from = 0; from < names.length; from += FILES_AT_ONCE) {
    const some = names.slice(from, from + FILES_AT_ONCE).map((name) => textIn(join(folder, name)));
    for (const read of await Promise.allSettled(some)) {
      // As OpenSSL does: one bad file among many takes nothing from the others.
      if (read.status === "fulfilled") texts.add(read.value);
    }
  }
  return texts;
}

async function certificatesIn(path: string): Promise<string[]> {
  try {
    return (await textIn(path)).match(CERTIFICATE) ?? [];
  } catch {
    // Most systems have but one of the places; whether there is any is the caller's question.
    return [];
  }
}

async function certificatesUnder(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders.filter((it) => it !== "")) {
    // A folder that is not there has no certificates.
    const texts = await textsUnder(folder).catch(() => []);
    for (const text of texts) found.push(...(text.match(CERTIFICATE) ?? []));
  }
  return found;
}
