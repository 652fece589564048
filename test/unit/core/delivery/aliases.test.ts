import { describe, expect, it } from "vitest";
import { IncomingAliases, OutgoingAliases } from "../../../../src/core/delivery/aliases.ts";
import { refusal } from "../../../support/refusal.ts";

describe("OutgoingAliases", () => {
  it("gives numbers from 1, first come first served, until all are taken", () => {
    const aliases = new OutgoingAliases(2);
    expect(["a", "b", "c"].map((topic) => aliases.assign(topic))).toEqual([1, 2, 0]);
    expect(["a", "b", "c"].map((topic) => aliases.known(topic))).toEqual([1, 2, 0]);
  });

  it("gives none to a peer that takes none", () => {
    const aliases = new OutgoingAliases(0);
    expect(aliases.assign("a")).toBe(0);
    expect(aliases.known("a")).toBe(0);
  });

  it("never gives one number to two topics, not even when one topic asks twice", () => {
    const aliases = new OutgoingAliases(3);
    expect(["a", "a", "b", "a", "c"].map((topic) => aliases.assign(topic))).toEqual([
      1, 1, 2, 1, 3,
    ]);
  });
});

describe("IncomingAliases", () => {
  it("keeps what an alias was last told to mean", () => {
    const aliases = new IncomingAliases<string>(3);
    aliases.set(3, "a");
    aliases.set(1, "b");
    expect([aliases.get(3), aliases.get(1)]).toEqual(["a", "b"]);
    aliases.set(3, "c");
    expect(aliases.get(3)).toBe("c");
  });

  it("refuses 0 and what is above the announced number, to set and to get", () => {
    const aliases = new IncomingAliases<string>(2);
    for (const use of [() => aliases.set(0, "a"), () => aliases.get(0)]) {
      expect(refusal(use)).toBe("topicAliasInvalid MQTT5-3.3.2-8");
    }
    for (const use of [() => aliases.set(3, "a"), () => aliases.get(65_535)]) {
      expect(refusal(use)).toBe("topicAliasInvalid MQTT5-3.3.2-9");
    }
    expect(refusal(() => new IncomingAliases<string>(0).set(1, "a"))).toBe(
      "topicAliasInvalid MQTT5-3.3.2-9",
    );
  });

  it("refuses one that it was never told", () => {
    const aliases = new IncomingAliases<string>(2);
    aliases.set(2, "a");
    expect(refusal(() => aliases.get(1))).toBe("protocolError §3.3.2.3.4");
  });
});
