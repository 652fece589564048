/**
 * What the broker makes of packets that need not be right.
 *
 *     outcome(4, packet(0x36, field("a"), "00 01"))    { closed: true, answers: [] }
 *     firstOutcome(connect4(0x02, field("c")))         { closed: false, answers: ["20020000"] }
 */
import type { Version } from "../../src/core/codec/packets.ts";
import { BrokerWorld } from "./broker-world.ts";
import { field, type Part, packet } from "./raw-packets.ts";
import type { PublishOptions, ScriptedClient } from "./scripted-client.ts";

/** How a connection stands after what it sent: ended or not, and the answers, packets in hex. */
export interface Outcome {
  readonly closed: boolean;
  readonly answers: readonly string[];
}

/** Ended without a word. */
export const CLOSED: Outcome = { closed: true, answers: [] };

/** A CONNECT of MQTT 3.1.1 with these flags and keep alive 0. `payload` stands as it is given. */
export function connect4(flags: number, ...payload: readonly Part[]): Buffer {
  return packet(0x10, field("MQTT"), Buffer.from([4, flags, 0, 0]), ...payload);
}

/** The same of MQTT 3.1. */
export function connect3(flags: number, ...payload: readonly Part[]): Buffer {
  return packet(0x10, field("MQIsdp"), Buffer.from([3, flags, 0, 0]), ...payload);
}

/** What becomes of a connected client that sends these packets. */
export function outcome(version: Version, ...packets: readonly Part[]): Outcome {
  const client = new BrokerWorld({ version }).client();
  for (const bytes of packets) client.send(bytes);
  return { closed: client.closed, answers: client.takeHex() };
}

/** What becomes of a new connection that sends these packets first. */
export function firstOutcome(...packets: readonly Part[]): Outcome {
  const peer = new BrokerWorld().peer({ version: 4 });
  for (const bytes of packets) peer.send(bytes);
  return { closed: peer.closed, answers: peer.takeHex() };
}

/** Publishes, and at QoS 2 sends PUBREL too: its subscribers have the message when it returns. */
export function publish(
  client: ScriptedClient,
  topic: string,
  payload: string | Buffer,
  options: PublishOptions = {},
): void {
  const packetId = client.publish(topic, payload, options);
  if (options.qos === 2) client.pubrel(packetId);
}
