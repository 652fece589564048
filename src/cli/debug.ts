/**
 * The lines of -d, one for each packet, as mosquitto's programs print them.
 *
 * A line names the client by the identifier in use. While the broker has yet to make one up there
 * is none, and mosquitto says "(null)"; so the line for the CONNACK that brings it waits until it
 * is known. A PUBLISH of QoS 0 has no packet identifier; there mosquitto counts messages.
 */
import type { TracedPacket } from "../client/trace.ts";

export class DebugLines {
  private readonly print: (line: string) => void;
  private name: string;
  /** Lines since a CONNACK that may have brought the identifier. */
  private held: TracedPacket[] | undefined;
  private sentCount = 0;

  /** @param clientId As CONNECT says it; empty: the broker is to make one up. */
  constructor(clientId: string, print: (line: string) => void) {
    this.print = print;
    this.name = clientId || "(null)";
  }

  /** A packet was sent or received. */
  onPacket(packet: TracedPacket): void {
    const isAccepting = packet.type === "CONNACK" && packet.reasonCode === 0;
    if (isAccepting && this.name === "(null)") this.held ??= [];
    if (this.held !== undefined) this.held.push(packet);
    else this.show(packet);
  }

  /** The broker has accepted, and this is the identifier in use; empty before MQTT 5.0. */
  onConnected(clientId: string): void {
    if (clientId !== "") this.name = clientId;
    const { held = [] } = this;
    this.held = undefined;
    for (const packet of held) this.show(packet);
  }

  private show(packet: TracedPacket): void {
    if (packet.type === "PUBLISH" && packet.direction === "sent") this.sentCount++;
    for (const line of linesFor(packet, this.name, this.sentCount)) this.print(line);
  }
}

/** @param count How many messages have been sent, this one included. */
function linesFor(packet: TracedPacket, name: string, count: number): string[] {
  const { direction, type, packetId } = packet;
  const start = `Client ${name} ${direction === "sent" ? "sending" : "received"} ${type}`;
  switch (type) {
    case "CONNACK":
      return [`${start} (${packet.reasonCode})`];
    case "PUBLISH":
      return [
        `${start} (${publishFields(packet, direction === "sent" ? packetId || count : packetId)})`,
      ];
    case "PUBACK":
    case "PUBREC":
    case "PUBREL":
    case "PUBCOMP":
      return [`${start} (${acknowledgementFields(packet)})`];
    case "SUBSCRIBE":
      return packet.subscriptions.map(
        ({ filter, qos, noLocal, retainAsPublished, retainHandling }) => {
          const options = +noLocal * 4 + +retainAsPublished * 8 + retainHandling * 16;
          const hex = options.toString(16).padStart(2, "0");
          return `${start} (Mid: ${packetId}, Topic: ${filter}, QoS: ${qos}, Options: 0x${hex})`;
        },
      );
    case "UNSUBSCRIBE":
      return packet.filters.map((filter) => `${start} (Mid: ${packetId}, Topic: ${filter})`);
    case "SUBACK":
      return [start, `Subscribed (mid: ${packetId}): ${packet.reasonCodes.join(", ")}`];
    case "DISCONNECT":
      return [direction === "sent" ? start : `Received DISCONNECT (${packet.reasonCode})`];
    default:
      return [start];
  }
}

function publishFields(
  { dup, qos, retain, topic, payloadBytes }: TracedPacket,
  id: number,
): string {
  const flags = `d${+dup}, q${qos}, r${+retain}, m${id}`;
  return `${flags}, '${topic || "(null)"}', ... (${payloadBytes} bytes)`;
}

/** Each of the four is written a little differently, and differently again on the way in. */
function acknowledgementFields({ direction, type, packetId, reasonCode }: TracedPacket): string {
  if (direction === "sent") {
    return type === "PUBACK" || type === "PUBREC"
      ? `m${packetId}, rc${reasonCode}`
      : `m${packetId}`;
  }
  const hasReason = type === "PUBACK" || type === "PUBCOMP";
  return hasReason ? `Mid: ${packetId}, RC:${reasonCode}` : `Mid: ${packetId}`;
}
