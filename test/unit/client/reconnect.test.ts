/** Backoff: how long to wait, when to start over, when to give up. */
import { describe, expect, it } from "vitest";
import {
  DEFAULT_RECONNECT_POLICY,
  FINAL_REASON_CODES,
  Reconnect,
  type ReconnectPolicy,
} from "../../../src/client/reconnect.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { seed } from "../../support/seeds.ts";

describe("reconnecting", () => {
  it("waits twice as long after each failure, up to the longest delay", () => {
    const reconnect = connectedOnce({ jitter: 0, delayMinMs: 100, delayMaxMs: 1000 });
    expect(delays(reconnect, 6)).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  it("takes part of the delay away by chance, never more than the jitter", () => {
    const policy = { jitter: 0.5, delayMinMs: 100, delayMaxMs: 100 };
    expect(
      delays(
        connectedOnce(policy, () => 0),
        1,
      ),
    ).toEqual([100]);
    expect(
      delays(
        connectedOnce(policy, () => 0.5),
        1,
      ),
    ).toEqual([75]);
    const prng = new Prng(seed());
    for (const delay of delays(
      connectedOnce(policy, () => prng.fraction()),
      200,
    )) {
      expect(delay).toBeGreaterThan(50);
      expect(delay).toBeLessThanOrEqual(100);
    }
  });

  it("starts over after a connection that was stable, and only then", () => {
    const reconnect = connectedOnce({ jitter: 0, delayMinMs: 100, stableAfterMs: 1000 });
    delays(reconnect, 3);
    reconnect.onReady(5000);
    expect(reconnect.onEnded(5999, undefined)).toBe(800);
    reconnect.onReady(6000);
    expect(reconnect.onEnded(7000, undefined)).toBe(100);
    expect(reconnect.attempts).toBe(1);
  });

  it("does not take the failures after a stable connection for stable", () => {
    const reconnect = connectedOnce({ jitter: 0, delayMinMs: 100, stableAfterMs: 1000 });
    expect(reconnect.onEnded(5000, undefined)).toBe(100);
    expect(reconnect.onEnded(9000, undefined)).toBe(200);
    expect(reconnect.onEnded(19_000, undefined)).toBe(400);
  });

  it("gives up at a final reason code", () => {
    for (const code of FINAL_REASON_CODES) {
      expect(connectedOnce({}).onEnded(0, code)).toBeUndefined();
    }
    expect(connectedOnce({}).onEnded(0, 0x88)).toBeDefined();
    expect(connectedOnce({}).onEnded(0, 3)).toBeDefined();
    expect(connectedOnce({ finalReasonCodes: [] }).onEnded(0, 0x86)).toBeDefined();
  });

  it("gives up where the transport says that dialling again cannot help", () => {
    const reconnect = connectedOnce({ initial: true });
    expect(reconnect.onEnded(0, undefined, false)).toBeDefined();
    expect(reconnect.onEnded(0, undefined, true)).toBeUndefined();
  });

  it("gives up after as many failures in a row as it may have", () => {
    const reconnect = connectedOnce({ attemptsMax: 2 });
    expect(delays(reconnect, 3).map((delay) => delay !== undefined)).toEqual([true, true, false]);
  });

  it("tries the first connection again only where that is wanted", () => {
    const policy = { ...DEFAULT_RECONNECT_POLICY, jitter: 0 };
    const chance = () => 0;
    expect(new Reconnect(policy, chance).onEnded(0, undefined)).toBeUndefined();
    const initial = new Reconnect({ ...policy, initial: true }, chance);
    expect(delays(initial, 2)).toEqual([1000, 2000]);
  });
});

function connectedOnce(policy: Partial<ReconnectPolicy>, fraction = () => 0): Reconnect {
  const reconnect = new Reconnect({ ...DEFAULT_RECONNECT_POLICY, ...policy }, fraction);
  reconnect.onReady(0);
  return reconnect;
}

/** The delays after so many failures in a row. */
function delays(reconnect: Reconnect, count: number): (number | undefined)[] {
  return Array.from({ length: count }, () => reconnect.onEnded(0, undefined));
}
