/**
 * Remotes that refuse, deny, fall silent, do not read, talk nonsense or talk without end: what a
 * bridge makes of each, while clients of its own broker notice nothing.
 */
import { describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import { type Peer, type Published, type Script, ScriptedBroker } from "../cli/scripted-broker.ts";
import { bridgeLines, type End, startEnd } from "../support/bridge-ends.ts";
import { startBroker } from "../support/programs.ts";
import { packet } from "../support/raw-packets.ts";
import { sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";
import { beside, Witness } from "./witness.ts";

const MEMORY_MAX = 400 * MIB;

/** Beyond what the system's own buffers take for one connection. */
const LARGE = 10_000;

/** A broker in this process with a bridge to a remote that follows a script. */
async function bridged(script: Script, ...lines: readonly string[]): Promise<Bridged> {
  const remote = await ScriptedBroker.start(script);
  return new Bridged(remote, await startEnd("ts-broker", bridgeLines(remote, ...lines)));
}

class Bridged implements AsyncDisposable {
  readonly remote: ScriptedBroker;
  readonly near: End;

  constructor(remote: ScriptedBroker, near: End) {
    this.remote = remote;
    this.near = near;
  }

  /** Messages that came at the remote below a topic, as `topic payload`. */
  came(below: string): string[] {
    return messagesOf(this.remote, below);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.near[Symbol.asyncDispose]();
    await this.remote[Symbol.asyncDispose]();
  }
}

function messagesOf(remote: ScriptedBroker, below: string): string[] {
  const texts = ({ topic, payload, qos }: Published) => `${topic} ${payload} q${qos}`;
  return remote
    .all("publish")
    .map(texts)
    .filter((text) => text.startsWith(below));
}

describe.concurrent("A remote that", () => {
  it("refuses is tried again, and gets what has waited when it does not", async () => {
    let refusals = 0;
    const onConnect = (peer: Peer) => peer.accept(refusals++ < 1 ? 5 : 0);
    await using pair = await bridged({ onConnect }, "topic a/# out 1");
    const { near, remote } = pair;
    await near.logged(/Connection Refused: not authorised/);
    await near.publish("a/1", "meanwhile", { qos: 1 });
    await beside(near.port, () => remote.until("connect", 2));
    await near.publish("a/2", "now", { qos: 1 });
    await waitFor("both came", () => pair.came("a/").length >= 2);
    expect(pair.came("a/")).toEqual(["a/1 meanwhile q1", "a/2 now q1"]);
  });

  it("does not know bridges is told at once that this is none", async () => {
    const codes = [1, 0];
    const onConnect = (peer: Peer) => peer.accept(codes.shift());
    await using pair = await bridged({ onConnect }, "topic a/# out 1");
    const { near, remote } = pair;
    await near.publish("a/1", "x", { qos: 1 });
    await waitFor("it came", () => pair.came("a/").length > 0);
    expect(remote.all("connect").map(({ bridge, version }) => [bridge, version])).toEqual([
      [true, 4],
      [false, 4],
    ]);
    expect(near.log).not.toContain("Connection Refused");
  });

  it("denies a subscription gets and gives everything else", async () => {
    const onSubscribe = (peer: Peer, packetId: number, filters: readonly string[]) =>
      peer.grant(
        packetId,
        filters.map((filter) => (filter === "denied/#" ? 0x80 : 1)),
      );
    const lines = ["topic denied/# in 1", "topic given/# in 1", "topic a/# out 1"];
    await using pair = await bridged({ onSubscribe }, ...lines);
    const { near, remote } = pair;
    await near.logged(/does not let it subscribe to denied\/#/);
    await using heard = await near.listen("given/#");
    remote.peer.publish("given/1", "in", { qos: 1 });
    await heard.until("given/1 in q1");
    await near.publish("a/1", "out", { qos: 1 });
    await waitFor("it came", () => pair.came("a/").length > 0);
    expect(remote.peers).toHaveLength(1);
  });

  it("acknowledges nothing gets its window, and the rest in order when it does", async () => {
    let isDeaf = true;
    const onPublish = (peer: Peer, message: Published) => {
      if (!isDeaf || !message.topic.startsWith("a/")) peer.acknowledge(message);
    };
    const lines = ["topic a/# out 1"];
    await using pair = await bridged({ onPublish }, ...lines);
    const { near, remote } = pair;
    await remote.until("unsubscribe");
    const numbers = Array.from({ length: 60 }, (_, i) => `a/x ${i} q1`);
    await beside(near.port, async () => {
      // Each resolves: our own broker has them, and on its disk where it has one.
      for (const i of numbers.keys()) await near.publish("a/x", `${i}`, { qos: 1 });
      await waitFor("as many as may be under way have come", () => pair.came("a/").length >= 20);
    });
    expect(pair.came("a/")).toEqual(numbers.slice(0, 20));
    isDeaf = false;
    remote.peer.hangUp();
    await waitFor("all have come", () => pair.came("a/").length >= 80);
    expect(pair.came("a/")).toEqual([...numbers.slice(0, 20), ...numbers]);
  });

  it("falls silent is left after the keep alive, and tried again", async () => {
    // It never answers PINGREQ.
    await using pair = await bridged({}, "keepalive_interval 5", "topic a/# out 1");
    const { near, remote } = pair;
    await remote.until("connect");
    await beside(near.port, () => remote.until("connect", 2));
    expect(remote.all("pingreq")).toHaveLength(1);
    await near.publish("a/1", "x", { qos: 1 });
    await waitFor("it came", () => pair.came("a/").length > 0);
  });

  const NONSENSE: readonly (readonly [string, Buffer])[] = [
    ["no MQTT", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(9))],
    ["a packet of no type", packet(0x00, "00 00")],
    ["a CONNECT", packet(0x10, "00 04")],
    ["a length without end", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["a topic that is no text", packet(0x30, "00 05", Buffer.from("in/"), "c3 28")],
    ["a topic with wildcards", packet(0x30, "00 04", Buffer.from("in/#"))],
    ["a second CONNACK", packet(0x20, "00 00")],
    ["an acknowledgement cut short", packet(0x40, "00")],
  ];
  it.each(sample(NONSENSE, 3))("sends %s is left, and tried again", async (_what, bytes) => {
    await using pair = await bridged({}, "topic a/# out 1", "topic in/# in 1");
    const { near, remote } = pair;
    await remote.until("unsubscribe");
    await using heard = await near.listen("in/#");
    remote.peer.publish("in/x", "before", { qos: 1 });
    await heard.until("in/x before q1");
    remote.peer.send(bytes);
    await remote.until("connect", 2);
    await remote.until("unsubscribe", 2);
    await near.publish("a/1", "after", { qos: 1 });
    await waitFor("it came", () => pair.came("a/").length > 0);
  });

  it("acknowledges what nobody sent is none the worse for it", async () => {
    await using pair = await bridged({}, "topic a/# out 2");
    const { near, remote } = pair;
    await remote.until("unsubscribe");
    for (const head of [0x40, 0x50, 0x62, 0x70, 0x90, 0xb0]) {
      remote.peer.send(packet(head, "04 d2", head === 0x90 ? "00" : ""));
    }
    await near.publish("a/1", "x", { qos: 2 });
    await waitFor("it came", () => pair.came("a/").length > 0);
    expect(remote.peers).toHaveLength(1);
  });
});

describe
  .skipIf(!tellsProcesses)
  .concurrent("Beside clients that notice nothing, a remote that", () => {
    it("does not read loses what is too much for it, in order", async () => {
      await using remote = await ScriptedBroker.start();
      const lines = ["max_queued_messages 100", ...bridgeLines(remote, "topic much/# out 1")];
      await using broker = await startBroker({ conf: lines });
      await remote.until("unsubscribe");
      remote.peer.socket.pause();
      await beside(broker.port, async () => {
        await using publisher = await connect({ host: "127.0.0.1", port: broker.port });
        for (let i = 0; i < 4_000; i++) {
          await publisher.publish("much/none", numbered(i));
          if (i % 10 === 0) await publisher.publish("much/one", numbered(i), { qos: 1 });
        }
      });
      await broker.program.untilError("Outgoing messages are being dropped for client ");
      expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
      remote.peer.socket.resume();
      const count = (topic: string) => numbersOf(remote, topic).length;
      // A window under way and the queue behind it; the rest was too much.
      await waitFor("the queue has come", () => count("much/one") === 120);
      for (const topic of ["much/none", "much/one"]) {
        const numbers = numbersOf(remote, topic);
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      }
      expect(numbersOf(remote, "much/one").at(-1)).toBe(1_190);
      expect(count("much/none")).toBeGreaterThan(500);
      expect(count("much/none")).toBeLessThan(4_000);
    });

    it("talks without end is listened to, and not more than the others", async () => {
      await using remote = await ScriptedBroker.start();
      await using broker = await startBroker({ conf: bridgeLines(remote, "topic in/# in 1") });
      await waitFor("it has subscribed", () => remote.all("subscribe").length === 2);
      await using listener = await connect({ host: "127.0.0.1", port: broker.port });
      const arrived: number[] = [];
      listener.on("message", ({ payload }) => arrived.push(payload.readUInt32BE()));
      await listener.subscribe("in/#", { qos: 1 });
      let sent = 0;
      let isOver = false;
      const flood = (async () => {
        const { peer } = remote;
        while (!isOver) {
          const batch: Buffer[] = [];
          for (let i = 0; i < 200; i++) {
            sent++;
            const packetId = (sent % 65_535) + 1;
            batch.push(
              peer.publishBytes("in/x", numbered(sent).subarray(0, 500), { qos: 1, packetId }),
            );
          }
          peer.send(...batch);
          await new Promise(setImmediate);
          await waitFor("some of it is read", () => peer.socket.writableLength < MIB);
        }
      })();
      await using witness = await Witness.start(broker.port);
      for (let i = 0; i < 10; i++) await witness.round();
      isOver = true;
      await flood;
      await waitFor("all is acknowledged", () => remote.all("puback").length === sent);
      // It may be too much for a subscriber's queue, and comes in order.
      await waitFor("a full queue has come", () => arrived.length >= 1_000);
      expect(arrived).toEqual([...new Set(arrived)].sort((a, b) => a - b));
      expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
    });
  });

function numbered(number: number): Buffer {
  const payload = Buffer.alloc(LARGE);
  payload.writeUInt32BE(number);
  return payload;
}

function numbersOf(remote: ScriptedBroker, topic: string): number[] {
  return remote
    .all("publish")
    .filter((message) => message.topic === topic)
    .map(({ payload }) => Buffer.from(payload.slice(0, 4), "latin1").readUInt32BE());
}
