/**
 * TLS on the broker's side, over a socket that came in. Loaded only where a listener asks for it.
 *
 * Everything about a client is judged before its first byte is read.
 */
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { PskKeys } from "../broker/access/psk-keys.ts";
import type { TlsCredentials } from "./tls-files.ts";

export interface TlsAcceptOptions {
  /** Whether a client must show a certificate. None is asked for otherwise. */
  readonly requires: boolean;
  /** Whether a certificate is good before its time and after it. */
  readonly ignoresDates: boolean;
  /** With pre-shared keys. */
  readonly psk: { readonly hint: string; readonly keys: PskKeys } | null;
  readonly handshakeTimeoutMs: number;
}

export interface TlsEvents {
  /** A client has agreed on TLS, and is good. Its socket is paused. */
  onSecure(socket: TLSSocket): void;
  /** One has not, or is not. */
  onFailed(socket: TLSSocket, error: Error): void;
  /** A line for the key log (NSS's format), with its end. */
  onKeyLog?(line: Buffer): void;
}

const DATE_ERRORS = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];
/** OpenSSL's names, in words. */
const VERIFY_WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  CERT_REVOKED: "its certificate has been revoked",
  CERT_REJECTED: "its certificate is not trusted",
  CERT_UNTRUSTED: "its certificate is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is of no authority that is trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is of no authority that is trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of no authority that is trusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is of no authority that is trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of no authority that is trusted",
  INVALID_PURPOSE: "its certificate is not one for clients",
  UNABLE_TO_GET_CRL: "the list of revoked certificates has nothing of its authority",
  CRL_HAS_EXPIRED: "the list of revoked certificates has expired",
};

/** What a client with a pre-shared key has shown. */
interface ShownPsk {
  readonly identity: string;
  /** Undefined: there is no such identity. */
  readonly key: Buffer | undefined;
}

const shownPsks = new WeakMap<Socket, ShownPsk>();

/** What every socket of one listener is secured by, until its files are read again. */
export class TlsAcceptor {
  private readonly credentials: TlsCredentials;
  private readonly options: TlsAcceptOptions;
  private readonly events: TlsEvents;
  /** Never listens: it is handed its sockets. */
  private readonly server: Server;
  /** Sockets with a handshake under way. */
  private readonly shaking = new Set<Socket>();

  constructor(credentials: TlsCredentials, options: TlsAcceptOptions, events: TlsEvents) {
    this.credentials = credentials;
    this.options = options;
    this.events = events;
    const { psk, requires, ignoresDates, handshakeTimeoutMs } = options;
    this.server = createServer({
      ...credentials.context,
      ...(psk !== null && {
        pskIdentityHint: psk.hint,
        pskCallback: (socket: Socket, identity: string) => this.keyOf(socket, identity),
      }),
      requestCert: requires,
      rejectUnauthorized: requires && !ignoresDates,
      handshakeTimeout: handshakeTimeoutMs,
      pauseOnConnect: true,
    });
    this.server.on("secureConnection", (socket) => this.onSecure(socket));
    this.server.on("tlsClientError", (error, socket) => {
      this.shaking.delete(socketUnder(socket));
      events.onFailed(socket, this.reasonOf(socket, error));
    });
    const { onKeyLog } = events;
    if (onKeyLog !== undefined) this.server.on("keylog", (line) => onKeyLog(line));
  }

  /** Begins the handshake on a socket that came in, of which nothing has been read. */
  take(raw: Socket): void {
    this.shaking.add(raw);
    raw.once("close", () => this.shaking.delete(raw));
    this.server.emit("connection", raw);
  }

  /** How many have not agreed on TLS yet. */
  get waitingCount(): number {
    return this.shaking.size;
  }

  /** Ends handshakes that are under way. */
  close(): void {
    for (const raw of this.shaking) raw.destroy();
  }

  /** Whether a client that came in by older files would still be let in. */
  mayStay(socket: TLSSocket): boolean {
    const { psk, requires } = this.options;
    const shown = shownPsks.get(socket);
    if (psk !== null || shown !== undefined) {
      const key = shown === undefined ? undefined : psk?.keys.get(shown.identity);
      return key !== undefined && shown?.key?.equals(key) === true;
    }
    if (!requires) return true;
    const certificate = certificateOf(socket);
    return certificate !== undefined && !this.credentials.judge.isRevoked(certificate);
  }

  private keyOf(socket: Socket, identity: string): Buffer | null {
    const key = this.options.psk?.keys.get(identity);
    shownPsks.set(socket, { identity, key });
    return key ?? null;
  }

  private onSecure(socket: TLSSocket): void {
    this.shaking.delete(socketUnder(socket));
    socket.on("error", () => undefined);
    // A client that is gone already has no certificate to look at any more.
    if (socket.destroyed) return;
    const error = this.unacceptable(socket);
    if (error === undefined) {
      this.events.onSecure(socket);
      return;
    }
    this.events.onFailed(socket, error);
    socket.destroy();
  }

  /** Where Node was not to judge by itself. */
  private unacceptable(socket: TLSSocket): Error | undefined {
    const { requires, ignoresDates } = this.options;
    if (!requires || socket.authorized) return undefined;
    const certificate = certificateOf(socket);
    if (certificate === undefined) return new Error("it has shown no certificate");
    // The types have an Error there; it is the code.
    const code = String(socket.authorizationError);
    const isDated = ignoresDates && DATE_ERRORS.includes(code);
    if (isDated && this.credentials.judge.isGoodAtAnyTime(certificate)) return undefined;
    return verifyError(isDated ? "UNABLE_TO_VERIFY_LEAF_SIGNATURE" : code);
  }

  private reasonOf(socket: TLSSocket, error: Error): Error {
    const shown = shownPsks.get(socket);
    if (shown !== undefined) {
      const identity = JSON.stringify(shown.identity);
      const why = shown.key === undefined ? "there is no PSK identity" : "its key is not that of";
      return new Error(`${why} ${identity}`, { cause: error });
    }
    // Node judged it: then the error says no more than that the connection is closed.
    const { authorizationError } = socket;
    return authorizationError == null ? error : verifyError(String(authorizationError));
  }
}

/** What TLS runs over; itself where it cannot be told. */
export function socketUnder(socket: Socket): Socket {
  // Not in the types, and not promised by Node.
  return (socket as { _parent?: Socket | null })._parent ?? socket;
}

/** The identity of a client with a pre-shared key; null where there is none. */
export function pskIdentityOf(socket: TLSSocket): string | null {
  return shownPsks.get(socket)?.identity ?? null;
}

/**
 * Who a client is by its certificate.
 *
 * @returns The common name, or the subject as RFC 2253 writes it; null where there is none.
 */
export function certificateNameOf(socket: TLSSocket, by: "commonName" | "subject"): string | null {
  if (by === "subject") {
    const lines = certificateOf(socket)?.subject?.split("\n") ?? [];
    const parts = lines.map((line) => line.replaceAll(" + ", "+")).reverse();
    return parts.length === 0 ? null : parts.join(",");
  }
  // Unlike the certificate's own text it has no escapes. The types leave out that it may be none.
  const subject = socket.getPeerCertificate()?.subject as { CN?: string | string[] } | undefined;
  const [name = ""] = [subject?.CN ?? []].flat();
  // What is cut off at a NUL, or makes a line of its own in a log, is nobody's name.
  return name === "" || /\p{Cc}/u.test(name) ? null : name;
}

/** What a connection is protected by, as the log shows it. */
export function protectionOf(socket: TLSSocket): string {
  // The types leave out that there is none once the client is gone.
  const cipher = socket.getCipher() as { name: string } | undefined;
  return `${socket.getProtocol()} cipher ${cipher?.name}`;
}

function certificateOf(socket: TLSSocket): X509Certificate | undefined {
  return socket.getPeerX509Certificate();
}

function verifyError(code: string): Error {
  return new Error(VERIFY_WORDS[code] ?? `its certificate is not good (${code})`);
}
