/** The log's debug lines about packets, in mosquitto's words. Called only where they are wanted. */
import type { PublishView } from "../core/codec/publish.ts";
import type { Connection } from "./connection.ts";
import type { Message } from "./message.ts";
import type { Log } from "./world.ts";

const ACK_NAMES: Record<number, string> = { 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP" };

export class Trace {
  private readonly log: Log;

  constructor(log: Log) {
    this.log = log;
  }

  receivedPublish(connection: Connection, view: PublishView, topic: string): void {
    this.log.write("debug", `Received PUBLISH from ${ofView(connection, view, topic)}`);
  }

  deniedPublish(connection: Connection, view: PublishView, topic: string): void {
    this.log.write("debug", `Denied PUBLISH from ${ofView(connection, view, topic)}`);
  }

  droppedPublish(connection: Connection, view: PublishView, topic: string): void {
    this.log.write("debug", `Dropped too large PUBLISH from ${ofView(connection, view, topic)}`);
  }

  sentPublish(name: string, message: Message, head: number, packetId: number): void {
    const { topic, payloadSize } = message;
    this.log.write(
      "debug",
      `Sending PUBLISH to ${name} (d${(head >> 3) & 1}, q${(head >> 1) & 3}, r${head & 1}, m${packetId}, '${topic.name}', ... (${payloadSize} bytes))`,
    );
  }

  receivedAck(connection: Connection, type: number, packetId: number, reasonCode: number): void {
    // mosquitto names the reason code only where the exchange ends.
    const reason = type === 4 || type === 7 ? `, RC:${reasonCode}` : "";
    this.log.write(
      "debug",
      `Received ${ACK_NAMES[type]} from ${connection.clientId} (Mid: ${packetId}${reason})`,
    );
  }

  sentAck(name: string, head: number, packetId: number, reasonCode: number): void {
    const type = head >> 4;
    const reason = type === 4 || type === 5 ? `, rc${reasonCode}` : "";
    this.log.write("debug", `Sending ${ACK_NAMES[type]} to ${name} (m${packetId}${reason})`);
  }
}

function ofView(connection: Connection, view: PublishView, topic: string): string {
  const size = view.payloadEnd - view.payloadStart;
  const flags = `d${view.dup ? 1 : 0}, q${view.qos}, r${view.retain ? 1 : 0}, m${view.packetId}`;
  return `${connection.clientId} (${flags}, '${topic}', ... (${size} bytes))`;
}
