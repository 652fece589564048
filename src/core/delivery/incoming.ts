/**
 * Incoming delivery: the receiver's half of QoS 2, for client and broker alike (MQTT 5.0 §4.3.3).
 *
 * Remembers which packet identifiers have been answered with PUBREC and not yet been released, and
 * with each what its owner wants to find again at the PUBREL. It outlives connections.
 *
 * Does not: send anything, nor count QoS 1, which is over with its PUBACK.
 */
import { noEntries, put } from "../base/late-map.ts";

export class Incoming<Held> {
  private held = noEntries<number, Held>();

  /** Exchanges begun and not released. */
  get count(): number {
    return this.held.size;
  }

  /** What is held under `packetId`: a PUBLISH with it is a repeat [MQTT5-4.3.3-10]. */
  get(packetId: number): Held | undefined {
    return this.held.get(packetId);
  }

  /** Takes a new message over; its PUBREC goes out once it is safe [MQTT5-4.3.3-8]. */
  hold(packetId: number, held: Held): void {
    this.held = put(this.held, packetId, held);
  }

  /** The PUBREL came: the identifier is free for a new message [MQTT5-4.3.3-12]. */
  release(packetId: number): Held | undefined {
    const held = this.held.get(packetId);
    if (held !== undefined) this.held.delete(packetId);
    return held;
  }

  entries(): IterableIterator<[packetId: number, held: Held]> {
    return this.held.entries();
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.held.clear();
  }
}
