/**
 * The client's machine and the server's end of its link, without a socket or a clock.
 *
 *     const pair = connectedPair({ version: 5 });
 *     pair.publish("a", "one", 1);
 *     expect(pair.sent()).toEqual(["PUBLISH 1 q1 a=one"]);
 *     pair.receive(hex`40 02 0001`);
 *     expect(pair.settled).toEqual(["one: 0"]);
 *
 * The server says what the test gives it; what the client says is told in words.
 */
import type { Acknowledgement } from "../../src/client/acknowledgements.ts";
import type { ClientError } from "../../src/client/errors.ts";
import type { Link } from "../../src/client/link.ts";
import { type ConnectionInfo, Machine } from "../../src/client/machine.ts";
import type { ReceivedMessage } from "../../src/client/message.ts";
import {
  type AuthenticationStep,
  type ClientOptions,
  type Settings,
  settingsOf,
} from "../../src/client/options.ts";
import { publication } from "../../src/client/publication.ts";
import { readAck } from "../../src/core/codec/ack.ts";
import { FrameReader } from "../../src/core/codec/frame.ts";
import { readPacket, writePacket } from "../../src/core/codec/general.ts";
import type { GeneralPacket, Qos, Version } from "../../src/core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../../src/core/codec/properties.ts";
import { PublishView, readPublish } from "../../src/core/codec/publish.ts";

/** A link that keeps what is written until the test says that it has left. */
export class FakeLink implements Link {
  writtenBytes = 0;
  flushedBytes = 0;
  state: "open" | "ended" | "destroyed" = "open";
  isPaused = false;
  private chunks: Buffer[] = [];

  write(bytes: Buffer): void {
    if (this.state !== "open") throw new Error("written to after its end");
    this.writtenBytes += bytes.length;
    this.chunks.push(bytes);
  }

  get pendingBytes(): number {
    return this.writtenBytes - this.flushedBytes;
  }

  end(): void {
    if (this.state === "open") this.state = "ended";
  }

  destroy(): void {
    this.state = "destroyed";
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** What was written since the last call. */
  take(): Buffer {
    const bytes = Buffer.concat(this.chunks);
    this.chunks = [];
    return bytes;
  }
}

export interface PairOptions extends ClientOptions {
  /** Shrinks what is fixed outside tests. */
  readonly limits?: Partial<Pick<Settings, "packetIdMax" | "requestsMax">>;
}

/** See the head of this file. */
export class ClientPair {
  readonly version: Version;
  readonly machine: Machine;
  link = new FakeLink();
  now = 1000;
  /** What the machine told, in the order it did. */
  readonly ready: ConnectionInfo[] = [];
  readonly ended: ClientError[] = [];
  readonly messages: ReceivedMessage[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  readonly challenges: AuthenticationStep[] = [];
  readonly resubscribeErrors: ClientError[] = [];
  readonly callbackErrors: unknown[] = [];
  reauthentications = 0;
  /** `payload: reason code`, or `payload: error code`, of each publication that is done. */
  readonly settled: string[] = [];
  /** `filters: codes`, or `filters: error code`, of each request that is done. */
  readonly answered: string[] = [];
  /** Called at each message, in the middle of the machine's work. */
  onMessage: (message: ReceivedMessage) => void = () => {};

  constructor({ limits, ...options }: PairOptions = {}) {
    const settings = { ...settingsOf({ clientId: "c", ...options }), ...limits };
    this.version = settings.version;
    this.machine = new Machine(settings, {
      onOutput: () => {},
      onReady: (connection) => this.ready.push(connection),
      onEnded: (error) => this.ended.push(error),
      onMessage: (message, acknowledgement) => {
        this.messages.push(message);
        if (acknowledgement !== undefined) this.acknowledgements.push(acknowledgement);
        this.onMessage(message);
      },
      onChallenge: (step) => this.challenges.push(step),
      onReauthenticated: () => {
        this.reauthentications += 1;
      },
      onResubscribeRefused: (error) => this.resubscribeErrors.push(error),
      onRoom: () => {},
      onIdle: () => {},
      onCallbackError: (error) => this.callbackErrors.push(error),
    });
  }

  /** Dials, and lets the transport stand. */
  open(): this {
    this.link = new FakeLink();
    this.machine.onDialing(this.now);
    this.machine.onOpen(this.link);
    return this;
  }

  /** Dials, and has the server accept. What the client says up to there is dropped. */
  connect(properties: Properties = NO_PROPERTIES, sessionPresent = false): this {
    this.open();
    this.accept(properties, sessionPresent);
    return this;
  }

  /** Has the server accept. CONNECT is dropped; what follows it is not. */
  accept(properties: Properties = NO_PROPERTIES, sessionPresent = false): void {
    this.sent();
    this.receivePacket({ type: "connack", sessionPresent, reasonCode: 0, properties });
  }

  /** The server says something, in as many chunks as are given. */
  receive(...chunks: readonly Buffer[]): void {
    for (const chunk of chunks) this.machine.onBytes(chunk, this.now);
  }

  receivePacket(packet: GeneralPacket): void {
    this.receive(writePacket(packet, this.version));
  }

  /** The network connection breaks. */
  cut(): void {
    this.machine.onClosed(undefined);
  }

  /** What the client has written since the last call, as bytes. */
  sentBytes(): Buffer {
    this.machine.flush(this.now);
    return this.link.take();
  }

  /** The same, packet by packet, in words. */
  sent(): string[] {
    return describePackets(this.sentBytes(), this.version);
  }

  /** Says that everything written has left. */
  flushed(): void {
    this.link.flushedBytes = this.link.writtenBytes;
    this.machine.onFlushed(this.link.flushedBytes);
  }

  /** Lets time pass until the next deadline, and the machine do what is due. */
  tick(): void {
    this.now = this.machine.deadline;
    this.machine.onTick(this.now);
  }

  publish(topic: string, payload: string, qos: Qos = 0, properties: Properties = NO_PROPERTIES) {
    const message = publication(
      topic,
      Buffer.from(topic),
      Buffer.from(payload),
      qos,
      false,
      properties,
      (error, code) => this.settled.push(`${payload}: ${error?.code ?? code}`),
    );
    return this.machine.publish(message);
  }

  publishRetained(topic: string, payload: string) {
    const told = (error: ClientError | undefined, code: number) =>
      void this.settled.push(`${payload}: ${error?.code ?? code}`);
    const bytes = Buffer.from(payload);
    return this.machine.publish(
      publication(topic, Buffer.from(topic), bytes, 0, true, NO_PROPERTIES, told),
    );
  }

  subscribe(filters: readonly string[], qos: Qos = 0, properties: Properties = NO_PROPERTIES) {
    const subscriptions = filters.map((filter) => ({
      filter,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0 as const,
    }));
    const call = {
      kind: "subscribe" as const,
      subscriptions,
      properties,
      onAnswer: this.onAnswer(filters),
    };
    this.machine.request(call);
    return call;
  }

  unsubscribe(filters: readonly string[]): void {
    const onAnswer = this.onAnswer(filters);
    this.machine.request({ kind: "unsubscribe", filters, properties: NO_PROPERTIES, onAnswer });
  }

  private onAnswer(filters: readonly string[]) {
    return (error: ClientError | undefined, codes: readonly number[]) =>
      void this.answered.push(`${filters}: ${error?.code ?? codes}`);
  }
}

/** A pair whose server has accepted. */
export function connectedPair(options: PairOptions = {}, properties?: Properties): ClientPair {
  return new ClientPair(options).connect(properties);
}

/** Every packet in `bytes`, in words: type, identifier, and what else tells it apart. */
export function describePackets(bytes: Buffer, version: Version): string[] {
  const words: string[] = [];
  const reader = new FrameReader({
    onFrame: (chunk, packetStart, bodyStart, bodyEnd) => {
      words.push(describe(chunk, chunk[packetStart]!, bodyStart, bodyEnd, version));
      return true;
    },
    onPartial: () => true,
  });
  reader.onBytes(bytes);
  if (reader.pendingBytes > 0) words.push(`and ${reader.pendingBytes} bytes of another`);
  return words;
}

const ACK_NAMES: Readonly<Record<number, string>> = {
  4: "PUBACK",
  5: "PUBREC",
  6: "PUBREL",
  7: "PUBCOMP",
};

function describe(
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
  version: Version,
): string {
  const type = head >> 4;
  if (type === 3) return describePublish(bytes, head, start, end, version);
  if (type === 12) return "PINGREQ";
  const ackName = ACK_NAMES[type];
  if (ackName !== undefined) {
    const ack = readAck(bytes, head, start, end, version);
    return `${ackName} ${ack >>> 8}${code(ack & 0xff)}`;
  }
  const packet = readPacket(bytes, head, start, end, version);
  switch (packet.type) {
    case "connect":
      return `CONNECT ${packet.clientId}${packet.cleanStart ? " clean" : ""}`;
    case "subscribe":
      return `SUBSCRIBE ${packet.packetId} ${packet.subscriptions.map(({ filter }) => filter)}`;
    case "unsubscribe":
      return `UNSUBSCRIBE ${packet.packetId} ${packet.filters}`;
    case "disconnect":
      return `DISCONNECT${code(packet.reasonCode)}`;
    case "auth":
      return `AUTH${code(packet.reasonCode)} ${packet.properties.authenticationData ?? ""}`;
    default:
      throw new Error(`a client does not send ${packet.type}`);
  }
}

function code(reasonCode: number): string {
  return reasonCode === 0 ? "" : ` 0x${reasonCode.toString(16)}`;
}

function describePublish(
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
  version: Version,
): string {
  const view = new PublishView();
  readPublish(view, bytes, head, start, end, version);
  const topic = bytes.toString("utf8", view.topicStart, view.topicEnd);
  const payload = bytes.toString("utf8", view.payloadStart, view.payloadEnd);
  const properties = bytes.toString("hex", view.propertiesStart, view.propertiesEnd);
  const shown = payload.length > 40 ? `${payload.length} bytes` : payload;
  const flags = `${view.dup ? " dup" : ""}${view.retain ? " retain" : ""}`;
  const list = properties === "" ? "" : ` {${properties}}`;
  const id = view.qos === 0 ? "" : ` ${view.packetId}`;
  return `PUBLISH${id} q${view.qos}${flags}${list} ${topic}=${shown}`;
}
