import { EventEmitter } from "node:events";
import { connect, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { BufferPool } from "../../../src/core/base/out-buffer.ts";
import {
  LinkError,
  type LinkSocket,
  listenTcp,
  peerOf,
  SocketLink,
} from "../../../src/io/tcp-listen.ts";
import { type Driven, TurnLoop } from "../../../src/io/turn.ts";
import { waitFor } from "../../support/wait-for.ts";

/** More than the system's buffers of one connection take. */
const MUCH = Buffer.alloc(32 * 1024 * 1024, "x");

/** Counts the bytes of buffers that are out. */
class CountingPool extends BufferPool {
  bytesOut = 0;

  override take(size: number): Buffer {
    this.bytesOut += size;
    return super.take(size);
  }

  override give(buffer: Buffer): void {
    this.bytesOut -= buffer.length;
    super.give(buffer);
  }
}

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe("SocketLink", () => {
  it("gathers small writes while the network takes nothing", async () => {
    const { link, peer, pool, told } = await linked();
    peer.pause();
    write(link, MUCH);
    await turnEnd();
    const backlog = link.backlogBytes;
    expect(backlog).toBeGreaterThan(MUCH.length / 4);
    const before = pool.bytesOut;
    for (let i = 0; i < 1_000; i++) {
      write(link, Buffer.from("ab"));
      await turnEnd();
    }
    // One buffer that they share, not one for each.
    expect(pool.bytesOut - before).toBeLessThan(10_000);
    expect(link.backlogBytes).toBe(backlog);
    expect(link.out.length).toBe(2_000);
    expect(told.drains).toBe(0);

    let received = 0;
    let end: Buffer = Buffer.alloc(0);
    peer.on("data", (chunk: Buffer) => {
      received += chunk.length;
      end = Buffer.concat([end, chunk]).subarray(-2_000);
    });
    peer.resume();
    await waitFor("all arrives", () => received === MUCH.length + 2_000);
    expect(`${end}`).toBe("ab".repeat(1_000));
    await waitFor("it is told", () => told.drains > 0);
    expect(link.backlogBytes + link.out.length).toBe(0);
  });

  it("tells of every backlog, however small, that is gone", async () => {
    const { link, peer, told } = await linked();
    for (let round = 1; round <= 3; round++) {
      peer.pause();
      write(link, MUCH);
      await turnEnd();
      expect(link.backlogBytes).toBeGreaterThan(0);
      peer.resume();
      await waitFor("the backlog is gone", () => told.drains === round);
      expect(link.backlogBytes).toBe(0);
    }
  });

  it("sends what has gathered before it closes", async () => {
    const { link, peer, told } = await linked();
    let received = 0;
    peer.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    peer.pause();
    write(link, MUCH);
    await turnEnd();
    write(link, Buffer.from("the end"));
    link.close();
    await turnEnd();
    peer.resume();
    await waitFor("all arrives", () => received === MUCH.length + 7);
    await waitFor("it is closed", () => told.gone === 1);
  });

  it("tells why it ended where its socket has reached a limit, and not for other errors", () => {
    const why = (error: Error) => {
      const told: (string | undefined)[] = [];
      const socket = new EventEmitter();
      const quiet = { pause: () => undefined, resume: () => undefined, writableLength: 0 };
      const link = new SocketLink(
        { address: "peer", port: 1 },
        () => Object.assign(socket, quiet) as unknown as LinkSocket,
        { begin: () => undefined } as unknown as TurnLoop,
        new BufferPool(),
      );
      const nothing = () => undefined;
      link.start(
        { onBytes: nothing, onDrain: nothing, onClosed: (w) => void told.push(w) },
        nothing,
      );
      socket.emit("error", error);
      socket.emit("close");
      return told;
    };
    expect(why(new LinkError("piecesMax exceeded"))).toEqual(["piecesMax exceeded"]);
    expect(why(new Error("read ECONNRESET"))).toEqual([""]);
  });

  it("is gone when its peer resets it while much waits", async () => {
    const { link, peer, told } = await linked();
    peer.pause();
    write(link, MUCH);
    await turnEnd();
    write(link, Buffer.from("never sent"));
    await turnEnd();
    peer.resetAndDestroy();
    await waitFor("it is gone", () => told.gone === 1);
    expect(told.closes).toBe(1);
    write(link, Buffer.from("to nobody"));
    await turnEnd();
    expect(link.out.length).toBe(0);
  });
});

function write(link: SocketLink, bytes: Buffer): void {
  link.out.append(bytes, 0, bytes.length);
  link.wake();
}

/** Resolves when the turn that was under way has been flushed. */
async function turnEnd(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}

async function linked() {
  const driven: Driven = {
    deadlines: { next: Number.POSITIVE_INFINITY },
    now: 0,
    onTick: () => undefined,
    onTurnEnd: () => undefined,
    isUnfinished: false,
  };
  const turn = new TurnLoop(driven);
  const pool = new CountingPool();
  const told = { drains: 0, closes: 0, gone: 0 };
  const accepted: Socket[] = [];
  const target = { port: 0, address: "127.0.0.1", noDelay: true };
  const onSocket = (socket: Socket) => void accepted.push(socket);
  const server: Server = await listenTcp(target, onSocket, () => undefined);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("TCP has ports");
  const peer = connect(address.port, "127.0.0.1");
  peer.on("error", () => undefined);
  const socket = await waitFor("it is accepted", () => accepted[0]);
  const link = SocketLink.of(socket, peerOf(socket), turn, pool);
  link.start(
    {
      onBytes: () => undefined,
      onDrain: () => void told.drains++,
      onClosed: () => void told.closes++,
    },
    () => void told.gone++,
  );
  closers.push(() => {
    peer.destroy();
    link.destroy();
    server.close();
  });
  return { link, peer, pool, told };
}
