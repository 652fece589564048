/**
 * A client that writes ordinary packets and sees the bytes that come, over TCP.
 *
 *     const sub = await connected(port, { clientId: "s", version: 5 });
 *     await subscribe(sub, { "a/#": 1 }, 5);
 */
import { writePacket } from "../../src/core/codec/general.ts";
import type { ConnectPacket, Qos, Version } from "../../src/core/codec/packets.ts";
import { RawClient } from "./raw-client.ts";
import { field, packet } from "./raw-packets.ts";

/** A CONNECT with a clean start and a keep alive of a minute, unless it says otherwise. */
export function connectBytes(given: Partial<ConnectPacket> = {}): Buffer {
  const { version = 4 } = given;
  const usual = { bridge: false, cleanStart: true, keepAlive: 60, clientId: "c", properties: {} };
  return writePacket({ type: "connect", ...usual, ...given, version }, version);
}

/** Resolves when CONNACK has come, and throws unless it is a success. */
export async function connected(
  port: number,
  given: Partial<ConnectPacket> = {},
): Promise<RawClient> {
  const client = await RawClient.connect(port);
  client.send(connectBytes(given));
  const connack = await client.packet();
  if (connack[0] !== 0x20 || connack[3] !== 0)
    throw new Error(`CONNACK ${connack.toString("hex")}`);
  return client;
}

/** Subscribes to filters with their QoS, and takes the SUBACK. */
export async function subscribe(
  client: RawClient,
  filters: Readonly<Record<string, Qos>>,
  version: Version = 4,
): Promise<void> {
  client.send(subscribeBytes(filters, version));
  await client.packetOfType(9);
}

export function subscribeBytes(
  filters: Readonly<Record<string, Qos>>,
  version: Version = 4,
  packetId = 1,
): Buffer {
  const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  const subscriptions = Object.entries(filters).map(([filter, qos]) => ({ filter, qos, ...plain }));
  return writePacket({ type: "subscribe", packetId, subscriptions, properties: {} }, version);
}

export interface PublishOptions {
  readonly version?: Version;
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly packetId?: number;
}

export function publishBytes(
  topic: string,
  payload: string | Buffer,
  { version = 4, qos = 0, retain = false, dup = false, packetId = 1 }: PublishOptions = {},
): Buffer {
  const head = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const id = qos > 0 ? Buffer.from([packetId >> 8, packetId & 0xff]) : "";
  return packet(head, field(topic), id, version === 5 ? "00" : "", Buffer.from(payload));
}

/** Topic and payload of a PUBLISH without properties. */
export function readMessage(bytes: Buffer, version: Version = 4): string {
  // Remaining length of one byte to four, each but the last with its high bit set.
  let at = 1;
  while (bytes[at]! >= 0x80) at++;
  const start = at + 1;
  const topicEnd = start + 2 + bytes.readUInt16BE(start);
  const afterId = topicEnd + ((bytes[0]! >> 1) & 3 ? 2 : 0);
  const properties = version === 5 ? 1 + bytes[afterId]! : 0;
  return `${bytes.subarray(start + 2, topicEnd)} ${bytes.subarray(afterId + properties)}`;
}
