import { describe, expect, it } from "vitest";
import { overWords, reasonWords } from "../../../src/bridge/words.ts";
import { REASONS } from "../../../src/core/errors.ts";

describe("reasonWords", () => {
  it("has mosquitto's words for the return codes before 5.0", () => {
    expect([1, 2, 3, 4, 5].map(reasonWords)).toEqual([
      "unacceptable protocol version",
      "identifier rejected",
      "broker unavailable",
      "bad user name or password",
      "not authorised",
    ]);
  });

  it("has the standard's words for the reasons of 5.0", () => {
    for (const { code, text } of Object.values(REASONS)) expect(reasonWords(code)).toBe(text);
  });

  it("shows a code that it does not know", () => {
    expect(reasonWords(0xfe)).toBe("reason code 0xfe");
  });
});

describe("overWords", () => {
  it("tells each way in which a connection ends from the others", () => {
    expect(overWords({ kind: "refused", reasonCode: 5 })).toBe("refused: not authorised");
    expect(overWords({ kind: "ended", reasonCode: 0x8b })).toBe(
      "ended by the remote: Server shutting down",
    );
    expect(overWords({ kind: "closed", why: "reloaded" })).toBe("reloaded");
    expect(overWords({ kind: "lost", why: "", wasReached: true })).toBe("closed by the remote");
    expect(overWords({ kind: "lost", why: "no route to host", wasReached: false })).toBe(
      "no route to host",
    );
  });
});
