import { describe, expect, it } from "vitest";
import {
  type LineMessage,
  Replaying,
  type ReplaySender,
  type Sender,
  Spooling,
} from "../../../src/cli/line-jobs.ts";
import { parseTime, Replay } from "../../../src/cli/replay.ts";
import { Spool } from "../../../src/cli/spool.ts";
import type { SpoolFile } from "../../../src/cli/spool-file.ts";
import { ClientError } from "../../../src/client/errors.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** When a message was recorded: that much after the first. */
const at = (ms: number) => new Date(Date.UTC(2026, 10, 22, 17, 43, 54, ms)).toISOString();

describe("replaying lines", () => {
  it("sends each when it is due, by the clock that it is given", async () => {
    const { job, clock, sent } = replaying(1);
    for (const ms of [0, 250, 250, 1000]) job.onMessage(recorded(ms));
    await clock.run();
    expect(sent).toEqual([0, 250, 250, 1000]);
    expect(job.room()).toBeUndefined();
    await job.finished();
  });

  it.each([
    [10, [0, 100, 500]],
    [0.5, [0, 2000, 10_000]],
    [1e9, [0, 1e-6, 5e-6]],
  ])("at speed %d", async (speed, times) => {
    const { job, clock, sent } = replaying(speed);
    for (const ms of [0, 1000, 5000]) job.onMessage(recorded(ms));
    await clock.run();
    for (const [i, time] of times.entries()) expect(sent[i]).toBeCloseTo(time, 5);
    expect(sent).toHaveLength(3);
  });

  it("asks again when the clock calls early", async () => {
    const { job, clock, sent } = replaying(1);
    clock.earlyMs = 400;
    for (const ms of [0, 1000]) job.onMessage(recorded(ms));
    await clock.run();
    expect(sent).toEqual([0, 1000]);
  });

  it("holds the input up until the last that was read is due", async () => {
    const { job, clock, sent } = replaying(1);
    job.onMessage(recorded(0));
    job.onMessage(recorded(60_000));
    let hasRoom = false;
    void job.room()!.then(() => {
      hasRoom = true;
    });
    await turns();
    expect([sent, hasRoom]).toEqual([[0], false]);
    await clock.run();
    expect([sent, hasRoom]).toEqual([[0, 60_000], true]);
  });

  it("sends what is late at once, and waits again for what is not", async () => {
    const { job, clock, sent, sender } = replaying(1);
    let free = (): void => {};
    sender.waiting = new Promise<void>((resolve) => {
      free = resolve;
    });
    for (const ms of [0, 100, 200, 5000]) job.onMessage(recorded(ms));
    await turns();
    clock.time = 3000;
    sender.waiting = undefined;
    free();
    await clock.run();
    expect(sent).toEqual([3000, 3000, 3000, 5000]);
  });

  it("sends nothing more once it is stopped, however long the next is away", async () => {
    const { job, sent, sender } = replaying(1e-6);
    for (const ms of [0, 1000, 2000]) job.onMessage(recorded(ms));
    await turns();
    job.stop();
    await job.finished();
    expect(sent).toEqual([0]);
    expect(sender.unsent).toBe(2);
  });
});

describe("lines from a spool", () => {
  it.each([
    ["publishRefused", "done"],
    ["packetTooLarge", "done"],
    ["notSupported", "done"],
    ["invalidArgument", "done"],
    ["connectionLost", "again"],
    ["keepAliveTimeout", "again"],
    ["disconnectedByServer", "again"],
    ["serverError", "again"],
    ["connectRefused", "again"],
    ["aborted", "again"],
    ["closed", "kept"],
  ] as const)("with the error %s: %s", async (code, fate) => {
    const { job, spool, sent } = spooling();
    await read(job, "one", "two");
    expect(sent.map(({ text }) => text)).toEqual(["one", "two"]);
    sent[0]!.settle(new ClientError(code, "why"));
    sent[1]!.settle(undefined);
    await immediate();
    expect(sent.map(({ text }) => text).slice(2)).toEqual(fate === "again" ? ["one"] : []);
    expect(spool.countLeft()).toBe(fate === "done" ? 0 : 2);
    sent[2]?.settle(undefined);
    await immediate();
    expect(spool.countLeft()).toBe(fate === "kept" ? 2 : 0);
  });

  it("stay where they are when the job is stopped, and are counted", async () => {
    const { job, sent } = spooling();
    await read(job, "one", "two", "three");
    sent[0]!.settle(undefined);
    await immediate();
    job.stop();
    sent[1]!.settle(new ClientError("connectionLost", "why"));
    await job.finished();
    expect(await job.close()).toBe(2);
    expect(sent).toHaveLength(3);
  });

  it("are not read on when they cannot be written down, and those that are go out", async () => {
    const { job, disk, sent, said } = spooling();
    await read(job, "one");
    disk.room = disk.size + 3;
    await read(job, "two", "three");
    expect(said).toEqual([
      'Error: Unable to write to spool "spool": ENOSPC. The last 2 lines read are not in it.',
    ]);
    for (const { settle } of sent) settle(undefined);
    await job.finished();
    expect(sent.map(({ text }) => text)).toEqual(["one"]);
    expect(await job.close()).toBe(0);
  });
});

async function read(job: Spooling, ...texts: string[]): Promise<void> {
  for (const text of texts) job.onMessage({ payload: Buffer.from(text) }, Buffer.from(text));
  await job.room();
  await immediate();
}

/** A spool in memory, and what it has sent: with what tells it how that ended. */
function spooling() {
  const disk = new MemoryDisk("");
  const spool = new Spool(disk, "{}");
  const sent: { text: string; settle: (error: ClientError | undefined) => void }[] = [];
  const said: string[] = [];
  const sender: Sender = {
    send: ({ payload }, onSettled) =>
      void sent.push({ text: payload.toString(), settle: onSettled! }),
    room: () => undefined,
  };
  const owner = {
    parse: (line: Buffer) => ({ payload: line }),
    onSpoolFailed: (sentence: string) => void said.push(sentence),
  };
  const file = { name: "spool", sync: async () => {}, close: async () => {} };
  const job = new Spooling(sender, owner, file as SpoolFile, spool);
  return { job, spool, disk, sent, said };
}

/** A turn of the event loop, in which a spool writes down what is done with. */
function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function recorded(ms: number): LineMessage {
  return { payload: Buffer.alloc(0), tst: at(ms) };
}

/** A replay with a clock that only moves when it is run, and what was sent when. */
function replaying(speed: number) {
  const clock = new JumpingClock();
  const sent: number[] = [];
  const sender: ReplaySender & { waiting: Promise<void> | undefined; unsent: number } = {
    waiting: undefined,
    unsent: 0,
    onUnsent: (count) => {
      sender.unsent += count;
    },
    send: () => void sent.push(clock.time),
    room: () => sender.waiting,
  };
  const recordedMs = ({ tst }: LineMessage) => parseTime(tst ?? "");
  return { job: new Replaying(sender, new Replay(speed), clock, recordedMs), clock, sent, sender };
}

class JumpingClock {
  time = 0;
  /** How much too early it calls, but for short waits. */
  earlyMs = 0;
  private due: { at: number; callback: () => void } | undefined;

  now(): number {
    return this.time;
  }

  after(delayMs: number, callback: () => void): () => void {
    const early = delayMs > this.earlyMs ? this.earlyMs : 0;
    const due = { at: this.time + delayMs - early, callback };
    this.due = due;
    return () => {
      if (this.due === due) this.due = undefined;
    };
  }

  /** Jumps from one call to the next until none is wanted. */
  async run(): Promise<void> {
    await turns();
    for (let next = this.due; next !== undefined; next = this.due) {
      this.due = undefined;
      this.time = next.at;
      next.callback();
      await turns();
    }
  }
}

/** Lets promises have their say. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
