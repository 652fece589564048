/**
 * Handshakes under way on sockets that came in, of TLS or for WebSocket: bounded, so that who
 * begins them and does not end them fills no memory and keeps nobody out.
 *
 * Each has its time besides. What has come through is the broker's to count.
 */

/** What has to be known of a socket. */
export interface HandshakeSocket {
  destroy(): unknown;
  once(event: "close", listener: () => void): unknown;
}

export interface HandshakeLimits {
  /** At once; 0 for no limit. */
  readonly countMax: number;
  /** Milliseconds that one is left alone at least. */
  readonly graceMs: number;
}

export class Handshakes {
  private readonly limits: () => HandshakeLimits;
  private readonly onTooMany: (isOldestClosed: boolean) => void;
  private readonly now: () => number;
  /** When each began: the oldest first. */
  private readonly pending = new Map<HandshakeSocket, number>();

  /**
   * @param onTooMany Told when one is closed: the oldest for a new one, or the new one, where none
   *   has had its time.
   */
  constructor(
    limits: () => HandshakeLimits,
    onTooMany: (isOldestClosed: boolean) => void,
    now: () => number,
  ) {
    this.limits = limits;
    this.onTooMany = onTooMany;
    this.now = now;
  }

  /** One begins on `socket`. @returns False when it is one too many: the socket is closed. */
  begin(socket: HandshakeSocket): boolean {
    const { countMax, graceMs } = this.limits();
    if (countMax > 0 && this.pending.size >= countMax) {
      const [oldest] = this.pending;
      const isOldestClosed = this.now() - oldest![1] >= graceMs;
      this.onTooMany(isOldestClosed);
      const closed = isOldestClosed ? oldest![0] : socket;
      this.pending.delete(closed);
      closed.destroy();
      if (!isOldestClosed) return false;
    }
    this.pending.set(socket, this.now());
    socket.once("close", () => this.end(socket));
    return true;
  }

  /** It has come through, or is gone. */
  end(socket: HandshakeSocket): void {
    this.pending.delete(socket);
  }
}
