/** What OpenSSL and Node.js say went wrong with TLS, as a code and a sentence of ours. */
import type { TransportErrorCode } from "../client/link.ts";
import { codeOf, TransportError, wordsOf } from "./transport-error.ts";

/** X509_verify_cert's results, by Node's names for them. */
const VERIFY_CODES: Readonly<Record<string, TransportErrorCode>> = {
  CERT_HAS_EXPIRED: "certificateExpired",
  CERT_NOT_YET_VALID: "certificateNotYetValid",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificateHostMismatch",
  CERT_UNTRUSTED: "certificateUntrusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificateUntrusted",
  SELF_SIGNED_CERT_IN_CHAIN: "certificateUntrusted",
  UNABLE_TO_GET_ISSUER_CERT: "certificateUntrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificateUntrusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificateUntrusted",
  CERT_CHAIN_TOO_LONG: "certificateRejected",
  CERT_REJECTED: "certificateRejected",
  CERT_REVOKED: "certificateRejected",
  CERT_SIGNATURE_FAILURE: "certificateRejected",
  ERR_TLS_CERT_ALTNAME_FORMAT: "certificateRejected",
  HOSTNAME_MISMATCH: "certificateHostMismatch",
  INVALID_CA: "certificateRejected",
  INVALID_PURPOSE: "certificateRejected",
  PATH_LENGTH_EXCEEDED: "certificateRejected",
  UNSPECIFIED: "certificateRejected",
};

/** Alerts about the client's certificate (RFC 8446 §6.2), as OpenSSL spells them. */
const CERTIFICATE_ALERT =
  /ALERT_(NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA)$/;
/**
 * Alerts about a pre-shared key: the identity is unknown (in TLS 1.3 there is just nothing left
 * to agree on), or what the key encrypted makes no sense.
 */
const PSK_ALERT =
  /ALERT_(UNKNOWN_PSK_IDENTITY|HANDSHAKE_FAILURE|DECRYPT_ERROR|BAD_RECORD_MAC|ILLEGAL_PARAMETER)$/;
/** What OpenSSL makes of bytes that are no TLS record. */
const NO_RECORD =
  /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL/;

/**
 * Why TLS was not agreed on.
 *
 * @param host What the certificate was to be for.
 */
export function wordForTls(error: Error, host: string, isPsk: boolean): Error {
  const code = codeOf(error);
  const verdict = VERIFY_CODES[code];
  if (verdict !== undefined) {
    if (isPsk) return pskUnused(error);
    return new TransportError(verdict, certificateWords(verdict, error, host), { cause: error });
  }
  const refusal = refusalOf(error, isPsk);
  if (refusal !== undefined) return refusal;
  if (NO_RECORD.test(code)) {
    return new TransportError("notTls", "what answers does not speak TLS", { cause: error });
  }
  if (/^ERR_(SSL|OSSL|TLS)_|^EPROTO$/.test(code)) {
    return new TransportError("tlsFailed", `TLS failed: ${reasonIn(error)}`, { cause: error });
  }
  if (code !== "" && code !== "ECONNRESET" && code !== "EPIPE") return error;
  const why = "the server closed the connection during the TLS handshake; it may not speak TLS";
  return new TransportError("tlsClosed", why, { cause: error });
}

/** What the server says in an alert about who we are; undefined where it is something else. */
export function refusalOf(error: Error, isPsk: boolean): TransportError | undefined {
  const code = codeOf(error);
  if (CERTIFICATE_ALERT.test(code)) {
    const isMissing = /CERTIFICATE_REQUIRED|NO_CERTIFICATE/.test(code);
    const why = isMissing
      ? "the server wants a certificate of the client"
      : `the server refused the client's certificate: ${reasonIn(error)}`;
    return new TransportError("clientCertificateRefused", why, { cause: error });
  }
  if (!isPsk || !PSK_ALERT.test(code)) return undefined;
  const why = `the server refused the pre-shared key: ${reasonIn(error)}`;
  return new TransportError("pskRefused", why, { cause: error });
}

/** A server that does not know the pre-shared key may show a certificate, which proves nothing. */
export function pskUnused(cause?: Error): TransportError {
  const why = "the server does not use the pre-shared key, but shows a certificate";
  return new TransportError("pskRefused", why, { cause });
}

function certificateWords(verdict: TransportErrorCode, error: Error, host: string): string {
  switch (verdict) {
    case "certificateExpired":
      return "the server's certificate has expired";
    case "certificateNotYetValid":
      return "the server's certificate is not valid yet";
    case "certificateHostMismatch":
      return `the server's certificate is not for ${host}`;
    case "certificateUntrusted":
      // Without Node's advice about its own options, which are none of ours.
      return `the server's certificate is not trusted: ${wordsOf(error).replace(/; if .*$/, "")}`;
    default:
      return `the server's certificate is not right: ${wordsOf(error)}`;
  }
}

/** OpenSSL's reason, of "error:0A000410:SSL routines::tlsv1 alert unknown ca:../x.c:1:". */
function reasonIn(error: Error): string {
  const { reason } = error as { reason?: unknown };
  if (typeof reason === "string") return reason;
  return /^(?:\w+:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/i.exec(error.message)?.[1] ?? error.message;
}
