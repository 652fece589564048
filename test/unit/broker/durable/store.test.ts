import { describe, expect, it } from "vitest";
import { VolatileStore } from "../../../../src/broker/durable/store.ts";

describe("VolatileStore", () => {
  it("gives every change a position of its own", () => {
    const store = new VolatileStore(() => undefined);
    const changes = [
      () => store.putSession(),
      () => store.removeSession(),
      () => store.putSubscription(),
      () => store.removeSubscription(),
      () => store.addOutgoing(),
      () => store.changeOutgoing(),
      () => store.removeOutgoing(),
      () => store.addIncoming(),
      () => store.removeIncoming(),
      () => store.putRetained(),
      () => store.removeRetained(),
    ];
    for (const [i, change] of changes.entries()) {
      change();
      expect(store.position).toBe(i + 1);
    }
  });

  it("says at the end of a turn that all is safe, not before", () => {
    const safe: number[] = [];
    const store = new VolatileStore((position) => void safe.push(position));
    store.putSession();
    store.putSession();
    expect(safe).toEqual([]);
    store.commit();
    expect(safe).toEqual([2]);
  });

  it("says so in a turn without changes too, for what waits at an old position", () => {
    const safe: number[] = [];
    const store = new VolatileStore((position) => void safe.push(position));
    store.commit();
    store.putSession();
    store.commit();
    store.commit();
    expect(safe).toEqual([0, 1, 1]);
  });

  it("goes on until what is let go changes nothing any more", () => {
    const safe: number[] = [];
    const store: VolatileStore = new VolatileStore((position) => {
      safe.push(position);
      if (safe.length < 4) store.addOutgoing();
    });
    store.addOutgoing();
    store.commit();
    expect(safe).toEqual([1, 2, 3, 4]);
  });
});
