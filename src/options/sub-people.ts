/** The options of ts-sub for people and for ts-pub: a table, and lines that lose nothing. */
import type { Version } from "../core/codec/packets.ts";
import { flag } from "./option.ts";
import { UsageError } from "./usage-error.ts";

const OUTPUT = "Output";

export const PEOPLE_OPTIONS = {
  ndjson: flag({
    long: "ndjson",
    group: OUTPUT,
    brief: "Print each message as a line of JSON that loses nothing",
    text: [
      "Prints each message as a JSON object in one line, for ts-pub --ndjson. It is what -F %j",
      "prints, but bytes that are no UTF-8 stand in base64, as payload-base64 or",
      "correlation-data-base64, and NUL does not end anything. The retain flag is that of the",
      "publisher with the retain-as-published option only. It switches to MQTT 5.0, and excludes",
      "-F, the watch and the message-rate option.",
    ].join(" "),
    implies: { version: 5 as Version },
  }),
  watch: flag({
    long: "watch",
    short: "w",
    group: OUTPUT,
    brief: "Show a table of topics, if on a terminal",
    text: [
      "On a terminal, shows a line for each topic with its messages per second, the age of the last",
      "one and its payload, and keeps that up to date. Topics that the window has no line for are",
      "counted. Elsewhere, and with the debug option, it prints topics and payloads as they come.",
    ].join(" "),
  }),
} as const;

/** @throws {UsageError} for two ways at once to show messages. */
export function checkShowing(values: {
  readonly ndjson: boolean;
  readonly watch: boolean;
  readonly messageRate: boolean;
  readonly format: string | undefined;
}): void {
  if (!values.ndjson) return;
  const [other] = [
    ...(values.watch ? ["--watch"] : []),
    ...(values.messageRate ? ["--message-rate"] : []),
    ...(values.format === undefined ? [] : ["-F"]),
  ];
  if (other === undefined) return;
  const message = `Error: Combining '${other}' and '--ndjson' makes no sense.`;
  throw new UsageError("conflict", message);
}
