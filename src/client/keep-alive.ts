/**
 * Keep alive: when to send PINGREQ, and when a silent server counts as gone (MQTT 5.0 §3.1.2.10).
 *
 * A ping is due when for a whole keep alive nothing was sent, which the standard asks
 * [MQTT5-3.1.2-20], or nothing was received, which finds a dead peer behind a busy sender. Any
 * bytes that arrive prove the server alive, not PINGRESP alone: it may stand behind a long packet.
 *
 * Pure: time is an argument, in milliseconds on a clock that never goes back.
 */

export type KeepAliveVerdict = "quiet" | "pingDue" | "dead";

export class KeepAlive {
  private keepAliveMs = 0;
  private responseMs = 0;
  private sentAt = 0;
  private receivedAt = 0;
  private pingedAt: number | undefined;
  private paused = false;

  /**
   * A connection was accepted.
   *
   * @param keepAliveMs 0 switches the mechanism off.
   * @param responseMs How long the server may stay silent after a PINGREQ.
   */
  start(keepAliveMs: number, responseMs: number, now: number): void {
    this.keepAliveMs = keepAliveMs;
    this.responseMs = responseMs;
    this.sentAt = now;
    this.receivedAt = now;
    this.pingedAt = undefined;
  }

  stop(): void {
    this.keepAliveMs = 0;
    this.pingedAt = undefined;
  }

  onSent(now: number): void {
    this.sentAt = now;
  }

  onReceived(now: number): void {
    this.receivedAt = now;
    this.pingedAt = undefined;
  }

  /** We stopped or resumed reading: silence that we cause ourselves proves nothing. */
  onPaused(paused: boolean, now: number): void {
    this.paused = paused;
    if (!paused) this.onReceived(now);
  }

  /** What has to be done at `now`. "pingDue" is said once; the caller then sends PINGREQ. */
  onTick(now: number): KeepAliveVerdict {
    if (now < this.deadline) return "quiet";
    if (this.pingedAt !== undefined && !this.paused && now >= this.pingedAt + this.responseMs) {
      return "dead";
    }
    this.pingedAt ??= now;
    this.sentAt = now;
    return "pingDue";
  }

  /** When `onTick` next has something to say; Infinity when nothing is to come. */
  get deadline(): number {
    if (this.keepAliveMs === 0) return Number.POSITIVE_INFINITY;
    const nextPing = this.sentAt + this.keepAliveMs;
    if (this.paused) return nextPing;
    if (this.pingedAt === undefined) return Math.min(nextPing, this.receivedAt + this.keepAliveMs);
    return Math.min(nextPing, this.pingedAt + this.responseMs);
  }
}
