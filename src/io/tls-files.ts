/**
 * What TLS on a listener is made of: certificates, keys and lists, read anew at each call, and
 * tried, so that what is wrong with them is said before a client meets it.
 */
import { constants } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { CertificateJudge } from "./certificate-judge.ts";

/** What a listener's TLS is made of; files by their paths. */
export interface TlsListenOptions {
  /** The listener's own; undefined with pre-shared keys. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly caFile: string | undefined;
  readonly caPath: string | undefined;
  readonly crlFile: string | undefined;
  /** As OpenSSL names them, up to TLS 1.2 and of 1.3. */
  readonly ciphers: string | undefined;
  readonly tls13Ciphers: string | undefined;
  readonly minVersion: "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  /** Whether a client must show a certificate. None is asked for otherwise. */
  readonly requires: boolean;
  /** Whether a certificate is good before its time and after it. */
  readonly ignoresDates: boolean;
}

/** What to speak TLS with, and by which to judge clients. */
export interface TlsCredentials {
  readonly context: SecureContextOptions;
  readonly judge: CertificateJudge;
}

/**
 * What is wrong with a file or a list of ciphers. The message is a whole sentence, mosquitto's
 * where it has one; the system's error, if any, is its cause.
 */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
}

const TLS13_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
/** The first one keeps what was said secret when a key becomes known, and costs little. */
const PSK_CIPHERS = "ECDHE-PSK-CHACHA20-POLY1305:PSK";
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
const WORLD_READABLE = 0o004;

/**
 * @param warn Told what is wrong with permissions, a sentence each.
 * @throws {TlsFileError}
 */
export function readCredentials(
  options: TlsListenOptions,
  warn: (sentence: string) => void,
): TlsCredentials {
  const { certFile, keyFile, crlFile, minVersion } = options;
  const usesPsk = certFile === undefined || keyFile === undefined;
  const authorities = authoritiesOf(options);
  const crl =
    crlFile === undefined
      ? undefined
      : fileOf(crlFile, `certificate revocation file "${crlFile}". Check crlfile`);
  const context: SecureContextOptions = {
    minVersion,
    honorCipherOrder: true,
    // A client may ask for a new handshake as often as it likes, and each costs us much.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(usesPsk ? pskContext(options) : ciphersOf(options)),
    ...(!usesPsk && {
      cert: fileOf(certFile, `server certificate "${certFile}". Check certfile`),
      key: keyOf(keyFile, warn),
    }),
    ...(authorities.length > 0 && { ca: authorities }),
    ...(crl !== undefined && { crl }),
  };
  tryOut(context, options);
  return { context, judge: new CertificateJudge(authorities, crl) };
}

/** TLS 1.3 has keys of that kind in another form, which Node does not speak. */
function pskContext({ ciphers = PSK_CIPHERS, minVersion }: TlsListenOptions): SecureContextOptions {
  if (minVersion === "TLSv1.3") {
    throw new TlsFileError("Error: tls_version tlsv1.3 cannot be used with psk_hint.");
  }
  return { ciphers, maxVersion: "TLSv1.2", dhparam: "auto" };
}

function ciphersOf({ ciphers, tls13Ciphers }: TlsListenOptions): SecureContextOptions {
  if (ciphers === undefined && tls13Ciphers === undefined) return {};
  return { ciphers: [tls13Ciphers ?? TLS13_CIPHERS, ciphers ?? "DEFAULT"].join(":") };
}

function authoritiesOf({ caFile, caPath }: TlsListenOptions): string[] {
  const found = caPath === undefined ? [] : certificatesIn(caPath);
  if (caFile === undefined) return found;
  const what = `CA certificates. Check cafile "${caFile}"`;
  const text = fileOf(caFile, what);
  if (!CERTIFICATE.test(text)) throw new TlsFileError(`Error: Unable to load ${what}.`);
  return [text, ...found];
}

/** Tries it, for what is wrong shows only then. */
function tryOut(context: SecureContextOptions, options: TlsListenOptions): void {
  const { tls13Ciphers, ciphers } = options;
  const isTls13 = tls13Ciphers?.split(":").every((name) => name.startsWith("TLS_")) !== false;
  if (!isTls13 || !canDo({ ciphers: tls13Ciphers ?? TLS13_CIPHERS })) {
    throw new TlsFileError(
      `Error: Unable to set TLS 1.3 ciphersuites. Check cipher_tls13 list "${tls13Ciphers}".`,
    );
  }
  try {
    createSecureContext(context);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (/no cipher match/.test(why)) {
      throw new TlsFileError(`Error: Unable to set TLS ciphers. Check cipher list "${ciphers}".`);
    }
    if (/key values mismatch/.test(why)) {
      throw new TlsFileError("Error: Server certificate/key are inconsistent.");
    }
    throw new TlsFileError(sentenceFor(context, options), { cause: error });
  }
}

function canDo(context: SecureContextOptions): boolean {
  try {
    createSecureContext(context);
    return true;
  } catch {
    // The caller says what it cannot do.
    return false;
  }
}

function sentenceFor({ cert, crl, ca }: SecureContextOptions, of: TlsListenOptions): string {
  const { certFile, keyFile, caFile, caPath, crlFile } = of;
  if (cert !== undefined && !canDo({ cert })) {
    return `Error: Unable to load server certificate "${certFile}". Check certfile.`;
  }
  if (crl !== undefined && !canDo({ crl })) {
    return `Error: Unable to load certificate revocation file "${crlFile}". Check crlfile.`;
  }
  if (ca !== undefined && !canDo({ ca })) {
    const option = caFile === undefined ? `capath "${caPath}"` : `cafile "${caFile}"`;
    return `Error: Unable to load CA certificates. Check ${option}.`;
  }
  return `Error: Unable to load server key file "${keyFile}". Check keyfile.`;
}

function keyOf(path: string, warn: (sentence: string) => void): string {
  const what = `server key file "${path}". Check keyfile`;
  const text = fileOf(path, what);
  if (ENCRYPTED_KEY.test(text)) {
    throw new TlsFileError(
      `Error: Unable to load ${what}. It is encrypted, and there is nobody to ask for a passphrase.`,
    );
  }
  if (process.platform !== "win32" && (statSync(path).mode & WORLD_READABLE) !== 0) {
    warn(`Warning: The key file ${path} has world readable permissions.`);
    warn(`To fix this, use \`chmod 0600 ${path}\`.`);
  }
  return text;
}

function certificatesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .map((name) => readIfFile(join(folder, name)))
      .filter((text) => CERTIFICATE.test(text));
  } catch (cause) {
    const sentence = `Error: Unable to load CA certificates. Check capath "${folder}".`;
    throw new TlsFileError(sentence, { cause });
  }
}

function readIfFile(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // A folder, or not ours to read: no certificate, either way.
    return "";
  }
}

/** @param what What mosquitto says that it cannot load. */
function fileOf(path: string, what: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (cause) {
    throw new TlsFileError(`Error: Unable to load ${what}.`, { cause });
  }
}
