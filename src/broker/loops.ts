/**
 * The watch over message loops: a message that goes out by one bridge and comes back by another
 * would circle for ever, and each new one with it.
 *
 * Only what a bridge brings and another bridge takes away is looked at. A message that comes that
 * way again and again makes for a suspicion, a trial (`loops/trial.ts`) for certainty, and from
 * there on what comes back is dropped before it goes out again (`loops/echoes.ts`). Our own clients
 * are not concerned: they get what comes, echo or not.
 *
 * Loops through one connection need none of this: no-local cuts them. A loop that does not lead
 * through here as well as back can be cut by others only.
 */
import type { Broker } from "./broker.ts";
import type { Connection } from "./connection.ts";
import { Digester } from "./loops/digest.ts";
import { Echoes, type Forgetting } from "./loops/echoes.ts";
import { Patience } from "./loops/patience.ts";
import { Repeats } from "./loops/repeats.ts";
import type { SuspectParts } from "./loops/suspect.ts";
import { Trial, type Verdict } from "./loops/trial.ts";
import { type Watch, WatchedBridge } from "./loops/watched-bridge.ts";
import type { Message, Source } from "./message.ts";
import type { Session } from "./session.ts";

/** Milliseconds between two trials, in which everything goes out as it should. */
const BETWEEN_TRIALS_MS = 1_000;
/** Milliseconds that a message repeats itself for at least, before it is suspected. */
const SPAN_MS = 20;
/** Of the repeats that make for a trial, the share that has others join it: they have a beat. */
const JOINING_SHARE = 0.5;
/** As many of the longest gaps between repeats, everything is held for at least. */
const HOLD_GAPS = 3;
/** Numbers are below this, so that JavaScript holds them exactly. */
const NUMBERS_END = 2 ** 53;
/** Sets the same message from different bridges apart. */
const BRIDGE_UNIT = 2_654_435_761;

export class Loops implements Watch {
  private readonly broker: Broker;
  private readonly bridges = new Map<string, WatchedBridge>();
  private readonly digester = new Digester();
  /** Made when there is something to note. */
  private repeats: Repeats | null = null;
  private trial: Trial<WatchedBridge> | null = null;
  private nextTrialAt = Number.NEGATIVE_INFINITY;
  private bridgesSeen = 0;
  /** Pairs that the log has told of. */
  private readonly told = new Set<string>();
  /** Whether the last source that was asked for is a bridge, and which. */
  private source: Source | null = null;
  private sourceBridge: WatchedBridge | null = null;
  /** The message that was looked at last, in this turn, whose it is, and whether it may go out. */
  private judged: Message | null = null;
  private origin: WatchedBridge | null = null;
  private isAdmitted = true;

  constructor(broker: Broker) {
    this.broker = broker;
  }

  /** Bridges there are. */
  get count(): number {
    return this.bridges.size;
  }

  /** A client that is a bridge, as far as can be seen, has come in. */
  onBridge(connection: Connection, session: Session): void {
    const { settings } = this.broker;
    if (settings.loopRepeats === 0 || session.watched !== null) return;
    const bridge: WatchedBridge = new WatchedBridge(
      this,
      connection,
      session,
      ++this.bridgesSeen,
      new Echoes(settings, (topic, feeder, why) =>
        this.onForgotten(topic, feeder as WatchedBridge, bridge, why),
      ),
      new Patience(),
    );
    session.watched = bridge;
    this.bridges.set(session.clientId, bridge);
    this.source = null;
  }

  onConnectionEnded(connection: Connection): void {
    const bridge = connection.session?.watched;
    if (!bridge || bridge.connection !== connection) return;
    if (this.trial?.involves(bridge)) this.trial.abort();
    this.bridges.delete(bridge.name);
    this.source = null;
    for (const other of this.bridges.values()) {
      other.echoes.dropFeeder(bridge);
      for (const topic of [...other.loops.keys()]) other.dropLoop(topic, bridge);
      this.told.delete(pairOf(bridge, other));
    }
    bridge.close();
  }

  /** The turn is over: the message that was looked at is not held on to. */
  onTurnEnd(): void {
    this.judged = null;
    this.origin = null;
  }

  /** Ends a trial that `bridge` has a part in: it is about to get more at once than may wait. */
  giveWay(bridge: WatchedBridge): void {
    if (bridge.isHeld) this.trial?.abort();
  }

  // What bridges ask.

  isBridge(source: Source): boolean {
    return this.bridgeOf(source) !== null;
  }

  admits(message: Message, to: WatchedBridge): boolean {
    // What comes back the way it went is no-local's.
    if (message.source.clientId === to.name) return true;
    if (message !== this.judged) this.judge(message);
    if (this.trial !== null && this.isAdmitted) this.onRecipient(message, to);
    return this.isAdmitted;
  }

  onSent(message: Message, by: WatchedBridge): void {
    const { name } = message.topic;
    if (by.isHeld) {
      if (this.trial?.concerns(name)) {
        this.trial.onHeld(by, name, this.digester.digest(message));
      }
      return;
    }
    const origins = by.loops.get(name);
    if (origins === undefined) return;
    this.expect(by, origins, name, this.digester.digest(message));
  }

  // What is done about it.

  private bridgeOf(source: Source): WatchedBridge | null {
    if (source !== this.source) {
      this.source = source;
      this.sourceBridge = this.bridges.get(source.clientId) ?? null;
    }
    return this.sourceBridge;
  }

  /** Looks at a message that some bridge is to get. */
  private judge(message: Message): void {
    const origin = this.bridgeOf(message.source);
    this.judged = message;
    this.origin = origin;
    this.isAdmitted = true;
    if (origin === null) return;
    const { settings, now, counters } = this.broker;
    const { name } = message.topic;
    this.repeats ??= new Repeats(settings.loopTableMax, settings.loopWindowMs);
    const digest = this.digester.digest(message);
    this.trial?.onArrival(origin, name, digest, now);
    const count = this.repeats.note(numberOf(digest, origin), now);
    if (origin.echoes.take(digest, count <= 2, now)) {
      this.isAdmitted = false;
      counters.publishLooped++;
    }
    if (settings.loopRepeats === 0) return;
    if (count >= settings.loopRepeats * JOINING_SHARE) this.suspect(origin, name, digest, count);
  }

  private suspect(origin: WatchedBridge, topic: string, digest: number, count: number): void {
    const { settings, shortage, now } = this.broker;
    // One gap may be long, but that often it cannot come with many such.
    const gapMsMax = settings.loopWindowMs / settings.loopRepeats;
    const gapMs = Math.min(this.repeats!.gapMs, gapMsMax);
    const parts = { topic, origin, digest, gapMs, knownLagMs: origin.echoes.lagOf(topic) };
    if (this.trial !== null) {
      const isQuick = this.repeats!.gapMs <= gapMsMax;
      if (isQuick && this.trial.isGathering(origin, now)) this.trial.add(parts);
      return;
    }
    if (count < settings.loopRepeats || now < this.nextTrialAt || shortage.isShort) return;
    // A heap of the same at once is no beat.
    if (this.repeats!.spanMs < SPAN_MS) return;
    const { patience } = origin;
    if (!patience.isOver(gapMs, now)) return;
    // Where one goes out by several bridges, loops double with each round.
    const isUrgent = count >= 2 * settings.loopRepeats;
    if (isUrgent || patience.hasWaited(gapMs, () => this.fraction(), now)) this.begin(parts);
  }

  private begin(first: SuspectParts<WatchedBridge>): void {
    const { broker } = this;
    const { settings, log, now, deadlines } = broker;
    const { origin, topic, gapMs } = first;
    const wantedMs = Math.max(
      settings.loopHoldMs * 2 ** origin.patience.honestCount,
      gapMs * HOLD_GAPS,
    );
    const holdMs = Math.min(wantedMs, settings.loopHoldMsMax);
    this.trial = new Trial(
      {
        limits: { ...settings, holdMs },
        deadlines,
        now,
        fraction: () => this.fraction(),
        isKnown: (feeder, of) => feeder.loops.has(of),
        onVerdict: (verdict) => this.onVerdict(verdict),
        onReleased: (bridge, held, digest) => {
          const origins = bridge.loops.get(held);
          if (origins !== undefined) this.expect(bridge, origins, held, digest);
        },
        onOver: () => {
          this.trial = null;
          this.nextTrialAt = broker.now + BETWEEN_TRIALS_MS;
        },
      },
      first,
    );
    log.write(
      "information",
      `Messages of bridge connection ${origin.name} repeat themselves (topic ${topic}): what bridges get is held for ${Math.round(this.trial.holdMs)} ms to see whether they loop.`,
    );
  }

  private fraction(): number {
    return this.broker.chance.bytes(1)[0]! / 256;
  }

  private onRecipient(message: Message, to: WatchedBridge): void {
    const { trial, origin } = this;
    if (trial === null) return;
    if (origin !== null) trial.onRecipient(to, message.topic.name);
    if (!to.isHeld) return;
    if (this.broker.shortage.isShort) trial.abort();
    else trial.checkRoom(to);
  }

  private expect(
    by: WatchedBridge,
    origins: ReadonlySet<WatchedBridge>,
    topic: string,
    digest: number,
  ): void {
    const { now } = this.broker;
    for (const origin of origins) origin.echoes.expect(topic, by, digest, now);
  }

  private onVerdict({ loops, honest, origins, lagMs }: Verdict<WatchedBridge>): void {
    const { now } = this.broker;
    let isNews = false;
    for (const { topic, feeder, origin } of loops) {
      isNews ||= feeder.loops.get(topic)?.has(origin) !== true;
      origin.echoes.know(topic, feeder, lagMs, now);
      feeder.addLoop(topic, origin);
      this.tell(feeder, origin, topic);
    }
    const quickest = new Map<WatchedBridge, number>();
    for (const { topic, origin, gapMs } of honest) {
      // Whether it was known as a loop or not: it is none.
      origin.echoes.forget(topic, "gone");
      quickest.set(origin, Math.min(gapMs, quickest.get(origin) ?? gapMs));
    }
    for (const origin of origins) {
      const gapMs = quickest.get(origin);
      if (isNews) origin.patience.onLoop(now);
      else if (gapMs !== undefined) origin.patience.onHonest(gapMs, now);
      else if (loops.some((loop) => loop.origin === origin)) origin.patience.onConfirmed(now);
      else origin.patience.onNothing(this.fraction(), now);
    }
  }

  private tell(feeder: WatchedBridge, origin: WatchedBridge, topic: string): void {
    const pair = pairOf(feeder, origin);
    if (this.told.has(pair)) return;
    this.told.add(pair);
    this.broker.log.write(
      "warning",
      `Warning: Messages loop between bridge connections ${origin.name} and ${feeder.name} (topic ${topic}); what comes back is dropped. Change the topic lines of one of them: what goes out by ${feeder.name} must not come in by ${origin.name}.`,
    );
  }

  private onForgotten(
    topic: string,
    feeder: WatchedBridge,
    origin: WatchedBridge,
    why: Forgetting,
  ): void {
    feeder.dropLoop(topic, origin);
    if (why !== "gone" || feeder.echoes.hasFeeder(origin) || origin.echoes.hasFeeder(feeder)) {
      return;
    }
    if (!this.told.delete(pairOf(feeder, origin))) return;
    this.broker.log.write(
      "notice",
      `Messages loop no longer between bridge connections ${origin.name} and ${feeder.name}.`,
    );
  }
}

function numberOf(digest: number, { number }: WatchedBridge): number {
  const sum = digest + number * BRIDGE_UNIT;
  return sum < NUMBERS_END ? sum : sum - NUMBERS_END;
}

/** The same for both orders. */
function pairOf(one: WatchedBridge, other: WatchedBridge): string {
  const [low, high] = [one.number, other.number].sort((a, b) => a - b);
  return `${low} ${high}`;
}
