/**
 * A peer that sends exactly the bytes a test gives it, right or wrong, and sees exactly what comes.
 *
 *     const peer = await RawClient.connect(port);
 *     peer.send("10 0e 0004 4d515454 04 02 003c 0002 6161");
 *     await peer.expectBytes("20 02 00 00");
 *     await peer.closed();
 *
 * Knows of MQTT only where a packet ends. Bytes are a Buffer, or text in hex with any spaces.
 */
import { connect, type Socket } from "node:net";
import { type Held, type Patience, waitFor } from "./wait-for.ts";

export type Bytes = Buffer | string;

export class RawClient {
  private readonly socket: Socket;
  /** Arrived and not yet taken; what came since it was last asked for is in `news`. */
  private old: Buffer = Buffer.alloc(0);
  private news: Buffer[] = [];
  private hasEnded = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.news.push(chunk);
    });
    socket.on("end", () => {
      this.hasEnded = true;
    });
    socket.on("close", () => {
      this.hasEnded = true;
    });
    // A reset is an end like any other; what matters is what came before it.
    socket.on("error", () => undefined);
  }

  /** Resolves when the connection stands. */
  static async connect(port: number, host = "127.0.0.1"): Promise<RawClient> {
    // Half-open is a state to be tested: the other side's end is not ours.
    const socket = connect({ port, host, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  /** Sends all of it in one write. */
  send(...parts: readonly Bytes[]): void {
    this.socket.write(Buffer.concat(parts.map(toBytes)));
  }

  /** Sends one byte a write, each after the one before has left. */
  async sendSlowly(...parts: readonly Bytes[]): Promise<void> {
    for (const byte of Buffer.concat(parts.map(toBytes))) {
      await new Promise((resolve) => this.socket.write(Buffer.of(byte), resolve));
    }
  }

  /** Our port, by which the other side's log knows us; 0 once we have closed. */
  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  /** Bytes sent here that the network has not taken: the other side does not read. */
  get unsentBytes(): number {
    return this.socket.writableLength;
  }

  /** What has arrived and was not taken by a method below. */
  get received(): Buffer {
    return this.pending;
  }

  /** Whether the other side has closed. */
  get isClosed(): boolean {
    return this.hasEnded;
  }

  /** Takes all that has arrived. */
  takeAll(): Buffer {
    return this.take(this.pending.length);
  }

  /** Takes the next whole packet. */
  async packet(patience?: Patience): Promise<Buffer> {
    const end = await this.waitFor("a packet arrives", () => packetEnd(this.pending), patience);
    return this.take(end);
  }

  /** Takes the next `count` packets. */
  async packets(count: number, patience?: Patience): Promise<Buffer[]> {
    const packets: Buffer[] = [];
    while (packets.length < count) packets.push(await this.packet(patience));
    return packets;
  }

  /** Takes packets until one of that type (1 to 15), which is returned; the others are dropped. */
  async packetOfType(type: number, patience?: Patience): Promise<Buffer> {
    for (;;) {
      const packet = await this.packet(patience);
      if (packet[0]! >> 4 === type) return packet;
    }
  }

  /** Takes as many bytes as `wanted` has, and throws unless they are those. */
  async expectBytes(wanted: Bytes, patience?: Patience): Promise<void> {
    const bytes = toBytes(wanted);
    const isDifferent = () => {
      const { length } = this.pending;
      return length > 0 && !this.pending.equals(bytes.subarray(0, length));
    };
    await this.waitFor(
      `${spell(bytes)} arrives`,
      () => this.pending.length >= bytes.length || isDifferent() || undefined,
      patience,
    );
    const got = this.pending.subarray(0, bytes.length);
    if (!got.equals(bytes)) {
      throw new Error(`expected ${spell(bytes)}, got ${spell(this.pending)}`);
    }
    this.take(bytes.length);
  }

  /** Throws if anything came before the answer to a PINGREQ sent now. Needs a connected client. */
  async expectNothing(): Promise<void> {
    this.send("c0 00");
    await this.expectBytes("d0 00");
  }

  /** Resolves when the other side has closed, with the bytes not taken before. */
  async closed(patience?: Patience): Promise<Buffer> {
    await waitFor(
      () => `the other side closes; arrived: ${spell(this.pending)}`,
      () => this.hasEnded || undefined,
      patience,
    );
    this.socket.destroy();
    return this.take(this.pending.length);
  }

  /** Stops reading, so that the other side's writes pile up. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Ends our direction only (FIN). */
  end(): void {
    this.socket.end();
  }

  /** Closes both directions. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Closes with a reset (RST), as a crashed machine does. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  /** Put together when somebody looks, not with each piece that comes. */
  private get pending(): Buffer {
    if (this.news.length > 0) {
      this.old = Buffer.concat([this.old, ...this.news]);
      this.news = [];
    }
    return this.old;
  }

  private take(length: number): Buffer {
    const { pending } = this;
    this.old = pending.subarray(length);
    return pending.subarray(0, length);
  }

  /** As `waitFor`, and fails at once when the other side closes without it. */
  private async waitFor<Value>(
    what: string,
    condition: () => Value | undefined,
    patience?: Patience,
  ): Promise<Held<Value>> {
    return await waitFor(
      () => `${what}; arrived: ${spell(this.pending)}`,
      () => {
        const ended = this.hasEnded;
        const value = condition();
        if (value === undefined && ended) {
          throw new Error(`closed before ${what}; arrived: ${spell(this.pending)}`);
        }
        return value as Value;
      },
      patience,
    );
  }
}

/** Where the first packet in `bytes` ends, or undefined (5.0 §2.1.1). */
export function packetEnd(bytes: Buffer): number | undefined {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (at - 1);
    if (byte < 0x80) {
      const end = at + 1 + length;
      return end <= bytes.length ? end : undefined;
    }
  }
  throw new Error(`no packet: ${spell(bytes.subarray(0, 8))} …`);
}

/** Bytes as hex, as they are written in tests. */
export function spell(bytes: Buffer): string {
  const shown = bytes
    .subarray(0, 200)
    .toString("hex")
    .replace(/..(?!$)/g, "$& ");
  return bytes.length > 200 ? `${shown} … (${bytes.length} bytes)` : shown || "nothing";
}

function toBytes(part: Bytes): Buffer {
  if (typeof part !== "string") return part;
  const digits = part.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not whole bytes of hex: ${part}`);
  return Buffer.from(digits, "hex");
}
