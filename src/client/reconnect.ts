/**
 * When to try again after a connection failed or ended: exponential backoff with jitter, bounded.
 *
 * Pure: told what happened and when, it answers with a delay. Chance is handed in, so that a seed
 * replays it. Does not: wait, dial, or know why a connection ended beyond its reason code.
 */

export interface ReconnectPolicy {
  /** The first delay, milliseconds, 0 or more. Default 1000. */
  readonly delayMinMs: number;
  /** No delay is longer, milliseconds. Default 30000, or `delayMinMs` where that is more. */
  readonly delayMaxMs: number;
  /** Each failure in a row multiplies the delay by this, 1 or more. Default 2. */
  readonly factor: number;
  /**
   * Share of the delay that chance may take away, 0 to 1, so that the clients of a restarted
   * broker do not all come back in the same instant. Default 0.5.
   */
  readonly jitter: number;
  /**
   * A connection that held this long, in milliseconds, makes the delays start over. Default 10000.
   */
  readonly stableAfterMs: number;
  /** Failures in a row after which it gives up. Default Infinity. */
  readonly attemptsMax: number;
  /**
   * Whether the very first connection is tried again too. Default false: a wrong host name or port
   * is then told at once.
   */
  readonly initial: boolean;
  /**
   * Reason codes of CONNACK and DISCONNECT that end it for good, because trying again would only
   * repeat them. Codes 1 to 5 are CONNACK return codes before 5.0. Default `FINAL_REASON_CODES`.
   */
  readonly finalReasonCodes: readonly number[];
}

/**
 * The default of `finalReasonCodes`: what the server will say again to the same CONNECT, and
 * Session taken over, after which two clients with one identifier would evict each other for ever.
 */
export const FINAL_REASON_CODES: readonly number[] = [
  0x01, // unacceptable protocol version, before 5.0
  0x02, // identifier rejected, before 5.0
  0x04, // bad user name or password, before 5.0
  0x05, // not authorized, before 5.0
  0x81, // Malformed Packet
  0x82, // Protocol Error
  0x84, // Unsupported Protocol Version
  0x85, // Client Identifier not valid
  0x86, // Bad User Name or Password
  0x87, // Not authorized
  0x8a, // Banned
  0x8c, // Bad authentication method
  0x8e, // Session taken over
  0x90, // Topic Name invalid (of the will)
  0x95, // Packet too large
  0x99, // Payload format invalid (of the will)
  0x9a, // Retain not supported (by the will)
  0x9b, // QoS not supported (by the will)
  0x9d, // Server moved
];

export const DEFAULT_RECONNECT_POLICY: ReconnectPolicy = {
  delayMinMs: 1000,
  delayMaxMs: 30_000,
  factor: 2,
  jitter: 0.5,
  stableAfterMs: 10_000,
  attemptsMax: Number.POSITIVE_INFINITY,
  initial: false,
  finalReasonCodes: FINAL_REASON_CODES,
};

export class Reconnect {
  private readonly policy: ReconnectPolicy;
  private readonly fraction: () => number;
  private failures = 0;
  private connectedBefore = false;
  /** When the connection that stands was accepted; undefined while there is none. */
  private readyAt: number | undefined;

  /** @param fraction A number in [0, 1), anew at each call. */
  constructor(policy: ReconnectPolicy, fraction: () => number) {
    this.policy = policy;
    this.fraction = fraction;
  }

  /** Failures since the last connection that was stable. */
  get attempts(): number {
    return this.failures;
  }

  /** The server accepted the connection. */
  onReady(now: number): void {
    this.connectedBefore = true;
    this.readyAt = now;
  }

  /**
   * A connection ended, or did not come about.
   *
   * @param reasonCode The server's, where it gave one.
   * @param isFinal Whether the transport says that dialling again cannot help.
   * @returns Milliseconds until the next attempt, or undefined: it is over for good.
   */
  onEnded(now: number, reasonCode: number | undefined, isFinal = false): number | undefined {
    const { policy } = this;
    if (this.readyAt !== undefined && now - this.readyAt >= policy.stableAfterMs) this.failures = 0;
    this.readyAt = undefined;
    this.failures += 1;
    if (isFinal) return undefined;
    if (reasonCode !== undefined && policy.finalReasonCodes.includes(reasonCode)) return undefined;
    if (!this.connectedBefore && !policy.initial) return undefined;
    if (this.failures > policy.attemptsMax) return undefined;
    const delay = Math.min(
      policy.delayMinMs * policy.factor ** (this.failures - 1),
      policy.delayMaxMs,
    );
    return delay * (1 - policy.jitter * this.fraction());
  }
}
