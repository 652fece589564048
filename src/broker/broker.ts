/**
 * The broker: connections in, links out. Pure and synchronous.
 *
 * It is told: a client came (`accept`), time went on (`onTick`), the turn is over (`onTurnEnd`),
 * changes are safe (`onDurable`). It answers on links, a store and a log that it was handed.
 *
 * A turn: whoever runs it sets the time, hands over the chunks that came, and calls `onTurnEnd`.
 * There the batch of changes goes to the store, acknowledgements whose changes are safe are
 * written, and the links that woke are flushed by their owner.
 */
import { Deadlines } from "../core/base/deadlines.ts";
import type { Qos } from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../core/codec/properties.ts";
import { PublishView } from "../core/codec/publish.ts";
import { type ProtocolError, REASONS, type ReasonName } from "../core/errors.ts";
import { exceptBridges } from "./access/bridge-access.ts";
import { Complaints } from "./complaints.ts";
import { Connection, type Ending } from "./connection.ts";
import { Control } from "./control.ts";
import { Counters } from "./counters.ts";
import { HeldPackets } from "./durable/held.ts";
import { restore } from "./durable/restore.ts";
import type { RestoredDelivery, RestoredState } from "./durable/restored.ts";
import { type OnDurable, type Store, type StoreOwner, VolatileStore } from "./durable/store.ts";
import { distribute } from "./fan-out.ts";
import { Kept } from "./kept.ts";
import { Loops } from "./loops.ts";
import { BROKER_SOURCE, type Message, madeMessage, type Source } from "./message.ts";
import { handedOn } from "./on/publish.ts";
import { Retained, retainedBytes } from "./retained.ts";
import { isReserved, type Route, Router } from "./router.ts";
import type { PendingWill, Session } from "./session.ts";
import { Sessions } from "./sessions.ts";
import type { BrokerSettings, ListenerSettings } from "./settings.ts";
import { Shortage } from "./shortage.ts";
import { SysTopics } from "./sys.ts";
import { Trace } from "./trace.ts";
import { Work } from "./work.ts";
import type { Access, Authenticator, Chance, ControlEndpoint, Link, Log } from "./world.ts";

/** What a broker is made of. */
export interface BrokerParts {
  readonly settings: BrokerSettings;
  readonly log: Log;
  readonly chance: Chance;
  /** Makes the store, which reports what is safe; absent: nothing outlives the process. */
  readonly store?: (onDurable: OnDurable, owner: StoreOwner) => Store;
  /** What the store had kept. */
  readonly restored?: RestoredState;
  /** Absent: a listener's `allowAnonymous` decides for everybody. */
  readonly authenticator?: Authenticator;
  /** Absent: everybody may publish and receive everything but the reserved topics. */
  readonly access?: Access;
  /** Who answers what is published below `$CONTROL`. */
  readonly control?: readonly ControlEndpoint[];
  /** As `$SYS/broker/version` shows it. */
  readonly version: string;
  /** The time it begins at, in milliseconds of a clock that only goes forward. */
  readonly now: number;
  /** What the wall clock showed, in Unix milliseconds, when `now` was 0. */
  readonly epoch?: number;
  /** Bytes of memory in use, for `$SYS`. */
  readonly memory?: Memory;
  /** Highest packet identifier given out; 65535 outside tests. */
  readonly packetIdMax?: number;
}

/** Memory of the process, in bytes: now, and the most there was. */
export interface Memory {
  current(): number;
  peak(): number;
  /** Gives back what is garbage, unless it just has. @returns Whether `current` is exact now. */
  collect?(): boolean;
}

/** A message that no PUBLISH of a client brought. */
type Made = Pick<PendingWill, "topic" | "payload" | "qos" | "retain" | "properties">;

/** Reason code of a DISCONNECT (MQTT 5.0 §3.14.2.1). */
const ADMINISTRATIVE_ACTION = 0x98;

const UNKNOWN_MEMORY: Memory = { current: () => 1, peak: () => 1 };

/** What the log calls the reasons a connection ended for (mosquitto-2.1 a.7). */
const ENDING_WORDS: Partial<Record<ReasonName, string>> = {
  malformedPacket: "malformed packet",
  packetTooLarge: "oversize packet",
  notAuthorized: "not authorised",
  quotaExceeded: "quota exceeded",
  topicAliasInvalid: "topic alias invalid",
  qosNotSupported: "QoS too high",
  retainNotSupported: "retain not supported",
};

export class Broker implements StoreOwner {
  settings: BrokerSettings;
  readonly log: Log;
  readonly chance: Chance;
  readonly authenticator: Authenticator | null;
  readonly access: Access | null;
  readonly control: Control;
  /** Of the rules that `access` goes by. */
  accessVersion = 1;
  readonly version: string;
  readonly epoch: number;
  readonly memory: Memory;
  readonly store: Store;
  readonly held = new HeldPackets();
  readonly counters = new Counters();
  readonly deadlines = new Deadlines();
  readonly router: Router;
  readonly work = new Work();
  readonly retained = new Retained(this.work);
  readonly kept = new Kept();
  readonly sessions: Sessions;
  readonly trace: Trace;
  readonly complaints: Complaints;
  readonly shortage = new Shortage(this);
  readonly sys: SysTopics;
  readonly loops = new Loops(this);
  /** For the PUBLISH being read; one serves all connections, for a packet is read at a time. */
  readonly view = new PublishView();
  /** This turn's time in milliseconds, of a clock that only goes forward. */
  now: number;
  /** Turns begun. */
  turns = 1;
  /** Told up to where changes have become safe, for what waits outside. */
  onSafe: OnDurable | null = null;
  private readonly connections = new Set<Connection>();
  /** Those that are not read because the store is full. */
  private heldUp = new Set<Connection>();
  /** Those whose CONNECT has not come: the oldest first. */
  private readonly pending = new Set<Connection>();
  /** Those that have used up their share of this turn, and those of the turn before. */
  private postponed: Connection[] = [];
  private nextUp: Connection[] = [];

  constructor(parts: BrokerParts) {
    this.settings = parts.settings;
    this.log = parts.log;
    this.chance = parts.chance;
    this.authenticator = parts.authenticator ?? null;
    this.access = parts.access === undefined ? null : exceptBridges(parts.access);
    this.control = new Control(this, parts.control ?? []);
    this.version = parts.version;
    this.now = parts.now;
    this.epoch = parts.epoch ?? 0;
    this.memory = parts.memory ?? UNKNOWN_MEMORY;
    const onDurable: OnDurable = (position) => {
      this.held.onDurable(position);
      this.onSafe?.(position);
    };
    this.store = parts.store?.(onDurable, this) ?? new VolatileStore(onDurable);
    this.complaints = new Complaints(parts.log, this);
    const { routesMax, routeStepsMax, turnStepsMax, sparkplugAware } = parts.settings;
    const costs = { routeStepsMax, turnStepsMax, work: this.work };
    this.router = new Router(routesMax, this.access, sparkplugAware, costs);
    this.trace = new Trace(parts.log);
    this.sessions = new Sessions(this, parts.packetIdMax ?? 65_535);
    if (parts.restored !== undefined) restore(this, parts.restored);
    this.sys = new SysTopics(this);
    if (parts.settings.retainExpiryIntervalMs > 0) this.sweepRetained(this.now);
    this.sys.start();
  }

  /** Connections that are open, with a CONNECT or without. */
  get connectionCount(): number {
    return this.connections.size;
  }

  /** Packets and bytes that clients have not read yet. */
  waiting(): { readonly packets: number; readonly bytes: number } {
    let packets = 0;
    let bytes = 0;
    for (const connection of this.connections) {
      packets += connection.outlet.waitingCount;
      bytes += connection.outlet.waitingBytes;
    }
    return { packets, bytes };
  }

  /** A client came. Null when there are as many as there may be: the link is to be closed. */
  accept(link: Link, listener: ListenerSettings): Connection | null {
    const { globalMaxConnections, connectionMessages } = this.settings;
    if (globalMaxConnections >= 0 && this.connections.size >= globalMaxConnections) {
      this.log.write("notice", "Client connection denied: global_max_connections exceeded.");
      return null;
    }
    if (!this.hasRoomForPending()) return null;
    this.counters.socketsAccepted++;
    if (connectionMessages) {
      const { address, port } = link;
      this.log.write("notice", `New connection from ${address}:${port} on port ${listener.port}.`);
    }
    const connection = new Connection(this, link, listener);
    this.connections.add(connection);
    this.pending.add(connection);
    return connection;
  }

  /** A bridge of ours comes in: it counts against no limit on clients. */
  acceptBridge(link: Link, listener: ListenerSettings): Connection {
    const connection = new Connection(this, link, listener);
    this.connections.add(connection);
    return connection;
  }

  /** The first packet of a connection is here. */
  onConnectCame(connection: Connection): void {
    this.pending.delete(connection);
  }

  /** Whether one more may be without its CONNECT; who has been so for long gives way to it. */
  private hasRoomForPending(): boolean {
    const { pendingConnectionsMax, pendingGraceMs } = this.settings;
    if (pendingConnectionsMax === 0 || this.pending.size < pendingConnectionsMax) return true;
    const [oldest] = this.pending;
    const isStale = this.now - oldest!.acceptedAt >= pendingGraceMs;
    this.complaints.reached(
      "max_pending_connections",
      `with ${pendingConnectionsMax} connections without a CONNECT, ${isStale ? "the oldest are closed for new ones" : "new ones are closed"}.`,
    );
    if (isStale) oldest!.refuse("max_pending_connections exceeded", null);
    return isStale;
  }

  /** `connection` has caused enough in this turn: it goes on in the next. */
  postpone(connection: Connection): void {
    this.postponed.push(connection);
  }

  /** Whether there is more to do, so that another turn is to follow at once. */
  get isUnfinished(): boolean {
    return this.postponed.length > 0 || this.nextUp.length > 0;
  }

  onFetched(session: Session, deliveries: readonly RestoredDelivery[]): void {
    this.sessions.onFetched(session, deliveries);
  }

  /** `connection` is not read until the store has room. */
  awaitRoom(connection: Connection): void {
    this.heldUp.add(connection);
  }

  onRoom(): void {
    const { heldUp } = this;
    if (heldUp.size === 0) return;
    this.heldUp = new Set();
    for (const connection of heldUp) connection.goOn();
  }

  /** Time went on to `now`: deadlines that have come are acted on. */
  onTick(now: number): void {
    this.now = now;
    this.deadlines.onTick(now);
  }

  /** The turn's chunks have all been handed over. */
  onTurnEnd(): void {
    this.turns++;
    if (this.isUnfinished) this.goOnWithPostponed();
    this.loops.onTurnEnd();
    this.store.commit();
    this.held.onTurnEnd();
    this.shortage.onTurnEnd();
  }

  /** A turn later, so that everybody else's chunks come before. */
  private goOnWithPostponed(): void {
    const due = this.nextUp;
    this.nextUp = this.postponed;
    this.postponed = [];
    for (const connection of due) connection.onNextTurn();
  }

  /** Publishes a message of the broker's own, which takes over `payload`. */
  publish(
    topic: string,
    payload: Buffer,
    qos: Qos,
    retain: boolean,
    properties: Properties = NO_PROPERTIES,
  ): void {
    this.publishMade({ topic, payload, qos, retain, properties }, BROKER_SOURCE);
  }

  /** Publishes a message of the broker's own that is worth nothing after `seconds`. */
  publishExpiring(topic: string, payload: Buffer, seconds: number): void {
    const expiresAt = this.now + seconds * 1000;
    const message = madeMessage(topic, payload, 2, false, BROKER_SOURCE, undefined, expiresAt);
    distribute(this, message, this.router.route(topic));
  }

  /** Goes by other settings from now on: what connections were promised already stays. */
  reconfigure(settings: BrokerSettings): void {
    this.settings = settings;
    this.sys.reconfigure();
  }

  /**
   * Who may come in, publish and receive has changed.
   *
   * @param mayStay Whether a client that is there would still be let in; not asked of those whose
   *   way vouches for them, such as with a certificate.
   */
  onAccessChanged(mayStay: (source: Source) => boolean): void {
    this.onRulesChanged();
    const code = REASONS.notAuthorized.code;
    for (const connection of [...this.connections]) {
      const { link, listener, session } = connection;
      if (session === null || link.identity !== undefined || listener.isInternal) continue;
      if (mayStay(session.source)) continue;
      connection.end({ why: "not authorised", code, will: true });
    }
  }

  /** What clients may publish and receive has changed; those that are there stay. */
  onRulesChanged(): void {
    this.accessVersion++;
    this.router.generation++;
  }

  /** Ends the connections of clients that `isMeant`, with the reason that 5.0 has for it. */
  kick(isMeant: (source: Source) => boolean): void {
    for (const connection of [...this.connections]) {
      const { session } = connection;
      if (session === null || !isMeant(session.source)) continue;
      connection.end({ why: "administrative action", code: ADMINISTRATIVE_ACTION, will: true });
    }
  }

  /** Visits everybody who is connected. */
  forEachClient(visit: (source: Source, link: Link) => void): void {
    for (const { link, session } of this.connections)
      if (session !== null) visit(session.source, link);
  }

  publishWill(session: Session, will: PendingWill): void {
    const { topic } = will;
    if (isReserved(topic) || this.access?.mayPublish(session.source, topic) === false) return;
    this.publishMade(will, session.source);
  }

  private publishMade(made: Made, source: Source): void {
    const { topic, payload, qos, retain, properties } = made;
    const seconds = properties.messageExpiryInterval ?? 0;
    const expiresAt = seconds === 0 ? 0 : this.now + seconds * 1000;
    const bytes = handedOn(properties);
    const message = madeMessage(topic, payload, qos, retain, source, bytes, expiresAt);
    if (retain) this.retain(message);
    distribute(this, message, this.router.route(topic));
  }

  /** Keeps a message published with RETAIN, or forgets its topic's one where it is empty. */
  retain(message: Message): void {
    const { name } = message.topic;
    if (message.payloadSize === 0) {
      this.dropRetained(name);
      return;
    }
    if (message.source.clientId !== "" && this.refusesRetained(name, message.size)) return;
    this.kept.add(message);
    const previous = this.retained.put(message);
    if (previous !== undefined) this.kept.remove(previous);
    // What `$SYS` says is worth nothing after a restart.
    if (!name.startsWith("$SYS/")) this.store.putRetained(message, previous);
  }

  /** Whether a client's message of `size` bytes is one too many to be retained. */
  refusesRetained(topic: string, size: number): boolean {
    const { retainedMessagesMax, retainedBytesMax } = this.settings;
    const { retained } = this;
    const previous = retained.get(topic);
    const before = previous === undefined ? 0 : retainedBytes(topic, previous.size);
    const growth = retainedBytes(topic, size) - before;
    if (growth <= 0) return false;
    if (this.shortage.isShort) return true;
    const isCount =
      previous === undefined &&
      retainedMessagesMax > 0 &&
      retained.clientCount >= retainedMessagesMax;
    const isBytes = retainedBytesMax > 0 && retained.bytes + growth > retainedBytesMax;
    if (!isCount && !isBytes) return false;
    this.complaints.reached(
      isCount ? "max_retained_messages" : "max_retained_bytes",
      `no more messages are retained, with ${retained.clientCount} there.`,
    );
    return true;
  }

  dropRetained(topic: string): void {
    const message = this.retained.remove(topic);
    if (message === undefined) return;
    this.kept.remove(message);
    if (!topic.startsWith("$SYS/")) this.store.removeRetained(message);
  }

  /** `route` with the subscriptions as they are now, or the one that has taken its place. */
  current(route: Route): Route {
    return route.generation === this.router.generation ? route : this.router.refresh(route);
  }

  onProtocolError(connection: Connection, error: ProtocolError): void {
    const why = ENDING_WORDS[error.reason] ?? "protocol error";
    if (this.log.debug) this.log.write("debug", error.message);
    if (connection.session === null) connection.refuse(why, null);
    else connection.end({ why, code: REASONS[error.reason].code, will: true });
  }

  onConnectionEnded(connection: Connection, ending: Ending): void {
    this.connections.delete(connection);
    this.pending.delete(connection);
    this.heldUp.delete(connection);
    const isLogged = this.settings.connectionMessages && !connection.listener.isInternal;
    if (isLogged) this.logEnd(connection, ending);
    this.loops.onConnectionEnded(connection);
    this.sessions.onConnectionEnded(connection, ending);
  }

  /** Orderly stop: every client is told, and every Will goes out, the delayed ones too (a.4). */
  shutdown(): void {
    // While there is somebody to receive them.
    for (const session of [...this.sessions.values()]) this.sessions.onWillDue(session);
    for (const connection of [...this.connections]) {
      if (connection.session === null) connection.refuse("server shutting down", null);
      else connection.end({ why: "server shutting down", code: 0x8b, will: true });
    }
    this.onTurnEnd();
  }

  private logEnd(connection: Connection, ending: Ending): void {
    const { address, port } = connection.link;
    const name = connection.clientId === "" ? "<unknown>" : connection.clientId;
    const why = ending.why === null ? "." : `: ${ending.why}.`;
    this.log.write("notice", `Client ${name} [${address}:${port}] disconnected${why}`);
  }

  /** retain_expiry_interval: what nobody asks for would otherwise stay for ever. */
  private sweepRetained(now: number): void {
    const expired: string[] = [];
    this.retained.forEach((message) => {
      if (message.isExpired(now)) expired.push(message.topic.name);
    });
    for (const topic of expired) this.dropRetained(topic);
    const next = { at: 0, place: -1, onDeadline: (at: number) => this.sweepRetained(at) };
    this.deadlines.set(next, now + this.settings.retainExpiryIntervalMs);
  }
}
