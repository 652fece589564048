/**
 * A broker whose every answer a test decides, for what no honest broker does: refuse, fall silent,
 * hang up in the middle, acknowledge late.
 *
 *     await using broker = await ScriptedBroker.start({ onPublish: (peer, { packetId }) => … });
 *
 * Left alone it accepts, grants and acknowledges everything. Packets that a client sent stand in
 * `received`, over all its connections; those a test does not expect to differ it need not see.
 */
import { createServer, type Server, type Socket } from "node:net";
import { FrameReader } from "../../src/core/codec/frame.ts";
import { readPacket, writePacket } from "../../src/core/codec/general.ts";
import type { GeneralPacket, Qos, Version } from "../../src/core/codec/packets.ts";
import { PublishView, readPublish } from "../../src/core/codec/publish.ts";
import { field, packet } from "../support/raw-packets.ts";
import { waitFor } from "../support/wait-for.ts";

export interface Published {
  readonly type: "publish";
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly packetId: number;
}

export interface Other {
  readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp" | "pingreq";
  readonly packetId: number;
}

export type Received = GeneralPacket | Published | Other;

/** What differs from a broker that says yes to everything. */
export interface Script {
  /** Instead of CONNACK 0. */
  readonly onConnect?: (peer: Peer) => void;
  /** Instead of granting all. */
  readonly onSubscribe?: (peer: Peer, packetId: number, filters: readonly string[]) => void;
  /** Instead of acknowledging. */
  readonly onPublish?: (peer: Peer, message: Published) => void;
}

const OTHERS = { 4: "puback", 5: "pubrec", 6: "pubrel", 7: "pubcomp", 12: "pingreq" } as const;

export class ScriptedBroker {
  readonly received: Received[] = [];
  readonly peers: Peer[] = [];
  private readonly server: Server;
  private readonly script: Script;

  private constructor(script: Script) {
    this.script = script;
    this.server = createServer((socket) => {
      this.peers.push(new Peer(socket, (peer, received) => this.onPacket(peer, received)));
    });
  }

  /** @param port Waited for where somebody else has it for a moment. */
  static async start(script: Script = {}, port = 0): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(script);
    await waitFor(`port ${port} is free`, () => broker.listens(port));
    return broker;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** Words that lead a program here. */
  get words(): string[] {
    return ["-h", "127.0.0.1", "-p", `${this.port}`];
  }

  /** The connection that was made last. */
  get peer(): Peer {
    return this.peers.at(-1)!;
  }

  /** Packets of a type, in the order they came. */
  all<Type extends Received["type"]>(type: Type): Extract<Received, { type: Type }>[] {
    return this.received.filter((received) => received.type === type) as never;
  }

  /** Resolves when `count` packets of a type have come. */
  until<Type extends Received["type"]>(
    type: Type,
    count = 1,
  ): Promise<Extract<Received, { type: Type }>[]> {
    return waitFor(
      () => `${count} ${type} arrive, of ${this.received.map((one) => one.type).join(" ")}`,
      () => {
        const all = this.all(type);
        return all.length >= count && all;
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) peer.hangUp();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private listens(port: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        if (error.code === "EADDRINUSE") resolve(false);
        else reject(error);
      };
      this.server.once("error", onError);
      this.server.listen(port, "127.0.0.1", () => {
        this.server.off("error", onError);
        resolve(true);
      });
    });
  }

  private onPacket(peer: Peer, received: Received): void {
    this.received.push(received);
    const { onConnect, onSubscribe, onPublish } = this.script;
    switch (received.type) {
      case "connect":
        if (onConnect === undefined) peer.accept();
        else onConnect(peer);
        break;
      case "subscribe": {
        const filters = received.subscriptions.map(({ filter }) => filter);
        if (onSubscribe === undefined)
          peer.grant(
            received.packetId,
            filters.map(() => 0),
          );
        else onSubscribe(peer, received.packetId, filters);
        break;
      }
      case "unsubscribe":
        peer.sendPacket({
          type: "unsuback",
          packetId: received.packetId,
          reasonCodes: peer.version === 5 ? received.filters.map(() => 0) : [],
          properties: {},
        });
        break;
      case "publish":
        if (onPublish === undefined) peer.acknowledge(received);
        else onPublish(peer, received);
        break;
      case "pubrel":
        peer.send(packet(0x70, idBytes(received.packetId)));
        break;
      default:
        break;
    }
  }
}

/** One connection of a client. */
export class Peer {
  version: Version = 4;
  readonly socket: Socket;
  private readonly onPacket: (peer: Peer, received: Received) => void;

  constructor(socket: Socket, onPacket: (peer: Peer, received: Received) => void) {
    this.socket = socket;
    this.onPacket = onPacket;
    const reader = new FrameReader({
      onFrame: (bytes, start, bodyStart, end) => {
        this.onFrame(bytes, bytes[start]!, bodyStart, end);
        return true;
      },
      onPartial: () => true,
    });
    socket.on("data", (chunk: Buffer) => reader.onBytes(chunk));
    // A client that goes away without a word is what some tests are about.
    socket.on("error", () => undefined);
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  sendPacket(sent: GeneralPacket): void {
    this.send(writePacket(sent, this.version));
  }

  accept(reasonCode = 0): void {
    this.sendPacket({ type: "connack", sessionPresent: false, reasonCode, properties: {} });
  }

  grant(packetId: number, reasonCodes: readonly number[]): void {
    this.sendPacket({ type: "suback", packetId, reasonCodes, properties: {} });
  }

  /** PUBACK or PUBREC; a reason code only where it is not 0. */
  acknowledge({ qos, packetId }: Published, reasonCode = 0): void {
    if (qos === 0) return;
    const reason = reasonCode === 0 ? "" : Buffer.of(reasonCode);
    this.send(packet(qos === 1 ? 0x40 : 0x50, idBytes(packetId), reason));
  }

  publish(topic: string, payload: string | Buffer, options: PublishFields = {}): void {
    this.send(this.publishBytes(topic, payload, options));
  }

  publishBytes(
    topic: string,
    payload: string | Buffer,
    { qos = 0, retain = false, packetId = 1 }: PublishFields = {},
  ): Buffer {
    const head = 0x30 | (qos << 1) | Number(retain);
    const id = qos === 0 ? "" : idBytes(packetId);
    return packet(head, field(topic), id, this.version === 5 ? "00" : "", Buffer.from(payload));
  }

  disconnect(reasonCode: number): void {
    this.sendPacket({ type: "disconnect", reasonCode, properties: {} });
    this.socket.end();
  }

  hangUp(): void {
    this.socket.destroy();
  }

  private onFrame(bytes: Buffer, head: number, start: number, end: number): void {
    const type = head >> 4;
    if (type === 3) {
      const view = new PublishView();
      readPublish(view, bytes, head, start, end, this.version);
      const { qos, retain, packetId } = view;
      const topic = bytes.toString("utf8", view.topicStart, view.topicEnd);
      const payload = bytes.toString("latin1", view.payloadStart, view.payloadEnd);
      this.onPacket(this, { type: "publish", topic, payload, qos, retain, packetId });
      return;
    }
    const other = OTHERS[type as keyof typeof OTHERS];
    if (other !== undefined) {
      const packetId = other === "pingreq" ? 0 : bytes.readUInt16BE(start);
      this.onPacket(this, { type: other, packetId });
      return;
    }
    const read = readPacket(bytes, head, start, end, this.version);
    if (read.type === "connect") this.version = read.version;
    this.onPacket(this, read);
  }
}

export interface PublishFields {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly packetId?: number;
}

function idBytes(packetId: number): Buffer {
  return Buffer.from([packetId >> 8, packetId & 0xff]);
}
