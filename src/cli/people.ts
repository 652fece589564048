/**
 * Messages as people read them on a terminal: ts-sub -v with colours, payloads of JSON laid out by
 * --pretty. Only the looks differ from what goes to a pipe.
 *
 * Text is a byte string, one character for one byte (see `json.ts`).
 */
import type { ReceivedMessage } from "../client/message.ts";
import { utf8Bytes } from "../core/base/json-layout.ts";
import type { Colours } from "./colours.ts";
import { reprintJson } from "./json.ts";

export interface Looks {
  readonly isVerbose: boolean;
  readonly isPretty: boolean;
  /** "\n", or "" with -N. */
  readonly newline: string;
  readonly colours: Colours;
}

/** What is printed for a message; "" for nothing, as mosquitto has it for an empty payload. */
export function shownToPeople(message: ReceivedMessage, looks: Looks): string {
  const { topic, payload } = message;
  const { isVerbose, isPretty, newline, colours } = looks;
  const name = isVerbose ? `${colours.topic(utf8Bytes(topic))} ` : "";
  if (payload.length === 0) {
    return isVerbose && newline !== "" ? `${name}${colours.metadata("(null)")}${newline}` : "";
  }
  const text = payload.toString("latin1");
  const json = isPretty ? reprintJson(text, 0, true) : undefined;
  return `${name}${json === undefined ? text : colouredJson(json, colours)}${newline}`;
}

/** @param json Well-formed: what `reprintJson` has printed. */
export function colouredJson(json: string, colours: Colours): string {
  const token = /("(?:[^"\\]|\\.)*")(:?)|[^\s{}[\],:"]+/gs;
  return json.replace(token, (all, text: string | undefined, colon: string) => {
    if (text === undefined) return colours.literal(all);
    return (colon === "" ? colours.string(text) : colours.key(text)) + colon;
  });
}
