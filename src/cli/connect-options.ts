/**
 * From what the words say to what the client library is asked: everything that ts-pub, ts-sub and
 * ts-rr have in common about a connection.
 */
import type { ClientOptions, TlsOptions, WillOptions } from "../client/client.ts";
import { fraction } from "../io/random.ts";
import { ASK, type ConnectValues, isUnixSocket } from "../options/connect.ts";
import type { PropertiesByCommand } from "../options/property-option.ts";
import { pskKey } from "../options/tls.ts";
import type { Streams } from "./streams.ts";

const DEFAULT_PORT = 1883;
const DEFAULT_TLS_PORT = 8883;
/** Of identifiers that are made up. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** The client library keeps the identifiers above for its requests. */
export const INFLIGHT_MAX = 64_511;
/** What mosquitto's programs have under way, unless told. */
const DEFAULT_INFLIGHT = 20;

/** What is not in the words. */
export interface Circumstances {
  /** Goes behind the prefix of -I. */
  readonly pid: number;
  /** Read or asked for, whichever the words want. */
  readonly password?: Uint8Array | string | undefined;
  /** What opens an encrypted key, or asks for it. */
  readonly passphrase?: Passphrase | undefined;
}

type Passphrase = NonNullable<TlsOptions["passphrase"]>;

/** @throws {UsageError} when there is no password where one is wanted. */
export async function circumstancesOf(io: Streams, values: ConnectValues): Promise<Circumstances> {
  const { password, passwordFile } = values;
  const keyFile = tlsOf(values, undefined)?.keyFile;
  const isGiven = password !== ASK && passwordFile === undefined;
  const secrets = () => import("./secrets.ts");
  return {
    pid: io.pid,
    password: isGiven ? password : await (await secrets()).readPassword(io, values),
    ...(keyFile !== undefined && {
      passphrase: await (await secrets()).passphraseFor(io, keyFile),
    }),
  };
}

export function clientOptionsOf(
  values: ConnectValues,
  properties: PropertiesByCommand,
  circumstances: Circumstances,
): ClientOptions {
  const { sessionExpiryInterval, receiveMaximum, topicAliasMaximum, ...rest } = properties.connect;
  return {
    ...transportOptionsOf(values, circumstances),
    version: values.version,
    cleanStart: !values.keepSession,
    keepAlive: values.keepAlive,
    inflightMax: Math.min(values.maxInflight ?? DEFAULT_INFLIGHT, INFLIGHT_MAX),
    ...(Object.keys(rest).length > 0 && { properties: rest }),
    ...given({
      clientId: clientIdOf(values, circumstances.pid),
      username: values.username,
      password: circumstances.password,
      will: willOf(values, properties),
      sessionExpiryInterval,
      receiveMaximum,
      topicAliasMaximum,
    }),
  };
}

function transportOptionsOf(values: ConnectValues, { passphrase }: Circumstances): ClientOptions {
  const tls = tlsOf(values, passphrase);
  const common = { ...(tls !== undefined && { tls }), webSocket: values.webSocket };
  if (isUnixSocket(values)) return { ...common, socketPath: values.host };
  return {
    ...common,
    host: values.host,
    port:
      values.port ?? (tls !== undefined && namesTrust(values) ? DEFAULT_TLS_PORT : DEFAULT_PORT),
    srv: values.srv,
    ...given({ localAddress: values.localAddress, proxy: values.proxy }),
  };
}

/** Undefined: no TLS is spoken. What only says how to speak it does not make it so. */
function tlsOf(values: ConnectValues, passphrase: Passphrase | undefined): TlsOptions | undefined {
  const { psk, pskIdentity, port, systemCa, insecure } = values;
  const isByPort = port === DEFAULT_TLS_PORT;
  if (values.noTls || !(namesTrust(values) || systemCa || isByPort)) return undefined;
  const how = given({
    // The options have been checked: it is one of the two.
    minVersion: values.tlsVersion?.toLowerCase() === "tlsv1.3" ? ("TLSv1.3" as const) : undefined,
    ciphers: values.ciphers || undefined,
    alpn: values.tlsAlpn ? [values.tlsAlpn] : undefined,
    keyLogFile: values.tlsKeyLog,
  });
  const key = psk === undefined ? undefined : pskKey(psk);
  // With a key that both sides know no certificate is looked at.
  if (key !== undefined) return { ...how, psk: { identity: pskIdentity ?? "", key } };
  return {
    ...how,
    useSystemCa: systemCa || (isByPort && !namesTrust(values)),
    verify: !insecure,
    ...given({
      caFile: values.caFile,
      caPath: values.caPath,
      certFile: values.certFile,
      keyFile: values.keyFile,
      passphrase: values.keyFile === undefined ? undefined : passphrase,
    }),
  };
}

/** Whether the words say by what the broker is known: this alone turns TLS on, and its port. */
function namesTrust({ caFile, caPath, psk }: ConnectValues): boolean {
  return caFile !== undefined || caPath !== undefined || psk !== undefined;
}

/** Undefined: the broker is to make one up, which it cannot in MQTT 3.1. */
function clientIdOf({ id, idPrefix, version }: ConnectValues, pid: number): string | undefined {
  if (idPrefix !== undefined) return `${idPrefix}${pid}`;
  return id !== undefined || version > 3 ? id : clientIdMadeUp();
}

/** As mosquitto's programs make one up. */
export function clientIdMadeUp(): string {
  const letters = Array.from(
    { length: 18 },
    () => LETTERS[Math.floor(fraction() * LETTERS.length)],
  );
  return `mosq-${letters.join("")}`;
}

function willOf(values: ConnectValues, properties: PropertiesByCommand): WillOptions | undefined {
  if (values.willTopic === undefined) return undefined;
  return {
    topic: values.willTopic,
    payload: values.willPayload ?? "",
    qos: values.willQos,
    retain: values.willRetain,
    properties: properties.will,
  };
}

/** `fields` without those that are undefined: absent means absent. */
function given<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: NonNullable<Fields[Name]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof Fields]?: NonNullable<Fields[Name]> };
}
