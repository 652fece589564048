/**
 * One connection of a bridge: from the dialling to the end, with a client's manners on both sides.
 *
 *     dialling ──▶ connecting ──CONNACK──▶ open ──▶ over
 *         └─────────────┴── refused, timed out, lost ──▲
 *
 * Pure: it is told what the network and the clock do, and answers on links and events. Once the
 * remote has accepted, it comes in at our own broker as well, and relays from there on:
 * `outward.ts` one way, `inward.ts` the other.
 *
 * Holds at all times:
 *   - `onOver` is told once
 *   - nothing is taken from our broker while the remote's network has not taken what was before
 *   - what was not acknowledged when it ends stays in the session, for the next one
 */
import type { Broker } from "../broker/broker.ts";
import type { Connection } from "../broker/connection.ts";
import { BRIDGE_LISTENER } from "../broker/settings.ts";
import { KeepAlive } from "../client/keep-alive.ts";
import type { Dial, Link } from "../client/link.ts";
import type { Deadline } from "../core/base/deadlines.ts";
import { type BufferPool, OutBuffer } from "../core/base/out-buffer.ts";
import { PINGREQ_PACKET } from "../core/codec/ack.ts";
import { readPacket, writePacket } from "../core/codec/general.ts";
import {
  type ConnackPacket,
  type DisconnectPacket,
  type Qos,
  type SubackPacket,
  TYPE,
  type UnsubackPacket,
} from "../core/codec/packets.ts";
import { ProtocolError } from "../core/errors.ts";
import { Inward } from "./inward.ts";
import { LocalLink, type LocalLinkEnd } from "./local-link.ts";
import { Outward, type RemoteLimits } from "./outward.ts";
import {
  localConnect,
  localSubscribe,
  notification,
  type Offer,
  remoteConnect,
  remoteRequest,
} from "./packets.ts";
import type { BridgeSettings } from "./settings.ts";
import type { TopicMap } from "./topic-map.ts";

/** Milliseconds that a remote has to be reached and to answer the CONNECT. */
const CONNECT_MS = 30_000;
/** Bytes under way to the remote above which our broker is left to wait. */
const BACKLOG_BYTES_MAX = 256 * 1024;
/**
 * Answers that the remote may leave unread, which no remote reaches that keeps to its identifiers:
 * above, it is given up.
 */
const ANSWERS_MAX = 200_000;
/** Identifiers that the session's messages leave to the bridge's own requests, and more. */
const OWN_IDS_MIN = 535;

/** Why a passage is over. */
export type Over =
  /** The network: no way there, or none any more. */
  | { readonly kind: "lost"; readonly why: string; readonly wasReached: boolean }
  /** The remote will not have the CONNECT. */
  | { readonly kind: "refused"; readonly reasonCode: number }
  /** The remote's DISCONNECT of 5.0. */
  | { readonly kind: "ended"; readonly reasonCode: number }
  /** Our broker has ended its side, or we did. */
  | { readonly kind: "closed"; readonly why: string };

export interface PassageEvents {
  /** The network connection to the remote stands. */
  onReached(): void;
  /** The remote has accepted. */
  onOpen(limits: RemoteLimits): void;
  onOver(over: Over): void;
  /** The remote will not have a subscription. */
  onDenied(filter: string, reasonCode: number): void;
  /** It has refused a message. */
  onMessageRefused(reasonCode: number): void;
  onTooLarge(size: number): void;
  onNameless(topic: string): void;
  onUnasked(topic: string): void;
}

export interface PassageParts {
  readonly settings: BridgeSettings;
  readonly offer: Offer;
  readonly broker: Broker;
  readonly pool: BufferPool;
  readonly dial: Dial;
  /** As the log shows the remote. */
  readonly address: { readonly host: string; readonly port: number };
  readonly outgoing: TopicMap;
  readonly incoming: TopicMap;
  /** Something happened: the broker's turn begins, if it has not. */
  readonly begin: () => void;
  /** Has `flush` called at the end of this turn. */
  readonly wake: (passage: Passage) => void;
  /** What an error of the network is called in a sentence. */
  readonly wordsFor: (error: Error) => string;
  readonly events: PassageEvents;
}

type State = "dialling" | "connecting" | "open" | "over";

export class Passage implements LocalLinkEnd {
  state: State = "dialling";
  /** Null until the remote has accepted. */
  outward: Outward | null = null;
  inward: Inward | null = null;
  private readonly parts: PassageParts;
  private readonly keepAlive = new KeepAlive();
  private readonly deadline: Deadline;
  /** To the remote, and to our broker. */
  private readonly toRemote: OutBuffer;
  private readonly toBroker: OutBuffer;
  private readonly local: LocalLink;
  private link: Link | null = null;
  private connection: Connection | null = null;
  /** SUBSCRIBE packets under way, by identifier: what each asks for. */
  private readonly asked = new Map<number, string>();
  /** The bridge's own message that waits for its PUBACK; 0 for none. */
  private notice = 0;
  /** What had wanted an answer when the network last had taken everything. */
  private answeredBefore = 0;
  private isAwake = false;
  private isReached = false;

  constructor(parts: PassageParts) {
    this.parts = parts;
    const { pool, address } = parts;
    this.toRemote = new OutBuffer(pool);
    this.toBroker = new OutBuffer(pool);
    this.local = new LocalLink(address.host, address.port, pool, this);
    this.deadline = { at: 0, place: -1, onDeadline: (now) => this.onTick(now) };
  }

  /** Dials. */
  start(): void {
    const { dial, broker, begin } = this.parts;
    broker.deadlines.set(this.deadline, broker.now + CONNECT_MS);
    this.link = dial({
      onReached: () => this.onReached(),
      onOpen: () => {
        begin();
        this.onOpen();
      },
      onBytes: (chunk) => {
        begin();
        this.onBytes(chunk);
      },
      onFlushed: () => this.onFlushed(),
      onClosed: (error) => {
        begin();
        const wasReached = this.state !== "dialling";
        const why = error === undefined ? "" : this.parts.wordsFor(error);
        this.end({ kind: "lost", why, wasReached });
      },
      onWaiting: () => undefined,
    });
  }

  /**
   * Ends it, what has been written first.
   *
   * @param packet Said to the remote last.
   */
  stop(why: string, packet: Buffer | null): void {
    if (this.state === "over") return;
    if (this.state === "open") {
      this.flush();
      if (packet !== null) this.link?.write(packet);
    }
    this.end({ kind: "closed", why });
  }

  private get isGoingOn(): boolean {
    return this.state !== "over";
  }

  // The broker's side.

  get backlogBytes(): number {
    const pending = this.link?.pendingBytes ?? 0;
    return pending > BACKLOG_BYTES_MAX ? pending : 0;
  }

  onWake(): void {
    this.wake();
  }

  onClose(): void {
    if (this.state === "over") return;
    // A DISCONNECT of its own has no meaning there, and what is acknowledged goes out still.
    this.flush();
    this.end({ kind: "closed", why: "ended by the broker" });
  }

  pause(): void {
    this.link?.pause();
    this.keepAlive.onPaused(true, this.parts.broker.now);
  }

  resume(): void {
    this.link?.resume();
    this.keepAlive.onPaused(false, this.parts.broker.now);
  }

  /** The turn is over: what our broker has written goes on. */
  flush(): void {
    this.isAwake = false;
    if (this.link === null || this.state === "over") {
      this.local.out.clear();
      return;
    }
    const { outward, toRemote, link } = this;
    if (outward !== null && link.pendingBytes <= BACKLOG_BYTES_MAX) {
      this.local.out.drain((bytes) => {
        outward.onBytes(bytes);
        return true;
      });
    }
    if (toRemote.length > 0) {
      toRemote.drain((bytes) => {
        link.write(bytes);
        return false;
      });
      this.keepAlive.onSent(this.parts.broker.now);
    }
    this.answerBroker();
  }

  /** What was answered in the remote's place, for the next turn. */
  private answerBroker(): void {
    if (this.toBroker.length === 0) return;
    this.parts.begin();
    this.feedBroker();
  }

  private feedBroker(): void {
    this.toBroker.drain((bytes) => {
      this.connection?.onBytes(bytes);
      return true;
    });
  }

  private wake(): void {
    if (this.isAwake) return;
    this.isAwake = true;
    this.parts.wake(this);
  }

  private write(packet: Buffer): void {
    this.toRemote.append(packet, 0, packet.length);
    this.wake();
  }

  // The remote's side.

  private onReached(): void {
    if (this.state !== "dialling" || this.isReached) return;
    this.isReached = true;
    this.parts.events.onReached();
  }

  private onOpen(): void {
    if (this.state !== "dialling") return;
    this.onReached();
    this.state = "connecting";
    const { settings, offer, broker } = this.parts;
    this.write(remoteConnect(settings, offer, broker.settings));
    if (broker.log.debug) {
      broker.log.write("debug", `Bridge ${settings.remoteClientId} sending CONNECT`);
    }
  }

  private onBytes(chunk: Buffer): void {
    if (this.state === "over") return;
    this.keepAlive.onReceived(this.parts.broker.now);
    try {
      if (this.inward === null) this.inward = this.makeInward();
      this.inward.onBytes(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // What came whole before the error is our broker's already.
      this.feedBroker();
      this.end({ kind: "lost", why: error.message, wasReached: true });
      return;
    }
    this.feedBroker();
    if (this.toRemote.length > 0) this.wake();
    this.checkAnswers();
  }

  /** It is read from while it does not read, for it may wait for just that; but not without end. */
  private checkAnswers(): void {
    const { inward, link } = this;
    if (inward === null || link === null) return;
    if (link.pendingBytes === 0) this.answeredBefore = inward.answered;
    if (inward.answered - this.answeredBefore <= ANSWERS_MAX) return;
    const why = "the remote does not read what it is answered";
    this.end({ kind: "lost", why, wasReached: true });
  }

  private onFlushed(): void {
    const { link, connection } = this;
    if (link === null || this.state !== "open" || link.pendingBytes > 0) return;
    this.parts.begin();
    this.answeredBefore = this.inward?.answered ?? 0;
    if (this.local.out.length > 0) this.flush();
    connection?.onDrain();
  }

  private makeInward(): Inward {
    const { incoming, offer, broker, events } = this.parts;
    const { maxPacketSize, retainAvailable } = broker.settings;
    return new Inward({
      map: incoming,
      version: offer.version,
      packetSizeMax: maxPacketSize,
      retains: retainAvailable,
      out: this.toBroker,
      back: this.toRemote,
      events: {
        onControl: (bytes, start, bodyStart, bodyEnd) =>
          this.onRemotePacket(bytes, start, bodyStart, bodyEnd),
        onAnswer: (type, packetId, reasonCode) => this.onAnswer(type, packetId, reasonCode),
        onUnasked: (topic) => events.onUnasked(topic),
      },
    });
  }

  /** @returns Whether the connection goes on. */
  private onRemotePacket(
    bytes: Buffer,
    start: number,
    bodyStart: number,
    bodyEnd: number,
  ): boolean {
    const head = bytes[start]!;
    const type = head >> 4;
    const { version } = this.parts.offer;
    if (this.state === "connecting") {
      if (type !== TYPE.connack) throw notConnack();
      this.onConnack(readPacket(bytes, head, bodyStart, bodyEnd, version) as ConnackPacket);
    } else if (type === TYPE.suback) {
      this.onSuback(readPacket(bytes, head, bodyStart, bodyEnd, version) as SubackPacket);
    } else if (type === TYPE.unsuback) {
      const packet = readPacket(bytes, head, bodyStart, bodyEnd, version) as UnsubackPacket;
      this.giveBack(packet.packetId);
      this.trace("Received UNSUBACK from");
    } else if (type === TYPE.pingresp) {
      this.trace("Received PINGRESP from");
    } else if (type === TYPE.disconnect && version === 5) {
      const packet = readPacket(bytes, head, bodyStart, bodyEnd, version) as DisconnectPacket;
      // What came before it is our broker's already.
      this.feedBroker();
      this.end({ kind: "ended", reasonCode: packet.reasonCode });
    } else {
      throw new ProtocolError("protocolError", "§2.1.2", `packet type ${type} is not a server's`);
    }
    return this.isGoingOn;
  }

  private onConnack({ reasonCode, sessionPresent, properties }: ConnackPacket): void {
    const { settings, offer, broker, events } = this.parts;
    this.trace("Received CONNACK on connection", ".");
    if (reasonCode !== 0) {
      this.end({ kind: "refused", reasonCode });
      return;
    }
    this.state = "open";
    if (this.inward !== null) this.inward.isOpen = true;
    const told = properties.maximumPacketSize ?? Number.POSITIVE_INFINITY;
    const own = settings.maxPacketSize > 0 ? settings.maxPacketSize : Number.POSITIVE_INFINITY;
    const limits: RemoteLimits = {
      packetSizeMax: Math.min(told, own),
      qosMax: Math.min(offer.qosMax, properties.maximumQos ?? 2) as Qos,
      retains: offer.retains && properties.retainAvailable !== 0,
    };
    const keepAlive = properties.serverKeepAlive ?? settings.keepAlive;
    this.keepAlive.start(keepAlive * 1000, keepAlive * 1000, broker.now);
    this.setDeadline();
    this.outward = new Outward({
      map: this.parts.outgoing,
      version: offer.version,
      limits,
      out: this.toRemote,
      back: this.toBroker,
      events: {
        // Our broker's answers are no news: it takes all that a bridge of its own asks for.
        onControl: () => undefined,
        onTooLarge: (size) => events.onTooLarge(size),
        onNameless: (topic) => events.onNameless(topic),
      },
    });
    const aliases = Math.min(properties.topicAliasMaximum ?? 0, settings.maxTopicAlias);
    const noticeQos = this.noticeQos(limits, properties.receiveMaximum);
    this.comeIn(this.windowOf(properties.receiveMaximum, noticeQos), aliases);
    // What it had begun to send us, it knows no longer.
    if (!sessionPresent && offer.version !== 3) this.forgetHalfReceived();
    this.tellState(limits, noticeQos);
    this.request();
    if (this.isGoingOn) events.onOpen(limits);
  }

  private get tellsState(): boolean {
    const { notificationTopic, notifiesLocallyOnly } = this.parts.settings;
    return notificationTopic !== null && !notifiesLocallyOnly;
  }

  private noticeQos({ qosMax }: RemoteLimits, receiveMaximum = 65_535): Qos {
    return this.tellsState && qosMax > 0 && receiveMaximum > 1 ? 1 : 0;
  }

  /** How much of what the remote takes at once is for messages: the bridge's own has a place. */
  private windowOf(receiveMaximum: number | undefined, noticeQos: Qos): number | undefined {
    if (receiveMaximum === undefined) return undefined;
    return Math.min(noticeQos > 0 ? receiveMaximum - 1 : receiveMaximum, 65_535 - OWN_IDS_MIN);
  }

  /** Comes in at our own broker. */
  private comeIn(receiveMaximum: number | undefined, aliases: number): void {
    const { settings, offer, broker } = this.parts;
    const { maxTopicAlias } = settings;
    const listener = { ...BRIDGE_LISTENER, maxTopicAlias, maxTopicAliasBroker: maxTopicAlias };
    const connection = broker.acceptBridge(this.local, listener);
    this.connection = connection;
    connection.onBytes(localConnect(settings, offer.version, receiveMaximum, aliases));
    const subscribe = localSubscribe(settings, offer.version);
    if (subscribe !== null) connection.onBytes(subscribe);
  }

  private forgetHalfReceived(): void {
    const session = this.connection?.session;
    if (session) this.parts.broker.sessions.forgetIncoming(session);
  }

  private tellState({ retains }: RemoteLimits, qos: Qos): void {
    const { settings, offer } = this.parts;
    if (!this.tellsState) return;
    this.notice = qos === 0 ? 0 : this.lendPacketId();
    this.write(notification(settings, { ...offer, retains }, qos, this.notice, "1"));
  }

  /** Asks the remote for what the lines say, with identifiers of the session's messages. */
  private request(): void {
    const { settings, offer, broker } = this.parts;
    const { localClientId } = settings;
    for (const one of settings.remoteRequests) {
      const packetId = this.lendPacketId();
      if (packetId === 0) return;
      if (one.wanted) this.asked.set(packetId, one.filter);
      this.write(remoteRequest(one, offer.version, packetId));
      if (!broker.log.debug) continue;
      const where = `(Mid: ${packetId}, Topic: ${one.filter}`;
      const options = `QoS: ${one.qos}, Options: 0x${offer.version === 5 ? "0c" : "00"}`;
      const what = one.wanted ? `SUBSCRIBE ${where}, ${options})` : `UNSUBSCRIBE ${where})`;
      broker.log.write("debug", `Bridge ${localClientId} sending ${what}`);
    }
  }

  /** For something of the bridge's own: it goes by the numbering of the session's messages. */
  private lendPacketId(): number {
    const packetId = this.connection?.session?.outgoing.lendPacketId() ?? 0;
    if (packetId === 0) {
      const why = "unacknowledged messages have all packet identifiers";
      this.end({ kind: "lost", why, wasReached: true });
    }
    return packetId;
  }

  private giveBack(packetId: number): void {
    this.connection?.session?.outgoing.giveBackPacketId(packetId);
  }

  private onSuback({ packetId, reasonCodes }: SubackPacket): void {
    this.trace("Received SUBACK from");
    this.giveBack(packetId);
    const filter = this.asked.get(packetId);
    if (filter === undefined) return;
    this.asked.delete(packetId);
    const denied = reasonCodes.find((code) => code >= 0x80);
    if (denied !== undefined) this.parts.events.onDenied(filter, denied);
  }

  private onAnswer(type: number, packetId: number, reasonCode: number): boolean {
    if (type === TYPE.puback && packetId === this.notice) {
      this.notice = 0;
      this.giveBack(packetId);
      return true;
    }
    if (reasonCode >= 0x80 && type <= TYPE.pubrec) this.parts.events.onMessageRefused(reasonCode);
    if (type !== TYPE.puback) return false;
    return this.outward?.onPuback(packetId) === true;
  }

  // The clock's side.

  private onTick(now: number): void {
    if (this.state === "over") return;
    if (this.state !== "open") {
      const why =
        this.state === "dialling"
          ? "no connection within 30 seconds"
          : "no CONNACK within 30 seconds";
      this.end({ kind: "lost", why, wasReached: this.state === "connecting" });
      return;
    }
    const verdict = this.keepAlive.onTick(now);
    if (verdict === "dead") {
      this.end({ kind: "lost", why: "no answer to PINGREQ", wasReached: true });
      return;
    }
    if (verdict === "pingDue") {
      this.write(PINGREQ_PACKET);
      this.trace("Sending PINGREQ to");
    }
    this.setDeadline();
  }

  private setDeadline(): void {
    const { deadlines } = this.parts.broker;
    const at = this.keepAlive.deadline;
    if (at === Number.POSITIVE_INFINITY) deadlines.cancel(this.deadline);
    else deadlines.set(this.deadline, at);
  }

  private trace(what: string, end = ""): void {
    const { broker, settings } = this.parts;
    if (broker.log.debug) broker.log.write("debug", `${what} ${settings.localClientId}${end}`);
  }

  private end(over: Over): void {
    if (this.state === "over") return;
    this.state = "over";
    const { broker, events } = this.parts;
    broker.deadlines.cancel(this.deadline);
    const { link, connection } = this;
    this.connection = null;
    if (connection?.isOpen) connection.onClosed();
    if (over.kind === "closed") link?.end();
    else link?.destroy();
    events.onOver(over);
  }
}

function notConnack(): ProtocolError {
  return new ProtocolError("protocolError", "MQTT5-3.2.0-1", "the first packet is not CONNACK");
}

/** Said last to a remote that need not tell anybody. */
export function goodbye(version: 3 | 4 | 5): Buffer {
  return writePacket({ type: "disconnect", reasonCode: 0, properties: {} }, version);
}
