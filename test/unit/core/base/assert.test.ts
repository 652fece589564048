import { describe, expect, it } from "vitest";
import { AssertionError, assert } from "../../../../src/core/base/assert.ts";
import { ProtocolError } from "../../../../src/core/errors.ts";

describe("assert", () => {
  it("says nothing while the condition holds", () => {
    for (const condition of [true, 1, "x", {}]) expect(() => assert(condition, "it")).not.toThrow();
  });

  it("stops with what must hold, as an error that is no peer's", () => {
    for (const condition of [false, 0, "", null, undefined, Number.NaN]) {
      expect(() => assert(condition, "one is left")).toThrow(new AssertionError("one is left"));
    }
    expect(new AssertionError("x").name).toBe("AssertionError");
    expect(new AssertionError("x")).not.toBeInstanceOf(ProtocolError);
  });
});
