/**
 * What the man page says of bridges beside their options: how topics are made, with what the parser
 * makes of each combination, and one bridge as a whole.
 */
import type { Example } from "../programs.ts";
import { UsageError } from "../usage-error.ts";
import { readBridgeTopic } from "./bridge-topic.ts";

export const REMAPPING_TEXT: readonly string[] = [
  [
    "A message that goes out loses LOCAL at the beginning of its topic and gets REMOTE there; one",
    "that comes in loses REMOTE and gets LOCAL. So a tree of topics here may be a branch of the tree",
    "there, and the other way round. PATTERN is a topic filter, with its wildcards; LOCAL and REMOTE",
    "have none, and end in a slash where a level is to end. An empty PATTERN stands for one topic",
    "that has another name there.",
  ].join(" "),
  [
    "Bridges can send messages in circles: two that share the same topics, for instance, from either",
    "broker to the other. Where the same message comes by one bridge again and again and goes out by",
    "another, the broker holds what is for them for about a second, to see whether it comes back",
    "because it went out. If so, it says between which two connections messages loop, and what comes",
    "back goes out no more. It cannot see circles that take more than 0.6 seconds, whose topics",
    "change with each round, or that do not lead through it; change the topic lines.",
  ].join(" "),
  "What can be given, and the topics that it makes:",
];

/** Those of mosquitto.conf(5). */
const COMBINATIONS: readonly (readonly [pattern: string, local: string, remote: string])[] = [
  ["pattern", "L/", "R/"],
  ["pattern", "L/", ""],
  ["pattern", "", "R/"],
  ["pattern", "", ""],
  ["", "local", "remote"],
  ["", "local", ""],
  ["", "", "remote"],
  ["", "", ""],
];

const WIDTH = 12;

/** A table of them, line by line. */
export function remappingLines(): string[] {
  const rows = COMBINATIONS.map((words) => {
    const [pattern = "", local = "", remote = ""] = words.map((word) => word || '""');
    return [pattern, local, remote, ...topicsOf(`${pattern} both 0 ${local} ${remote}`)];
  });
  return [["PATTERN", "LOCAL", "REMOTE", "topic here", "topic there"], ...rows].map((cells) =>
    cells
      .map((cell) => cell.padEnd(WIDTH))
      .join("")
      .trimEnd(),
  );
}

/** The topics here and there, by the parser itself. */
function topicsOf(text: string): string[] {
  const rest = { name: "topic", text, word: "", again: false, isMalformed: false };
  try {
    const { pattern, localPrefix, remotePrefix } = readBridgeTopic(rest);
    return [localPrefix + pattern, remotePrefix + pattern];
  } catch (error) {
    if (error instanceof UsageError) return ["refused"];
    throw error;
  }
}

export const BRIDGE_EXAMPLE: Example = {
  text: [
    "A bridge from the broker of a house to that of its street. What is measured in the hall here,",
    "on measured/hall, is on street/7/measured/hall there, and waits while there is no connection.",
    "News on street/news there are on news here.",
  ].join(" "),
  command: [
    "connection street",
    "address broker.example.net:8883",
    "bridge_tls_use_os_certs true",
    "remote_username house7",
    "remote_password secret",
    'topic measured/# out 1 "" street/7/',
    'topic news in 1 "" street/',
  ].join("\n"),
};
