/** The outbox: order and limits. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Outbox } from "../../../src/client/outbox.ts";
import { seed } from "../../support/seeds.ts";

const message = (bytes: number) => ({ bytes });

describe("the outbox", () => {
  it("gives back what waits longest", () => {
    const outbox = new Outbox({ messagesMax: 3, bytesMax: 100 });
    const [one, two] = [message(1), message(2)];
    expect([outbox.push(one), outbox.push(two)]).toEqual([true, true]);
    expect(outbox.first()).toBe(one);
    expect([outbox.shift(), outbox.shift(), outbox.shift()]).toEqual([one, two, undefined]);
    expect(outbox.bytes).toBe(0);
  });

  it("refuses what goes beyond either limit, and takes what fits exactly", () => {
    const outbox = new Outbox({ messagesMax: 2, bytesMax: 10 });
    expect(outbox.push(message(11))).toBe(false);
    expect(outbox.push(message(10))).toBe(true);
    expect(outbox.push(message(1))).toBe(false);
    expect(outbox.push(message(0))).toBe(true);
    expect(outbox.push(message(0))).toBe(false);
    outbox.shift();
    expect(outbox.push(message(10))).toBe(true);
  });

  it("gives back what is asked for, once", () => {
    const outbox = new Outbox({ messagesMax: 9, bytesMax: 99 });
    const all = [message(1), message(2), message(3)];
    for (const item of all) outbox.push(item);
    expect(outbox.remove(all[1]!)).toBe(true);
    expect(outbox.remove(all[1]!)).toBe(false);
    expect([outbox.count, outbox.bytes]).toEqual([2, 4]);
    expect(outbox.clear()).toEqual([all[0], all[2]]);
    expect([outbox.count, outbox.bytes]).toEqual([0, 0]);
  });

  it("does as a plain array does, whatever is done to it", () => {
    const limits = { messagesMax: 5, bytesMax: 20 };
    const step = fc.oneof(
      fc.record({ do: fc.constant("push" as const), bytes: fc.nat(9) }),
      fc.record({ do: fc.constant("shift" as const), bytes: fc.constant(0) }),
      fc.record({ do: fc.constant("remove" as const), bytes: fc.nat(6) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const outbox = new Outbox<{ bytes: number }>(limits);
        let model: { bytes: number }[] = [];
        for (const { do: what, bytes } of steps) {
          const sum = model.reduce((total, item) => total + item.bytes, 0);
          if (what === "push") {
            const item = message(bytes);
            const fits = model.length < limits.messagesMax && sum + bytes <= limits.bytesMax;
            expect(outbox.push(item)).toBe(fits);
            if (fits) model.push(item);
          } else if (what === "shift") {
            expect(outbox.shift()).toBe(model.shift());
          } else {
            const item = model[bytes] ?? message(1);
            expect(outbox.remove(item)).toBe(model.includes(item));
            model = model.filter((other) => other !== item);
          }
          expect(outbox.count).toBe(model.length);
          expect(outbox.first()).toBe(model[0]);
        }
        expect(outbox.bytes).toBe(model.reduce((total, item) => total + item.bytes, 0));
      }),
      { seed: seed() },
    );
  });
});
