/**
 * Which new values a running broker takes over: those whose row in the directive table says so
 * (the reload column of mosquitto-2.1 b). The others wait for the next start.
 */
import {
  type Configuration,
  type GeneralValues,
  type ListenerConfiguration,
  type PersistenceConfiguration,
  reloadedPersistence,
} from "../options/conf/configuration.ts";
import type { DirectiveTable } from "../options/conf/directive.ts";
import { GENERAL_DIRECTIVES } from "../options/conf/general-directives.ts";
import { LISTENER_DIRECTIVES } from "../options/conf/listener-directives.ts";
import { StartFailure } from "./failure.ts";

type Values = Readonly<Record<string, unknown>>;

/** A value that is not taken over. */
interface Waiting {
  readonly name: string;
  readonly isChanged: boolean;
}

/**
 * `next`, with the values that SIGHUP does not change as they are in `current`.
 *
 * @throws {StartFailure} What cannot be left as it is, for other lines depend on it.
 */
export function reloaded(current: Configuration, next: Configuration): Configuration {
  if (current.general.perListenerSettings !== next.general.perListenerSettings) {
    throw new StartFailure(3, "Error: per_listener_settings cannot be changed by a reload.");
  }
  return {
    ...next,
    // The values of one table, out of two sets of them.
    general: merged(GENERAL_DIRECTIVES, current.general, next.general) as GeneralValues,
    persistence: reloadedPersistence(current.persistence, next.persistence),
    plugins: current.plugins,
    listeners: pairs(current, next).map(([old, listener]) =>
      old === undefined ? listener : reloadedListener(old, listener),
    ),
  };
}

/** The options whose new values wait for the next start, by name. */
export function waitingIn(current: Configuration, next: Configuration): string[] {
  const waiting = [
    ...unchanging(GENERAL_DIRECTIVES, current.general, next.general),
    ...pairs(current, next).flatMap(([old, listener]) => listenerWaiting(old, listener)),
    { name: "persistence", isChanged: isOtherStore(current.persistence, next.persistence) },
    { name: "plugin", isChanged: isOther(current.plugins, next.plugins) },
  ];
  return [...new Set(waiting.filter(({ isChanged }) => isChanged).map(({ name }) => name))];
}

function reloadedListener(
  current: ListenerConfiguration,
  next: ListenerConfiguration,
): ListenerConfiguration {
  const { tls } = next;
  return {
    ...next,
    // Those of its own table: `next` has no others of that name.
    ...(kept(LISTENER_DIRECTIVES, { ...current }) as Partial<ListenerConfiguration>),
    tls: tls && { ...tls, minVersion: current.tls?.minVersion ?? tls.minVersion },
  };
}

function listenerWaiting(
  current: ListenerConfiguration | undefined,
  next: ListenerConfiguration,
): Waiting[] {
  if (current === undefined) return [];
  const [then, now] = [current.tls?.minVersion, next.tls?.minVersion];
  return [
    ...unchanging(LISTENER_DIRECTIVES, { ...current }, { ...next }),
    { name: "tls_version", isChanged: isOther(then, now) },
  ];
}

/** Each new listener with the old one in the same place: the first with the first of those. */
function pairs(
  current: Configuration,
  next: Configuration,
): [ListenerConfiguration | undefined, ListenerConfiguration][] {
  const left = [...current.listeners];
  return next.listeners.map((listener) => {
    const at = left.findIndex((old) => placeOf(old) === placeOf(listener));
    return [at < 0 ? undefined : left.splice(at, 1)[0], listener];
  });
}

function placeOf({ port, host, path }: ListenerConfiguration): string {
  return `${port} ${path ?? host ?? ""}`;
}

function merged(table: DirectiveTable, current: Values, next: Values): Values {
  return { ...next, ...kept(table, current) };
}

/** The values of a table that SIGHUP does not change. */
function kept(table: DirectiveTable, values: Values): Values {
  const keys = Object.keys(table).filter((key) => table[key]!.reload === "no");
  return Object.fromEntries(keys.filter((key) => key in values).map((key) => [key, values[key]]));
}

function unchanging(table: DirectiveTable, current: Values, next: Values): Waiting[] {
  return Object.entries(table)
    .filter(([, row]) => row.reload === "no")
    .map(([key, { name }]) => ({ name, isChanged: isOther(current[key], next[key]) }));
}

function isOtherStore(
  current: PersistenceConfiguration | null,
  next: PersistenceConfiguration | null,
): boolean {
  if (current === null || next === null) return current !== next;
  return isOther(current, reloadedPersistence(next, current));
}

function isOther(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) !== JSON.stringify(other);
}
