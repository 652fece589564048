/** What must hold when a run has come to rest: one function for each promise. */
import { expect } from "vitest";
import type { Message } from "../../../src/broker/message.ts";
import type { Session } from "../../../src/broker/session.ts";
import { filterMatches, parseFilter } from "../../../src/core/topic/filter.ts";
import type { Arrival, Published, SimClient } from "./sim-client.ts";
import { idOfMessage } from "./sim-store.ts";
import { SESSION_SECONDS, type SimWorld, TOPICS } from "./sim-world.ts";

/** What most of it is about. */
interface Clients {
  readonly clients: readonly SimClient[];
}

/** Everything acknowledged arrived, as often as its QoS says, and in order. */
export function expectDelivered(world: Clients, mayRepeatQos0 = false): void {
  const writers = world.clients.filter(({ plan }) => plan.messages > 0);
  for (const reader of world.clients) {
    if (!reader.plan.lasts) continue;
    reader.plan.filters.forEach(({ filter, qos }, i) => {
      const { share, filter: matched } = parseFilter(filter)!;
      if (share !== null) return;
      const identifier = reader.plan.version === 5 ? i + 1 : 0;
      const arrivals = reader.arrivals.filter((arrival) => arrival.identifier === identifier);
      const times = timesOf(arrivals);
      for (const writer of writers) {
        const sent = writer.published.filter(({ topic }) => filterMatches(matched, topic));
        for (const message of sent) {
          const what = `${message.id} to ${reader.plan.clientId} by ${filter}`;
          const seen = times.get(message.id) ?? 0;
          expectTimes(writer, message, qos, seen, what, mayRepeatQos0);
        }
        expectOrder(sent, arrivals, `${writer.plan.clientId} to ${reader.plan.clientId}`);
      }
    });
  }
}

function expectTimes(
  writer: SimClient,
  message: Published,
  granted: number,
  times: number,
  what: string,
  mayRepeatQos0: boolean,
): void {
  if (message.id === "") return;
  const lower = Math.min(message.qos, granted);
  const mayRepeat = message.qos === 1 || lower === 1 || (lower === 0 && mayRepeatQos0);
  if (!mayRepeat) expect(times, what).toBeLessThanOrEqual(1);
  const isCertain = writer.acknowledged.has(message.id) && granted > 0 && !mayExpire(message);
  if (isCertain) expect(times, what).toBeGreaterThanOrEqual(1);
  if (message.qos > 0 && writer.plan.lasts) expect(writer.acknowledged, what).toContain(message.id);
}

/** Whether it may have expired before the run was over. */
function mayExpire({ lifetime }: Published): boolean {
  return lifetime > 0 && lifetime < SESSION_SECONDS / 10;
}

/** First arrivals of each topic and QoS stand in the order they were published. */
function expectOrder(sent: readonly Published[], arrivals: readonly Arrival[], what: string): void {
  const streams = new Map<string, string[]>();
  for (const message of sent) {
    // What expired before it arrived may come again from its publisher.
    if (mayExpire(message)) continue;
    const { id, topic, qos } = message;
    const key = `${topic} at QoS ${qos}`;
    streams.set(key, [...(streams.get(key) ?? []), id]);
  }
  const firsts = [...new Set(arrivals.map(({ id }) => id))];
  for (const [key, ids] of streams) {
    const wanted = new Set(ids);
    const seen = firsts.filter((id) => id !== "" && wanted.has(id));
    const arrived = new Set(seen);
    expect(seen, `${what}, ${key}`).toEqual(ids.filter((id) => arrived.has(id)));
  }
}

/** Of each share one member got the message: QoS 2 exactly once, QoS 1 at least once. */
export function expectShared(world: Clients): void {
  for (const share of ["$share/g/t/#", "$share/h/+"]) {
    const { filter } = parseFilter(share)!;
    const isTaken = world.clients.some(({ plan }) => plan.filters.some((f) => f.filter === share));
    if (!isTaken) continue;
    const arrivals = world.clients.flatMap(({ plan, arrivals }) => {
      const place = plan.filters.findIndex((wanted) => wanted.filter === share);
      if (place < 0) return [];
      return arrivals.filter(({ identifier }) => plan.version < 5 || identifier === place + 1);
    });
    const times = timesOf(arrivals);
    for (const writer of world.clients) {
      for (const message of writer.published) {
        const { id, topic, qos } = message;
        if (id === "" || qos === 0 || !filterMatches(filter, topic)) continue;
        const seen = times.get(id) ?? 0;
        const what = `${id} in ${share}`;
        const isCertain = writer.acknowledged.has(id) && !mayExpire(message);
        if (isCertain) expect(seen, what).toBeGreaterThanOrEqual(1);
        // All members of this one take QoS 2.
        if (qos === 2 && share === "$share/g/t/#") expect(seen, what).toBeLessThanOrEqual(1);
      }
    }
  }
}

/** Nothing came that was never asked for. */
export function expectNothingUnasked({ clients }: Clients): void {
  for (const { plan, arrivals } of clients) {
    const wanted = [...plan.filters.map(({ filter }) => filter), ...plan.whims];
    const filters = wanted.map((filter) => parseFilter(filter)!.filter);
    for (const { id, topic, identifier, retain } of arrivals) {
      const named = identifier > 0 ? [filters[identifier - 1]!] : filters;
      const isAsked = named.some((filter) => filterMatches(filter, topic));
      expect(isAsked, `${id} on ${topic} to ${plan.clientId}`).toBe(true);
      if (retain) expect(plan.lasts, `${id} is retained for ${plan.clientId}`).toBe(false);
      const isNamed = plan.version === 5 && plan.whims.length === 0;
      if (isNamed) expect(identifier, `${id} to ${plan.clientId}`).toBeGreaterThan(0);
    }
  }
}

/** Overlapping subscriptions before 5.0: a copy each, or one in all. */
export function expectCopies({ broker, clients }: SimWorld): void {
  const copies = broker.settings.allowDuplicateMessages ? 2 : 1;
  const twice = clients.find(({ plan }) => plan.clientId === "twice-4")!;
  for (const writer of clients) {
    const once = new Set(writer.published.filter(({ qos }) => qos !== 1).map(({ id }) => id));
    const live = twice.arrivals.filter(({ id, retain }) => !retain && once.has(id));
    for (const [id, times] of timesOf(live)) expect(times, id).toBeLessThanOrEqual(copies);
  }
}

/** A Will came for each connection that was lost, once, and for no other. */
export function expectWills({ clients }: Clients): void {
  const observer = clients[0]!;
  const times = timesOf(observer.arrivals);
  for (const { willsDue } of clients) {
    for (const will of willsDue) expect(times.get(will), will).toBe(1);
  }
  const possible = new Set(clients.flatMap(({ willsPossible }) => [...willsPossible]));
  for (const [will, count] of times) {
    expect(possible, will).toContain(will);
    expect(count, will).toBe(1);
  }
}

/** Each topic retains what was published to it last. */
export function expectRetained({ broker, clients }: SimWorld): void {
  for (const topic of TOPICS) {
    const sent = clients.flatMap(({ published }) => published).filter((m) => m.topic === topic);
    const last = sent.at(-1);
    const kept = broker.retained.get(topic);
    const isKept = last?.retain === true && last.id !== "";
    expect(kept === undefined ? undefined : idOfMessage(kept)).toBe(isKept ? last.id : undefined);
  }
}

/** What is kept is what is retained or owed; each message once. */
export function expectKept({ broker }: SimWorld): void {
  const held = new Set<Message>();
  broker.retained.forEach((message) => void held.add(message));
  for (const session of broker.sessions.values()) {
    for (const { message } of session.outgoing.deliveries()) held.add(message);
    for (const [, message] of session.incoming.entries()) held.add(message);
  }
  const bytes = [...held].reduce((sum, { payloadSize }) => sum + payloadSize, 0);
  expect({ count: broker.kept.count, bytes: broker.kept.bytes }).toEqual({
    count: held.size,
    bytes,
  });
}

/** A remembered route is what working it out afresh would give. */
export function expectRoutes({ broker }: SimWorld): void {
  const all = [...broker.sessions.values()].flatMap((s: Session) => [...s.subscriptions.values()]);
  const direct = all.filter(({ share }) => share === null).length;
  expect(broker.router.counts).toEqual({ direct, shared: all.length - direct });
  for (const topic of TOPICS) {
    const route = broker.router.route(topic);
    const matching = all.filter(({ filter }) => filterMatches(parseFilter(filter)!.filter, topic));
    const own = matching.filter(({ share }) => share === null);
    expect(new Set(route.direct), topic).toEqual(new Set(own));
    const shares = new Set(matching.filter((s) => s.share !== null).map(({ filter }) => filter));
    expect(route.shares.length, topic).toBe(shares.size);
    const members = route.shares.flatMap((share) => [...share.values()]);
    expect(new Set(members), topic).toEqual(new Set(matching.filter((s) => s.share !== null)));
    const sessions = new Set(own.map(({ session }) => session));
    expect(route.distinct, topic).toBe(sessions.size === own.length);
  }
}

/** What the store was told is what the broker has. */
export function expectStored({ broker, store }: SimWorld): void {
  const durable = [...broker.sessions.values()].filter(({ isDurable }) => isDurable);
  expect([...store.sessions.keys()].sort()).toEqual(durable.map((s) => s.clientId).sort());
  for (const session of durable) {
    const stored = store.sessions.get(session.clientId)!;
    expect(new Set(stored.subscriptions.values())).toEqual(new Set(session.subscriptions.values()));
    expect(stored.outgoing).toEqual(new Set(session.outgoing.deliveries()));
    expect([...stored.incoming].sort()).toEqual([...session.incoming.entries()].sort());
  }
  const retained = new Set<Message>();
  broker.retained.forEach((message) => {
    if (!message.topic.name.startsWith("$SYS/")) retained.add(message);
  });
  expect(new Set(store.retained.values())).toEqual(retained);
}

/** What the broker counted is what went over the links. */
export function expectCounted({ broker, traffic, openLinks }: SimWorld): void {
  expect(broker.counters).toMatchObject(traffic);
  expect(broker.connectionCount).toBe(openLinks);
}

function timesOf(arrivals: readonly Arrival[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { id, qos } of arrivals) {
    if (id !== "" && qos >= 0) times.set(id, (times.get(id) ?? 0) + 1);
  }
  return times;
}
