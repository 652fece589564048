/**
 * What TLS is spoken with: certificates and keys, read from their files, checked one by one so that
 * what is wrong with them can be said by name.
 *
 * Everything is read at each call: a certificate renewed on disk is used by the next connection.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import type { TransportErrorCode } from "../client/link.ts";
import type { TlsOptions } from "../client/transport.ts";
import { systemCertificates, textIn, textsUnder } from "./system-certificates.ts";
import { codeOf, TransportError, wordsOf } from "./transport-error.ts";

export interface Credentials {
  /** Certificates to trust, PEM; undefined: those that Node.js brings along. */
  readonly ca: readonly string[] | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly passphrase: string | undefined;
}

/** A passphrase, once it has opened the key. */
export interface Passphrase {
  known: string | undefined;
}

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g;
const PRIVATE_KEY = /-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[\s\S]*?-----END \1-----/;
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

/**
 * Reads what `options` name.
 *
 * @throws {TransportError} fileUnusable, certificateUnreadable, keyUnreadable, keyMismatch,
 *   passphraseMissing, passphraseWrong, passphraseFailed.
 */
export async function readCredentials(
  options: TlsOptions,
  passphrase: Passphrase,
): Promise<Credentials> {
  const ca = await authorities(options);
  const cert = await given(options.cert, options.certFile, "tls.cert");
  const key = await given(options.key, options.keyFile, "tls.key");
  if (cert === undefined || key === undefined) {
    return { ca, cert: undefined, key: undefined, passphrase: undefined };
  }
  const [own] = certificatesIn(cert);
  const opened = await openKey(key, options, passphrase);
  if (!new X509Certificate(own!).checkPrivateKey(opened)) {
    throw new TransportError("keyMismatch", `${key.from} is not the key of ${cert.from}`);
  }
  return { ca, cert: cert.text, key: key.text, passphrase: passphrase.known };
}

/**
 * Whether the file at `path` holds a private key that a passphrase opens. False where that cannot
 * be told: it is not there, or it is a pipe, which can be read but once.
 */
export async function isEncryptedKey(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile() && ENCRYPTED_KEY.test(await textIn(path));
  } catch {
    // Whoever uses the file says what is wrong with it.
    return false;
  }
}

/** Text, and what to call it. */
interface Pem {
  readonly text: string;
  readonly from: string;
}

async function authorities(options: TlsOptions): Promise<string[] | undefined> {
  const { caPath, useSystemCa, verify = true } = options;
  const pem = await given(options.ca, options.caFile, "tls.ca");
  if (pem === undefined && caPath === undefined && !useSystemCa) return undefined;
  const found = pem === undefined ? [] : certificatesIn(pem);
  // Where nobody is checked, a system without authorities is none the worse.
  if (useSystemCa && verify) found.push(...(await systemCertificates(process.env)));
  if (caPath !== undefined) {
    try {
      found.push(...(await certificatesUnder(caPath)));
    } catch (error) {
      // As OpenSSL does: a folder without any takes nothing from the others.
      if (found.length === 0) throw error;
    }
  }
  return [...new Set(found)];
}

async function given(
  pem: string | Uint8Array | undefined,
  file: string | undefined,
  name: string,
): Promise<Pem | undefined> {
  if (file !== undefined) {
    const isKey = name === "tls.key";
    return {
      text: await read(file, isKey ? "keyUnreadable" : "certificateUnreadable"),
      from: file,
    };
  }
  if (pem === undefined) return undefined;
  return { text: typeof pem === "string" ? pem : Buffer.from(pem).toString("latin1"), from: name };
}

/** @param wrong What it is when there is something by that name, but no file. */
async function read(path: string, wrong: TransportErrorCode): Promise<string> {
  try {
    return await textIn(path);
  } catch (cause) {
    throw unreadable(path, cause, codeOf(cause) === "EISDIR" ? wrong : "fileUnusable");
  }
}

function unreadable(path: string, cause: unknown, code: TransportErrorCode): TransportError {
  return new TransportError(code, `cannot read ${path}: ${systemWords(cause)}`, { cause });
}

/** "no such file or directory", of Node's "ENOENT: no such file or directory, open 'x'". */
export function systemWords(error: unknown): string {
  return /^E[A-Z0-9]+: ([^,]+)/.exec(wordsOf(error))?.[1] ?? wordsOf(error);
}

/** Every certificate in `pem`, at least one, each sound. */
function certificatesIn({ text, from }: Pem): string[] {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) {
    throw new TransportError("certificateUnreadable", `${from} holds no certificate in PEM form`);
  }
  for (const certificate of found) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      const why = `${from} holds a certificate that is damaged`;
      throw new TransportError("certificateUnreadable", why, { cause });
    }
  }
  return found;
}

async function certificatesUnder(folder: string): Promise<string[]> {
  let texts: Iterable<string>;
  try {
    texts = await textsUnder(folder);
  } catch (cause) {
    throw unreadable(folder, cause, "certificateUnreadable");
  }
  const found: string[] = [];
  for (const text of texts) {
    try {
      found.push(...certificatesIn({ text, from: folder }));
    } catch (error) {
      // A damaged one, like those that cannot be read.
      if (!(error instanceof TransportError)) throw error;
    }
  }
  if (found.length > 0) return found;
  throw new TransportError("certificateUnreadable", `${folder} holds no certificates in PEM form`);
}

async function openKey(key: Pem, options: TlsOptions, passphrase: Passphrase) {
  const pem = PRIVATE_KEY.exec(key.text)?.[0];
  if (pem === undefined) {
    throw new TransportError("keyUnreadable", `${key.from} holds no private key in PEM form`);
  }
  if (!ENCRYPTED_KEY.test(pem)) {
    try {
      return createPrivateKey(pem);
    } catch (cause) {
      throw damagedKey(key, cause);
    }
  }
  const words = passphrase.known ?? (await askedPassphrase(key, options));
  try {
    const opened = createPrivateKey({ key: pem, passphrase: words });
    passphrase.known = words;
    return opened;
  } catch (cause) {
    // What a wrong passphrase makes of a key is mostly no key, and seldom says so.
    if (!/DECRYPT|PEM|ASN1|UNSUPPORTED|INTERRUPTED/.test(codeOf(cause)))
      throw damagedKey(key, cause);
    const why = `the passphrase does not open ${key.from}`;
    throw new TransportError("passphraseWrong", why, { cause });
  }
}

async function askedPassphrase(key: Pem, { passphrase }: TlsOptions): Promise<string> {
  if (typeof passphrase === "string") return passphrase;
  if (passphrase === undefined) {
    const why = `${key.from} is encrypted, and there is no passphrase to open it`;
    throw new TransportError("passphraseMissing", why);
  }
  try {
    return await passphrase();
  } catch (cause) {
    throw new TransportError("passphraseFailed", `no passphrase: ${wordsOf(cause)}`, { cause });
  }
}

function damagedKey({ from }: Pem, cause: unknown): TransportError {
  return new TransportError("keyUnreadable", `${from} holds a private key that is damaged`, {
    cause,
  });
}
