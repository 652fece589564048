/**
 * The options of ts-pub about lines that mosquitto_pub does not have: messages as JSON, their
 * recorded timing, and a file that keeps lines across the end of the program.
 */
import type { Version } from "../core/codec/packets.ts";
import { anyWord, flag, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";

const LINES = "Lines";

export const LINE_OPTIONS = {
  ndjson: flag({
    long: "ndjson",
    group: LINES,
    brief: "Send the message that each line of standard input is",
    text: [
      "Reads standard input and sends each line as the message that it is: a JSON object as ts-sub",
      "--ndjson or -F %j prints it, with topic, payload or payload-base64, qos, retain and",
      "properties. Only a payload is required: topic, qos, retain and properties are those of",
      "the other options where a line has none. A payload may also be JSON itself, sent",
      "without its white space. A line that is no message is passed over, with a sentence on standard error",
      "and status 1 in the end. It switches to MQTT 5.0.",
    ].join(" "),
    implies: { version: 5 as Version },
  }),
  replay: flag({
    long: "replay",
    group: LINES,
    brief: "Send the lines of --ndjson as far apart as recorded",
    text: [
      "Keeps the recorded timing: sends the first message at once, and each other one as long",
      "after it as its tst says. It needs the ndjson option and excludes the spool option.",
    ].join(" "),
  }),
  speed: valued({
    long: "speed",
    value: "FACTOR",
    group: LINES,
    brief: "Replay FACTOR times as fast, fractions allowed",
    text: "How many times as fast as recorded --replay is, 1 unless given. It needs that option.",
    standard: "1",
    missing: "Error: --speed argument given but no factor specified.",
    parse: parseSpeed,
    fallback: undefined,
  }),
  spool: valued({
    long: "spool",
    value: "FILE",
    group: LINES,
    brief: "Keep lines in FILE until they have been delivered",
    text: [
      "Puts each line into this file before it counts as read, and takes it out when the broker has",
      "acknowledged or refused it, with QoS 0 when it has been sent. What is left when ts-pub ends,",
      "however it ends, the next run with the same file and topic sends first, in order. After a",
      "kill or a loss of power, lines that were under way or just acknowledged may arrive a second",
      "time, with QoS 2 too, because the next run has a session of its own. While there has been no",
      "connection yet it reads on and keeps trying to connect, to the end of its input. One",
      "ts-pub at a time has the file. It needs -l or the ndjson option.",
    ].join(" "),
    complete: "file",
    missing: "Error: --spool argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
} as const;

/** What `checkLines` looks at. */
export interface LineValues {
  readonly lines: boolean;
  readonly ndjson: boolean;
  readonly replay: boolean;
  readonly speed: number | undefined;
  readonly spool: string | undefined;
}

/** @throws {UsageError} for options that mean nothing without another, or beside it. */
export function checkLines({ lines, ndjson, replay, speed, spool }: LineValues): void {
  if (replay && !ndjson) throw incomplete("Error: --replay needs --ndjson.");
  if (speed !== undefined && !replay) throw incomplete("Error: --speed needs --replay.");
  if (spool === undefined) return;
  if (!lines && !ndjson) throw incomplete("Error: --spool needs -l or --ndjson.");
  if (replay) {
    const message = "Error: --replay and --spool cannot be used together.";
    throw new UsageError("conflict", message);
  }
}

function parseSpeed(word: string): number {
  const factor = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : 0;
  if (factor > 0 && Number.isFinite(factor)) return factor;
  throw new UsageError("bad-value", "Error: --speed argument must be >0.", "far-hint");
}

function incomplete(message: string): UsageError {
  return new UsageError("incomplete", message);
}
