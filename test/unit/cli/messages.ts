/** Messages and moments for the tests of what ts-sub prints. Fields left out do not matter. */
import type { Instant } from "../../../src/cli/format.ts";
import type { ReceivedMessage } from "../../../src/client/message.ts";

export function message(fields: Partial<ReceivedMessage> = {}): ReceivedMessage {
  return {
    topic: "a/b",
    payload: Buffer.from("hello"),
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    properties: {},
    ...fields,
  };
}

/** The 22nd of November 2026, a Sunday, 17:43:54 UTC and some nanoseconds. */
export const SUNDAY: Instant = { seconds: 1_795_369_434, nanoseconds: 6_026_088 };
