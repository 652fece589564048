/**
 * Keeps a machine connected: dials, sets the one timer, flushes at the end of each turn, pauses
 * reading, and tries again when a connection ends.
 *
 * The world comes in through `ConnectorWorld`; there is no promise here and nothing of MQTT.
 */
import type { Properties } from "../core/codec/properties.ts";
import type { Chance, Clock } from "./clock.ts";
import type { ClientError } from "./errors.ts";
import type { Dial, Link } from "./link.ts";
import { type ConnectionInfo, Machine, type MachineEvents } from "./machine.ts";
import type { Settings } from "./options.ts";
import { Reconnect, type ReconnectPolicy } from "./reconnect.ts";

export interface ConnectorWorld {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly chance: Chance;
}

/** Those of the machine that are passed on, and what becomes of connections. */
export interface ConnectorEvents extends Omit<MachineEvents, "onOutput" | "onReady" | "onEnded"> {
  onReady(connection: ConnectionInfo): void;
  /**
   * A connection ended or did not come about.
   *
   * @param retryMs Milliseconds until the next attempt; undefined: it is over for good.
   */
  onEnded(error: ClientError, retryMs: number | undefined): void;
  /** The link of a connection that `stop` ended is gone. */
  onStopped(): void;
}

export class Connector {
  readonly machine: Machine;
  private readonly world: ConnectorWorld;
  private readonly events: ConnectorEvents;
  private readonly reconnect: Reconnect | undefined;
  private link: Link | undefined;
  private retryAt = Number.POSITIVE_INFINITY;
  private cancelTimer: (() => void) | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private flushIsDue = false;
  private isPaused = false;
  private isStopped = false;

  constructor(
    settings: Settings,
    policy: ReconnectPolicy | undefined,
    world: ConnectorWorld,
    events: ConnectorEvents,
  ) {
    this.world = world;
    this.events = events;
    this.reconnect = policy && new Reconnect(policy, world.chance);
    this.machine = new Machine(settings, {
      onMessage: (message, acknowledgement) => events.onMessage(message, acknowledgement),
      onChallenge: (step) => events.onChallenge(step),
      onReauthenticated: () => events.onReauthenticated(),
      onResubscribeRefused: (error) => events.onResubscribeRefused(error),
      onRoom: () => events.onRoom(),
      onIdle: () => events.onIdle(),
      onCallbackError: (error) => events.onCallbackError(error),
      onOutput: () => this.onOutput(),
      onReady: (connection) => this.onReady(connection),
      onEnded: (error) => this.onEnded(error),
    });
  }

  /** Failures in a row before the attempt under way. */
  get attempts(): number {
    return this.reconnect?.attempts ?? 0;
  }

  /** Dials, unless a connection stands or is on its way. */
  start(): void {
    if (this.isStopped || this.machine.state !== "disconnected") return;
    const { dial, clock } = this.world;
    this.retryAt = Number.POSITIVE_INFINITY;
    this.machine.onDialing(clock.now());
    // Events of a link that has been given up are nobody's: each checks that it is still the one.
    let link: Link | undefined;
    const isCurrent = () => link !== undefined && link === this.link;
    link = dial({
      onWaiting: (what) => {
        if (isCurrent()) this.machine.onWaiting(what);
      },
      onOpen: () => {
        if (isCurrent()) this.machine.onOpen(link!);
      },
      onBytes: (chunk) => {
        if (!isCurrent()) return;
        this.machine.onBytes(chunk, clock.now());
      },
      onFlushed: (position) => {
        if (isCurrent()) this.machine.onFlushed(position);
      },
      onClosed: (error) => {
        if (isCurrent()) this.onLinkClosed(error);
      },
    });
    this.link = link;
    this.setTimer();
  }

  /** Says goodbye and closes for good; `onStopped` is told when the link is gone. */
  stop(reasonCode: number, properties: Properties): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.retryAt = Number.POSITIVE_INFINITY;
    const connecting = this.machine.state === "connecting" ? this.link : undefined;
    this.machine.disconnect(reasonCode, properties);
    connecting?.destroy();
    this.setTimer();
    if (this.machine.state === "closing") return;
    this.link = undefined;
    this.events.onStopped();
  }

  /** Stops or resumes reading from the network. */
  setPaused(paused: boolean): void {
    if (paused === this.isPaused) return;
    this.isPaused = paused;
    if (this.machine.state !== "connected") return;
    this.machine.onPaused(paused, this.world.clock.now());
    if (paused) this.link?.pause();
    else this.link?.resume();
    this.setTimer();
  }

  private onOutput(): void {
    if (this.flushIsDue) return;
    this.flushIsDue = true;
    this.world.clock.atTurnEnd(() => {
      this.flushIsDue = false;
      this.machine.flush(this.world.clock.now());
    });
  }

  private onReady(connection: ConnectionInfo): void {
    this.reconnect?.onReady(this.world.clock.now());
    if (this.isPaused) {
      this.machine.onPaused(true, this.world.clock.now());
      this.link?.pause();
    }
    this.setTimer();
    this.events.onReady(connection);
  }

  private onLinkClosed(error: Error | undefined): void {
    if (!this.isStopped) {
      this.machine.onClosed(error);
      return;
    }
    this.link = undefined;
    this.machine.onClosed(error);
    this.events.onStopped();
  }

  private onEnded(error: ClientError): void {
    const { link } = this;
    this.link = undefined;
    // A link that never opened is not known to the machine, which so cannot have closed it.
    if (error.code === "connectTimeout" || error.code === "aborted") link?.destroy();
    if (this.isStopped) return;
    const now = this.world.clock.now();
    const retryMs = this.reconnect?.onEnded(now, error.reasonCode, isFinal(error));
    if (retryMs === undefined) this.isStopped = true;
    else this.retryAt = now + retryMs;
    this.setTimer();
    this.events.onEnded(error, retryMs);
  }

  /** Sets the timer to what is due next, if it does not stand before that already. */
  private setTimer(): void {
    const due = Math.min(this.machine.deadline, this.retryAt);
    if (this.cancelTimer !== undefined) {
      // Deadlines mostly move away, with each packet: the timer then fires early and is set again.
      if (this.timerAt <= due && due !== Number.POSITIVE_INFINITY) return;
      this.cancelTimer();
      this.cancelTimer = undefined;
    }
    if (due === Number.POSITIVE_INFINITY) return;
    this.timerAt = due;
    const delayMs = Math.max(0, due - this.world.clock.now());
    this.cancelTimer = this.world.clock.after(delayMs, () => this.onTimer());
  }

  private onTimer(): void {
    this.cancelTimer = undefined;
    const now = this.world.clock.now();
    this.machine.onTick(now);
    if (now >= this.retryAt) this.start();
    this.setTimer();
  }
}

/** What a transport says of its own errors; another's, such as the system's, may always pass. */
function isFinal({ cause }: ClientError): boolean {
  return (cause as { isFinal?: unknown } | undefined)?.isFinal === true;
}
