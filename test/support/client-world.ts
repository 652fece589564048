/**
 * A whole client, promises and all, in a world without sockets or time: a clock that jumps, a
 * network that delays and breaks as its seed decides, and a small server at its other end.
 *
 * The server keeps to the standard and is no more than it takes to answer one client: it remembers
 * what it was sent and, if it is to, the session. Faults come from the test.
 */
import type { Clock } from "../../src/client/clock.ts";
import type { Dial, Link, LinkEvents } from "../../src/client/link.ts";
import type { Prng } from "../../src/core/base/prng.ts";
import { ACK_HEAD, readAck, writeAck } from "../../src/core/codec/ack.ts";
import { FrameReader } from "../../src/core/codec/frame.ts";
import { readPacket, writePacket } from "../../src/core/codec/general.ts";
import { type GeneralPacket, TYPE, type Version } from "../../src/core/codec/packets.ts";
import type { Properties } from "../../src/core/codec/properties.ts";
import { PublishView, readPublish } from "../../src/core/codec/publish.ts";

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  isOff: boolean;
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  private time = 1_000_000;
  private order = 0;
  private tasks: Task[] = [];

  now(): number {
    return this.time;
  }

  after(delayMs: number, run: () => void): () => void {
    const task = { at: this.time + delayMs, order: this.order++, run, isOff: false };
    this.tasks.push(task);
    return () => {
      task.isOff = true;
    };
  }

  atTurnEnd(run: () => void): void {
    queueMicrotask(run);
  }

  nextTurn(run: () => void): void {
    this.after(0, run);
  }

  /** Does what is due next, and lets promises have their say. False: nothing is. */
  async step(): Promise<boolean> {
    await settle();
    this.tasks = this.tasks.filter((task) => !task.isOff);
    const next = this.tasks.reduce<Task | undefined>(
      (first, task) =>
        first === undefined ||
        task.at < first.at ||
        (task.at === first.at && task.order < first.order)
          ? task
          : first,
      undefined,
    );
    if (next === undefined) return false;
    next.isOff = true;
    this.time = Math.max(this.time, next.at);
    next.run();
    await settle();
    return true;
  }

  /** Steps until `isDone`. Fails when nothing is due any more, or after too many steps. */
  async until(what: string, isDone: () => boolean, stepsMax = 100_000): Promise<void> {
    await settle();
    for (let steps = 0; !isDone(); steps++) {
      if (steps > stepsMax) throw new Error(`too many steps until ${what}`);
      if (!(await this.step()) && !isDone())
        throw new Error(`nothing is due, and not yet: ${what}`);
    }
  }
}

/** Long enough for promises that wait for promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

export interface ServerOptions {
  readonly version?: Version;
  /** Of CONNACK. */
  readonly properties?: Properties;
  /** Whether a session outlives its connection. Default true. */
  readonly keepsSession?: boolean;
  /** Longest delay of a chunk, milliseconds. Default 1. */
  readonly delayMsMax?: number;
  /** Reason code of CONNACK for the connection with this number, from 0 on. Default 0. */
  readonly answer?: (connection: number) => number;
  /** Milliseconds from the client's `destroy` to its `onClosed`. Default 0. */
  readonly closeDelayMs?: number;
  /** Sent in one chunk with each CONNACK. */
  readonly greeting?: Buffer;
  /** Sent instead of CONNACK. */
  readonly challenge?: Properties;
  /** False: the connection with this number does not come about. */
  readonly isThere?: (connection: number) => boolean;
}

/** The other end. See the head of this file. */
export class FakeServer {
  readonly dial: Dial;
  /** Payloads at QoS 1 and 0, and at QoS 2 the first time each identifier comes. */
  readonly received: string[] = [];
  readonly subscribed: string[] = [];
  /** Reason codes of the DISCONNECTs that came. */
  readonly goodbyes: number[] = [];
  connections = 0;
  /** True: takes what comes, and answers nothing. */
  isSilent = false;
  private readonly options: Required<Omit<ServerOptions, "challenge">>;
  private readonly challenge: Properties | undefined;
  private hasSession = false;
  private held = new Set<number>();
  private live: FakeConnection | undefined;

  constructor(clock: FakeClock, prng: Prng, options: ServerOptions = {}) {
    this.challenge = options.challenge;
    this.options = {
      version: 5,
      properties: {},
      greeting: Buffer.alloc(0),
      closeDelayMs: 0,
      keepsSession: true,
      delayMsMax: 1,
      answer: () => 0,
      isThere: () => true,
      ...options,
    };
    this.dial = (events) => {
      const number = this.connections++;
      const there = this.options.isThere(number);
      const connection = new FakeConnection(clock, prng, this.options, events, this);
      this.live = connection;
      if (there) connection.open(() => this.options.answer(number));
      else connection.cut(new Error("nobody there"));
      return connection.link;
    };
  }

  get isConnected(): boolean {
    return this.live?.isOpen === true;
  }

  /** Breaks the connection, now. */
  cut(error?: Error): void {
    this.live?.cut(error);
  }

  /** Says something out of turn. */
  send(bytes: Buffer): void {
    this.live?.send(bytes);
  }

  sendPacket(packet: GeneralPacket): void {
    this.send(writePacket(packet, this.options.version));
  }

  /** For a connection only: answers one packet. */
  onPacket(
    connection: FakeConnection,
    bytes: Buffer,
    head: number,
    start: number,
    end: number,
  ): void {
    if (this.isSilent) return;
    const { version } = this.options;
    const type = head >> 4;
    if (type === TYPE.publish) {
      this.onPublish(connection, bytes, head, start, end);
    } else if (type === TYPE.pubrel) {
      const packetId = readAck(bytes, head, start, end, version) >>> 8;
      this.held.delete(packetId);
      connection.send(ack(ACK_HEAD.pubcomp, packetId));
    } else if (type === TYPE.pingreq) {
      connection.send(Buffer.of(0xd0, 0));
    } else if (type > TYPE.pubcomp || type === TYPE.connect) {
      this.onRare(connection, readPacket(bytes, head, start, end, version));
    }
  }

  private onPublish(
    connection: FakeConnection,
    bytes: Buffer,
    head: number,
    start: number,
    end: number,
  ): void {
    const view = new PublishView();
    readPublish(view, bytes, head, start, end, this.options.version);
    const { qos, packetId } = view;
    if (qos !== 2 || !this.held.has(packetId)) {
      this.received.push(bytes.toString("utf8", view.payloadStart, view.payloadEnd));
    }
    if (qos === 2) this.held.add(packetId);
    if (qos === 1) connection.send(ack(ACK_HEAD.puback, packetId));
    if (qos === 2) connection.send(ack(ACK_HEAD.pubrec, packetId));
  }

  private onRare(connection: FakeConnection, packet: GeneralPacket): void {
    const { version } = this.options;
    if (packet.type === "connect" && this.challenge !== undefined) {
      this.sendPacket({ type: "auth", reasonCode: 0x18, properties: this.challenge });
    } else if (packet.type === "connect") {
      const reasonCode = connection.answer();
      const sessionPresent = reasonCode === 0 && this.hasSession && !packet.cleanStart;
      if (!sessionPresent) this.held = new Set();
      this.hasSession = reasonCode === 0 && this.options.keepsSession;
      const { properties, greeting } = this.options;
      const connack = { type: "connack", sessionPresent, reasonCode, properties } as const;
      connection.send(Buffer.concat([writePacket(connack, version), greeting]));
    } else if (packet.type === "subscribe") {
      const { packetId, subscriptions } = packet;
      for (const { filter } of subscriptions) this.subscribed.push(filter);
      const reasonCodes = subscriptions.map(({ qos }) => qos);
      connection.send(
        writePacket({ type: "suback", packetId, reasonCodes, properties: {} }, version),
      );
    } else if (packet.type === "unsubscribe") {
      const { packetId, filters } = packet;
      const reasonCodes = version === 5 ? filters.map(() => 0) : [];
      connection.send(
        writePacket({ type: "unsuback", packetId, reasonCodes, properties: {} }, version),
      );
    } else if (packet.type === "disconnect") {
      this.goodbyes.push(packet.reasonCode);
    }
  }
}

/** One connection: two directions that delay, in order, until it is cut. */
class FakeConnection {
  readonly link: Link;
  isOpen = false;
  isPaused = false;
  answer: () => number = () => 0;
  private isOver = false;
  private paused: Buffer[] = [];
  private writtenBytes = 0;
  private flushedBytes = 0;
  private readonly clock: FakeClock;
  private readonly events: LinkEvents;
  private readonly delayMs: () => number;
  private readonly closeDelayMs: number;
  private upAt = 0;
  private downAt = 0;
  private readonly reader: FrameReader;

  constructor(
    clock: FakeClock,
    prng: Prng,
    options: Required<Pick<ServerOptions, "delayMsMax" | "closeDelayMs">>,
    events: LinkEvents,
    server: FakeServer,
  ) {
    this.clock = clock;
    this.events = events;
    this.closeDelayMs = options.closeDelayMs;
    this.delayMs = () => prng.between(0, options.delayMsMax);
    this.reader = new FrameReader({
      onFrame: (bytes, packetStart, bodyStart, bodyEnd) => {
        server.onPacket(this, bytes, bytes[packetStart]!, bodyStart, bodyEnd);
        return true;
      },
      onPartial: () => true,
    });
    this.link = this.makeLink();
  }

  open(answer: () => number): void {
    this.answer = answer;
    this.later("upAt", () => {
      this.isOpen = true;
      this.events.onOpen();
    });
  }

  send(bytes: Buffer): void {
    this.later("downAt", () => {
      if (this.isPaused) this.paused.push(bytes);
      else this.events.onBytes(bytes);
    });
  }

  cut(error: Error | undefined, delayMs = 0): void {
    if (this.isOver) return;
    this.isOver = true;
    this.isOpen = false;
    this.clock.after(delayMs, () => this.events.onClosed(error));
  }

  private makeLink(): Link {
    const connection = this;
    return {
      get writtenBytes() {
        return connection.writtenBytes;
      },
      get pendingBytes() {
        return connection.writtenBytes - connection.flushedBytes;
      },
      write: (bytes) => {
        const copy = Buffer.from(bytes);
        this.writtenBytes += copy.length;
        const position = this.writtenBytes;
        this.later("upAt", () => {
          this.flushedBytes = position;
          this.reader.onBytes(copy);
          this.events.onFlushed(position);
        });
      },
      end: () => this.later("upAt", () => this.cut(undefined)),
      destroy: () => this.cut(undefined, this.closeDelayMs),
      pause: () => {
        this.isPaused = true;
      },
      resume: () => {
        this.isPaused = false;
        for (const bytes of this.paused.splice(0)) this.send(bytes);
      },
    };
  }

  private later(direction: "upAt" | "downAt", run: () => void): void {
    this[direction] = Math.max(this[direction], this.clock.now() + this.delayMs());
    this.clock.after(this[direction] - this.clock.now(), () => {
      if (!this.isOver) run();
    });
  }
}

function ack(head: number, packetId: number): Buffer {
  const out = Buffer.alloc(5);
  return out.subarray(0, writeAck(out, 0, head, packetId, 0));
}
