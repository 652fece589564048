/**
 * The remote of a bridge: a broker for one client, which keeps its sessions and holds the bridge to
 * the rules, and the network in between, which delays, stalls, cuts packets anywhere and breaks.
 *
 * Throws at once where the bridge breaks a rule that one connection shows; what arrived is for the
 * run to judge at its end.
 */
import type { Dial, Link, LinkEvents } from "../../../src/client/link.ts";
import type { Prng } from "../../../src/core/base/prng.ts";
import { ACK_HEAD } from "../../../src/core/codec/ack.ts";
import { splitFrames } from "../../../src/core/codec/frame.ts";
import { writePacket } from "../../../src/core/codec/general.ts";
import type { GeneralPacket, Qos, Version } from "../../../src/core/codec/packets.ts";
import type { Properties } from "../../../src/core/codec/properties.ts";
import {
  type AckPacket,
  type PublishPacket,
  publishBytes,
  type ReceivedPacket,
  readReceived,
} from "../../support/scripted-client.ts";

export interface RemotePlan {
  readonly version: Version;
  /** What CONNACK says in 5.0. */
  readonly limits: Pick<
    Properties,
    "receiveMaximum" | "maximumPacketSize" | "maximumQos" | "topicAliasMaximum" | "retainAvailable"
  >;
  /** Whether it still has the session when the bridge comes back. */
  readonly keepsSession: boolean;
}

/** A message on its way to the bridge. */
interface Delivery {
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  packetId: number;
  state: "waiting" | "sent" | "received";
}

/** Messages that it has under way at once. */
const WINDOW = 4;
const PACKET_ID_MAX = 50;

export class SimRemote {
  /** What came from the bridge: at QoS 2 once for each identifier. */
  readonly arrived: { readonly topic: string; readonly payload: string; readonly qos: Qos }[] = [];
  readonly plan: RemotePlan;
  connections = 0;
  /** Whether it lets the bridge in; if not, it closes. */
  isThere = true;
  private readonly prng: Prng;
  private hasSession = false;
  private isSubscribed = false;
  /** Of QoS 2, from PUBREC to PUBREL. */
  private held = new Set<number>();
  private queue: Delivery[] = [];
  private lastPacketId = 0;
  private live: SimConnection | null = null;
  private network: SimConnection[] = [];

  constructor(prng: Prng, plan: RemotePlan) {
    this.prng = prng;
    this.plan = plan;
  }

  /** The network to it, for a bridge that tells nothing ahead of its turn. */
  dialIn(turn: (body: () => void) => void): Dial {
    return (events) => {
      const connection = new SimConnection(this, this.prng, events, turn);
      this.network.push(connection);
      return connection;
    };
  }

  /** Everything that is under way moves on, or not. */
  step(): void {
    this.network = this.network.filter(({ isDone }) => !isDone);
    for (const connection of this.network) connection.step();
  }

  /** The bridge is no more: nobody is at the other end. */
  onCrash(): void {
    for (const connection of this.network) connection.onCrash();
  }

  /** The network breaks. */
  break(): void {
    for (const connection of this.network) connection.break();
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && this.held.size === 0;
  }

  /** Something is published there. It waits for a bridge that has subscribed to it. */
  publish(topic: string, payload: string, qos: Qos): void {
    this.queue.push({ topic, payload, qos, packetId: 0, state: "waiting" });
    this.fill();
  }

  onOpen(connection: SimConnection): void {
    // As a broker does with a client that comes anew.
    if (this.live !== null) this.live.break();
    this.live = connection;
    this.connections++;
  }

  onGone(connection: SimConnection): void {
    if (this.live === connection) this.live = null;
  }

  onPacket(connection: SimConnection, packet: ReceivedPacket, size: number): void {
    if (connection !== this.live) return;
    const { maximumPacketSize = Number.POSITIVE_INFINITY } = this.plan.limits;
    if (packet.type !== "connect" && size > maximumPacketSize) throw new Error("packet too large");
    switch (packet.type) {
      case "connect":
        this.onConnect(connection, packet.cleanStart);
        break;
      case "publish":
        this.onPublish(connection, packet);
        break;
      case "subscribe": {
        const { packetId, subscriptions } = packet;
        connection.take(packetId, false);
        this.isSubscribed = true;
        const reasonCodes = subscriptions.map(({ qos }) => qos);
        const suback = this.bytes({ type: "suback", packetId, reasonCodes, properties: {} });
        connection.answer(suback, () => connection.giveBack(packetId));
        this.fill();
        break;
      }
      case "unsubscribe": {
        const { packetId, filters } = packet;
        connection.take(packetId, false);
        const reasonCodes = this.plan.version === 5 ? filters.map(() => 0) : [];
        const unsuback = this.bytes({ type: "unsuback", packetId, reasonCodes, properties: {} });
        connection.answer(unsuback, () => connection.giveBack(packetId));
        break;
      }
      default:
        this.onRest(connection, packet);
    }
  }

  private onRest(connection: SimConnection, packet: ReceivedPacket): void {
    const { type } = packet;
    if (type === "puback" || type === "pubrec" || type === "pubcomp") {
      this.onAnswer(connection, packet);
    } else if (type === "pubrel") {
      if ((this.plan.limits.maximumQos ?? 2) < 2) throw new Error("PUBREL without QoS 2");
      this.held.delete(packet.packetId);
      connection.answer(ack(ACK_HEAD.pubcomp, packet.packetId), () =>
        connection.giveBack(packet.packetId),
      );
    } else if (type !== "disconnect") {
      throw new Error(`${type} is no packet of a client`);
    }
  }

  private onConnect(connection: SimConnection, cleanStart: boolean): void {
    const sessionPresent = this.hasSession && this.plan.keepsSession && !cleanStart;
    if (!sessionPresent) this.startAnew();
    this.hasSession = true;
    const properties = this.plan.version === 5 ? this.plan.limits : {};
    const connack = { type: "connack", sessionPresent, reasonCode: 0, properties } as const;
    connection.answer(this.bytes(connack));
    for (const one of this.queue) {
      if (one.state === "sent") this.send(one, true);
      else if (one.state === "received") connection.answer(ack(ACK_HEAD.pubrel, one.packetId));
    }
    this.fill();
  }

  private startAnew(): void {
    this.isSubscribed = false;
    this.held = new Set();
    // What it had sent by half starts anew, and what the bridge has is delivered.
    this.queue = this.queue.filter(({ state }) => state !== "received");
    for (const one of this.queue) one.state = "waiting";
  }

  private onPublish(connection: SimConnection, packet: PublishPacket): void {
    const { qos, packetId, retain } = packet;
    const { maximumQos = 2, retainAvailable = 1 } = this.plan.limits;
    if (qos > maximumQos) throw new Error(`QoS ${qos} is not there`);
    if (retain && retainAvailable === 0) throw new Error("retaining is not there");
    const topic = connection.topicOf(packet);
    const isKnown = qos === 2 && this.held.has(packetId);
    const payload = idOf(packet.payload.toString());
    // Of a message of QoS 1 a broker that died need not know that it was sent.
    const isRepeat = qos === 2 && this.arrived.some((one) => one.payload === payload);
    if (isRepeat && !packet.dup) throw new Error("a repeat without DUP");
    if (!isKnown) this.arrived.push({ topic, payload, qos });
    if (qos === 0) return;
    connection.take(packetId, true);
    if (qos === 2) this.held.add(packetId);
    const head = qos === 1 ? ACK_HEAD.puback : ACK_HEAD.pubrec;
    connection.answer(ack(head, packetId), () => {
      if (qos === 1) connection.giveBack(packetId);
    });
  }

  private onAnswer(connection: SimConnection, packet: AckPacket): void {
    const { type, packetId } = packet;
    const one = this.queue.find((each) => each.packetId === packetId && each.state !== "waiting");
    if (one === undefined) throw new Error(`${type} ${packetId} answers nothing`);
    if (type === "pubrec") {
      if (one.qos !== 2) throw new Error("PUBREC at QoS 1");
      one.state = "received";
      connection.answer(ack(ACK_HEAD.pubrel, packetId));
      return;
    }
    if (one.qos !== (type === "puback" ? 1 : 2)) throw new Error(`${type} at QoS ${one.qos}`);
    this.queue.splice(this.queue.indexOf(one), 1);
    this.fill();
  }

  private fill(): void {
    if (this.live === null || !this.live.isAccepted || !this.isSubscribed) return;
    const isOpen = ({ state }: Delivery) => state !== "waiting";
    for (const one of this.queue.filter((each) => !isOpen(each))) {
      if (one.qos > 0 && this.queue.filter(isOpen).length >= WINDOW) return;
      one.packetId = one.qos === 0 ? 0 : this.freeId();
      this.send(one, false);
      if (one.qos > 0) one.state = "sent";
      else this.queue.splice(this.queue.indexOf(one), 1);
    }
  }

  private send({ topic, payload, qos, packetId }: Delivery, dup: boolean): void {
    const options = { qos, packetId, dup };
    this.live!.answer(publishBytes(this.plan.version, topic, Buffer.from(payload), options));
  }

  private freeId(): number {
    do this.lastPacketId = (this.lastPacketId % PACKET_ID_MAX) + 1;
    while (this.queue.some(({ packetId }) => packetId === this.lastPacketId));
    return this.lastPacketId;
  }

  private bytes(packet: GeneralPacket): Buffer {
    return writePacket(packet, this.plan.version);
  }
}

/** One connection: bytes both ways, which move when the run says so. */
class SimConnection implements Link {
  writtenBytes = 0;
  isAccepted = false;
  private readonly remote: SimRemote;
  private readonly prng: Prng;
  private readonly events: LinkEvents;
  private readonly turn: (body: () => void) => void;
  private there: Buffer = Buffer.alloc(0);
  private back: Buffer = Buffer.alloc(0);
  private unread: Buffer = Buffer.alloc(0);
  /** Answers that the remote takes its time for, and what they settle. */
  private answers: { readonly bytes: Buffer; readonly onSent: () => void }[] = [];
  /** Identifiers in use by the bridge, and whether for a message. */
  private readonly taken = new Map<number, boolean>();
  private readonly aliases = new Map<number, string>();
  private isOpen = false;
  private isPaused = false;
  private isEnding = false;
  /** On the bridge's side, and on the remote's. */
  private isOver = false;
  private isGone = false;

  constructor(remote: SimRemote, prng: Prng, events: LinkEvents, turn: (body: () => void) => void) {
    this.remote = remote;
    this.prng = prng;
    this.events = events;
    this.turn = turn;
  }

  // As the bridge uses it.

  get pendingBytes(): number {
    return this.there.length;
  }

  write(bytes: Buffer): void {
    if (!this.isOpen || this.isOver || this.isEnding) throw new Error("written to a closed link");
    this.writtenBytes += bytes.length;
    this.there = Buffer.concat([this.there, bytes]);
  }

  end(): void {
    this.isEnding = true;
  }

  destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.turn(() => this.events.onClosed(undefined));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  // As the remote uses it.

  answer(bytes: Buffer, onSent: () => void = () => undefined): void {
    if (!this.isGone) this.answers.push({ bytes, onSent });
    this.isAccepted = true;
  }

  /** The bridge uses an identifier, until it is given back. */
  take(packetId: number, isMessage: boolean): void {
    if (this.taken.has(packetId)) throw new Error(`identifier ${packetId} is in use`);
    this.taken.set(packetId, isMessage);
    const count = [...this.taken.values()].filter((each) => each).length;
    const { receiveMaximum = 65_535 } = this.remote.plan.limits;
    if (count > receiveMaximum) throw new Error("Receive Maximum exceeded");
  }

  giveBack(packetId: number): void {
    this.taken.delete(packetId);
  }

  topicOf({ topic, properties: { topicAlias } }: PublishPacket): string {
    if (topicAlias === undefined) return topic;
    if (topicAlias > (this.remote.plan.limits.topicAliasMaximum ?? 0)) throw new Error("alias");
    if (topic !== "") this.aliases.set(topicAlias, topic);
    const known = this.aliases.get(topicAlias);
    if (known === undefined) throw new Error(`alias ${topicAlias} has no topic`);
    return known;
  }

  // As the run moves it.

  /** One thing happens, or nothing. */
  step(): void {
    const { prng } = this;
    if (!this.isOpen) {
      this.open();
      return;
    }
    if (prng.chance(0.7)) this.deliverThere(prng.between(1, 200));
    while (this.answers.length > 0 && prng.chance(0.7)) {
      const { bytes, onSent } = this.answers.shift()!;
      onSent();
      this.back = Buffer.concat([this.back, bytes]);
    }
    if (prng.chance(0.7)) this.deliverBack(prng.between(1, 200));
  }

  /** The network goes: what is under way is lost, or some of it still arrives. */
  break(): void {
    if (!this.isGone && this.prng.chance(0.5)) this.deliverThere(this.prng.between(0, 500));
    if (!this.isOver && this.prng.chance(0.5)) this.deliverBack(this.prng.between(0, 500));
    this.go();
    if (this.isOver) return;
    this.isOver = true;
    this.turn(() => this.events.onClosed(this.prng.chance(0.5) ? new Error("broken") : undefined));
  }

  onCrash(): void {
    this.isOver = true;
  }

  get isDone(): boolean {
    return this.isOver && this.isGone;
  }

  private open(): void {
    if (this.isOver) {
      this.go();
    } else if (!this.remote.isThere) {
      this.isOver = true;
      this.go();
      this.turn(() => this.events.onClosed(new Error("refused")));
    } else {
      this.isOpen = true;
      this.remote.onOpen(this);
      this.turn(() => this.events.onOpen());
    }
  }

  private go(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.answers = [];
    this.remote.onGone(this);
  }

  private deliverThere(count: number): void {
    const bytes = this.there.subarray(0, count);
    this.there = this.there.subarray(bytes.length);
    if (!this.isGone && bytes.length > 0) this.read(bytes);
    if (!this.isOver && bytes.length > 0) {
      const position = this.writtenBytes - this.there.length;
      this.turn(() => this.events.onFlushed(position));
    }
    const hasEnded = this.isEnding || this.isOver;
    if (!hasEnded || this.there.length > 0) return;
    this.go();
    if (!this.isOver) this.turn(() => this.events.onClosed(undefined));
    this.isOver = true;
  }

  private deliverBack(count: number): void {
    if (this.isOver || this.isPaused || this.isEnding) return;
    const bytes = Buffer.from(this.back.subarray(0, count));
    this.back = this.back.subarray(bytes.length);
    if (bytes.length > 0) this.turn(() => this.events.onBytes(bytes));
  }

  private read(bytes: Buffer): void {
    const stream = Buffer.concat([this.unread, bytes]);
    const at = splitFrames(stream, 0, stream.length, {
      onFrame: (all, start, _, end) => {
        this.onFrame(all.subarray(start, end));
        return true;
      },
      onPartial: () => true,
    });
    this.unread = stream.subarray(at);
  }

  private onFrame(bytes: Buffer): void {
    if (bytes[0] === 0xc0) this.answer(Buffer.from([0xd0, 0]));
    else this.remote.onPacket(this, readReceived(bytes, this.remote.plan.version), bytes.length);
  }
}

/** What a payload is known by; the rest of it fills. */
export function idOf(payload: string): string {
  return payload.split(".")[0]!;
}

function ack(head: number, packetId: number): Buffer {
  return Buffer.from([head, 2, packetId >> 8, packetId & 0xff]);
}
