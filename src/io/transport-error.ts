/**
 * What goes wrong on the way to a server, beyond what the operating system says: one class, told
 * apart by `code`.
 */
import type { TransportErrorCode } from "../client/link.ts";

/** Those that the same attempt would meet again, until somebody changes something. */
const FINAL: ReadonlySet<TransportErrorCode> = new Set([
  "fileUnusable",
  "certificateUnreadable",
  "keyUnreadable",
  "keyMismatch",
  "passphraseMissing",
  "passphraseWrong",
  "passphraseFailed",
  "tlsUnusable",
  "certificateUntrusted",
  "certificateHostMismatch",
  "certificateRejected",
  "clientCertificateRefused",
  "pskRefused",
  "notTls",
  "tlsFailed",
  "proxyLogInMissing",
  "proxyLogInRefused",
  "proxyForbidden",
  "notProxy",
  "webSocketRefused",
  "notWebSocket",
]);

export interface TransportErrorDetails {
  readonly cause?: unknown;
  /** Of the answer to a WebSocket request. */
  readonly statusCode?: number;
}

export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly code: TransportErrorCode;
  /** The HTTP status of a WebSocket server that refused; undefined otherwise. */
  readonly statusCode: number | undefined;

  constructor(code: TransportErrorCode, message: string, details: TransportErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.statusCode = details.statusCode;
  }

  /**
   * Whether dialling again cannot help. A certificate's dates are not among it: time passes, and
   * servers get new certificates.
   */
  get isFinal(): boolean {
    return FINAL.has(this.code);
  }
}

/** What an error says, in the words of whoever made it. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The stable name of an error of Node's or the system's: "ECONNREFUSED"; "" where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "";
}
