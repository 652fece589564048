/**
 * The other end for the clients' bench: takes what a publisher sends as fast as it can, and sends a
 * subscriber as many messages as it is told to. MQTT 3.1.1, on a free port of 127.0.0.1.
 *
 * In the bench's own process, which does nothing else meanwhile: it is to cost less than either
 * client.
 */
import type { Socket } from "node:net";
import { FrameReader } from "../../src/core/codec/frame.ts";
import { startTcp, type TcpServer } from "../support/tcp-server.ts";

/** PUBLISH packets of one write. */
const BATCH = 1_000;
const TOPIC = Buffer.from("bench/topic");

export class LineServer {
  private readonly counted: Promise<void>;
  private readonly count: number;
  private server!: TcpServer;
  private received = 0;
  private onAll: () => void = () => undefined;

  /** @param count How many messages come from a publisher, or go to a subscriber. */
  private constructor(count: number) {
    this.count = count;
    this.counted = new Promise((resolve) => {
      this.onAll = resolve;
    });
  }

  static async start(count: number): Promise<LineServer> {
    const server = new LineServer(count);
    server.server = await startTcp((socket) => server.serve(socket));
    return server;
  }

  get port(): number {
    return this.server.port;
  }

  /** Resolves when all messages of a publisher are here. */
  untilAll(): Promise<void> {
    return this.counted;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]();
  }

  private serve(socket: Socket): void {
    socket.setNoDelay();
    let answers: number[] = [];
    const reader = new FrameReader({
      onFrame: (bytes, start, bodyStart) => {
        const head = bytes[start]!;
        switch (head >> 4) {
          case 1:
            answers.push(0x20, 2, 0, 0);
            break;
          case 3:
            this.onPublish(bytes, head, bodyStart, answers);
            break;
          case 6:
            answers.push(0x70, 2, bytes[bodyStart]!, bytes[bodyStart + 1]!);
            break;
          case 8:
            socket.write(Buffer.of(0x90, 3, bytes[bodyStart]!, bytes[bodyStart + 1]!, 0));
            this.blast(socket);
            break;
          case 12:
            answers.push(0xd0, 0);
        }
        return true;
      },
      onPartial: () => true,
    });
    socket.on("data", (chunk: Buffer) => {
      answers = [];
      reader.onBytes(chunk);
      if (answers.length > 0) socket.write(Buffer.from(answers));
    });
  }

  private onPublish(bytes: Buffer, head: number, bodyStart: number, answers: number[]): void {
    const qos = (head >> 1) & 3;
    if (qos > 0) {
      const at = bodyStart + 2 + bytes.readUInt16BE(bodyStart);
      answers.push(qos === 1 ? 0x40 : 0x50, 2, bytes[at]!, bytes[at + 1]!);
    }
    if (++this.received === this.count) this.onAll();
  }

  /** Sends all messages, as fast as they are taken. */
  private blast(socket: Socket): void {
    const packets = Array.from({ length: BATCH }, (_, i) => publish(`message ${i}`.padEnd(16)));
    const batch = Buffer.concat(packets);
    let left = this.count / BATCH;
    const go = () => {
      while (left-- > 0) {
        if (!socket.write(batch)) {
          socket.once("drain", go);
          return;
        }
      }
    };
    go();
  }
}

function publish(payload: string): Buffer {
  const body = [0, TOPIC.length, ...TOPIC, ...Buffer.from(payload)];
  return Buffer.from([0x30, body.length, ...body]);
}
