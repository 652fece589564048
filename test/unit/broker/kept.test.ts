import { describe, expect, it } from "vitest";
import { Kept } from "../../../src/broker/kept.ts";
import { BROKER_SOURCE, type Message, madeMessage } from "../../../src/broker/message.ts";

describe("Kept", () => {
  it("counts a message once, however many hold on to it", () => {
    const kept = new Kept();
    const [one, two] = [message("abc"), message("de")];
    for (const each of [one, one, two, one]) kept.add(each);
    expect([kept.count, kept.bytes]).toEqual([2, 5]);
    kept.remove(one);
    kept.remove(one);
    expect([kept.count, kept.bytes]).toEqual([2, 5]);
    kept.remove(one);
    expect([kept.count, kept.bytes]).toEqual([1, 2]);
    kept.remove(two);
    expect([kept.count, kept.bytes]).toEqual([0, 0]);
  });

  it("counts a message again that comes back", () => {
    const kept = new Kept();
    const one = message("");
    kept.add(one);
    kept.remove(one);
    kept.add(one);
    expect([kept.count, kept.bytes, one.holders]).toEqual([1, 0, 1]);
  });
});

function message(payload: string): Message {
  return madeMessage("t", Buffer.from(payload), 0, false, BROKER_SOURCE);
}
