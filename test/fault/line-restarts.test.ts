/**
 * ts-pub -l while brokers are killed and networks cut: every line of QoS 1 and 2 arrives at a
 * subscriber whose session lasts, in order, of QoS 2 exactly once; and the exit status says so.
 *
 * One seed decides when each blow falls. Replay a failure with SEED=n.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Client, connect } from "../../src/client/client.ts";
import { Prng } from "../../src/core/base/prng.ts";
import { Kept } from "../support/kept.ts";
import { hasMosquitto } from "../support/peers.ts";
import {
  outcome,
  type Program,
  startBroker,
  startMosquitto,
  startOurs,
} from "../support/programs.ts";
import { Relay, type Way } from "../support/relay.ts";
import { replayable, seed } from "../support/seeds.ts";
import { isLongSet, sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";

/** Side by side, so that all of them meet the same blows. */
const PUBLISHERS = [
  { version: "311", qos: 1 },
  { version: "311", qos: 2 },
  { version: "5", qos: 1 },
  { version: "5", qos: 2 },
] as const;
const BLOWS = isLongSet ? 4 : 2;
/** Lines that each publisher is given around one blow. */
const PORTION = isLongSet ? 400 : 200;
/** No queue: mosquitto 2.0.11 sends what is new ahead of what has waited in one. */
const UNBOUNDED = ["max_queued_messages 0", "max_inflight_messages 0"];

describe.concurrent("ts-pub -l", () => {
  it("loses no line of QoS 1 or 2 across kills of a broker that keeps what it acknowledges", () =>
    replayable(seed(4), async (number) => {
      const prng = new Prng(number);
      using kept = new Kept();
      const conf = [...kept.conf, ...UNBOUNDED];
      let broker = await startBroker({ conf });
      const { port } = broker;
      const jobs = await Jobs.start(port, port);
      for (let blow = 0; blow < BLOWS; blow++) {
        jobs.feed(PORTION);
        const { program } = broker;
        await jobs.arrived(prng.between(1, PORTION * 2), () => program.signal("SIGKILL"));
        await program.untilExit();
        jobs.feed(PORTION);
        broker = await startBroker({ conf, port });
      }
      await jobs.check();
      await broker[Symbol.asyncDispose]();
    }));

  const brokers = [
    { name: "ts-broker", launch: startBroker, isHere: true },
    { name: "mosquitto", launch: startMosquitto, isHere: hasMosquitto },
  ];
  it.each(sample(brokers, 2).filter(({ isHere }) => isHere))(
    "loses none across a network that breaks on the way to $name",
    ({ launch }) =>
      replayable(seed(4), async (number) => {
        const prng = new Prng(number);
        await using broker = await launch({ conf: UNBOUNDED });
        await using relay = await Relay.start(broker.port);
        const jobs = await Jobs.start(relay.port, broker.port);
        for (let blow = 1; blow <= BLOWS; blow++) {
          const way: Way = prng.chance(0.5) ? "to" : "from";
          // About as many bytes as the portion makes; of acknowledgements four a line, or eight.
          relay.cutAfter(prng.between(1, PORTION * (way === "to" ? 40 : 12)), way);
          jobs.feed(PORTION);
          await waitFor("the network breaks", () => relay.cuts === blow);
          jobs.feed(PORTION);
        }
        await jobs.check();
      }),
  );

  it.skipIf(!hasMosquitto)("loses none across restarts of mosquitto that save its state", () =>
    replayable(seed(4), async (number) => {
      const prng = new Prng(number);
      const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
      const saved = ["user root", "persistence true", `persistence_location ${folder}/`];
      const conf = [...saved, ...UNBOUNDED];
      let broker = await startMosquitto({ conf });
      const { port } = broker;
      const jobs = await Jobs.start(port, port);
      for (let blow = 0; blow < BLOWS; blow++) {
        jobs.feed(PORTION);
        const { program } = broker;
        await jobs.arrived(prng.between(1, PORTION * 2), () => program.signal("SIGTERM"));
        await program.untilExit();
        await broker[Symbol.asyncDispose]();
        jobs.feed(PORTION);
        broker = await startMosquitto({ conf, port });
      }
      // Mosquitto 2.0.11 hands on again at a start what its subscribers have acknowledged long ago.
      await jobs.check({ isExact: false });
      await broker[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    }),
  );
});

/** The publishers, and the subscriber to whom all of it goes. */
class Jobs {
  private readonly programs: readonly Program[];
  private readonly keeper: Client;
  /** What arrived, by publisher. */
  private readonly got: string[][] = PUBLISHERS.map(() => []);
  private fed = 0;
  private count = 0;
  private wanted = 0;
  private onArrived = (): void => {};

  private constructor(port: number, keeper: Client) {
    this.keeper = keeper;
    keeper.on("message", ({ topic, payload }) => {
      this.got[Number(topic.slice("job/".length))]!.push(payload.toString());
      if (++this.count === this.wanted) this.onArrived();
    });
    this.programs = PUBLISHERS.map(({ version, qos }, i) => {
      const where = ["-h", "127.0.0.1", "-p", `${port}`, "-t", `job/${i}`];
      const how = ["-V", version, "-q", `${qos}`, "-l", "--quiet", "--summary"];
      return startOurs("ts-pub", [...where, ...how]);
    });
  }

  static async start(port: number, brokerPort: number): Promise<Jobs> {
    const keeper = await connect({
      host: "127.0.0.1",
      port: brokerPort,
      version: 4,
      clientId: "keeper",
      cleanStart: false,
      reconnect: { delayMinMs: 20, delayMaxMs: 20 },
    });
    const jobs = new Jobs(port, keeper);
    await keeper.subscribe("job/+", { qos: 2 });
    // Only who was connected once goes on trying.
    jobs.feed(1);
    await jobs.arrived(PUBLISHERS.length);
    return jobs;
  }

  /** Gives each publisher so many more lines. */
  feed(count: number): void {
    for (const program of this.programs) {
      for (let i = 1; i <= count; i++) program.write(`${this.fed + i}\n`);
    }
    this.fed += count;
  }

  /** Resolves when so many more messages have come, after calling `then` in that moment. */
  async arrived(count: number, then: () => void = () => {}): Promise<void> {
    const wanted = this.count + count;
    this.wanted = wanted;
    this.onArrived = then;
    await waitFor(
      () => `${wanted} messages come; ${this.count} have`,
      () => this.count >= wanted,
    );
  }

  /** @param isExact Whether the broker itself hands a message of QoS 2 on only once. */
  async check({ isExact = true } = {}): Promise<void> {
    const lines = Array.from({ length: this.fed }, (_, i) => `${i + 1}`);
    for (const program of this.programs) {
      program.endInput();
      // As long as something comes, it has not come to a stop.
      while (program.ended === undefined) {
        const before = this.count;
        await waitFor(
          () => `${this.count} messages have come, and more do`,
          () => program.ended !== undefined || this.count > before,
        );
      }
      const { status, stderr } = await outcome(program);
      expect(stderr).toMatch(
        new RegExp(`^${this.fed} sent, ${this.fed} acknowledged, 0 failed in [^\n]+\n$`),
      );
      expect(status).toBe(0);
    }
    for (const [i, { qos, version }] of PUBLISHERS.entries()) {
      const isThere = () => this.got[i]!.includes(`${this.fed}`);
      await waitFor("the last line comes", isThere);
      const all = this.got[i]!;
      expect(qos === 2 && isExact ? all : [...new Set(all)], `QoS ${qos}, MQTT ${version}`).toEqual(
        lines,
      );
    }
    await this.keeper.disconnect();
  }
}
