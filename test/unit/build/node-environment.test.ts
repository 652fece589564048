import { describe, expect, it } from "vitest";
import { deafen } from "../../../src/build/node-environment.mjs";

/** What becomes of a text. */
function deafened(text: string, names: readonly string[]): string {
  return deafen(Buffer.from(text, "latin1"), names).toString("latin1");
}

describe("deafen", () => {
  it("gives a name another first letter wherever it stands, and no other a new length", () => {
    const text = "A\0NODE_DEBUG\0\xff process.env.NODE_DEBUG;'NODE_DEBUG'NODE_DEBUG";
    expect(deafened(text, ["NODE_DEBUG"])).toBe(
      "A\0$ODE_DEBUG\0\xff process.env.$ODE_DEBUG;'$ODE_DEBUG'$ODE_DEBUG",
    );
  });

  it("leaves a longer name alone, of which it is a part", () => {
    const text = "NODE_DEBUG NODE_DEBUG_NATIVE MY_NODE_DEBUG NODE_DEBUG2";
    expect(deafened(text, ["NODE_DEBUG"])).toBe(
      "$ODE_DEBUG NODE_DEBUG_NATIVE MY_NODE_DEBUG NODE_DEBUG2",
    );
  });

  it("says so when there is no such name, or only longer ones", () => {
    expect(() => deafened("NODE_DEBUG_NATIVE", ["NODE_DEBUG"])).toThrow(/knows no NODE_DEBUG\./);
  });
});
