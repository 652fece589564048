/** The rules of an ACL file (mosquitto-2.1 b.4), as Debian's mosquitto answers too. */
import { describe, expect, it } from "vitest";
import { Acl, AclError } from "../../../../src/broker/access/acl.ts";

const PATH = "rules.acl";

function acl(...lines: string[]): Acl {
  return new Acl(lines.join("\n"), PATH);
}

/** What the user may do with the topic: "rw", "r", "w" or "". */
function may(rules: Acl, username: string | null, topic: string, clientId = "c1"): string {
  const identity = { clientId, username, port: 1883 };
  const read = rules.judge("read", identity, topic) === "allow" ? "r" : "";
  return read + (rules.judge("write", identity, topic) === "allow" ? "w" : "");
}

describe("an ACL file", () => {
  it("denies what it does not name", () => {
    expect(may(acl(), null, "a")).toBe("");
    expect(may(acl("user x", "topic #"), "y", "a")).toBe("");
  });

  it.each([
    ["topic a/#", "rw"],
    ["topic readwrite a/#", "rw"],
    ["topic read a/#", "r"],
    ["topic write a/+", "w"],
    ["topic deny a/b", ""],
  ])("reads %s", (line, allowed) => {
    expect(may(acl("user u", line), "u", "a/b")).toBe(allowed);
  });

  it("has rules above the first user for those without a user name, and for no others", () => {
    const rules = acl("topic read x/1", "user a", "topic x/2");
    expect([may(rules, null, "x/1"), may(rules, "a", "x/1")]).toEqual(["r", ""]);
    expect([may(rules, null, "x/2"), may(rules, "a", "x/2")]).toEqual(["", "rw"]);
  });

  it("adds up the rules of a user who is named twice", () => {
    const rules = acl("user a", "topic read x", "user b", "topic x", "user a", "topic write x");
    expect(may(rules, "a", "x")).toBe("rw");
  });

  it("denies whatever stands before or behind", () => {
    expect(may(acl("user a", "topic x/#", "topic deny x/1"), "a", "x/1")).toBe("");
    expect(may(acl("user a", "topic deny x/1", "topic x/#"), "a", "x/1")).toBe("");
    expect(may(acl("user a", "topic deny x/1", "topic x/#"), "a", "x/2")).toBe("rw");
  });

  it("asks a client's own rules before the patterns", () => {
    expect(may(acl("pattern deny x/1", "user a", "topic x/#"), "a", "x/1")).toBe("rw");
    expect(may(acl("pattern x/#", "user a", "topic deny x/1"), "a", "x/1")).toBe("");
    expect(may(acl("pattern x/#", "user a", "topic deny x/1"), "b", "x/1")).toBe("rw");
    expect(may(acl("pattern x/#", "pattern deny x/1"), "b", "x/1")).toBe("");
  });

  it("puts client identifier and user name in the place of whole levels", () => {
    const rules = acl("pattern %u/%c/#", "pattern write x%u/y");
    expect(may(rules, "ann", "ann/c1/t")).toBe("rw");
    expect([may(rules, "ann", "ann/c2/t"), may(rules, "bob", "ann/c1/t")]).toEqual(["", ""]);
    expect([may(rules, "ann", "xann/y"), may(rules, "ann", "x%u/y")]).toEqual(["", "w"]);
    expect(may(rules, null, "/c1/t")).toBe("");
  });

  it("takes no wildcard from a client into a pattern", () => {
    const rules = acl("pattern %c/#", "topic own");
    expect(may(rules, null, "other/t", "#")).toBe("");
    expect(may(rules, null, "other/t", "+")).toBe("");
    expect(may(acl("pattern t/%u"), "+", "t/other")).toBe("");
    expect(may(rules, null, "own", "#")).toBe("rw");
  });

  it("opens topics that begin with $ to filters that do only", () => {
    expect(may(acl("topic #"), null, "$SYS/x")).toBe("");
    expect(may(acl("topic $SYS/#"), null, "$SYS/x")).toBe("rw");
  });

  it("passes over comments, blanks and line ends of other systems", () => {
    const rules = acl("# rules\r", "", "  ", " user a b \r", " topic  read  x/ y \r");
    expect(may(rules, "a b", "x/ y")).toBe("r");
  });

  it("takes a word alone for a filter", () => {
    expect(may(acl("topic read"), null, "read")).toBe("rw");
    expect(may(acl("topic read a b"), null, "a b")).toBe("r");
  });

  it.each([
    ["foo x", `Error: Invalid line in acl_file "${PATH}": foo.`],
    ["TOPIC x", `Error: Invalid line in acl_file "${PATH}": TOPIC.`],
    ["topic\tx", `Error: Invalid line in acl_file "${PATH}": topic\tx.`],
    ["topic", `Error: Empty topic in acl_file "${PATH}".`],
    ["pattern", `Error: Empty topic in acl_file "${PATH}".`],
    ["user", `Error: Missing username in acl_file "${PATH}".`],
    ["topic foo x", `Error: Invalid topic access type "foo" in acl_file "${PATH}".`],
    ["topic a/#/b", `Error: Invalid ACL topic "a/#/b" in acl_file "${PATH}".`],
  ])("refuses %j in mosquitto's words, with its line", (line, message) => {
    expect(() => acl("topic ok", line)).toThrow(AclError);
    expect(() => acl("topic ok", line)).toThrow(expect.objectContaining({ line: 2, message }));
  });

  it("tells the rule that decides", () => {
    const rules = acl("user a", "topic read x/#", "topic deny x/1");
    const identity = { clientId: "c", username: "a", port: 1883 };
    expect(rules.deciding("read", identity, "x/1")).toMatchObject({
      line: 3,
      text: "topic deny x/1",
    });
    expect(rules.deciding("read", identity, "x/2")).toMatchObject({ line: 2 });
    expect(rules.deciding("write", identity, "x/2")).toBeUndefined();
  });
});
