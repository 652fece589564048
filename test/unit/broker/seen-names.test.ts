import { describe, expect, it } from "vitest";
import { SeenNames } from "../../../src/broker/seen-names.ts";

describe("SeenNames", () => {
  it("knows what it has seen, and of what it has not takes one in ten for known at worst", () => {
    const seen = new SeenNames();
    const names = Array.from({ length: 100_000 }, (_, i) => `plant/${i % 7}/sensor/${i}`);
    const mistaken = names.filter((name) => seen.again(name)).length;
    expect(mistaken).toBeLessThan(names.length / 10);
    const fresh = names.slice(0, 10_000).map((name) => `${name}/x`);
    expect(fresh.filter((name) => seen.again(name)).length).toBeLessThan(fresh.length / 8);
  });

  it("forgets when it has seen very many, so that it never takes all for known", () => {
    const seen = new SeenNames();
    expect([seen.again("a"), seen.again("a")]).toEqual([false, true]);
    for (let i = 0; i < 110_000; i++) seen.again(`${i}`);
    expect([seen.again("a"), seen.again("a")]).toEqual([false, true]);
  });

  it("tells long names apart by how they end", () => {
    const seen = new SeenNames();
    const long = "level/".repeat(10_000);
    expect([seen.again(`${long}a`), seen.again(`${long}b`), seen.again(`${long}a`)]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
