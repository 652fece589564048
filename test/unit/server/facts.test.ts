import { describe, expect, it } from "vitest";
import { pluginFacts } from "../../../src/server/facts.ts";

describe("a plugin", () => {
  it.each([
    [
      "dynamicSecurity",
      { name: "dynamic-security", "control-endpoints": ["$CONTROL/dynamic-security/v1"] },
    ],
    ["store", { name: "persist-sqlite" }],
    ["aclFile", { name: "acl-file" }],
    ["passwordFile", { name: "password-file" }],
    ["sparkplugAware", { name: "sparkplug-aware" }],
  ] as const)("is told of by its name: %s", (kind, facts) => {
    expect(pluginFacts({ kind })).toEqual(facts);
  });
});
