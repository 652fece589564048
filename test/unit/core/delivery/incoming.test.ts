import { describe, expect, it } from "vitest";
import { Incoming } from "../../../../src/core/delivery/incoming.ts";

describe("Incoming", () => {
  it("knows a message from its PUBLISH to its PUBREL", () => {
    const incoming = new Incoming<string>();
    expect(incoming.get(7)).toBeUndefined();
    incoming.hold(7, "a");
    expect(incoming.get(7)).toBe("a");
    expect(incoming.count).toBe(1);
    expect(incoming.release(7)).toBe("a");
    expect(incoming.get(7)).toBeUndefined();
    expect(incoming.count).toBe(0);
  });

  it("releases once: a second PUBREL finds nothing", () => {
    const incoming = new Incoming<string>();
    incoming.hold(7, "a");
    incoming.release(7);
    expect(incoming.release(7)).toBeUndefined();
    incoming.hold(7, "b");
    expect(incoming.release(7)).toBe("b");
  });

  it("holds what came last under an identifier, and counts it once", () => {
    const incoming = new Incoming<string>();
    incoming.hold(7, "a");
    incoming.hold(7, "b");
    expect(incoming.count).toBe(1);
    expect(incoming.get(7)).toBe("b");
  });

  it("lists what it holds in the order it came", () => {
    const incoming = new Incoming<string>();
    for (const packetId of [9, 3, 7]) incoming.hold(packetId, `m${packetId}`);
    incoming.release(3);
    expect([...incoming.entries()]).toEqual([
      [9, "m9"],
      [7, "m7"],
    ]);
    incoming.clear();
    expect([...incoming.entries()]).toEqual([]);
    expect(incoming.count).toBe(0);
  });
});
