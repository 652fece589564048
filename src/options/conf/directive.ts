/**
 * One option of ts-broker.conf as its author writes it: what it is called, what it may be, whose
 * it is and whether it is read again on SIGHUP.
 *
 * Rows turn the rest of a line into a value, and refuse in mosquitto's words. They open, resolve
 * and log nothing: what is to be said when an option is met stands in its `notes`.
 */
import { isValidString } from "../../core/codec/utf8.ts";
import { wholeLong } from "../numbers.ts";
import { UsageError } from "../usage-error.ts";

/**
 * Whose the value is: the broker's; the listener's above it (the default listener's, before the
 * first); `security`, which is the broker's, and the listener's with per_listener_settings;
 * `address`: it makes a listener, and has no value beside; `plugin`: it names a plugin, or is the
 * option of one; `connection`: it makes a bridge; or `bridge`: it is of the bridge above it, and
 * refused before the first.
 */
export type Scope =
  | "general"
  | "listener"
  | "security"
  | "address"
  | "plugin"
  | "connection"
  | "bridge";

/** Whether SIGHUP applies a new value: to the broker, to the living listener, or not at all. */
export type Reload = "yes" | "listener" | "no";

/** Types of log lines that reading a configuration causes, by mosquitto's names. */
export type NoteType = "information" | "notice" | "warning";

export interface Note {
  readonly type: NoteType;
  readonly text: string;
}

/** The rest of a line, after the option's name. */
export interface Rest {
  /** The option as the line has it, which may be an alias. */
  readonly name: string;
  /** Without blanks around it; those inside are kept. Empty when there is nothing. */
  readonly text: string;
  /** Up to the first blank. */
  readonly word: string;
  /** Whether the option has been met before for the same owner. */
  readonly again: boolean;
  /** Whether the line holds bytes that are no UTF-8. */
  readonly isMalformed: boolean;
}

export interface Directive<Value> {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** The value in the man page: a placeholder in capitals, or words with | between them. */
  readonly value: string;
  /** Heading it stands under in the man page. */
  readonly group: string;
  readonly scope: Scope;
  readonly reload: Reload;
  /** For the man page: whole sentences, with units and default. */
  readonly text: string;
  /** Logged each time it is met, before its value is looked at; or what the line makes of it. */
  readonly notes?: readonly Note[] | ((rest: Rest) => readonly Note[]);
  /** Refused before the first `listener` line. */
  readonly needsListener?: boolean;
  /** Refused before the first line that names a plugin. */
  readonly needsPlugin?: boolean;
  /** Throws `UsageError` without the place, which the parser adds. */
  read(rest: Rest, soFar: Value): Value;
  readonly fallback: Value;
}

export type DirectiveTable = Readonly<Record<string, Directive<unknown>>>;

/** The values of a table, typed from its rows. */
export type DirectiveValues<Table extends DirectiveTable> = {
  -readonly [Key in keyof Table]: Table[Key] extends Directive<infer Value> ? Value : never;
};

type Row<Value> = Omit<Directive<Value>, "read" | "fallback" | "value"> & {
  readonly value?: string;
};

/** true, false, 1 or 0, and nothing else. */
export function boolean<Fallback>(
  row: Row<boolean | Fallback> & { readonly fallback: Fallback },
): Directive<boolean | Fallback> {
  return { value: "true|false", ...row, read: (rest) => readBoolean(rest) };
}

/** A whole number within bounds: decimal, 0x hexadecimal or 0 octal. */
export function integer<Fallback extends number | undefined>(
  row: Row<number | Fallback> & {
    readonly value: string;
    readonly min: number;
    readonly max?: number;
    /** What is said instead of the usual sentence when it is out of bounds. */
    readonly refusal?: string;
    readonly fallback: Fallback;
  },
): Directive<number | Fallback> {
  const { min, max = Number.MAX_SAFE_INTEGER } = row;
  return {
    ...row,
    read(rest) {
      const value = readInteger(rest);
      if (value >= min && value <= max) return value;
      throw bad(row.refusal ?? `Error: Invalid ${rest.name} value (${rest.word}).`);
    },
  };
}

/** A count of which 0 means no limit; less than 0 is 0, as mosquitto has it, more than max max. */
export function limit(
  row: Row<number> & { readonly value: string; readonly max?: number; readonly fallback: number },
): Directive<number> {
  const { max = Number.MAX_SAFE_INTEGER } = row;
  return { ...row, read: (rest) => Math.min(Math.max(0, readInteger(rest)), max) };
}

/** Text with its blanks, once only. */
export function text<Fallback extends string | undefined>(
  row: Row<string | Fallback> & {
    readonly value: string;
    readonly check?: (word: string) => void;
    readonly fallback: Fallback;
  },
): Directive<string | Fallback> {
  return {
    ...row,
    read(rest) {
      const value = readText(rest);
      row.check?.(value);
      return value;
    },
  };
}

/** Accepted for the sake of old files, and without effect. */
export function ignored(row: Row<undefined> & { readonly value: string }): Directive<undefined> {
  return { ...row, read: () => undefined, fallback: undefined };
}

export function readText(rest: Rest): string {
  if (rest.text === "") throw empty(rest.name);
  if (rest.again) throw bad(`Error: Duplicate ${rest.name} value in configuration.`);
  if (rest.isMalformed || !isValidString(rest.text)) throw malformed();
  return rest.text;
}

export function readInteger(rest: Rest): number {
  if (rest.word === "") throw empty(rest.name);
  const value = wholeLong(rest.word);
  if (value === undefined) throw bad(`Error: Invalid ${rest.name} value (${rest.word}).`);
  return Number(value);
}

export function readBoolean(rest: Rest): boolean {
  const { name, word } = rest;
  if (word === "") throw empty(name);
  if (word === "true" || word === "1") return true;
  if (word === "false" || word === "0") return false;
  throw bad(`Error: Invalid ${rest.name} value (${word}).`);
}

export function empty(name: string): UsageError {
  return bad(`Error: Empty ${name} value in configuration.`);
}

/** A value that is no string of MQTT: no UTF-8, with a control character, or over 65535 bytes. */
export function malformed(): UsageError {
  return bad("Error: Malformed UTF-8 in configuration.");
}

export function bad(message: string): UsageError {
  return new UsageError("bad-configuration", message, "nothing");
}

/** The line that mosquitto logs for an option that is to go. */
export function deprecated(name: string, advice: string): readonly Note[] {
  const text = `The '${name}' option is now deprecated and will be removed in a future version.`;
  return [{ type: "notice", text: advice === "" ? text : `${text} ${advice}` }];
}
