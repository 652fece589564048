import { describe, expect, it } from "vitest";
import { type Deadline, Deadlines } from "../../../../src/core/base/deadlines.ts";
import { Prng } from "../../../../src/core/base/prng.ts";
import { seeds } from "../../../support/seeds.ts";

describe("Deadlines", () => {
  it("knows when the next one is due, and that none is", () => {
    const { deadlines, deadline } = table();
    expect(deadlines.next).toBe(Number.POSITIVE_INFINITY);
    deadlines.set(deadline("a"), 20);
    deadlines.set(deadline("b"), 10);
    expect(deadlines.next).toBe(10);
    expect(deadlines.size).toBe(2);
  });

  it("calls what is due, the earliest first, and nothing before its time", () => {
    const { deadlines, deadline, called } = table();
    for (const at of [30, 10, 20, 40]) deadlines.set(deadline(`${at}`), at);
    deadlines.onTick(9);
    expect(called).toEqual([]);
    deadlines.onTick(30);
    expect(called).toEqual(["10 at 30", "20 at 30", "30 at 30"]);
    expect(deadlines.next).toBe(40);
    deadlines.onTick(30);
    expect(called).toHaveLength(3);
  });

  it("moves one that waits, earlier and later", () => {
    const { deadlines, deadline, called } = table();
    const [a, b] = [deadline("a"), deadline("b")];
    deadlines.set(a, 10);
    deadlines.set(b, 20);
    deadlines.set(a, 30);
    expect([deadlines.next, deadlines.size]).toEqual([20, 2]);
    deadlines.set(a, 5);
    deadlines.onTick(7);
    expect(called).toEqual(["a at 7"]);
  });

  it("does not call what was cancelled, and takes it again", () => {
    const { deadlines, deadline, called } = table();
    const a = deadline("a");
    deadlines.set(a, 10);
    deadlines.cancel(a);
    deadlines.cancel(a);
    deadlines.onTick(10);
    expect(called).toEqual([]);
    expect(a.place).toBe(-1);
    deadlines.set(a, 20);
    deadlines.onTick(20);
    expect(called).toEqual(["a at 20"]);
  });

  it("lets what is called set itself anew, or cancel another that is due", () => {
    const { deadlines, deadline, called } = table();
    const b = deadline("b");
    const a = deadline("a", () => {
      deadlines.cancel(b);
      if (called.length < 3) deadlines.set(a, 10 + called.length);
    });
    deadlines.set(a, 10);
    deadlines.set(b, 11);
    deadlines.onTick(11);
    expect(called).toEqual(["a at 11", "a at 11"]);
    expect(deadlines.next).toBe(12);
  });
});

describe.each(seeds())("Deadlines beside a sorted list, seed %i", (seed) => {
  it("call the same at every tick", () => {
    const prng = new Prng(seed);
    const deadlines = new Deadlines();
    const model = new Map<Deadline, number>();
    const all = Array.from({ length: 40 }, () => {
      const one: Deadline = {
        at: 0,
        place: -1,
        onDeadline: (now) => {
          expect(model.get(one), "due").toBeLessThanOrEqual(now);
          expect(Math.min(...model.values()), "the earliest").toBe(model.get(one));
          model.delete(one);
        },
      };
      return one;
    });
    for (let now = 0; now < 1500; now++) {
      const one = prng.pick(all);
      if (prng.chance(0.25)) {
        deadlines.cancel(one);
        model.delete(one);
      } else {
        const at = now + prng.between(0, 60);
        deadlines.set(one, at);
        model.set(one, at);
      }
      if (prng.chance(0.2)) deadlines.onTick(now);
      expect(deadlines.size).toBe(model.size);
      expect(deadlines.next).toBe(Math.min(...model.values()));
    }
    deadlines.onTick(2000);
    expect(model.size).toBe(0);
    expect(deadlines.size).toBe(0);
  });
});

/** A table, and deadlines that say when they were called. */
function table() {
  const called: string[] = [];
  const deadline = (name: string, then = () => {}): Deadline => ({
    at: 0,
    place: -1,
    onDeadline: (now) => {
      called.push(`${name} at ${now}`);
      then();
    },
  });
  return { deadlines: new Deadlines(), deadline, called };
}
