/**
 * A database as JSON, laid out as mosquitto_db_dump lays it out with cJSON (mosquitto-2.1 d.3).
 *
 * ~[d.3] Store identifiers beyond 2^53 are printed exactly, where cJSON rounds them.
 */
import type { BaseMessageChunk, ClientMessageChunk } from "../store/mosquitto-db-chunks.ts";
import type { ClientEntry, Entry, PlacedEntry, WillEntry } from "./db-entries.ts";
import { shownProperties, unsigned } from "./db-text.ts";

/** A name, and its value as JSON. */
type Member = readonly [name: string, json: string];

const ARRAYS = {
  baseMessage: "base-messages",
  client: "clients",
  clientMessage: "client-messages",
  retain: "retained-messages",
  subscription: "subscriptions",
} as const;
/** mosquitto.db has no wills, and so mosquitto's JSON has no name for them. */
const WILLS = "wills";

/** Tabs before the braces of what stands in an array of the outermost object, and in its own. */
const OUTER_DEPTH = 2;
const INNER_DEPTH = 4;

/** The pieces of the JSON, to be printed one after another. */
export function* jsonPieces(entries: Iterable<PlacedEntry>): Generator<string, void> {
  const arrays = new Map<string, string[]>(Object.values(ARRAYS).map((name) => [name, []]));
  for (const { entry } of entries) {
    if (entry.kind === "configuration" || entry.kind === "unknown") continue;
    const name = entry.kind === "will" ? WILLS : ARRAYS[entry.kind];
    const items = arrays.get(name) ?? [];
    items.push(object(OUTER_DEPTH, membersOf(entry)));
    arrays.set(name, items);
  }
  let before = "{\n\t";
  for (const [name, items] of arrays) {
    yield `${before}${quoted(name)}:\t[`;
    for (const [at, item] of items.entries()) yield at === 0 ? item : `, ${item}`;
    before = "],\n\t";
  }
  yield "]\n}\n";
}

function membersOf(entry: Exclude<Entry, { kind: "configuration" | "unknown" }>): Member[] {
  switch (entry.kind) {
    case "baseMessage":
      return baseMessage(entry);
    case "client":
      return client(entry);
    case "clientMessage":
      return clientMessage(entry);
    case "retain":
      return [["storeid", unsigned(entry.storeId)]];
    case "subscription":
      return [
        ["clientid", quoted(entry.clientId)],
        ["topic", quoted(entry.topic)],
        ["qos", `${entry.qos}`],
        ["options", `${entry.options}`],
        ["identifier", `${entry.identifier}`],
      ];
    case "will":
      return will(entry);
  }
}

function baseMessage(entry: BaseMessageChunk): Member[] {
  return [
    ["storeid", unsigned(entry.storeId)],
    ["expiry-time", `${entry.expiryTime}`],
    ["source-mid", `${entry.sourceMid}`],
    ["source-port", `${entry.sourcePort}`],
    ["qos", `${entry.qos}`],
    ["retain", `${entry.retain}`],
    ["topic", quoted(entry.topic)],
    ["clientid", quoted(entry.sourceId)],
    ...username(entry.sourceUsername),
    ["payload", base64(entry.payload)],
    ...properties(entry.properties),
  ];
}

function client(entry: ClientEntry): Member[] {
  return [
    ["clientid", quoted(entry.clientId)],
    ...username(entry.username),
    ["session-expiry-time", `${entry.sessionExpiryTime}`],
    ["session-expiry-interval", `${entry.sessionExpiryInterval}`],
    ...(entry.lastMid === undefined ? [] : [["last-mid", `${entry.lastMid}`] as const]),
    ["listener-port", `${entry.listenerPort}`],
  ];
}

function clientMessage(entry: ClientMessageChunk): Member[] {
  return [
    ["clientid", quoted(entry.clientId)],
    // ~[d.3] mosquitto's slip, which programs that read its dump know.
    ["storeid", `${entry.subscriptionIdentifier}`],
    ["mid", `${entry.mid}`],
    ["qos", `${entry.qos}`],
    ["state", `${entry.state}`],
    ["retain-dup", `${(entry.retain << 4) | entry.dup}`],
    ["direction", `${entry.direction}`],
    ["subscription-identifier", `${entry.subscriptionIdentifier}`],
  ];
}

function will(entry: WillEntry): Member[] {
  return [
    ["clientid", quoted(entry.clientId)],
    ["topic", quoted(entry.topic)],
    ["qos", `${entry.qos}`],
    ["retain", `${entry.retain}`],
    ["payload", base64(entry.payload)],
    ...properties(entry.properties),
  ];
}

function username(name: string | null): Member[] {
  return name === null ? [] : [["username", quoted(name)]];
}

function properties(json: string | null): Member[] {
  // What is no JSON cannot stand in JSON: `db check` tells of it.
  const list = shownProperties(json) ?? [];
  if (list.length === 0) return [];
  const objects = list.map(({ identifier, name, value }) =>
    object(INNER_DEPTH, [
      ["identifier", quoted(identifier)],
      ...(name === undefined ? [] : [["name", quoted(name)] as const]),
      ["value", JSON.stringify(value)],
    ]),
  );
  return [["properties", `[${objects.join(", ")}]`]];
}

function object(depth: number, members: readonly Member[]): string {
  const tabs = "\t".repeat(depth);
  const lines = members.map(([name, json]) => `${tabs}\t${quoted(name)}:\t${json}`);
  return `{\n${lines.join(",\n")}\n${tabs}}`;
}

/** cJSON escapes the same characters in the same way. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

function base64(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return `"${bytes.toString("base64")}"`;
}
