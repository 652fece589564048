/**
 * The same conversation held with Debian's mosquitto and with ts-broker, to be compared.
 *
 *     await using pair = await TwoBrokers.start(["max_qos 1"]);
 *     const { mosquitto, ours } = await pair.hold(async (talk) => {
 *       await talk.connect("c", { version: 5 });
 *       await talk.send("c", "82 07 0001 00 0001 61 01");
 *     });
 *
 * Told are the packets that each client gets and whether its connection ends, step by step, then
 * the log. A step is over when every client has had the answers to two PINGREQs sent after it,
 * which are not told. Within a step a client's acknowledgements stand behind what else it gets:
 * ours leave at the end of a turn, and no standard orders the two.
 *
 * What differs from run to run, or is only worded differently, reads alike: ports, made-up
 * identifiers, and why a client left. Whatever else differs is for the caller to judge.
 */
import { connect, type Socket } from "node:net";
import type { ConnectPacket } from "../../src/core/codec/packets.ts";
import {
  type BrokerOptions,
  type RunningBroker,
  startBroker,
  startMosquitto,
} from "../support/programs.ts";
import { packetEnd, spell } from "../support/raw-client.ts";
import { type Part, packet } from "../support/raw-packets.ts";
import { waitFor, within } from "../support/wait-for.ts";
import { connectBytes, subscribeBytes } from "../support/wire-client.ts";

/** What a broker that hangs may cost; nothing waits this long otherwise. */
const PATIENCE = { deadlineMs: 10_000 };

/** What one broker made of a conversation, line by line. */
export interface Told {
  readonly packets: readonly string[];
  readonly log: readonly string[];
}

export type Conversation = (talk: Talk) => Promise<void>;

/** mosquitto and ts-broker with the same configuration. */
export class TwoBrokers implements AsyncDisposable {
  private readonly mosquitto: Side;
  private readonly ours: Side;

  private constructor(mosquitto: RunningBroker, ours: RunningBroker) {
    this.mosquitto = new Side("mosquitto", mosquitto);
    this.ours = new Side("ts-broker", ours);
  }

  static async start(conf: readonly string[] = []): Promise<TwoBrokers> {
    const options: BrokerOptions = { conf: withUsual(conf) };
    return new TwoBrokers(...(await Promise.all([startMosquitto(options), startBroker(options)])));
  }

  /** Holds it with both at once. Nothing is left of the conversations before. */
  async hold(conversation: Conversation): Promise<{ mosquitto: Told; ours: Told }> {
    const sides = [this.mosquitto, this.ours].map((side) => side.hold(conversation));
    // Where one fails, the other is not left in the middle of it.
    await Promise.allSettled(sides);
    const [mosquitto, ours] = await Promise.all(sides);
    return { mosquitto: mosquitto!, ours: ours! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const brokers = [this.mosquitto.broker, this.ours.broker];
    await Promise.all(brokers.map((it) => it[Symbol.asyncDispose]()));
  }
}

/** `conf` with what makes the two comparable, and mosquitto quick. */
function withUsual(conf: readonly string[]): string[] {
  const usual = [
    "log_type all",
    "log_timestamp false",
    "sys_interval 0",
    // Small packets at once, which saves 40 ms with each of mosquitto's.
    "set_tcp_nodelay true",
    // mosquitto 2.0 has no limit unless told, and says it in CONNACK when it is.
    "max_packet_size 2000000",
    // A copy for each overlapping subscription before 5.0 too, which 2.1 sends unasked (h.21).
    "allow_duplicate_messages true",
  ];
  const nameOf = (line: string) => line.split(" ", 1)[0];
  const given = new Set(conf.map(nameOf));
  return [...usual.filter((line) => !given.has(nameOf(line))), ...conf];
}

/** Where a line stands in the log, and the connection it is about. */
interface Mark extends AsyncDisposable {
  readonly lineStart: number;
  readonly lineEnd: number;
}

/** One of the two, and what conversations have left on it. */
class Side {
  readonly broker: RunningBroker;
  private readonly name: string;
  private readonly clientIds = new Set<string>();

  constructor(name: string, broker: RunningBroker) {
    this.name = name;
    this.broker = broker;
  }

  async hold(conversation: Conversation): Promise<Told> {
    await this.sweep();
    await using begin = await this.mark("begins");
    await using talk = new Talk(this.broker.port, this.clientIds);
    try {
      await conversation(talk);
    } catch (error) {
      const said = [`${error}`, ...talk.packets, this.logged()].join("\n");
      throw new Error(`with ${this.name}: ${said}`, { cause: error });
    }
    await using end = await this.mark("ends");
    const log = this.logged().slice(begin.lineEnd, end.lineStart).split("\n").slice(0, -1);
    return { packets: talk.packets.map(alikePacket), log: talk.ownLines(log).map(alike) };
  }

  /** A silent connection whose line in the log parts what came before it from what comes after. */
  private async mark(what: string): Promise<Mark> {
    // Ports come round again: an older line may say the same.
    const from = this.logged().length;
    const peer = await Peer.connect(this.broker.port);
    const text = `New connection from 127.0.0.1:${peer.localPort} on port ${this.broker.port}.\n`;
    const { lineStart } = await waitFor(
      () => `the log says that a conversation ${what}: ${text}`,
      () => {
        const at = this.logged().indexOf(text, from);
        return at < 0 ? undefined : { lineStart: at };
      },
      PATIENCE,
    );
    const lineEnd = lineStart + text.length;
    return {
      lineStart,
      lineEnd,
      // It has no name in the log: what is said of its end must not come in a later conversation.
      [Symbol.asyncDispose]: async () => {
        const before = this.unknownCount();
        peer.destroy();
        await waitFor("the log says that it is gone", () => this.unknownCount() > before, PATIENCE);
      },
    };
  }

  /** Clears away sessions and retained messages. */
  private async sweep(): Promise<void> {
    if (this.clientIds.size === 0) return;
    for (const clientId of this.clientIds) {
      const peer = await Peer.connect(this.broker.port);
      peer.send(connectBytes({ clientId }), "e0 00");
      await peer.untilEnd(`${clientId} is swept away`);
    }
    this.clientIds.clear();
    const peer = await Peer.connect(this.broker.port);
    peer.send(connectBytes({ clientId: "sweeper" }), subscribeBytes({ "#": 0 }), PINGREQ);
    for (;;) {
      const bytes = await peer.next("the sweeper gets what is retained");
      if (bytes === undefined || bytes.equals(PINGRESP)) break;
      if (bytes[0] !== 0x31) continue;
      const start = bytes.length < 130 ? 2 : 3;
      const topic = bytes.subarray(start, start + 2 + bytes.readUInt16BE(start));
      peer.send(packet(0x31, topic));
    }
    peer.send("e0 00");
    await peer.untilEnd("the sweeper has left");
  }

  private unknownCount(): number {
    return this.logged().split("Client <unknown> ").length;
  }

  private logged(): string {
    return this.broker.program.stderr;
  }
}

/** What the end of each step puts into the log. */
const PINGS = /^(?:Received PINGREQ from|Sending PINGRESP to) /;

/** Why a packet is refused is said in other words, or not at all by mosquitto. */
const OUR_REASON = /^[A-Z][A-Za-z ]+: .* \[(?:MQTT|§)[^\]]*\]$/;
const THEIR_REASON = /^(?:Invalid (?!protocol version)|Bad client|Protocol error|Empty |Too high )/;

/** One side of a conversation. Clients go by names of the test's, mostly their identifiers. */
export class Talk implements AsyncDisposable {
  readonly packets: string[] = [];
  private readonly port: number;
  private readonly clientIds: Set<string>;
  private readonly peers = new Map<string, Peer>();
  /** Ports of all connections there were, on our side. */
  private readonly ports = new Set<number>();

  constructor(port: number, clientIds: Set<string>) {
    this.port = port;
    this.clientIds = clientIds;
  }

  /** Connects `name`, which is its client identifier unless another one is given. */
  async connect(name: string, given: Partial<ConnectPacket> = {}): Promise<void> {
    const clientId = given.clientId ?? name;
    if (clientId !== "") this.clientIds.add(clientId);
    await this.open(name, connectBytes({ ...given, clientId }));
  }

  /** A new connection that sends these bytes first. */
  async open(name: string, bytes: Part): Promise<void> {
    const peer = await Peer.connect(this.port);
    this.ports.add(peer.localPort);
    const before = this.peers.get(name);
    if (before !== undefined) this.peers.set(`${name}, before,`, before);
    this.peers.delete(name);
    this.packets.push(`${name} > ${spell(peer.send(bytes))}`);
    const answer = await peer.next(`${name} gets an answer to its first packet`);
    if (answer !== undefined) this.packets.push(gets(name, answer));
    // One that is refused is not in a state to be asked for a PINGRESP.
    if (answer?.[0] === 0x20 && answer[3] === 0) this.peers.set(name, peer);
    else this.packets.push(...(await this.ended(name, peer)));
    await this.settle();
  }

  /** Sends whole packets in one write, and tells what comes of it. */
  async send(name: string, ...bytes: Part[]): Promise<void> {
    // In the same write: one that follows may meet a reset, which loses what has come.
    const peer = this.peer(name);
    const sent = peer.send(...bytes, PINGREQ);
    this.packets.push(`${name} > ${spell(sent.subarray(0, -PINGREQ.length))}`);
    this.packets.push(...(await this.take(name, peer)));
    await this.settle(name);
  }

  /** Closes the connection without a word. */
  async close(name: string): Promise<void> {
    const peer = this.peer(name);
    this.packets.push(`${name} closes`);
    peer.end();
    await peer.untilEnd(`the broker has seen that ${name} is gone`);
    this.peers.delete(name);
    await this.settle();
  }

  /** Disconnects `name` if it has a connection, which is not told. */
  async leave(name: string): Promise<void> {
    const peer = this.peers.get(name);
    if (peer === undefined) return;
    this.peers.delete(name);
    await depart(name, peer);
  }

  /** Whether `name` has a connection. */
  has(name: string): boolean {
    return this.peers.has(name);
  }

  /** Says in the telling what comes next. */
  note(what: string): void {
    this.packets.push(`# ${what}`);
  }

  /** Lines of a log about this conversation: none of pings, or of somebody else's connection. */
  ownLines(log: readonly string[]): string[] {
    return log.filter((line) => {
      const [, port] = /127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (PINGS.test(line) || OUR_REASON.test(line) || THEIR_REASON.test(line)) return false;
      return port === undefined || this.ports.has(Number(port));
    });
  }

  /** Ends every connection, when all has been told. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, peer] of this.peers) await depart(name, peer);
  }

  /** Tells what has come to every client but `done`. */
  private async settle(done = ""): Promise<void> {
    const others = [...this.peers].filter(([name]) => name !== done);
    for (const [, peer] of others) peer.send(PINGREQ);
    const told = await Promise.all(others.map(([name, peer]) => this.take(name, peer)));
    this.packets.push(...told.flat());
  }

  /** What has come to `name`, who has sent a PINGREQ, a line each. */
  private async take(name: string, peer: Peer): Promise<string[]> {
    const lines: string[] = [];
    const acknowledgements: string[] = [];
    // What is safe at the end of a turn follows the PINGRESP of that turn, but not the next one.
    for (let answers = 0; answers < 2; ) {
      const bytes = await peer.next(`${name} gets PINGRESP ${answers + 1} after a step`);
      if (bytes === undefined) break;
      if (bytes.equals(PINGRESP)) {
        answers++;
        if (answers < 2) peer.send(PINGREQ);
      } else {
        (isAcknowledgement(bytes) ? acknowledgements : lines).push(gets(name, bytes));
      }
    }
    lines.push(...acknowledgements);
    if (peer.hasEnded) lines.push(...(await this.ended(name, peer)));
    return lines;
  }

  /** What comes to `name` until its connection ends. */
  private async ended(name: string, peer: Peer): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const bytes = await peer.next(`the broker ends the connection of ${name}`);
      if (bytes === undefined) break;
      if (!bytes.equals(PINGRESP)) lines.push(gets(name, bytes));
    }
    peer.destroy();
    this.peers.delete(name);
    return [...lines, `${name} is closed`];
  }

  private peer(name: string): Peer {
    const peer = this.peers.get(name);
    if (peer === undefined) throw new Error(`${name} has no connection`);
    return peer;
  }
}

function gets(name: string, bytes: Buffer): string {
  return `${name} < ${spell(bytes)}`;
}

/** Takes its leave, so that nothing more comes of the connection, such as a Will. */
async function depart(name: string, peer: Peer): Promise<void> {
  peer.send("e0 00");
  peer.end();
  await peer.untilEnd(`the broker lets ${name} go`);
}

const PINGREQ = Buffer.from([0xc0, 0x00]);
const PINGRESP = Buffer.from([0xd0, 0x00]);

/** PUBACK, PUBREC, PUBCOMP, SUBACK or UNSUBACK. */
function isAcknowledgement(bytes: Buffer): boolean {
  return [4, 5, 7, 9, 11].includes(bytes[0]! >> 4);
}

/** A socket that is woken by what comes, for thousands of waits each as short as can be. */
class Peer {
  private readonly socket: Socket;
  private pending: Buffer = Buffer.alloc(0);
  private isEnded = false;
  private wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.pending = Buffer.concat([this.pending, chunk]);
      this.wake();
    });
    const onEnd = () => {
      this.isEnded = true;
      this.wake();
    };
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    // A reset is an end like any other; what matters is what came before it.
    socket.on("error", () => undefined);
  }

  static async connect(port: number): Promise<Peer> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const isOpen = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await within(`port ${port} takes a connection`, isOpen, PATIENCE);
    return new Peer(socket);
  }

  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  /** Whether the other side has closed and everything it sent is taken. */
  get hasEnded(): boolean {
    return this.isEnded && this.pending.length === 0;
  }

  /** Sends all of it in one write, and returns it. */
  send(...parts: readonly Part[]): Buffer {
    const bytes = Buffer.concat(
      parts.map((part) =>
        typeof part === "string" ? Buffer.from(part.replaceAll(" ", ""), "hex") : part,
      ),
    );
    this.socket.write(bytes);
    return bytes;
  }

  /** Takes the next packet, or returns undefined when the connection has ended without one. */
  async next(what: string): Promise<Buffer | undefined> {
    await this.until(what, () => packetEnd(this.pending) !== undefined || this.isEnded);
    const end = packetEnd(this.pending) ?? this.pending.length;
    const taken = this.pending.subarray(0, end);
    this.pending = this.pending.subarray(end);
    return taken.length > 0 ? taken : undefined;
  }

  async untilEnd(what: string): Promise<void> {
    await this.until(what, () => this.isEnded);
    this.socket.destroy();
  }

  /** Closes our side. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return;
    const holds = new Promise<void>((resolve) => {
      this.wake = () => condition() && resolve();
    });
    await within(() => `${what}; arrived: ${spell(this.pending)}`, holds, PATIENCE);
  }
}

const MADE_UP_NAME = /auto-[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}/;

/** Why a client went is said in other words, and where it was only by us. */
const GONE = [
  /^Client (\S+)(?: \[\S+\])? (?:disconnected|closed its connection|exceeded timeout)/,
  /^Client (\S+) already connected, closing old connection/,
  /^Bad socket read\/write on client (\S+):/,
];

/** An Assigned Client Identifier. */
const MADE_UP = /61 75 74 6f 2d(?: [0-9a-f]{2}){36}/;
/** What is left of a Message Expiry Interval of 0x10000 when a second has ended, as it may. */
const SECOND_LESS = /02 00 00 ff ff/;

function alikePacket(line: string): string {
  return line.replace(MADE_UP, "auto-ID").replace(SECOND_LESS, "02 00 01 00 00");
}

/** A line of either broker, as it reads for both. */
function alike(line: string): string {
  const [, left] = /^Client (\S+)(?: \[\S+\])? disconnected\.$/.exec(line) ?? [];
  if (left !== undefined) return `Client ${left} left`;
  const gone = GONE.map((form) => form.exec(line)?.[1]).find((name) => name !== undefined);
  if (gone !== undefined) return `Client ${gone} is gone`;
  return line
    .replace(/(127\.0\.0\.1):\d+/g, "$1:P")
    .replace(/on port \d+/, "on port L")
    .replace(MADE_UP_NAME, "auto-ID")
    .replace(/\(p1, /, "(p3, ")
    .replace(/\(p2, /, "(p4, ");
}
