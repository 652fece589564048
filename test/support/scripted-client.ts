/**
 * A client whose every packet a test writes, at the far end of a link of `broker-world.ts`.
 *
 * What it sends is handed to the broker at once, as a turn of its own (or as part of the turn that
 * `world.turn` has open). What the broker sent it stands in `received()` until it is taken.
 *
 * `connect`, `subscribe` and `unsubscribe` take the answer out of what was received and give it
 * back; everything else leaves what came where it is. It answers nothing by itself, unless
 * `acknowledges` is set. It keeps no rule of the standard: tests break them with it.
 */
import { ACK_HEAD, readAck } from "../../src/core/codec/ack.ts";
import { connectVersion } from "../../src/core/codec/connect.ts";
import { splitFrames } from "../../src/core/codec/frame.ts";
import { readPacket, writePacket } from "../../src/core/codec/general.ts";
import {
  type ConnackPacket,
  type ConnectPacket,
  type GeneralPacket,
  type Qos,
  type SubackPacket,
  type SubscriptionRequest,
  TYPE,
  type UnsubackPacket,
  type Version,
  type Will,
} from "../../src/core/codec/packets.ts";
import {
  type Properties,
  propertiesSize,
  readPropertyList,
  writeProperties,
} from "../../src/core/codec/properties.ts";
import {
  PublishView,
  publishBodySize,
  readPublish,
  writePublishStart,
} from "../../src/core/codec/publish.ts";

/** A PUBLISH as it was received. */
export interface PublishPacket {
  readonly type: "publish";
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  readonly properties: Properties;
}

export interface AckPacket {
  readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly packetId: number;
  readonly reasonCode: number;
}

export interface PingrespPacket {
  readonly type: "pingresp";
}

export type ReceivedPacket = GeneralPacket | PublishPacket | AckPacket | PingrespPacket;
/** The packet that `Type` is a type of; an acknowledgement has one of four. */
type Received<Type> = ReceivedPacket extends infer Packet
  ? Packet extends ReceivedPacket
    ? Type extends Packet["type"]
      ? Packet
      : never
    : never
  : never;

/** What a CONNECT says. Left out: 5.0, clean start, keep alive 0, a new client identifier. */
export interface ConnectOptions {
  readonly version?: Version;
  readonly bridge?: boolean;
  readonly cleanStart?: boolean;
  /** Seconds. */
  readonly keepAlive?: number;
  readonly clientId?: string;
  readonly will?: Partial<Omit<Will, "topic" | "payload">> & {
    readonly topic: string;
    readonly payload?: string | Buffer;
  };
  readonly username?: string;
  readonly password?: string | Buffer;
  readonly properties?: Properties;
}

/** What a PUBLISH says beside topic and payload. Left out: QoS 0, no flags, the next identifier. */
export interface PublishOptions {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly packetId?: number;
  readonly properties?: Properties;
}

/** A filter, alone or with what is asked for it. Left out: the QoS beside it, no options. */
export type Wanted =
  | string
  | (Partial<SubscriptionRequest> & { readonly filter: SubscriptionRequest["filter"] });

/** How its bytes get to the broker. */
export interface Pipe {
  /** Bytes for the broker. */
  deliver(bytes: Buffer): void;
  /** The network connection goes, without a DISCONNECT. */
  drop(why: string): void;
  /** From now on the network takes nothing from the broker. */
  stall(): void;
  /** Hands over `count` bytes of what was held up. */
  release(count: number): void;
  /** Takes everything from the broker again, and what was held up. */
  flow(): void;
}

export class ScriptedClient {
  /** What the connection speaks; a CONNECT that is sent sets it. */
  version: Version;
  readonly clientId: string;
  /** The broker has ended the connection. */
  closed = false;
  /** Answers QoS 1 and 2 by itself: PUBACK, PUBREC and PUBCOMP, each in a turn of its own. */
  acknowledges = false;
  /** The CONNACK that `world.client` or `connect` got; undefined when none came. */
  connack: ConnackPacket | undefined = undefined;
  private readonly pipe: Pipe;
  private stream: Buffer = Buffer.alloc(0);
  private packets: Buffer[] = [];
  private lastPacketId = 0;

  constructor(pipe: Pipe, version: Version, clientId: string) {
    this.pipe = pipe;
    this.version = version;
    this.clientId = clientId;
  }

  // What it received.

  /** Whole packets the broker sent that have not been taken, read. */
  received(): ReceivedPacket[] {
    return this.packets.map((bytes) => readReceived(bytes, this.version));
  }

  /** The same, and forgets them. */
  take(): ReceivedPacket[] {
    const packets = this.received();
    this.packets = [];
    return packets;
  }

  /** The same as bytes, a buffer a packet. */
  takeBytes(): Buffer[] {
    const { packets } = this;
    this.packets = [];
    return packets;
  }

  /** The same in hex without spaces, a string a packet: `["d000"]`. */
  takeHex(): string[] {
    return this.takeBytes().map((bytes) => bytes.toString("hex"));
  }

  /** The one packet there is, which must be of `type`; forgets it. */
  takeOne<Type extends ReceivedPacket["type"]>(type: Type): Received<Type> {
    const packets = this.take();
    const [packet] = packets;
    if (packets.length !== 1 || packet?.type !== type) {
      throw new Error(`not one ${type}: ${JSON.stringify(packets)}`);
    }
    // The comparison above is what `Received` says, which the compiler cannot see.
    return packet as Received<Type>;
  }

  /** The PUBLISH packets received, read; forgets them, and leaves the others. */
  takePublishes(): PublishPacket[] {
    const isPublish = (bytes: Buffer) => bytes[0]! >> 4 === TYPE.publish;
    const taken = this.packets.filter(isPublish);
    this.packets = this.packets.filter((bytes) => !isPublish(bytes));
    return taken.map((bytes) => readReceived(bytes, this.version) as PublishPacket);
  }

  /** Their payloads as text, in order. */
  takePayloads(): string[] {
    return this.takePublishes().map(({ payload }) => payload.toString());
  }

  // What it sends.

  /** Sends bytes as they are, hex as it spells (spaces allowed), or a packet of the rare kinds. */
  send(what: Buffer | string | GeneralPacket): void {
    const bytes = this.bytesOf(what);
    if (bytes.length > 2 && bytes[0]! >> 4 === TYPE.connect) {
      this.version = connectVersion(bytes, bodyStart(bytes), bytes.length) ?? this.version;
    }
    this.pipe.deliver(bytes);
  }

  connect(options: ConnectOptions = {}): ConnackPacket | undefined {
    this.send(this.connectPacket(options));
    this.connack = this.takeAnswer("connack");
    return this.connack;
  }

  /** As a CONNECT with these options would read, for `send`. */
  connectPacket(options: ConnectOptions = {}): ConnectPacket {
    const { will, username, password } = options;
    return {
      type: "connect",
      version: options.version ?? this.version,
      bridge: options.bridge ?? false,
      cleanStart: options.cleanStart ?? true,
      keepAlive: options.keepAlive ?? 0,
      clientId: options.clientId ?? this.clientId,
      ...(will && { will: willOf(will) }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
      properties: options.properties ?? {},
    };
  }

  /** Subscribes to one filter or several, and takes the SUBACK; undefined when none came. */
  subscribe(
    wanted: Wanted | readonly Wanted[],
    qos: Qos = 0,
    properties: Properties = {},
  ): SubackPacket | undefined {
    // A string, a request or a list of them: `isArray` does not narrow a readonly one.
    const requests = Array.isArray(wanted) ? (wanted as Wanted[]) : [wanted as Wanted];
    const subscriptions = requests.map((request) => requestOf(request, qos));
    this.send({ type: "subscribe", packetId: this.nextPacketId(), subscriptions, properties });
    return this.takeAnswer("suback");
  }

  unsubscribe(...filters: readonly string[]): UnsubackPacket | undefined {
    this.send({ type: "unsubscribe", packetId: this.nextPacketId(), filters, properties: {} });
    return this.takeAnswer("unsuback");
  }

  /** Sends a PUBLISH. Returns its packet identifier, 0 at QoS 0. */
  publish(topic: string, payload: string | Buffer = "", options: PublishOptions = {}): number {
    const qos = options.qos ?? 0;
    const packetId = qos === 0 ? 0 : (options.packetId ?? this.nextPacketId());
    this.send(publishBytes(this.version, topic, Buffer.from(payload), { ...options, packetId }));
    return packetId;
  }

  puback(packetId: number, reasonCode = 0): void {
    this.sendAck(ACK_HEAD.puback, packetId, reasonCode);
  }

  pubrec(packetId: number, reasonCode = 0): void {
    this.sendAck(ACK_HEAD.pubrec, packetId, reasonCode);
  }

  pubrel(packetId: number, reasonCode = 0): void {
    this.sendAck(ACK_HEAD.pubrel, packetId, reasonCode);
  }

  pubcomp(packetId: number, reasonCode = 0): void {
    this.sendAck(ACK_HEAD.pubcomp, packetId, reasonCode);
  }

  ping(): void {
    this.send("c0 00");
  }

  disconnect(reasonCode = 0, properties: Properties = {}): void {
    this.send({ type: "disconnect", reasonCode, properties });
  }

  auth(reasonCode: number, properties: Properties): void {
    this.send({ type: "auth", reasonCode, properties });
  }

  /** The network connection goes without a DISCONNECT. `why` as the system words it. */
  drop(why = ""): void {
    this.pipe.drop(why);
  }

  /** Reads no more: what the broker sends piles up on its side. */
  stall(): void {
    this.pipe.stall();
  }

  /** Reads `count` bytes of what has piled up, and no more. */
  read(count: number): void {
    this.pipe.release(count);
  }

  /** Reads what has piled up, and everything from now on. */
  flow(): void {
    this.pipe.flow();
  }

  // What the world tells it.

  /** Bytes came from the broker. Returns what it answers by itself. */
  onBytes(bytes: Buffer): Buffer[] {
    const stream = Buffer.concat([this.stream, bytes]);
    const answers: Buffer[] = [];
    const onFrame = (all: Buffer, start: number, _body: number, end: number) => {
      const packet = all.subarray(start, end);
      this.packets.push(packet);
      if (this.acknowledges) answers.push(...this.answersTo(packet));
      return true;
    };
    const at = splitFrames(stream, 0, stream.length, { onFrame, onPartial: () => true });
    this.stream = stream.subarray(at);
    return answers;
  }

  private answersTo(packet: Buffer): Buffer[] {
    const head = packet[0]!;
    const type = head >> 4;
    if (type === TYPE.publish && (head & 6) !== 0) {
      const { qos, packetId } = readReceived(packet, this.version) as PublishPacket;
      return [ackBytes(qos === 1 ? ACK_HEAD.puback : ACK_HEAD.pubrec, packetId, 0)];
    }
    if (type !== TYPE.pubrel) return [];
    const { packetId } = readReceived(packet, this.version) as AckPacket;
    return [ackBytes(ACK_HEAD.pubcomp, packetId, 0)];
  }

  private sendAck(head: number, packetId: number, reasonCode: number): void {
    this.send(ackBytes(head, packetId, reasonCode));
  }

  private nextPacketId(): number {
    this.lastPacketId = (this.lastPacketId % 0xffff) + 1;
    return this.lastPacketId;
  }

  /** Takes the first packet of `type` out of what was received. */
  private takeAnswer<Type extends GeneralPacket["type"]>(type: Type): Received<Type> | undefined {
    const at = this.packets.findIndex((bytes) => bytes[0]! >> 4 === TYPE[type]);
    if (at < 0) return undefined;
    const [bytes] = this.packets.splice(at, 1);
    return readReceived(bytes!, this.version) as Received<Type>;
  }

  private bytesOf(what: Buffer | string | GeneralPacket): Buffer {
    if (Buffer.isBuffer(what)) return what;
    if (typeof what !== "string") return writePacket(what, this.version);
    const digits = what.replace(/\s+/g, "");
    if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not whole bytes of hex: ${what}`);
    return Buffer.from(digits, "hex");
  }
}

/** Reads one whole packet that a broker may send. Nothing is judged that the codec does not. */
export function readReceived(bytes: Buffer, version: Version): ReceivedPacket {
  const head = bytes[0]!;
  const start = bodyStart(bytes);
  switch (head >> 4) {
    case TYPE.publish:
      return readReceivedPublish(bytes, head, start, version);
    case TYPE.puback:
    case TYPE.pubrec:
    case TYPE.pubrel:
    case TYPE.pubcomp: {
      const type = (["puback", "pubrec", "pubrel", "pubcomp"] as const)[(head >> 4) - 4]!;
      const packed = readAck(bytes, head, start, bytes.length, version);
      return { type, packetId: Math.floor(packed / 256), reasonCode: packed % 256 };
    }
    case TYPE.pingresp:
      if (bytes.length !== 2 || head !== 0xd0) throw new Error("not a PINGRESP");
      return { type: "pingresp" };
    default:
      return readPacket(bytes, head, start, bytes.length, version);
  }
}

/** A whole PUBLISH. */
export function publishBytes(
  version: Version,
  topic: string,
  payload: Buffer,
  options: PublishOptions = {},
): Buffer {
  const { qos = 0, retain = false, dup = false, packetId = 0, properties = {} } = options;
  const head = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const name = Buffer.from(topic);
  const list = Buffer.alloc(version === 5 ? propertiesSize(properties) : 0);
  if (version === 5) writeProperties(list, 0, properties);
  const bodySize = publishBodySize(name.length, qos, -1, list.length + payload.length);
  const start = Buffer.alloc(5 + bodySize);
  const end = writePublishStart(start, 0, head, bodySize, name, packetId);
  return Buffer.concat([start.subarray(0, end), list, payload]);
}

function readReceivedPublish(
  bytes: Buffer,
  head: number,
  start: number,
  version: Version,
): PublishPacket {
  const view = new PublishView();
  readPublish(view, bytes, head, start, bytes.length, version);
  const { propertiesStart, propertiesEnd, qos, retain, dup, packetId } = view;
  return {
    type: "publish",
    topic: bytes.toString("utf8", view.topicStart, view.topicEnd),
    payload: Buffer.from(bytes.subarray(view.payloadStart, view.payloadEnd)),
    qos,
    retain,
    dup,
    packetId,
    properties: readPropertyList(bytes, propertiesStart, propertiesEnd, "publish"),
  };
}

/** Where the body of the whole packet in `bytes` starts. */
function bodyStart(bytes: Buffer): number {
  let at = 1;
  while (bytes[at]! >= 0x80) at++;
  return at + 1;
}

function ackBytes(head: number, packetId: number, reasonCode: number): Buffer {
  const code = reasonCode === 0 ? [] : [reasonCode];
  return Buffer.from([head, 2 + code.length, packetId >> 8, packetId & 0xff, ...code]);
}

function requestOf(wanted: Wanted, qos: Qos): SubscriptionRequest {
  const plain = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return typeof wanted === "string" ? { ...plain, filter: wanted } : { ...plain, ...wanted };
}

function willOf(will: NonNullable<ConnectOptions["will"]>): Will {
  const plain = { qos: 0, retain: false, properties: {} } as const;
  return { ...plain, ...will, payload: Buffer.from(will.payload ?? "") };
}
