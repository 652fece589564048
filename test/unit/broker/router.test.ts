import { describe, expect, it } from "vitest";
import { isReserved, Route, Router } from "../../../src/broker/router.ts";
import type { Session, Subscription } from "../../../src/broker/session.ts";
import { BRIDGE_LISTENER } from "../../../src/broker/settings.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import type { Qos } from "../../../src/core/codec/packets.ts";
import { filterMatches, parseFilter } from "../../../src/core/topic/filter.ts";
import { hex } from "../../support/hex.ts";
import { refusal } from "../../support/refusal.ts";
import { seeds } from "../../support/seeds.ts";

describe("Router", () => {
  it("gives a topic to every subscription that matches, exact ones first", () => {
    const { router, subscribe } = routing();
    for (const filter of ["#", "a/+", "a/b", "c"]) subscribe("one", filter);
    expect(filters(router.route("a/b"))).toEqual(["a/b", "a/+", "#"]);
    expect(router.route("a/b").distinct).toBe(false);
    expect(filters(router.route("c"))).toEqual(["c", "#"]);
  });

  it("keeps one subscription for a session and filter: the last", () => {
    const { router, subscribe } = routing();
    subscribe("one", "a");
    const again = subscribe("one", "a");
    subscribe("two", "a");
    expect(router.route("a").direct).toHaveLength(2);
    expect(router.route("a").direct[0]).toBe(again);
    expect(router.route("a").distinct).toBe(true);
    expect(router.counts).toEqual({ direct: 2, shared: 0 });
  });

  it("keeps one subscription of each bridge for a topic, of the highest QoS", () => {
    const { router, subscribe } = routing();
    subscribe("bridge-1", "#");
    subscribe("bridge-1", "a/+", 2);
    subscribe("bridge-1", "a/b", 1);
    subscribe("bridge-2", "a/#", 1);
    subscribe("bridge-2", "+/b", 1);
    expect(words(router.route("a/b").direct)).toEqual(["bridge-1 a/+", "bridge-2 a/#"]);
    expect(router.route("a/b").distinct).toBe(true);
    subscribe("one", "a/b");
    subscribe("one", "a/+");
    const kept = ["bridge-1 a/+", "bridge-2 a/#", "one a/+", "one a/b"];
    expect(words(router.route("a/b").direct)).toEqual(kept);
    expect(router.route("a/b").distinct).toBe(false);
  });

  it("takes away what was subscribed, by the very same filter", () => {
    const { router, subscribe, session } = routing();
    subscribe("one", "a/#");
    expect(router.unsubscribe(session("one"), "a/+")).toBe(false);
    expect(router.unsubscribe(session("two"), "a/#")).toBe(false);
    expect(router.unsubscribe(session("one"), "a/#")).toBe(true);
    expect(router.unsubscribe(session("one"), "a/#")).toBe(false);
    expect(filters(router.route("a"))).toEqual([]);
    expect(router.counts).toEqual({ direct: 0, shared: 0 });
    expect(session("one").subscriptions.size).toBe(0);
  });

  it("gives each share of a filter its own place, and members beside plain subscribers", () => {
    const { router, subscribe, session } = routing();
    subscribe("one", "$share/g/a");
    subscribe("two", "$share/g/a");
    subscribe("two", "$share/h/a");
    subscribe("three", "a");
    const route = router.route("a");
    expect(route.shares.map(({ name, size }) => [name, size])).toEqual([
      ["g", 2],
      ["h", 1],
    ]);
    expect(filters(route)).toEqual(["a"]);
    expect(router.counts).toEqual({ direct: 1, shared: 3 });
    subscribe("one", "$share/g/a");
    expect(router.counts.shared).toBe(3);
    for (const name of ["one", "two"]) router.unsubscribe(session(name), "$share/g/a");
    expect(router.route("a").shares.map(({ name }) => name)).toEqual(["h"]);
  });

  it("visits every subscription, shared ones too", () => {
    const { router, subscribe } = routing();
    for (const filter of ["a", "$share/g/a", "b/#"]) subscribe("one", filter);
    const seen: string[] = [];
    router.forEach(({ filter }) => void seen.push(filter));
    expect(seen.sort()).toEqual(["$share/g/a", "a", "b/#"]);
  });

  it("knows topics that clients may not publish to", () => {
    const { router } = routing();
    expect([router.route("$SYS/a").reserved, router.route("a").reserved]).toEqual([true, false]);
    expect([router.route("$CONTROL/a").control, router.route("$CONTROL").control]).toEqual([
      true,
      false,
    ]);
  });
});

describe("Router, remembering", () => {
  it("gives the same route for a topic again, by its name and by its bytes", () => {
    const { router } = routing();
    const route = router.route("a/ü");
    const bytes = Buffer.from("xxa/üxx");
    expect(router.routeOf(bytes, 2, bytes.length - 2)).toBe(route);
    expect(router.route("a/ü")).toBe(route);
    expect(route.bytes).toEqual(Buffer.from("a/ü"));
  });

  it("makes a held route stale by a subscription that matters to it, and by no other", () => {
    const { router, subscribe, session } = routing();
    const [a, b] = [router.route("a"), router.route("b")];
    const isCurrent = (route: Route) => route.generation === router.generation;
    subscribe("one", "a");
    expect([isCurrent(a), isCurrent(b)]).toEqual([false, true]);
    expect(filters(router.refresh(a))).toEqual(["a"]);
    expect(isCurrent(a)).toBe(true);
    subscribe("one", "+");
    expect([isCurrent(a), isCurrent(b)]).toEqual([false, false]);
    router.refresh(b);
    router.unsubscribe(session("one"), "$share/g/b");
    expect(isCurrent(b)).toBe(true);
  });

  it("lets a route that was dropped hear of new subscriptions, and its twin take its place", () => {
    const { router, subscribe } = routing(2);
    const held = router.route("held");
    for (const name of ["a", "b", "c", "d"]) twice(router, name);
    expect(router.refresh(held)).toBe(held);
    subscribe("one", "held");
    expect(held.generation).not.toBe(router.generation);
    expect(filters(router.refresh(held))).toEqual(["held"]);
    for (const name of ["a", "b", "c", "d"]) twice(router, name);
    const twin = router.route("held");
    expect(twin).not.toBe(held);
    expect(router.refresh(held)).toBe(twin);
    subscribe("two", "held");
    expect(filters(router.refresh(held))).toEqual(["held", "held"]);
  });

  it("keeps what comes again through any number of topics that do not", () => {
    const { router, subscribe } = routing();
    const known = router.route("known");
    expect(router.route("known")).toBe(known);
    const { generation } = router;
    const once = router.route("once");
    for (let i = 0; i < 10_000; i++) router.route(`never again ${i}`);
    expect(router.route("known")).toBe(known);
    expect([router.generation, known.generation]).toEqual([generation, generation]);
    // Whoever holds what was dropped looks for it anew, and so hears of subscriptions.
    expect(once.generation).not.toBe(generation);
    expect(router.refresh(once)).toBe(once);
    subscribe("one", "once");
    expect(filters(router.refresh(once))).toEqual(["once"]);
  });

  it("keeps what is asked for again, however many others came between", () => {
    const { router } = routing(100_000);
    const names = Array.from({ length: 20_000 }, (_, i) => `plant/${i}`);
    for (const name of names) router.route(name);
    const again = names.map((name) => router.route(name));
    const kept = names.filter((name, i) => router.route(name) === again[i]);
    expect(kept).toHaveLength(names.length);
  });

  it("tells topics apart that are alike in their first bytes, or in all but their bytes", () => {
    const { router } = routing();
    const names = ["a", "ab", "a/ü", "a/ü/x", "a/\u{1f980}", "b"];
    for (const name of names) {
      const bytes = Buffer.from(name);
      expect(new Route(name, false).isNamed(bytes, 0, bytes.length), name).toBe(true);
      const route = router.route(name);
      for (const other of names) {
        const there = Buffer.from(`-${other}-`);
        expect(route.isNamed(there, 1, there.length - 1), `${name} ${other}`).toBe(name === other);
        expect(router.routeOf(there, 1, there.length - 1).name).toBe(other);
      }
    }
    // What is no UTF-8 reads like a known topic, and is none.
    const replaced = router.route("a/\ufffd");
    expect(replaced.isNamed(Buffer.from([0x61, 0x2f, 0xff]), 0, 3)).toBe(false);
    expect(() => router.routeOf(Buffer.from([0x61, 0x2f, 0xff]), 0, 3)).toThrow("not UTF-8");
  });

  it("does not work a route out for each of the many who come to its topic", () => {
    const { router, subscribe } = routing();
    const route = router.route("news");
    const before = route.direct;
    for (let i = 0; i < 100; i++) subscribe(`client ${i}`, "news");
    expect(route.direct).toBe(before);
    expect(router.route("news").direct).toHaveLength(100);
  });

  it("remembers what is asked for again and again, and no more than it may", () => {
    const { router } = routing(8);
    const hot = twice(router, "hot");
    const cold = twice(router, "cold");
    for (let i = 0; i < 100; i++) {
      twice(router, `t${i}`);
      expect(router.route("hot")).toBe(hot);
    }
    expect(router.route("cold")).not.toBe(cold);
  });

  it("counts a long topic for several, so that names alone fill no memory", () => {
    const { router } = routing(8);
    const names = ["a", "b", "c"].map((letter) => letter.repeat(4 * 256));
    const first = twice(router, names[0]!);
    twice(router, names[1]!);
    expect(router.route(names[0]!)).toBe(first);
    const short = twice(router, "short");
    for (const name of names) twice(router, name);
    expect(router.route("short")).not.toBe(short);
  });

  it("goes on without a memory", () => {
    const { router, subscribe } = routing(0);
    subscribe("one", "a");
    for (let i = 0; i < 3; i++) expect(filters(router.refresh(router.route("a")))).toEqual(["a"]);
  });
});

describe("Router, refusing", () => {
  it.each([
    ["an empty topic", hex``, "malformedPacket MQTT5-3.3.2-2"],
    ["a wildcard", Buffer.from("a/+"), "malformedPacket MQTT5-3.3.2-2"],
    ["too many levels", Buffer.from("/".repeat(201)), "malformedPacket MQTT5-3.3.2-2"],
    ["bytes that are no UTF-8", hex`61 ff`, "malformedPacket MQTT5-3.3.2-1"],
    ["a null character", hex`61 00`, "malformedPacket MQTT5-3.3.2-1"],
  ])("does not take %s", (_, bytes, wanted) => {
    const { router } = routing();
    expect(refusal(() => router.routeOf(bytes, 0, bytes.length))).toBe(wanted);
  });

  it("does not take bad bytes for the known topic that they read like", () => {
    const { router } = routing();
    const known = Buffer.from("a\ufffd");
    router.routeOf(known, 0, known.length);
    expect(refusal(() => router.routeOf(hex`61 ff`, 0, 2))).toBe("malformedPacket MQTT5-3.3.2-1");
  });
});

describe("isReserved", () => {
  it("keeps $SYS and $share for the broker, but for the states of bridges", () => {
    const all = ["$SYS", "$SYS/a", "$share", "$share/a", "$SYS/broker/connection/x/state/y"];
    expect(all.every(isReserved)).toBe(true);
    const free = ["$SYS/broker/connection/x/state", "$SYSx", "$shared/a", "a/$SYS/b", "$CONTROL/x"];
    expect(free.some(isReserved)).toBe(false);
  });
});

describe.each(seeds())("Router beside a search of all subscriptions, seed %i", (seed) => {
  it("has the right route, remembered, held or new, whatever was subscribed since", () => {
    const prng = new Prng(seed);
    const { router, subscribe, session } = routing(prng.between(0, 10));
    const names = ["one", "two", "three", "four"];
    const levels = ["a", "b", "$x", ""];
    const topic = () =>
      Array.from({ length: prng.between(1, 3) }, () => prng.pick(levels)).join("/");
    const anyFilter = () => {
      const parts = Array.from({ length: prng.between(1, 3) }, () =>
        prng.chance(0.3) ? "+" : prng.pick(levels),
      );
      if (prng.chance(0.2)) parts[parts.length - 1] = "#";
      const share = prng.chance(0.3) ? `$share/${prng.pick(["g", "h"])}/` : "";
      return share + (parts.join("/") || "a");
    };
    /** As connections hold the route of their last packet. */
    const held: Route[] = [];
    for (let step = 0; step < 800; step++) {
      const chance = prng.fraction();
      if (chance < 0.2) {
        subscribe(prng.pick(names), anyFilter());
      } else if (chance < 0.35) {
        const one = session(prng.pick(names));
        const filter = [...one.subscriptions.keys()][0] ?? "none";
        expect(router.unsubscribe(one, filter)).toBe(filter !== "none");
      } else if (chance < 0.8) {
        const name = topic() || "a";
        const route = prng.chance(0.5)
          ? router.route(name)
          : router.routeOf(Buffer.from(name), 0, Buffer.byteLength(name));
        held.push(route);
        if (held.length > 6) held.shift();
        check(route);
      } else if (held.length > 0) {
        // What every user of a route does first.
        const place = prng.between(0, held.length - 1);
        const route = held[place]!;
        if (route.generation !== router.generation) held[place] = router.refresh(route);
        check(held[place]!);
      }
    }

    function check(route: Route): void {
      const all = names.flatMap((name) => [...session(name).subscriptions.values()]);
      const matching = all.filter(({ filter }) =>
        filterMatches(parseFilter(filter)!.filter, route.name),
      );
      const direct = matching.filter(({ share }) => share === null);
      expect(words(route.direct)).toEqual(words(direct));
      expect(route.direct.every((one) => direct.includes(one))).toBe(true);
      expect(route.distinct).toBe(new Set(direct.map((one) => one.session)).size === direct.length);
      const members = route.shares.flatMap((share) => [...share.values()]);
      expect(words(members)).toEqual(words(matching.filter(({ share }) => share !== null)));
      const shared = all.filter(({ share }) => share !== null).length;
      expect(router.counts).toEqual({ direct: all.length - shared, shared });
    }
  });
});

/** A router, and sessions by name that it may know. */
function routing(routesMax = 1000) {
  const router = new Router(routesMax);
  const sessions = new Map<string, Session>();
  const session = (name: string): Session => {
    let one = sessions.get(name);
    if (one === undefined) {
      // All that a router asks of a session.
      const source = { listener: name.startsWith("bridge") ? BRIDGE_LISTENER.name : "" };
      one = { clientId: name, subscriptions: new Map(), source } as unknown as Session;
      sessions.set(name, one);
    }
    return one;
  };
  const subscribe = (name: string, filter: string, qos: Qos = 0): Subscription => {
    const subscription: Subscription = {
      session: session(name),
      filter,
      share: parseFilter(filter)!.share,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      identifier: 0,
    };
    router.subscribe(subscription);
    return subscription;
  };
  return { router, session, subscribe };
}

/** A route that has been asked for again, and so is remembered for longer. */
function twice(router: Router, name: string): Route {
  router.route(name);
  return router.route(name);
}

function filters(route: Route): string[] {
  return route.direct.map(({ filter }) => filter);
}

function words(subscriptions: readonly Subscription[]): string[] {
  return subscriptions.map(({ session, filter }) => `${session.clientId} ${filter}`).sort();
}
