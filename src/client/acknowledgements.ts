/**
 * The order in which received messages are acknowledged, where the program decides when.
 *
 * PUBACK and PUBREC go out in the order in which the messages came [MQTT5-4.6.0-2] [MQTT5-4.6.0-3]:
 * an acknowledgement given early waits here until those before it are given too. Pure.
 *
 * An acknowledgement belongs to one connection. After the connection ended it is void: at QoS 1 the
 * server sends the message again, at QoS 2 its repeat is bound to what the program has said by
 * then.
 */

/** One message that waits for its acknowledgement, or for those before it. */
export interface Acknowledgement {
  readonly packetId: number;
  readonly qos: 1 | 2;
  /** Undefined until the program has acknowledged; from 0x80 up it refuses the message. */
  reasonCode: number | undefined;
}

export class Acknowledgements {
  private readonly send: (packetId: number, qos: 1 | 2, reasonCode: number) => void;
  private queue: Acknowledgement[] = [];

  /** @param send Sends PUBACK for QoS 1, PUBREC for QoS 2. */
  constructor(send: (packetId: number, qos: 1 | 2, reasonCode: number) => void) {
    this.send = send;
  }

  /** Messages received on this connection and not acknowledged. */
  get count(): number {
    return this.queue.length;
  }

  /** A message came. It takes its place in the order. */
  open(packetId: number, qos: 1 | 2): Acknowledgement {
    const acknowledgement: Acknowledgement = { packetId, qos, reasonCode: undefined };
    this.queue.push(acknowledgement);
    return acknowledgement;
  }

  /** A QoS 2 message came again: the acknowledgement made for it first takes a new place. */
  reopen(acknowledgement: Acknowledgement): void {
    if (!this.queue.includes(acknowledgement)) this.queue.push(acknowledgement);
    this.release();
  }

  /** The program acknowledges. Of no effect the second time. */
  settle(acknowledgement: Acknowledgement, reasonCode: number): void {
    if (acknowledgement.reasonCode !== undefined) return;
    acknowledgement.reasonCode = reasonCode;
    this.release();
  }

  /** The connection is over. */
  onOffline(): void {
    this.queue = [];
  }

  private release(): void {
    let done = 0;
    for (const { packetId, qos, reasonCode } of this.queue) {
      if (reasonCode === undefined) break;
      this.send(packetId, qos, reasonCode);
      done += 1;
    }
    if (done > 0) this.queue.splice(0, done);
  }
}
