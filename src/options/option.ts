/**
 * One option as its author writes it, and the table it stands in.
 *
 * The table is folded several ways: `words.ts` parses with it, `render/` writes help, man page and
 * completions from it. An option that does not work yet has no row, so that it is refused.
 *
 * Rows open and resolve nothing: they turn words into values, and refuse in mosquitto's words.
 */

/** What a shell may offer for the value. */
export type Completion = readonly string[] | "file" | "host" | "none";

/** The words after an option's name, taken one at a time. A value may begin with a dash. */
export interface Operands {
  /** @throws {UsageError} the row's `missing` sentence, when the line has ended. */
  take(): string;
  /** How many are left. */
  readonly left: number;
  /** Whether somebody could be asked on a terminal for what is not here. */
  canAsk(): boolean;
}

/** What help, man page and completions know of an option. */
export interface Description {
  /** Long name, without dashes. */
  readonly long?: string;
  /** One letter, without the dash. One of the two names there must be. */
  readonly short?: string;
  /** Name of the value or values in help and man. Absent: a switch. */
  readonly value?: string;
  /** Heading it stands under, in help and man. */
  readonly group: string;
  /** For --help: starts with a verb, no full stop, at most 60 columns. */
  readonly brief: string;
  /** For the man page: whole sentences, with units, default and what it excludes. */
  readonly text: string;
  /** What counts when it is not given, for --help. */
  readonly standard?: string;
  readonly complete?: Completion;
  /** The same for the second of several words. */
  readonly completeSecond?: readonly string[];
  /** May be given more than once, each adding to the others. */
  readonly repeatable?: boolean;
}

export interface Option<Value> extends Description {
  /** The whole sentence when the words end before the value does. */
  readonly missing?: string;
  /** Rows (by key) that may not have been met before this one, and the sentence that says so. */
  readonly excludes?: { readonly keys: readonly string[]; readonly message: string };
  /** Values that other rows (by key) take when this one is met; a later word may change them. */
  readonly implies?: Readonly<Record<string, unknown>>;
  /** As `implies`, for values that depend on this one and on what the walk has found so far. */
  sets?(value: Value, soFar: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** Ends the walk: what follows is not looked at, nor are combinations checked. */
  readonly stops?: boolean;
  /** Turns operands into the value, given what earlier occurrences left. Throws `UsageError`. */
  take(operands: Operands, soFar: Value): Value;
  readonly fallback: Value;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The parsed values of a table, typed from its rows. */
export type Values<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Option<infer Value> ? Value : never;
};

type Row<Value> = Omit<Option<Value>, "take" | "fallback">;

/** A switch: false unless given. */
export function flag(row: Row<boolean>): Option<boolean> {
  return { ...row, take: () => true, fallback: false };
}

/** An option with one word as its value. Given again, the last one counts. */
export function valued<Value, Fallback>(
  row: Row<Value | Fallback> & {
    readonly parse: (word: string) => Value;
    readonly fallback: Fallback;
  },
): Option<Value | Fallback> {
  return { ...row, take: (operands) => row.parse(operands.take()) };
}

/** An option whose words add up. */
export function repeated<Value>(
  row: Row<readonly Value[]> & { readonly parse: (word: string) => Value },
): Option<readonly Value[]> {
  return {
    ...row,
    repeatable: true,
    fallback: [],
    take: (operands, soFar) => [...soFar, row.parse(operands.take())],
  };
}

/** Takes the word as it stands. */
export function anyWord(word: string): string {
  return word;
}
