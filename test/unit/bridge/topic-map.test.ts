import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TopicLine, TopicMap } from "../../../src/bridge/topic-map.ts";
import { heapBytesTaken } from "../../support/heap.ts";
import { seed } from "../../support/seeds.ts";

describe("TopicMap", () => {
  it("takes the prefix of one side off and puts the other's in its place", () => {
    const map = new TopicMap([line("here/sensors/#", "here/", "there/")]);
    expect(mapped(map, "here/sensors/1")).toBe("there/sensors/1 (meant)");
    expect(mapped(map, "here/sensors")).toBe("there/sensors (meant)");
    expect(mapped(map, "here/other")).toBe("here/other (not meant)");
  });

  it("puts a prefix before topics that have none, and takes one off for good", () => {
    expect(mapped(new TopicMap([line("#", "", "there/")]), "a/b")).toBe("there/a/b (meant)");
    expect(mapped(new TopicMap([line("here/#", "here/", "")]), "here/a")).toBe("a (meant)");
  });

  it("leaves a topic as it is where both prefixes are the same", () => {
    const map = new TopicMap([line("p/#", "p/", "p/"), line("q/#", "", "")]);
    expect(map.isPlain).toBe(true);
    const known = map.map(Buffer.from("p/a"), 0, 3);
    expect(known).toMatchObject({ isMeant: true, isChanged: false });
    expect(known.to).toBe(known.from);
  });

  it("is not plain once a line changes anything", () => {
    expect(new TopicMap([line("a", "", ""), line("b", "", "x/")]).isPlain).toBe(false);
    expect(new TopicMap([]).isPlain).toBe(true);
  });

  it("goes by the first line that has the topic, as mosquitto does", () => {
    const map = new TopicMap([line("z/1", "", "one/"), line("z/#", "", "all/")]);
    expect(mapped(map, "z/1")).toBe("one/z/1 (meant)");
    expect(mapped(map, "z/2")).toBe("all/z/2 (meant)");
    const other = new TopicMap([line("z/#", "", "all/"), line("z/1", "", "one/")]);
    expect(mapped(other, "z/1")).toBe("all/z/1 (meant)");
  });

  it("names one topic where the pattern is empty", () => {
    const map = new TopicMap([line("here/one", "here/one", "there/two")]);
    expect(mapped(map, "here/one")).toBe("there/two (meant)");
    expect(mapped(map, "here/one/more")).toBe("here/one/more (not meant)");
  });

  it("has what a wildcard at the first level does not match pass unmeant", () => {
    const map = new TopicMap([line("#", "", "x/")]);
    expect(mapped(map, "$SYS/broker/uptime")).toBe("$SYS/broker/uptime (not meant)");
  });

  // `r/#` has `r` as well, which does not begin with `r/`.
  it("puts the prefix before the topic just above the filter, as mosquitto does", () => {
    expect(mapped(new TopicMap([line("r/#", "r/", "l/")]), "r")).toBe("l/r (meant)");
  });

  it("has no name for what its line would make no topic name of", () => {
    const map = new TopicMap([line("#", "", `${"y".repeat(1_000)}/`)]);
    expect(mapped(map, "a")).toMatch(/y\/a \(meant\)$/);
    expect(mapped(map, "x".repeat(65_000))).toBe(" (not meant)");
    const deep = new TopicMap([line("#", "", "a/b/c/")]);
    expect(mapped(deep, "/".repeat(197))).toBe(`a/b/c/${"/".repeat(197)} (meant)`);
    expect(mapped(deep, "/".repeat(198))).toBe(" (not meant)");
  });

  it("keeps letters of any width whole", () => {
    const map = new TopicMap([line("ä/€/#", "ä/", "😀/")]);
    expect(mapped(map, "ä/€/ß")).toBe("😀/€/ß (meant)");
  });

  it("takes no topic for another that differs only in what is no UTF-8", () => {
    const map = new TopicMap([line("a/#", "a/", "b/")]);
    const one = Buffer.from([0x61, 0x2f, 0xff]);
    const other = Buffer.from([0x61, 0x2f, 0xfe]);
    expect(map.map(one, 0, 3).from).toEqual(one);
    expect(map.map(other, 0, 3).from).toEqual(other);
  });

  it("finds the topic wherever it stands, and keeps no hold of those bytes", () => {
    const map = new TopicMap([line("a/#", "a/", "b/")]);
    const bytes = Buffer.from("xxa/onexx");
    expect(map.map(bytes, 2, 7).to.toString()).toBe("b/one");
    bytes.fill(0x7a);
    expect(mapped(map, "a/one")).toBe("b/one (meant)");
    expect(map.map(Buffer.from("a/one"), 0, 5).from.toString()).toBe("a/one");
  });

  it("remembers what it has worked out", () => {
    const map = new TopicMap([line("a/#", "a/", "b/")]);
    const first = map.map(Buffer.from("a/1"), 0, 3);
    map.map(Buffer.from("a/2"), 0, 3);
    expect(map.map(Buffer.from("a/1"), 0, 3)).toBe(first);
  });

  it("remembers no more topics than it may, and is right beyond", () => {
    const map = new TopicMap([line("a/#", "a/", "b/")], 3);
    const first = map.map(Buffer.from("a/0"), 0, 3);
    for (let i = 0; i < 10; i++) expect(mapped(map, `a/${i}`)).toBe(`b/${i} (meant)`);
    expect(map.map(Buffer.from("a/0"), 0, 3), "forgotten meanwhile").not.toBe(first);
  });

  it("works long topics out anew each time, of which few would take much memory", () => {
    const map = new TopicMap([line("a/#", "a/", "b/")]);
    const [usual, long] = ["x".repeat(998), "x".repeat(999)].map((text) =>
      Buffer.from(`a/${text}`),
    );
    const other = Buffer.from("a/other");
    const [knowsUsual, knowsLong] = [usual!, long!].map((topic) => {
      const first = map.map(topic, 0, topic.length);
      map.map(other, 0, other.length);
      return map.map(topic, 0, topic.length) === first;
    });
    expect([knowsUsual, knowsLong]).toEqual([true, false]);
  });

  it("takes no memory for the topic of the message before", () => {
    const map = new TopicMap([line("a/#", "a/", "b/")]);
    const topic = Buffer.from("a/1");
    const taken = heapBytesTaken(5_000, () => {
      for (let i = 0; i < 1_000; i++) map.map(topic, 0, topic.length);
    });
    expect(taken).toBeLessThanOrEqual(5_000);
  });

  it("comes back to the topic it started from by the lines of the other way", () => {
    const level = fc.string({ unit: fc.constantFrom("a", "b", "ü", "/"), maxLength: 8 });
    const prefix = fc.constantFrom("", "here/", "x/y/");
    fc.assert(
      fc.property(level, prefix, prefix, (rest, here, there) => {
        const topic = `${here}t/${rest}`;
        const out = new TopicMap([line(`${here}t/#`, here, there)]);
        const back = new TopicMap([line(`${there}t/#`, there, here)]);
        const { to, isMeant } = out.map(Buffer.from(topic), 0, Buffer.byteLength(topic));
        expect(isMeant).toBe(true);
        expect(to.toString()).toBe(`${there}t/${rest}`);
        expect(back.map(to, 0, to.length).to.toString()).toBe(topic);
      }),
      { seed: seed() },
    );
  });
});

function line(filter: string, prefixFrom: string, prefixTo: string): TopicLine {
  return { filter, prefixFrom, prefixTo, qos: 0 };
}

function mapped(map: TopicMap, topic: string): string {
  const bytes = Buffer.from(topic);
  const { from, to, isMeant, isChanged } = map.map(bytes, 0, bytes.length);
  expect(from.equals(bytes)).toBe(true);
  expect(isChanged).toBe(!to.equals(from));
  return `${to} (${isMeant ? "meant" : "not meant"})`;
}
