/**
 * The four acknowledgements of QoS 1 and 2, PUBACK PUBREC PUBREL PUBCOMP (MQTT 5.0 §3.4 to §3.7),
 * and the two packets that are nothing but a head, PINGREQ and PINGRESP.
 *
 * Hot path. Budget: no allocation for the form without properties.
 */
import { ProtocolError } from "../errors.ts";
import { TYPE, type Version } from "./packets.ts";
import { readProperties } from "./properties.ts";

export const PINGREQ_PACKET = Buffer.from([0xc0, 0]);
export const PINGRESP_PACKET = Buffer.from([0xd0, 0]);

/** First bytes as they go out: PUBREL has the reserved flags 0010 [MQTT5-3.6.1-1]. */
export const ACK_HEAD = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** Bytes of an acknowledgement without a reason code, and with one. */
export const ACK_SIZE_MAX = 5;

/**
 * Reads an acknowledgement: packet identifier × 256 + reason code, two numbers without an object.
 *
 * The reason code is 0 where the packet leaves it out, and before MQTT 5.0. Properties are checked
 * and passed over: nothing is done with what a peer says there.
 *
 * @param head First byte of the packet; its body is `bytes[start, end)`.
 * @throws {ProtocolError} malformedPacket for wrong flags, lengths or reason codes; protocolError
 *   for a packet identifier of 0.
 */
export function readAck(
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
  version: Version,
): number {
  const type = head >> 4;
  // In 3.1 the flags of PUBREL may say DUP, and those of the others mean nothing.
  if ((head & 0x0f) !== (type === TYPE.pubrel ? 2 : 0) && version > 3) throw wrongFlags(type);
  if (end - start < 2) throw wrongLength();
  const packetId = (bytes[start]! << 8) | bytes[start + 1]!;
  if (packetId === 0) throw zeroPacketId();
  if (end - start === 2) return packetId * 256;
  if (version !== 5) throw wrongLength();
  const reasonCode = bytes[start + 2]!;
  if (!isAckReason(type, reasonCode)) throw wrongReason(type);
  if (end - start > 3) readAckProperties(bytes, type, start + 3, end);
  return packetId * 256 + reasonCode;
}

/**
 * Writes an acknowledgement, in its short form where the reason code is 0 (§3.4.2.1).
 *
 * @returns The offset after it; at most `ACK_SIZE_MAX` further.
 */
export function writeAck(
  out: Buffer,
  at: number,
  head: number,
  packetId: number,
  reasonCode: number,
): number {
  out[at] = head;
  out[at + 1] = reasonCode === 0 ? 2 : 3;
  out[at + 2] = packetId >> 8;
  out[at + 3] = packetId & 0xff;
  if (reasonCode === 0) return at + 4;
  out[at + 4] = reasonCode;
  return at + 5;
}

/**
 * 0x95, Packet too large, is not among the standard's: it is how mosquitto answers, and so do we, a
 * payload over its message_size_limit ~[MQTT5-3.4.2-1] ~[MQTT5-3.5.2-1]. A client that took it for
 * a violation would send the message again for ever.
 */
const PUBACK_REASONS: readonly number[] = [
  0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x95, 0x97, 0x99,
];
const PUBREL_REASONS: readonly number[] = [0x00, 0x92];

/** Whether the standard lists the code for the packet [MQTT5-3.4.2-1] to [MQTT5-3.7.2-1]. */
function isAckReason(type: number, code: number): boolean {
  if (code === 0) return true;
  const isFirst = type === TYPE.puback || type === TYPE.pubrec;
  return (isFirst ? PUBACK_REASONS : PUBREL_REASONS).includes(code);
}

const CARRIERS = { 4: "puback", 5: "pubrec", 6: "pubrel", 7: "pubcomp" } as const;

function readAckProperties(bytes: Buffer, type: number, start: number, end: number): void {
  const carrier = CARRIERS[type as keyof typeof CARRIERS];
  const { next } = readProperties(bytes, start, end, carrier);
  if (next !== end) throw wrongLength();
}

// Out of line, so that the path above stays small enough for V8 to inline.

function wrongFlags(type: number): ProtocolError {
  const rule = type === TYPE.pubrel ? "MQTT5-3.6.1-1" : "MQTT5-2.1.3-1";
  return new ProtocolError("malformedPacket", rule, "reserved flags are not as prescribed");
}

function wrongLength(): ProtocolError {
  return new ProtocolError("malformedPacket", "§3.4.2", "acknowledgement has a wrong length");
}

function zeroPacketId(): ProtocolError {
  return new ProtocolError("protocolError", "§2.2.1", "packet identifier is 0");
}

function wrongReason(type: number): ProtocolError {
  const rule = `MQTT5-3.${type}.2-1` as const;
  return new ProtocolError("protocolError", rule, "reason code is not one of this packet's");
}
