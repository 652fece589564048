/**
 * Which reason codes a rare packet may carry, and which return codes it carried before 5.0.
 *
 * The lists are those of both directions: broker and client know which side may say what. The
 * acknowledgements of a PUBLISH have theirs in `ack.ts`.
 */
import type { Rule } from "../errors.ts";
import type { Version } from "./packets.ts";

/** Packets whose codes are judged here. */
export type CodeCarrier = "connack" | "suback" | "unsuback" | "disconnect" | "auth";

interface Codes {
  readonly v5: readonly number[];
  readonly v5Rule: Rule;
  /** 3.1 and 3.1.1. */
  readonly before: readonly number[];
  readonly beforeRule: Rule;
}

const CODES: Readonly<Record<CodeCarrier, Codes>> = {
  connack: {
    v5: [
      0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95,
      0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ],
    v5Rule: "MQTT5-3.2.2-8",
    before: [0, 1, 2, 3, 4, 5],
    beforeRule: "MQTT-3.2.2-6",
  },
  suback: {
    v5: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
    v5Rule: "MQTT5-3.9.3-2",
    before: [0x00, 0x01, 0x02, 0x80],
    beforeRule: "MQTT-3.9.3-2",
  },
  unsuback: {
    v5: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
    v5Rule: "MQTT5-3.11.3-2",
    before: [],
    beforeRule: "§3.11",
  },
  disconnect: {
    // 0x8C is missing from the table of §3.14.2.1 and given to DISCONNECT by that of §2.4.
    v5: [
      0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93,
      0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ],
    v5Rule: "MQTT5-3.14.2-1",
    before: [0x00],
    beforeRule: "§3.14",
  },
  auth: {
    v5: [0x00, 0x18, 0x19],
    v5Rule: "MQTT5-3.15.2-1",
    before: [],
    beforeRule: "§2.2.1",
  },
};

/** The statement that `code` breaks in a packet of `carrier`, or undefined when it may stand. */
export function ruleAgainst(
  code: number,
  carrier: CodeCarrier,
  version: Version,
): Rule | undefined {
  const codes = CODES[carrier];
  if (version === 5) return codes.v5.includes(code) ? undefined : codes.v5Rule;
  return codes.before.includes(code) ? undefined : codes.beforeRule;
}
