import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../../../src/broker/message.ts";
import type { QueuedMessage, Session, Subscription } from "../../../src/broker/session.ts";
import { STATE } from "../../../src/store/rows.ts";
import { seed } from "../../support/seeds.ts";
import { JournalWorld } from "../../support/store-world.ts";

/** More changes than a batch takes that something waits for. */
const MANY = 8_192;
/** Longer than messages to clients that are there wait for their answers. */
const ANSWERED_MS = 40;
/** As long as a client takes that is not waited for. */
const LATE_MS = 20;

function subscriptionTo(session: Session, filter: string): Subscription {
  return {
    session,
    filter,
    share: null,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: 0,
  };
}

/** A world with a stored session whose row is on disk. */
function stored({ isLive = false } = {}) {
  const world = new JournalWorld();
  const session = world.session("reader", { isLive });
  world.journal.putSession(session);
  world.settle();
  world.batches = 0;
  return { world, session };
}

describe("positions", () => {
  it("are safe when their batch is committed, not before", () => {
    const { world, session } = stored();
    const before = world.safe;
    world.send(session, world.message("a", "1"));
    const { position } = world.journal;
    expect(position).toBeGreaterThan(before);
    expect(world.batches).toBe(0);
    world.turn();
    expect(world.batches).toBe(1);
    expect(world.safe).toBe(before);
    world.commit();
    expect(world.safe).toBe(position);
    expect(world.journal.isIdle).toBe(true);
  });

  it("never go back, and never pass what was told", () => {
    const { world, session } = stored({ isLive: true });
    for (let i = 0; i < 50; i++) {
      const queued = world.send(session, world.message("a", `${i}`));
      if (i % 3 === 0) world.acknowledge(session, queued);
      world.turn(i % 4);
      expect(world.safe).toBeLessThanOrEqual(world.journal.position);
      if (i % 5 === 0 && world.pending.length > 0) world.commit();
    }
    world.settle();
    expect(world.told).toEqual([...world.told].sort((a, b) => a - b));
    expect(world.safe).toBe(world.journal.position);
  });

  it("are safe at once when nothing has to be written", () => {
    const { world, session } = stored({ isLive: true });
    const queued = world.send(session, world.message("a", "1"));
    world.acknowledge(session, queued);
    world.turn();
    expect(world.safe).toBe(world.journal.position);
    expect(world.batches).toBe(0);
    expect(world.journal.isIdle).toBe(true);
  });

  it("are not safe while one before them is not", () => {
    const { world, session } = stored({ isLive: true });
    const before = world.safe;
    world.send(session, world.message("a", "1"));
    const second = world.send(session, world.message("a", "2"));
    world.turn();
    world.acknowledge(session, second);
    world.turn(1);
    expect(world.safe).toBe(before);
    world.turn(ANSWERED_MS);
    world.commit();
    expect(world.safe).toBe(world.journal.position);
    expect(world.rows("SELECT payload FROM base_msgs")).toHaveLength(1);
  });
});

describe("a message to a client that is there", () => {
  it("is never written when it is acknowledged before its batch leaves", () => {
    const { world, session } = stored({ isLive: true });
    const before = world.safe;
    const queued = world.send(session, world.message("a", "1"));
    world.turn();
    expect([world.batches, world.safe]).toEqual([0, before]);
    world.now += 1;
    world.acknowledge(session, queued);
    world.turn();
    expect(world.safe).toBe(world.journal.position);
    world.turn(1_000);
    expect(world.batches).toBe(0);
  });

  it("waits for its answer for a moment", () => {
    const { world, session } = stored({ isLive: true });
    world.send(session, world.message("a", "1"));
    world.turn();
    world.turn(ANSWERED_MS - 1);
    expect(world.batches).toBe(0);
    world.turn(1);
    expect(world.batches).toBe(1);
    world.commit();
    expect(world.safe).toBe(world.journal.position);
  });

  it("waits no longer because something else waits for company", () => {
    const { world, session } = stored({ isLive: true });
    const first = world.send(session, world.message("a", "1"));
    world.turn();
    world.turn(ANSWERED_MS);
    world.commit();
    world.acknowledge(session, first);
    world.turn();
    world.send(session, world.message("a", "2"));
    world.turn(1);
    world.turn(ANSWERED_MS);
    expect(world.batches).toBe(2);
  });

  it("does not wait for a client that is late as a rule, until it is quick again", () => {
    const { world, session } = stored({ isLive: true });
    const exchange = (ms: number) => {
      const queued = world.send(session, world.message("a", "late"));
      world.turn();
      world.turn(ms);
      world.acknowledge(session, queued);
      world.settle();
    };
    const isWaitedFor = () => {
      const { batches } = world;
      const queued = world.send(session, world.message("a", "now?"));
      world.turn();
      const isWaiting = world.batches === batches;
      world.acknowledge(session, queued);
      world.settle();
      return isWaiting;
    };
    expect(isWaitedFor()).toBe(true);
    for (let i = 0; i < 12; i++) exchange(2 * LATE_MS);
    expect(isWaitedFor()).toBe(false);
    for (let i = 0; i < 12; i++) exchange(1);
    expect(isWaitedFor()).toBe(true);
  });

  it("does not wait behind one that has been without an answer for long", () => {
    const { world, session } = stored({ isLive: true });
    world.send(session, world.message("a", "1"));
    world.turn();
    world.turn(LATE_MS);
    expect(world.batches).toBe(0);
    world.send(session, world.message("a", "2"));
    world.turn();
    expect(world.batches).toBe(1);
  });

  it("does not wait when the client is away", () => {
    const { world, session } = stored();
    world.send(session, world.message("a", "1"));
    world.turn();
    expect(world.batches).toBe(1);
  });

  it("does not wait at QoS 2", () => {
    const { world, session } = stored({ isLive: true });
    world.send(session, world.message("a", "1", { qos: 2 }));
    world.turn();
    expect(world.batches).toBe(1);
  });

  it("goes along with what does not wait", () => {
    const { world, session } = stored({ isLive: true });
    world.send(session, world.message("a", "1"));
    world.journal.putSubscription(session, subscriptionTo(session, "a"));
    world.turn();
    world.commit();
    expect([world.count("client_msgs"), world.count("subscriptions")]).toEqual([1, 1]);
  });
});

describe("what nobody waits for", () => {
  it("goes along with the next batch", () => {
    const { world, session } = stored();
    const queued = world.send(session, world.message("a", "1"));
    world.settle();
    world.batches = 0;
    world.acknowledge(session, queued);
    expect(world.safe).toBe(world.journal.position);
    world.turn();
    expect(world.batches).toBe(0);
    world.journal.putSession(world.session("other"));
    world.turn();
    expect(world.batches).toBe(1);
    world.commit();
    expect([world.count("client_msgs"), world.count("base_msgs")]).toEqual([0, 0]);
  });

  it("goes by itself when no batch comes", () => {
    const { world, session } = stored();
    const queued = world.send(session, world.message("a", "1"));
    world.settle();
    world.acknowledge(session, queued);
    world.turn();
    world.turn(19);
    expect(world.pending).toHaveLength(0);
    world.turn(1);
    world.commit();
    expect(world.count("client_msgs")).toBe(0);
    expect(world.journal.isIdle).toBe(true);
  });

  it("is handed over when the broker stops", () => {
    const { world, session } = stored({ isLive: true });
    world.send(session, world.message("a", "1"));
    world.journal.finish();
    world.commit();
    expect(world.journal.isIdle).toBe(true);
    expect(world.count("client_msgs")).toBe(1);
  });

  it("is one change however often it is told", () => {
    const { world, session } = stored();
    const queued = world.send(session, world.message("a", "1"));
    world.settle();
    world.change(session, queued, 1, 7);
    world.change(session, queued, 1, 8);
    world.settle();
    expect(world.rows("client_msgs")).toMatchObject([
      { state: STATE.waitForPuback, mid: 8, dup: 1 },
    ]);
  });
});

describe("batches", () => {
  it("are with the disk one at a time", () => {
    const { world, session } = stored();
    for (let i = 0; i < 5; i++) {
      world.send(session, world.message("a", `${i}`));
      world.turn();
    }
    expect(world.pending).toHaveLength(1);
    world.commit();
    expect(world.count("client_msgs")).toBe(1);
    expect(world.pending).toHaveLength(1);
    world.commit();
    expect(world.count("client_msgs")).toBe(5);
    expect(world.safe).toBe(world.journal.position);
  });

  it("end where a turn ends", () => {
    const { world, session } = stored();
    const other = world.session("other");
    world.journal.putSession(other);
    world.turn();
    const ends: number[] = [];
    for (let turn = 0; turn < 30; turn++) {
      for (let i = 0; i < 999; i++) world.send(session, world.message("a", `${turn}`));
      world.turn();
      ends.push(world.journal.position);
    }
    while (world.pending.length > 0) {
      world.commit();
      expect(world.count("client_msgs") % 999).toBe(0);
      expect([...ends, 2]).toContain(world.safe);
    }
    expect(world.count("client_msgs")).toBe(30 * 999);
  });

  it("take a turn whole that is larger than a batch", () => {
    const { world, session } = stored();
    world.journal.putSession(world.session("other"));
    world.turn();
    for (let i = 0; i < MANY + 100; i++) world.send(session, world.message("a", `${i}`));
    world.turn();
    world.send(session, world.message("a", "last"));
    world.turn();
    world.commit();
    world.commit();
    expect(world.count("client_msgs")).toBe(MANY + 100);
    world.commit();
    expect(world.safe).toBe(world.journal.position);
  });

  it("that fail are handed over again, and release nothing meanwhile", () => {
    const { world, session } = stored();
    const before = world.safe;
    world.send(session, world.message("a", "1"));
    world.turn();
    for (let i = 0; i < 3; i++) {
      world.fail("the disk is full");
      world.send(session, world.message("a", "2"));
      world.turn(500);
      expect(world.pending).toHaveLength(0);
      world.turn(500);
      expect(world.pending).toHaveLength(1);
    }
    expect(world.safe).toBe(before);
    expect(world.troubles).toEqual(["the disk is full"]);
    world.commit();
    expect(world.troubles).toEqual(["the disk is full", "mended"]);
    expect(world.safe).toBe(before + 1);
    world.commit();
    expect(world.safe).toBe(world.journal.position);
    expect(world.count("client_msgs")).toBe(4);
    world.send(session, world.message("a", "3"));
    world.turn();
    world.fail("the disk is gone");
    expect(world.troubles).toEqual(["the disk is full", "mended", "the disk is gone"]);
  });

  it("do not let go what was acknowledged while one was failing", () => {
    const { world, session } = stored({ isLive: true });
    world.send(session, world.message("a", "1"), { qos: 2 });
    world.turn();
    world.fail("no");
    const before = world.safe;
    const second = world.send(session, world.message("a", "2"));
    world.acknowledge(session, second);
    world.turn();
    expect(world.safe).toBe(before);
    world.settle();
    expect(world.safe).toBe(world.journal.position);
    expect(world.rows("SELECT payload FROM base_msgs")).toHaveLength(1);
  });
});

describe("a journal that is full", () => {
  it("says so by the payload that waits, and says when there is room", () => {
    const { world, session } = stored();
    world.journal.putSession(world.session("other"));
    world.turn();
    const payload = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 15; i++) world.send(session, world.message("a", payload));
    expect(world.journal.isFull).toBe(false);
    world.send(session, world.message("a", payload));
    world.send(session, world.message("a", payload));
    expect(world.journal.isFull).toBe(true);
    world.turn();
    world.commit();
    // They are under way now.
    expect(world.rooms).toBe(0);
    expect(world.journal.isFull).toBe(true);
    world.commit();
    expect(world.rooms).toBe(1);
    expect(world.journal.isFull).toBe(false);
    world.settle();
    expect(world.rooms).toBe(1);
  });

  it("counts a batch though its memory is the disk's", () => {
    const { world, session } = stored();
    for (let i = 0; i < 17; i++) {
      world.send(session, world.message("a", Buffer.alloc(1024 * 1024)));
    }
    world.turn();
    const [asked] = world.pending as { batch: Buffer }[];
    const copy = Buffer.from(asked!.batch);
    structuredClone(asked!.batch.buffer, { transfer: [asked!.batch.buffer as ArrayBuffer] });
    expect(world.journal.isFull).toBe(true);
    world.pending[0] = { batch: copy };
    world.commit();
    expect([world.journal.isFull, world.rooms]).toEqual([false, 1]);
  });

  it("says so by the changes that wait", () => {
    const { world, session } = stored();
    world.journal.putSession(world.session("other"));
    world.turn();
    const message = world.message("a", "");
    for (let i = 0; i < 65_536; i++) world.send(session, message);
    expect(world.journal.isFull).toBe(false);
    world.send(session, message);
    expect(world.journal.isFull).toBe(true);
    world.settle();
    expect(world.journal.isFull).toBe(false);
    expect(world.rooms).toBe(1);
  });

  it("is not full of what has been acknowledged", () => {
    const { world, session } = stored({ isLive: true });
    for (let i = 0; i < 40; i++) {
      const queued = world.send(session, world.message("a", Buffer.alloc(1024 * 1024)));
      world.acknowledge(session, queued);
      expect(world.journal.isFull).toBe(false);
    }
  });
});

describe("retained messages", () => {
  it("are replaced, and the older one goes", () => {
    const world = new JournalWorld();
    const [first, second] = ["1", "2"].map((it) => world.message("a", it, { retain: true }));
    world.journal.putRetained(first!, undefined);
    world.settle();
    world.journal.putRetained(second!, first);
    world.settle();
    expect(retained(world)).toEqual({ a: "2" });
    expect(world.count("base_msgs")).toBe(1);
    world.journal.removeRetained(second!);
    world.settle();
    expect([world.count("retains"), world.count("base_msgs")]).toEqual([0, 0]);
  });

  it("are written once for all that came before their batch left", () => {
    const world = new JournalWorld();
    const values = ["1", "2", "3", "4"].map((it) => world.message("a", it, { retain: true }));
    for (const [i, message] of values.entries()) {
      world.journal.putRetained(message, values[i - 1]);
    }
    world.settle();
    expect(retained(world)).toEqual({ a: "4" });
    expect(world.count("base_msgs")).toBe(1);
  });

  it("are gone when they were removed before their batch left", () => {
    const world = new JournalWorld();
    const [first, second] = ["1", "2"].map((it) => world.message("a", it, { retain: true }));
    world.journal.putRetained(first!, undefined);
    world.settle();
    world.journal.putRetained(second!, first);
    world.journal.removeRetained(second!);
    world.settle();
    expect([world.count("retains"), world.count("base_msgs")]).toEqual([0, 0]);
  });

  it("that were replaced are not safe before the newer one is", () => {
    const { world, session } = stored();
    world.journal.putSession(world.session("other"));
    world.turn();
    const [first, second] = ["1", "2"].map((it) => world.message("a", it, { retain: true }));
    world.journal.putRetained(first!, undefined);
    const promised = world.journal.position;
    // The newer one comes in another turn, which no batch takes together with the first.
    for (let i = 0; i < MANY / 2; i++) world.send(session, world.message("b", `${i}`));
    world.turn();
    for (let i = 0; i < MANY; i++) world.send(session, world.message("b", `${i}`));
    world.journal.putRetained(second!, first);
    world.turn();
    world.onDurable = (position) => {
      if (position >= promised) expect(retained(world)).toHaveProperty("a");
    };
    world.settle();
    expect(retained(world)).toEqual({ a: "2" });
  });
});

describe("a session that ends", () => {
  it("takes all it has with it, on disk or not", () => {
    const { world, session } = stored();
    const { journal } = world;
    journal.putSubscription(session, subscriptionTo(session, "a/#"));
    world.send(session, world.message("a", "stored"));
    const incoming = world.message("a", "half", { qos: 2, packetId: 5 });
    session.incoming.hold(5, incoming);
    journal.addIncoming(session, 5, incoming);
    world.settle();
    world.send(session, world.message("a", "waits"));
    const late = world.message("a", "half too", { qos: 2, packetId: 6 });
    session.incoming.hold(6, late);
    journal.addIncoming(session, 6, late);
    journal.removeSession(session);
    world.settle();
    const tables = ["clients", "subscriptions", "client_msgs", "base_msgs"];
    expect(tables.map((table) => world.count(table))).toEqual([0, 0, 0, 0]);
  });

  it("takes what has left memory with it, but not what another waits for", () => {
    const { world, session } = stored();
    const other = world.session("other");
    world.journal.putSession(other);
    const shared = world.message("a", "shared");
    world.send(session, world.message("a", "alone"), { isParked: true });
    world.send(session, shared);
    world.send(other, shared, { isParked: true });
    world.settle();
    world.journal.removeSession(session);
    world.settle();
    expect(texts(world, "SELECT payload FROM base_msgs")).toEqual(["shared"]);
    expect(world.rows("client_msgs")).toMatchObject([{ client_id: "other" }]);
    world.journal.removeSession(other);
    world.settle();
    expect(world.count("base_msgs")).toBe(0);
  });

  it("takes no message with it that comes again in the same batch", () => {
    const { world, session } = stored();
    const message = world.message("t", "value", { retain: true });
    world.journal.putRetained(message, undefined);
    world.send(session, message, { isParked: true });
    world.journal.removeSession(session);
    const again = world.session("reader");
    world.journal.putSession(again);
    world.send(again, message);
    world.journal.removeRetained(message);
    world.settle();
    expect([world.count("base_msgs"), world.count("client_msgs")]).toEqual([1, 1]);
  });

  it("can begin again in the same turn", () => {
    const { world, session } = stored();
    world.send(session, world.message("a", "old"));
    world.settle();
    world.journal.removeSession(session);
    const again = world.session("reader");
    world.journal.putSession(again);
    world.send(again, world.message("a", "new"));
    world.settle();
    expect(texts(world, "SELECT payload FROM base_msgs")).toEqual(["new"]);
    expect(world.rows("client_msgs")).toMatchObject([{ cmsg_id: 1 }]);
    expect(world.count("clients")).toBe(1);
  });
});

describe("a queue that left memory", () => {
  it("comes back in order while more goes behind it", () => {
    const { world, session } = stored();
    for (let i = 0; i < 5; i++) {
      world.send(session, world.message("a", `${i}`), { isParked: true });
    }
    world.settle();
    world.journal.fetchOutgoing(session);
    world.send(session, world.message("a", "5"));
    world.turn();
    world.settle();
    world.journal.fetchOutgoing(session);
    world.settle();
    expect(world.fetched.flatMap(({ payloads }) => payloads)).toEqual([..."012345"]);
    expect(session.parked).toEqual({ count: 0, bytes: 0, qos0: 0 });
    for (const queued of [...session.outgoing.deliveries()]) world.acknowledge(session, queued);
    world.settle();
    expect([world.count("client_msgs"), world.count("base_msgs")]).toEqual([0, 0]);
  });

  it("takes its messages with it: one that comes again is written anew", () => {
    const { world, session } = stored();
    const message = world.message("a", "again");
    world.send(session, message, { isParked: true });
    world.settle();
    world.journal.fetchOutgoing(session);
    world.settle();
    for (const queued of [...session.outgoing.deliveries()]) world.acknowledge(session, queued);
    world.settle();
    expect(world.count("base_msgs")).toBe(0);
    world.send(session, message);
    world.settle();
    expect(texts(world, "SELECT payload FROM base_msgs")).toEqual(["again"]);
  });

  it("is not asked for before it is safe", () => {
    const { world, session } = stored();
    world.send(session, world.message("a", "1"), { isParked: true });
    world.journal.fetchOutgoing(session);
    expect(world.pending).toHaveLength(0);
    world.turn();
    expect(world.pending).toMatchObject([{ batch: {} }]);
    world.commit();
    world.commit();
    expect(world.fetched.map(({ payloads }) => payloads)).toEqual([["1"]]);
  });

  it("is asked for again when it cannot be read, and the log says so once", () => {
    const { world, session } = stored();
    world.send(session, world.message("a", "1"), { isParked: true });
    world.turn();
    world.commit();
    world.journal.fetchOutgoing(session);
    for (const round of [1, 2]) {
      expect(world.pending, `round ${round}`).toMatchObject([{ fetch: {} }]);
      world.pending.length = 0;
      world.journal.onUnfetched("disk I/O error");
      world.turn();
      expect(world.pending).toHaveLength(0);
      world.turn(1_000);
    }
    world.commit();
    expect(world.fetched.map(({ payloads }) => payloads)).toEqual([["1"]]);
    expect(world.troubles).toEqual([`${session.clientId}: disk I/O error`]);
  });

  it("comes in pieces, one session's after the other's", () => {
    const { world, session } = stored();
    const other = world.session("other");
    world.journal.putSession(other);
    for (let i = 0; i < 1_500; i++) {
      world.send(session, world.message("a", `${i}`), { isParked: true });
    }
    for (let i = 0; i < 5; i++) {
      const payload = Buffer.alloc(400_000, `${i}`);
      world.send(other, world.message("a", payload), { isParked: true });
    }
    world.settle();
    for (let i = 0; i < 2; i++) {
      world.journal.fetchOutgoing(session);
      world.journal.fetchOutgoing(other);
      expect(world.pending).toHaveLength(1);
      world.settle();
    }
    expect(world.fetched.map((it) => [it.session.clientId, it.payloads.length])).toEqual([
      ["reader", 1_000],
      ["other", 3],
      ["reader", 500],
      ["other", 2],
    ]);
    expect(world.fetched[2]!.payloads.at(-1)).toBe("1499");
  });

  it("begins behind what memory has", () => {
    const { world, session } = stored();
    world.send(session, world.message("a", "in memory"));
    world.send(session, world.message("a", "parked"), { isParked: true });
    world.settle();
    world.journal.fetchOutgoing(session);
    world.settle();
    expect(world.fetched.map(({ payloads }) => payloads)).toEqual([["parked"]]);
  });
});

describe("names of messages", () => {
  it("grow, whatever the clock and the database say", () => {
    const future = 8_000_000_000_000_000;
    const world = new JournalWorld(undefined, { lastStoreId: future, lastRow: 77 });
    const session = world.session("reader");
    world.journal.putSession(session);
    for (let i = 0; i < 3; i++) world.send(session, world.message("a", `${i}`));
    world.settle();
    const ids = world.rows("SELECT store_id FROM base_msgs").map((row) => row.store_id);
    expect(ids).toEqual([future + 1, future + 2, future + 3]);
    expect(world.rows("client_msgs").map((row) => row.rowid)).toEqual([78, 79, 80]);
  });

  it("tell the second in which they were given", () => {
    const { world, session } = stored();
    const now = world.epoch + world.now;
    world.send(session, world.message("a", "1"));
    world.turn();
    world.commit();
    const [row] = world.rows("SELECT store_id >> 23 AS second FROM base_msgs");
    expect(row).toEqual({ second: now / 1000 - 1_637_168_273 });
  });
});

/** What a random run does, in words of a few numbers: who, what, which. */
type Step = readonly [what: string, who: number, which: number];

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(
    ...["publish", "publish", "publish", "publish", "acknowledge", "acknowledge", "acknowledge"],
    ...["change", "take", "release", "retain", "retain", "forget", "redeliver", "subscribe"],
    ...["unsubscribe", "park", "park", "fetch", "fetch", "end", "begin", "turn", "turn", "turn"],
    ...["wait", "commit", "commit", "commit", "fail"],
  ),
  fc.nat({ max: 2 }),
  fc.nat({ max: 7 }),
);

/** What somebody was promised: it is checked when its position is told. */
interface Promised {
  readonly position: number;
  readonly holds: () => boolean;
}

/**
 * The broker's part in a random run, as simple as can be, and what the database must have at its
 * end by what the broker still knows.
 */
class RandomRun {
  readonly world = new JournalWorld();
  private readonly sessions: Session[] = [];
  private readonly filters: Set<string>[] = [];
  private readonly retained = new Map<string, Message>();
  /** The number of the message that each topic lost last. */
  private readonly forgotten = new Map<string, number>();
  /** Payloads of what has left memory, by session. */
  private readonly parked: { place: number; payload: string }[][] = [];
  private readonly promised: Promised[] = [];
  private count = 0;

  constructor() {
    for (let who = 0; who < 3; who++) this.begin(who);
    this.world.onDurable = (position) => {
      for (const { position: at, holds } of this.promised.splice(0)) {
        if (at > position) this.promised.push({ position: at, holds });
        else if (!holds()) throw new Error(`what was promised at ${at} is not there`);
      }
    };
  }

  do([what, who, which]: Step): void {
    const { world } = this;
    const session = this.sessions[who]!;
    const waiting = [...session.outgoing.deliveries()];
    const queued = waiting[which % Math.max(1, waiting.length)];
    if (what === "publish") this.publish(which);
    else if (what === "acknowledge" && queued !== undefined) world.acknowledge(session, queued);
    else if (what === "change" && queued !== undefined) this.change(session, queued);
    else if (what === "take") this.take(session, which);
    else if (what === "release") this.release(session, which);
    else if (what === "retain") this.retain(`t${which % 3}`);
    else if (what === "forget") this.forget(`t${which % 3}`);
    else if (what === "redeliver") this.redeliver(who, which);
    else if (what === "park") this.owe(who, this.message(), true);
    else if (what === "fetch") this.fetch(session);
    else if (what === "subscribe") this.subscribe(who, which);
    else if (what === "unsubscribe") this.unsubscribe(who, which);
    else if (what === "end") this.end(who);
    else if (what === "begin") world.journal.putSession(session);
    else if (what === "turn") world.turn(which % 2);
    else if (what === "wait") world.turn(which * 5);
    else if (what === "commit" && world.pending.length > 0) this.commit();
    else if (what === "fail" && "batch" in (world.pending[0] ?? {})) world.fail("no room");
  }

  settle(): void {
    const { world } = this;
    for (let rounds = 0; ; rounds++) {
      if (rounds > 1_000) throw new Error("the run does not come to rest");
      for (const session of this.sessions) this.fetch(session);
      if (world.pending.length > 0) this.commit();
      world.turn(1_000);
      const isParked = this.sessions.some(({ parked }) => parked.count > 0);
      if (world.journal.isIdle && world.pending.length === 0 && !isParked) return;
    }
  }

  /** What there must be: a line for each row that somebody would miss, and no other. */
  expected(): string[] {
    const bases = new Set<string>();
    const lines: string[] = [];
    this.sessions.forEach((session, who) => {
      lines.push(`client c${who}`);
      for (const filter of this.filters[who]!) lines.push(`subscription c${who} ${filter}`);
      for (const { message, place, phase, packetId } of session.outgoing.deliveries()) {
        const payload = textOf(message);
        bases.add(payload);
        const mid = phase === 0 ? ((place - 1) % 65_535) + 1 : packetId;
        lines.push(`out c${who} ${place} ${payload} ${phase} ${mid}`);
      }
      for (const [packetId, message] of session.incoming.entries()) {
        bases.add(textOf(message));
        lines.push(`in c${who} ${packetId} ${textOf(message)}`);
      }
    });
    for (const [topic, message] of this.retained) {
      bases.add(textOf(message));
      lines.push(`retain ${topic} ${textOf(message)}`);
    }
    for (const base of bases) lines.push(`base ${base}`);
    return lines.sort();
  }

  actual(): string[] {
    const { world } = this;
    const payload = "CAST(b.payload AS TEXT)";
    const lines = [
      "SELECT 'client ' || client_id FROM clients",
      "SELECT 'subscription ' || client_id || ' ' || topic FROM subscriptions",
      `SELECT 'out ' || client_id || ' ' || cmsg_id || ' ' || ${payload} || ' ' || CASE state
        WHEN 11 THEN 0 WHEN 3 THEN 1 WHEN 5 THEN 1 WHEN 9 THEN 2 END || ' ' || mid
        FROM client_msgs m LEFT JOIN base_msgs b USING (store_id) WHERE direction = 1`,
      `SELECT 'in ' || client_id || ' ' || mid || ' ' || ${payload}
        FROM client_msgs m LEFT JOIN base_msgs b USING (store_id) WHERE direction = 0`,
      `SELECT 'retain ' || r.topic || ' ' || ${payload}
        FROM retains r LEFT JOIN base_msgs b USING (store_id)`,
      // One that comes again when all its rows have left memory stands there twice.
      `SELECT DISTINCT 'base ' || ${payload} FROM base_msgs b`,
      `SELECT 'unused ' || ${payload} FROM base_msgs b WHERE store_id NOT IN
        (SELECT store_id FROM client_msgs UNION SELECT store_id FROM retains)`,
    ].flatMap((sql) => world.rows(sql).map((row) => String(Object.values(row)[0])));
    return lines.sort();
  }

  /** Rows stand in the order of each queue. */
  get isOrdered(): boolean {
    return this.sessions.every(({ clientId }) => {
      const sql = `SELECT cmsg_id FROM client_msgs
        WHERE direction = 1 AND client_id = '${clientId}'`;
      const places = this.world.rows(`${sql} ORDER BY rowid`).map((row) => Number(row.cmsg_id));
      return places.every((place, i) => i === 0 || place > places[i - 1]!);
    });
  }

  private commit(): void {
    const { world } = this;
    const before = world.fetched.length;
    world.commit();
    for (const { session, payloads } of world.fetched.slice(before)) {
      // One that has ended is told nothing: its messages are another's, or nobody's.
      if (!this.sessions.includes(session)) continue;
      const parked = this.parked[this.sessions.indexOf(session)]!;
      const first = parked.splice(0, payloads.length);
      expect(payloads).toEqual(first.map(({ payload }) => payload));
    }
  }

  private message(options: object = {}, topic = "t"): Message {
    return this.world.message(topic, `m${this.count++}`, options);
  }

  /** To some of the sessions, which will answer soon or are away. */
  private publish(which: number): void {
    const message = this.message({ qos: which === 7 ? 2 : 1 });
    for (let who = 0; who < 3; who++) if (((which + 1) >> who) & 1) this.owe(who, message, false);
  }

  private owe(who: number, message: Message, isParked: boolean): void {
    const session = this.sessions[who]!;
    const queued = this.world.send(session, message, { isParked });
    const { place } = queued;
    if (queued.isParked) this.parked[who]!.push({ place, payload: textOf(message) });
    const isOver = () =>
      this.sessions[who] !== session ||
      (!this.parked[who]!.some((it) => it.place === place) &&
        ![...session.outgoing.deliveries()].some((it) => it.place === place));
    this.promise(() => {
      const row = `out c${who} ${place} ${textOf(message)}`;
      return isOver() || this.actual().some((it) => it.startsWith(row));
    });
  }

  private change(session: Session, queued: QueuedMessage): void {
    const phase = queued.qos === 2 && queued.phase > 0 ? 2 : 1;
    this.world.change(session, queued, phase, queued.packetId || ++this.count);
  }

  private take(session: Session, packetId: number): void {
    if (session.incoming.get(packetId) !== undefined) return;
    const message = this.message({ qos: 2, packetId });
    session.incoming.hold(packetId, message);
    this.world.journal.addIncoming(session, packetId, message);
  }

  private release(session: Session, packetId: number): void {
    const message = session.incoming.release(packetId);
    if (message === undefined) return;
    this.world.journal.removeIncoming(session, packetId, message);
    for (let who = 0; who < 2; who++) this.owe(who, message, false);
  }

  private retain(topic: string): void {
    const message = this.message({ retain: true }, topic);
    this.world.journal.putRetained(message, this.retained.get(topic));
    this.retained.set(topic, message);
    const number = Number(textOf(message).slice(1));
    this.promise(() => {
      if ((this.forgotten.get(topic) ?? -1) >= number) return true;
      const row = this.actual().find((it) => it.startsWith(`retain ${topic} m`));
      return row !== undefined && Number(row.split(" m")[1]) >= number;
    });
  }

  private forget(topic: string): void {
    const message = this.retained.get(topic);
    if (message === undefined) return;
    this.retained.delete(topic);
    this.forgotten.set(topic, Number(textOf(message).slice(1)));
    this.world.journal.removeRetained(message);
  }

  /** A retained message goes to a session, long after it was published. */
  private redeliver(who: number, which: number): void {
    const message = this.retained.get(`t${which % 3}`);
    if (message !== undefined) this.owe(who, message, which > 5);
  }

  private fetch(session: Session): void {
    if (session.parked.count === 0 || session.isFetching) return;
    session.isFetching = true;
    this.world.journal.fetchOutgoing(session);
  }

  private subscribe(who: number, which: number): void {
    const session = this.sessions[who]!;
    this.filters[who]!.add(`f${which}`);
    this.world.journal.putSubscription(session, subscriptionTo(session, `f${which}`));
  }

  private unsubscribe(who: number, which: number): void {
    if (!this.filters[who]!.delete(`f${which}`)) return;
    this.world.journal.removeSubscription(this.sessions[who]!, `f${which}`);
  }

  private end(who: number): void {
    const session = this.sessions[who]!;
    this.world.journal.removeSession(session);
    session.outgoing.clear();
    session.incoming.clear();
    this.begin(who);
  }

  private begin(who: number): void {
    const session = this.world.session(`c${who}`, { isLive: who === 0 });
    this.sessions[who] = session;
    this.filters[who] = new Set();
    this.parked[who] = [];
    this.world.journal.putSession(session);
  }

  private promise(holds: () => boolean): void {
    this.promised.push({ position: this.world.journal.position, holds });
  }
}

function textOf({ bytes, start, end }: Message): string {
  return bytes.toString("utf8", start, end);
}

describe("a random run", () => {
  it("leaves exactly the rows of what the broker still has", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const run = new RandomRun();
        for (const each of steps) run.do(each);
        expect(run.isOrdered).toBe(true);
        run.settle();
        expect(run.actual()).toEqual(run.expected());
        expect(run.isOrdered).toBe(true);
        expect(run.world.safe).toBe(run.world.journal.position);
        run.world.store.database.close();
      }),
      { seed: seed(), numRuns: 150 },
    );
  });
});

function retained(world: JournalWorld): Record<string, string> {
  const rows = world.rows(`SELECT r.topic, CAST(b.payload AS TEXT) AS payload FROM retains r
    JOIN base_msgs b ON b.store_id = r.store_id`);
  return Object.fromEntries(rows.map(({ topic, payload }) => [topic as string, payload as string]));
}

function texts(world: JournalWorld, sql: string): string[] {
  return world.rows(sql).map((row) => Buffer.from(Object.values(row)[0] as Uint8Array).toString());
}

describe("a batch that is not all there is", () => {
  it("has no message of QoS 2 as sent while one that was sent before it waits", () => {
    const world = new JournalWorld(undefined, { limits: { changesMax: 1 } });
    const session = world.session("reader");
    const first = world.send(session, world.message("a", "first", { qos: 2 }));
    world.turn();
    const second = world.send(session, world.message("a", "second", { qos: 2 }));
    world.turn();
    world.change(session, first, 1, 1);
    world.change(session, second, 1, 2);
    world.turn();
    // The first batch was on its way before; the next one is.
    world.commit();
    world.commit();
    const states = world.rows("SELECT state FROM client_msgs ORDER BY rowid");
    expect(states.map(({ state }) => state)).toEqual([STATE.waitForPubrec, STATE.waitForPubrec]);
  });
});
