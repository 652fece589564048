import { describe, expect, it } from "vitest";
import { ServiceManager, watchdogPeriodMs } from "../../../src/server/service-manager.ts";
import { waitFor } from "../../support/wait-for.ts";

/** A manager whose words are kept. */
async function found(env: Record<string, string>) {
  const told: string[] = [];
  const lines: string[] = [];
  let fail: (why: string) => void = () => undefined;
  const log = {
    debug: false,
    write: (type: string, text: string) => void lines.push(`${type} ${text}`),
  };
  const manager = await ServiceManager.find(env, 41, log, (pid, onTrouble) => {
    fail = onTrouble;
    return {
      tell: (word) => void told.push(`${pid} ${word}`),
      end: async () => void told.push("end"),
    };
  });
  return { manager, told, lines, fail: (why: string) => fail(why) };
}

describe("systemd", () => {
  it("is told nothing where it does not listen", async () => {
    expect((await found({})).manager).toBeNull();
    expect((await found({ NOTIFY_SOCKET: "", WATCHDOG_USEC: "2000" })).manager).toBeNull();
  });

  it("is told once that the broker runs, which is all without a watchdog", async () => {
    const { manager, told } = await found({ NOTIFY_SOCKET: "/run/n" });
    expect(told).toEqual([]);
    manager?.onRunning();
    expect(told).toEqual(["41 ready", "end"]);
  });

  it("is told again and again with a watchdog, until the broker stops", async () => {
    const { manager, told } = await found({ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "4000" });
    manager?.onRunning();
    await waitFor("it is told some times", () => told.length > 4);
    manager?.stop();
    expect(told.slice(0, 3)).toEqual(["41 ready", "41 watchdog", "41 watchdog"]);
    expect(told.at(-1)).toBe("end");
    const count = told.length;
    let turns = 0;
    await waitFor("some turns are over", () => ++turns > 5);
    expect(told).toHaveLength(count);
  });

  it("may be told when the broker never runs", async () => {
    const { manager, told } = await found({ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "2000" });
    manager?.stop();
    expect(told).toEqual(["end"]);
  });

  it("is a warning when it cannot be told", async () => {
    const { lines, fail } = await found({ NOTIFY_SOCKET: "@n" });
    fail("no such socket");
    expect(lines).toEqual([
      "warning Warning: systemd cannot be told that the broker runs: no such socket",
    ]);
  });
});

describe("the watchdog's period", () => {
  it.each([
    [{ WATCHDOG_USEC: "30000000" }, 15_000],
    [{ WATCHDOG_USEC: "5000000" }, 2_000],
    [{ WATCHDOG_USEC: "1000000" }, 500],
    [{ WATCHDOG_USEC: "2000", WATCHDOG_PID: "41" }, 1],
    [{ WATCHDOG_USEC: "99999999999999999999" }, 2_147_483_647],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" }, undefined],
    [{ WATCHDOG_USEC: "0" }, undefined],
    [{ WATCHDOG_USEC: "" }, undefined],
    [{ WATCHDOG_USEC: "-1" }, undefined],
    [{ WATCHDOG_USEC: "x" }, undefined],
    [{}, undefined],
  ])("with %j is %j", (env, period) => {
    expect(watchdogPeriodMs(env, 41)).toBe(period);
  });
});
