/** What does not belong together in a database: rows that name others which are not there. */
import { PropertiesJsonError, propertyBytes } from "./properties-json.ts";
import { type Contents, STATE } from "./rows.ts";

/** So many of a kind are told one by one; then only how many more there are. */
const OF_A_KIND_MAX = 10;

/** Each problem in a line, without a full stop; none when everything belongs together. */
export function problemsIn(contents: Contents): string[] {
  const { clients, baseMessages, clientMessages, retains, subscriptions, wills } = contents;
  const clientIds = new Set(clients.map(({ clientId }) => clientId));
  const bases = new Set(baseMessages.map(({ storeId }) => storeId));
  const used = new Set([...clientMessages, ...retains].map(({ storeId }) => storeId));
  const stranger = ({ clientId }: { readonly clientId: string }) => !clientIds.has(clientId);
  return [
    ...told(clientMessages.filter(stranger), (row) => {
      return `message ${row.storeId} is for client ${quoted(row.clientId)}, which is not there`;
    }),
    ...told(
      clientMessages.filter(({ storeId }) => !bases.has(storeId)),
      (row) =>
        `client ${quoted(row.clientId)} is to get message ${row.storeId}, which is not there`,
    ),
    ...told(
      clientMessages.filter(({ state }) => state < STATE.publishQos0 || state > STATE.queued),
      (row) =>
        `message ${row.storeId} of client ${quoted(row.clientId)} is in state ${row.state}, ` +
        "which does not exist",
    ),
    ...told(
      retains.filter(({ storeId }) => !bases.has(storeId)),
      (row) => `topic ${quoted(row.topic)} retains message ${row.storeId}, which is not there`,
    ),
    ...told(subscriptions.filter(stranger), (row) => {
      const who = quoted(row.clientId);
      return `subscription ${quoted(row.topic)} is of client ${who}, which is not there`;
    }),
    ...told(wills.filter(stranger), (row) => {
      return `a will is of client ${quoted(row.clientId)}, which is not there`;
    }),
    ...told(
      baseMessages.filter(({ storeId }) => !used.has(storeId)),
      (row) => `message ${row.storeId} is for no client and no topic retains it`,
    ),
    ...told(
      baseMessages.filter(({ properties }) => whatIsWrongWith(properties) !== undefined),
      (row) =>
        `the properties of message ${row.storeId} are none: ${whatIsWrongWith(row.properties)}`,
    ),
    ...told(
      wills.filter(({ properties }) => whatIsWrongWith(properties) !== undefined),
      (row) =>
        `the properties of the will of client ${quoted(row.clientId)} are none: ` +
        whatIsWrongWith(row.properties),
    ),
  ];
}

function told<Row>(rows: readonly Row[], tell: (row: Row) => string): string[] {
  const lines = rows.slice(0, OF_A_KIND_MAX).map(tell);
  if (rows.length > OF_A_KIND_MAX) {
    lines.push(`and ${rows.length - OF_A_KIND_MAX} more like the last one`);
  }
  return lines;
}

/** Names come from clients: a line stays one line. */
function quoted(name: string): string {
  return JSON.stringify(name);
}

function whatIsWrongWith(properties: string | null): string | undefined {
  try {
    propertyBytes(properties);
    return undefined;
  } catch (error) {
    if (error instanceof PropertiesJsonError) return error.message;
    throw error;
  }
}
