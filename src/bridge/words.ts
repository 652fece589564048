/** What the log calls the reasons for which a bridge has no connection. */
import { REASONS } from "../core/errors.ts";
import type { Over } from "./passage.ts";

/** Return codes of CONNACK before 5.0, in mosquitto's words. */
const RETURN_CODES: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "identifier rejected",
  3: "broker unavailable",
  4: "bad user name or password",
  5: "not authorised",
};

const BY_CODE = new Map<number, string>(
  Object.values(REASONS).map(({ code, text }) => [code, text] as const),
);

/** A reason code of 5.0, or a return code from before. */
export function reasonWords(code: number): string {
  return BY_CODE.get(code) ?? RETURN_CODES[code] ?? `reason code ${code}`;
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
