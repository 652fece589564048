/**
 * Reads the body of one rare packet from front to back, field by field.
 *
 * Every field that reaches beyond the packet is malformed, and so is a packet that ends with bytes
 * no field accounts for: mosquitto and the standard agree (MQTT 5.0 §4.13). Binary fields come out
 * as copies, so that what is kept never holds on to the chunk it came in.
 *
 * Not for PUBLISH and its acknowledgements, which are read in place without an object.
 */
import { ProtocolError, type Rule } from "../errors.ts";
import { fieldEnd } from "./field.ts";
import type { Version } from "./packets.ts";
import { type Carrier, NO_PROPERTIES, type Properties, readProperties } from "./properties.ts";
import { readString } from "./utf8.ts";

export class Reader {
  /** Decides whether properties stand in the packet, and which standard an error cites. */
  version: Version;
  private readonly bytes: Buffer;
  private readonly end: number;
  private at: number;

  constructor(bytes: Buffer, start: number, end: number, version: Version) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.version = version;
  }

  get isAtEnd(): boolean {
    return this.at === this.end;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.end - this.at;
  }

  readByte(): number {
    if (this.at + 1 > this.end) throw this.malformed("§4.13", "a packet ends inside a field");
    return this.bytes[this.at++]!;
  }

  readTwoBytes(): number {
    return (this.readByte() << 8) | this.readByte();
  }

  readString(): string {
    const next = fieldEnd(this.bytes, this.at, this.end);
    const text = readString(this.bytes, this.at + 2, next, this.version);
    this.at = next;
    return text;
  }

  readBinary(): Buffer {
    const next = fieldEnd(this.bytes, this.at, this.end);
    const data = Buffer.from(this.bytes.subarray(this.at + 2, next));
    this.at = next;
    return data;
  }

  /** The properties of `carrier`; none before 5.0, where no packet has them. */
  readProperties(carrier: Carrier): Properties {
    if (this.version < 5) return NO_PROPERTIES;
    const { properties, next } = readProperties(this.bytes, this.at, this.end, carrier);
    this.at = next;
    return properties;
  }

  /** The packet identifier at the head of a body, which is never 0. */
  readPacketId(v5: Rule, before: Rule): number {
    const packetId = this.readTwoBytes();
    if (packetId === 0) throw this.malformedBy(v5, before, "packet identifier 0");
    return packetId;
  }

  /** Everything that is left, a byte each. */
  readRest(): number[] {
    const rest = [...this.bytes.subarray(this.at, this.end)];
    this.at = this.end;
    return rest;
  }

  /** A field that must be there has at least a beginning. */
  expectMore(v5: Rule, before: Rule, detail: string): void {
    if (this.isAtEnd) throw this.malformedBy(v5, before, detail);
  }

  /** Nothing may be left. */
  finish(v5: Rule, before: Rule): void {
    if (this.at < this.end) {
      throw this.malformedBy(v5, before, `${this.left} bytes after the last field`);
    }
  }

  malformed(rule: Rule, detail: string): ProtocolError {
    return new ProtocolError("malformedPacket", rule, detail);
  }

  /** As `malformed`, citing 5.0 or 3.1.1 by the version spoken. */
  malformedBy(v5: Rule, before: Rule, detail: string): ProtocolError {
    return this.malformed(this.version === 5 ? v5 : before, detail);
  }

  /** As `malformedBy`, for what can be read but may not be said. */
  protocolErrorBy(v5: Rule, before: Rule, detail: string): ProtocolError {
    return new ProtocolError("protocolError", this.version === 5 ? v5 : before, detail);
  }
}
