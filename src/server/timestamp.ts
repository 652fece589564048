/** What a log line of ts-broker begins with (log_timestamp, log_timestamp_format). */

import { compileStrftime } from "../core/base/strftime.ts";
import type { Stamp } from "./log-sinks.ts";

export interface TimestampOptions {
  readonly timestamp: boolean;
  /** For strftime; seconds since 1970 when undefined. */
  readonly timestampFormat: string | undefined;
}

/** Seconds since 1970, or the time by a strftime(3) format, or nothing at all. */
export function stampOf({ timestamp, timestampFormat }: TimestampOptions): Stamp {
  if (!timestamp) return () => "";
  if (timestampFormat === undefined) return (now) => `${Math.floor(now.getTime() / 1000)}: `;
  const parts = partsOf(timestampFormat);
  return (now) => `${parts.map((part) => part(now)).join("")}: `;
}

function partsOf(format: string): ((now: Date) => string)[] {
  const words = format.match(/%[\s\S]|[^%]+|%$/g) ?? [];
  return words.map((word) => {
    if (word.length === 2 && word.startsWith("%")) return compileStrftime(word[1]!);
    return () => word;
  });
}
