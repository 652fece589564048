/**
 * What can go wrong for a user of the client library: one error class, told apart by `code`.
 *
 * A `ProtocolError` never reaches the user bare: the server's breach of the standard arrives as a
 * `ClientError` with code "serverError" and the `ProtocolError` as its `cause`.
 */
import type { Properties } from "../core/codec/properties.ts";
import { NO_PROPERTIES } from "../core/codec/properties.ts";
import { REASONS } from "../core/errors.ts";

/** What happened. Stable: programs compare with these. */
export type ClientErrorCode =
  /** An argument is out of its range; nothing was sent. */
  | "invalidArgument"
  /** No network connection came about; `cause` is a `TransportError`, or the system's error. */
  | "unreachable"
  /** `authenticate` failed, with `cause`, or there is none and the server sent AUTH. */
  | "authenticationFailed"
  /** No CONNACK within `connectTimeoutMs`; the message says what did not come. */
  | "connectTimeout"
  /** CONNACK said no; `reasonCode` is its reason code (5.0) or return code 1 to 5 (before). */
  | "connectRefused"
  /** The network connection ended without a DISCONNECT; `cause` where the transport gave one. */
  | "connectionLost"
  /** The server sent DISCONNECT; `reasonCode` and `properties` are what it said (5.0 only). */
  | "disconnectedByServer"
  /** The server broke the protocol; `cause` is the `ProtocolError`. */
  | "serverError"
  /** What answers does not speak MQTT but, as far as its first bytes tell, TLS or HTTP. */
  | "notMqtt"
  /** The server stayed silent beyond the keep alive and its time to answer. */
  | "keepAliveTimeout"
  /** The server refused the message in PUBACK, PUBREC or PUBCOMP; `reasonCode` says why. */
  | "publishRefused"
  /** The server no longer grants a subscription it granted before the connection was lost. */
  | "resubscribeRefused"
  /** As many messages or bytes wait as the outbox may hold. The message was not taken. */
  | "outboxFull"
  /** A QoS 0 message was published while offline, and the outbox does not take those. */
  | "offline"
  /** The server announced that it cannot do this; `reasonCode` is the code it would have sent. */
  | "notSupported"
  /** Larger than the Maximum Packet Size that the server announced. */
  | "packetTooLarge"
  /** The caller's signal was aborted; `cause` is its reason. */
  | "aborted"
  /** The client was closed before this could be done. */
  | "closed";

export interface ClientErrorDetails {
  /** As it stood on the wire, where there was one. */
  readonly reasonCode?: number | undefined;
  /** Those of the packet that carried the reason code: reason string, user properties… */
  readonly properties?: Properties | undefined;
  readonly cause?: unknown;
}

/** Every error the client library reports, whether thrown, as a rejection or as an event. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly code: ClientErrorCode;
  /** As it stood on the wire: 0x80 and up in MQTT 5.0, 1 to 5 in a CONNACK before it. */
  readonly reasonCode: number | undefined;
  /** Empty unless a packet of the server came with some. */
  readonly properties: Properties;

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reasonCode = details.reasonCode;
    this.properties = details.properties ?? NO_PROPERTIES;
  }
}

/** The words for return codes 1 to 5 of CONNACK before MQTT 5.0 (3.1.1 §3.2.2.3). */
const RETURN_CODE_TEXTS = [
  "Connection accepted",
  "unacceptable protocol version",
  "identifier rejected",
  "server unavailable",
  "bad user name or password",
  "not authorized",
] as const;

/** The standard's words for a reason code of 5.0, or for a return code of CONNACK before it. */
export function reasonText(reasonCode: number): string {
  for (const reason of Object.values(REASONS)) {
    if (reason.code === reasonCode) return reason.text;
  }
  return RETURN_CODE_TEXTS[reasonCode] ?? `reason code 0x${reasonCode.toString(16)}`;
}

/** `what: words of the code (reason string)`, as every error with a reason code reads. */
export function refused(
  code: ClientErrorCode,
  what: string,
  reasonCode: number,
  properties: Properties,
): ClientError {
  const said = properties.reasonString === undefined ? "" : ` (${properties.reasonString})`;
  return new ClientError(code, `${what}: ${reasonText(reasonCode)}${said}`, {
    reasonCode,
    properties,
  });
}
