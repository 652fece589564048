/** TLS over a connection that stands, from the client's side. */
import { closeSync, openSync, writeSync } from "node:fs";
import { isIP, type Socket } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from "node:tls";
import { domainToASCII } from "node:url";
import type { PskOptions, TlsOptions } from "../client/transport.ts";
import { type Credentials, type Passphrase, readCredentials, systemWords } from "./credentials.ts";
import { pskUnused, refusalOf, wordForTls } from "./tls-words.ts";
import { TransportError, wordsOf } from "./transport-error.ts";

export interface TlsClient {
  /** Reads certificates and keys, for one connection. */
  ready(): Promise<Secure>;
}

export interface Secure {
  /**
   * Agrees on TLS. Its name check is for `host`, unless the options name another.
   *
   * @throws {TransportError} certificateUntrusted, notTls, tlsFailed…
   */
  over(socket: Socket, host: string): Promise<Socket>;
  /** What to make of an error of the socket later: the server refuses late, in TLS 1.3. */
  wordFor(error: Error): Error;
}

/** OpenSSL keeps these apart from the list of the others, and so it is with its own programs. */
const TLS13_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

export function tlsClient(options: TlsOptions): TlsClient {
  const passphrase: Passphrase = { known: undefined };
  return {
    async ready() {
      const context = contextOf(options, await readCredentials(options, passphrase));
      return {
        over: (socket, host) => secured(socket, options.serverName ?? host, context, options),
        wordFor: (error) => refusalOf(error, options.psk !== undefined) ?? error,
      };
    },
  };
}

/** @throws {TransportError} tlsUnusable. */
function contextOf(options: TlsOptions, credentials: Credentials): SecureContext {
  const { ca, cert, key, passphrase } = credentials;
  const { psk, minVersion, maxVersion } = options;
  const list = options.ciphers ?? (psk === undefined ? undefined : "PSK");
  const ciphers = list === undefined || list.includes("TLS_") ? list : `${TLS13_CIPHERS}:${list}`;
  try {
    return createSecureContext({
      ...(ca !== undefined && { ca: [...ca] }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(passphrase !== undefined && { passphrase }),
      ...(ciphers !== undefined && { ciphers }),
      ...(minVersion !== undefined && { minVersion }),
      ...(maxVersion !== undefined && { maxVersion }),
    });
  } catch (cause) {
    const isCiphers = /no cipher match/.test(wordsOf(cause));
    const why = isCiphers ? `no cipher suite is called "${list}"` : wordsOf(cause);
    throw new TransportError("tlsUnusable", why, { cause });
  }
}

function secured(
  socket: Socket,
  host: string,
  secureContext: SecureContext,
  options: TlsOptions,
): Promise<Socket> {
  const { verify = true, alpn, psk, keyLogFile } = options;
  const name = nameOf(host);
  const connection: ConnectionOptions = {
    socket,
    host: name,
    // An address must not be sent as a name (RFC 6066 §3).
    servername: isIP(name) === 0 ? name : "",
    secureContext,
    // Whoever does not know the key is nobody, certificate or not.
    rejectUnauthorized: verify || psk !== undefined,
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
    ...(psk !== undefined && { pskCallback: () => pskOf(psk) }),
    checkServerIdentity: (_, certificate) => identityError(name, certificate, options),
  };
  const keyLog = keyLogFile === undefined ? undefined : openKeyLog(keyLogFile);
  const secure = connectTls(connection);
  if (keyLog !== undefined) {
    secure.on("keylog", (line: Buffer) => keyLog.write(line));
    secure.once("close", () => keyLog.close());
  }
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(wordForTls(error, name, psk !== undefined));
    secure.once("secureConnect", () => resolve(secure));
    secure.on("error", fail);
    secure.once("close", () => fail(new Error("closed")));
  });
}

/** As certificates have it: in ASCII, without the zone of an address or the dot of the root. */
function nameOf(host: string): string {
  if (isIP(host) !== 0) return host.replace(/%.*$/, "");
  return (domainToASCII(host) || host).replace(/\.$/, "");
}

function pskOf({ identity, key }: PskOptions): { identity: string; psk: Buffer } {
  return { identity, psk: Buffer.from(key) };
}

/** Why the server is not `name`, or, asked for a pre-shared key, shows a certificate instead. */
function identityError(
  name: string,
  certificate: PeerCertificate,
  { verify = true, verifyHost = true, psk }: TlsOptions,
): Error | undefined {
  if (psk !== undefined) return hasNone(certificate) ? undefined : pskUnused();
  return verify && verifyHost ? checkServerIdentity(name, certificate) : undefined;
}

function hasNone(certificate: PeerCertificate | undefined): boolean {
  return Object.keys(certificate ?? {}).length === 0;
}

/** @throws {TransportError} fileUnusable. */
function openKeyLog(path: string): { write(line: Buffer): void; close(): void } {
  let file: number;
  try {
    file = openSync(path, "a", 0o600);
  } catch (cause) {
    const why = `cannot write ${path}: ${systemWords(cause)}`;
    throw new TransportError("fileUnusable", why, { cause });
  }
  return {
    write(line) {
      try {
        writeSync(file, line);
      } catch {
        // A full disk must not end the connection that is looked into.
      }
    },
    close: () => closeSync(file),
  };
}
