/**
 * What the programs say when something goes wrong at run time, in mosquitto's words.
 *
 * Sentences about wrong options are the option tables'.
 */
import { ClientError, type ClientErrorCode, reasonText } from "../client/errors.ts";
import type { TransportErrorCode } from "../client/link.ts";
import type { Version } from "../core/codec/packets.ts";
import { RETURN_CODE_WORDS } from "../core/errors.ts";
import { TransportError } from "../io/transport-error.ts";

/** What strerror(3) says of the failures that connections, files and output can meet. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EBADF: "Bad file descriptor",
  EAFNOSUPPORT: "Address family not supported by protocol",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTDOWN: "Host is down",
  EHOSTUNREACH: "No route to host",
  EDQUOT: "Disk quota exceeded",
  EFBIG: "File too large",
  EINVAL: "Invalid argument",
  EISDIR: "Is a directory",
  ELOOP: "Too many levels of symbolic links",
  EMFILE: "Too many open files",
  ENAMETOOLONG: "File name too long",
  ENETDOWN: "Network is down",
  ENETUNREACH: "Network is unreachable",
  ENFILE: "Too many open files in system",
  ENOBUFS: "No buffer space available",
  ENOENT: "No such file or directory",
  ENOSPC: "No space left on device",
  ENOTDIR: "Not a directory",
  ENXIO: "No such device or address",
  EIO: "Input/output error",
  EPERM: "Operation not permitted",
  EPIPE: "Broken pipe",
  EPROTOTYPE: "Protocol wrong type for socket",
  ETIMEDOUT: "Connection timed out",
};

export const TLS_ERROR = "Error: A TLS error occurred.";
export const PROXY_ERROR = "Error: Proxy error.";
export const NOT_AUTHORISED = "Error: Authorisation failed.";
export const NOT_CONNECTED = "Error: The client is not currently connected.";
const PROTOCOL_ERROR =
  "Error: A network protocol error occurred when communicating with the broker.";
const TLS_UNUSABLE = "Unable to connect (A TLS error occurred.).";

/** What mosquitto says of the ways in which a transport can fail. Others it has no word for. */
const TRANSPORT_ERRORS: { readonly [Code in TransportErrorCode]?: string } = {
  fileUnusable: "Error: Problem setting TLS options: File not found.",
  certificateUnreadable: TLS_UNUSABLE,
  keyUnreadable: TLS_UNUSABLE,
  keyMismatch: TLS_UNUSABLE,
  passphraseMissing: TLS_UNUSABLE,
  passphraseWrong: TLS_UNUSABLE,
  passphraseFailed: TLS_UNUSABLE,
  tlsUnusable: TLS_UNUSABLE,
  certificateUntrusted: TLS_ERROR,
  certificateExpired: TLS_ERROR,
  certificateNotYetValid: TLS_ERROR,
  certificateHostMismatch: TLS_ERROR,
  certificateRejected: TLS_ERROR,
  clientCertificateRefused: TLS_ERROR,
  pskRefused: TLS_ERROR,
  notTls: TLS_ERROR,
  tlsFailed: TLS_ERROR,
  tlsClosed: TLS_ERROR,
  proxyLogInMissing: NOT_AUTHORISED,
  proxyLogInRefused: PROXY_ERROR,
  proxyForbidden: NOT_AUTHORISED,
  proxyUnreachable: NOT_CONNECTED,
  proxyRefused: PROXY_ERROR,
  notProxy: PROXY_ERROR,
  proxyClosed: PROXY_ERROR,
  lookupFailed: "Unable to connect (Lookup error.).",
};

/** mosquitto's sentence for what kept a connection from coming about, where it has one. */
export function transportSentence({ code, cause }: ClientError): string | undefined {
  return code === "unreachable" ? TRANSPORT_ERRORS[codeOf(cause) as TransportErrorCode] : undefined;
}

/**
 * Whether a program is to end for an error after which the client library would try again. A broker
 * that breaks the protocol once will do so again, and with a certificate that is out of date
 * mosquitto's programs end, too. A handshake that is broken off may be a broker that restarts.
 */
export function isHopeless(error: ClientError): boolean {
  if (error.code === "serverError") return true;
  return transportSentence(error) === TLS_ERROR && codeOf(error.cause) !== "tlsClosed";
}

/** The sentence for what ended the connection or kept it from coming about. */
export function sentenceFor(error: ClientError, version: Version): string {
  switch (error.code) {
    case "connectRefused":
      return `Connection error: ${refusal(error.reasonCode ?? 0, version)}`;
    case "unreachable":
      return unreachable(error);
    case "connectTimeout":
      return explained("Error: Connection timed out", error);
    case "connectionLost":
      return explained("Error: The connection was lost.", error.cause);
    case "serverError":
      return PROTOCOL_ERROR;
    case "notMqtt":
      return explained(PROTOCOL_ERROR, error);
    case "keepAliveTimeout":
      return "Error: The broker has stopped answering.";
    case "disconnectedByServer":
      return `Error: The broker ended the connection${because(error.reasonCode)}.`;
    default:
      return `Error: ${error.message}`;
  }
}

/** The sentence for a message that could not be delivered. */
export function sentenceForPublish(error: ClientError, packetId: number): string {
  if (error.code !== "publishRefused") return `Error: ${error.message}`;
  return `Warning: Publish ${packetId} failed: ${reasonText(error.reasonCode ?? 0)}.`;
}

/** Characters of a phrase that quotes a line, which may be long. */
const PHRASE_MAX = 200;

/**
 * The sentence for a line that is no message.
 *
 * @param why A phrase.
 * @param number Of the line in the input, 0 where that was another run's.
 */
export function sentenceForLine(why: string, number: number): string {
  const line = number === 0 ? "A line of the spool" : `Line ${number}`;
  const isLong = why.length > PHRASE_MAX;
  return `Error: ${line}: ${isLong ? `${why.slice(0, 100)}…${why.slice(-50)}` : why}.`;
}

/** Errors that are about a message. */
const REFUSALS: readonly ClientErrorCode[] = [
  "publishRefused",
  "notSupported",
  "packetTooLarge",
  "invalidArgument",
];

/**
 * Whether it is the message itself that cannot be delivered, and would not be the next time either.
 * Otherwise the way to the broker has ended, and nothing speaks against the message.
 */
export function isRefusal({ code }: ClientError): boolean {
  return REFUSALS.includes(code);
}

/** What the operating system says of `error`, as C programs print it. */
export function systemText(error: unknown): string {
  const code = codeOf(error);
  const known = code === undefined ? undefined : SYSTEM_ERRORS[code];
  if (known !== undefined) return known;
  const text = error instanceof Error ? error.message : String(error);
  // "EODD: so it is, open '/a'": Node.js says more than a sentence wants.
  const [, words] = /^E[A-Z0-9]+: (.+?)(?:, [a-z_]+(?: '.*)?)?$/s.exec(text) ?? [];
  return words === undefined ? text : capitalized(words);
}

/** Whether `error` only says that the reader of an output has gone away. */
export function isReaderGone(error: unknown): boolean {
  return codeOf(error) === "EPIPE";
}

function refusal(code: number, version: Version): string {
  if (version < 5) return `Connection Refused: ${RETURN_CODE_WORDS[code] ?? "unknown reason"}.`;
  const advice =
    code === 0x84 ? ". Try connecting to an MQTT v5 broker, or use MQTT v3.x mode." : "";
  return reasonText(code) + advice;
}

function unreachable(error: ClientError): string {
  const { cause } = error;
  const sentence = transportSentence(error);
  if (sentence !== undefined) return explained(sentence, cause);
  // Ways to fail that mosquitto has not.
  if (isOurs(cause)) return `Error: ${asSentence(cause.message)}`;
  const code = codeOf(cause);
  const isLookup = code === "ENOTFOUND" || code?.startsWith("EAI_");
  return isLookup ? "Unable to connect (Lookup error.)." : `Error: ${systemText(cause)}`;
}

/** mosquitto's sentence for scripts, and for people what it is about, where `cause` tells. */
function explained(sentence: string, cause: unknown): string {
  return isOurs(cause) ? `${sentence}\n${asSentence(cause.message)}` : sentence;
}

/** The system's errors speak of calls and numbers. */
function isOurs(error: unknown): error is ClientError | TransportError {
  return error instanceof ClientError || error instanceof TransportError;
}

function asSentence(text: string): string {
  return `${capitalized(text)}.`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function because(reasonCode: number | undefined): string {
  return reasonCode ? `: ${reasonText(reasonCode)}` : "";
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
