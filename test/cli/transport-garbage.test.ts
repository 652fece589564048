/**
 * Answers that break somewhere on the way: a proxy, a TLS handshake, WebSocket, MQTT.
 *
 * Goal: whatever comes instead of the right bytes, a program ends, with 0 or with a sentence of
 * mosquitto's and at most one of ours, and never in a stack trace. Method: between ts-pub and peers
 * that do all as they should stands a relay, which at a place that the seed decides changes what
 * they send, and then hangs up. Replay a failure with SEED=n.
 */
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocketServer } from "ws";
import { Prng } from "../../src/core/base/prng.ts";
import { hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { runHere } from "../support/in-process.ts";
import { seeds } from "../support/seeds.ts";
import { startSocks } from "../support/socks-server.ts";
import { listening, startTcp, type TcpServer } from "../support/tcp-server.ts";
import { startTlsFront } from "../support/tls-front.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

/** Rounds for a seed and a way. */
const ROUNDS = 6;
/** What a program may say: a sentence, and what it is about. */
const SENTENCES = /^(Error|Unable to connect|Connection error)\b[^\n]*\n([A-Z"/][^\n]*\.\n)?$/;

describe.skipIf(!hasOpenssl)("an answer that breaks", () => {
  const made = makeCertificates();
  afterAll(() => made[Symbol.dispose]());

  it.each(seeds(4))("ends ts-pub in a sentence, seed %i", async (seed) => {
    const prng = new Prng(seed);
    await using broker = await ScriptedBroker.start();
    await using tls = await startTlsFront(broker.port, made);
    await using web = await startWeb(broker.port);
    await using proxy = await startSocks();
    const ways: readonly (readonly [number, (port: number) => string[]])[] = [
      [broker.port, at],
      [tls.port, (port) => ["-h", "localhost", "-p", `${port}`, "--cafile", made.ca]],
      [web.port, (port) => [...at(port), "--ws"]],
      [proxy.port, (port) => [...at(broker.port), "--proxy", `socks5h://127.0.0.1:${port}`]],
    ];
    for (const [way, [port, wordsTo]] of ways.entries()) {
      const words = ["-t", "a", "-m", "b", "-q", "1"];
      const whole = { bytes: 0 };
      await using honest = await relay(port, (chunk) => {
        whole.bytes += chunk.length;
        return chunk;
      });
      const good = await runHere("ts-pub", [...wordsTo(honest.port), ...words]);
      expect(good).toEqual({ status: 0, stdout: "", stderr: "" });
      for (let round = 0; round < ROUNDS; round++) {
        await using mangling = await relay(port, mangler(prng, whole.bytes));
        const ended = await runHere("ts-pub", [...wordsTo(mangling.port), ...words]);
        const told = `way ${way}, round ${round}: ${JSON.stringify(ended)}`;
        if (ended.status === 0) expect(ended.stderr, told).toBe("");
        else expect(ended.stderr, told).toMatch(SENTENCES);
      }
    }
  });
});

const at = (port: number) => ["-h", "127.0.0.1", "-p", `${port}`];

/** What a chunk on its way to the client becomes; undefined: that, and nothing any more. */
type Change = (chunk: Buffer, hangUp: (last: Buffer) => void) => Buffer | undefined;

/** Leaves everything as it is up to some byte of `total`, and breaks it there. */
function mangler(prng: Prng, total: number): Change {
  let left = prng.between(0, total - 1);
  const kind = prng.pick(["cut", "flip", "noise", "zeros"] as const);
  return (chunk, hangUp) => {
    if (left >= chunk.length) {
      left -= chunk.length;
      return chunk;
    }
    const [before, after] = [chunk.subarray(0, left), Buffer.from(chunk.subarray(left))];
    after[0] = after[0]! ^ prng.between(1, 255);
    const noise = Buffer.from(Array.from({ length: 64 }, () => prng.between(0, 255)));
    const rest = { cut: Buffer.alloc(0), flip: after, noise, zeros: Buffer.alloc(64) }[kind];
    hangUp(Buffer.concat([before, rest]));
    return undefined;
  };
}

function relay(port: number, change: Change): Promise<TcpServer> {
  return startTcp((socket: Socket) => {
    const onward = connect(port, "127.0.0.1");
    let isOver = false;
    onward.on("error", () => socket.destroy());
    onward.on("end", () => socket.end());
    socket.on("close", () => onward.destroy());
    socket.pipe(onward);
    onward.on("data", (chunk: Buffer) => {
      if (isOver) return;
      const changed = change(chunk, (last) => {
        isOver = true;
        socket.end(last);
      });
      if (changed !== undefined) socket.write(changed);
    });
  });
}

/** A WebSocket server in front of a broker that speaks none. */
function startWeb(port: number): Promise<TcpServer> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket) => {
    const stream = createWebSocketStream(socket);
    const onward = connect(port, "127.0.0.1");
    stream.on("error", () => onward.destroy());
    onward.on("error", () => stream.destroy());
    stream.pipe(onward).pipe(stream);
  });
  return listening(http);
}
