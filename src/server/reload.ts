/** Which new values a running broker takes over: those whose row in the directive table says so. */
import {
  type Configuration,
  type GeneralValues,
  reloadedPersistence,
} from "../options/conf/configuration.ts";
import { GENERAL_DIRECTIVES } from "../options/conf/general-directives.ts";

/** `next`, with the values that SIGHUP does not change as they are in `current`. */
export function reloaded(current: Configuration, next: Configuration): Configuration {
  const general: Record<string, unknown> = { ...current.general };
  for (const [key, row] of Object.entries(GENERAL_DIRECTIVES)) {
    if (row.reload === "yes") general[key] = next.general[key as keyof GeneralValues];
  }
  // Filled from two sets of the same values.
  const persistence = reloadedPersistence(current.persistence, next.persistence);
  return { ...next, persistence, plugins: current.plugins, general: general as GeneralValues };
}
