import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Share } from "../../../../src/core/topic/share.ts";

describe("Share", () => {
  it("has nobody's turn while it has no members", () => {
    const share = new Share<string>("g");
    expect([share.name, share.size, share.take()]).toEqual(["g", 0, undefined]);
  });

  it("goes round its members in the order they came", () => {
    expect(turns(shared("a", "b", "c"), 7)).toBe("abcabca");
  });

  it("takes a new member in at the end of the round", () => {
    const share = shared("a", "b");
    share.take();
    share.put("c", undefined);
    expect(turns(share, 4)).toBe("bcab");
  });

  it("puts a member in the place of its former self, with its turn", () => {
    const share = shared("a", "b", "c");
    share.take();
    share.put("B", "b");
    expect(share.values()).toEqual(["a", "B", "c"]);
    expect(turns(share, 3)).toBe("Bca");
    share.put("d", "gone");
    expect(share.values()).toEqual(["a", "B", "c", "d"]);
  });

  it("skips nobody when another leaves", () => {
    for (const [leaver, next] of [
      ["a", "bcdb"],
      ["b", "cdac"],
      ["c", "bdab"],
      ["d", "bcab"],
    ] as const) {
      const share = shared("a", "b", "c", "d");
      share.take();
      share.remove(leaver);
      expect(turns(share, 4), `${leaver} left`).toBe(next);
    }
  });

  it("begins again when the last in turn leaves, and when all have left", () => {
    const share = shared("a", "b");
    share.take();
    share.remove("b");
    share.remove("b");
    expect(turns(share, 2)).toBe("aa");
    share.remove("a");
    expect([share.size, share.take()]).toEqual([0, undefined]);
    share.put("c", undefined);
    expect(turns(share, 2)).toBe("cc");
  });

  it("keeps order and turn as a list does, whoever comes and leaves", () => {
    const step = fc.record({ who: fc.nat(40), does: fc.constantFrom("come", "leave", "take") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const share = new Share<number>("g");
        const list: number[] = [];
        let next = 0;
        for (const { who, does } of steps) {
          const place = list.indexOf(who);
          if (does === "come" && place < 0) {
            share.put(who, undefined);
            list.push(who);
          } else if (does === "leave") {
            share.remove(who);
            if (place >= 0) list.splice(place, 1);
            if (place >= 0 && place < next) next--;
          } else if (does === "take" && list.length === 0) {
            expect(share.take()).toBeUndefined();
          } else if (does === "take") {
            if (next >= list.length) next = 0;
            expect(share.take()).toBe(list[next++]);
          }
          expect(share.size).toBe(list.length);
        }
        expect(share.values()).toEqual(list);
      }),
    );
  });

  it("gives up the places of those who left", () => {
    const share = new Share<number>("s");
    for (let member = 0; member < 1_000; member++) share.put(member, undefined);
    for (let member = 0; member < 990; member++) share.remove(member);
    const { places } = share as unknown as { places: unknown[] };
    expect(places.length).toBeLessThan(30);
    expect(Array.from({ length: 11 }, () => share.take())).toEqual([
      990, 991, 992, 993, 994, 995, 996, 997, 998, 999, 990,
    ]);
  });
});

function shared(...members: string[]): Share<string> {
  const share = new Share<string>("g");
  for (const member of members) share.put(member, undefined);
  return share;
}

function turns(share: Share<string>, count: number): string {
  return Array.from({ length: count }, () => share.take()).join("");
}
