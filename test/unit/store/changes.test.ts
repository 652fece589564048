import { describe, expect, it } from "vitest";
import { Changes } from "../../../src/store/changes.ts";

function noted(...turns: string[]): Changes<never> {
  const changes = new Changes<never>(4);
  turns.forEach((turn, time) => {
    for (const name of turn) changes.note(1, name, null);
    changes.endTurn(time);
  });
  return changes;
}

function taken(changes: Changes<never>, position: number): string {
  let names = "";
  changes.take(position, (_kind, name) => {
    names += name as string;
  });
  return names;
}

describe("Changes", () => {
  it("have positions from 1 on, over everything that is forgotten", () => {
    const changes = noted("abc");
    expect(taken(changes, 3)).toBe("abc");
    expect(changes.note(1, "d", null)).toBe(4);
    expect(changes.subjectAt(4)).toBe("d");
    changes.replace(4, 2, "e");
    expect(taken(changes, 4)).toBe("e");
    expect([changes.count, changes.settled]).toEqual([0, 4]);
  });

  it("that are gone settle what stands before them, not what stands behind", () => {
    const changes = noted("abcd");
    changes.cancel(3);
    expect(changes.settled).toBe(0);
    changes.cancel(1);
    expect(changes.settled).toBe(1);
    changes.cancel(2);
    expect([changes.settled, changes.count]).toEqual([3, 1]);
    expect(taken(changes, 4)).toBe("d");
  });

  it("end where a turn ended", () => {
    const changes = noted("ab", "cde", "f");
    expect([2, 3, 4, 5, 6].map((max) => changes.endWithin(max))).toEqual([2, 2, 2, 5, 6]);
    // A turn that is longer goes as a whole.
    expect(changes.endWithin(1)).toBe(2);
    expect([-1, 0, 1.5, 9].map((time) => changes.endBefore(time))).toEqual([0, 2, 5, 6]);
    expect(taken(changes, 2)).toBe("ab");
    expect(changes.oldest).toBe(1);
    expect(changes.endWithin(3)).toBe(5);
  });

  it("are as old as the turn of the first that is left", () => {
    const changes = noted("ab", "c");
    expect(changes.oldest).toBe(0);
    changes.cancel(1);
    changes.cancel(2);
    expect(changes.oldest).toBe(1);
    changes.cancel(3);
    expect(changes.oldest).toBeUndefined();
    changes.note(1, "d", null);
    expect(changes.oldest).toBeUndefined();
  });

  it("are forgotten as they settle, and their ends with them", () => {
    const changes = noted("abcdef", "gh");
    for (let position = 1; position <= 6; position++) changes.cancel(position);
    changes.endTurn(2);
    expect([changes.settled, changes.count, changes.oldest]).toEqual([6, 2, 1]);
    expect(changes.subjectAt(7)).toBe("g");
    expect(changes.endBefore(1)).toBe(8);
    expect(taken(changes, 8)).toBe("gh");
  });
});
