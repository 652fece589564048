/** The last things that happened in a run, for whoever looks into a failure. */
import { TYPE, type Version } from "../../../src/core/codec/packets.ts";
import { type PublishPacket, readReceived } from "../../support/scripted-client.ts";

const LINES_MAX = 6_000;

const NAMES = new Map<number, string>(Object.entries(TYPE).map(([name, type]) => [type, name]));

interface Entry {
  readonly at: number;
  readonly text: string;
  readonly packet: Buffer | null;
  readonly version: Version;
}

export class Trace {
  /** The broker's clock. */
  now = 0;
  private entries: Entry[] = [];

  note(text: string): void {
    this.add(text, null, 4);
  }

  packet(clientId: string, version: Version, fromBroker: boolean, packet: Buffer): void {
    this.add(`${fromBroker ? "→" : "←"} ${clientId}`, Buffer.from(packet), version);
  }

  /** The last `count` of them, or of those that match `wanted`. */
  lines(count: number, wanted = ""): string[] {
    const pattern = new RegExp(wanted);
    const all = this.entries.map((entry) => `${Math.round(entry.at)} ${textOf(entry)}`);
    return all.filter((line) => pattern.test(line)).slice(-count);
  }

  private add(text: string, packet: Buffer | null, version: Version): void {
    this.entries.push({ at: this.now, text, packet, version });
    if (this.entries.length > 2 * LINES_MAX) this.entries = this.entries.slice(-LINES_MAX);
  }
}

function textOf({ text, packet, version }: Entry): string {
  if (packet === null) return text;
  const type = packet[0]! >> 4;
  const name = NAMES.get(type) ?? `type ${type}`;
  if (type === TYPE.publish) {
    const publish = readReceived(packet, version) as PublishPacket;
    const { topic, payload, qos, dup, retain, packetId } = publish;
    const flags = `q${qos}${dup ? " dup" : ""}${retain ? " retain" : ""}`;
    return `${text} publish #${packetId} ${flags} ${topic} ${payload.toString("latin1", 0, 24)}`;
  }
  const isAck = type >= TYPE.puback && type <= TYPE.pubcomp;
  if (isAck) return `${text} ${name} #${packet.readUInt16BE(2)}`;
  return `${text} ${name} ${packet.subarray(0, 40).toString("hex")}`;
}
