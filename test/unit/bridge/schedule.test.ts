import { describe, expect, it } from "vitest";
import { Schedule } from "../../../src/bridge/schedule.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { seeds } from "../../support/seeds.ts";

const LOWEST = () => 0;
const MIDDLE = () => 0.5;
const HIGHEST = () => 1 - Number.EPSILON;

describe("Schedule, delays", () => {
  it("are the same each time where there is no cap", () => {
    const schedule = new Schedule({ base: 7, cap: undefined, stable: 0 }, 1, HIGHEST);
    const delays = Array.from({ length: 5 }, () => schedule.onOver(0));
    expect(delays).toEqual([7_000, 7_000, 7_000, 7_000, 7_000]);
  });

  it("grow from the base to the cap, and stay there", () => {
    const schedule = new Schedule({ base: 5, cap: 30, stable: 0 }, 1, MIDDLE);
    const delays = Array.from({ length: 6 }, () => schedule.onOver(0));
    expect(delays).toEqual([10_000, 17_500, 28_750, 30_000, 30_000, 30_000]);
  });

  it("are the base while chance says so", () => {
    const schedule = new Schedule({ base: 5, cap: 30, stable: 0 }, 1, LOWEST);
    expect([schedule.onOver(0), schedule.onOver(0)]).toEqual([5_000, 5_000]);
  });

  it("are never shorter than the base, also where the cap is", () => {
    const schedule = new Schedule({ base: 10, cap: 10, stable: 0 }, 1, MIDDLE);
    expect([schedule.onOver(0), schedule.onOver(0)]).toEqual([10_000, 10_000]);
  });

  it.each(seeds())(
    "lie between the base and the cap, and below three of the last, seed %i",
    (n) => {
      const prng = new Prng(n);
      const [base, cap] = [prng.between(1, 10), prng.between(10, 100)];
      const fraction = () => prng.between(0, 999_999) / 1_000_000;
      const schedule = new Schedule({ base, cap, stable: 0 }, 1, fraction);
      let last = base * 1_000;
      for (let i = 0; i < 50; i++) {
        const delay = schedule.onOver(0);
        expect(delay).toBeGreaterThanOrEqual(base * 1_000);
        expect(delay).toBeLessThanOrEqual(Math.min(cap * 1_000, last * 3));
        last = delay;
      }
    },
  );

  it("start over with any connection where none has to hold", () => {
    const schedule = new Schedule({ base: 5, cap: 30, stable: 0 }, 1, MIDDLE);
    for (let i = 0; i < 4; i++) schedule.onOver(0);
    schedule.onOpen(1_000);
    expect(schedule.onOver(1_000)).toBe(10_000);
  });

  it("start over with one that has held long enough", () => {
    const schedule = new Schedule({ base: 5, cap: 30, stable: 20 }, 1, MIDDLE);
    for (let i = 0; i < 4; i++) schedule.onOver(0);
    schedule.onOpen(1_000);
    expect(schedule.onOver(20_999), "a millisecond too early").toBe(30_000);
    schedule.onOpen(30_000);
    expect(schedule.onOver(50_000)).toBe(10_000);
  });

  it("do not take an old connection for one that held", () => {
    const schedule = new Schedule({ base: 5, cap: 30, stable: 20 }, 1, MIDDLE);
    schedule.onOpen(0);
    const delays = [schedule.onOver(1_000), schedule.onOver(2_000), schedule.onOver(100_000)];
    expect(delays).toEqual([10_000, 17_500, 28_750]);
  });
});

describe("Schedule, addresses", () => {
  it("come one after another, and again from the first", () => {
    const schedule = new Schedule({ base: 1, cap: undefined, stable: 0 }, 3, MIDDLE);
    const order = Array.from({ length: 5 }, () => {
      const { address } = schedule;
      schedule.onOver(0);
      return address;
    });
    expect(order).toEqual([0, 1, 2, 0, 1]);
  });

  it("stay where they are while a connection stands", () => {
    const schedule = new Schedule({ base: 1, cap: undefined, stable: 0 }, 3, MIDDLE);
    schedule.onOver(0);
    schedule.onOpen(0);
    expect(schedule.address).toBe(1);
  });

  it("begin with the first again when it is back", () => {
    const schedule = new Schedule({ base: 1, cap: undefined, stable: 0 }, 3, MIDDLE);
    schedule.onOver(0);
    schedule.onOver(0);
    schedule.returnToFirst();
    expect(schedule.address).toBe(0);
  });

  it("do not take the connection before for a long one of the first", () => {
    const schedule = new Schedule({ base: 5, cap: 30, stable: 20 }, 2, MIDDLE);
    for (let i = 0; i < 5; i++) schedule.onOver(0);
    schedule.onOpen(0);
    schedule.returnToFirst();
    expect(schedule.onOver(60_000)).toBe(30_000);
  });

  it("counts failures in a row", () => {
    const schedule = new Schedule({ base: 1, cap: undefined, stable: 0 }, 3, MIDDLE);
    schedule.onOver(0);
    schedule.onOver(0);
    expect(schedule.failureCount).toBe(2);
    schedule.onOpen(0);
    expect(schedule.failureCount).toBe(0);
  });
});
