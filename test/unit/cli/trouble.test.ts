import { describe, expect, it } from "vitest";
import { EXIT, statusOf, statusOfSignal } from "../../../src/cli/exit.ts";
import {
  isHopeless,
  sentenceFor,
  sentenceForPublish,
  systemText,
} from "../../../src/cli/trouble.ts";
import { ClientError, type TransportErrorCode } from "../../../src/client/client.ts";
import type { Version } from "../../../src/core/codec/packets.ts";
import { TransportError } from "../../../src/io/transport-error.ts";

describe("sentences and statuses", () => {
  it.each<[ClientError, Version, string, number]>([
    [
      failed("connectRefused", 4),
      4,
      "Connection error: Connection Refused: bad user name or password.",
      4,
    ],
    [
      failed("connectRefused", 3),
      3,
      "Connection error: Connection Refused: broker unavailable.",
      3,
    ],
    [failed("connectRefused", 0x97), 5, "Connection error: Quota exceeded", 0x97],
    [unreachable("ECONNREFUSED"), 4, "Error: Connection refused", EXIT.failure],
    [unreachable("EHOSTUNREACH"), 4, "Error: No route to host", EXIT.failure],
    [unreachable("ENOTFOUND"), 4, "Unable to connect (Lookup error.).", EXIT.failure],
    [unreachable("EAI_AGAIN"), 4, "Unable to connect (Lookup error.).", EXIT.failure],
    [unreachable("ENOENT"), 4, "Error: No such file or directory", EXIT.failure],
    [failed("connectTimeout"), 4, "Error: Connection timed out\nDetail.", EXIT.failure],
    [
      failed("notMqtt"),
      4,
      "Error: A network protocol error occurred when communicating with the broker.\nDetail.",
      EXIT.protocol,
    ],
    [by("pskRefused"), 4, "Error: A TLS error occurred.\nWhy.", EXIT.tls],
    [by("keyMismatch"), 4, "Unable to connect (A TLS error occurred.).\nWhy.", EXIT.failure],
    [by("lookupFailed"), 4, "Unable to connect (Lookup error.).\nWhy.", EXIT.failure],
    [by("proxyLogInMissing"), 4, "Error: Authorisation failed.\nWhy.", EXIT.notAuthorised],
    [by("proxyForbidden"), 4, "Error: Authorisation failed.\nWhy.", EXIT.notAuthorised],
    [by("proxyLogInRefused"), 4, "Error: Proxy error.\nWhy.", EXIT.proxy],
    [by("notProxy"), 4, "Error: Proxy error.\nWhy.", EXIT.proxy],
    [
      by("proxyUnreachable"),
      4,
      "Error: The client is not currently connected.\nWhy.",
      EXIT.notConnected,
    ],
    [by("webSocketRefused"), 4, "Error: Why.", EXIT.failure],
    [by("noAnswer"), 4, "Error: Why.", EXIT.failure],
    [
      new ClientError("connectionLost", "detail", { cause: why("clientCertificateRefused") }),
      4,
      "Error: The connection was lost.\nWhy.",
      EXIT.lost,
    ],
    [
      new ClientError("connectionLost", "detail", { cause: new Error("read ECONNRESET") }),
      4,
      "Error: The connection was lost.",
      EXIT.lost,
    ],
    [failed("connectionLost"), 4, "Error: The connection was lost.", EXIT.lost],
    [
      failed("serverError"),
      4,
      "Error: A network protocol error occurred when communicating with the broker.",
      EXIT.protocol,
    ],
    [failed("keepAliveTimeout"), 4, "Error: The broker has stopped answering.", EXIT.keepAlive],
    [
      failed("disconnectedByServer", 0x8b),
      5,
      "Error: The broker ended the connection: Server shutting down.",
      0x8b,
    ],
    [failed("disconnectedByServer", 0), 5, "Error: The broker ended the connection.", EXIT.failure],
    [failed("packetTooLarge", 0x95), 5, "Error: detail", 0x95],
    [failed("outboxFull"), 5, "Error: detail", EXIT.failure],
  ])("are mosquitto's for %s in MQTT %i", (error, version, sentence, status) => {
    expect(sentenceFor(error, version)).toBe(sentence);
    expect(statusOf(error)).toBe(status);
  });

  it.each<[ClientError, boolean]>([
    [failed("serverError"), true],
    [by("certificateExpired"), true],
    [by("certificateNotYetValid"), true],
    [by("tlsClosed"), false],
    [by("proxyUnreachable"), false],
    [by("webSocketUnavailable"), false],
    [by("lookupFailed"), false],
    [unreachable("ECONNREFUSED"), false],
    [failed("connectionLost"), false],
    [failed("connectTimeout"), false],
    [failed("notMqtt"), false],
  ])("end a program that would try again, or not: %s", (error, ends) => {
    expect(isHopeless(error)).toBe(ends);
  });

  it("number a refused message", () => {
    const sentence = sentenceForPublish(failed("publishRefused", 0x87), 12);
    expect(sentence).toBe("Warning: Publish 12 failed: Not authorized.");
  });

  it("fall back to what Node says", () => {
    expect(systemText(new Error("odd"))).toBe("odd");
    expect(systemText(Object.assign(new Error("odd"), { code: "EODD" }))).toBe("odd");
    const wordy = new Error("EODD: odd things, even, open '/a, b'");
    expect(systemText(Object.assign(wordy, { code: "EODD" }))).toBe("Odd things, even");
    expect(systemText(new Error("EODD: odd, write"))).toBe("Odd");
  });

  it("are a shell's for signals", () => {
    expect([statusOfSignal("SIGINT"), statusOfSignal("SIGTERM")]).toEqual([130, 143]);
  });
});

function failed(code: ClientError["code"], reasonCode?: number): ClientError {
  return new ClientError(code, "detail", { reasonCode });
}

/** No connection, with a transport's own error. */
function by(code: TransportErrorCode): ClientError {
  return new ClientError("unreachable", "detail", { cause: why(code) });
}

function why(code: TransportErrorCode): TransportError {
  return new TransportError(code, "why");
}

function unreachable(code: string): ClientError {
  return new ClientError("unreachable", "detail", {
    cause: Object.assign(new Error("x"), { code }),
  });
}
