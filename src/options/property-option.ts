/**
 * The -D option: MQTT 5.0 properties for the packets a client sends (5.0 §2.2.2.2).
 *
 * `-D COMMAND NAME VALUE`, or `-D COMMAND user-property NAME VALUE`. Commands and names are known
 * in any case. What one word gets wrong is refused at once; what can only be seen in the whole
 * (a property twice, a value the standard forbids) when all words are read, by
 * `checkedProperties`: both as mosquitto does. Where mosquitto lets through what the standard
 * forbids, we refuse in its words: ~ a subscription identifier of 0 (§3.8.2.1.2), a payload format
 * of 2 (§3.3.2.3.2), wildcards in a response topic [MQTT5-3.3.2-14], authentication data without a
 * method (§3.1.2.11.10).
 */
import {
  CARRIER,
  NO_PROPERTIES,
  PROPERTY_TABLE,
  type Properties,
  type PropertyRow,
} from "../core/codec/properties.ts";
import { isValidString } from "../core/codec/utf8.ts";
import { VARINT_MAX } from "../core/codec/varint.ts";
import { isTopicName } from "../core/topic/name.ts";
import { leadingLong } from "./numbers.ts";
import type { Operands } from "./option.ts";
import { UsageError } from "./usage-error.ts";

/** Packets that -D can give properties to, by mosquitto's word for them. */
export type PropertyCommand =
  | "connect"
  | "publish"
  | "subscribe"
  | "unsubscribe"
  | "disconnect"
  | "will";

/** In the order in which mistakes are looked for, with mosquitto's names. */
const COMMANDS: readonly (readonly [PropertyCommand, string])[] = [
  ["connect", "CONNECT"],
  ["publish", "PUBLISH"],
  ["subscribe", "SUBSCRIBE"],
  ["unsubscribe", "UNSUBSCRIBE"],
  ["disconnect", "DISCONNECT"],
  ["will", "Will"],
];

/** One -D as given: what the programs keep until all words are read. */
export interface GivenProperty {
  readonly command: PropertyCommand;
  readonly row: PropertyRow;
  readonly value: unknown;
}

/** Properties by the packet they are for. */
export type PropertiesByCommand = Readonly<Record<PropertyCommand, Properties>>;

/** The row of a property by its word, in any case. */
export function propertyNamed(word: string): PropertyRow | undefined {
  return PROPERTY_TABLE.find((row) => row.word === word.toLowerCase());
}

/** The words of all properties that a client may send, for completion. */
export function propertyWords(): string[] {
  const sent = PROPERTY_TABLE.filter(({ carriers }) =>
    COMMANDS.some(([command]) => carriers.some((carrier) => carrier === command)),
  );
  return sent.map(({ word }) => word).sort();
}

/**
 * Takes the words of one -D.
 *
 * @throws {UsageError} for what the words alone get wrong.
 */
export function takeProperty(operands: Pick<Operands, "take" | "left">): GivenProperty {
  if (operands.left < 3) throw tooFew();
  const command = operands.take();
  const name = operands.take();
  if (!isCommand(command.toLowerCase())) {
    throw refused("Error: Invalid command given in --property argument.");
  }
  const row = propertyNamed(name);
  if (row === undefined) {
    throw refused("Error: Invalid property name given in --property argument.");
  }
  const word = operands.take();
  if (row.type === "pair" && operands.left === 0) throw tooFew();
  const second = row.type === "pair" ? operands.take() : "";
  refuseMisplaced(row, command, name);
  return {
    command: command.toLowerCase() as PropertyCommand, // `refuseMisplaced` let it through.
    row,
    value: parseValue(row, name, word, second),
  };
}

/**
 * The properties of each packet.
 *
 * @throws {UsageError} when a property that may stand once stands twice, or the standard forbids
 *   a value.
 */
export function checkedProperties(given: readonly GivenProperty[]): PropertiesByCommand {
  const all = {} as Record<PropertyCommand, Properties>;
  for (const [command, title] of COMMANDS) {
    const own = given.filter((property) => property.command === command);
    all[command] = own.length === 0 ? NO_PROPERTIES : collect(own, title);
  }
  return all;
}

function collect(given: readonly GivenProperty[], title: string): Properties {
  const properties: Record<string, unknown> = {};
  for (const { row, value } of given) {
    if (isForbidden(row, value)) throw forbidden(title);
    if (row.type === "pair") {
      const before = (properties[row.name] as readonly unknown[] | undefined) ?? [];
      properties[row.name] = [...before, value];
    } else if (row.name in properties) {
      const message = `Error in ${title} properties: Duplicate property in property list`;
      throw new UsageError("conflict", message);
    } else {
      properties[row.name] = row.type === "varint" ? [value] : value;
    }
  }
  const unexplained = "authenticationData" in properties && !("authenticationMethod" in properties);
  if (unexplained) throw forbidden(title);
  return properties as Properties; // Each value was made by its own row.
}

/** What the standard forbids though its type could carry it. */
function isForbidden(row: PropertyRow, value: unknown): boolean {
  if (row.name === "responseTopic") return !isTopicName(value as string);
  if (typeof value !== "number") return false;
  return value < row.min || (row.type === "flag" && value > 1);
}

function parseValue(row: PropertyRow, name: string, word: string, second: string): unknown {
  switch (row.type) {
    case "flag":
      return parseNumber(name, word, 0xff);
    case "twoBytes":
      return parseNumber(name, word, 0xffff);
    case "fourBytes":
      return parseNumber(name, word, 0xffff_ffff);
    case "varint": {
      const value = parseNumber(name, word, 0xffff_ffff);
      if (value > VARINT_MAX) throw notAdded(name, 4);
      return value;
    }
    case "string":
      if (!isValidString(word)) throw notAdded(name, 6);
      return word;
    case "binary":
      if (Buffer.byteLength(word) > 0xffff) throw notAdded(name, 5);
      return Buffer.from(word);
    case "pair":
      if (!isValidString(word) || !isValidString(second)) throw notAdded(name, 7);
      return [word, second] as const;
  }
}

function parseNumber(name: string, word: string, max: number): number {
  const value = leadingLong(word);
  if (value < 0n || value > BigInt(max)) {
    throw refused(`Error: Property value (${value}) out of range for property ${name}.`);
  }
  return Number(value);
}

/** Words that mosquitto knows as commands: SUBACK and UNSUBACK are none. */
function isCommand(word: string): boolean {
  return Object.hasOwn(CARRIER, word) && word !== "suback" && word !== "unsuback";
}

function refuseMisplaced(row: PropertyRow, command: string, name: string): void {
  const word = command.toLowerCase();
  const carried = row.carriers.some((carrier) => carrier === word);
  // The server alone puts the identifier into a PUBLISH [MQTT5-3.3.4-6].
  const sent = word !== "publish" || row.name !== "subscriptionIdentifiers";
  if (carried && sent && COMMANDS.some(([sender]) => sender === word)) return;
  const verb = carried ? "supported" : "allowed";
  throw refused(`Error: ${name} property not ${verb} for ${command} in --property argument.`);
}

function tooFew(): UsageError {
  const message = "Error: --property argument given but not enough arguments specified.";
  return new UsageError("missing-value", message, "far-hint");
}

function refused(message: string): UsageError {
  return new UsageError("bad-value", message, "far-hint");
}

/** mosquitto gives the kind of property that it could not add as a number, part of its text. */
function notAdded(name: string, kind: number): UsageError {
  return new UsageError("bad-value", `Error adding property ${name} ${kind}`);
}

function forbidden(title: string): UsageError {
  const protocol = "A network protocol error occurred when communicating with the broker.";
  return new UsageError("bad-value", `Error in ${title} properties: ${protocol}`);
}
