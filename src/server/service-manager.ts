/**
 * What systemd is told (mosquitto-2.1 a.5): READY=1 once the broker runs, and WATCHDOG=1 every half
 * period of its watchdog. That comes from a timer of the event loop, so that a broker that hangs is
 * silent.
 */
import type { Log } from "../broker/world.ts";

/** What tells it. */
export interface Notifier {
  tell(word: "ready" | "watchdog"): void;
  end(): Promise<void>;
}

export type MakeNotifier = (pid: number, onTrouble: (why: string) => void) => Notifier;

type Environment = Readonly<Record<string, string | undefined>>;

const SECOND = 1_000;
const DELAY_MS_MAX = 2_147_483_647;

export class ServiceManager {
  private readonly notifier: Notifier;
  private readonly periodMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  private constructor(notifier: Notifier, periodMs: number | undefined) {
    this.notifier = notifier;
    this.periodMs = periodMs;
  }

  /** @returns Null where nobody wants to be told. */
  static async find(
    env: Environment,
    pid: number,
    log: Log,
    make?: MakeNotifier,
  ): Promise<ServiceManager | null> {
    if (!env.NOTIFY_SOCKET) return null;
    const onTrouble = (why: string) =>
      log.write("warning", `Warning: systemd cannot be told that the broker runs: ${why}`);
    const notifier = (make ?? (await systemNotifier()))(pid, onTrouble);
    return new ServiceManager(notifier, watchdogPeriodMs(env, pid));
  }

  /** The broker runs. Without a watchdog that is all there is to say. */
  onRunning(): void {
    this.notifier.tell("ready");
    if (this.periodMs === undefined) {
      void this.notifier.end();
      return;
    }
    this.timer = setInterval(() => this.notifier.tell("watchdog"), this.periodMs);
  }

  stop(): void {
    clearInterval(this.timer);
    void this.notifier.end();
  }
}

/**
 * Half the watchdog's period, in whole seconds where there is one.
 *
 * @returns Undefined when there is no watchdog, or it is another process'.
 */
export function watchdogPeriodMs(
  { WATCHDOG_USEC, WATCHDOG_PID }: Environment,
  pid: number,
): number | undefined {
  if (!/^\d+$/.test(WATCHDOG_USEC ?? "")) return undefined;
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== pid) return undefined;
  const halfMs = Number(WATCHDOG_USEC) / 2_000;
  if (halfMs < 1) return undefined;
  const wholeMs = halfMs >= SECOND ? Math.floor(halfMs / SECOND) * SECOND : Math.floor(halfMs);
  return Math.min(wholeMs, DELAY_MS_MAX);
}

async function systemNotifier(): Promise<MakeNotifier> {
  const { ServiceNotifier } = await import("../io/service-notifier.ts");
  return (pid, onTrouble) => new ServiceNotifier(pid, onTrouble);
}
