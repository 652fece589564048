/** What must hold behind a crash, and when a run has come to rest: a function for each promise. */
import { expect } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import type { QueuedMessage, Session, Subscription } from "../../../src/broker/session.ts";
import type { Deadline } from "../../../src/core/base/deadlines.ts";
import { DIRECTION } from "../../../src/store/rows.ts";
import type { SimClient } from "../broker/sim-client.ts";
import { idOfMessage } from "../broker/sim-store.ts";
import type { DurableWorld } from "./durable-world.ts";
import { nameOf } from "./witness.ts";

/** What CONNACK, SUBACK and UNSUBACK have said is so, and nothing is kept that was given up. */
export function expectRecovered(world: DurableWorld): void {
  for (const client of world.clients) {
    const { clientId } = client.plan;
    const session = world.broker.sessions.get(clientId);
    // Of an interval of 0 the end comes with the first tick.
    if (client.session === "unknown" || session?.expiryInterval === 0) continue;
    expect(session !== undefined, `there is a session of ${clientId}`).toBe(
      client.session === "there",
    );
    if (session !== undefined) expectSubscriptions(client, session);
  }
  expectRetainedNews(world);
}

function expectSubscriptions({ plan, subscribed, doubtful }: SimClient, session: Session): void {
  for (const filter of [...plan.filters.map(({ filter }) => filter), ...plan.whims]) {
    if (doubtful.has(filter)) continue;
    const what = `QoS of ${filter} for ${plan.clientId}`;
    expect(session.subscriptions.get(filter)?.qos, what).toBe(subscribed.get(filter));
  }
}

/** What a topic retains is the last that was acknowledged, or what came after it. */
function expectRetainedNews({ broker, clients }: DurableWorld): void {
  for (const { published, retainedUntil } of clients) {
    const topics = published.filter(({ retain }) => retain).map(({ topic }) => topic);
    for (const topic of new Set(topics)) {
      const until = retainedUntil.get(topic) ?? -1;
      const news = published.slice(Math.max(until, 0)).filter((m) => m.topic === topic);
      const kept = broker.retained.get(topic);
      const id = kept === undefined ? "" : idOfMessage(kept);
      const may = [...news.map((message) => message.id), ...(until < 0 ? [""] : [])];
      expect(may, `what ${topic} retains`).toContain(id);
    }
  }
}

/** A database that nothing is under way to has what the broker has, and nothing else. */
export function expectStored({ broker, disk }: DurableWorld): void {
  const rows = (sql: string) =>
    disk
      .rows(sql)
      .map((row) => Object.values(row).join(" "))
      .sort();
  const durable = [...broker.sessions.values()].filter(({ isDurable }) => isDurable);
  expect(rows("SELECT client_id FROM clients")).toEqual(durable.map((s) => s.clientId).sort());
  const subscriptions = durable.flatMap(({ clientId, subscriptions }) =>
    [...subscriptions.values()].map(({ filter, qos }) => `${clientId} ${filter} ${qos}`),
  );
  expect(rows("SELECT client_id, topic, subscription_options & 3 FROM subscriptions")).toEqual(
    subscriptions.sort(),
  );
  const wills = durable.flatMap(({ clientId, will }) => (will === null ? [] : [clientId]));
  expect(rows("SELECT client_id FROM wills")).toEqual(wills.sort());
  const counts = durable.flatMap(({ clientId, outgoing, parked, incoming }) => {
    const out = [...outgoing.deliveries()].length + parked.count;
    const found = [out === 0 ? [] : [`${clientId} ${DIRECTION.out} ${out}`]];
    const { count } = incoming;
    return [...found.flat(), ...(count === 0 ? [] : [`${clientId} ${DIRECTION.in} ${count}`])];
  });
  const messages = `SELECT client_id, direction, count(*) FROM client_msgs
    GROUP BY client_id, direction`;
  expect(rows(messages)).toEqual(counts.sort());
  const retained: string[] = [];
  broker.retained.forEach(({ topic }) => void retained.push(topic.name));
  expect(rows("SELECT topic FROM retains")).toEqual(retained.sort());
  expectNoLeftOver(disk.rows(UNUSED), disk.rows(MISSING));
}

const UNUSED = `SELECT b.topic AS topic, b.payload AS payload FROM base_msgs b
  WHERE store_id NOT IN (SELECT store_id FROM client_msgs UNION SELECT store_id FROM retains)`;
const MISSING = `SELECT client_id FROM client_msgs
  WHERE store_id NOT IN (SELECT store_id FROM base_msgs)
  UNION SELECT topic FROM retains WHERE store_id NOT IN (SELECT store_id FROM base_msgs)`;

function expectNoLeftOver(
  unused: Record<string, unknown>[],
  missing: Record<string, unknown>[],
): void {
  expect(
    unused.map(({ payload }) => nameOf(payload)),
    "messages of nobody",
  ).toEqual([]);
  expect(missing, "messages that are gone though somebody waits for them").toEqual([]);
}

/** What the broker keeps is what sessions and topics hold on to, in memory or not. */
export function expectKept({ broker }: DurableWorld): void {
  const held = new Map<unknown, number>();
  let count = 0;
  let bytes = 0;
  broker.retained.forEach((message) => void held.set(message, message.payloadSize));
  for (const { outgoing, incoming, parked } of broker.sessions.values()) {
    for (const { message } of outgoing.deliveries()) held.set(message, message.payloadSize);
    for (const [, message] of incoming.entries()) held.set(message, message.payloadSize);
    count += parked.count;
    bytes += parked.bytes;
  }
  for (const size of held.values()) bytes += size;
  count += held.size;
  expect({ count: broker.kept.count, bytes: broker.kept.bytes }).toEqual({ count, bytes });
}

/** The broker as far as it must be the same behind a crash that found everything written. */
export function snapshot(broker: Broker): unknown {
  const sessions = [...broker.sessions.values()].filter(({ isDurable }) => isDurable);
  const retained: string[] = [];
  broker.retained.forEach((message) => {
    retained.push(`${message.topic.name} ${idOfMessage(message)} ${message.qos}`);
  });
  return {
    sessions: Object.fromEntries(
      sessions
        .sort((a, b) => (a.clientId < b.clientId ? -1 : 1))
        .map((session) => [session.clientId, sessionShot(broker, session)]),
    ),
    retained: retained.sort(),
  };
}

function sessionShot(broker: Broker, session: Session): unknown {
  const { source, will, subscriptions, outgoing, parked, incoming } = session;
  const begun = [...outgoing.deliveries()].filter(({ phase }) => phase > 0);
  const queue = [...outgoing.deliveries()].slice(begun.length);
  return {
    user: source.username,
    port: source.port,
    interval: session.expiryInterval,
    will: will && `${will.topic} ${nameOf(will.payload)} ${will.qos} ${will.retain} ${will.delay}`,
    subscriptions: [...subscriptions.values()].map(shotOf).sort(),
    begun: begun.map((queued) => deliveryShot(broker, queued)).sort(),
    waiting: queue.length + parked.count,
    waitingBytes: queue.reduce((sum, { size }) => sum + size, 0) + parked.bytes,
    waitingQos0: session.waitingQos0,
    incoming: [...incoming.entries()].map(([id, m]) => `${id} ${idOfMessage(m)}`).sort(),
  };
}

function shotOf(subscription: Subscription) {
  const { filter, share, qos, noLocal, retainAsPublished, retainHandling, identifier } =
    subscription;
  return [filter, share, qos, noLocal, retainAsPublished, retainHandling, identifier].join(" ");
}

function deliveryShot(broker: Broker, queued: QueuedMessage): string {
  const { message, qos, retain, identifier, packetId, phase } = queued;
  const expiry = message.expiresAt === 0 ? 0 : secondsOf(broker, message.expiresAt);
  const id = idOfMessage(message);
  return [id, message.topic.name, qos, retain, identifier, packetId, phase, expiry].join(" ");
}

/** When the sessions of clients that are away end, and their Wills are due; Unix seconds. */
export function deadlines(broker: Broker): Record<string, readonly number[]> {
  const due = (deadline: Deadline | null) =>
    deadline === null || deadline.place < 0 ? 0 : secondsOf(broker, deadline.at);
  const away = [...broker.sessions.values()].filter(({ connection }) => connection === null);
  return Object.fromEntries(
    away.map((session) => [session.clientId, [due(session.expiry), due(session.willDelay)]]),
  );
}

/** They are the same behind a crash; what is overdue is due now. */
export function expectDeadlines(broker: Broker, before: ReturnType<typeof deadlines>): void {
  const after = deadlines(broker);
  const now = secondsOf(broker, broker.now);
  for (const [clientId, times] of Object.entries(before)) {
    const wanted = times.map((at) => (at === 0 ? 0 : Math.max(at, now)));
    expect(after[clientId], `when ${clientId} and its Will are due`).toEqual(wanted);
  }
}

function secondsOf({ epoch }: Broker, at: number): number {
  return Math.ceil((epoch + at) / 1000);
}
