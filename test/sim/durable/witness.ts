/**
 * Stands between the broker and its journal, hands everything on, and knows what each change has to
 * leave in the database: so that a link can ask, when an acknowledgement goes out, whether all that
 * it promises would survive a crash now.
 *
 * It does not believe the journal: it looks into the database.
 */
import type { Store } from "../../../src/broker/durable/store.ts";
import type { Message } from "../../../src/broker/message.ts";
import type { QueuedMessage, Session, Subscription } from "../../../src/broker/session.ts";
import type { Journal } from "../../../src/store/journal.ts";
import { DIRECTION, STATE } from "../../../src/store/rows.ts";
import type { Safety } from "../broker/sim-client.ts";
import { idOfMessage } from "../broker/sim-store.ts";
import type { SimDisk } from "./sim-disk.ts";

interface Owed {
  readonly clientId: string;
  readonly id: string;
}

const HAS_CLIENT = "SELECT 1 FROM clients WHERE client_id = ?";
const HAS_SUBSCRIPTION = `SELECT subscription_options & 3 AS qos FROM subscriptions
  WHERE client_id = ? AND topic = ?`;
const HAS_MESSAGE = `SELECT b.payload AS payload FROM client_msgs m
  JOIN base_msgs b ON b.store_id = m.store_id WHERE m.rowid = ? AND m.client_id = ?`;
const HAS_EXCHANGE = `SELECT state FROM client_msgs
  WHERE client_id = ? AND direction = ? AND mid = ? AND qos = 2 AND state <> ${STATE.queued}`;
const HAS_RETAINED = `SELECT b.payload AS payload FROM retains r
  JOIN base_msgs b ON b.store_id = r.store_id WHERE r.topic = ?`;

export class Witness implements Store, Safety {
  readonly parks = true;
  private readonly journal: Journal;
  private readonly disk: SimDisk;
  private readonly proofs = new Map<string, () => boolean>();
  /** Rows that must be in the database before their messages are acknowledged. */
  private readonly owed = new Map<number, Owed>();
  /** For each topic what was retained, in its order; an empty name for nothing. */
  private readonly retained = new Map<string, string[]>();
  private readonly onExpiring: (id: string, at: number) => void;

  /** @param onExpiring Told when a message expires, in milliseconds of the broker's clock. */
  constructor(journal: Journal, disk: SimDisk, onExpiring: (id: string, at: number) => void) {
    this.journal = journal;
    this.disk = disk;
    this.onExpiring = onExpiring;
  }

  get position(): number {
    return this.journal.position;
  }

  get isFull(): boolean {
    return this.journal.isFull;
  }

  isSafe(key: string): boolean {
    if (key.startsWith("message ")) return this.isMessageSafe(key.slice("message ".length));
    return this.proofs.get(key)?.() ?? true;
  }

  putSession(session: Session): void {
    const { clientId } = session;
    this.proofs.set(`session ${clientId}`, () => this.has(HAS_CLIENT, clientId));
    this.journal.putSession(session);
  }

  removeSession(session: Session): void {
    const { clientId } = session;
    // Who is there has his CONNACK.
    if (session.connection?.isLive) this.proofs.delete(`session ${clientId}`);
    else this.proofs.set(`session ${clientId}`, () => !this.has(HAS_CLIENT, clientId));
    for (const [row, owed] of this.owed) if (owed.clientId === clientId) this.owed.delete(row);
    for (const key of this.proofs.keys()) {
      const isItsOwn = key.split(" ")[1] === clientId && !key.startsWith("session ");
      if (isItsOwn) this.proofs.delete(key);
    }
    this.journal.removeSession(session);
  }

  putSubscription(session: Session, subscription: Subscription): void {
    const { clientId } = session;
    const { filter, qos } = subscription;
    this.proofs.set(`subscription ${clientId} ${filter}`, () => {
      return this.disk.rows(HAS_SUBSCRIPTION, clientId, filter)[0]?.qos === qos;
    });
    this.journal.putSubscription(session, subscription);
  }

  removeSubscription(session: Session, filter: string): void {
    const { clientId } = session;
    this.proofs.set(`subscription ${clientId} ${filter}`, () => {
      return !this.has(HAS_SUBSCRIPTION, clientId, filter);
    });
    this.journal.removeSubscription(session, filter);
  }

  addOutgoing(session: Session, queued: QueuedMessage): void {
    this.journal.addOutgoing(session, queued);
    const { clientId } = session;
    const { message, retain, row } = queued;
    const id = idOfMessage(message);
    if (message.expiresAt > 0) this.onExpiring(id, message.expiresAt);
    // What a new subscription brings was acknowledged before.
    if (!retain) this.owed.set(row, { clientId, id });
  }

  changeOutgoing(session: Session, queued: QueuedMessage): void {
    const { clientId } = session;
    const { packetId, phase, qos } = queued;
    const state = phase === 2 ? STATE.waitForPubcomp : STATE.waitForPubrec;
    if (qos === 2) {
      this.proofs.set(`exchange ${clientId} ${packetId}`, () => {
        return this.stateOf(clientId, DIRECTION.out, packetId) === state;
      });
    }
    this.journal.changeOutgoing(session, queued);
  }

  removeOutgoing(session: Session, queued: QueuedMessage): void {
    this.owed.delete(queued.row);
    this.proofs.delete(`exchange ${session.clientId} ${queued.packetId}`);
    this.journal.removeOutgoing(session, queued);
  }

  addIncoming(session: Session, packetId: number, message: Message): void {
    const { clientId } = session;
    this.proofs.set(`incoming ${clientId} ${packetId}`, () => {
      return this.stateOf(clientId, DIRECTION.in, packetId) === STATE.waitForPubrel;
    });
    this.journal.addIncoming(session, packetId, message);
  }

  removeIncoming(session: Session, packetId: number, message: Message): void {
    const { clientId } = session;
    this.proofs.set(`incoming ${clientId} ${packetId}`, () => {
      return this.stateOf(clientId, DIRECTION.in, packetId) === undefined;
    });
    this.journal.removeIncoming(session, packetId, message);
  }

  putRetained(message: Message, previous: Message | undefined): void {
    this.noteRetained(message, previous, idOfMessage(message));
    this.journal.putRetained(message, previous);
  }

  removeRetained(message: Message): void {
    this.noteRetained(message, message, "");
    this.journal.removeRetained(message);
  }

  fetchOutgoing(session: Session): void {
    this.journal.fetchOutgoing(session);
  }

  commit(): void {
    this.journal.commit();
  }

  private noteRetained({ topic }: Message, previous: Message | undefined, id: string): void {
    const before = previous === undefined ? "" : idOfMessage(previous);
    const all = this.retained.get(topic.name) ?? [before];
    all.push(id);
    this.retained.set(topic.name, all);
  }

  private isMessageSafe(id: string): boolean {
    for (const [row, owed] of this.owed) {
      if (owed.id === id && !this.hasMessage(row, owed)) return false;
    }
    for (const [topic, ids] of this.retained) {
      const at = ids.lastIndexOf(id);
      if (id === "" || at < 0) continue;
      const payload = this.disk.rows(HAS_RETAINED, topic)[0]?.payload;
      if (ids.lastIndexOf(payload === undefined ? "" : nameOf(payload)) < at) return false;
    }
    return true;
  }

  private hasMessage(row: number, { clientId, id }: Owed): boolean {
    const found = this.disk.rows(HAS_MESSAGE, row, clientId)[0];
    return found !== undefined && nameOf(found.payload) === id;
  }

  private stateOf(clientId: string, direction: number, packetId: number): unknown {
    return this.disk.rows(HAS_EXCHANGE, clientId, direction, packetId).at(-1)?.state;
  }

  private has(sql: string, ...values: string[]): boolean {
    return this.disk.rows(sql, ...values).length > 0;
  }
}

/** The name of a message, from its payload as the database has it. */
export function nameOf(payload: unknown): string {
  return Buffer.from(payload as Uint8Array)
    .toString("latin1")
    .split(".", 1)[0]!;
}
