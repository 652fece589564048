/**
 * Packets that wait until what they promise, or must not forget, is on disk.
 *
 * Every PUBACK, PUBREC, SUBACK and CONNACK of a session goes through here with the position it
 * waits for, so that they leave in the order of arrival [MQTT5-4.6.0-2] [MQTT5-4.6.0-3] whatever
 * each of them had to record; and so do a stored session's PUBLISH at QoS 2 and PUBREL, which must
 * not come again in another form after a crash. Where nothing was recorded, an acknowledgement
 * waits for those of its own client alone: a disk that is full is no trouble of others.
 *
 * Hot path. Budget: no allocation per acknowledgement; three slots in arrays that are kept.
 */
import { ACK_HEAD } from "../../core/codec/ack.ts";
import type { Connection } from "../connection.ts";
import type { QueuedMessage } from "../session.ts";

/** Arrays longer than this are dropped when they run empty. */
const KEPT_MAX = 65_536;

/** A CONNACK, behind which a client's session goes on. */
interface Accept {
  readonly connack: Buffer;
}

/** A QoS 2 message on its way to a stored session. */
interface Publish {
  readonly queued: QueuedMessage;
  readonly dup: boolean;
}

/** An acknowledgement as one number, any other packet as bytes, or what it is made of. */
type Held = number | Buffer | Accept | Publish;

export class HeldPackets {
  private positions: number[] = [];
  private connections: Connection[] = [];
  private packets: Held[] = [];
  private head = 0;
  /** Before it stand those that the turn's end has found waiting. */
  private counted = 0;
  private durable = 0;
  /** Acknowledgements that wait for the turn's end alone, and whose. */
  private answers: number[] = [];
  private answered: Connection[] = [];

  get count(): number {
    return this.positions.length - this.head;
  }

  /** Holds an acknowledgement of `connection` until `position` is safe. */
  holdAck(
    connection: Connection,
    position: number,
    head: number,
    packetId: number,
    reasonCode: number,
  ): void {
    this.hold(connection, position, packed(head, packetId, reasonCode));
  }

  /** Holds an acknowledgement that nothing was recorded for, behind others of `connection`. */
  holdAnswer(connection: Connection, head: number, packetId: number, reasonCode: number): void {
    if (connection.heldUpTo > this.durable) {
      // What the last one waits for is the least that leaves the order as it is.
      this.holdAck(connection, this.positions.at(-1)!, head, packetId, reasonCode);
    } else {
      this.answers.push(packed(head, packetId, reasonCode));
      this.answered.push(connection);
    }
  }

  /** Holds a whole packet of `connection` until `position` is safe. */
  holdPacket(connection: Connection, position: number, packet: Buffer): void {
    this.hold(connection, position, packet);
  }

  /** Holds a PUBLISH of QoS 2. */
  holdPublish(connection: Connection, position: number, queued: QueuedMessage, dup: boolean): void {
    connection.heldPublishes++;
    this.hold(connection, position, { queued, dup });
  }

  /** Holds the CONNACK that lets `connection` in. */
  holdAccept(connection: Connection, position: number, connack: Buffer): void {
    this.hold(connection, position, { connack });
  }

  /**
   * The turn is over and its batch is with the store: what still waits is under way from now on.
   *
   * What has waited for the turn's end alone is not, or a client that sends many at once would be
   * over a limit that it keeps with a broker which answers each at once, as mosquitto does.
   */
  onTurnEnd(): void {
    this.sendAnswers();
    const { connections, packets } = this;
    for (let at = Math.max(this.counted, this.head); at < packets.length; at++) {
      if (isPuback(packets[at]!)) connections[at]!.heldCount++;
    }
    this.counted = packets.length;
  }

  /** Everything up to `position` is safe: what waited for it goes out. */
  onDurable(position: number): void {
    this.durable = position;
    this.sendAnswers();
    if (this.positions.length === 0) return;
    const { positions, connections, packets } = this;
    let at = this.head;
    while (at < positions.length && positions[at]! <= position) {
      const connection = connections[at]!;
      const packet = packets[at]!;
      this.head = ++at;
      if (at <= this.counted && isPuback(packet)) connection.heldCount--;
      send(connection, packet);
    }
    if (at === positions.length) this.reset();
    else if (at > KEPT_MAX) this.compact();
  }

  /** The position that is known to be safe. */
  get durablePosition(): number {
    return this.durable;
  }

  private hold(connection: Connection, position: number, packet: Held): void {
    if (position <= this.durable && this.count === 0 && isOwn(packet)) {
      send(connection, packet);
      return;
    }
    connection.heldUpTo = position;
    this.positions.push(position);
    this.connections.push(connection);
    this.packets.push(packet);
  }

  private sendAnswers(): void {
    const { answers, answered } = this;
    if (answers.length === 0) return;
    for (let at = 0; at < answers.length; at++) send(answered[at]!, answers[at]!);
    answers.length = 0;
    answered.length = 0;
  }

  private reset(): void {
    if (this.positions.length > KEPT_MAX) {
      this.positions = [];
      this.connections = [];
      this.packets = [];
    } else {
      this.positions.length = 0;
      this.connections.length = 0;
      this.packets.length = 0;
    }
    this.head = 0;
    this.counted = 0;
  }

  private compact(): void {
    this.positions = this.positions.slice(this.head);
    this.connections = this.connections.slice(this.head);
    this.packets = this.packets.slice(this.head);
    this.counted = Math.max(0, this.counted - this.head);
    this.head = 0;
  }
}

function send(connection: Connection, packet: Held): void {
  if (!connection.isOpen) return;
  if (typeof packet === "number") sendAck(connection, packet);
  else if ("connack" in packet) connection.accept(packet.connack);
  else if ("queued" in packet) sendPublish(connection, packet);
  else connection.send(packet);
}

function sendPublish(connection: Connection, { queued, dup }: Publish): void {
  const { outlet } = connection;
  connection.heldPublishes--;
  const { message, qos, retain, packetId, identifier } = queued;
  outlet.sendMessage(message, qos, retain, dup, packetId, identifier);
}

function isPuback(packet: Held): boolean {
  return typeof packet === "number" && Math.floor(packet / 16_777_216) === ACK_HEAD.puback;
}

/** Whether it belongs to a message of ours, and does not answer the client. */
function isOwn(packet: Held): boolean {
  if (typeof packet === "number") return Math.floor(packet / 16_777_216) === ACK_HEAD.pubrel;
  return "queued" in packet;
}

function packed(head: number, packetId: number, reasonCode: number): number {
  return head * 16_777_216 + packetId * 256 + reasonCode;
}

function sendAck(connection: Connection, ack: number): void {
  const head = Math.floor(ack / 16_777_216);
  connection.outlet.sendAck(head, (ack >>> 8) & 0xffff, ack & 0xff);
}
