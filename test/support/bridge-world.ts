/**
 * A bridge between the real broker and a remote that a test plays, without sockets or time.
 *
 *     const world = new BridgeWorld(["topic out/# out 1", "topic in/# in 1"]);
 *     const remote = world.connected();                  // CONNECT, CONNACK and what is asked for
 *     world.client().publish("out/a", "hello", { qos: 1 });
 *     expect(remote.peer.takeOne("publish")).toMatchObject({ topic: "out/a" });
 *     remote.peer.drop();                                // the network breaks
 *     world.pass(5_000);                                 // and it dials again
 *
 * Lines are those of a configuration behind `connection b`. Left out: an address, "far" and "near"
 * for the two client identifiers, no notifications, and 5 s from one attempt to the next.
 *
 * As with sockets, nothing is told from within a call: each event of the network comes in its turn.
 */
import { Bridge, type BridgeWorld as World } from "../../src/bridge/bridge.ts";
import type { Address, BridgeSettings } from "../../src/bridge/settings.ts";
import type { Broker } from "../../src/broker/broker.ts";
import type { Dial, Link, LinkEvents } from "../../src/client/link.ts";
import { BufferPool } from "../../src/core/base/out-buffer.ts";
import { writePacket } from "../../src/core/codec/general.ts";
import type { ConnackPacket, ConnectPacket } from "../../src/core/codec/packets.ts";
import { bridgeSettings } from "../../src/server/bridge-settings.ts";
import {
  BrokerWorld,
  type ClientOptions,
  type LogLine,
  type Part,
  type WorldOptions,
} from "./broker-world.ts";
import { type Pipe, ScriptedClient } from "./scripted-client.ts";
import { configured } from "./served.ts";

const DEFAULT_LINES: Readonly<Record<string, string>> = {
  address: "remote",
  remote_clientid: "far",
  local_clientid: "near",
  notifications: "false",
  restart_timeout: "5",
};

/** What lines behind `connection b` come to. */
export function bridged(...lines: readonly string[]): BridgeSettings {
  const given = new Set(lines.map((line) => line.split(" ")[0]));
  const usual = Object.entries(DEFAULT_LINES)
    .filter(([name]) => !given.has(name) && !(name === "address" && given.has("addresses")))
    .map(([name, value]) => `${name} ${value}`);
  const [configuration] = configured("connection b", ...usual, ...lines).bridges;
  return bridgeSettings(configuration!);
}

export interface BridgeWorldOptions extends WorldOptions {
  /** A broker that is there already; absent: one of its own. */
  readonly world?: BrokerWorld;
  /** The way to the remote. Default: one that a test is at the end of. */
  readonly dial?: Dial;
  /** Chance, between 0 and 1. Default: always the middle. */
  readonly fraction?: () => number;
}

export class BridgeWorld {
  readonly world: BrokerWorld;
  readonly settings: BridgeSettings;
  readonly bridge: Bridge;
  /** What the bridge has dialled, the first one first. */
  readonly dialled: Remote[] = [];
  private readonly pool = new BufferPool();
  private readonly fraction: () => number;
  private readonly ownDial: Dial | undefined;
  private woken = new Set<{ flush(): void }>();

  constructor(lines: readonly string[], options: BridgeWorldOptions = {}) {
    this.world = options.world ?? new BrokerWorld(options);
    this.fraction = options.fraction ?? (() => 0.5);
    this.ownDial = options.dial;
    this.settings = bridged(...lines);
    this.bridge = new Bridge(this.settings, this.bridgeWorld());
    this.world.join({ flush: () => this.flush(), pump: () => false, isDone: false });
  }

  get broker(): Broker {
    return this.world.broker;
  }

  /** The remote that was dialled last. */
  get remote(): Remote {
    const remote = this.dialled.at(-1);
    if (remote === undefined) throw new Error("nothing has been dialled");
    return remote;
  }

  /** What the bridge is made with. */
  bridgeWorld(): World {
    return {
      broker: this.broker,
      pool: this.pool,
      dial: (address) => this.ownDial ?? this.dialTo(address),
      begin: () => undefined,
      wake: (passage) => void this.woken.add(passage),
      fraction: this.fraction,
      wordsFor: (error) => error.message,
    };
  }

  start(): void {
    this.turn(() => this.bridge.start());
  }

  /** Starts it, and accepts what it dials. @returns The remote, which was asked for topics. */
  connected(connack: Partial<ConnackPacket> = {}): Remote {
    this.start();
    return this.accepted(connack);
  }

  /** Accepts what was dialled last. */
  accepted(connack: Partial<ConnackPacket> = {}): Remote {
    const { remote } = this;
    remote.open();
    remote.peer.takeOne("connect");
    remote.accept(connack);
    return remote;
  }

  /** Takes on other lines, as a reload does. */
  reconfigure(atOnce: boolean, ...lines: readonly string[]): void {
    this.turn(() => this.bridge.reconfigure(bridged(...lines), this.bridgeWorld(), atOnce));
  }

  stop(forGood = false): void {
    this.turn(() => this.bridge.stop(forGood));
  }

  client(options: ClientOptions = {}): ScriptedClient {
    return this.world.client(options);
  }

  turn<Result>(body: () => Result): Result {
    return this.world.turn(body);
  }

  pass(ms: number): void {
    this.world.pass(ms);
  }

  /** Every line so far. */
  get log(): readonly LogLine[] {
    return this.world.log;
  }

  logged(pattern: RegExp): string[] {
    return this.world.logged(pattern);
  }

  private dialTo(address: Address): Dial {
    return (events) => {
      const remote = new Remote(this.world, address, events, this.settings.version);
      this.dialled.push(remote);
      this.world.join(remote);
      return remote;
    };
  }

  private flush(): void {
    const { woken } = this;
    this.woken = new Set();
    for (const passage of woken) passage.flush();
  }
}

/** The bridge's link, the network, and the broker at its end, which says what a test has it say. */
export class Remote implements Link, Pipe, Part {
  readonly address: Address;
  readonly peer: ScriptedClient;
  /** What has become of it on the bridge's side. */
  state: "dialled" | "open" | "ended" | "destroyed" | "closed" = "dialled";
  isPaused = false;
  writtenBytes = 0;
  private readonly world: BrokerWorld;
  private readonly events: LinkEvents;
  private takenBytes = 0;
  /** Written by the bridge, not taken by the network. */
  private backlog: Buffer[] = [];
  private isStalled = false;
  /** What the bridge is told next. */
  private readonly due: (() => void)[] = [];
  private unread: Buffer[] = [];

  constructor(world: BrokerWorld, address: Address, events: LinkEvents, version: 3 | 4 | 5) {
    this.world = world;
    this.address = address;
    this.events = events;
    this.peer = new ScriptedClient(this, version, "remote");
  }

  // As a test sees it.

  /** TCP stands, TLS does not yet. */
  reach(): void {
    this.world.turn(() => this.events.onReached?.());
  }

  open(): void {
    this.state = "open";
    this.world.turn(() => this.events.onOpen());
  }

  /** Answers the CONNECT, with success unless it says otherwise. */
  accept(connack: Partial<ConnackPacket> = {}): void {
    const usual = { sessionPresent: false, reasonCode: 0, properties: {} };
    this.peer.send({ type: "connack", ...usual, ...connack });
  }

  /** Takes the CONNECT. */
  takeConnect(): ConnectPacket {
    return this.peer.takeOne("connect");
  }

  /** The network connection goes, or does not come about. */
  fail(error?: Error): void {
    if (this.isOver) return;
    this.state = "closed";
    this.world.turn(() => this.events.onClosed(error));
  }

  /** Several packets in one chunk. */
  sendTogether(...packets: readonly (Parameters<typeof writePacket>[0] | Buffer)[]): void {
    const { version } = this.peer;
    const bytes = packets.map((one) => (Buffer.isBuffer(one) ? one : writePacket(one, version)));
    this.deliver(Buffer.concat(bytes));
  }

  /** Whether the bridge is done with it. */
  get isOver(): boolean {
    return this.state === "ended" || this.state === "destroyed" || this.state === "closed";
  }

  // As the peer uses it.

  deliver(bytes: Buffer): void {
    if (this.isOver) return;
    this.world.turn(() => {
      const chunk = Buffer.from(bytes);
      if (this.isPaused) this.unread.push(chunk);
      else this.events.onBytes(chunk);
    });
  }

  drop(why: string): void {
    this.fail(why === "" ? undefined : new Error(why));
  }

  stall(): void {
    this.isStalled = true;
  }

  release(count: number): void {
    this.world.turn(() => {
      const bytes = Buffer.concat(this.backlog);
      const taken = bytes.subarray(0, count);
      this.backlog = taken.length < bytes.length ? [bytes.subarray(count)] : [];
      this.hand(taken);
    });
  }

  flow(): void {
    this.isStalled = false;
    this.release(Number.POSITIVE_INFINITY);
  }

  // As the bridge uses it.

  get pendingBytes(): number {
    return this.writtenBytes - this.takenBytes;
  }

  write(bytes: Buffer): void {
    if (this.state !== "open") throw new Error(`the bridge writes to a link that is ${this.state}`);
    this.writtenBytes += bytes.length;
    // As it stands: the bridge must not write to these bytes again before they have gone.
    this.backlog.push(bytes);
    if (!this.isStalled) this.due.push(() => this.release(Number.POSITIVE_INFINITY));
  }

  end(): void {
    if (this.isOver) return;
    this.flow();
    this.state = "ended";
    this.peer.closed = true;
    this.due.push(() => this.events.onClosed(undefined));
  }

  destroy(): void {
    if (this.isOver) return;
    this.state = "destroyed";
    this.peer.closed = true;
    this.due.push(() => this.events.onClosed(undefined));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    for (const chunk of this.unread.splice(0)) this.due.push(() => this.events.onBytes(chunk));
  }

  // As the world moves it.

  flush(): void {}

  pump(): boolean {
    const next = this.due.shift();
    next?.();
    return next !== undefined;
  }

  get isDone(): boolean {
    return this.isOver && this.due.length === 0;
  }

  private hand(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.takenBytes += bytes.length;
    const position = this.takenBytes;
    this.due.push(() => this.events.onFlushed(position));
    for (const answer of this.peer.onBytes(Buffer.from(bytes))) {
      this.due.push(() => this.deliver(answer));
    }
  }
}
