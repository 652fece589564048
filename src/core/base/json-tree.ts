/**
 * JSON as a tree, read by cJSON's rules (`json-scan.ts`): names are found whatever their case, and
 * of several members with one name the first counts.
 *
 * Strings are byte strings, cut at their first NUL; `textOf` makes text of one.
 */
import { JsonScanner, NOT_JSON } from "./json-scan.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export class JsonObject {
  /** By name in lower case. */
  private readonly members = new Map<string, Json>();

  /** The value of that name, which is given in lower case; undefined where there is none. */
  get(name: string): Json | undefined {
    return this.members.get(name);
  }

  /** Keeps the first of those with one name. */
  add(name: string, value: Json): void {
    const known = name.toLowerCase();
    if (!this.members.has(known)) this.members.set(known, value);
  }
}

/**
 * The JSON that `text` begins with. What follows it is not looked at, as with cJSON_Parse.
 *
 * @param text A byte string.
 * @returns undefined when it is none.
 */
export function readJson(text: string): Json | undefined {
  const scanner = new JsonScanner(text);
  try {
    scanner.skipSpace();
    return valueIn(scanner, 0);
  } catch (error) {
    if (error === NOT_JSON) return undefined;
    throw error;
  }
}

/** The text of a byte string: what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: string): string {
  return /^[\x00-\x7f]*$/.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");
}

/** @param nesting How many arrays and objects are open. */
function valueIn(scanner: JsonScanner, nesting: number): Json {
  switch (scanner.next) {
    case '"':
      return cut(scanner.string());
    case "{": {
      const object = new JsonObject();
      scanner.each(nesting, "}", () => {
        object.add(cut(scanner.key()), valueIn(scanner, nesting + 1));
      });
      return object;
    }
    case "[": {
      const array: Json[] = [];
      scanner.each(nesting, "]", () => void array.push(valueIn(scanner, nesting + 1)));
      return array;
    }
  }
  const word = scanner.word();
  if (word === undefined) return scanner.number();
  return word === "null" ? null : word === "true";
}

/** A C string ends at its first NUL. */
function cut(bytes: string): string {
  const end = bytes.indexOf("\0");
  return end < 0 ? bytes : bytes.slice(0, end);
}
