import { describe, expect, it } from "vitest";
import {
  type Held,
  Trial,
  type TrialLimits,
  type Verdict,
} from "../../../../src/broker/loops/trial.ts";
import { Deadlines } from "../../../../src/core/base/deadlines.ts";

/** A bridge that notes when it is held, pulsed and released. */
class FakeBridge implements Held {
  readonly name: string;
  readonly calls: string[] = [];
  isHeld = false;
  heldBytes = 0;
  /** Told when it sends what it held. */
  onSent: () => void = () => undefined;

  constructor(name: string) {
    this.name = name;
  }

  hold(): void {
    this.isHeld = true;
    this.calls.push("hold");
  }

  release(): void {
    this.isHeld = false;
    this.calls.push("release");
    this.onSent();
  }

  pulse(): void {
    this.calls.push("pulse");
    this.onSent();
  }
}

const LIMITS: TrialLimits = {
  holdMs: 400,
  loopTrialMsMax: 10_000,
  loopSuspectsMax: 10,
  loopHeldBytesMax: 1_000,
};

/** A trial of topic `t`, which `x` brings and `y` takes away, on a clock of its own. */
class Court {
  readonly x = new FakeBridge("x");
  readonly y = new FakeBridge("y");
  readonly deadlines = new Deadlines();
  readonly known = new Set<string>();
  readonly released: number[] = [];
  now = 0;
  verdict: Verdict<FakeBridge> | null = null;
  isOver = false;
  readonly trial: Trial<FakeBridge>;
  private readonly events: { at: number; act: () => void }[] = [];

  constructor(limits: Partial<TrialLimits> = {}, gapMs = 10, knownLagMs = 0) {
    const first = { topic: "t", origin: this.x, digest: 1, gapMs, knownLagMs };
    this.trial = new Trial<FakeBridge>(
      {
        limits: { ...LIMITS, ...limits },
        deadlines: this.deadlines,
        now: 0,
        fraction: () => 0,
        isKnown: (feeder, topic) => this.known.has(`${topic} ${feeder.name}`),
        onVerdict: (verdict) => {
          this.verdict = verdict;
        },
        onReleased: (_bridge, _topic, digest) => this.released.push(digest),
        onOver: () => {
          this.isOver = true;
        },
      },
      first,
    );
  }

  /** A message comes by `from` and is to go out by `to`. */
  arrive(from: FakeBridge, to: FakeBridge, digest = 1, topic = "t"): void {
    this.trial.onArrival(from, topic, digest, this.now);
    this.trial.onRecipient(to, topic);
    if (to.isHeld) this.trial.onHeld(to, topic, digest);
  }

  at(at: number, act: () => void): void {
    this.events.push({ at, act });
    this.events.sort((a, b) => a.at - b.at);
  }

  /** What goes out by `feeder` comes back by `origin`, `lagMs` later, and would go out again. */
  loop(feeder: FakeBridge, origin: FakeBridge, lagMs: number): void {
    let copies = 1;
    feeder.onSent = () => {
      const sent = copies;
      copies = 0;
      for (let i = 0; i < sent && !this.isOver; i++) {
        this.at(this.now + lagMs, () => {
          copies++;
          this.arrive(origin, feeder);
        });
      }
    };
  }

  run(until = 60_000): this {
    while (!this.isOver) {
      const next = Math.min(this.events[0]?.at ?? Infinity, this.deadlines.next);
      if (next > until) break;
      this.now = next;
      if (this.events[0] !== undefined && this.events[0].at <= next) this.events.shift()!.act();
      else this.deadlines.onTick(next);
    }
    return this;
  }

  /** What was found, such as "t: y > x". */
  get found(): string[] {
    const loops = this.verdict?.loops ?? [];
    return loops.map(({ topic, feeder, origin }) => `${topic}: ${feeder.name} > ${origin.name}`);
  }

  get honest(): string[] {
    return (this.verdict?.honest ?? []).map(({ topic }) => topic);
  }
}

describe("A trial", () => {
  it("holds who brings the message and who takes it away, and lets both go at its end", () => {
    const court = new Court();
    court.arrive(court.x, court.y);
    expect([court.x.isHeld, court.y.isHeld]).toEqual([true, true]);
    court.run();
    expect(court.isOver).toBe(true);
    expect([court.x.isHeld, court.y.isHeld]).toEqual([false, false]);
    expect(court.deadlines.size).toBe(0);
  });

  it("finds honest what goes on while all is held, and is over with the hold", () => {
    const court = new Court();
    court.arrive(court.x, court.y);
    for (let at = 10; at < 2_000; at += 10) court.at(at, () => court.arrive(court.x, court.y));
    court.run();
    expect(court.honest).toEqual(["t"]);
    expect(court.found).toEqual([]);
    expect(court.now).toBe(400);
    expect(court.y.calls).toEqual(["hold", "release"]);
  });

  it.each([1, 10, 60, 190])("finds a loop whose way takes %i ms, by three pulses", (lagMs) => {
    const court = new Court({}, lagMs);
    court.loop(court.y, court.x, lagMs);
    court.arrive(court.x, court.y);
    court.run();
    expect(court.found).toEqual(["t: y > x"]);
    expect(court.verdict!.lagMs).toBe(lagMs);
    expect(court.y.calls).toEqual(["hold", "pulse", "pulse", "pulse", "release"]);
  });

  it("says of what it holds still, once the loop is known, that it goes out", () => {
    const court = new Court();
    court.loop(court.y, court.x, 10);
    court.arrive(court.x, court.y);
    court.run();
    expect(court.released).toEqual([1]);
  });

  it("finds nothing where what went out does not come back", () => {
    const court = new Court();
    court.arrive(court.x, court.y);
    court.run();
    expect(court.found).toEqual([]);
    expect(court.honest).toEqual([]);
    expect(court.y.calls).toEqual(["hold", "pulse", "release"]);
  });

  it("finds nothing where it comes in answer to what the bridge it comes by is sent", () => {
    const court = new Court();
    const { x, y } = court;
    // The next question follows the answer, which x is to send and holds.
    court.arrive(x, y);
    y.onSent = () => court.at(court.now + 5, () => court.trial.onHeld(x, "answer", 9));
    court.run();
    expect(court.found).toEqual([]);
  });

  it("finds nothing where more comes in the quiet than came back", () => {
    const court = new Court();
    const { x, y } = court;
    court.arrive(x, y);
    // Somebody speaks again who was silent while all was held.
    for (let at = 405; at < 3_000; at += 20) court.at(at, () => court.arrive(x, y));
    court.run();
    expect(court.found).toEqual([]);
  });

  it("finds nothing where more comes back than went out", () => {
    const court = new Court();
    const { x, y } = court;
    court.arrive(x, y);
    let count = 1;
    y.onSent = () => {
      if (court.isOver) return;
      count *= 2;
      for (let i = 0; i < count; i++) court.at(court.now + 10, () => court.arrive(x, y));
    };
    court.run();
    expect(court.found).toEqual([]);
  });

  it("finds nothing where it comes back after another time each time", () => {
    const court = new Court({}, 10);
    const { x, y } = court;
    const lags = [20, 120, 20, 120, 20, 120, 20, 120, 20];
    court.arrive(x, y);
    y.onSent = () => {
      const lagMs = lags.shift();
      if (lagMs !== undefined && !court.isOver) {
        court.at(court.now + lagMs, () => court.arrive(x, y));
      }
    };
    court.run();
    expect(court.found).toEqual([]);
  });

  it("lets a bridge go that is innocent while others are on trial still", () => {
    const court = new Court();
    const leaf = new FakeBridge("leaf");
    court.loop(court.y, court.x, 10);
    court.arrive(court.x, leaf);
    court.arrive(court.x, court.y);
    court.run();
    expect(court.found).toEqual(["t: y > x"]);
    expect(leaf.calls).toEqual(["hold", "pulse", "release"]);
  });

  it("is over in its time, whatever it has found", () => {
    const court = new Court({ loopTrialMsMax: 700 }, 150);
    court.loop(court.y, court.x, 150);
    court.arrive(court.x, court.y);
    court.run();
    expect(court.found).toEqual([]);
    expect(court.now).toBeLessThanOrEqual(700);
  });

  it("takes topics in while it begins, of bridges that are held, as many as it may", () => {
    const court = new Court({ loopSuspectsMax: 2 });
    const { x, y, trial } = court;
    expect(trial.isGathering(y, 10)).toBe(false);
    expect(trial.isGathering(x, 10)).toBe(true);
    trial.add({ topic: "u", origin: x, digest: 2, gapMs: 10, knownLagMs: 0 });
    expect(trial.concerns("u")).toBe(true);
    expect(trial.isGathering(x, 10)).toBe(false);
    trial.add({ topic: "v", origin: x, digest: 3, gapMs: 10, knownLagMs: 0 });
    expect(trial.concerns("v")).toBe(false);
    expect(new Court().trial.isGathering(x, 200)).toBe(false);
  });

  it("ends without a verdict when too much waits", () => {
    const court = new Court({ loopHeldBytesMax: 100 });
    court.arrive(court.x, court.y);
    court.y.heldBytes = 100;
    court.trial.checkRoom(court.y);
    expect(court.isOver).toBe(false);
    court.y.heldBytes = 101;
    court.trial.checkRoom(court.y);
    expect(court.isOver).toBe(true);
    expect(court.y.calls).toEqual(["hold", "release"]);
    expect([...court.verdict!.loops, ...court.verdict!.honest]).toEqual([]);
  });

  it("finds that what is known to loop still does, though it is published as well", () => {
    const court = new Court({}, 40, 10);
    const { x, y } = court;
    court.known.add("t y");
    let copies = 0;
    for (let at = 0; at < 2_000; at += 40) {
      court.at(at, () => {
        copies++;
        court.arrive(x, y);
      });
    }
    y.onSent = () => {
      const sent = copies;
      copies = 0;
      for (let i = 0; i < sent; i++) court.at(court.now + 10, () => court.arrive(x, y));
    };
    court.run();
    expect(court.found).toEqual(["t: y > x"]);
    expect(court.honest).toEqual([]);
  });

  it("finds that what was known to loop does so no longer", () => {
    const court = new Court({}, 40, 10);
    court.known.add("t y");
    for (let at = 0; at < 2_000; at += 40) court.at(at, () => court.arrive(court.x, court.y));
    court.run();
    expect(court.found).toEqual([]);
    expect(court.honest).toEqual(["t"]);
  });
});
