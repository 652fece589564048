/** What the log calls the reasons for which a bridge has no connection. */
import { reasonText } from "../client/errors.ts";
import { RETURN_CODE_WORDS } from "../core/errors.ts";
import type { Over } from "./passage.ts";

/** A reason code of 5.0, or in mosquitto's words a return code from before. */
export function reasonWords(code: number): string {
  return RETURN_CODE_WORDS[code] ?? reasonText(code);
}

/** Why there is no connection, to stand in a sentence. */
export function overWords(over: Over): string {
  switch (over.kind) {
    case "refused":
      return `refused: ${reasonWords(over.reasonCode)}`;
    case "ended":
      return `ended by the remote: ${reasonWords(over.reasonCode)}`;
    case "closed":
      return over.why;
    case "lost":
      return over.why === "" ? "closed by the remote" : over.why;
  }
}
