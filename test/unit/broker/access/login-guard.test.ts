/** Guessing is slowed down: passwords for one user, and users for one password. */
import { describe, expect, it } from "vitest";
import { LoginGuard } from "../../../../src/broker/access/login-guard.ts";

const LIMITS = {
  perUser: { freeFailures: 2, delayMs: 100, delayMsMax: 400, forgetMs: 1_000 },
  perAddress: { freeFailures: 3, delayMs: 1_000, delayMsMax: 4_000, forgetMs: 10_000 },
  knownMax: 2,
};

/** A guard that has seen these names fail, each once for every time it stands here. */
function guard(...failed: readonly string[]): LoginGuard {
  const made = new LoginGuard(LIMITS);
  for (const name of failed) made.onFailure("a", name, 0);
  return made;
}

describe("a login", () => {
  it("waits behind wrong passwords for its user, at its address", () => {
    const made = guard("ann", "ann");
    expect(made.takeTurn("a", "ann", 0)).toBe(100);
    expect([made.takeTurn("a", "bob", 0), made.takeTurn("b", "ann", 0)]).toEqual([0, 0]);
  });

  it("waits behind so many users that its address has failed to be", () => {
    expect(guard("ann", "bob").takeTurn("a", "eve", 0)).toBe(0);
    const made = guard("ann", "bob", "cid");
    expect(made.takeTurn("a", "eve", 0)).toBe(1_000);
    expect(made.takeTurn("b", "eve", 0)).toBe(0);
  });

  it("does not wait behind one client that errs for ever", () => {
    expect(guard(...Array(50).fill("ann")).takeTurn("a", "bob", 0)).toBe(0);
  });

  it("does not wait behind others where its user has come in before", () => {
    const made = guard("ann", "bob", "cid");
    made.onSuccess("a", "eve");
    expect(made.takeTurn("a", "eve", 0)).toBe(0);
    // Its own failures count as before, and not against the address.
    for (let i = 0; i < 2; i++) made.onFailure("a", "eve", 0);
    expect(made.takeTurn("a", "eve", 0)).toBe(100);
  });

  it("is known for as long as there is room", () => {
    const made = guard("ann", "bob", "cid");
    for (const name of ["eve", "fay", "gus"]) made.onSuccess("a", name);
    const waits = ["fay", "gus", "eve"].map((name) => made.takeTurn("a", name, 0) > 0);
    expect(waits).toEqual([false, false, true]);
  });

  it("is cut off at a length, so that long names do not fill memory", () => {
    const name = "n".repeat(64);
    const made = guard(`${name}1`, `${name}2`);
    expect(made.takeTurn("a", `${name}3`, 0)).toBe(100);
  });
});
