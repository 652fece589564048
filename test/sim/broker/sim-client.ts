/**
 * A client that keeps every rule, and holds the broker to its own.
 *
 * It connects again whenever it lost its connection, repeats what was not acknowledged, answers
 * late and, if it is careless, out of order. It notes what arrived, for the run to judge at its
 * end, and throws at once where the broker breaks a rule that one connection shows.
 */
import type { Prng } from "../../../src/core/base/prng.ts";
import { splitFrames } from "../../../src/core/codec/frame.ts";
import { writePacket } from "../../../src/core/codec/general.ts";
import {
  type ConnackPacket,
  type GeneralPacket,
  type Qos,
  TYPE,
  type Version,
} from "../../../src/core/codec/packets.ts";
import {
  type AckPacket,
  type PublishPacket,
  publishBytes,
  readReceived,
} from "../../support/scripted-client.ts";
import type { LinkEnd, SimLink } from "./sim-link.ts";
import { idOf } from "./sim-store.ts";

export interface Plan {
  readonly clientId: string;
  readonly version: Version;
  /** Whether its session outlives its connections. */
  readonly lasts: boolean;
  /** What it is subscribed to all the time; in 5.0 the place in the list is the identifier. */
  readonly filters: readonly { readonly filter: string; readonly qos: Qos }[];
  /** What it subscribes to and unsubscribes from as it likes. */
  readonly whims: readonly string[];
  /** Messages it publishes in all. */
  readonly messages: number;
  readonly topics: readonly string[];
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
  readonly hasWill: boolean;
  /** Acknowledges out of order. */
  readonly isCareless: boolean;
  /** Its session lasts or starts anew as it likes, each time it connects. */
  readonly isFickle?: boolean;
  /** Seconds that its Will is delayed, in 5.0. */
  readonly willDelay?: number;
  /** Seconds that some of its messages live, in 5.0. */
  readonly lifetimes?: readonly number[];
}

/** A message it published, or has still to. */
export interface Published {
  readonly id: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly payload: Buffer;
  /** Seconds it lives; 0 for ever. */
  readonly lifetime: number;
}

/** What a SUBSCRIBE or UNSUBSCRIBE asks for; no QoS in the latter. */
interface Request {
  readonly filter: string;
  readonly qos: Qos | null;
}

interface Open {
  readonly message: Published;
  released: boolean;
}

export interface Arrival {
  readonly id: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly identifier: number;
  /** Which of its connections it came on. */
  readonly connection: number;
}

/** Knows what would survive a crash. */
export interface Safety {
  /** Whether the last change noted under `key` would survive a crash now. */
  isSafe(key: string): boolean;
}

/** What happens to a client in a turn, of its own will or not: probabilities. */
export interface Chances {
  readonly lose: number;
  readonly leave: number;
  readonly comeBack: number;
}

/** What a client needs of the world. */
export interface Surroundings {
  readonly prng: Prng;
  readonly store: Safety;
  readonly chances: Chances;
  readonly packetIdMax: number;
  /** Most messages under way to a client that named no Receive Maximum, and from any. */
  readonly maxInflight: number;
  /** Everybody is subscribed: publishing may begin. */
  readonly isReady: boolean;
  /** Faults happen. */
  readonly isFaulty: boolean;
  dial(client: SimClient): SimLink;
}

export class SimClient implements LinkEnd {
  readonly plan: Plan;
  readonly arrivals: Arrival[] = [];
  readonly published: Published[] = [];
  /** Identifiers of messages whose exchange is over. */
  readonly acknowledged = new Set<string>();
  /** Wills that have to come, and those that may. */
  readonly willsDue: string[] = [];
  readonly willsPossible = new Set<string>();
  /** Numbers of its connections that the broker accepted. */
  readonly accepted = new Set<number>();
  /** Filters that SUBACK has granted, and those whose last request was not answered. */
  readonly subscribed = new Map<string, Qos>();
  readonly doubtful = new Set<string>();
  /** What the broker has of it: `unknown` while no CONNACK has said. */
  session: "there" | "gone" | "unknown" = "gone";
  /** For each topic the number of the last retained message, or removal, that was acknowledged. */
  readonly retainedUntil = new Map<string, number>();
  isSubscribed = false;
  /** On a connection that the broker accepted. */
  isOn = false;
  connections = 0;
  link: SimLink | null = null;
  private readonly around: Surroundings;
  private readonly open = new Map<number, Open>();
  private readonly incoming = new Map<number, string>();
  /** QoS 1 and 2 messages of this connection that it has not answered to the end. */
  private readonly unanswered = new Set<number>();
  private readonly aliasesIn = new Map<number, string>();
  private readonly aliasesOut = new Map<string, number>();
  /** Filters of SUBSCRIBE and UNSUBSCRIBE that are not answered. */
  private readonly requests = new Map<number, Request>();
  private answers: Buffer[] = [];
  private stream: Buffer = Buffer.alloc(0);
  private lastPacketId = 0;
  private subscribeId = 0;
  private isLeaving = false;
  private isGone = false;
  private cleanStart = false;
  private isLasting = false;
  private before: SimClient["session"] = "gone";
  private will = "";

  constructor(plan: Plan, around: Surroundings) {
    this.plan = plan;
    this.around = around;
  }

  /** It has nothing to do any more, and is there. */
  get isAtRest(): boolean {
    const isDone = this.published.length === this.plan.messages || !this.around.isReady;
    const isQuiet = this.open.size === 0 && this.answers.length === 0 && this.incoming.size === 0;
    return this.isOn && !this.isLeaving && this.isSubscribed && isDone && isQuiet;
  }

  /** Does one thing or none. */
  act(): void {
    const { prng, isFaulty, isReady, chances } = this.around;
    if (this.isLeaving || this.isGone) return;
    if (this.link === null) {
      if (!isFaulty || prng.chance(chances.comeBack)) this.connect();
      return;
    }
    if (isFaulty && prng.chance(chances.lose)) {
      this.lose();
      return;
    }
    if (!this.isOn) return;
    if (isFaulty && this.isSubscribed && prng.chance(chances.leave)) {
      this.leave();
      return;
    }
    if (!this.isSubscribed && this.subscribeId === 0) this.subscribe();
    this.answer();
    if (!isReady) return;
    if (prng.chance(0.4)) this.publishSome();
    if (isFaulty && this.plan.whims.length > 0 && prng.chance(0.1)) this.followWhim();
  }

  /** Is cut off and does not come back. */
  vanish(): void {
    this.isGone = true;
    this.lose();
  }

  /** Ends its connection, and in 5.0 its session with it. */
  leaveForGood(): void {
    const { version, lasts } = this.plan;
    this.isLeaving = true;
    this.isGone = true;
    const properties = lasts && version === 5 ? { sessionExpiryInterval: 0 } : {};
    this.send({ type: "disconnect", reasonCode: 0, properties });
  }

  // What the link tells it.

  onBytes(bytes: Buffer): void {
    const stream = Buffer.concat([this.stream, bytes]);
    const at = splitFrames(stream, 0, stream.length, {
      onFrame: (all, start, _body, end) => {
        this.onPacket(all.subarray(start, end));
        return true;
      },
      onPartial: () => true,
    });
    this.stream = stream.subarray(at);
  }

  onGone(): void {
    if (!this.isLeaving) throw new Error(`the broker ended ${this.plan.clientId}`);
    this.forget();
  }

  /** No acknowledgement leaves before what it promises is safe. */
  onSending(packet: Buffer, link: SimLink): void {
    if (link !== this.link) return;
    const { store } = this.around;
    const { clientId } = this.plan;
    const wait = (key: string) => {
      if (store.isSafe(key) || key === "message ") return;
      throw new Error(`packet ${packet.toString("hex")} for ${clientId} precedes: ${key}`);
    };
    const packetId = packet.length >= 4 ? packet.readUInt16BE(2) : 0;
    const type = packet[0]! >> 4;
    if (type === TYPE.connack) wait(`session ${clientId}`);
    const isLast = type === TYPE.puback || type === TYPE.pubcomp;
    if (isLast) wait(`message ${this.open.get(packetId)?.message.id}`);
    if (type === TYPE.pubrec || type === TYPE.pubcomp) wait(`incoming ${clientId} ${packetId}`);
    if (type === TYPE.pubrel) wait(`exchange ${clientId} ${packetId}`);
    if (type === TYPE.publish && (packet[0]! & 6) === 4) {
      const publish = readReceived(packet, this.plan.version) as PublishPacket;
      wait(`exchange ${clientId} ${publish.packetId}`);
    }
    if (type !== TYPE.suback && type !== TYPE.unsuback) return;
    wait(`subscription ${clientId} ${this.requests.get(packetId)?.filter}`);
  }

  /** The broker is gone, and with it the connection. */
  onCrash(): void {
    const { hasWill, lasts } = this.plan;
    const isDue = this.isOn && !this.isLeaving && hasWill && lasts;
    if (isDue && this.around.isReady && this.willDelay === 0) this.willsDue.push(this.will);
    this.forget();
  }

  // What it does.

  private connect(): void {
    const { clientId, version, hasWill, receiveMaximum, topicAliasMaximum } = this.plan;
    this.connections++;
    this.choose();
    this.will = `${clientId}-will-${this.connections}`;
    this.link = this.around.dial(this);
    this.send({
      type: "connect",
      version,
      bridge: false,
      cleanStart: this.cleanStart,
      keepAlive: 0,
      clientId,
      ...(hasWill && { will: this.willPacket() }),
      properties:
        version === 5
          ? {
              ...(this.isLasting ? { sessionExpiryInterval: 1_000_000 } : {}),
              ...(receiveMaximum > 0 ? { receiveMaximum } : {}),
              ...(topicAliasMaximum > 0 ? { topicAliasMaximum } : {}),
            }
          : {},
    });
    // It may go on before CONNACK has come.
    if (!this.isSubscribed && this.around.prng.chance(0.5)) this.subscribe();
  }

  /** Whether the session is to be a new one, and whether it is to outlive the connection. */
  private choose(): void {
    const { prng } = this.around;
    const { version, lasts, isFickle } = this.plan;
    this.cleanStart = isFickle === true ? prng.chance(0.4) : !lasts;
    this.isLasting = version < 5 || !isFickle ? !this.cleanStart : prng.chance(0.6);
    this.before = this.session;
    if (this.cleanStart || (this.session === "there") !== this.isLasting) this.session = "unknown";
    if (this.cleanStart && isFickle) this.forgetSession();
  }

  private forgetSession(): void {
    this.incoming.clear();
    this.open.clear();
  }

  private willPacket() {
    const payload = Buffer.from(`${this.will}.`);
    this.willsPossible.add(this.will);
    return {
      topic: `w/${this.plan.clientId}`,
      payload,
      qos: 2,
      retain: false,
      properties: this.willDelay === 0 ? {} : { willDelayInterval: this.willDelay },
    } as const;
  }

  /** Who comes back in time cancels it, so that it need not come. */
  private get willDelay(): number {
    return this.plan.version === 5 ? (this.plan.willDelay ?? 0) : 0;
  }

  /** Loses its connection; the broker hears of it some time. */
  private lose(): void {
    // Where it took its own session over, the broker may take the Will for cancelled.
    this.link?.cut(this.around.prng);
    this.forget();
  }

  /** The broker has heard of the loss before anything else happened: the Will has to come. */
  onNoticed(connection: number): void {
    if (this.plan.hasWill && connection > 0 && this.willDelay === 0)
      this.willsDue.push(`${this.plan.clientId}-will-${connection}`);
  }

  /** Says that it goes, and comes back when the broker has closed. */
  private leave(): void {
    this.isLeaving = true;
    this.willsPossible.delete(this.will);
    const { isFickle, version } = this.plan;
    const ends = isFickle && version === 5 && this.around.prng.chance(0.5);
    if (ends) this.session = "unknown";
    const properties = ends ? { sessionExpiryInterval: 0 } : {};
    this.send({ type: "disconnect", reasonCode: 0, properties });
  }

  private forget(): void {
    if (this.plan.isFickle && !this.isLasting) this.forgetSession();
    this.link = null;
    this.isOn = false;
    this.isLeaving = false;
    this.stream = Buffer.alloc(0);
    this.answers = [];
    this.subscribeId = 0;
    this.unanswered.clear();
    this.requests.clear();
    this.aliasesIn.clear();
    this.aliasesOut.clear();
  }

  private subscribe(): void {
    const { filters, version } = this.plan;
    if (filters.length === 0) {
      this.isSubscribed = true;
      return;
    }
    // One SUBSCRIBE each, for an identifier belongs to all filters of its packet.
    filters.forEach(({ filter, qos }, i) => {
      this.subscribeId = this.takePacketId();
      this.ask(this.subscribeId, filter, qos);
      const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
      const subscriptions = [{ filter, qos, ...options }];
      const properties = version === 5 ? { subscriptionIdentifiers: [i + 1] } : {};
      this.send({ type: "subscribe", packetId: this.subscribeId, subscriptions, properties });
    });
  }

  private followWhim(): void {
    const { prng } = this.around;
    const filter = prng.pick(this.plan.whims);
    if ([...this.requests.values()].some((request) => request.filter === filter)) return;
    const packetId = this.takePacketId();
    if (prng.chance(0.5)) {
      this.ask(packetId, filter, null);
      this.send({ type: "unsubscribe", packetId, filters: [filter], properties: {} });
    } else {
      const options = { noLocal: false, retainAsPublished: false, retainHandling: 2 } as const;
      const subscriptions = [{ filter, qos: prng.pick([0, 1, 2] as const), ...options }];
      this.ask(packetId, filter, subscriptions[0]!.qos);
      this.send({ type: "subscribe", packetId, subscriptions, properties: {} });
    }
  }

  private ask(packetId: number, filter: string, qos: Qos | null): void {
    this.requests.set(packetId, { filter, qos });
    this.doubtful.add(filter);
  }

  private onAnswer(packetId: number): void {
    const request = this.requests.get(packetId);
    if (request === undefined) throw new Error(`request ${packetId} is answered twice`);
    const { filter, qos } = request;
    this.requests.delete(packetId);
    this.doubtful.delete(filter);
    if (qos === null) this.subscribed.delete(filter);
    else this.subscribed.set(filter, qos);
  }

  private publishSome(): void {
    const { prng, maxInflight } = this.around;
    const { messages, topics, clientId } = this.plan;
    const burst = prng.chance(0.3) ? prng.between(2, 6) : 1;
    const topic = prng.pick(topics);
    for (let i = 0; i < burst && this.published.length < messages; i++) {
      const retain = topic.startsWith("r/");
      const qos = retain ? 1 : burst > 1 && prng.chance(0.7) ? 0 : prng.pick([0, 1, 2] as const);
      if (qos > 0 && this.open.size >= maxInflight) return;
      const id = `${clientId}-${this.published.length}`;
      const size = prng.chance(0.03) ? 9000 : prng.between(0, 40);
      const isEmpty = retain && prng.chance(0.5);
      const payload = Buffer.from(isEmpty ? "" : `${id}.${"x".repeat(size)}`);
      const lifetime = retain ? 0 : this.lifetime();
      const message = { id: isEmpty ? "" : id, topic, qos, retain, payload, lifetime };
      this.published.push(message);
      const packetId = qos === 0 ? 0 : this.takePacketId();
      if (qos > 0) this.open.set(packetId, { message, released: false });
      this.transmit(message, packetId, false);
    }
  }

  private lifetime(): number {
    const { version, lifetimes = [] } = this.plan;
    if (version < 5 || lifetimes.length === 0 || this.around.prng.chance(0.5)) return 0;
    return this.around.prng.pick(lifetimes);
  }

  private transmit(message: Published, packetId: number, dup: boolean): void {
    const { topic, qos, retain, payload, lifetime } = message;
    const { version } = this.plan;
    const alias = version === 5 ? this.aliasFor(topic) : undefined;
    const name = alias?.isKnown ? "" : topic;
    const properties = {
      ...(alias && { topicAlias: alias.number }),
      ...(lifetime > 0 && { messageExpiryInterval: lifetime }),
    };
    this.link?.send(
      publishBytes(version, name, payload, { qos, retain, dup, packetId, properties }),
    );
  }

  private aliasFor(topic: string): { number: number; isKnown: boolean } | undefined {
    const known = this.aliasesOut.get(topic);
    if (known !== undefined) return { number: known, isKnown: true };
    if (this.aliasesOut.size >= 10 || this.around.prng.chance(0.7)) return undefined;
    const number = this.aliasesOut.size + 1;
    this.aliasesOut.set(topic, number);
    return { number, isKnown: false };
  }

  /** Sends some of the answers it owes. */
  private answer(): void {
    const { prng, isFaulty } = this.around;
    while (this.answers.length > 0 && (!isFaulty || prng.chance(0.6))) {
      const place = this.plan.isCareless ? prng.between(0, this.answers.length - 1) : 0;
      const [answer] = this.answers.splice(place, 1);
      const type = answer![0]! >> 4;
      if (type === 4 || type === 7) this.unanswered.delete(answer!.readUInt16BE(2));
      this.link?.send(answer!);
    }
  }

  // What it is sent.

  private onPacket(bytes: Buffer): void {
    const packet = readReceived(bytes, this.plan.version);
    switch (packet.type) {
      case "connack":
        this.onConnack(packet);
        break;
      case "suback":
        if (packet.packetId === this.subscribeId) this.isSubscribed = true;
        this.onAnswer(packet.packetId);
        break;
      case "unsuback":
        this.onAnswer(packet.packetId);
        break;
      case "publish":
        this.onPublish(packet);
        break;
      case "puback":
      case "pubrec":
      case "pubrel":
      case "pubcomp":
        this.onAck(packet);
        break;
      default:
        throw new Error(`${this.plan.clientId} got ${packet.type}: ${bytes.toString("hex")}`);
    }
  }

  private onConnack({ reasonCode, sessionPresent }: ConnackPacket): void {
    const { clientId, lasts, version, isFickle, whims } = this.plan;
    if (reasonCode !== 0) throw new Error(`${clientId} is refused: ${reasonCode}`);
    if (this.isOn) throw new Error("a second CONNACK");
    const { before, cleanStart } = this;
    const isPresent = version === 3 ? before === "there" : sessionPresent;
    if (before === "there" && !cleanStart && !isPresent) {
      throw new Error(`the session of ${clientId} is lost`);
    }
    if (isPresent && (cleanStart || before === "gone")) {
      throw new Error(`a session was kept for ${clientId}`);
    }
    this.isOn = true;
    this.accepted.add(this.connections);
    this.session = this.isLasting ? "there" : "gone";
    if (!isPresent) {
      this.incoming.clear();
      this.subscribed.clear();
      // MQTT 3.1 does not say whether there is one.
      if (version > 3 || before === "gone") this.doubtful.clear();
      this.requests.forEach(({ filter }) => void this.doubtful.add(filter));
      this.isSubscribed = false;
      if (!lasts) this.open.clear();
    } else if (isFickle && before === "unknown") {
      for (const filter of whims) this.doubtful.add(filter);
    }
    for (const [packetId, { message, released }] of this.open) {
      if (released) this.link?.send(ackBytes(0x62, packetId));
      else this.transmit(message, packetId, true);
    }
  }

  private onPublish(packet: PublishPacket): void {
    const { packetId, qos, dup, retain, payload, properties } = packet;
    const topic = this.topicOf(packet);
    const id = idOf(payload);
    const identifier = properties.subscriptionIdentifiers?.[0] ?? 0;
    const arrival = { id, topic, qos, retain, identifier, connection: this.connections };
    if (qos === 0) {
      this.arrivals.push(arrival);
      return;
    }
    this.checkWindow(packetId);
    if (qos === 1) {
      this.arrivals.push(arrival);
      this.answers.push(ackBytes(0x40, packetId));
      return;
    }
    const held = this.incoming.get(packetId);
    if (held === undefined) this.arrivals.push(arrival);
    else if (held !== id || !dup) throw new Error(`identifier ${packetId} is used again: ${id}`);
    this.incoming.set(packetId, id);
    this.answers.push(ackBytes(0x50, packetId));
  }

  private checkWindow(packetId: number): void {
    const { packetIdMax, maxInflight } = this.around;
    const { version, receiveMaximum, clientId } = this.plan;
    if (packetId > packetIdMax) throw new Error(`identifier ${packetId} does not exist`);
    if (this.unanswered.has(packetId)) throw new Error(`identifier ${packetId} is still open`);
    this.unanswered.add(packetId);
    const max = version === 5 && receiveMaximum > 0 ? receiveMaximum : maxInflight;
    if (this.unanswered.size > max) throw new Error(`more than ${max} messages to ${clientId}`);
  }

  private topicOf({ topic, properties }: PublishPacket): string {
    const alias = properties.topicAlias;
    if (alias === undefined) return topic;
    if (alias > this.plan.topicAliasMaximum) throw new Error(`alias ${alias} is too high`);
    if (topic !== "") this.aliasesIn.set(alias, topic);
    const known = this.aliasesIn.get(alias);
    if (known === undefined) throw new Error(`alias ${alias} was never told`);
    return known;
  }

  private onAck({ type, packetId, reasonCode }: AckPacket): void {
    if (reasonCode >= 0x80) throw new Error(`${type} with ${reasonCode} to ${this.plan.clientId}`);
    if (type === "pubrel") {
      this.incoming.delete(packetId);
      this.answers.push(ackBytes(0x70, packetId));
      return;
    }
    const open = this.open.get(packetId);
    if (open === undefined) throw new Error(`${type} for ${packetId}, which is not open`);
    if (type === "pubrec") {
      open.released = true;
      this.link?.send(ackBytes(0x62, packetId));
      return;
    }
    const isRight =
      type === "puback" ? open.message.qos === 1 : open.message.qos === 2 && open.released;
    if (!isRight) throw new Error(`${type} for ${packetId}, which waits for something else`);
    const { message } = open;
    this.acknowledged.add(message.id);
    if (message.retain) this.retainedUntil.set(message.topic, this.published.indexOf(message));
    this.open.delete(packetId);
  }

  private send(packet: GeneralPacket): void {
    this.link?.send(writePacket(packet, this.plan.version));
  }

  private takePacketId(): number {
    do this.lastPacketId = (this.lastPacketId % 40) + 1;
    while (this.open.has(this.lastPacketId) || this.requests.has(this.lastPacketId));
    return this.lastPacketId;
  }
}

function ackBytes(head: number, packetId: number): Buffer {
  return Buffer.from([head, 2, packetId >> 8, packetId & 0xff]);
}
