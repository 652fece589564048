/**
 * Exit statuses of ts-pub, ts-sub and ts-rr: those of mosquitto's programs, kept in one place.
 *
 * Where theirs is 0 although something could not be delivered, ours is not: a refused message or
 * subscription (unless --compat-exit asks for theirs), a session that another client has taken
 * over, a `-l` cut short.
 */
import type { ClientError } from "../client/errors.ts";
import {
  NOT_AUTHORISED,
  NOT_CONNECTED,
  PROXY_ERROR,
  TLS_ERROR,
  transportSentence,
} from "./trouble.ts";

/** Statuses that do not come from a reason code. */
export const EXIT = {
  ok: 0,
  /** Wrong words, --help and --version, no connection, unreadable input, unwritable output. */
  failure: 1,
  /** The broker broke the protocol, or does not speak it. */
  protocol: 2,
  /** The proxy finds no way to the broker. */
  notConnected: 4,
  /** The connection was lost and is not made again. */
  lost: 7,
  /** The two sides did not come to terms about TLS. */
  tls: 8,
  /** The proxy wants a log-in, or forbids the connection. */
  notAuthorised: 11,
  /** The proxy fails in another way. */
  proxy: 16,
  /** The broker fell silent. */
  keepAlive: 19,
  /** -W ran out. */
  timeout: 27,
  /** -W ran out, or a signal came, before the broker had accepted the connection. */
  tooEarly: 255,
} as const;

/** mosquitto prints one sentence for each of its error numbers, and exits with the number. */
const STATUSES: Readonly<Record<string, number>> = {
  [NOT_CONNECTED]: EXIT.notConnected,
  [TLS_ERROR]: EXIT.tls,
  [NOT_AUTHORISED]: EXIT.notAuthorised,
  [PROXY_ERROR]: EXIT.proxy,
};

/** The status for what ended the connection, or kept a message from being delivered. */
export function statusOf(error: ClientError): number {
  // A CONNACK's code before 5.0 is 1 to 5, a reason code of 5.0 128 to 255: never 0.
  if (error.reasonCode !== undefined) return error.reasonCode || EXIT.failure;
  switch (error.code) {
    case "unreachable":
      return STATUSES[transportSentence(error) ?? ""] ?? EXIT.failure;
    case "connectionLost":
      return EXIT.lost;
    case "serverError":
    case "notMqtt":
      return EXIT.protocol;
    case "keepAliveTimeout":
      return EXIT.keepAlive;
    default:
      return EXIT.failure;
  }
}

/** What a shell reports for a process that the signal ended: 128 and its number. */
export function statusOfSignal(signal: "SIGINT" | "SIGTERM"): number {
  return signal === "SIGINT" ? 130 : 143;
}
