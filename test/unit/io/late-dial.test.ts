import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/client/deferred.ts";
import type { LinkEvents } from "../../../src/client/link.ts";
import { type Attempt, lateDial, type Opened } from "../../../src/io/late-dial.ts";
import { Dialled } from "../../support/dialled.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a dial that takes time", () => {
  it("is closed once, without an error, when it is given up before it is open", async () => {
    const world = stages();
    const it = new Dialled(world.dial);
    it.link.destroy();
    it.link.destroy();
    expect(it.told).toEqual([]);
    await settled();
    world.open();
    await settled();
    expect(it.told).toEqual(["closed"]);
    expect(world.done).toEqual(["undone", "destroyed"]);
    expect(it.link.pendingBytes + it.link.writtenBytes).toBe(0);
  });

  it("ends before it is open as if given up", async () => {
    const world = stages();
    const it = new Dialled(world.dial);
    await settled();
    it.link.end();
    await settled();
    expect(it.told).toEqual(["closed"]);
    expect(world.done).toEqual(["undone"]);
  });

  it("tells why it failed, and undoes what was opened", async () => {
    const world = stages();
    const it = new Dialled(world.dial);
    await settled();
    world.fail(new Error("no way"));
    expect(await it.closed()).toMatchObject({ message: "no way" });
    expect(world.done).toEqual(["undone"]);
  });

  it("fails when its code cannot be loaded", async () => {
    const it = new Dialled(lateDial(() => Promise.reject("no such module")));
    expect(await it.closed()).toMatchObject({ message: "no such module" });
  });

  it("keeps what comes ahead of its opening", async () => {
    const world = stages();
    const it = new Dialled(world.dial);
    await settled();
    world.events.onBytes(Buffer.from("early"));
    expect(it.chunks).toEqual([]);
    world.open();
    await it.opened();
    world.events.onBytes(Buffer.from(" late"));
    expect(it.received).toBe("early late");
  });

  it("sends what one turn writes together", async () => {
    const world = stages();
    const it = new Dialled(world.dial);
    await settled();
    world.open();
    await it.opened();
    it.link.write(Buffer.from("a"));
    it.link.write(Buffer.from("b"));
    expect(world.done).toEqual(["cork", "a", "b"]);
    await settled();
    it.link.write(Buffer.from("c"));
    await settled();
    expect(world.done).toEqual(["cork", "a", "b", "uncork", "cork", "c", "uncork"]);
  });

  it("is closed once by its link, and then by nobody", async () => {
    const world = stages();
    const it = new Dialled(world.dial);
    await settled();
    world.open();
    await it.opened();
    world.events.onClosed(undefined);
    world.events.onClosed(new Error("again"));
    expect(it.told).toEqual(["open", "closed"]);
  });
});

/** A dial that opens or fails when told, and remembers what was done to it. */
function stages() {
  const done: string[] = [];
  const ends = deferred<Opened>();
  const world = {
    done,
    events: undefined as unknown as LinkEvents,
    dial: lateDial(async () => (attempt: Attempt, events: LinkEvents) => {
      attempt.hold(() => done.push("undone"));
      world.events = events;
      return ends.promise;
    }),
    open() {
      const link = {
        writtenBytes: 0,
        pendingBytes: 0,
        write: (bytes: Buffer) => void done.push(`${bytes}`),
        end: () => void done.push("ended"),
        destroy: () => void done.push("destroyed"),
        pause: () => undefined,
        resume: () => undefined,
      };
      const stream = { cork: () => done.push("cork"), uncork: () => done.push("uncork") };
      ends.resolve({ link, stream });
    },
    fail: (error: Error) => ends.reject(error),
  };
  return world;
}
