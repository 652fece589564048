import { describe, expect, it } from "vitest";
import { EXIT, statusOf, statusOfSignal } from "../../../src/cli/exit.ts";
import { sentenceFor, sentenceForPublish, systemText } from "../../../src/cli/trouble.ts";
import { ClientError } from "../../../src/client/errors.ts";
import type { Version } from "../../../src/core/codec/packets.ts";

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
    [failed("connectTimeout"), 4, "Error: Connection timed out", EXIT.failure],
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

function unreachable(code: string): ClientError {
  return new ClientError("unreachable", "detail", {
    cause: Object.assign(new Error("x"), { code }),
  });
}
