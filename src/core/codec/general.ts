/**
 * The rare packets, whole: CONNECT, CONNACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT
 * and AUTH, in 3.1, 3.1.1 and 5.0 (MQTT 5.0 §3). `publish.ts`, `ack.ts` and `frame.ts` have the
 * common ones.
 *
 * Ours rather than mqtt-packet's, which takes packets that the standards refuse (other reserved
 * bits, codes a packet does not have, bytes after the end), loses the order of properties, which
 * decides the bytes of a CONNACK, and takes 13 ms to load, which `ts-pub` would pay at every start.
 * It is the oracle that a differential test holds this codec against.
 *
 * Strict: what breaks a rule that one packet alone can break is a `ProtocolError` naming it. The
 * exceptions are mosquitto's and are for MQTT 3.1: those of CONNECT, named in `connect.ts`, and
 * ~[MQTT-2.2.2-2] the low four bits of the first byte, where 3.1 still had DUP and QoS. Stricter
 * than mosquitto, by the standard: a foreign code in DISCONNECT, a payload format of 2, an empty
 * SUBSCRIBE or UNSUBSCRIBE in 3.1, authentication data without a method.
 *
 * Does not judge topic filters (`topic/filter.ts`), nor what only one side may send, nor what
 * depends on earlier packets.
 */
import { assert } from "../base/assert.ts";
import { ProtocolError, REASONS, SUCCESS } from "../errors.ts";
import { readConnect, writeConnect } from "./connect.ts";
import {
  type AuthPacket,
  type ConnackPacket,
  type DisconnectPacket,
  type GeneralPacket,
  type Qos,
  type SubackPacket,
  type SubscribePacket,
  type SubscriptionRequest,
  TYPE,
  type UnsubackPacket,
  type UnsubscribePacket,
  type Version,
} from "./packets.ts";
import { NO_PROPERTIES, type Properties, propertyListSize } from "./properties.ts";
import { Reader } from "./reader.ts";
import { type CodeCarrier, ruleAgainst } from "./reason-codes.ts";
import { Writer } from "./writer.ts";

export { connectVersion, UnsupportedVersionError } from "./connect.ts";

const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;

/** Flags of SUBSCRIBE and UNSUBSCRIBE, which once were their QoS (MQTT 5.0 §2.1.3). */
const REQUEST_FLAGS = 0x02;

/** What a server of 3.1.1 says to a version it does not know [MQTT-3.1.2-2]. */
const UNACCEPTABLE_VERSION = 1;

/**
 * Reads one packet, whose body is `bytes[start, end)`. Nothing in the result points into `bytes`.
 *
 * @param head The first byte of the packet: its type and flags.
 * @param version What the connection speaks. CONNECT names its own.
 * @throws {UnsupportedVersionError} for a CONNECT of a version there is not.
 * @throws {ProtocolError} malformedPacket or protocolError, for everything else.
 */
export function readPacket(
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
  version: Version,
): GeneralPacket {
  const type = head >> 4;
  if (type === TYPE.connect) return readConnect(bytes, head, start, end);
  const reader = new Reader(bytes, start, end, version);
  switch (type) {
    case TYPE.connack:
      return readConnack(reader, head);
    case TYPE.subscribe:
      return readSubscribe(reader, head);
    case TYPE.suback:
      return readSuback(reader, head);
    case TYPE.unsubscribe:
      return readUnsubscribe(reader, head);
    case TYPE.unsuback:
      return readUnsuback(reader, head);
    case TYPE.disconnect:
      return readDisconnect(reader, head);
    case TYPE.auth:
      return readAuth(reader, head);
    default:
      // Type 0 is reserved; the others are the common packets, which have no business here.
      throw new ProtocolError("protocolError", "§2.1.2", `packet type ${type}`);
  }
}

/**
 * Writes one whole packet. Before 5.0 its properties are left out, and so is what else 3.1.1 has
 * no place for: the reason of a DISCONNECT, the codes of an UNSUBACK, the options of SUBSCRIBE.
 *
 * Strings are the caller's to have checked by `isValidString`.
 *
 * @param version What the connection speaks. CONNECT is written in the version it names.
 */
export function writePacket(packet: GeneralPacket, version: Version): Buffer {
  switch (packet.type) {
    case "connect":
      return writeConnect(packet);
    case "connack":
      return writeConnack(packet, version);
    case "subscribe":
      return writeSubscribe(packet, version);
    case "suback":
      return writeSuback(packet, version);
    case "unsubscribe":
      return writeUnsubscribe(packet, version);
    case "unsuback":
      return writeUnsuback(packet, version);
    case "disconnect":
      return writeDisconnect(packet, version);
    case "auth":
      return writeAuth(packet, version);
  }
}

function readConnack(reader: Reader, head: number): ConnackPacket {
  checkNoFlags(reader, head);
  const flags = reader.readByte();
  // 3.1 has no session present flag: the byte is unused there.
  if (flags > 1 && reader.version > 3) {
    throw reader.malformedBy("MQTT5-3.2.2-1", "§3.2.2.1", "CONNACK with reserved flags set");
  }
  const sessionPresent = reader.version > 3 && flags === 1;
  const reasonCode = reader.readByte();
  if (reader.version === 5 && reasonCode === UNACCEPTABLE_VERSION && reader.isAtEnd) {
    // A server that knows only 3.1.1 answers in its own format: there is no other it could use.
    const { code } = REASONS.unsupportedProtocolVersion;
    return { type: "connack", sessionPresent: false, reasonCode: code, properties: NO_PROPERTIES };
  }
  checkCode(reader, reasonCode, "connack");
  if (sessionPresent && reasonCode !== SUCCESS) {
    throw reader.protocolErrorBy("MQTT5-3.2.2-6", "MQTT-3.2.2-4", "a refusal with a session");
  }
  const properties = reader.readProperties("connack");
  reader.finish("§3.2.3", "§3.2.3");
  return { type: "connack", sessionPresent, reasonCode, properties };
}

function writeConnack(packet: ConnackPacket, version: Version): Buffer {
  assertCode(packet.reasonCode, "connack", version);
  assert(!packet.sessionPresent || packet.reasonCode === SUCCESS, "a refusal has no session");
  const writer = new Writer(version);
  writer.writeByte(packet.sessionPresent && version > 3 ? 1 : 0);
  writer.writeByte(packet.reasonCode);
  writer.writeProperties(packet.properties);
  return writer.finish(TYPE.connack << 4);
}

function readSubscribe(reader: Reader, head: number): SubscribePacket {
  if (reader.version > 3 && (head & 0x0f) !== REQUEST_FLAGS) {
    throw reader.malformedBy("MQTT5-3.8.1-1", "MQTT-3.8.1-1", "SUBSCRIBE with other flags");
  }
  const packetId = reader.readPacketId("MQTT5-2.2.1-3", "MQTT-2.3.1-1");
  const properties = reader.readProperties("subscribe");
  const subscriptions: SubscriptionRequest[] = [];
  while (!reader.isAtEnd) subscriptions.push(readSubscription(reader));
  if (subscriptions.length === 0) {
    throw reader.malformedBy("MQTT5-3.8.3-2", "MQTT-3.8.3-3", "SUBSCRIBE without a filter");
  }
  return { type: "subscribe", packetId, subscriptions, properties };
}

function readSubscription(reader: Reader): SubscriptionRequest {
  const filter = readFilter(reader);
  const options = reader.readByte();
  // Before 5.0 the byte is a QoS alone, and all the rest of it reserved.
  const reserved = reader.version === 5 ? 0xc0 : 0xfc;
  if ((options & reserved) !== 0) {
    throw reader.malformedBy("MQTT5-3.8.3-5", "MQTT-3.8.3-4", "reserved subscription options");
  }
  const qos = options & 3;
  if (qos === 3) throw reader.malformedBy("§3.8.3.1", "MQTT-3.8.3-4", "a requested QoS of 3");
  const retainHandling = options >> 4;
  if (retainHandling === 3) {
    throw reader.malformedBy("§3.8.3.1", "MQTT-3.8.3-4", "a Retain Handling of 3");
  }
  return {
    filter,
    qos: qos as Qos,
    noLocal: (options & NO_LOCAL) !== 0,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

function readFilter(reader: Reader): string {
  const filter = reader.readString();
  if (filter !== "") return filter;
  throw reader.malformedBy("MQTT5-4.7.3-1", "MQTT-4.7.3-1", "an empty topic filter");
}

function writeSubscribe(packet: SubscribePacket, version: Version): Buffer {
  assert(packet.subscriptions.length > 0, "SUBSCRIBE has a filter [MQTT5-3.8.3-2]");
  const writer = new Writer(version);
  writer.writePacketId(packet.packetId);
  writer.writeProperties(packet.properties);
  for (const { filter, qos, ...options } of packet.subscriptions) {
    const { noLocal, retainAsPublished, retainHandling } = options;
    let byte: number = qos;
    if (version === 5) {
      byte |= noLocal ? NO_LOCAL : 0;
      byte |= retainAsPublished ? RETAIN_AS_PUBLISHED : 0;
      byte |= retainHandling << 4;
    }
    writer.writeString(filter);
    writer.writeByte(byte);
  }
  return writer.finish((TYPE.subscribe << 4) | REQUEST_FLAGS);
}

function readSuback(reader: Reader, head: number): SubackPacket {
  checkNoFlags(reader, head);
  const packetId = reader.readPacketId("MQTT5-2.2.1-6", "MQTT-2.3.1-7");
  const properties = reader.readProperties("suback");
  const reasonCodes = reader.readRest();
  if (reasonCodes.length === 0) {
    throw reader.malformedBy("MQTT5-3.8.4-6", "MQTT-3.8.4-5", "SUBACK without a code");
  }
  for (const code of reasonCodes) checkCode(reader, code, "suback");
  return { type: "suback", packetId, reasonCodes, properties };
}

function writeSuback(packet: SubackPacket, version: Version): Buffer {
  assert(packet.reasonCodes.length > 0, "SUBACK has a code for each filter [MQTT5-3.8.4-6]");
  const writer = new Writer(version);
  writer.writePacketId(packet.packetId);
  writer.writeProperties(packet.properties);
  for (const code of packet.reasonCodes) {
    assertCode(code, "suback", version);
    writer.writeByte(code);
  }
  return writer.finish(TYPE.suback << 4);
}

function readUnsubscribe(reader: Reader, head: number): UnsubscribePacket {
  if (reader.version > 3 && (head & 0x0f) !== REQUEST_FLAGS) {
    throw reader.malformedBy("MQTT5-3.10.1-1", "MQTT-3.10.1-1", "UNSUBSCRIBE with other flags");
  }
  const packetId = reader.readPacketId("MQTT5-2.2.1-3", "MQTT-2.3.1-1");
  const properties = reader.readProperties("unsubscribe");
  const filters: string[] = [];
  while (!reader.isAtEnd) filters.push(readFilter(reader));
  if (filters.length === 0) {
    throw reader.malformedBy("MQTT5-3.10.3-2", "MQTT-3.10.3-2", "UNSUBSCRIBE without a filter");
  }
  return { type: "unsubscribe", packetId, filters, properties };
}

function writeUnsubscribe(packet: UnsubscribePacket, version: Version): Buffer {
  assert(packet.filters.length > 0, "UNSUBSCRIBE has a filter [MQTT5-3.10.3-2]");
  const writer = new Writer(version);
  writer.writePacketId(packet.packetId);
  writer.writeProperties(packet.properties);
  for (const filter of packet.filters) writer.writeString(filter);
  return writer.finish((TYPE.unsubscribe << 4) | REQUEST_FLAGS);
}

function readUnsuback(reader: Reader, head: number): UnsubackPacket {
  checkNoFlags(reader, head);
  const packetId = reader.readPacketId("MQTT5-2.2.1-6", "MQTT-2.3.1-7");
  const properties = reader.readProperties("unsuback");
  // Before 5.0 it has no payload.
  const reasonCodes = reader.version === 5 ? reader.readRest() : [];
  if (reader.version === 5 && reasonCodes.length === 0) {
    throw reader.malformed("MQTT5-3.11.3-1", "UNSUBACK without a code");
  }
  for (const code of reasonCodes) checkCode(reader, code, "unsuback");
  reader.finish("§3.11.3", "§3.11.3");
  return { type: "unsuback", packetId, reasonCodes, properties };
}

function writeUnsuback(packet: UnsubackPacket, version: Version): Buffer {
  const writer = new Writer(version);
  writer.writePacketId(packet.packetId);
  writer.writeProperties(packet.properties);
  if (version < 5) return writer.finish(TYPE.unsuback << 4);
  assert(packet.reasonCodes.length > 0, "UNSUBACK has a code for each filter [MQTT5-3.11.3-1]");
  for (const code of packet.reasonCodes) {
    assertCode(code, "unsuback", version);
    writer.writeByte(code);
  }
  return writer.finish(TYPE.unsuback << 4);
}

/** A DISCONNECT may end before its reason code, and before its properties (§3.14.2.1). */
function readDisconnect(reader: Reader, head: number): DisconnectPacket {
  if ((head & 0x0f) !== 0 && reader.version > 3) {
    throw reader.malformedBy("MQTT5-3.14.1-1", "MQTT-3.14.1-1", "DISCONNECT with flags set");
  }
  if (reader.version < 5) reader.finish("§3.14.2", "§3.14.2");
  const reasonCode = reader.isAtEnd ? SUCCESS : reader.readByte();
  checkCode(reader, reasonCode, "disconnect");
  const properties = reader.isAtEnd ? NO_PROPERTIES : reader.readProperties("disconnect");
  reader.finish("§3.14.3", "§3.14.3");
  return { type: "disconnect", reasonCode, properties };
}

/** Writes the shortest form: `e0 00` for a plain end, `e0 01 code` where there is no property. */
function writeDisconnect(packet: DisconnectPacket, version: Version): Buffer {
  const writer = new Writer(version);
  const hasProperties = version === 5 && propertyListSize(packet.properties) > 0;
  if (version === 5 && (packet.reasonCode !== SUCCESS || hasProperties)) {
    assertCode(packet.reasonCode, "disconnect", version);
    writer.writeByte(packet.reasonCode);
    if (hasProperties) writer.writeProperties(packet.properties);
  }
  return writer.finish(TYPE.disconnect << 4);
}

/** An AUTH is empty, or has both reason code and properties (§3.15.2.1). */
function readAuth(reader: Reader, head: number): AuthPacket {
  if (reader.version < 5) {
    throw new ProtocolError("protocolError", "§2.2.1", "AUTH before MQTT 5.0");
  }
  if ((head & 0x0f) !== 0) throw reader.malformed("MQTT5-3.15.1-1", "AUTH with flags set");
  if (reader.isAtEnd) return { type: "auth", reasonCode: SUCCESS, properties: NO_PROPERTIES };
  const reasonCode = reader.readByte();
  checkCode(reader, reasonCode, "auth");
  const properties = reader.readProperties("auth");
  reader.finish("§3.15.3", "§3.15.3");
  if (!namesMethod(reasonCode, properties)) {
    throw reader.protocolErrorBy("MQTT5-4.12.0-5", "§2.2.1", "AUTH without its method");
  }
  return { type: "auth", reasonCode, properties };
}

function writeAuth(packet: AuthPacket, version: Version): Buffer {
  assert(version === 5, "AUTH is of MQTT 5.0");
  assertCode(packet.reasonCode, "auth", version);
  assert(namesMethod(packet.reasonCode, packet.properties), "AUTH names its method");
  const writer = new Writer(version);
  if (packet.reasonCode !== SUCCESS || propertyListSize(packet.properties) > 0) {
    writer.writeByte(packet.reasonCode);
    writer.writeProperties(packet.properties);
  }
  return writer.finish(TYPE.auth << 4);
}

/** Only an AUTH that says nothing but "success" may leave the method out (§3.15.2.1). */
function namesMethod(reasonCode: number, properties: Properties): boolean {
  if (properties.authenticationMethod !== undefined) return true;
  return reasonCode === SUCCESS && propertyListSize(properties) === 0;
}

function checkNoFlags(reader: Reader, head: number): void {
  if ((head & 0x0f) === 0 || reader.version === 3) return;
  throw reader.malformedBy("MQTT5-2.1.3-1", "MQTT-2.2.2-2", "reserved flags are set");
}

function checkCode(reader: Reader, code: number, carrier: CodeCarrier): void {
  const rule = ruleAgainst(code, carrier, reader.version);
  if (rule === undefined) return;
  throw new ProtocolError("protocolError", rule, `${carrier} with reason code ${code}`);
}

function assertCode(code: number, carrier: CodeCarrier, version: Version): void {
  const isListed = ruleAgainst(code, carrier, version) === undefined;
  assert(isListed, `${code} is a reason code of ${carrier} in version ${version}`);
}
