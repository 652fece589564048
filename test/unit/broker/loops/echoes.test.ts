import { describe, expect, it } from "vitest";
import { Echoes } from "../../../../src/broker/loops/echoes.ts";

const LIMITS = { loopTopicsMax: 10, loopEchoesMax: 100, loopMemoryMs: 60_000 };

/** Echoes of `t` by way of `out`, which take 50 milliseconds, and what was forgotten. */
function known(limits: Partial<typeof LIMITS> = {}) {
  const forgotten: string[] = [];
  const echoes = new Echoes<string>({ ...LIMITS, ...limits }, (topic, feeder, why) =>
    forgotten.push(`${topic} by ${feeder}: ${why}`),
  );
  echoes.know("t", "out", 50, 0);
  return { echoes, forgotten };
}

describe("Echoes", () => {
  it("take what went out when it comes back, as often as it went out", () => {
    const { echoes } = known();
    echoes.expect("t", "out", 7, 0);
    echoes.expect("t", "out", 7, 10);
    expect([40, 60, 61].map((now) => echoes.take(7, false, now))).toEqual([true, true, false]);
    expect(echoes.take(8, false, 61)).toBe(false);
  });

  it("expect nothing that goes out on other topics, or by other bridges", () => {
    const { echoes } = known();
    echoes.expect("u", "out", 7, 0);
    echoes.expect("t", "other", 7, 0);
    expect(echoes.expectedCount).toBe(0);
    expect(echoes.take(7, false, 1)).toBe(false);
  });

  it("wait twice as long as the way takes, and a little", () => {
    const { echoes } = known();
    expect(echoes.patienceMs).toBe(200);
    echoes.expect("t", "out", 7, 0);
    expect(echoes.take(7, false, 200)).toBe(false);
    echoes.expect("t", "out", 7, 300);
    expect(echoes.take(7, false, 499)).toBe(true);
    expect(echoes.patienceMs).toBe(2 * 199 + 100);
  });

  it("let one through for each that is published, however like the others", () => {
    const { echoes } = known();
    let through = 0;
    const arrive = (now: number) => {
      if (echoes.take(7, false, now)) return;
      through++;
      echoes.expect("t", "out", 7, now);
    };
    const arrivals: number[] = [];
    // Every 20 milliseconds one of its own accord, and 50 later its echo: of those that went on.
    for (let i = 0; i < 500; i++) arrivals.push(i * 20);
    for (let i = 0; i < 500; i++) arrivals.push(i * 20 + 50);
    for (const now of arrivals.sort((a, b) => a - b)) arrive(now);
    expect(through).toBe(500);
  });

  it("are given up when eight in a row have not come back", () => {
    const { echoes, forgotten } = known();
    for (let i = 0; i < 8; i++) echoes.expect("t", "out", i, i * 1000);
    expect(forgotten).toEqual([]);
    echoes.expect("t", "out", 8, 8000);
    expect(forgotten).toEqual(["t by out: gone"]);
    expect(echoes.take(8, false, 8001)).toBe(false);
    expect(echoes.lagOf("t")).toBe(0);
  });

  it("are kept while some come back", () => {
    const { echoes, forgotten } = known();
    for (let i = 0; i < 40; i++) {
      echoes.expect("t", "out", i, i * 1000);
      if (i % 7 === 0) expect(echoes.take(i, false, i * 1000 + 50)).toBe(true);
    }
    expect(forgotten).toEqual([]);
  });

  it("are forgotten without a proof, and kept by echoes of what is new", () => {
    const { echoes, forgotten } = known();
    const round = (now: number, isNews: boolean) => {
      echoes.expect("t", "out", 7, now);
      expect(echoes.take(7, isNews, now + 50)).toBe(true);
    };
    round(50_000, true);
    round(100_000, false);
    expect(forgotten).toEqual([]);
    echoes.expect("t", "out", 7, 110_051);
    expect(forgotten).toEqual(["t by out: old"]);
  });

  it("take no more than they expect: the oldest is let go at the limit", () => {
    const { echoes } = known({ loopEchoesMax: 3 });
    for (let i = 0; i < 4; i++) echoes.expect("t", "out", i, 0);
    expect(echoes.expectedCount).toBe(3);
    expect([0, 1, 2, 3].map((i) => echoes.take(i, false, 1))).toEqual([false, true, true, true]);
  });

  it("know so many topics: the oldest is forgotten at the limit", () => {
    const { echoes, forgotten } = known({ loopTopicsMax: 2 });
    echoes.know("u", "out", 5, 1);
    echoes.know("v", "out", 5, 2);
    expect(forgotten).toEqual(["t by out: old"]);
    expect(echoes.topicCount).toBe(2);
  });

  it("forget a bridge that is gone, and what came back by it alone", () => {
    const { echoes, forgotten } = known();
    echoes.know("t", "second", 5, 1);
    echoes.know("u", "out", 5, 1);
    echoes.dropFeeder("out");
    expect(forgotten).toEqual(["t by out: old", "u by out: old"]);
    expect(echoes.hasFeeder("out")).toBe(false);
    expect(echoes.hasFeeder("second")).toBe(true);
    expect(echoes.lagOf("u")).toBe(0);
  });
});
