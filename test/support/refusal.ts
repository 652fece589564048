/** What a reader refused, in the two words that a peer and a log get to see. */
import { ProtocolError } from "../../src/core/errors.ts";

/** Runs `read` and gives the reason and the rule of the `ProtocolError` it must end in. */
export function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ProtocolError) return `${error.reason} ${error.rule}`;
    throw error;
  }
  return "nothing was refused";
}
