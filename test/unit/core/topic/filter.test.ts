import { describe, expect, it } from "vitest";
import {
  filterMatches,
  hasWildcard,
  isTopicFilter,
  parseFilter,
} from "../../../../src/core/topic/filter.ts";

describe("isTopicFilter", () => {
  it.each(["a", "#", "+", "/", "a/#", "+/+", "a/+/b/#", "/+", "+/", "/#", "a//b", "$SYS/#", "$"])(
    "takes %j",
    (filter) => {
      expect(isTopicFilter(filter)).toBe(true);
    },
  );

  it.each(["", "a#", "#/", "#/a", "a/#/b", "##", "a+", "+a", "a/+b", "++", "+#", "#+", "a\0"])(
    "does not take %j",
    (filter) => {
      expect(isTopicFilter(filter)).toBe(false);
    },
  );

  it("takes 65535 bytes and 200 slashes, and no more", () => {
    expect(isTopicFilter("a".repeat(65_535))).toBe(true);
    expect(isTopicFilter("a".repeat(65_536))).toBe(false);
    expect(isTopicFilter("€".repeat(21_845))).toBe(true);
    expect(isTopicFilter("€".repeat(21_846))).toBe(false);
    expect(isTopicFilter("+/".repeat(200))).toBe(true);
    expect(isTopicFilter("+/".repeat(201))).toBe(false);
  });
});

describe("parseFilter", () => {
  it("leaves a filter of its own as it is", () => {
    for (const filter of ["a/b", "$share", "$shared/a/b", "a/$share/b/c", "$SHARE/a/b"]) {
      expect(parseFilter(filter)).toEqual({ share: null, filter });
    }
  });

  it("takes a share's name apart from its filter", () => {
    expect(parseFilter("$share/g/a/b")).toEqual({ share: "g", filter: "a/b" });
    expect(parseFilter("$share/g//b")).toEqual({ share: "g", filter: "/b" });
    expect(parseFilter("$share/g/#")).toEqual({ share: "g", filter: "#" });
    expect(parseFilter("$share/g/$share/h/a")).toEqual({ share: "g", filter: "$share/h/a" });
  });

  it("lets an empty name pass, as mosquitto does", () => {
    expect(parseFilter("$share//a")).toEqual({ share: "", filter: "a" });
  });

  it.each(["$share/", "$share/g", "$share/g/", "$share//", "$share/+/a", "$share/g#/a"])(
    "does not take %j",
    (filter) => {
      expect(parseFilter(filter)).toBeNull();
    },
  );
});

describe("hasWildcard", () => {
  it("sees either wildcard", () => {
    expect(["a/+", "a/#", "+", "#"].every(hasWildcard)).toBe(true);
    expect(["a", "a/b", "$SYS", ""].some(hasWildcard)).toBe(false);
  });
});

describe("filterMatches", () => {
  it.each([
    ["a/b", "a/b"],
    ["#", "a"],
    ["#", "/"],
    ["#", "a/b/c"],
    ["a/#", "a"],
    ["a/#", "a/"],
    ["a/#", "a/b/c"],
    ["a/+", "a/b"],
    ["a/+", "a/"],
    ["+/+", "/"],
    ["+", "a"],
    ["+/b/#", "a/b"],
    ["/+", "/a"],
    ["+/a", "/a"],
    ["$SYS/#", "$SYS"],
    ["$SYS/+", "$SYS/a"],
    ["a/+", "a/$b"],
    ["a/#", "a/$b"],
  ])("%j matches %j", (filter, topic) => {
    expect(filterMatches(filter, topic)).toBe(true);
  });

  it.each([
    ["a/b", "a/B"],
    ["a", "/a"],
    ["a", "a/"],
    ["a/+", "a"],
    ["a/+", "a/b/c"],
    ["+", "a/b"],
    ["+", "/a"],
    ["a/b/#", "a"],
    ["#", "$SYS"],
    ["#", "$SYS/a"],
    ["+/a", "$SYS/a"],
    ["+", "$"],
    ["ü", "u\u0308"],
  ])("%j does not match %j", (filter, topic) => {
    expect(filterMatches(filter, topic)).toBe(false);
  });
});
