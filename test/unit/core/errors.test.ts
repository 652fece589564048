import { describe, expect, it } from "vitest";
import { ProtocolError, REASONS } from "../../../src/core/errors.ts";

describe("REASONS", () => {
  it("has each code from 0x80 to 0xA2 once, in the order of the standard's table", () => {
    const codes = Object.values(REASONS).map(({ code }) => code);
    expect(codes).toEqual(Array.from({ length: 0x23 }, (_, i) => 0x80 + i));
  });

  it("names each by the standard's words, which give our own name for it", () => {
    for (const [name, { text }] of Object.entries(REASONS)) {
      expect(text.toLowerCase().replace(/[^a-z]/g, "")).toBe(name.toLowerCase());
    }
  });
});

describe("ProtocolError", () => {
  it("says what was wrong, where it is written, and which byte goes out", () => {
    const error = new ProtocolError("packetTooLarge", "MQTT5-3.2.2-15", "9 bytes, 8 allowed");
    expect(error.message).toBe("Packet too large: 9 bytes, 8 allowed [MQTT5-3.2.2-15]");
    expect([error.name, error.reason, error.rule]).toEqual([
      "ProtocolError",
      "packetTooLarge",
      "MQTT5-3.2.2-15",
    ]);
    expect(error.code).toBe(0x95);
    expect(error).toBeInstanceOf(Error);
  });
});
