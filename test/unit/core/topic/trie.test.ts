import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterMatches } from "../../../../src/core/topic/filter.ts";
import { TopicTrie } from "../../../../src/core/topic/trie.ts";

describe("TopicTrie", () => {
  it("holds one value for each path", () => {
    const trie = holding("a", "a/b", "/", "");
    expect(["a", "a/b", "/", ""].map((path) => trie.get(path))).toEqual(["a", "a/b", "/", ""]);
    expect([trie.get("b"), trie.get("a/"), trie.get("a/b/c"), trie.size]).toEqual([
      undefined,
      undefined,
      undefined,
      4,
    ]);
    trie.set("a", "other");
    expect([trie.get("a"), trie.size]).toEqual(["other", 4]);
  });

  it("takes a value out once, and leaves its neighbours", () => {
    const trie = holding("a", "a/b", "a/b/c", "a/d");
    expect(trie.delete("a/b")).toBe("a/b");
    expect(trie.delete("a/b")).toBeUndefined();
    expect(trie.delete("x/y")).toBeUndefined();
    expect(paths(trie)).toEqual(["a", "a/b/c", "a/d"]);
    expect(trie.size).toBe(3);
  });

  it("visits every value with its path", () => {
    const trie = holding("a/b", "/a", "a", "//");
    const seen: [string, string][] = [];
    trie.forEach((value, path) => void seen.push([value, path]));
    expect(seen.map(([value, path]) => value === path)).toEqual([true, true, true, true]);
    expect(paths(trie)).toEqual(["//", "/a", "a", "a/b"]);
  });

  it("keeps no branch that leads nowhere", () => {
    const trie = holding("a/b/c/d", "a/b", "a/x");
    const empty = size(new TopicTrie<string>());
    trie.delete("a/b/c/d");
    expect(size(trie)).toBe(size(holding("a/b", "a/x")));
    trie.delete("a/x");
    trie.delete("a/b");
    expect(size(trie)).toBe(empty);
  });
});

describe("TopicTrie, filters by name", () => {
  it("visits exact levels before +, and + before #", () => {
    const filters = ["#", "+/+", "a/#", "+/b", "a/+", "a/b", "+/#", "a/b/#"];
    expect(matchName(holding(...filters), "a/b")).toEqual([
      "a/b",
      "a/b/#",
      "a/+",
      "a/#",
      "+/b",
      "+/+",
      "+/#",
      "#",
    ]);
  });

  it("matches the level before # itself, and levels of no characters", () => {
    expect(matchName(holding("a/#", "a", "a/+", "+/a"), "a")).toEqual(["a", "a/#"]);
    expect(matchName(holding("+/+", "/+", "+/", "/", "+", "/#"), "/")).toEqual([
      "/",
      "/+",
      "/#",
      "+/",
      "+/+",
    ]);
  });

  it("gives names that begin with $ to no wildcard in the first level [MQTT5-4.7.2-1]", () => {
    const trie = holding("#", "+", "+/a", "$SYS/#", "$SYS/+", "$SYS/a", "$SYS/+/#");
    expect(matchName(trie, "$SYS/a")).toEqual(["$SYS/a", "$SYS/+", "$SYS/+/#", "$SYS/#"]);
    expect(matchName(trie, "$SYS")).toEqual(["$SYS/#"]);
    expect(matchName(trie, "$")).toEqual([]);
    expect(matchName(holding("a/+", "#"), "a/$x")).toEqual(["a/+", "#"]);
  });
});

describe("TopicTrie, names by filter", () => {
  it("finds what the filter matches, in the order it came level by level", () => {
    const trie = holding("a/b", "a", "b", "a/c/d", "$x", "/", "a/$y");
    expect(matchFilter(trie, "#")).toEqual(["a", "a/b", "a/c/d", "a/$y", "b", "/"]);
    expect(matchFilter(trie, "a/#")).toEqual(["a/b", "a/c/d", "a/$y", "a"]);
    expect(matchFilter(trie, "+")).toEqual(["a", "b"]);
    expect(matchFilter(trie, "+/+")).toEqual(["a/b", "a/$y", "/"]);
    expect(matchFilter(trie, "a/b")).toEqual(["a/b"]);
    expect(matchFilter(trie, "a/b/#")).toEqual(["a/b"]);
    expect(matchFilter(trie, "$x/#")).toEqual(["$x"]);
    expect(matchFilter(trie, "none/+")).toEqual([]);
  });
});

describe("TopicTrie beside a matcher of one filter and one name", () => {
  const level = fc.constantFrom("", "a", "b", "$c", "dd");
  const nameOf = (levels: string[]) => levels.join("/");
  const name = fc.array(level, { minLength: 1, maxLength: 4 }).map(nameOf);
  const filter = fc
    .tuple(
      fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 4 }),
      fc.option(fc.constant("#"), { nil: undefined }),
    )
    .filter(([levels, rest]) => levels.length > 0 || rest !== undefined)
    .map(([levels, rest]) => nameOf(rest === undefined ? levels : [...levels, rest]));
  const many = { maxLength: 40 };

  it("finds the same filters for a name, in the order exact, +, #", () => {
    fc.assert(
      fc.property(fc.array(filter, many), fc.array(filter, many), name, (put, taken, topic) => {
        const trie = holding(...put);
        for (const path of taken) trie.delete(path);
        const left = [...new Set(put)].filter((path) => !taken.includes(path));
        const wanted = left.filter((one) => filterMatches(one, topic)).sort(byRank);
        expect(matchName(trie, topic)).toEqual(wanted);
        expect([trie.size, paths(trie)]).toEqual([left.length, paths(holding(...left))]);
        expect(size(trie)).toBe(size(holding(...left)));
      }),
      { seed: 16, numRuns: 3000 },
    );
  });

  it("finds the same names for a filter", () => {
    fc.assert(
      fc.property(fc.array(name, many), fc.array(name, many), filter, (put, taken, wildcard) => {
        const trie = holding(...put);
        for (const path of taken) trie.delete(path);
        const left = [...new Set(put)].filter((path) => !taken.includes(path));
        const wanted = left.filter((one) => filterMatches(wildcard, one));
        expect(matchFilter(trie, wildcard).sort()).toEqual(wanted.sort());
      }),
      { seed: 17, numRuns: 3000 },
    );
  });
});

/** Filters that match one name: level by level, the end first, then the name, `+`, `#`. */
function byRank(one: string, other: string): number {
  const [a, b] = [one.split("/"), other.split("/")];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = rank(a[i]) - rank(b[i]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function rank(level: string | undefined): number {
  if (level === undefined) return 0;
  return level === "#" ? 3 : level === "+" ? 2 : 1;
}

/** A trie where each path's value is the path. */
function holding(...all: string[]): TopicTrie<string> {
  const trie = new TopicTrie<string>();
  for (const path of all) trie.set(path, path);
  return trie;
}

function paths(trie: TopicTrie<string>): string[] {
  const all: string[] = [];
  trie.forEach((_, path) => void all.push(path));
  return all.sort();
}

function matchName(trie: TopicTrie<string>, name: string): string[] {
  const found: string[] = [];
  trie.matchName(name, (value) => found.push(value));
  return found;
}

function matchFilter(trie: TopicTrie<string>, filter: string): string[] {
  const found: string[] = [];
  trie.matchFilter(filter, (value) => found.push(value));
  return found;
}

/** How many maps and nodes the trie is made of: what a branch that leads nowhere would add to. */
function size(part: unknown): number {
  if (part instanceof Map) return 1 + [...part.values()].reduce((sum, one) => sum + size(one), 0);
  if (typeof part !== "object" || part === null) return 0;
  return 1 + Object.values(part).reduce((sum: number, one) => sum + size(one), 0);
}
