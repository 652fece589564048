/**
 * CONNECT: the packet that names the protocol version, and with it how it is to be read itself
 * (MQTT 5.0 §3.1, 3.1.1 §3.1).
 *
 * MQTT 3.1 had fewer rules, and mosquitto keeps to them. So in a CONNECT of 3.1, and only there,
 * flags that mean nothing are ignored, and a user name or password that was announced may be
 * missing at the end of the packet: ~[MQTT-3.1.2-3] ~[MQTT-3.1.2-13] ~[MQTT-3.1.2-15]
 * ~[MQTT-3.1.2-19] ~[MQTT-3.1.2-21].
 *
 * Does not judge client identifiers, the topic of the Will beyond its being a non-empty string, or
 * which versions are served: reading knows three, and answers any other with the error below.
 */
import { assert } from "../base/assert.ts";
import { ProtocolError } from "../errors.ts";
import { type ConnectPacket, type Qos, TYPE, type Version, type Will } from "./packets.ts";
import type { Properties } from "./properties.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Set in the level byte by a peer that says it is a bridge: mosquitto's convention, not MQTT's. */
const BRIDGE_BIT = 0x80;

const RESERVED = 0x01;
const CLEAN_START = 0x02;
const WILL = 0x04;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

/** A known protocol name with a level that goes with none of its versions. */
export class UnsupportedVersionError extends ProtocolError {
  /** The level asked for, without the bridge bit. */
  readonly level: number;
  /** The protocol name it came with: `MQTT` or `MQIsdp`. */
  readonly protocolName: string;

  constructor(protocolName: string, level: number) {
    super("unsupportedProtocolVersion", "MQTT5-3.1.2-2", `${protocolName} at level ${level}`);
    this.level = level;
    this.protocolName = protocolName;
  }
}

/**
 * The version that the CONNECT in `bytes[start, end)` asks for, or undefined when it asks for none
 * that there is. Never throws: it is for whoever must answer a CONNECT that could not be read.
 */
export function connectVersion(bytes: Buffer, start: number, end: number): Version | undefined {
  if (start + 2 > end) return undefined;
  const nameEnd = start + 2 + bytes.readUInt16BE(start);
  if (nameEnd >= end) return undefined;
  const name = bytes.toString("latin1", start + 2, nameEnd);
  return versionOf(name, bytes[nameEnd]! & ~BRIDGE_BIT);
}

/**
 * Reads the body of a CONNECT, `bytes[start, end)`.
 *
 * @param head The first byte of the packet, for its flags.
 * @throws {UnsupportedVersionError} when the level goes with no version, whatever follows it.
 * @throws {ProtocolError} malformedPacket or protocolError, for everything else.
 */
export function readConnect(
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): ConnectPacket {
  const reader = new Reader(bytes, start, end, 5);
  const bridge = readLevel(reader);
  const { version } = reader;
  if (version > 3 && (head & 0x0f) !== 0) {
    throw reader.malformedBy("MQTT5-2.1.3-1", "MQTT-2.2.2-2", "CONNECT with flags set");
  }
  const flags = readFlags(reader);
  const keepAlive = reader.readTwoBytes();
  const properties = reader.readProperties("connect");
  checkAuthentication(properties);
  reader.expectMore("MQTT5-3.1.3-3", "MQTT-3.1.3-3", "no client identifier");
  const clientId = reader.readString();
  const will = (flags & WILL) === 0 ? undefined : readWill(reader, flags);
  const username = isAnnounced(reader, flags & USER_NAME) ? readUsername(reader) : undefined;
  const password = isAnnounced(reader, flags & PASSWORD) ? readPassword(reader) : undefined;
  // A field that no flag announces stands here too [MQTT5-3.1.2-16] [MQTT5-3.1.2-18].
  reader.finish("MQTT5-3.1.3-1", "MQTT-3.1.3-1");
  return {
    type: "connect",
    version,
    bridge,
    cleanStart: (flags & CLEAN_START) !== 0,
    keepAlive,
    clientId,
    ...(will && { will }),
    ...(username !== undefined && { username }),
    ...(password && { password }),
    properties,
  };
}

/** Writes a whole CONNECT, in the version that it names. */
export function writeConnect(packet: ConnectPacket): Buffer {
  const { version, will, username, password } = packet;
  assert(
    version === 5 || password === undefined || username !== undefined,
    "before 5.0 a password has a user name [MQTT-3.1.2-22]",
  );
  const writer = new Writer(version);
  writer.writeString(version === 3 ? "MQIsdp" : "MQTT");
  writer.writeByte(packet.bridge ? version | BRIDGE_BIT : version);
  writer.writeByte(flagsOf(packet));
  writer.writeTwoBytes(packet.keepAlive);
  writer.writeProperties(packet.properties);
  writer.writeString(packet.clientId);
  if (will) {
    writer.writeProperties(will.properties);
    writer.writeString(will.topic);
    writer.writeBinary(will.payload);
  }
  if (username !== undefined) writer.writeString(username);
  if (password) writer.writeBinary(password);
  return writer.finish(TYPE.connect << 4);
}

/** 5.0 and 3.1.1 have one name, 3.1 had another (MQTT 5.0 §3.1.2.1). */
function versionOf(protocolName: string, level: number): Version | undefined {
  if (protocolName === "MQTT") return level === 4 || level === 5 ? level : undefined;
  return protocolName === "MQIsdp" && level === 3 ? 3 : undefined;
}

/** Reads name and level, and sets the reader's version by them. True: the peer is a bridge. */
function readLevel(reader: Reader): boolean {
  const protocolName = reader.readString();
  if (protocolName !== "MQTT" && protocolName !== "MQIsdp") {
    throw new ProtocolError("protocolError", "MQTT5-3.1.2-1", "unknown protocol name");
  }
  const level = reader.readByte();
  const version = versionOf(protocolName, level & ~BRIDGE_BIT);
  if (version === undefined) {
    throw new UnsupportedVersionError(protocolName, level & ~BRIDGE_BIT);
  }
  reader.version = version;
  return (level & BRIDGE_BIT) !== 0;
}

function readFlags(reader: Reader): number {
  const flags = reader.readByte();
  if ((flags & WILL) !== 0 && willQos(flags) === 3) {
    throw reader.malformedBy("MQTT5-3.1.2-12", "MQTT-3.1.2-14", "Will QoS 3");
  }
  if (reader.version > 3) {
    if ((flags & RESERVED) !== 0) {
      throw reader.malformedBy("MQTT5-3.1.2-3", "MQTT-3.1.2-3", "the reserved flag is set");
    }
    if ((flags & WILL) === 0 && willQos(flags) !== 0) {
      throw reader.malformedBy("MQTT5-3.1.2-11", "MQTT-3.1.2-13", "Will QoS without a Will");
    }
    if ((flags & WILL) === 0 && (flags & WILL_RETAIN) !== 0) {
      throw reader.malformedBy("MQTT5-3.1.2-13", "MQTT-3.1.2-15", "Will Retain without a Will");
    }
  }
  // 5.0 allows a password alone, as a token (§3.1.2.9).
  if (reader.version < 5 && (flags & PASSWORD) !== 0 && (flags & USER_NAME) === 0) {
    throw new ProtocolError("protocolError", "MQTT-3.1.2-22", "a password without user name");
  }
  return flags;
}

function willQos(flags: number): number {
  return (flags >> 3) & 3;
}

/** Authentication data is that of a method (MQTT 5.0 §3.1.2.11.10). */
function checkAuthentication(properties: Properties): void {
  if (properties.authenticationData === undefined) return;
  if (properties.authenticationMethod !== undefined) return;
  throw new ProtocolError(
    "protocolError",
    "§3.1.2.11.10",
    "authentication data without authentication method",
  );
}

function readWill(reader: Reader, flags: number): Will {
  const properties = reader.readProperties("will");
  const topic = reader.readString();
  if (topic === "") {
    throw reader.malformedBy("MQTT5-4.7.3-1", "MQTT-4.7.3-1", "the Will has an empty topic");
  }
  const payload = reader.readBinary();
  const retain = (flags & WILL_RETAIN) !== 0;
  // 3 was refused with the flags.
  return { topic, payload, qos: willQos(flags) as Qos, retain, properties };
}

/** Whether the field of `flag` is to be read. In 3.1 a packet may end before it. */
function isAnnounced(reader: Reader, flag: number): boolean {
  return flag !== 0 && !(reader.version === 3 && reader.isAtEnd);
}

function readUsername(reader: Reader): string {
  reader.expectMore("MQTT5-3.1.2-17", "MQTT-3.1.2-19", "the user name is missing");
  return reader.readString();
}

function readPassword(reader: Reader): Buffer {
  reader.expectMore("MQTT5-3.1.2-19", "MQTT-3.1.2-21", "the password is missing");
  return reader.readBinary();
}

function flagsOf({ cleanStart, will, username, password }: ConnectPacket): number {
  let flags = cleanStart ? CLEAN_START : 0;
  if (will) flags |= WILL | (will.qos << 3) | (will.retain ? WILL_RETAIN : 0);
  if (username !== undefined) flags |= USER_NAME;
  if (password) flags |= PASSWORD;
  return flags;
}
