/**
 * A way to a server that can be cut: forwards bytes both ways, until told to break.
 *
 *     await using relay = await Relay.start(broker.port);
 *     relay.cutAfter(1000);      so many bytes further on, wherever in a packet that is
 *     relay.isDown = true;       and nobody gets through until it is false again
 *     relay.isHeld = true;       and nothing gets through until `release`
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Which way bytes are counted that decide when to cut. */
export type Way = "to" | "from";

export class Relay implements AsyncDisposable {
  /** Connections are broken as soon as they are made. */
  isDown = false;
  /** Connections are made, and nothing gets through until `release`. */
  isHeld = false;
  /** How often connections were cut. */
  cuts = 0;
  /** Bytes that have come from either side. */
  bytes = 0;
  private readonly server: Server;
  private readonly pairs = new Set<() => void>();
  private readonly held: (() => void)[] = [];
  private left: Record<Way, number> = { to: Infinity, from: Infinity };

  private constructor(targetPort: number) {
    this.server = createServer((near) => this.join(near, targetPort));
  }

  /** @param targetPort Where on 127.0.0.1 it leads to. */
  static async start(targetPort: number): Promise<Relay> {
    const relay = new Relay(targetPort);
    await new Promise<void>((resolve) => relay.server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts once `bytes` more have gone to the server, or come from it; the rest is lost. */
  cutAfter(bytes: number, way: Way = "to"): void {
    this.left[way] = bytes;
  }

  /** Lets through what `isHeld` has held back. */
  release(): void {
    this.isHeld = false;
    for (const join of this.held.splice(0)) join();
  }

  /** Cuts every connection now. */
  cut(): void {
    this.cuts++;
    this.left = { to: Infinity, from: Infinity };
    for (const end of [...this.pairs]) end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of [...this.pairs]) end();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, targetPort: number): void {
    if (this.isDown) {
      near.on("error", () => undefined);
      near.destroy();
      return;
    }
    if (this.isHeld) {
      this.held.push(() => this.join(near, targetPort));
      return;
    }
    const far = connect(targetPort, "127.0.0.1");
    const end = (): void => {
      this.pairs.delete(end);
      near.destroy();
      far.destroy();
    };
    this.pairs.add(end);
    for (const socket of [near, far]) {
      socket.on("error", end);
      socket.on("close", end);
    }
    near.on("end", () => far.end());
    far.on("end", () => near.end());
    near.on("data", (chunk: Buffer) => this.forward(chunk, near, far, "to"));
    far.on("data", (chunk: Buffer) => this.forward(chunk, far, near, "from"));
  }

  private forward(chunk: Buffer, source: Socket, target: Socket, way: Way): void {
    this.bytes += chunk.length;
    const count = Math.min(chunk.length, this.left[way]);
    this.left[way] -= count;
    const isTaken = target.write(chunk.subarray(0, count));
    if (this.left[way] === 0) {
      this.cut();
      return;
    }
    if (isTaken) return;
    source.pause();
    target.once("drain", () => source.resume());
  }
}
