/**
 * A broker on a disk, its bridge, a remote, and two clients of the broker: one that publishes, one
 * that reads with a session that lasts. One generator decides what happens when.
 */
import { Prng } from "../../../src/core/base/prng.ts";
import type { Qos, Version } from "../../../src/core/codec/packets.ts";
import { BridgeWorld } from "../../support/bridge-world.ts";
import { DurableWorld } from "../../support/durable-world.ts";
import type { ScriptedClient } from "../../support/scripted-client.ts";
import { idOf, type RemotePlan, SimRemote } from "./sim-remote.ts";

/** A message that was published on one of the sides. */
export interface Published {
  readonly id: string;
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  /** Whether its publisher was told that it is taken over. */
  isAcknowledged: boolean;
  /** Whether the broker died before it said so: whether it is there, nobody knows. */
  isUnsure: boolean;
}

const MESSAGES = 150;
const TOPICS = 3;
const VERSIONS = { 3: "mqttv31", 4: "mqttv311", 5: "mqttv50" } as const;

export class SimBridgeWorld {
  readonly prng: Prng;
  readonly remote: SimRemote;
  readonly plan: RemotePlan;
  /** From here to there, and from there to here. */
  readonly outgoing: Published[] = [];
  readonly incoming: Published[] = [];
  /** What the reader got: at QoS 2 once for each identifier. */
  readonly read: { readonly topic: string; readonly id: string; readonly qos: Qos }[] = [];
  isFaulty = true;
  crashes = 0;
  private durable: DurableWorld;
  private bridge!: BridgeWorld;
  private publisher!: ScriptedClient;
  private reader!: ScriptedClient;
  private readonly held = new Set<number>();
  /** What the publisher waits to be told of, by packet identifier. */
  private unacknowledged = new Map<number, Published>();
  private lastPacketId = 0;
  private readonly lines: readonly string[];

  constructor(path: string, seed: number, keepsSession = true) {
    const prng = new Prng(seed);
    this.prng = prng;
    this.plan = planOf(prng, keepsSession);
    this.remote = new SimRemote(prng, this.plan);
    this.lines = [
      "topic # out 2 out/ far/",
      "topic # in 2 in/ near/",
      `bridge_protocol_version ${VERSIONS[this.plan.version]}`,
      "restart_timeout 1",
      "keepalive_interval 5",
      `notifications ${prng.chance(0.5)}`,
    ];
    const settings = { maxInflightMessages: prng.between(2, 8), maxQueuedMessages: 0 };
    this.durable = new DurableWorld(path, { settings, seed, parts: { packetIdMax: 40 } });
    this.begin();
  }

  close(): void {
    this.durable.store.database.close();
  }

  tick(): void {
    const { prng, durable } = this;
    if (prng.chance(0.1)) times(prng.between(1, 8), () => this.publishHere());
    if (prng.chance(0.1)) times(prng.between(1, 8), () => this.publishThere());
    if (prng.chance(0.6)) this.remote.step();
    if (prng.chance(0.4)) durable.settle();
    this.answerPublisher();
    this.answerReader();
    durable.world.pass(prng.between(0, 200));
    if (this.isFaulty) this.meddle();
  }

  get isDone(): boolean {
    return (
      this.outgoing.length === MESSAGES &&
      this.incoming.length === MESSAGES &&
      this.unacknowledged.size === 0 &&
      this.remote.isIdle &&
      this.bridge.bridge.counts.queued === 0 &&
      (this.hasHalf || this.durable.broker.sessions.get("near")!.incoming.count === 0) &&
      this.durable.broker.sessions.get("reader")!.outgoing.idle &&
      this.held.size === 0
    );
  }

  /** 3.1 does not say that a session is lost: what came by half is not forgotten. */
  private get hasHalf(): boolean {
    return this.plan.version === 3 && !this.plan.keepsSession;
  }

  private meddle(): void {
    const { prng } = this;
    if (prng.chance(0.03)) this.remote.break();
    if (prng.chance(0.01)) this.remote.isThere = !this.remote.isThere;
    if (prng.chance(0.005)) {
      this.durable.world.turn(() =>
        this.durable.broker.kick(({ clientId }) => clientId === "near"),
      );
    }
    if (prng.chance(0.005)) this.bridge.reconfigure(prng.chance(0.5), ...this.lines);
    if (prng.chance(0.005)) this.crash();
  }

  /** All faults end here. */
  mend(): void {
    this.isFaulty = false;
    this.remote.isThere = true;
  }

  private begin(): void {
    const { world } = this.durable;
    this.publisher = this.durable.connect({ version: 4, clientId: "publisher" });
    this.reader = this.durable.connect({ version: 4, clientId: "reader", cleanStart: false });
    if (this.crashes === 0) {
      this.reader.subscribe("in/#", 2);
      this.durable.settle();
      this.reader.take();
    }
    const dial = this.remote.dialIn((body) => world.turn(body));
    this.bridge = new BridgeWorld(this.lines, { world, dial });
    this.bridge.start();
  }

  /** The broker dies without a word, and another goes on with what is on its disk. */
  private crash(): void {
    this.crashes++;
    for (const message of this.unacknowledged.values()) message.isUnsure = true;
    this.unacknowledged = new Map();
    this.remote.onCrash();
    this.durable = this.durable.restart(1_000);
    this.begin();
  }

  private publishHere(): void {
    if (this.outgoing.length === MESSAGES || this.unacknowledged.size > 10) return;
    const message = this.message("o", this.outgoing.length);
    this.outgoing.push(message);
    const { topic, payload, qos } = message;
    const packetId = qos === 0 ? 0 : ++this.lastPacketId;
    if (qos > 0) this.unacknowledged.set(packetId, message);
    this.publisher.publish(`out/${topic}`, payload, { qos, packetId });
  }

  private publishThere(): void {
    if (this.incoming.length === MESSAGES) return;
    const message = this.message("i", this.incoming.length);
    this.incoming.push(message);
    message.isAcknowledged = true;
    this.remote.publish(`near/${message.topic}`, message.payload, message.qos);
  }

  private message(side: string, number: number): Published {
    const { prng } = this;
    const id = `${side}${number}`;
    const payload = `${id}.${"x".repeat(prng.chance(0.2) ? 120 : 10)}`;
    const topic = `t${prng.between(1, TOPICS)}`;
    const qos = prng.between(0, 2) as Qos;
    return { id, topic, payload, qos, isAcknowledged: false, isUnsure: false };
  }

  private answerPublisher(): void {
    for (const packet of this.publisher.take()) {
      if (packet.type === "pubrec") {
        this.publisher.pubrel(packet.packetId);
      } else if (packet.type === "puback" || packet.type === "pubcomp") {
        const message = this.unacknowledged.get(packet.packetId);
        if (message !== undefined) message.isAcknowledged = true;
        this.unacknowledged.delete(packet.packetId);
      }
    }
  }

  private answerReader(): void {
    const { reader } = this;
    for (const packet of reader.take()) {
      if (packet.type === "publish") {
        const { topic, payload, qos, packetId } = packet;
        const isKnown = qos === 2 && this.held.has(packetId);
        if (!isKnown) this.read.push({ topic, id: idOf(payload.toString()), qos });
        if (qos === 1) reader.puback(packetId);
        if (qos < 2) continue;
        this.held.add(packetId);
        reader.pubrec(packetId);
      } else if (packet.type === "pubrel") {
        this.held.delete(packet.packetId);
        reader.pubcomp(packet.packetId);
      }
    }
  }
}

function times(count: number, body: () => void): void {
  for (let i = 0; i < count; i++) body();
}

function planOf(prng: Prng, keepsSession: boolean): RemotePlan {
  const version = prng.pick<Version>([3, 4, 5, 5]);
  if (version < 5) return { version, keepsSession, limits: {} };
  const limits: RemotePlan["limits"] = {
    ...(prng.chance(0.5) && { receiveMaximum: prng.between(1, 8) }),
    ...(prng.chance(0.5) && { maximumPacketSize: 100 }),
    ...(prng.chance(0.4) && { maximumQos: prng.between(0, 1) as 0 | 1 }),
    ...(prng.chance(0.5) && { topicAliasMaximum: prng.between(1, 3) }),
    ...(prng.chance(0.3) && { retainAvailable: 0 as const }),
  };
  return { version, keepsSession, limits };
}
