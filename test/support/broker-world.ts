/**
 * The real broker in a world of ours: a clock that only `pass` moves, chance from a seed, a log
 * that is kept, and links that are queues of bytes.
 *
 *     const world = new BrokerWorld({ settings: { maxInflightMessages: 2 } });
 *     const reader = world.client({ clientId: "reader" });            // CONNECT, CONNACK
 *     reader.subscribe("a/#", 1);                                     // SUBSCRIBE and SUBACK
 *     const writer = world.client({ version: 4 });
 *     writer.publish("a/b", "hello", { qos: 1 });
 *     expect(writer.takeHex()).toEqual(["40020001"]);
 *     expect(reader.takeOne("publish").payload.toString()).toBe("hello");
 *     reader.drop();                                                  // no DISCONNECT
 *     world.pass(60_000);                                             // every deadline in its turn
 *
 * `world.peer()` is a client that has sent nothing yet; `send("10 0d …")` and `takeHex()` speak
 * bytes. `stall()`, `read(n)` and `flow()` make a slow reader. Each call is a turn of the broker's;
 * `world.turn(() => { … })` makes one of several. With `durability: "held"` nothing is on disk
 * before `world.settle()`.
 *
 * The world is as strict with the broker as a real one: bytes written without `wake`, or after the
 * link was closed, are errors.
 *
 * Defaults are mosquitto's but for `$SYS`, which is off (sysInterval 0), and the log, which has no
 * debug lines unless `debug` is set: with them the broker takes other ways on its hot path.
 */
import { Broker, type BrokerParts } from "../../src/broker/broker.ts";
import type { Connection } from "../../src/broker/connection.ts";
import { VolatileStore } from "../../src/broker/durable/store.ts";
import {
  type BrokerSettings,
  DEFAULT_LISTENER,
  DEFAULT_SETTINGS,
  type ListenerSettings,
} from "../../src/broker/settings.ts";
import type { Authenticator, Credentials, Link, LogType } from "../../src/broker/world.ts";
import { BufferPool, OutBuffer } from "../../src/core/base/out-buffer.ts";
import { Prng } from "../../src/core/base/prng.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import { type ConnectOptions, type Pipe, ScriptedClient } from "./scripted-client.ts";

/** Answers within answers that one call may lead to before a world says that it does not end. */
const ROUNDS_MAX = 100_000;

export interface WorldOptions {
  readonly settings?: Partial<BrokerSettings>;
  /** The listener of clients that name no other. */
  readonly listener?: Partial<ListenerSettings>;
  /** What clients speak that name no version; 5 unless given. */
  readonly version?: Version;
  readonly seed?: number;
  /** Whether debug lines are kept. */
  readonly debug?: boolean;
  /** "held": changes are safe only when `settle` is called. */
  readonly durability?: "immediate" | "held";
  /** Anything else the broker is made of. */
  readonly parts?: Partial<Omit<BrokerParts, "settings" | "log" | "chance">>;
}

/** A CONNECT, and where it comes in. */
export interface ClientOptions extends ConnectOptions {
  readonly listener?: Partial<ListenerSettings>;
}

/** What moves in the world beside the broker: a link, or whoever has others. */
export interface Part {
  /** The turn is over: what has gathered goes on. */
  flush(): void;
  /** Does one thing that has waited, as an event of its own. @returns Whether there was one. */
  pump(): boolean;
  /** Nothing is to come of it any more. */
  readonly isDone: boolean;
}

export interface LogLine {
  readonly type: LogType;
  readonly text: string;
}

/** Judges clients that name a user at once, by what it is told. */
export function judging(isGranted: (credentials: Credentials) => boolean): Authenticator {
  return {
    isAskedAt: () => true,
    authenticate: (credentials, onVerdict) => onVerdict(isGranted(credentials)),
  };
}

/** Judges when it is told to. */
export class SlowAuthenticator implements Authenticator {
  /** What was asked and has no answer, oldest first. */
  readonly asked: { readonly credentials: Credentials; answer(isGranted: boolean): void }[] = [];

  isAskedAt(): boolean {
    return true;
  }

  authenticate(credentials: Credentials, answer: (isGranted: boolean) => void): void {
    this.asked.push({ credentials, answer });
  }

  /** Answers the oldest question. */
  answer(isGranted: boolean): void {
    this.asked.shift()!.answer(isGranted);
  }
}

export class BrokerWorld {
  readonly broker: Broker;
  /** Everything the broker logged, oldest first. */
  readonly log: LogLine[] = [];
  private readonly pool = new BufferPool();
  private readonly listener: ListenerSettings;
  private readonly version: Version;
  private readonly links = new Set<Part>();
  private opened = 0;
  private isInTurn = false;
  private holdsStore: boolean;
  /** The position that is on disk and not reported yet, and where to report it. */
  private unreported: (() => void) | null = null;

  constructor(options: WorldOptions = {}) {
    const { seed = 1, debug = false, parts = {} } = options;
    const prng = new Prng(seed);
    this.listener = { ...DEFAULT_LISTENER, ...options.listener };
    this.version = options.version ?? 5;
    this.holdsStore = options.durability === "held";
    this.broker = new Broker({
      version: "1.0.0",
      now: 0,
      store: (onDurable) => new VolatileStore((position) => this.report(() => onDurable(position))),
      ...parts,
      settings: { ...DEFAULT_SETTINGS, sysInterval: 0, ...options.settings },
      log: { debug, write: (type, text) => void this.log.push({ type, text }) },
      chance: { bytes: (count) => Uint8Array.from({ length: count }, () => prng.between(0, 255)) },
    });
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.broker.now;
  }

  /** A client that has connected. Its CONNACK is in `connack`, and taken. */
  client(options: ClientOptions = {}): ScriptedClient {
    const client = this.peer(options);
    client.connect(options);
    return client;
  }

  /** A network connection that nothing has been sent on. Options are only defaults for later. */
  peer(options: Pick<ClientOptions, "version" | "clientId" | "listener"> = {}): ScriptedClient {
    const number = ++this.opened;
    const listener = { ...this.listener, ...options.listener };
    const link = new WorldLink(this, this.pool, 50_000 + number);
    const version = options.version ?? this.version;
    const client = new ScriptedClient(link, version, options.clientId ?? `client-${number}`);
    link.client = client;
    this.links.add(link);
    this.turn(() => {
      link.connection = this.broker.accept(link, listener);
      // As whoever runs a broker has to.
      if (link.connection === null) link.close();
    });
    return client;
  }

  /** Has `part` move with the others. */
  join(part: Part): void {
    this.links.add(part);
  }

  /** Everything `body` makes clients do is one turn of the broker's. */
  turn<Result>(body: () => Result): Result {
    if (this.isInTurn) return body();
    this.isInTurn = true;
    try {
      const result = body();
      this.finishTurn();
      return result;
    } finally {
      this.isInTurn = false;
    }
  }

  /** Lets `ms` milliseconds pass, stopping at each deadline on the way. */
  pass(ms: number): void {
    const end = this.broker.now + ms;
    for (let rounds = 0; this.broker.deadlines.next <= end; rounds++) {
      if (rounds > ROUNDS_MAX) throw new Error("deadlines without end");
      const at = Math.max(this.broker.now, this.broker.deadlines.next);
      this.turn(() => this.broker.onTick(at));
    }
    this.turn(() => this.broker.onTick(end));
  }

  /** With `durability: "held"`: what was committed so far is on disk. */
  settle(): void {
    this.turn(() => {
      const report = this.unreported;
      this.unreported = null;
      report?.();
    });
  }

  /** The log lines that match, as text. */
  logged(pattern: RegExp): string[] {
    return this.log.map(({ text }) => text).filter((text) => pattern.test(text));
  }

  /** Flushes, reads and answers until nothing moves any more, a turn at a time. */
  private finishTurn(): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > ROUNDS_MAX) throw new Error("answers without end");
      this.broker.onTurnEnd();
      for (const link of this.links) link.flush();
      let moved = false;
      for (const link of [...this.links]) {
        moved = link.pump() || moved;
        if (link.isDone) this.links.delete(link);
      }
      if (!moved && !this.broker.isUnfinished) return;
    }
  }

  private report(reported: () => void): void {
    if (this.holdsStore) this.unreported = reported;
    else reported();
  }
}

/** The broker's end of a connection, and the network behind it. */
class WorldLink implements Link, Pipe, Part {
  readonly address = "127.0.0.1";
  readonly port: number;
  readonly out: OutBuffer;
  connection: Connection | null = null;
  client!: ScriptedClient;
  private readonly world: BrokerWorld;
  /** From the broker, not taken by the network yet. */
  private backlog: Buffer = Buffer.alloc(0);
  /** From the client, not read by the broker yet. */
  private unread: Buffer[] = [];
  private isAwake = false;
  private isPaused = false;
  private isStalled = false;
  private isClosed = false;

  constructor(world: BrokerWorld, pool: BufferPool, port: number) {
    this.world = world;
    this.port = port;
    this.out = new OutBuffer(pool);
  }

  // As the broker sees it.

  get backlogBytes(): number {
    return this.backlog.length;
  }

  wake(): void {
    if (this.isClosed) throw new Error("the broker writes to a link that it has closed");
    this.isAwake = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.flush();
    this.isClosed = true;
    this.unread = [];
    this.client.closed = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  // As the client sees it.

  deliver(bytes: Buffer): void {
    if (this.isClosed) return;
    this.world.turn(() => {
      // The broker may refer to a chunk for long: this one is nobody else's.
      const chunk = Buffer.from(bytes);
      if (this.isPaused || this.unread.length > 0) this.unread.push(chunk);
      else this.connection?.onBytes(chunk);
    });
  }

  drop(why: string): void {
    if (this.isClosed) return;
    // What the client had sent before is read first, as from a socket.
    this.world.turn(() => {
      for (const chunk of this.unread.splice(0)) this.connection?.onBytes(chunk);
      this.backlog = Buffer.alloc(0);
      this.isStalled = false;
      this.connection?.onClosed(why);
    });
  }

  stall(): void {
    this.isStalled = true;
  }

  release(count: number): void {
    this.world.turn(() => {
      const bytes = this.backlog.subarray(0, count);
      this.backlog = this.backlog.subarray(bytes.length);
      this.hand(bytes);
      if (bytes.length > 0 && this.backlog.length === 0 && !this.isClosed) {
        this.connection?.onDrain();
      }
    });
  }

  flow(): void {
    this.isStalled = false;
    this.release(this.backlog.length);
  }

  // As the world sees it.

  /** Closed, with nothing left that the client could read. */
  get isDone(): boolean {
    return this.isClosed && this.backlog.length === 0 && this.unread.length === 0;
  }

  /** Hands what the broker wrote to the network. */
  flush(): void {
    if (this.out.length === 0) return;
    if (!this.isAwake) throw new Error("the broker wrote to a link without waking it");
    this.isAwake = false;
    const bytes = this.out.take();
    if (this.isStalled) this.backlog = Buffer.concat([this.backlog, bytes]);
    else this.hand(bytes);
  }

  /** Delivers a chunk that waited, if one may be read. Whether there was one. */
  pump(): boolean {
    if (this.isClosed || this.isPaused) return false;
    const chunk = this.unread.shift();
    if (chunk === undefined) return false;
    this.connection?.onBytes(chunk);
    return true;
  }

  private hand(bytes: Buffer): void {
    if (bytes.length > 0) this.unread.push(...this.client.onBytes(bytes));
  }
}
