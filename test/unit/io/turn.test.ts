/** The turn of the event loop, on a clock of the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Driven, type Flushed, TurnLoop } from "../../../src/io/turn.ts";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => vi.useRealTimers());

/** A broker that writes down what it is told. */
function world() {
  const events: string[] = [];
  const driven = {
    deadlines: { next: Number.POSITIVE_INFINITY },
    now: -1,
    onTick: (now: number) => {
      events.push(`tick ${now}`);
      if (driven.deadlines.next <= now) driven.deadlines.next = Number.POSITIVE_INFINITY;
    },
    onTurnEnd: () => void events.push("end"),
    isUnfinished: false,
  } satisfies Driven;
  const turn = new TurnLoop(driven);
  const link = (name: string, onFlush?: () => void): Flushed => ({
    flush: () => {
      events.push(`flush ${name}`);
      onFlush?.();
    },
  });
  /** Lets the immediates that are set now run, and no timer. */
  const loop = () => vi.advanceTimersByTime(0);
  return { events, driven, turn, link, loop };
}

/** Begins a turn that leaves a deadline so far ahead. @returns When it began. */
function begun(driven: ReturnType<typeof world>["driven"], turn: TurnLoop, aheadMs: number) {
  turn.begin();
  driven.deadlines.next = driven.now + aheadMs;
  return driven.now;
}

describe("TurnLoop", () => {
  it("sets the time at each turn's beginning", () => {
    const { driven, turn, loop } = world();
    turn.begin();
    const { now } = driven;
    expect(now).toBeGreaterThanOrEqual(0);
    loop();
    vi.advanceTimersByTime(3);
    turn.begin();
    expect(driven.now).toBe(now + 3);
  });

  it("commits first, then flushes each link that woke, once", () => {
    const { events, turn, link, loop } = world();
    turn.begin();
    turn.wake(link("a"));
    turn.wake(link("b"));
    expect(events).toEqual([]);
    loop();
    expect(events).toEqual(["end", "flush a", "flush b"]);
    loop();
    expect(events).toHaveLength(3);
  });

  it("begins a turn for a link that wakes between turns", () => {
    const { events, turn, link, loop } = world();
    turn.wake(link("a"));
    loop();
    expect(events).toEqual(["end", "flush a"]);
  });

  it("flushes in a turn of its own what wakes while others are flushed", () => {
    const { events, turn, link } = world();
    const late = link("late");
    turn.wake(link("a", () => turn.wake(late)));
    turn.wake(link("b"));
    vi.advanceTimersToNextTimer();
    expect(events).toEqual(["end", "flush a", "flush b"]);
    vi.advanceTimersToNextTimer();
    expect(events.slice(3)).toEqual(["end", "flush late"]);
  });

  it("flushes what the turn's end has woken", () => {
    const { events, driven, turn, link, loop } = world();
    driven.onTurnEnd = () => {
      if (events.length === 0) turn.wake(link("a"));
      events.push("end");
    };
    turn.begin();
    loop();
    expect(events.slice(0, 2)).toEqual(["end", "flush a"]);
  });

  it("ticks at the next deadline, and no sooner", () => {
    const { events, driven, turn } = world();
    const start = begun(driven, turn, 100);
    vi.advanceTimersByTime(99);
    expect(events).toEqual(["end"]);
    vi.advanceTimersByTime(1);
    expect(events[1]).toBe(`tick ${start + 100}`);
  });

  it("waits for a nearer deadline instead, and for none again when it is over", () => {
    const { events, driven, turn } = world();
    const start = begun(driven, turn, 100);
    vi.advanceTimersByTime(10);
    driven.deadlines.next = start + 20;
    turn.begin();
    vi.advanceTimersByTime(200);
    expect(events.filter((event) => event.startsWith("tick"))).toEqual([`tick ${start + 20}`]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("reaches a deadline that was put off, by way of the earlier one", () => {
    const { events, driven, turn } = world();
    const start = begun(driven, turn, 50);
    vi.advanceTimersByTime(10);
    driven.deadlines.next = start + 100;
    turn.begin();
    vi.advanceTimersByTime(200);
    expect(events.at(-2)).toBe(`tick ${start + 100}`);
  });

  it("reaches a deadline further away than a timer can wait", () => {
    const { events, driven, turn } = world();
    const far = 3_000_000_000;
    const start = begun(driven, turn, far);
    vi.advanceTimersByTime(far - 1);
    expect(events.filter((event) => event === `tick ${start + far}`)).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(events).toContain(`tick ${start + far}`);
  });

  it("finishes at once, and waits for no deadline after", () => {
    const { events, driven, turn, link } = world();
    begun(driven, turn, 100);
    vi.advanceTimersByTime(1);
    turn.wake(link("a"));
    turn.finish();
    expect(events).toEqual(["end", "end", "flush a"]);
    // Sockets close afterwards, each beginning a turn.
    turn.begin();
    vi.advanceTimersByTime(1000);
    expect(events.filter((event) => event.startsWith("tick"))).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
