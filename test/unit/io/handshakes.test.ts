/** How many handshakes may be under way, with sockets that only remember. */
import { describe, expect, it } from "vitest";
import { Handshakes } from "../../../src/io/handshakes.ts";

describe("Handshakes", () => {
  it("closes the oldest for a new one, where there are too many and it has had its time", () => {
    const { handshakes, socket, told, pass } = limited(2);
    const [first, second, third] = [socket(), socket(), socket()];
    expect([handshakes.begin(first), handshakes.begin(second)]).toEqual([true, true]);
    pass(1_000);
    expect(handshakes.begin(third)).toBe(true);
    expect([first.closed, second.closed, third.closed]).toEqual([true, false, false]);
    expect(told).toEqual([true]);
  });

  it("closes the new one where none has had its time", () => {
    const { handshakes, socket, told, pass } = limited(1);
    const [first, second] = [socket(), socket()];
    handshakes.begin(first);
    pass(999);
    expect(handshakes.begin(second)).toBe(false);
    expect([first.closed, second.closed]).toEqual([false, true]);
    expect(told).toEqual([false]);
  });

  it("has room again when one comes through or goes", () => {
    const { handshakes, socket, told } = limited(1);
    const [first, second, third] = [socket(), socket(), socket()];
    handshakes.begin(first);
    handshakes.end(first);
    expect(handshakes.begin(second)).toBe(true);
    second.destroy();
    expect(handshakes.begin(third)).toBe(true);
    expect(told).toEqual([]);
    expect(first.closed).toBe(false);
  });

  it("takes any number where there is no limit", () => {
    const { handshakes, socket } = limited(0);
    for (let i = 0; i < 100; i++) expect(handshakes.begin(socket())).toBe(true);
  });
});

function limited(countMax: number) {
  let now = 0;
  const told: boolean[] = [];
  const handshakes = new Handshakes(
    () => ({ countMax, graceMs: 1_000 }),
    (isOldestClosed) => void told.push(isOldestClosed),
    () => now,
  );
  const socket = () => {
    const listeners: (() => void)[] = [];
    const one = {
      closed: false,
      destroy() {
        one.closed = true;
        for (const listener of listeners) listener();
      },
      once: (_event: "close", listener: () => void) => void listeners.push(listener),
    };
    return one;
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { handshakes, socket, told, pass };
}
