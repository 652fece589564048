import { expect, it } from "vitest";
import { noEntries, put } from "../../../../src/core/base/late-map.ts";

it("is each owner's own from its first entry on", () => {
  let one = noEntries<number, string>();
  const other = noEntries<number, string>();
  one = put(one, 1, "a");
  one = put(one, 2, "b");
  expect([...one]).toEqual([
    [1, "a"],
    [2, "b"],
  ]);
  expect(other.size).toBe(0);
  expect(noEntries<number, string>().get(1)).toBeUndefined();
});

it("is the same map after the first entry, however often it is emptied", () => {
  const one = put(noEntries<number, string>(), 1, "a");
  one.delete(1);
  expect(put(one, 2, "b")).toBe(one);
});
