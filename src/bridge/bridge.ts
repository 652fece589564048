/**
 * A bridge: keeps one broker connected to another, and their topics in step (mosquitto-2.1 b.10).
 *
 * Holds one passage after the other: when one is over, the next is due by `schedule.ts`, at the
 * next address. What is for the remote waits meanwhile in the session `localClientId` of our own
 * broker, which is there from the start: on disk where there is a store, and across a restart.
 *
 * Pure: sockets, time and chance are handed in.
 */
import type { Broker } from "../broker/broker.ts";
import type { Source } from "../broker/message.ts";
import type { Session, Subscription } from "../broker/session.ts";
import { BRIDGE_LISTENER } from "../broker/settings.ts";
import type { LogType } from "../broker/world.ts";
import type { Dial } from "../client/link.ts";
import type { Deadline } from "../core/base/deadlines.ts";
import type { BufferPool } from "../core/base/out-buffer.ts";
import { REASONS } from "../core/errors.ts";
import { parseFilter } from "../core/topic/filter.ts";
import { firstOffer, type Offer } from "./packets.ts";
import { goodbye, type Over, Passage } from "./passage.ts";
import { Schedule } from "./schedule.ts";
import type { Address, BridgeSettings } from "./settings.ts";
import { type TopicLine, TopicMap } from "./topic-map.ts";
import { overWords, reasonWords } from "./words.ts";

/**
 * Milliseconds between looks whether the first address is back, and the most there are: a look sees
 * no more than that somebody listens there, who may refuse the bridge each time.
 */
const LOOK_MS = 5_000;
const LOOK_MS_MAX = 600_000;

/** Return codes and reasons that ask for another CONNECT at once. */
const UNACCEPTABLE_VERSION = 0x01;
const UNSUPPORTED_VERSION = REASONS.unsupportedProtocolVersion.code;
const RETAIN_NOT_SUPPORTED = REASONS.retainNotSupported.code;
const QOS_NOT_SUPPORTED = REASONS.qosNotSupported.code;

export interface BridgeWorld {
  readonly broker: Broker;
  readonly pool: BufferPool;
  /** The way to one of the addresses, with the transport that the settings ask for. */
  dial(address: Address): Dial;
  /** Something happened: the broker's turn begins, if it has not. */
  begin(): void;
  /** Has `flush` called at the end of this turn. */
  wake(passage: { flush(): void }): void;
  /** A number in [0, 1), anew at each call. */
  fraction(): number;
  /** What an error of the network is called in a sentence. */
  wordsFor(error: Error): string;
  /** The bridge goes by the settings that came with this world from here on. */
  onTakenOver?(): void;
}

/** What is counted of a bridge over all of its connections. */
export interface BridgeCounts {
  readonly sent: number;
  readonly received: number;
  /** Those that the remote does not take, and those from it that nobody asked for. */
  readonly dropped: number;
  /** On the way to the remote: they wait, or are not acknowledged. */
  readonly queued: number;
  /** Connections that have been accepted. */
  readonly connections: number;
}

type State = "idle" | "waiting" | "up" | "stopped";

export class Bridge {
  private settings: BridgeSettings;
  /** Taken over when the connection there is has ended. */
  private next: { readonly settings: BridgeSettings; readonly world: BridgeWorld } | null = null;
  private world: BridgeWorld;
  private schedule: Schedule;
  private offer: Offer;
  private outgoing: TopicMap;
  private incoming: TopicMap;
  private state: State = "idle";
  private passage: Passage | null = null;
  /** A look at whether the first address is back. */
  private probe: { destroy(): void } | null = null;
  private lookMs = LOOK_MS;
  private lookAt = 0;
  private readonly retry: Deadline;
  private readonly check: Deadline;
  /** Reasons that the log was told, until a connection stands again. */
  private readonly told = new Set<string>();
  private sent = 0;
  private received = 0;
  private dropped = 0;
  private opened = 0;
  /** Messages there were at the last look, and when there last was one. */
  private seen = 0;
  private busyAt = 0;
  private readonly hasComplained = new Set<string>();

  constructor(settings: BridgeSettings, world: BridgeWorld) {
    this.settings = settings;
    this.world = world;
    this.offer = firstOffer(settings);
    this.outgoing = new TopicMap(matched(settings.outgoing));
    this.incoming = new TopicMap(matched(settings.incoming));
    this.schedule = this.makeSchedule();
    this.retry = { at: 0, place: -1, onDeadline: () => this.attempt() };
    this.check = { at: 0, place: -1, onDeadline: (now) => this.onCheck(now) };
  }

  get name(): string {
    return this.settings.name;
  }

  get remoteClientId(): string {
    return this.settings.remoteClientId;
  }

  /** Whether the remote has accepted, and the connection stands. */
  get isOpen(): boolean {
    return this.passage?.state === "open";
  }

  get counts(): BridgeCounts {
    const { outward, inward } = this.passage ?? { outward: null, inward: null };
    return {
      sent: this.sent + (outward?.messages ?? 0),
      received: this.received + (inward?.messages ?? 0),
      dropped: this.dropped + (inward?.unasked ?? 0),
      queued: this.queued,
      connections: this.opened,
    };
  }

  /** From here on what is for the remote waits for it; connects at once unless it is lazy. */
  start(): void {
    this.prepare();
    this.notifyHere("0");
    if (this.settings.startType === "lazy") this.beIdle();
    else this.attempt();
  }

  /**
   * Ends its connection. What waits for the remote goes on waiting.
   *
   * @param forGood Nothing is to wait any more: the bridge is not configured any longer.
   */
  stop(forGood = false): void {
    if (this.state === "stopped") return;
    this.state = "stopped";
    this.cancelTimers();
    this.passage?.stop("stopped", this.lastWords());
    const { session } = this;
    if (session === undefined) return;
    session.onWaiting = null;
    if (forGood) this.world.broker.sessions.remove(session);
  }

  /** Goes by other settings: when its connection ends, or at once. */
  reconfigure(settings: BridgeSettings, world: BridgeWorld, atOnce: boolean): void {
    this.next = { settings, world };
    if (this.passage !== null) {
      if (atOnce) this.passage.stop(RELOADED, this.lastWords());
      return;
    }
    this.takeOver();
    if (settings.startType === "lazy") this.beIdle();
    else this.attempt();
  }

  private get session(): Session | undefined {
    return this.world.broker.sessions.get(this.settings.localClientId);
  }

  private makeSchedule(): Schedule {
    const { restart, addresses } = this.settings;
    return new Schedule(restart, addresses.length, () => this.world.fraction());
  }

  /** Between two connections. @returns Whether there are other settings to go by. */
  private takeOver(): boolean {
    const { next, session } = this;
    if (next === null) return false;
    this.next = null;
    const { localClientId, notificationTopic } = this.settings;
    this.settings = next.settings;
    this.world = next.world;
    this.offer = firstOffer(next.settings);
    this.outgoing = new TopicMap(matched(next.settings.outgoing));
    this.incoming = new TopicMap(matched(next.settings.incoming));
    this.schedule = this.makeSchedule();
    this.told.clear();
    this.hasComplained.clear();
    if (session !== undefined) {
      session.onWaiting = null;
      if (localClientId !== next.settings.localClientId) this.world.broker.sessions.remove(session);
    }
    this.prepare();
    if (notificationTopic !== next.settings.notificationTopic) this.notifyHere("0");
    this.world.onTakenOver?.();
    return true;
  }

  /** Has the session of our broker wait for what the topics name, unless nothing is to last. */
  private prepare(): void {
    const { localCleanSession, outgoing, localClientId, localUsername } = this.settings;
    const { broker } = this.world;
    const { session } = this;
    for (const { filter } of outgoing) {
      this.debug(`Bridge ${localClientId} doing local SUBSCRIBE on topic ${filter}`);
    }
    if (localCleanSession) {
      // What it was told before had messages wait that are not to.
      if (session !== undefined && session.connection === null) broker.sessions.remove(session);
      return;
    }
    const { port, name: listener } = BRIDGE_LISTENER;
    const source: Source = { clientId: localClientId, username: localUsername, port, listener };
    const wanted = outgoing.map(({ filter, qos }): Omit<Subscription, "session"> => {
      const share = parseFilter(filter)?.share ?? null;
      const noLocal = share === null;
      const options = { noLocal, retainAsPublished: true, retainHandling: 0 as const };
      return { filter, share, qos, ...options, identifier: 0 };
    });
    broker.sessions.prepare(source, wanted);
  }

  /** Messages that wait for the remote, or for its acknowledgement. */
  private get queued(): number {
    const { session } = this;
    return session === undefined ? 0 : session.waitingCount + session.outgoing.inflightCount;
  }

  /** A lazy bridge waits until there is enough for the remote. */
  private beIdle(): void {
    this.state = "idle";
    this.world.broker.deadlines.cancel(this.retry);
    const { session } = this;
    if (session === undefined) {
      const why = "is lazy, and nothing waits in a clean local session: it never connects.";
      this.log("warning", `Warning: Bridge ${this.name} ${why}`);
      return;
    }
    session.onWaiting = () => this.onWaiting();
    this.onWaiting();
  }

  private onWaiting(): void {
    const { session } = this;
    if (this.state !== "idle" || session === undefined) return;
    if (this.queued < this.settings.threshold) return;
    session.onWaiting = null;
    this.state = "waiting";
    // Not in the middle of what the broker is doing.
    this.retryAfter(0);
    this.world.begin();
  }

  private attempt(): void {
    const { settings, world, schedule } = this;
    const address = settings.addresses[schedule.address]!;
    this.state = "up";
    world.broker.deadlines.cancel(this.retry);
    this.log("notice", `Connecting bridge (step 1) ${settings.name} (${placeOf(address)})`);
    const passage = new Passage({
      settings,
      offer: this.offer,
      broker: world.broker,
      pool: world.pool,
      dial: world.dial(address),
      address,
      outgoing: this.outgoing,
      incoming: this.incoming,
      begin: () => world.begin(),
      wake: (one) => world.wake(one),
      wordsFor: (error) => world.wordsFor(error),
      events: {
        onReached: () =>
          this.log("notice", `Connecting bridge (step 2) ${settings.name} (${placeOf(address)})`),
        onOpen: () => this.onOpen(address),
        onOver: (over) => this.onOver(over, address),
        onDenied: (filter, code) =>
          this.complain(
            `denied ${filter}`,
            `does not let it subscribe to ${filter} (${reasonWords(code)}); it goes on without.`,
          ),
        onMessageRefused: (code) => {
          this.dropped++;
          this.complain(
            `refused ${code}`,
            `refuses messages (${reasonWords(code)}); they are dropped.`,
          );
        },
        onTooLarge: (size) => {
          this.dropped++;
          this.complain("size", `takes no message as large as ${size} bytes; such are dropped.`);
        },
        onNameless: (topic) => {
          this.dropped++;
          this.complain(
            "nameless",
            `has no name for topics such as ${shortened(topic)}, which their prefix makes too long; they are dropped.`,
          );
        },
        onUnasked: (topic) =>
          this.complain(
            "unasked",
            `sends what no topic line asks for, such as ${shortened(topic)}; it is dropped.`,
          ),
      },
    });
    this.passage = passage;
    passage.start();
  }

  private onOpen(address: Address): void {
    const { broker } = this.world;
    this.opened++;
    if (this.schedule.address === 0) this.lookMs = LOOK_MS;
    this.schedule.onOpen(broker.now);
    this.told.clear();
    this.log("information", `Bridge ${this.name} is connected to ${placeOf(address)}.`);
    this.notifyHere("1");
    this.seen = -1;
    this.lookAt = broker.now + this.lookMs;
    this.setCheck();
  }

  private onOver(over: Over, address: Address): void {
    const wasOpen = this.passage?.outward != null;
    this.takeLeave();
    this.tell(over);
    if (wasOpen || over.kind === "refused") this.notifyHere("0");
    if (this.state === "stopped") return;
    this.state = "waiting";
    if (over.kind === "closed" && over.why !== ENDED_BY_BROKER) {
      this.afterEnd(over.why === IDLE);
    } else if (over.kind === "refused" && this.next === null && this.lowerOffer(over.reasonCode)) {
      this.retryAfter(0);
    } else {
      this.afterFailure(over, address, wasOpen);
    }
  }

  /** Keeps what was counted of the connection that is over. */
  private takeLeave(): void {
    const { passage } = this;
    this.sent += passage?.outward?.messages ?? 0;
    this.received += passage?.inward?.messages ?? 0;
    this.dropped += passage?.inward?.unasked ?? 0;
    this.passage = null;
    this.world.broker.deadlines.cancel(this.check);
    this.giveUpProbe();
  }

  /** The connection was ended from here. */
  private afterEnd(isIdle: boolean): void {
    const isReloaded = this.takeOver();
    const mayRest = isReloaded || isIdle;
    if (mayRest && this.settings.startType === "lazy") this.beIdle();
    else this.retryAfter(0);
  }

  private afterFailure(over: Over, address: Address, wasOpen: boolean): void {
    const delayMs = this.schedule.onOver(this.world.broker.now);
    const isReloaded = this.takeOver();
    const { startType, threshold } = this.settings;
    if (!isReloaded && !this.mayTryAgain(wasOpen)) {
      this.state = "idle";
      this.explain(over, address, "is not tried again, for start_type is once");
    } else if (startType === "lazy" && this.queued < threshold) {
      this.explain(over, address, "is made again when there are messages for it");
      this.beIdle();
    } else {
      const seconds = Math.max(1, Math.round(delayMs / 1000));
      this.explain(over, address, `is tried again in ${seconds} s`);
      this.retryAfter(delayMs);
    }
  }

  private retryAfter(delayMs: number): void {
    const { broker } = this.world;
    broker.deadlines.set(this.retry, broker.now + delayMs);
  }

  /** start_type once: each address has its turn, and a connection that stood is not made again. */
  private mayTryAgain(wasOpen: boolean): boolean {
    const { startType, addresses } = this.settings;
    if (startType !== "once") return true;
    return !wasOpen && this.opened === 0 && this.schedule.failureCount < addresses.length;
  }

  /** Asks for less where the remote has said that it has not got it. @returns Whether there is. */
  private lowerOffer(reasonCode: number): boolean {
    const { offer } = this;
    if (reasonCode === UNACCEPTABLE_VERSION || reasonCode === UNSUPPORTED_VERSION) {
      if (offer.version === 5) this.offer = { ...offer, version: 4 };
      else if (offer.isPrivate) this.offer = { ...offer, isPrivate: false };
    } else if (reasonCode === RETAIN_NOT_SUPPORTED && offer.retains) {
      this.offer = { ...offer, retains: false };
    } else if (reasonCode === QOS_NOT_SUPPORTED && offer.qosMax > 0) {
      this.offer = { ...offer, qosMax: (offer.qosMax - 1) as 0 | 1 };
    }
    return this.offer !== offer;
  }

  // What is looked at now and then.

  private setCheck(): void {
    const { startType, idleTimeout } = this.settings;
    const { broker } = this.world;
    const idleAt = broker.now + Math.min(idleTimeout * 1000, 1000);
    const at = Math.min(
      startType === "lazy" ? idleAt : Number.POSITIVE_INFINITY,
      this.isAway ? this.lookAt : Number.POSITIVE_INFINITY,
    );
    if (at < Number.POSITIVE_INFINITY) broker.deadlines.set(this.check, at);
  }

  /** Whether it is at another address than the first, and would rather be there. */
  private get isAway(): boolean {
    return this.schedule.address > 0 && !this.settings.roundRobin;
  }

  private onCheck(now: number): void {
    const { startType, idleTimeout } = this.settings;
    const { sent, received, queued } = this.counts;
    if (sent + received !== this.seen || queued > 0) this.busyAt = now;
    this.seen = sent + received;
    if (startType === "lazy" && now - this.busyAt >= idleTimeout * 1000) {
      this.passage?.stop(IDLE, this.lastWords());
      return;
    }
    if (this.isAway && now >= this.lookAt) {
      this.lookAt = now + this.lookMs;
      this.lookAtFirst();
    }
    this.setCheck();
  }

  /** The first address is the one to be at: once it can be reached again, the bridge goes there. */
  private lookAtFirst(): void {
    if (this.probe !== null) return;
    const link = this.world.dial(this.settings.addresses[0]!)({
      onReached: () => undefined,
      onOpen: () => {
        this.world.begin();
        if (this.probe !== link) return;
        this.giveUpProbe();
        this.schedule.returnToFirst();
        this.lookMs = Math.min(this.lookMs * 2, LOOK_MS_MAX);
        this.passage?.stop(FIRST_IS_BACK, this.lastWords());
      },
      onBytes: () => undefined,
      onFlushed: () => undefined,
      onClosed: () => {
        if (this.probe === link) this.probe = null;
      },
      onWaiting: () => undefined,
    });
    this.probe = link;
  }

  private giveUpProbe(): void {
    const { probe } = this;
    this.probe = null;
    probe?.destroy();
  }

  private cancelTimers(): void {
    const { deadlines } = this.world.broker;
    deadlines.cancel(this.retry);
    deadlines.cancel(this.check);
    this.giveUpProbe();
  }

  // What is said.

  /** To the remote at an orderly end: nothing where its Will is to tell everybody of it. */
  private lastWords(): Buffer | null {
    const { notificationTopic, notifiesLocallyOnly } = this.settings;
    if (notificationTopic !== null && !notifiesLocallyOnly) return null;
    return goodbye(this.offer.version);
  }

  /** The state, for clients of our own broker. */
  private notifyHere(state: "0" | "1"): void {
    const { notificationTopic } = this.settings;
    if (notificationTopic === null) return;
    this.world.broker.publish(notificationTopic, Buffer.from(state), 1, true);
  }

  /** mosquitto's lines. */
  private tell(over: Over): void {
    const { localClientId } = this.settings;
    if (over.kind === "refused") {
      const { reasonCode } = over;
      const more =
        reasonCode === RETAIN_NOT_SUPPORTED || reasonCode === QOS_NOT_SUPPORTED
          ? " (will retry)"
          : "";
      const isFallback = reasonCode === UNACCEPTABLE_VERSION && this.offer.isPrivate;
      if (!isFallback) {
        this.log("error", `Connection Refused: ${reasonWords(reasonCode)}${more}`);
      }
      this.log("notice", `Client ${localClientId} closed its connection.`);
    } else if (over.kind === "ended") {
      this.log("notice", `Client ${localClientId} disconnected.`);
    } else if (over.kind === "lost" && over.wasReached) {
      this.log("notice", `Client ${localClientId} closed its connection.`);
    }
  }

  /** Why there is no connection, once for each reason in a row, and what becomes of it. */
  private explain(over: Over, address: Address, what: string): void {
    const reason = `no connection to ${placeOf(address)} (${overWords(over)})`;
    if (this.told.has(reason)) return;
    if (this.told.size >= REASONS_TOLD_MAX) this.told.clear();
    this.told.add(reason);
    this.log("warning", `Bridge ${this.name} has ${reason}; it ${what}.`);
  }

  /** Once for each kind of trouble with the remote. */
  private complain(kind: string, what: string): void {
    if (this.hasComplained.has(kind)) return;
    this.hasComplained.add(kind);
    this.log("warning", `Warning: The remote of bridge ${this.name} ${what}`);
  }

  private log(type: LogType, text: string): void {
    this.world.broker.log.write(type, text);
  }

  private debug(text: string): void {
    const { log } = this.world.broker;
    if (log.debug) log.write("debug", text);
  }
}

/** Ways in which a passage is ended from here. */
const IDLE = "nothing to do";
const FIRST_IS_BACK = "the first address is back";
const RELOADED = "reloaded";
const ENDED_BY_BROKER = "ended by the broker";

/** Reasons that are not told again. With more it begins anew: some may name what changes. */
const REASONS_TOLD_MAX = 100;

/** Characters of a topic in a line of the log. */
const TOPIC_SHOWN_MAX = 200;

function placeOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** A topic as it stands in a sentence of the log. */
function shortened(topic: string): string {
  return topic.length > TOPIC_SHOWN_MAX ? `${topic.slice(0, TOPIC_SHOWN_MAX)}…` : topic;
}

/** What the topics of messages match that come for these lines. */
function matched(lines: readonly TopicLine[]): TopicLine[] {
  return lines.map((line) => ({
    ...line,
    filter: parseFilter(line.filter)?.filter ?? line.filter,
  }));
}
