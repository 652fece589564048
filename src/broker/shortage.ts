/**
 * Whether memory is short (memory_limit).
 *
 * Measured after a turn, at most every 50 ms. While it is short nothing is taken that would stay:
 * a message is handed to those who take it at once and is queued for nobody (but on disk, where
 * there is a store), retained messages do not become more, and new sessions and subscriptions
 * are refused. What is there goes on, and with it whatever gives memory back: clients that come for
 * their queues, acknowledgements, empty retained messages.
 *
 * mosquitto fails each request for memory above the limit, which ends connections at random.
 */
import type { Broker } from "./broker.ts";

const INTERVAL_MS = 50;
/** Milliseconds to the next look while it is short, where nothing else happens. */
const RECOVERY_MS = 500;
/** Of the limit: below it memory is not short any more. */
const ENOUGH = 0.95;
/** Of the limit: above it memory is short, whatever of it may be garbage. */
const FAR = 1.25;

export class Shortage {
  /** Asked for each message that would stay. */
  isShort = false;
  private readonly broker: Broker;
  private measuredAt = Number.NEGATIVE_INFINITY;
  /** Brings on a turn, whose end is what counts. */
  private readonly nextLook = { at: 0, place: -1, onDeadline: () => undefined };

  constructor(broker: Broker) {
    this.broker = broker;
  }

  /** The turn is over. */
  onTurnEnd(): void {
    const { settings, now } = this.broker;
    if (settings.memoryLimit === 0) {
      this.isShort = false;
      return;
    }
    if (now - this.measuredAt < INTERVAL_MS) return;
    this.measuredAt = now;
    this.measure(settings.memoryLimit);
    if (this.isShort) this.broker.deadlines.set(this.nextLook, now + RECOVERY_MS);
  }

  private measure(limit: number): void {
    const { log, memory } = this.broker;
    const enough = this.isShort ? limit * ENOUGH : limit;
    let used = memory.current();
    if (used > enough) {
      // Much of it may be garbage, which is asked for its own sake only now.
      const isExact = memory.collect?.() ?? true;
      used = memory.current();
      if (!isExact && used <= limit * FAR) return;
    }
    const isShort = used > enough;
    if (isShort === this.isShort) return;
    this.isShort = isShort;
    if (isShort) {
      const refused = "No more messages are queued or retained, and new clients are refused.";
      const line = `memory_limit reached: ${used} bytes of ${limit} are in use. ${refused}`;
      log.write("warning", `Warning: ${line}`);
    } else {
      log.write("notice", `Memory in use is below memory_limit again: ${used} bytes of ${limit}.`);
    }
  }
}
