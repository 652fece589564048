/**
 * Walks the words of a command line over an option table, by mosquitto's rules.
 *
 * A word is an option's whole name or it is unknown: no `--qos=1`, no `-q1`, no `-dv`, no `--`.
 * An option's value is the next word, whatever it begins with. The first mistake in reading order
 * is the one reported.
 *
 * Does not check combinations that need the whole line: those are in the tables, run afterwards.
 */
import type { Operands, Option, OptionTable, Values } from "./option.ts";
import { type Aftermath, UsageError } from "./usage-error.ts";

/** How a program speaks of the mistakes that every table has. */
export interface Manners {
  readonly unknown: Aftermath;
  readonly missing: Aftermath;
}

/** mosquitto_pub and mosquitto_sub: a pointer to --help. */
export const CLIENT_MANNERS: Manners = { unknown: "hint", missing: "far-hint" };

/** mosquitto: the usage for an unknown word, a log line for the rest. */
export const BROKER_MANNERS: Manners = { unknown: "usage", missing: "nothing" };

/** Every option name, with its dashes, and the key of its row. */
function namesOf(table: OptionTable): Map<string, string> {
  const names = new Map<string, string>();
  for (const [key, row] of Object.entries(table)) {
    if (row.short !== undefined) names.set(`-${row.short}`, key);
    if (row.long !== undefined) names.set(`--${row.long}`, key);
  }
  return names;
}

/** The table's values when nothing is asked. */
export function fallbacks<Table extends OptionTable>(table: Table): Values<Table> {
  const values: Record<string, unknown> = {};
  for (const [key, row] of Object.entries(table)) values[key] = row.fallback;
  return values as Values<Table>; // Built from the rows the type is built from.
}

/** What goes with the words of a command line. */
export interface Surroundings<Key = string> {
  /**
   * The words of each line of an option file. They come before those of the command line, and each
   * line stands for itself: no option takes its value from the next one.
   */
  readonly lines?: readonly (readonly string[])[];
  /** Whether there is somebody at a terminal who could be asked. Nobody, unless given. */
  canAsk?(): boolean;
  /** Told of each option as it is met: mosquitto reads a -c file at that moment. */
  onOption?(key: Key, value: unknown): void;
}

/**
 * The values that `words` ask for.
 *
 * @returns The values, and whether an option such as --help ended the walk early.
 * @throws {UsageError} for the first word that cannot be.
 */
export function parseWords<Table extends OptionTable>(
  table: Table,
  words: readonly string[],
  manners: Manners,
  surroundings: Surroundings<keyof Table> = {},
): { readonly values: Values<Table>; readonly stopped: boolean } {
  const names = namesOf(table);
  const values = fallbacks(table) as Record<string, unknown>;
  const met = new Set<string>();
  const { lines = [], canAsk = () => false, onOption } = surroundings;

  /** @returns Whether an option ended it early. */
  const walk = (words: readonly string[], canAsk: () => boolean): boolean => {
    let at = 0;
    while (at < words.length) {
      const name = words[at++]!;
      const key = names.get(name);
      if (key === undefined) {
        throw new UsageError("unknown-option", `Error: Unknown option '${name}'.`, manners.unknown);
      }
      const row: Option<unknown> = table[key]!;
      refuseExcluded(row, met);
      const operands: Operands = {
        take() {
          if (at < words.length) return words[at++]!;
          throw new UsageError("missing-value", row.missing ?? "", manners.missing);
        },
        get left() {
          return words.length - at;
        },
        canAsk,
      };
      values[key] = row.take(operands, values[key]);
      if (row.implies !== undefined) Object.assign(values, row.implies);
      if (row.sets !== undefined) Object.assign(values, row.sets(values[key], values));
      met.add(key);
      onOption?.(key, values[key]);
      if (row.stops) return true;
    }
    return false;
  };
  const stopped = lines.some((line) => walk(line, () => false)) || walk(words, canAsk);
  return { values: values as Values<Table>, stopped };
}

/**
 * Looks through words without judging them: what is wrong with them is for `parseWords` to say.
 *
 * @param onOption Told of each option that is met, with its value where that is good; when it
 *   returns true, that is the end.
 */
export function scanWords<Table extends OptionTable>(
  table: Table,
  words: readonly string[],
  onOption: (key: keyof Table, value: unknown) => boolean,
): void {
  const names = namesOf(table);
  let at = 0;
  const operands: Operands = {
    // The sentence is for whoever judges the words.
    take() {
      if (at < words.length) return words[at++]!;
      throw new UsageError("missing-value", "");
    },
    get left() {
      return words.length - at;
    },
    canAsk: () => true,
  };
  while (at < words.length) {
    const key = names.get(words[at++]!);
    if (key === undefined) continue;
    const row: Option<unknown> = table[key]!;
    let value: unknown;
    try {
      value = row.take(operands, row.fallback);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
    if (row.stops || onOption(key, value)) return;
  }
}

function refuseExcluded(row: Option<unknown>, met: ReadonlySet<string>): void {
  if (row.excludes?.keys.some((key) => met.has(key))) {
    throw new UsageError("conflict", row.excludes.message, "far-hint");
  }
}
