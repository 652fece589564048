/**
 * TLS on the broker's side: certificates and keys from their files, and a server that speaks it.
 * Loaded only where a listener asks for it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import { join } from "node:path";
import {
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import { type ListenTarget, listening } from "./tcp-listen.ts";

/** What a listener's TLS is made of; files by their paths. */
export interface TlsListenOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string | undefined;
  readonly caPath?: string | undefined;
  readonly crlFile?: string | undefined;
  /** As OpenSSL names them, of TLS 1.2 and of 1.3. */
  readonly ciphers?: string | undefined;
  readonly tls13Ciphers?: string | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Whether a client must show a certificate; where `asks` it may. */
  readonly requires: boolean;
  readonly asks: boolean;
  /** Whether a certificate is good before its time and after it. */
  readonly ignoresDates: boolean;
}

/** What is wrong with a file. The message is a whole sentence, mosquitto's where it has one. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
}

const TLS13_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
const DATE_ERRORS = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;

/**
 * Reads everything anew.
 *
 * @throws {TlsFileError}
 */
export function serverContext(options: TlsListenOptions): SecureContextOptions {
  const { certFile, keyFile, caFile, caPath, crlFile, minVersion } = options;
  const cert = fileOf(certFile, `server certificate "${certFile}". Check certfile`);
  const key = fileOf(keyFile, `server key file "${keyFile}". Check keyfile`);
  const authorities = [
    ...(caFile === undefined ? [] : [fileOf(caFile, `CA certificates. Check cafile "${caFile}"`)]),
    ...(caPath === undefined ? [] : certificatesIn(caPath)),
  ];
  const context: SecureContextOptions = {
    cert,
    key,
    minVersion,
    honorCipherOrder: true,
    ...(authorities.length > 0 && { ca: authorities }),
    ...(crlFile !== undefined && {
      crl: fileOf(crlFile, `certificate revocation file "${crlFile}". Check crlfile`),
    }),
    ...ciphersOf(options),
  };
  return checked(context, options);
}

/**
 * Listens with TLS.
 *
 * @param onSocket Told of each client that has agreed on TLS.
 * @param onFailed Told why one has not.
 * @throws The system's error, such as EADDRINUSE.
 */
export function listenTls(
  target: ListenTarget,
  context: SecureContextOptions,
  options: TlsListenOptions,
  handshakeTimeoutMs: number,
  onSocket: (socket: TLSSocket) => void,
  onFailed: (error: Error, socket: TLSSocket) => void,
  onRefused: (error: Error) => void,
): Promise<Server> {
  const { noDelay } = target;
  const server = createServer({
    ...context,
    ...askingOf(options),
    handshakeTimeout: handshakeTimeoutMs,
    noDelay,
    pauseOnConnect: true,
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => undefined);
    const error = unacceptable(socket, options);
    if (error === undefined) onSocket(socket);
    else {
      onFailed(error, socket);
      socket.destroy();
    }
  });
  server.on("tlsClientError", onFailed);
  return listening(server, target, onRefused);
}

/**
 * An HTTP server behind TLS; it does not listen yet. Its event "tlsClientError" tells of clients
 * that could not agree with us on TLS.
 */
export function httpsServer(
  context: SecureContextOptions,
  options: TlsListenOptions,
  http: object,
): HttpsServer {
  const server = createHttpsServer({ ...context, ...askingOf(options), ...http });
  server.on("secureConnection", (socket) => {
    const error = unacceptable(socket, options);
    if (error === undefined) return;
    server.emit("tlsClientError", error, socket);
    socket.destroy();
  });
  return server;
}

/**
 * Who a client is by its certificate.
 *
 * @returns The common name, or the subject as RFC 2253 writes it; null where there is none.
 */
export function identityOf(socket: TLSSocket, by: "commonName" | "subject"): string | null {
  const lines = socket.getPeerX509Certificate()?.subject?.split("\n") ?? [];
  if (by === "subject") return lines.length === 0 ? null : lines.reverse().join(",");
  const name = lines.find((line) => line.startsWith("CN="))?.slice("CN=".length);
  return name === undefined || name === "" || name.includes("\0") ? null : name;
}

function askingOf({ asks, requires, ignoresDates }: TlsListenOptions): TlsOptions {
  return { requestCert: asks || requires, rejectUnauthorized: requires && !ignoresDates };
}

/** Where Node was not to judge by itself. */
function unacceptable(
  socket: TLSSocket,
  { requires, ignoresDates }: TlsListenOptions,
): Error | undefined {
  if (!requires || socket.authorized) return undefined;
  // The types have an Error there; it is the code.
  const code = String(socket.authorizationError);
  return ignoresDates && DATE_ERRORS.includes(code) ? undefined : new Error(code);
}

function ciphersOf({ ciphers, tls13Ciphers }: TlsListenOptions): SecureContextOptions {
  if (ciphers === undefined && tls13Ciphers === undefined) return {};
  return { ciphers: [tls13Ciphers ?? TLS13_CIPHERS, ciphers ?? "DEFAULT"].join(":") };
}

/** Tries it, for what is wrong shows only then. */
function checked(context: SecureContextOptions, options: TlsListenOptions): SecureContextOptions {
  const { certFile, keyFile } = options;
  try {
    createSecureContext(context);
    return context;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (/no cipher match/.test(why)) throw new TlsFileError("Error: Unable to set TLS ciphers.");
    if (/key values mismatch/.test(why)) {
      throw new TlsFileError("Error: Server certificate/key are inconsistent.");
    }
    if (!CERTIFICATE.test(String(context.cert))) {
      const sentence = `Error: Unable to load server certificate "${certFile}". Check certfile.`;
      throw new TlsFileError(sentence);
    }
    throw new TlsFileError(
      `Error: Unable to load server key file "${keyFile}". Check keyfile. (${why})`,
    );
  }
}

function certificatesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((path) => CERTIFICATE.test(readIfFile(path)))
      .map((path) => readFileSync(path, "latin1"));
  } catch {
    throw new TlsFileError(`Error: Unable to load CA certificates. Check capath "${folder}".`);
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
  } catch {
    throw new TlsFileError(`Error: Unable to load ${what}.`);
  }
}
