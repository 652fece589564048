/**
 * Checks properties that a program hands in, so that the codec may take them as they are.
 */
import type { Version } from "../core/codec/packets.ts";
import {
  type Carrier,
  PROPERTY_TABLE,
  type Properties,
  type PropertyRow,
} from "../core/codec/properties.ts";
import { isValidString } from "../core/codec/utf8.ts";
import { VARINT_MAX } from "../core/codec/varint.ts";
import { isTopicName } from "../core/topic/name.ts";
import { ClientError } from "./errors.ts";

const ROWS = new Map<string, PropertyRow>(PROPERTY_TABLE.map((row) => [row.name, row]));
const NUMBER_MAX = { flag: 1, twoBytes: 0xffff, fourBytes: 0xffff_ffff, varint: VARINT_MAX };

/**
 * @param carrier What the properties are to stand in.
 * @throws {ClientError} invalidArgument: any property before MQTT 5.0, an unknown one, one that
 * does
 *   not belong in the carrier or that the client may not send, or a value out of bounds.
 */
export function checkProperties(properties: Properties, carrier: Carrier, version: Version): void {
  if (version < 5 && Object.keys(properties).length > 0) {
    throw new ClientError("invalidArgument", "properties need MQTT 5.0");
  }
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    const row = ROWS.get(name);
    if (row === undefined || !row.carriers.includes(carrier)) {
      throw invalid(name, `does not belong in ${carrier}`);
    }
    checkValue(row, value);
  }
  if (carrier === "publish" && properties.subscriptionIdentifiers !== undefined) {
    throw invalid("subscriptionIdentifiers", "is for the server to send"); // [MQTT5-3.3.4-6]
  }
  if (carrier === "subscribe" && (properties.subscriptionIdentifiers?.length ?? 1) !== 1) {
    throw invalid("subscriptionIdentifiers", "must be exactly one");
  }
  if (properties.responseTopic !== undefined && !isTopicName(properties.responseTopic)) {
    throw invalid("responseTopic", "is not a topic name"); // [MQTT5-3.3.2-14]
  }
}

function checkValue(row: PropertyRow, value: unknown): void {
  switch (row.type) {
    case "string":
      checkString(row, value);
      break;
    case "binary":
      if (!Buffer.isBuffer(value)) throw invalid(row.name, "must be a Buffer");
      if (value.length > 0xffff) throw invalid(row.name, "must be at most 65535 bytes");
      break;
    case "pair":
      for (const pair of listOf(row, value)) {
        for (const text of listOf(row, pair)) checkString(row, text);
        if (listOf(row, pair).length !== 2) throw invalid(row.name, "are pairs of name and value");
      }
      break;
    case "varint":
      for (const number of listOf(row, value)) checkNumber(row, number);
      break;
    default:
      checkNumber(row, value);
  }
}

function checkString(row: PropertyRow, value: unknown): void {
  if (typeof value === "string" && isValidString(value)) return;
  throw invalid(row.name, "is not a string that MQTT can carry");
}

function checkNumber(row: PropertyRow, value: unknown): void {
  const max = NUMBER_MAX[row.type as keyof typeof NUMBER_MAX];
  if (Number.isInteger(value) && (value as number) >= row.min && (value as number) <= max) return;
  throw invalid(row.name, `must be a whole number from ${row.min} to ${max}`);
}

function listOf(row: PropertyRow, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(row.name, "must be an array");
}

function invalid(name: string, what: string): ClientError {
  return new ClientError("invalidArgument", `property ${name} ${what}`);
}
