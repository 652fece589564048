/**
 * What a broker is told by its configuration and command line, with every default filled in.
 *
 * Keys and units are those of the broker's settings, so that they can be handed on as they are.
 */
import type { BridgeConfiguration } from "./bridge-configuration.ts";
import { bad, type DirectiveValues } from "./directive.ts";
import type { GENERAL_DIRECTIVES, SECURITY_DIRECTIVES } from "./general-directives.ts";
import type { Address, LISTENER_DIRECTIVES } from "./listener-directives.ts";
import {
  DEFAULT_LOG_TYPES,
  type LOG_DIRECTIVES,
  LOG_TYPES,
  type LogDestination,
  type LogType,
} from "./log-directives.ts";
import {
  type PERSISTENCE_DIRECTIVES,
  STORE_DIRECTIVES,
  type Sync,
} from "./persistence-directives.ts";
import type { Plugin, StoreValues } from "./plugin-lines.ts";

/** Where mosquitto listens unless told otherwise. */
export const DEFAULT_PORT = 1883;

export type GeneralValues = DirectiveValues<typeof GENERAL_DIRECTIVES>;
export type SecurityValues = DirectiveValues<typeof SECURITY_DIRECTIVES>;
export type PersistenceValues = DirectiveValues<typeof PERSISTENCE_DIRECTIVES>;
export type LogValues = DirectiveValues<typeof LOG_DIRECTIVES>;
export type ListenerValues = DirectiveValues<typeof LISTENER_DIRECTIVES>;

/** A listener as its lines describe it. */
export interface ListenerLines extends Address {
  readonly values: ListenerValues;
  readonly security: SecurityValues;
  /** Named below its line; its own with per_listener_settings. */
  readonly plugins: readonly Plugin[];
  /** Those it asks for by plugin_use. */
  readonly used: readonly Plugin[];
}

/** One listener, complete. */
export interface ListenerConfiguration extends Address {
  /** No other has it, and it is the same when the file is read again. */
  readonly name: string;
  readonly bindInterface: string | undefined;
  readonly socketDomain: "ipv4" | "ipv6" | undefined;
  readonly protocol: "mqtt" | "websockets" | "http_api";
  /** Files that http_api serves; none when undefined. */
  readonly httpDir: string | undefined;
  /** Where pages may come from; from anywhere when empty. */
  readonly websocketsOrigin: readonly string[];
  /** Sockets at once, -1 for no limit. */
  readonly maxConnections: number;
  readonly allowAnonymous: boolean;
  readonly allowZeroLengthClientid: boolean;
  readonly acceptProtocolVersions: readonly (3 | 4 | 5)[];
  readonly autoIdPrefix: string;
  readonly maxQos: 0 | 1 | 2;
  readonly maxTopicAlias: number;
  readonly maxTopicAliasBroker: number;
  readonly mountPoint: string;
  readonly useUsernameAsClientid: boolean;
  /** Null: it does not speak TLS. */
  readonly tls: TlsConfiguration | null;
  /** Null: clients come themselves. */
  readonly proxy: ProxyConfiguration | null;
  /** Paths, from the working directory unless absolute. */
  readonly aclFile: string | undefined;
  readonly passwordFile: string | undefined;
  /** Those that judge its clients, in the order in which they are asked. */
  readonly plugins: readonly Plugin[];
}

/** The header of a proxy that connections of a listener begin with. */
export interface ProxyConfiguration {
  readonly version: 1 | 2;
  /** What the client must have shown the proxy, which only version 2 can tell. */
  readonly requiresTls: boolean;
  readonly requiresCertificate: boolean;
  /** Whether the name in the certificate is the client's user name. */
  readonly identifies: boolean;
}

/** TLS on a listener; paths are from the working directory unless absolute. */
export interface TlsConfiguration {
  /** Both, or neither where there is `psk`. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly psk: { readonly hint: string; readonly file: string | undefined } | null;
  readonly caFile: string | undefined;
  readonly caPath: string | undefined;
  readonly crlFile: string | undefined;
  readonly ciphers: string | undefined;
  readonly tls13Ciphers: string | undefined;
  readonly minVersion: "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly requires: boolean;
  readonly ignoresDates: boolean;
  /** What of a client's certificate is its user name; its PSK identity in the place of either. */
  readonly username: "commonName" | "subject" | undefined;
}

export interface LogConfiguration {
  readonly destinations: readonly LogDestination[];
  readonly types: readonly LogType[];
  /** local0 to local7; daemon when undefined. */
  readonly facility: number | undefined;
  readonly timestamp: boolean;
  /** For strftime; seconds since 1970 when undefined. */
  readonly timestampFormat: string | undefined;
}

/** The database that the broker's state is kept in, and how (mosquitto-2.1 b.5, e.3). */
export interface PersistenceConfiguration {
  /** Path of the database; from the working directory unless it is absolute. */
  readonly databaseFile: string;
  /** Path of what a mosquitto without the plugin has saved, to be read at the first start. */
  readonly oldDatabaseFile: string;
  /** full unless a line says otherwise, and never less without one. */
  readonly sync: Sync;
  /** Seconds that changes may wait with sync normal or off, up to 2147483647. */
  readonly flushPeriod: number;
  /** Bytes of a page of a new database: a power of two from 512 to 65536. */
  readonly pageSize: number;
  /** Seconds, or changes, between checkpoints, up to 2147483647; 0 for none on that account. */
  readonly autosaveInterval: number;
  /** Whether `autosaveInterval` counts changes. */
  readonly autosaveOnChanges: boolean;
  /** The kind of line that asks for it. */
  readonly askedBy: "persistence" | "plugin";
}

export interface Configuration {
  readonly general: GeneralValues;
  /** Null: nothing outlasts the process. */
  readonly persistence: PersistenceConfiguration | null;
  /** For clients of every listener that does not say otherwise. */
  readonly allowZeroLengthClientid: boolean;
  readonly log: LogConfiguration;
  readonly listeners: readonly ListenerConfiguration[];
  /** In the order of their lines. */
  readonly bridges: readonly BridgeConfiguration[];
  /** All that lines name, whosever they are. */
  readonly plugins: readonly Plugin[];
  /** No listener was named: only this machine can connect, and anonymously unless forbidden. */
  readonly localOnly: boolean;
}

/** What the command line says besides. */
export interface CommandLine {
  /** Loopback ports, for when no listener is named. None: 1883. */
  readonly ports: readonly number[];
  readonly verbose: boolean;
  readonly quiet: boolean;
}

/** The environment of the process; only what is looked at is named in `complete`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The values that the files left behind. */
export interface Gathered {
  readonly general: GeneralValues;
  readonly persistence: PersistenceValues;
  /** What the store's plugin is told; undefined where no line names it. */
  readonly store: StoreValues | undefined;
  /** Of all listeners without per_listener_settings, with it, and all there are. */
  readonly plugins: readonly Plugin[];
  readonly globalPlugins: readonly Plugin[];
  readonly allPlugins: readonly Plugin[];
  readonly bridges: readonly BridgeConfiguration[];
  readonly log: LogValues;
  readonly security: SecurityValues;
  /** In the order of their lines. */
  readonly listeners: readonly ListenerLines[];
  /** What stood above the first listener. */
  readonly standard: Omit<ListenerLines, keyof Address> & {
    readonly port: number | undefined;
    readonly host: string | undefined;
    /** Values were given that make it a listener of its own beside others. */
    readonly wanted: boolean;
  };
}

/**
 * @param environment Of it MOSQUITTO_PERSISTENCE_LOCATION counts.
 * @throws {UsageError} What was told does not go together.
 */
export function complete(
  gathered: Gathered,
  commandLine: CommandLine,
  environment: Environment,
): Configuration {
  const { general, security, standard } = gathered;
  const isNamed = standard.port !== undefined || standard.host !== undefined;
  const localOnly = !isNamed && gathered.listeners.length === 0;
  const lines = localOnly ? loopback(gathered, commandLine) : [...gathered.listeners];
  if (!localOnly && (isNamed || standard.wanted)) lines.push(standardListener(standard));
  return {
    general,
    persistence: persistenceConfiguration(gathered, environment),
    allowZeroLengthClientid: security.allowZeroLengthClientid,
    log: logConfiguration(gathered.log, commandLine),
    listeners: named(
      lines.map((listener) => {
        const isOwn = general.perListenerSettings;
        const own = isOwn ? listener.security : security;
        const { globalPlugins, plugins: all } = gathered;
        const plugins = isOwn ? [...globalPlugins, ...listener.plugins] : all;
        return listenerConfiguration(listener, own, [...plugins, ...listener.used], localOnly);
      }),
    ),
    bridges: gathered.bridges,
    plugins: gathered.allPlugins,
    localOnly,
  };
}

/**
 * What SIGHUP makes of it: when checkpoints are made may change, the database and whether there is
 * one may not.
 */
export function reloadedPersistence(
  current: PersistenceConfiguration | null,
  next: PersistenceConfiguration | null,
): PersistenceConfiguration | null {
  if (current === null || next === null) return current;
  const { autosaveInterval, autosaveOnChanges } = next;
  return { ...current, autosaveInterval, autosaveOnChanges };
}

/** What the store is told where no plugin line tells it otherwise. */
const STORE_DEFAULTS = Object.fromEntries(
  Object.entries(STORE_DIRECTIVES).map(([key, { fallback }]) => [key, fallback]),
) as StoreValues; // By the rows' own types.

function persistenceConfiguration(
  { persistence: values, store: named }: Gathered,
  environment: Environment,
): PersistenceConfiguration | null {
  if (named === undefined && !values.persistence) return null;
  const store = named ?? STORE_DEFAULTS;
  // An empty one is as good as none.
  const location = environment.MOSQUITTO_PERSISTENCE_LOCATION || values.persistenceLocation;
  const inside = (file: string) =>
    location === "" ? file : `${location.replace(/\/+$/, "")}/${file}`;
  return {
    databaseFile: store.dbFile ?? inside("mosquitto.sqlite3"),
    oldDatabaseFile: inside(values.persistenceFile),
    sync: store.sync,
    flushPeriod: store.flushPeriod,
    pageSize: store.pageSize,
    autosaveInterval: values.autosaveInterval,
    autosaveOnChanges: values.autosaveOnChanges,
    askedBy: named !== undefined ? "plugin" : "persistence",
  };
}

/** Each port on the loopback address of both families, or of the one that was asked for. */
function loopback({ standard }: Gathered, { ports }: CommandLine): ListenerLines[] {
  const { values, security, plugins, used } = standard;
  const hosts =
    values.socketDomain === "ipv4"
      ? ["127.0.0.1"]
      : values.socketDomain === "ipv6"
        ? ["::1"]
        : ["127.0.0.1", "::1"];
  return (ports.length === 0 ? [DEFAULT_PORT] : ports).flatMap((port) =>
    hosts.map((host) => ({ port, host, values, security, plugins, used })),
  );
}

function standardListener({ port, host, ...lines }: Gathered["standard"]): ListenerLines {
  const listener = { port: port ?? DEFAULT_PORT, ...lines };
  return host === undefined ? listener : { ...listener, host };
}

/** With names by where they listen; bind_interface may keep several apart that say the same. */
function named(
  listeners: readonly Omit<ListenerConfiguration, "name">[],
): readonly ListenerConfiguration[] {
  const counts = new Map<string, number>();
  return listeners.map((listener) => {
    const place = `${listener.port} ${listener.path ?? listener.host ?? "*"}`;
    const count = (counts.get(place) ?? 0) + 1;
    counts.set(place, count);
    return { ...listener, name: `${place} ${count}` };
  });
}

function listenerConfiguration(
  listener: ListenerLines,
  security: SecurityValues,
  plugins: readonly Plugin[],
  localOnly: boolean,
): Omit<ListenerConfiguration, "name"> {
  const { listenerAllowAnonymous, listenerAutoIdPrefix, ...own } = listener.values;
  const { port, host, path } = listener;
  const place = {
    ...(host === undefined ? {} : { host }),
    ...(path === undefined ? {} : { path }),
  };
  return {
    ...own,
    port,
    ...place,
    allowAnonymous: listenerAllowAnonymous ?? security.allowAnonymous ?? localOnly,
    allowZeroLengthClientid: security.allowZeroLengthClientid,
    aclFile: security.aclFile,
    passwordFile: security.passwordFile,
    plugins: [...new Set(plugins)].filter(({ kind }) => kind !== "store"),
    tls: tlsConfiguration(listener.values, security),
    proxy: proxyConfiguration(listener.values),
    websocketsOrigin: listener.values.websocketsOrigin ?? [],
    autoIdPrefix: listenerAutoIdPrefix ?? security.autoIdPrefix ?? "auto-",
  };
}

/**
 * A listener speaks TLS when it has a certificate, or a hint for pre-shared keys.
 *
 * @throws {UsageError} Its lines do not go together.
 */
function tlsConfiguration(
  values: ListenerValues,
  { pskFile }: SecurityValues,
): TlsConfiguration | null {
  const { certFile, keyFile, pskHint, caFile, caPath, crlFile, ciphers, tls13Ciphers } = values;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw bad("Error: Both certfile and keyfile must be provided if one of them is set.");
  }
  if (certFile === undefined && pskHint === undefined) return null;
  if (certFile !== undefined && pskHint !== undefined) {
    throw bad("Error: A listener has either psk_hint, or certfile and keyfile.");
  }
  const { useIdentityAsUsername, useSubjectAsUsername, tlsVersion } = values;
  const byCertificate = useSubjectAsUsername ? "subject" : undefined;
  const username = useIdentityAsUsername ? "commonName" : byCertificate;
  return {
    certFile,
    keyFile,
    psk: pskHint === undefined ? null : { hint: pskHint, file: pskFile },
    caFile,
    caPath,
    crlFile,
    ciphers,
    tls13Ciphers,
    minVersion: `TLSv${tlsVersion.slice("tlsv".length) as "1.1" | "1.2" | "1.3"}`,
    requires: pskHint === undefined && values.requireCertificate,
    ignoresDates: values.disableClientCertDateChecks,
    username,
  };
}

/** @throws {UsageError} Its lines do not go together. */
function proxyConfiguration(values: ListenerValues): ProxyConfiguration | null {
  const { proxyProtocol: version, certFile, pskHint, useSubjectAsUsername } = values;
  if (version === undefined) return null;
  if (version === 2 && (certFile !== undefined || pskHint !== undefined)) {
    throw bad(
      "Error: certfile, keyfile and psk_hint cannot be used with enable_proxy_protocol 2: " +
        "the proxy speaks TLS.",
    );
  }
  if (version === 2 && useSubjectAsUsername) {
    throw bad("Error: use_subject_as_username cannot be used with enable_proxy_protocol 2.");
  }
  if (version === 1 && values.proxyV2RequireTls) {
    throw bad("Error: proxy_protocol_v2_require_tls needs enable_proxy_protocol 2.");
  }
  return {
    version,
    requiresTls: values.proxyV2RequireTls,
    requiresCertificate: version === 2 && values.requireCertificate,
    identifies: version === 2 && values.useIdentityAsUsername,
  };
}

/** Where lines go when no line says so. */
export const DEFAULT_LOG_DESTINATIONS: readonly LogDestination[] = [{ to: "stderr" }];

/** -q silences everything, -v lets everything through, whatever the files say. */
function logConfiguration(log: LogValues, { quiet, verbose }: CommandLine): LogConfiguration {
  const types = verbose ? LOG_TYPES : (log.logTypes ?? DEFAULT_LOG_TYPES);
  return {
    destinations: log.logDestinations ?? DEFAULT_LOG_DESTINATIONS,
    types: quiet ? [] : types,
    facility: log.logFacility,
    timestamp: log.logTimestamp,
    timestampFormat: log.logTimestampFormat,
  };
}
