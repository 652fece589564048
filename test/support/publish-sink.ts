/**
 * A broker that only counts: it acknowledges what comes and keeps nothing of it, so that a hundred
 * megabytes cost no memory. How fast it reads is the test's to say.
 *
 *     await using sink = await PublishSink.start();
 *     sink.pausesAfter = 1;      and nothing more is read until `resume`
 *     sink.answers = false;      and nothing is acknowledged until `acknowledge`
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { FrameReader } from "../../src/core/codec/frame.ts";
import { PublishView, readPublish } from "../../src/core/codec/publish.ts";
import { packet } from "./raw-packets.ts";

/** Told of each message; the payload is not to be kept. */
export type OnPayload = (payload: Buffer) => void;

export class PublishSink implements AsyncDisposable {
  messages = 0;
  payloadBytes = 0;
  /** Messages that have come and not been acknowledged. */
  unacknowledged = 0;
  unacknowledgedMax = 0;
  /** Stops reading, as `pause` does, once so many messages have come. */
  pausesAfter = Infinity;
  /** Whether messages are acknowledged at once; else `acknowledge` does so. */
  answers = true;
  private readonly server: Server;
  private readonly onPayload: OnPayload;
  private readonly connack: Buffer;
  private readonly held: Buffer[] = [];
  private socket: Socket | undefined;
  private isPaused = false;

  private constructor(onPayload: OnPayload, connack: Buffer) {
    this.onPayload = onPayload;
    this.connack = connack;
    this.server = createServer((socket) => this.onSocket(socket));
  }

  /** @param connack Of MQTT 3.1.1 unless given. */
  static async start(
    onPayload: OnPayload = () => undefined,
    connack = packet(0x20, "0000"),
  ): Promise<PublishSink> {
    const sink = new PublishSink(onPayload, connack);
    await new Promise<void>((resolve) => sink.server.listen(0, "127.0.0.1", resolve));
    return sink;
  }

  get words(): string[] {
    return ["-h", "127.0.0.1", "-p", `${(this.server.address() as AddressInfo).port}`];
  }

  pause(): void {
    this.isPaused = true;
    this.socket?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.pausesAfter = Infinity;
    this.socket?.resume();
  }

  /** Acknowledges the oldest `count` messages that are held. */
  acknowledge(count: number): void {
    const some = this.held.splice(0, count);
    this.unacknowledged -= some.length;
    this.socket?.write(Buffer.concat(some));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket?.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private onSocket(socket: Socket): void {
    this.socket = socket;
    socket.on("error", () => undefined);
    const view = new PublishView();
    const reader = new FrameReader({
      onFrame: (bytes, start, bodyStart, end) => {
        const head = bytes[start]!;
        if (head >> 4 === 1) socket.write(this.connack);
        if (head >> 4 !== 3) return true;
        readPublish(view, bytes, head, bodyStart, end, this.connack.length > 4 ? 5 : 4);
        this.messages++;
        this.payloadBytes += view.payloadEnd - view.payloadStart;
        this.onPayload(bytes.subarray(view.payloadStart, view.payloadEnd));
        if (view.qos > 0) this.hold(view.packetId);
        return true;
      },
      onPartial: () => true,
    });
    socket.on("data", (chunk: Buffer) => {
      reader.onBytes(chunk);
      if (this.messages >= this.pausesAfter) this.pause();
      if (this.answers && this.held.length > 0) this.acknowledge(this.held.length);
    });
    if (this.isPaused) socket.pause();
  }

  private hold(packetId: number): void {
    this.held.push(Buffer.from([0x40, 2, packetId >> 8, packetId & 0xff]));
    this.unacknowledged++;
    this.unacknowledgedMax = Math.max(this.unacknowledgedMax, this.unacknowledged);
  }
}
