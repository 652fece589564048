/**
 * What a command of dynamic security is told, checked, with mosquitto's words for what is wrong.
 */
import { type Json, JsonObject, textOf } from "../../core/base/json-tree.ts";
import { isValidString } from "../../core/codec/utf8.ts";
import { PRIORITY_NONE, priorityOf } from "./ranked.ts";

/** Of a C int. */
const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

/** Why a command is not carried out. The message is mosquitto's, which programs compare. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** What things are called that a command names, in its errors. */
const NAMES = {
  username: "Username",
  clientid: "Client ID",
  groupname: "Group name",
  rolename: "Role name",
  topic: "Topic",
} as const;

export type NameKey = keyof typeof NAMES;

/** A role or group a client or group is to have. */
export interface Named {
  readonly name: string;
  readonly priority: number;
}

export class Arguments {
  private readonly object: JsonObject;

  constructor(object: JsonObject) {
    this.object = object;
  }

  /** The name of something, which has to be there and fit for an MQTT string. */
  name(key: NameKey): string {
    return this.valid(key, this.existing(key));
  }

  /** A string that has to be there, whatever is in it. */
  existing(key: string): string {
    const text = this.string(key);
    if (text === undefined) throw new CommandError(`Invalid/missing ${key}`);
    return text;
  }

  /**
   * A string that need not be there.
   *
   * @param called What it is called where it is something else.
   */
  optional(key: string, called: string = key): string | undefined {
    const value = this.object.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw new CommandError(`Invalid/missing ${called}`);
    return textOf(value);
  }

  /** The client identifier to come with; null for none, undefined where nothing is said of it. */
  clientId(called: string): string | null | undefined {
    const clientId = this.optional("clientid", called);
    if (clientId === undefined) return undefined;
    return clientId === "" ? null : this.valid("clientid", clientId);
  }

  /** A string; undefined for none and for what is something else. */
  string(key: string): string | undefined {
    const value = this.object.get(key);
    return typeof value === "string" ? textOf(value) : undefined;
  }

  boolean(key: string): boolean | undefined {
    const value = this.object.get(key);
    return typeof value === "boolean" ? value : undefined;
  }

  /** A whole number, as C makes one of any other. */
  whole(key: string, fallback: number): number {
    const value = this.object.get(key);
    if (typeof value !== "number") return fallback;
    return Math.max(INT_MIN, Math.min(Math.trunc(value), INT_MAX)) + 0;
  }

  priority(fallback: number = PRIORITY_NONE): number {
    return priorityOf(this.whole("priority", fallback));
  }

  /** What stands in an array, but for what is no object; undefined where there is no array. */
  entries(key: string): Arguments[] | undefined {
    const value = this.object.get(key);
    if (!isArray(value)) return undefined;
    return value.filter((item) => item instanceof JsonObject).map((item) => new Arguments(item));
  }

  /**
   * Roles with their priorities; undefined where nothing is said of them.
   *
   * @param words The error for what is no such list.
   */
  roles(words: string): Named[] | undefined {
    const value = this.object.get("roles");
    if (value === undefined) return undefined;
    const entries = this.entries("roles");
    if (entries === undefined || entries.length < (value as readonly Json[]).length) {
      throw new CommandError(words);
    }
    return entries.map((entry) => {
      const name = entry.string("rolename");
      if (name === undefined) throw new CommandError(words);
      return { name, priority: entry.priority() };
    });
  }

  /** Groups or clients with their priorities; what names none is passed over. */
  named(key: string, nameKey: NameKey): Named[] | undefined {
    return this.entries(key)?.flatMap((entry) => {
      const name = entry.string(nameKey);
      return name === undefined ? [] : [{ name, priority: entry.priority() }];
    });
  }

  private valid(key: NameKey, text: string): string {
    // What was no UTF-8 has become U+FFFD.
    if (isValidString(text) && !text.includes("\ufffd")) return text;
    throw new CommandError(`${NAMES[key]} not valid UTF-8`);
  }
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
