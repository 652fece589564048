import { describe, expect, it } from "vitest";
import { type LineMessage, Replaying, type ReplaySender } from "../../../src/cli/line-jobs.ts";
import { parseTime, Replay } from "../../../src/cli/replay.ts";

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
