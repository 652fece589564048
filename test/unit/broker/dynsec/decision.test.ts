/** What roles decide (mosquitto-2.1 e.1), as Debian's mosquitto answered where 2.1 is alike. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judge } from "../../../../src/broker/dynsec/decision.ts";
import {
  type AclType,
  Client,
  Directory,
  Group,
  Role,
} from "../../../../src/broker/dynsec/directory.ts";
import type { Verdict, Wish } from "../../../../src/broker/world.ts";

type Rule = readonly [type: AclType, topic: string, allow?: boolean, priority?: number];

function roleOf(name: string, ...rules: readonly Rule[]): Role {
  const role = new Role(name);
  for (const [type, topic, allow = true, priority = 0] of rules) {
    role.addAcl(type, { topic, allow, priority });
  }
  return role;
}

/** A directory with the client `u`, who has these roles, and no defaults. */
function directoryWith(...roles: readonly (readonly [role: Role, priority: number])[]) {
  const directory = new Directory();
  const client = new Client("u");
  directory.clients.add(client);
  for (const [role, priority] of roles) {
    directory.roles.add(role);
    client.roles.add(role, priority);
  }
  return { directory, client };
}

function asked(
  directory: Directory,
  wish: Wish,
  topic: string,
  { username = "u" as string | null, clientId = "CID" } = {},
): Verdict {
  return judge(directory, wish, { clientId, username, port: 1883 }, topic);
}

describe("the ACLs of a role", () => {
  it.each<readonly [filter: string, allowed: readonly string[], denied: readonly string[]]>([
    ["a/+", ["a/b", "a/+"], ["a/#", "a", "a/b/c", "+/b", "#"]],
    ["b/#", ["b", "b/#", "b/+", "b/+/#", "b/c/#"], ["#", "$share/g/b/x", "a"]],
    ["+/k", ["x/k", "+/k", "$x/k"], ["x/y", "#"]],
    ["#", ["x", "#", "$SYS/x", "$share/a/x"], []],
    ["c/%c/x", ["c/CID/x"], ["c/other/x", "c/+/x", "c/%c/x"]],
    ["cc/x%c/x", ["cc/x%c/x"], ["cc/xCID/x"]],
    ["u/%u/#", ["u/u", "u/u/#", "u/u/1"], ["u/#", "u/+"]],
  ])("cover with subscribePattern %s", (filter, allowed, denied) => {
    const { directory } = directoryWith([roleOf("r", ["subscribePattern", filter]), -1]);
    const verdict = (topic: string) => asked(directory, "subscribe", topic);
    expect(allowed.filter((topic) => verdict(topic) !== "allow")).toEqual([]);
    expect(denied.filter((topic) => verdict(topic) !== "defer")).toEqual([]);
    expect(asked(directory, "unsubscribe", allowed[0]!)).toBe("defer");
  });

  it("take a literal as it is written", () => {
    const role = roleOf("r", ["subscribeLiteral", "l/#"], ["unsubscribeLiteral", "l/%c", false]);
    const { directory } = directoryWith([role, -1]);
    const filters = ["l/#", "l/a", "l/+", "$share/g/l/#"];
    expect(filters.map((filter) => asked(directory, "subscribe", filter))).toEqual([
      "allow",
      "defer",
      "defer",
      "defer",
    ]);
    expect(asked(directory, "unsubscribe", "l/CID")).toBe("defer");
    expect(asked(directory, "unsubscribe", "l/%c")).toBe("deny");
  });

  it("match topics as subscriptions do", () => {
    const role = roleOf("r", ["publishClientSend", "s/+"], ["publishClientReceive", "#"]);
    const { directory } = directoryWith([role, -1]);
    expect(asked(directory, "write", "s/a")).toBe("allow");
    expect(asked(directory, "write", "s/a/b")).toBe("defer");
    expect(asked(directory, "read", "s/a/b")).toBe("allow");
    expect(asked(directory, "read", "$SYS/x")).toBe("defer");
  });

  it("are asked by priority", () => {
    const role = roleOf(
      "r",
      ["publishClientSend", "#", false, 1],
      ["publishClientSend", "a/#", true, 5],
      ["publishClientSend", "a/b", false, 5],
    );
    const { directory } = directoryWith([role, -1]);
    expect(asked(directory, "write", "a/b")).toBe("allow");
    expect(asked(directory, "write", "b")).toBe("deny");
  });

  it("do not match with an identifier or a name that holds a wildcard", () => {
    const { directory } = directoryWith([roleOf("r", ["publishClientSend", "x/%c"]), -1]);
    expect(asked(directory, "write", "x/CID")).toBe("allow");
    expect(asked(directory, "write", "x/y", { clientId: "+" })).toBe("defer");
  });
});

describe("roles, groups and defaults", () => {
  const allows = (name: string) => roleOf(name, ["publishClientSend", "#", true]);
  const denies = (name: string) => roleOf(name, ["publishClientSend", "#", false]);

  it("ask roles of higher priority first, and those of one priority by name", () => {
    expect(asked(directoryWith([denies("a"), 1], [allows("b"), 2]).directory, "write", "x")).toBe(
      "allow",
    );
    expect(asked(directoryWith([denies("b"), 1], [allows("a"), 1]).directory, "write", "x")).toBe(
      "allow",
    );
  });

  it("ask a client's own roles before those of any group", () => {
    const { directory, client } = directoryWith([denies("own"), -1]);
    const group = new Group("g");
    group.roles.add(allows("group"), 1000);
    directory.join(client, group, 1000);
    expect(asked(directory, "write", "x")).toBe("deny");
  });

  it("ask groups of higher priority first", () => {
    const { directory, client } = directoryWith();
    for (const [name, role, priority] of [
      ["g1", allows("r1"), 1],
      ["g2", denies("r2"), 2],
    ] as const) {
      const group = new Group(name);
      group.roles.add(role, -1);
      directory.join(client, group, priority);
    }
    expect(asked(directory, "write", "x")).toBe("deny");
  });

  it("give clients without a name the roles of the anonymous group", () => {
    const { directory } = directoryWith();
    expect(asked(directory, "write", "x", { username: null })).toBe("defer");
    directory.anonymousGroup = new Group("anonymous");
    directory.anonymousGroup.roles.add(allows("r"), -1);
    expect(asked(directory, "write", "x", { username: null })).toBe("allow");
  });

  it("leave those they do not know to others", () => {
    const { directory } = directoryWith();
    directory.defaultAccess.set("write", true);
    expect(asked(directory, "write", "x", { username: "somebody" })).toBe("defer");
  });

  it.each(["read", "write", "subscribe", "unsubscribe"] as const)(
    "go by the default for %s where no role decides, but never for $CONTROL",
    (wish) => {
      const { directory } = directoryWith();
      expect(asked(directory, wish, "x")).toBe("defer");
      directory.defaultAccess.set(wish, true);
      expect(asked(directory, wish, "x")).toBe("allow");
      expect(asked(directory, wish, "x", { username: null })).toBe("allow");
      expect(asked(directory, wish, "$CONTROL/dynamic-security/v1")).toBe("defer");
    },
  );

  it("do not let a share reach $CONTROL by default", () => {
    const { directory } = directoryWith();
    directory.defaultAccess.set("subscribe", true);
    expect(asked(directory, "subscribe", "$share/g/a")).toBe("allow");
    expect(asked(directory, "subscribe", "$share/g/$CONTROL/#")).toBe("defer");
  });

  it("deny every wildcard to holders of a role that does not allow them", () => {
    const strict = roleOf("strict", ["subscribePattern", "#"]);
    strict.allowWildcardSubs = false;
    const { directory } = directoryWith([strict, -1]);
    expect(asked(directory, "subscribe", "a/b")).toBe("allow");
    expect(asked(directory, "subscribe", "a/+")).toBe("deny");
    expect(asked(directory, "subscribe", "$share/g/a/#")).toBe("deny");
    expect(asked(directory, "unsubscribe", "a/+")).toBe("defer");
    expect(asked(directory, "read", "a/b")).toBe("defer");
  });
});

// The order of decisions against a model of it that is as plain as can be: everything that could
// decide in one list, sorted by how it ranks.

const level = fc.constantFrom("a", "b", "+", "%c");
const rule = fc.record({
  topic: fc.oneof(
    fc.array(level, { minLength: 1, maxLength: 2 }).map((levels) => levels.join("/")),
    fc.constant("#"),
    fc.constant("a/#"),
  ),
  allow: fc.boolean(),
  priority: fc.integer({ min: -2, max: 2 }),
});
const ranked = <T>(of: fc.Arbitrary<T>) =>
  fc.record({ of, priority: fc.integer({ min: -1, max: 1 }) });
const roles = fc.array(ranked(fc.array(rule, { maxLength: 4 })), { maxLength: 3 });

describe("the order of decisions", () => {
  it("is that of a plain model", () => {
    fc.assert(
      fc.property(
        roles,
        fc.array(ranked(roles), { maxLength: 3 }),
        fc.constantFrom("a", "a/b", "b/c", "c", "a/b/a"),
        fc.boolean(),
        (own, groups, topic, byDefault) => {
          const { directory, client } = directoryWith();
          const add = (to: { roles: Client["roles"] }, all: typeof own) => {
            for (const [i, { of, priority }] of all.entries()) {
              const rules = of.map(
                (it): Rule => ["publishClientSend", it.topic, it.allow, it.priority],
              );
              to.roles.add(roleOf(`r${i}`, ...rules), priority);
            }
          };
          add(client, own);
          for (const [i, { of, priority }] of groups.entries()) {
            const group = new Group(`g${i}`);
            add(group, of);
            directory.join(client, group, priority);
          }
          directory.defaultAccess.set("write", byDefault);
          const candidates = [
            ...inOrder(own),
            ...[...groups]
              .sort((one, other) => other.priority - one.priority)
              .flatMap(({ of }) => inOrder(of)),
          ];
          const decides = candidates.find((it) => matches(it.topic, topic));
          const wanted = decides === undefined ? (byDefault ? "allow" : "defer") : undefined;
          expect(asked(directory, "write", topic, { clientId: "c" })).toBe(
            wanted ?? (decides!.allow ? "allow" : "deny"),
          );
        },
      ),
    );
  });
});

interface Rules {
  readonly topic: string;
  readonly allow: boolean;
  readonly priority: number;
}

/** Rules in the order in which they are asked: sorting keeps those of one priority in theirs. */
function inOrder(all: readonly { of: readonly Rules[]; priority: number }[]): Rules[] {
  const sorted = [...all].sort((one, other) => other.priority - one.priority);
  return sorted.flatMap(({ of }) => [...of].sort((one, other) => other.priority - one.priority));
}

function matches(filter: string, topic: string): boolean {
  const pattern = filter
    .replace(/%c/g, "c")
    .replace(/\+/g, "[^/]*")
    .replace(/^#$/, ".*")
    .replace(/\/#$/, "(/.*)?");
  return new RegExp(`^${pattern}$`).test(topic);
}
