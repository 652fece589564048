/** When messages expire, and whether what goes out keeps to it, crashes or not [MQTT5-3.3.2-6]. */
import { TYPE } from "../../../src/core/codec/packets.ts";
import { type PublishPacket, readReceived } from "../../support/scripted-client.ts";
import { idOf } from "../broker/sim-store.ts";

/** The database has whole seconds, and what was due may have waited for the disk. */
const SLACK_MS = 3_000;

export class Expiries {
  /** When the disk was full last: until then packets have waited. Unix milliseconds. */
  fullUntil = 0;
  /** Of each message: the first and the last time that it was to expire, as it was published. */
  private readonly times = new Map<string, { first: number; last: number }>();

  /** @param at Unix milliseconds. */
  note(id: string, at: number): void {
    const known = this.times.get(id);
    const first = Math.min(at, known?.first ?? at);
    const last = Math.max(at, known?.last ?? at);
    this.times.set(id, { first, last });
  }

  /** @param packet What the broker sends to a client of 5.0. */
  check(packet: Buffer, now: number): void {
    if (packet[0]! >> 4 !== TYPE.publish) return;
    const { payload, dup, properties } = readReceived(packet, 5) as PublishPacket;
    const id = idOf(payload);
    const times = this.times.get(id);
    if (times === undefined) return;
    const { messageExpiryInterval = 0 } = properties;
    if (messageExpiryInterval === 0) throw new Error(`${id} does not say when it expires`);
    // What has been sent once is sent again, whether it has expired or not.
    if (dup) return;
    const { first, last } = times;
    if (now > Math.max(last, this.fullUntil) + SLACK_MS) throw new Error(`${id} has expired`);
    const says = now + messageExpiryInterval * 1000;
    const isRight = says > first - 1 && says < Math.max(last, now) + 2_000;
    if (!isRight) throw new Error(`${id} expires in ${messageExpiryInterval} seconds`);
  }
}
