/** A database as text: every entry with its fields, or only how much there is. */
import { isUtf8 } from "node:buffer";
import type { Header } from "../store/mosquitto-db-chunks.ts";
import type { StoreId } from "../store/rows.ts";
import type { Entry, PlacedEntry } from "./db-entries.ts";

/** What heads an entry: the names of the chunks in mosquitto.db. */
const HEADINGS: Readonly<Record<Entry["kind"], string>> = {
  configuration: "DB_CHUNK_CFG",
  baseMessage: "DB_CHUNK_BASE_MSG",
  clientMessage: "DB_CHUNK_CLIENT_MSG",
  retain: "DB_CHUNK_RETAIN",
  subscription: "DB_CHUNK_SUB",
  client: "DB_CHUNK_CLIENT",
  will: "DB_WILL",
  unknown: "DB_CHUNK_UNKNOWN",
};

/** The chunks of a mosquitto.db, all of them told even when there are none. */
const COUNTED = [
  "configuration",
  "baseMessage",
  "clientMessage",
  "retain",
  "subscription",
  "client",
] as const;

type Field = readonly [name: string, value: string | number];

/** What stands before all entries. @param header Undefined for an SQLite database. */
export function headText(header: Header | undefined): string {
  if (header === undefined) return "Mosquitto DB dump\n";
  return `Mosquitto DB dump\nCRC: ${header.crc}\nDB version: ${header.version}\n`;
}

/** An entry with its fields, a line each. */
export function entryText({ entry, length }: PlacedEntry): string {
  const lines = [`${HEADINGS[entry.kind]}:`];
  if (length !== undefined) lines.push(`\tLength: ${length}`);
  for (const [name, value] of fieldsOf(entry)) lines.push(`\t${name}: ${value}`);
  if (entry.kind === "baseMessage" || entry.kind === "will") {
    lines.push(...propertyLines(entry.properties));
  }
  return `${lines.join("\n")}\n`;
}

/** How many entries of each kind there are. */
export function statsText(entries: Iterable<PlacedEntry>): string {
  const counts = new Map<Entry["kind"], number>(COUNTED.map((kind) => [kind, 0]));
  for (const { entry } of entries) {
    if (entry.kind !== "unknown") counts.set(entry.kind, (counts.get(entry.kind) ?? 0) + 1);
  }
  const lines = [...counts].map(([kind, count]) => `${`${HEADINGS[kind]}:`.padEnd(21)}${count}\n`);
  return lines.join("");
}

interface Share {
  subscriptions: number;
  filterBytes: number;
  messages: number;
  payloadBytes: number;
}

/** A line for each client with what it has. */
export function clientStatsText(entries: Iterable<PlacedEntry>): string {
  const shares = new Map<string, Share>();
  const sizes = new Map<StoreId, number>();
  const waiting: { readonly share: Share; readonly storeId: StoreId }[] = [];
  const of = (clientId: string): Share => {
    let share = shares.get(clientId);
    if (share === undefined) {
      share = { subscriptions: 0, filterBytes: 0, messages: 0, payloadBytes: 0 };
      shares.set(clientId, share);
    }
    return share;
  };
  for (const { entry } of entries) {
    if (entry.kind === "baseMessage") sizes.set(entry.storeId, entry.payload.length);
    else if (entry.kind === "client") of(entry.clientId);
    else if (entry.kind === "subscription") {
      const share = of(entry.clientId);
      share.subscriptions++;
      share.filterBytes += Buffer.byteLength(entry.topic);
    } else if (entry.kind === "clientMessage") {
      const share = of(entry.clientId);
      share.messages++;
      waiting.push({ share, storeId: entry.storeId });
    }
  }
  for (const { share, storeId } of waiting) share.payloadBytes += sizes.get(storeId) ?? 0;
  const lines = [...shares].map(([clientId, share]) => {
    const { subscriptions, filterBytes, messages, payloadBytes } = share;
    const counts = `SC: ${subscriptions} SS: ${filterBytes} MC: ${messages} MS: ${payloadBytes}`;
    return `${counts}   ${visible(clientId)}\n`;
  });
  return lines.join("");
}

/** Store identifiers have no sign, and mosquitto prints them so. */
export function unsigned(storeId: StoreId): string {
  return storeId < 0 ? `${BigInt.asUintN(64, BigInt(storeId))}` : `${storeId}`;
}

/** A property as it stands in JSON. */
export interface ShownProperty {
  readonly identifier: string;
  readonly name: string | undefined;
  readonly value: string | number;
}

/** The properties in the JSON; undefined when it is none. */
export function shownProperties(json: string | null): ShownProperty[] | undefined {
  if (json === null) return [];
  try {
    const list: unknown = JSON.parse(json);
    if (!Array.isArray(list)) return undefined;
    return list.map(({ identifier, name, value }) => ({
      identifier: String(identifier),
      name: name === undefined ? undefined : String(name),
      value: typeof value === "number" ? value : String(value),
    }));
  } catch {
    // Whoever prints it has the text; `db check` says what is wrong with it.
    return undefined;
  }
}

function fieldsOf(entry: Entry): Field[] {
  switch (entry.kind) {
    case "configuration":
      return [
        ["Shutdown", entry.shutdown],
        ["DB ID size", entry.storeIdBytes],
        ["Last DB ID", unsigned(entry.lastStoreId)],
      ];
    case "baseMessage":
      return [
        ["Store ID", unsigned(entry.storeId)],
        ["Source ID", visible(entry.sourceId)],
        ["Source Username", visible(entry.sourceUsername ?? "")],
        ["Source Port", entry.sourcePort],
        ["Source MID", entry.sourceMid],
        ["Topic", visible(entry.topic)],
        ["QoS", entry.qos],
        ["Retain", entry.retain],
        ["Expiry Time", entry.expiryTime],
        ["Payload Length", entry.payload.length],
        ...payloadField(entry.payload),
      ];
    case "client":
      return [
        ["Client ID", visible(entry.clientId)],
        ["Username", visible(entry.username ?? "")],
        ...(entry.lastMid === undefined ? [] : [["Last MID", entry.lastMid] as const]),
        ["Session expiry time", entry.sessionExpiryTime],
        ["Session expiry interval", entry.sessionExpiryInterval],
        ["Listener port", entry.listenerPort],
      ];
    case "clientMessage":
      return [
        ["Client ID", visible(entry.clientId)],
        ["Store ID", unsigned(entry.storeId)],
        ["MID", entry.mid],
        ["QoS", entry.qos],
        ["Retain", entry.retain],
        ["Direction", entry.direction],
        ["State", entry.state],
        ["Dup", entry.dup],
        ["Subscription identifier", entry.subscriptionIdentifier],
      ];
    case "subscription":
      return [
        ["Client ID", visible(entry.clientId)],
        ["Topic", visible(entry.topic)],
        ["QoS", entry.qos],
        ["Subscription ID", entry.identifier],
        ["Options", `0x${entry.options.toString(16).toUpperCase().padStart(2, "0")}`],
      ];
    case "retain":
      return [["Store ID", unsigned(entry.storeId)]];
    case "will":
      return [
        ["Client ID", visible(entry.clientId)],
        ["Topic", visible(entry.topic)],
        ["QoS", entry.qos],
        ["Retain", entry.retain],
        ["Payload Length", entry.payload.length],
        ...payloadField(entry.payload),
      ];
    case "unknown":
      return [["Type", entry.type]];
  }
}

function payloadField(payload: Uint8Array): Field[] {
  if (payload.length === 0) return [];
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const text = isUtf8(bytes) ? bytes.toString("utf8") : undefined;
  if (text === undefined || UNPRINTABLE.test(text))
    return [["Payload (hex)", bytes.toString("hex")]];
  return [["Payload", text]];
}

function propertyLines(json: string | null): string[] {
  const properties = shownProperties(json);
  if (properties === undefined) return [`\tProperties: ${visible(json ?? "")}`];
  if (properties.length === 0) return [];
  const lines = properties.map(({ identifier, name, value }) => {
    const words = [identifier, ...(name === undefined ? [] : [name]), `${value}`];
    return `\t\t${words.map(visible).join(": ")}`;
  });
  return ["\tProperties:", ...lines];
}

const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f]/;

/** Names come from clients: what would move a terminal's cursor is spelt out. */
function visible(text: string): string {
  if (!UNPRINTABLE.test(text)) return text;
  return text.replace(
    /[\x00-\x1f\x7f-\x9f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
