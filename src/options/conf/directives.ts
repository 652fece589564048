/** Every option of ts-broker.conf, by name: what the parser, the man page and tests go through. */
import { BRIDGE_DIRECTIVES, CONNECTION_DIRECTIVES } from "./bridge-directives.ts";
import type { Directive } from "./directive.ts";
import { GENERAL_DIRECTIVES, SECURITY_DIRECTIVES } from "./general-directives.ts";
import { ADDRESS_DIRECTIVES, LISTENER_DIRECTIVES } from "./listener-directives.ts";
import { LOG_DIRECTIVES } from "./log-directives.ts";
import { PERSISTENCE_DIRECTIVES, STORE_DIRECTIVES } from "./persistence-directives.ts";
import {
  ACL_PLUGIN_DIRECTIVES,
  DYNAMIC_SECURITY_DIRECTIVES,
  PASSWORD_PLUGIN_DIRECTIVES,
  PLUGIN_DIRECTIVES,
} from "./plugin-directives.ts";

/** A row, with the key that its value has. */
export interface Entry {
  readonly key: string;
  readonly row: Directive<unknown>;
}

/** Rows in the order of the man page. */
export const DIRECTIVES: readonly Entry[] = [
  GENERAL_DIRECTIVES,
  SECURITY_DIRECTIVES,
  PERSISTENCE_DIRECTIVES,
  STORE_DIRECTIVES,
  PLUGIN_DIRECTIVES,
  DYNAMIC_SECURITY_DIRECTIVES,
  ACL_PLUGIN_DIRECTIVES,
  PASSWORD_PLUGIN_DIRECTIVES,
  LOG_DIRECTIVES,
  ADDRESS_DIRECTIVES,
  LISTENER_DIRECTIVES,
  CONNECTION_DIRECTIVES,
  BRIDGE_DIRECTIVES,
].flatMap((table) => Object.entries(table).map(([key, row]) => ({ key, row })));

const BY_NAME = new Map<string, Entry>(
  DIRECTIVES.flatMap((entry) =>
    [entry.row.name, ...(entry.row.aliases ?? [])].map((name) => [name, entry] as const),
  ),
);

export function findDirective(name: string): Entry | undefined {
  return BY_NAME.get(name);
}

/** The known name that is spelled most like `name`, when one is near enough to be meant. */
export function nearestName(name: string): string | undefined {
  const wanted = name.toLowerCase().slice(0, NAME_LENGTH_MAX);
  let nearest: string | undefined;
  // A third of the letters may be wrong: more is another word.
  let distance = Math.floor(wanted.length / 3) + 1;
  for (const known of BY_NAME.keys()) {
    const apart = distanceBetween(wanted, known);
    if (apart < distance) [nearest, distance] = [known, apart];
  }
  return nearest;
}

/** Longer names than this are like none of ours, and are not compared to their end. */
const NAME_LENGTH_MAX = 64;

/** How many letters must be added, left out, replaced or swapped to make `a` into `b`. */
function distanceBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
      }
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
